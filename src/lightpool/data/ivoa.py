"""Tables of observations in the standard of the virtual observatory, ObsCore 1.1: from data stores, and back.

The standard: https://www.ivoa.net/documents/ObsCore/20170509/, tables 1, 6 and 7. Energies are in TeV, as in Gammapy,
where the standard asks for wavelengths in m.
"""

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import astropy.units as u
import numpy as np
from astropy.table import Column, MaskedColumn, Table
from numpy.typing import NDArray

from lightpool.data.data_store import DataStore
from lightpool.data.obs_table import ObservationTable
from lightpool.data.observation import Observation
from lightpool.data.store.hdu_index import HDUIndexTable
from lightpool.data.store.index_from_events import rows_of_file
from lightpool.data.tables.obs_ids import obs_id_numbers
from lightpool.data.tables.part_names import PARTS_IN_FILES
from lightpool.errors import FormatError, MissingColumnError, MissingDataError
from lightpool.fits import file_status, folder_and_name, match_name, parsing, place_of, read_fits, readable_path
from lightpool.typing import PathInput
from lightpool.utils.pbar import tracked

__all__ = [
    "DEFAULT_OBSCORE_TEMPLATE",
    "empty_obscore_table",
    "from_obscore_table",
    "observation_obscore_dict",
    "tap_address",
    "to_obscore_table",
]

log = logging.getLogger(__name__)

DEFAULT_OBSCORE_TEMPLATE: dict[str, str | int | float] = {
    "dataproduct_type": "event",
    "calib_level": 2,
    "obs_collection": "DL3",
    "access_format": "application/fits",
    "s_fov": 10.0,
}
"""Values that all observations of a store share."""

_SPACE, _TIME, _SPECTRUM = "Char.SpatialAxis.", "Char.TimeAxis.", "Char.SpectralAxis."
# name, type, unit, Utype, UCD, description
_COLUMNS = (
    ("dataproduct_type", "U10", "", "ObsDataset.dataProductType", "meta.id", "Kind of data product"),
    ("calib_level", "i4", "", "ObsDataset.calibLevel", "meta.code;obs.calib", "Level of calibration, 0 to 4"),
    ("target_name", "U25", "", "Target.name", "meta.id;src", "Name of the target"),
    ("obs_id", "U10", "", "DataID.observationID", "meta.id", "Number of the observation"),
    ("obs_collection", "U10", "", "DataID.collection", "meta.id", "Name of the collection"),
    ("obs_publisher_did", "U30", "", "Curation.publisherDID", "meta.ref.uri;meta.curation", "Name at the publisher"),
    ("access_url", "U30", "", "Access.reference", "meta.ref.url", "Address of the file"),
    ("access_format", "U30", "", "Access.format", "meta.code.mime", "Format of the file"),
    ("access_estsize", "i4", "kbyte", "Access.size", "phys.size;meta.file", "Size of the file"),
    ("s_ra", "f8", "deg", f"{_SPACE}Coverage.Location.Coord.Position2D.Value2.C1", "pos.eq.ra", "Right ascension"),
    ("s_dec", "f8", "deg", f"{_SPACE}Coverage.Location.Coord.Position2D.Value2.C2", "pos.eq.dec", "Declination"),
    ("s_fov", "f8", "deg", f"{_SPACE}Coverage.Bounds.Extent.diameter", "phys.angSize;instr.fov", "Field of view"),
    ("s_region", "U30", "", f"{_SPACE}Coverage.Support.Area", "pos.outline;obs.field", "Region of the sky"),
    ("s_resolution", "f8", "arcsec", f"{_SPACE}Resolution.refval.value", "pos.angResolution", "Width of the PSF"),
    ("s_xel1", "i4", "", f"{_SPACE}numBins1", "meta.number", "Pixels along the first axis"),
    ("s_xel2", "i4", "", f"{_SPACE}numBins2", "meta.number", "Pixels along the second axis"),
    ("t_xel", "i4", "", f"{_TIME}numBins", "meta.number", "Bins of time"),
    ("t_min", "f8", "d", f"{_TIME}Coverage.Bounds.Limits.StartTime", "time.start;obs.exposure", "Start, MJD"),
    ("t_max", "f8", "d", f"{_TIME}Coverage.Bounds.Limits.StopTime", "time.end;obs.exposure", "Stop, MJD"),
    ("t_exptime", "f8", "s", f"{_TIME}Coverage.Support.Extent", "time.duration;obs.exposure", "Live time"),
    (
        "t_resolution",
        "f8",
        "s",
        f"{_TIME}Resolution.Refval.valueResolution.Refval.value",
        "time.resolution",
        "Resolution of time",
    ),
    ("em_xel", "i4", "", "Char.SpectralAxis. numBins", "meta.number", "Bins of energy"),
    ("em_min", "f8", "TeV", f"{_SPECTRUM}Coverage.Bounds.Limits.LoLimit", "em.wl;stat.min", "Lowest energy"),
    ("em_max", "f8", "TeV", f"{_SPECTRUM}Coverage.Bounds.Limits.HiLimit", "em.wl;stat.max", "Highest energy"),
    ("em_res_power", "f8", "", f"{_SPECTRUM}Resolution.ResolPower.refVal", "spect.resolution", "Resolving power"),
    ("o_ucd", "U30", "", "Char.ObservableAxis.ucd", "meta.ucd", "What was observed"),
    ("pol_xel", "i4", "", "Char.PolarizationAxis.numBins", "meta.number", "States of polarization"),
    ("facility_name", "U10", "", "Provenance.ObsConfig.Facility.name", "meta.id;instr.tel", "Observatory"),
    ("instrument_name", "U25", "", "Provenance.ObsConfig.Instrument.name", "meta.id;instr", "Instrument"),
)
_EVENTS = ("event", "event-list")
_NEEDED = ("obs_id", "access_url", "s_ra", "s_dec", "t_min", "t_max")


