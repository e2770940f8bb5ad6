"""Telescopes that point in different directions, or move during an observation.

GADF describes an observation by one pointing, RA_PNT and DEC_PNT, about which its responses are given. Arrays may
point divergently, so that their fields of view together are larger: OBS_MODE says so, or a pointing table has several
directions for one time. A table that has several directions one after the other belongs to a pointing that moves.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import angular_separation
from numpy.typing import NDArray

from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.observation import Observation
from lightpool.data.pointing import PointingMode
from lightpool.errors import LightpoolError, WrongUnitError
from lightpool.fits import FitsFile, TableData, conversion_factor, header_number, require_numbers

__all__ = ["PointingSpread", "pointing_spread", "spread_in_file"]

_MOVING = ("SLEW", "SCAN", "RASTER")
_COLUMNS = {"TIME": u.s, "RA_PNT": u.deg, "DEC_PNT": u.deg}
_MOST = 0.1
"""Angle, deg, below which directions count as the same: less than the bins of response tables."""


@dataclass(frozen=True)
class PointingSpread:
    """How far the directions of an observation are apart.

    Attributes
    ----------
    mode : str, OBS_MODE in capitals, empty if there is none
    apart : float, deg, between the directions of a pointing table at one time
    away : float, deg, from RA_PNT and DEC_PNT to a direction of the table
    """

    mode: str = ""
    apart: float = 0.0
    away: float = 0.0

    @property
    def is_divergent(self) -> bool:
        """Whether telescopes point in different directions at one time."""
        return self.mode.startswith("DIVERG") or self.apart > _MOST

    @property
    def is_moving(self) -> bool:
        """Whether the pointing moves on the sky, other than in a drift scan."""
        is_scan = PointingMode.from_gadf_string(self.mode) is PointingMode.DRIFT
        return not self.is_divergent and not is_scan and (self.mode in _MOVING or self.away > _MOST)

    @property
    def reason(self) -> str:
        """What says so, for messages."""
        said = [f"OBS_MODE = {self.mode}"] if self.mode.startswith("DIVERG") or self.mode in _MOVING else []
        if self.is_divergent and self.apart > 0:
            said.append(f"directions {self.apart:.2f} deg apart at one time in the pointing table")
        elif self.away > _MOST:
            said.append(f"directions up to {self.away:.2f} deg from RA_PNT, DEC_PNT in the pointing table")
        return ", ".join(said)


def pointing_spread(observation: Observation) -> PointingSpread:
    """Return how far the directions of an observation are apart, by the file of its events.

    Parameters
    ----------
    observation : Observation
        Of events in memory only the mode is known. A pointing table that cannot be read counts as none.
    """
    location = observation.locations.get("events") or observation.locations.get("pointing")
    if location is None:
        info = observation.meta.obs_info
        return PointingSpread(_mode(None if info is None else info.observation_mode))
    try:
        cached = FILE_CACHE.open(location.place)
        name = location.hdu_name
        return cached.get(("pointing spread", name), lambda: _spread_if_readable(cached.file, name))
    except LightpoolError:
        return PointingSpread()


def _spread_if_readable(file: FitsFile, events: str) -> PointingSpread:
    try:
        return spread_in_file(file, events)
    except LightpoolError:
        return PointingSpread(_mode(file.values(events).get("OBS_MODE")))


def spread_in_file(file: FitsFile, events: str) -> PointingSpread:
    """Return how far the directions of an observation are apart.

    Parameters
    ----------
    file : FitsFile
    events : str, name of the HDU of the events

    Raises
    ------
    FormatError
        If the file has a pointing table that cannot be read.
    """
    header = file.values(events)
    mode = _mode(header.get("OBS_MODE"))
    name = next((name for name in file.names if name.upper() == "POINTING"), None)
    if name is None or name == events:
        return PointingSpread(mode)
    table = file.table(name)
    if table.n_row < 2 or not all(column in table for column in _COLUMNS):
        return PointingSpread(mode)
    time, lon, lat = (_values(table, column, unit) for column, unit in _COLUMNS.items())
    known = np.isfinite(time) & np.isfinite(lon) & np.isfinite(lat)  # rows without a direction say nothing
    if not known.any():
        return PointingSpread(mode)
    time, lon, lat = time[known], lon[known], lat[known]
    _, first, of_time = np.unique(time, return_index=True, return_inverse=True)
    at = first[of_time]
    # From the first one of each time: half of the largest distance at least.
    apart = np.max(angular_separation(lon[at], lat[at], lon, lat))
    away = 0.0
    where = f"{file.source}, HDU {events!r}"
    if "RA_PNT" in header and "DEC_PNT" in header:
        ra, dec = (np.radians(header_number(header, key, where, unit="angle in deg")) for key in ("RA_PNT", "DEC_PNT"))
        away = np.max(angular_separation(ra, dec, lon, lat))
    return PointingSpread(mode, float(np.degrees(apart)), float(np.degrees(away)))


def _values(table: TableData, name: str, unit: u.UnitBase) -> NDArray[np.float64]:
    """Return a column in s or in rad; one without a unit is in s or in deg."""
    known = table.find_name(name)
    where = f"{table.source}, HDU {table.name!r}, column {known!r}"
    given = table.units[known].strip() or str(unit)
    factor = conversion_factor(given, u.s if unit == u.s else u.rad, where)
    if factor is None:
        raise WrongUnitError(f"{where} is in {given!r}, expected {unit} or another unit of this kind; correct TUNIT")
    return require_numbers(table.column(known), where).astype(np.float64) * factor


def _mode(value: object) -> str:
    return "" if value is None else str(value).strip().upper()
