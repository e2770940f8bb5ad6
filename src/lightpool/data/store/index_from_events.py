"""Index tables made from the headers of event files."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord

from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.obs_table import ObservationTable
from lightpool.data.pointing import PointingMode
from lightpool.data.store.hdu_index import HDUIndexTable
from lightpool.data.tables.gadf_tables import classify_hdus
from lightpool.data.tables.obs_ids import obs_id_of
from lightpool.data.tables.time_reference import TIME_KEYWORDS
from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import FileKind, FitsFile, make_path, parsing, require_kind, seconds_since_reference
from lightpool.typing import PathInput

__all__ = ["index_tables"]

log = logging.getLogger(__name__)

_NOT_THERE = "NOT AVAILABLE"
_NUMBERS = {"TSTART": u.s, "TSTOP": u.s, "ONTIME": u.s, "LIVETIME": u.s, "DEADC": None}
# FITS spells these with a hyphen; some files have an underscore.
_DATES = (("DATE-OBS", "DATE_OBS"), ("TIME-OBS", "TIME_OBS"), ("DATE-END", "DATE_END"), ("TIME-END", "TIME_END"))
_GADF = {"HDUCLASS": "GADF", "HDUDOC": "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats"}
_GADF |= {"HDUVERS": "0.2", "HDUCLAS1": "INDEX"}


def index_tables(
    events_paths: Sequence[PathInput], irfs_paths: PathInput | Sequence[PathInput] | None = None
) -> tuple[HDUIndexTable, ObservationTable]:
    """Create both index tables, see `lightpool.data.DataStore.from_events_files`.

    Parameters
    ----------
    events_paths : list of str or path-like
    irfs_paths : str or path-like for all, or a list with one for each, optional

    Raises
    ------
    FormatError
        If a header lacks a keyword, two files have the same OBS_ID, or the reference times differ.
    """
    if isinstance(events_paths, str | PathLike):
        raise TypeError(f"expected a list of paths, got the single path {events_paths!r}; put it into a list")
    paths = [make_path(path) for path in events_paths]
    if not paths:
        raise ValueError("no event files given: the list of paths is empty")
    irfs: list[Path | None]
    if irfs_paths is None or isinstance(irfs_paths, str | PathLike):
        irfs = [None if irfs_paths is None else make_path(irfs_paths)] * len(paths)
    else:
        irfs = [make_path(path) for path in irfs_paths]
    if len(irfs) != len(paths):
        raise ValueError(f"{len(irfs)} response files for {len(paths)} event files; give one for all, or one each")
    infos = [_info(path, irf) for path, irf in zip(paths, irfs, strict=True)]
    _check_unique(infos)
    _check_times(infos)
    rows = [row for path, info in zip(paths, infos, strict=True) for row in _hdu_rows(path, info)]
    hdu_table = HDUIndexTable(rows=rows, names=list(rows[0]))
    hdu_table.meta.update(_GADF | {"HDUCLAS2": "HDU"})
    names = [name for info in infos for name in info]
    # The union in order of appearance: in mode DRIFT, the pointing has other columns.
    names = list(dict.fromkeys(names))
    obs_table = ObservationTable(
        rows=[[info.get(name, _missing(name)) for name in names] for info in infos], names=names
    )
    obs_table.meta.update(
        {name: infos[0][name] for name in TIME_KEYWORDS if infos[0][name] is not None} | _GADF | {"HDUCLAS2": "OBS"}
    )
    return hdu_table, obs_table


def _missing(name: str) -> u.Quantity:
    """Return NaN for a coordinate of the pointing that only observations in the other mode have."""
    return float("nan") * u.deg


def _info(path: Path, irf: Path | None) -> dict[str, Any]:
    """Return a row of the observation table."""
    with parsing(path):
        return _info_of(FILE_CACHE.open(path).file, path, irf)


def _info_of(file: FitsFile, path: Path, irf: Path | None) -> dict[str, Any]:
    require_kind(file, "DataStore.from_events_files", FileKind.EVENTS)
    header = seconds_since_reference(file.values("EVENTS"), f"{file.source}, HDU 'EVENTS'")
    try:
        info: dict[str, Any] = {"OBS_ID": obs_id_of(header["OBS_ID"], f"{file.source}, HDU 'EVENTS'")}
        for name, unit in _NUMBERS.items():
            info[name] = float(header[name]) * unit if unit is not None else float(header[name])
        info["TELESCOP"] = header.get("TELESCOP", _NOT_THERE)
        info |= _pointing(header)
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{file.source}, HDU 'EVENTS': a keyword is missing or not a number: {error}") from error
    dashed = all(name in header for name, _ in _DATES)
    info |= {name: header.get(name if dashed else underscored, _NOT_THERE) for name, underscored in _DATES}
    info |= {"N_TELS": header.get("N_TELS", -1), "OBJECT": header.get("OBJECT", _NOT_THERE)}
    info |= {"EVENTS_FILENAME": str(path), "EVENT_COUNT": header["NAXIS2"]}
    info |= {"CALDB": header.get("CALDB", _NOT_THERE), "IRF": header.get("IRF", _NOT_THERE)}
    info["IRF_FILENAME"] = str(_irf_path(path, irf, info))
    info |= {name: header.get(name) for name in TIME_KEYWORDS}
    return info


def _pointing(header: Mapping[str, Any]) -> dict[str, u.Quantity]:
    if PointingMode.from_gadf_string(str(header.get("OBS_MODE", "POINTING"))) is PointingMode.DRIFT:
        altitude = float(header["ALT_PNT"]) * u.deg
        return {"ALT_PNT": altitude, "AZ_PNT": float(header["AZ_PNT"]) * u.deg, "ZEN_PNT": 90 * u.deg - altitude}
    ra, dec = float(header["RA_PNT"]) * u.deg, float(header["DEC_PNT"]) * u.deg
    galactic = SkyCoord(ra, dec, frame="icrs").galactic
    return {"RA_PNT": ra, "DEC_PNT": dec, "GLON_PNT": galactic.l, "GLAT_PNT": galactic.b}


def _irf_path(path: Path, irf: Path | None, info: dict[str, Any]) -> Path:
    if irf is not None:
        return irf
    if _NOT_THERE in (info["CALDB"], info["IRF"]):
        return path
    # The layout of HEASARC's calibration database, as in Gammapy.
    folder = f"$CALDB/data/{info['TELESCOP'].lower()}/{info['CALDB']}/bcf/{info['IRF']}"
    files = sorted(make_path(folder).glob("*.fits*"))
    return Path(folder) / files[0].name if files else Path(folder)


def _check_unique(infos: list[dict[str, Any]]) -> None:
    seen: dict[int, str] = {}
    for info in infos:
        other = seen.setdefault(info["OBS_ID"], info["EVENTS_FILENAME"])
        if other != info["EVENTS_FILENAME"]:
            raise FormatError(
                f"OBS_ID {info['OBS_ID']} is that of two event files: {other} and {info['EVENTS_FILENAME']}; an "
                "observation has one event list: remove one, or give it another OBS_ID"
            )


def _check_times(infos: list[dict[str, Any]]) -> None:
    first = infos[0]
    for info in infos[1:]:
        differ = [name for name in TIME_KEYWORDS if info[name] != first[name]]
        if differ:
            raise FormatError(
                "The time information in the EVENT header are not consistent between observations: "
                + "; ".join(
                    f"{name} = {first[name]!r} in {first['EVENTS_FILENAME']}, {info[name]!r} in "
                    f"{info['EVENTS_FILENAME']}"
                    for name in differ
                )
                + ". Make a data store for each group of files"
            )


def _hdu_rows(path: Path, info: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield rows of the HDU index: the HDUs of the event file and of the response file."""
    irf = Path(info["IRF_FILENAME"])
    yield from _rows_of_file(path, info["OBS_ID"], ("events", "gti"))
    try:
        yield from _rows_of_file(irf, info["OBS_ID"], ("aeff", "edisp", "psf", "bkg", "rad_max"))
    except MissingDataError as error:
        log.warning(f"observation {info['OBS_ID']} has no response: {error}")


def _rows_of_file(path: Path, obs_id: int, kinds: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    seen = set()
    for name, kind, hdu_class in classify_hdus(FILE_CACHE.open(path).file):
        if kind in kinds and kind not in seen:
            seen.add(kind)
            yield {
                "HDU_TYPE": kind,
                "HDU_CLASS": hdu_class,
                "HDU_NAME": name,
                "OBS_ID": obs_id,
                "FILE_DIR": path.parent.as_posix(),
                "FILE_NAME": path.name,
            }