# -- to ObsCore


def _column(spec: tuple[str, str, str, str, str, str], values: Sequence[object]) -> Column:
    name, kind, unit, utype, ucd, description = spec
    array: NDArray[Any] = np.asarray(values, dtype=kind if kind[0] != "U" or not values else None)
    if kind[0] == "U" and array.dtype.itemsize < np.dtype(kind).itemsize:
        array = array.astype(kind)  # at least as wide as Gammapy's; longer texts are kept whole
    meta = {"Utype": utype, "UCD": ucd}
    return Column(array, name=name, unit=unit, description=description, meta=meta)


def empty_obscore_table() -> Table:
    """Return a table without rows, with the 29 columns of ObsCore that `to_obscore_table` writes."""
    return Table([_column(spec, []) for spec in _COLUMNS])


def observation_obscore_dict(observation: Observation) -> dict[str, Any]:
    """Return the values of an observation by the names of their columns.

    Parameters
    ----------
    observation : `Observation`
    """
    meta, pointing = observation.meta, observation.get_pointing_icrs(observation.tmid)
    energy = observation.required("events").energy
    return {
        "target_name": None if meta.target is None else meta.target.name,
        "obs_id": str(observation.obs_id),
        "s_ra": float(pointing.ra.deg),
        "s_dec": float(pointing.dec.deg),
        "t_min": float(observation.tstart.mjd),
        "t_max": float(observation.tstop.mjd),
        "t_exptime": float(observation.observation_live_time_duration.to_value("s")),
        "em_min": float(energy.min().value),
        "em_max": float(energy.max().value),
        "facility_name": None if meta.obs_info is None else meta.obs_info.telescope,
        "instrument_name": None if meta.obs_info is None else meta.obs_info.instrument,
    }


