"""Write a GADF data store of simulated runs: event lists, good time intervals, responses and the two index files."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time, TimeDelta

from lightpool.fits import BinTableHDU, HDUList, Header, PrimaryHDU, make_path, table_to_hdu, write_fits
from lightpool.simulate.events import Events, PointSource, SimulatedRun, draw_events
from lightpool.simulate.instrument import BACKGROUND_KINDS, PSF_KINDS, Instrument
from lightpool.utils.pbar import tracked

__all__ = ["FIRST_MIDNIGHT", "simulate_store", "wobble_runs"]

# Site of H.E.S.S. in Namibia
_LOCATION = {"GEOLON": 16.50022, "GEOLAT": -23.27178, "ALTITUDE": 1835.0}  # deg, deg, m
# Reference time of the files, and start of the first day with runs
FIRST_MIDNIGHT = Time("2020-01-01T00:00:00", scale="tt")
# MJD 58849 is 2020-01-01, as FIRST_MIDNIGHT.
_TIME_KEYS = {"MJDREFI": 58849, "MJDREFF": 0.0, "TIMEUNIT": "s", "TIMESYS": "TT", "TIMEREF": "LOCAL"}
_DOCUMENT = "https://gamma-astro-data-formats.readthedocs.io"
_N_NIGHT = 12  # runs per night, half an hour each

_IndexRow: TypeAlias = tuple[int, str, str, str, str, str]


def wobble_runs(
    n_run: int,
    center: SkyCoord,
    *,
    ontime: float = 1680.0,
    wobble_offset: float = 0.5,
    first_id: int = 1,
    rng: np.random.Generator,
) -> list[SimulatedRun]:
    """Create runs whose pointings are in turn to the north, south, east and west of a target.

    Parameters
    ----------
    n_run : int
    center : SkyCoord
        Position of the target.
    ontime : float, s
    wobble_offset : float, deg
    first_id : int
        Number of the first run.
    rng : numpy.random.Generator
        For the zenith and azimuth angles.
    """
    if n_run < 1:
        raise ValueError(f"n_run must be at least 1, got {n_run}")
    # Position angles, from north through east.
    angles = np.array([0, 180, 90, 270])
    runs = []
    for i in range(n_run):
        night, in_night = divmod(i, _N_NIGHT)
        runs.append(
            SimulatedRun(
                obs_id=first_id + i,
                pointing=center.icrs.directional_offset_by(angles[i % 4] * u.deg, wobble_offset * u.deg),
                # From 21:00 (75600 s) on, with two minutes between runs.
                start=FIRST_MIDNIGHT + TimeDelta(night * 86400 + 75600 + in_night * (ontime + 120), format="sec"),
                ontime=ontime,
                zenith=float(rng.uniform(42, 50)),
                azimuth=float(rng.uniform(-20, 20)) % 360,
                target_position=center,
            )
        )
    return runs


def simulate_store(
    folder: str | Path,
    n_run: int = 4,
    *,
    source: PointSource | Sequence[PointSource] | None = None,
    runs: Sequence[SimulatedRun] | None = None,
    seed: int = 0,
    ontime: float = 1680.0,
    wobble_offset: float = 0.5,
    point_like: bool = False,
    psf_kinds: Sequence[str] = PSF_KINDS,
    background_kinds: Sequence[str] = BACKGROUND_KINDS,
    overwrite: bool = False,
) -> Path:
    """Write a data store that `DataStore.from_dir` opens.

    Parameters
    ----------
    folder : str or Path
        Gets ``obs-index.fits.gz``, ``hdu-index.fits.gz`` and files ``data/run_NNNNNN.fits.gz``; created if missing.
    n_run : int
    source : PointSource or sequence of PointSource, optional
        The Crab nebula by default; a norm of zero makes an empty field. The first one is at the centre of the wobble
        positions.
    runs : sequence of SimulatedRun, optional
        Pointings and times of the runs, instead of ``n_run`` wobble runs of length ``ontime``.
    seed : int
        Each run has its own random stream: the first n runs are the same for any ``n_run``.
    ontime : float, s
    wobble_offset : float, deg
    point_like : bool
        Whether the responses are for events inside the directional cut RAD_MAX, without PSF and background.
    psf_kinds, background_kinds : sequence of str
        Kinds of response tables, taken in turn; see `Instrument`.
    overwrite : bool

    Returns
    -------
    folder : Path
    """
    folder = make_path(folder)
    if (folder / "obs-index.fits.gz").exists() and not overwrite:
        raise FileExistsError(f"{folder} contains a data store; choose another folder, or overwrite=True (--overwrite)")
    sources = _all_sources(source)
    if runs is None:
        rng = np.random.default_rng([seed, 0])  # stream 0 belongs to no run: their numbers begin at 1
        runs = wobble_runs(n_run, sources[0].position, ontime=ontime, wobble_offset=wobble_offset, rng=rng)
    _refuse_unusable(runs)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    rows = []
    with tracked(runs, "simulated runs") as items:
        for i, run in enumerate(items):
            instrument = _instrument(psf_kinds[i % len(psf_kinds)], background_kinds[i % len(background_kinds)])
            events = draw_events(instrument, run, sources, np.random.default_rng([seed, run.obs_id]))
            name = f"data/run_{run.obs_id:06d}.fits.gz"
            write_fits(_hdus_of_run(run, events, instrument, point_like), folder / name, overwrite=overwrite)
            rows += list(_hdu_index_rows(run, name, instrument, point_like))
    for name, table in (("obs-index", _obs_index(runs)), ("hdu-index", _hdu_index(rows))):
        write_fits(HDUList([PrimaryHDU(), table]), folder / f"{name}.fits.gz", overwrite=overwrite)
    return folder


def _hdus_of_run(run: SimulatedRun, events: Events, instrument: Instrument, point_like: bool) -> HDUList:
    """Return the contents of the file of a run.

    Parameters
    ----------
    run, events, instrument : what is written
    point_like : bool, see `simulate_store`
    """
    return HDUList([PrimaryHDU(), _events_hdu(run, events), _gti_hdu(run), *_response_hdus(instrument, point_like)])


def _all_sources(source: PointSource | Sequence[PointSource] | None) -> list[PointSource]:
    if source is None or isinstance(source, PointSource):
        return [PointSource() if source is None else source]
    if len(source) == 0:
        raise ValueError("source is an empty list; for a field without gamma rays, pass PointSource(norm=0)")
    return list(source)


def _refuse_unusable(runs: Sequence[SimulatedRun]) -> None:
    """Refuse numbers of runs that are not those of files and of random streams."""
    numbers = [run.obs_id for run in runs]
    if not numbers:
        raise ValueError("runs is an empty list, expected at least one SimulatedRun")
    if len(set(numbers)) < len(numbers) or min(numbers) < 1:
        raise ValueError(f"runs have the numbers (obs_id) {numbers}, expected different ones from 1 on")


@lru_cache(maxsize=16)
def _instrument(psf_kind: str, background_kind: str) -> Instrument:
    """Return a cached instrument: its tables are the same for all runs of a data store."""
    return Instrument(psf_kind=psf_kind, background_kind=background_kind)


@lru_cache(maxsize=16)
def _response_hdus(instrument: Instrument, point_like: bool) -> tuple[BinTableHDU, ...]:
    hdus = []
    for kind, response in instrument.tables(point_like=point_like).items():
        hdu = response.to_table_hdu(format="gadf-dl3")
        table = Table(hdu.data)
        for column in table.colnames:  # float32, as in the files of observatories
            table[column] = table[column].astype(np.float32)
            table[column].unit = hdu.columns[column].unit
        single = table_to_hdu(table, kind.upper())
        # `unique`: keywords of the float32 columns are not replaced by those of the original ones.
        single.header.extend(hdu.header, unique=True)
        hdus.append(single)
    return tuple(hdus)


def _seconds(time: Time) -> float:
    return float((time - FIRST_MIDNIGHT).to_value("s"))


def _events_hdu(run: SimulatedRun, events: Events) -> BinTableHDU:
    n_event = events.energy.size
    table = Table(
        {
            "EVENT_ID": np.arange(n_event, dtype=np.int64),
            # GADF: since the reference time of the header, MJDREFI.
            "TIME": (_seconds(run.start) + events.time) * u.s,
            # Up to 360 deg, float32 has steps of 0.1 arcsec: far less than the PSF.
            "RA": events.lon.astype(np.float32) * u.deg,
            "DEC": events.lat.astype(np.float32) * u.deg,
            "ENERGY": events.energy.astype(np.float32) * u.TeV,
            "MC_ID": events.mc_id.astype(np.int32),
        }
    )
    hdu = table_to_hdu(table, "EVENTS")
    hdu.header.update(_TIME_KEYS | _run_keys(run) | _target_keys(run) | _LOCATION)
    hdu.header["HDUCLASS"], hdu.header["HDUDOC"], hdu.header["HDUVERS"] = "GADF", _DOCUMENT, "0.3"
    hdu.header["HDUCLAS1"] = "EVENTS"
    # GADF has the old name of the FITS keyword RADESYS.
    hdu.header["RADECSYS"], hdu.header["EQUINOX"] = "ICRS", 2000.0
    hdu.header["CREATOR"], hdu.header["ORIGIN"] = "lightpool", "simulation"
    return hdu


def _target_keys(run: SimulatedRun) -> dict[str, float]:
    if run.target_position is None:
        return {}
    position = run.target_position.icrs
    return {"RA_OBJ": float(position.ra.deg), "DEC_OBJ": float(position.dec.deg)}


def _run_keys(run: SimulatedRun) -> dict[str, str | int | float]:
    start, stop = run.start, run.start + TimeDelta(run.ontime, format="sec")
    return {
        "OBS_ID": run.obs_id,
        "TELESCOP": "LIGHTPOOL",
        "INSTRUME": "SIMULATED",
        "OBJECT": run.target,
        "OBS_MODE": "POINTING",
        "TSTART": _seconds(start),
        "TSTOP": _seconds(stop),
        "DATE-OBS": start.isot.split("T")[0],
        "TIME-OBS": start.isot.split("T")[1],
        "DATE-END": stop.isot.split("T")[0],
        "TIME-END": stop.isot.split("T")[1],
        "ONTIME": run.ontime,
        # GADF: LIVETIME is ONTIME times DEADC.
        "LIVETIME": run.livetime,
        "DEADC": 1 - run.deadtime_fraction,
        "RA_PNT": float(run.pointing.icrs.ra.deg),
        "DEC_PNT": float(run.pointing.icrs.dec.deg),
        "ALT_PNT": 90 - run.zenith,
        "AZ_PNT": run.azimuth,
    }


def _gti_hdu(run: SimulatedRun) -> BinTableHDU:
    start = _seconds(run.start)
    times = {"START": u.Quantity([start], "s"), "STOP": u.Quantity([start + run.ontime], "s")}
    hdu = table_to_hdu(Table(times), "GTI")
    hdu.header.update(_TIME_KEYS)
    hdu.header["HDUCLASS"], hdu.header["HDUDOC"], hdu.header["HDUVERS"] = "GADF", _DOCUMENT, "0.3"
    hdu.header["HDUCLAS1"] = "GTI"
    return hdu


def _hdu_index_rows(run: SimulatedRun, name: str, instrument: Instrument, point_like: bool) -> Iterator[_IndexRow]:
    path = Path(name)
    classes = {"aeff": "aeff_2d", "edisp": "edisp_2d", "psf": instrument.psf_kind}
    classes |= {"bkg": instrument.background_kind, "rad_max": "rad_max_2d"}
    kinds = ["events", "gti", *instrument.tables(point_like=point_like)]
    for kind in kinds:
        yield run.obs_id, kind, classes.get(kind, kind), str(path.parent), path.name, kind.upper()


def _hdu_index(rows: list[_IndexRow]) -> BinTableHDU:
    names = ["OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME"]
    hdu = table_to_hdu(Table(rows=rows, names=names), "HDU_INDEX")
    _set_index_class(hdu.header, "HDU")
    return hdu


def _obs_index(runs: Sequence[SimulatedRun]) -> BinTableHDU:
    has_positions = all(run.target_position is not None for run in runs)
    more = [_target_keys(run) if has_positions else {} for run in runs]
    rows = [_run_keys(run) | keys | {"ZEN_PNT": run.zenith, "N_TELS": 4} for run, keys in zip(runs, more, strict=True)]
    units = {"RA_PNT": "deg", "DEC_PNT": "deg", "ALT_PNT": "deg", "AZ_PNT": "deg", "ZEN_PNT": "deg"}
    units |= dict.fromkeys(["RA_OBJ", "DEC_OBJ"] if has_positions else [], "deg")
    units |= {"TSTART": "s", "TSTOP": "s", "ONTIME": "s", "LIVETIME": "s"}
    table = Table(rows=rows)
    for name, unit in units.items():
        table[name].unit = u.Unit(unit)
    hdu = table_to_hdu(table, "OBS_INDEX")
    hdu.header.update(_TIME_KEYS)
    _set_index_class(hdu.header, "OBS")
    return hdu


def _set_index_class(header: Header, kind: str) -> None:
    header["HDUCLASS"], header["HDUDOC"], header["HDUVERS"] = "GADF", _DOCUMENT, "0.3"
    header["HDUCLAS1"], header["HDUCLAS2"] = "INDEX", kind