def to_obscore_table(
    base_dir: PathInput,
    selected_obs: Iterable[int] | None = None,
    obs_publisher_did: str | None = None,
    access_url: str | None = None,
    obscore_template: Mapping[str, Any] | None = None,
) -> Table:
    """Return the ObsCore table of a data store, one row for each observation.

    Parameters
    ----------
    base_dir : str or path-like, see `DataStore.from_dir`
    selected_obs : iterable of int, optional; all observations by default
    obs_publisher_did : str, optional; the publisher's name of the data, to which the number is added
    access_url : str, optional; the address of the folder with the files, to which the name of the file is added
    obscore_template : dict, optional; values that all rows share, in addition to `DEFAULT_OBSCORE_TEMPLATE`
    """
    for name, given in (("obs_publisher_did", obs_publisher_did), ("access_url", access_url)):
        if given is None:
            log.warning(f"{name} is not given: the column has no address that others could use")
    shared = {**DEFAULT_OBSCORE_TEMPLATE, **(obscore_template or {})}
    if unknown := sorted(set(shared) - {spec[0] for spec in _COLUMNS}):
        raise ValueError(f"obscore_template has {', '.join(unknown)}, which ObsCore does not know")
    store = DataStore.from_dir(base_dir)
    rows = []

    def add_row(obs_id: int) -> None:
        location = store.hdu_table.hdu_location(obs_id, "events")
        if location is None:
            raise MissingDataError(f"the index of {store.hdu_table.shown_dir} lists no events of observation {obs_id}")
        row = dict(shared)
        row["obs_publisher_did"] = f"{obs_publisher_did or ''}#{obs_id}"
        row["access_estsize"] = file_status(location.place).st_size // 1024
        row["access_url"] = f"{access_url or ''}{location.file_name}"
        observation = store.obs(obs_id, required_irf="all-optional")
        rows.append(row | observation_obscore_dict(observation))

    with tracked(store.obs_ids.tolist() if selected_obs is None else selected_obs, "observations") as obs_ids:
        for obs_id in obs_ids:
            add_row(int(obs_id))
    empty = {spec[0]: "" if spec[1][0] == "U" else 0 for spec in _COLUMNS}
    whole = [empty | {name: value for name, value in row.items() if value is not None} for row in rows]
    return Table([_column(spec, [row[spec[0]] for row in whole]) for spec in _COLUMNS])


# -- from ObsCore


def tap_address(service: str, query: str) -> str:
    """Return the address at which a TAP service answers a query, for `from_obscore_table`.

    Parameters
    ----------
    service : str, address of the service, such as ``https://host/tap``
    query : str in ADQL, such as ``SELECT * FROM ivoa.obscore WHERE obs_collection = 'DL3'``
    """
    return f"{service.rstrip('/')}/sync?REQUEST=doQuery&LANG=ADQL&FORMAT=votable&QUERY={quote(query, safe='')}"


def from_obscore_table(table: Table | PathInput, same_layout: bool = False) -> DataStore:
    """Make a data store of the event files that an ObsCore table names by their ``access_url``.

    Parameters
    ----------
    table : `astropy.table.Table`, or the path or address of a file that holds one, as a TAP service answers (VOTable)
        Rows whose ``dataproduct_type`` is not ``event`` are left out.
    same_layout : bool
        Whether all files have their HDUs under the names of the first: then no other file is opened now.

    Raises
    ------
    MissingColumnError
        If a column is missing.
    FormatError
        If a row has no address, an address is that of another format, or a number of an observation is none.
    """
    found = table if isinstance(table, Table) else _read(table)
    names = {name: match_name(name, found.colnames, "ObsCore table") for name, *_ in _COLUMNS}
    if missing := [name for name in _NEEDED if names[name] is None]:
        raise MissingColumnError(
            f"an ObsCore table needs the columns {', '.join(_NEEDED)}; {', '.join(missing)} are missing, it has "
            f"{', '.join(found.colnames)}"
        )
    kinds = _texts(found, names["dataproduct_type"], "event")
    keep = np.array([kind.strip().lower() in _EVENTS for kind in kinds], dtype=bool)
    if not keep.any():
        raise FormatError(f"the ObsCore table has no event lists; its {len(found)} rows have {sorted(set(kinds))}")
    found = found[keep]
    _check_formats(found, names)
    obs_ids = obs_id_numbers(np.array(_texts(found, names["obs_id"])), "ObsCore table, column 'obs_id'")
    places = [place_of(text) for text in _texts(found, names["access_url"])]
    rows: list[dict[str, Any]] = []
    for number, place in zip(obs_ids.tolist(), places, strict=True):
        if not rows or not same_layout:
            layout = list(rows_of_file(place, number, PARTS_IN_FILES))
        folder, name = folder_and_name(place)
        rows += [{**row, "OBS_ID": number, "FILE_DIR": folder, "FILE_NAME": name} for row in layout]
    if not rows:
        raise FormatError("the files that the ObsCore table names have no HDUs of events, good times or responses")
    index = HDUIndexTable(rows=rows, names=list(rows[0]))
    index.meta.update({"HDUCLASS": "GADF", "HDUCLAS1": "INDEX", "HDUCLAS2": "HDU"})
    return DataStore(index, _observations(found, names, obs_ids))


def _read(path: PathInput) -> Table:
    with parsing(str(path)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of astropy, about units and details of VOTables
        copy = readable_path(path)
        if copy.read_bytes()[:400].lstrip()[:1] == b"<":
            return Table.read(copy, format="votable")
        return read_fits(path).table(1).to_table()


def _texts(table: Table, name: str | None, default: str = "") -> list[str]:
    if name is None:
        return [default] * len(table)
    column = table[name]
    values: Column = column.filled(default) if isinstance(column, MaskedColumn) else column
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]


def _check_formats(table: Table, names: Mapping[str, str | None]) -> None:
    obs_ids, urls = _texts(table, names["obs_id"]), _texts(table, names["access_url"])
    if without := [number for number, url in zip(obs_ids, urls, strict=True) if not url.strip()]:
        raise FormatError(f"ObsCore table: observations {', '.join(without)} have no access_url; leave them out")
    for number, kind in zip(obs_ids, _texts(table, names["access_format"], "application/fits"), strict=True):
        if "fits" not in kind.lower():
            raise FormatError(
                f"ObsCore table: the access_url of observation {number} gives {kind!r}, expected a FITS file; follow "
                "its links (datalink) first, and put the addresses of the files into access_url"
            )


def _numbers(table: Table, name: str | None, unit: str) -> NDArray[np.float64]:
    if name is None:
        return np.full(len(table), np.nan)
    values: NDArray[np.float64] = np.ma.asarray(table[name], dtype=float).filled(np.nan)
    return np.asarray(u.Quantity(values, table[name].unit or unit).to_value(unit))


def _observations(table: Table, names: Mapping[str, str | None], obs_ids: NDArray[np.integer[Any]]) -> ObservationTable:
    """Return the observation table; times count from the day of the first observation, in TT."""
    start, stop = (_numbers(table, names[name], "d") for name in ("t_min", "t_max"))
    day = int(np.floor(np.nanmin(start))) if np.isfinite(start).any() else 0
    columns = {
        "OBS_ID": obs_ids,
        "RA_PNT": u.Quantity(_numbers(table, names["s_ra"], "deg"), "deg"),
        "DEC_PNT": u.Quantity(_numbers(table, names["s_dec"], "deg"), "deg"),
        "TSTART": u.Quantity((start - day) * 86400, "s"),
        "TSTOP": u.Quantity((stop - day) * 86400, "s"),
        "LIVETIME": u.Quantity(_numbers(table, names["t_exptime"], "s"), "s"),
        "OBJECT": _texts(table, names["target_name"]),
        "TELESCOP": _texts(table, names["facility_name"]),
        "INSTRUME": _texts(table, names["instrument_name"]),
    }
    meta = {"MJDREFI": day, "MJDREFF": 0.0, "TIMESYS": "TT", "TIMEUNIT": "s"}
    meta |= {"HDUCLASS": "GADF", "HDUCLAS1": "INDEX", "HDUCLAS2": "OBS"}
    return ObservationTable(
        {name: np.asarray(v) if isinstance(v, list) else v for name, v in columns.items()}, meta=meta
    )
