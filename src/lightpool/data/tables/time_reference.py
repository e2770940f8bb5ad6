"""Times as files store them: seconds since a reference, as plain float64 arrays.

`astropy.time.Time` objects are created only where a user asks for them: they cost more than all other work on the times
of a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import astropy.units as u
import numpy as np
from astropy.time import Time, TimeDelta
from numpy.typing import NDArray

from lightpool.fits import read_time_reference
from lightpool.typing import TimeLike

__all__ = [
    "DEFAULT_REFERENCE",
    "TIME_KEYWORDS",
    "TimeInterval",
    "TimeReference",
    "ends_of_interval",
    "reference_of",
    "snap",
]

TIME_KEYWORDS = ("MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS", "TIMEREF")
_DAY = 86400.0
_MJD_ZERO = 2400000.5
TimeInterval: TypeAlias = Time | u.Quantity | Sequence[Time | u.Quantity | str]
"""Start and stop: a time of shape (2,), two times, also as text in ISO 8601, or two durations since a reference."""

FloatOrArray: TypeAlias = float | NDArray[np.floating[Any]]
_SAME_TIME = 1e-7  # s; a mission time of 1e9 s has a resolution of 1.2e-7 s in float64


@dataclass(frozen=True)
class TimeReference:
    """The instant that mission times count from.

    Attributes
    ----------
    day : float, modified Julian date, whole
    fraction : float, the rest of the date in days
    scale : str, time scale in lower case, such as ``tt``
    """

    day: float
    fraction: float
    scale: str = "tt"

    @classmethod
    def from_header(cls, header: Mapping[str, Any], where: str = "header", scale: str = "tt") -> "TimeReference":
        """Read the keywords of the reference time, see `lightpool.fits.read_time_reference`.

        Parameters
        ----------
        header : mapping of keyword to value
        where : str, the file and HDU, which begin the message of an error
        scale : str, used where TIMESYS is missing

        Raises
        ------
        FormatError
            If no keyword gives the reference, or a value is not valid.
        """
        return cls(*read_time_reference(header, where, scale))

    @classmethod
    def from_time(cls, time: Time) -> "TimeReference":
        """Create a reference from a time."""
        day = float(np.floor(time.jd1 - _MJD_ZERO))
        return cls(day, float((time.jd1 - _MJD_ZERO - day) + time.jd2), time.scale)._whole()

    def _whole(self) -> "TimeReference":
        shift = float(np.floor(self.fraction))
        return TimeReference(self.day + shift, self.fraction - shift, self.scale)

    def to_header(self) -> dict[str, int | float | str]:
        """Return the keywords MJDREFI, MJDREFF, TIMEUNIT and TIMESYS."""
        whole = self._whole()
        return {
            "MJDREFI": int(whole.day),
            "MJDREFF": whole.fraction,
            "TIMEUNIT": "s",
            "TIMESYS": self.scale.upper(),
        }

    def ticks_like(self, other: "TimeReference") -> bool:
        """Return whether seconds since both references differ by a constant.

        The seconds of TT, TAI and UTC have the same length; differences of UTC are counted in TAI, with leap seconds.
        """
        return self.scale == other.scale or {self.scale, other.scale} <= {"tt", "tai", "utc"}

    @cached_property
    def time(self) -> Time:
        """The reference as a time, in format ``mjd``."""
        return Time(self.day, self.fraction, format="mjd", scale=self.scale)

    def to_time(self, seconds: FloatOrArray, more: FloatOrArray = 0.0) -> Time:
        """Convert seconds since the reference to times.

        Parameters
        ----------
        seconds : float or ndarray
        more : float or ndarray, in s
            Added to ``seconds`` with the double precision of `astropy.time.Time`: the sum need not fit into float64.
        """
        return _instant(self.day, self.fraction, self.scale) + TimeDelta(seconds, more, format="sec")

    def seconds(self, time: Time | u.Quantity) -> NDArray[np.float64]:
        """Convert times, or durations since the reference, to seconds since the reference, float64."""
        if isinstance(time, u.Quantity):
            return time.to_value("s")
        scale, jd1, jd2 = self._origin
        # A change to the same scale copies the times too.
        later: Time = time if time.scale == scale else getattr(time, scale)
        # jd1 and jd2 are subtracted separately: their sum in float64 is good to 40 microseconds only.
        return (later.jd1 - jd1) * _DAY + (later.jd2 - jd2) * _DAY

    @cached_property
    def _origin(self) -> tuple[str, float, float]:
        """Scale in which seconds are counted, and the reference in it as Julian dates."""
        # UTC has leap seconds: durations are counted in TAI, as astropy does.
        scale = "tai" if self.scale == "utc" else self.scale
        origin: Time = getattr(self.time, scale)
        return scale, float(origin.jd1), float(origin.jd2)


# Runs of a telescope share the reference; times are added to these objects, which are not handed out.
@lru_cache(maxsize=64)
def _instant(day: float, fraction: float, scale: str) -> Time:
    return Time(day, fraction, format="mjd", scale=scale)


DEFAULT_REFERENCE = TimeReference(51544.0, 0.0, "tt")
"""2000-01-01T00:00:00 TT, Gammapy's default."""


def reference_of(time: "TimeLike | TimeReference | None") -> TimeReference:
    """Return the reference of a time, also as text; 2000-01-01 TT if there is none."""
    if time is None:
        return DEFAULT_REFERENCE
    if isinstance(time, TimeReference):
        return time
    return _reference_of_text(time) if isinstance(time, str) else TimeReference.from_time(Time(time))


@lru_cache(maxsize=64)
def _reference_of_text(text: str) -> TimeReference:
    """Parse a text once.

    While astropy tries its formats, the errors that it raises and catches keep the local variables of all callers alive
    until the next garbage collection, and the collector does not know how little memory a device has left.
    """
    return TimeReference.from_time(Time(text))


def ends_of_interval(interval: TimeInterval) -> tuple[Time | u.Quantity, Time | u.Quantity]:
    """Return start and stop of a time interval: two times, or two durations since a reference.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    times = Time | u.Quantity
    if isinstance(interval, times):
        is_pair = interval.shape == (2,)
    else:
        is_pair = (
            isinstance(interval, list | tuple) and [isinstance(end, times | str) for end in interval] == [True] * 2
        )
    if not is_pair:
        raise TypeError(f"a time interval must be a Time of length 2, as Time([start, stop]), got {interval!r}")
    return _end(interval[0]), _end(interval[1])


def _end(value: Time | u.Quantity | str) -> Time | u.Quantity:
    return Time(value) if isinstance(value, str) else value


def snap(limit: float, seconds: NDArray[np.float64]) -> float:
    """Return the value of ``seconds`` that is the same instant as ``limit`` up to rounding, or ``limit`` if none is.

    Converting a mission time to `astropy.time.Time` and back may change the last bit, and a limit taken from an event
    must still include (or exclude) that event.

    Parameters
    ----------
    limit : float, in s
    seconds : ndarray, in s since the same reference
    """
    if seconds.size == 0:
        return limit
    nearest = float(seconds[np.argmin(np.abs(seconds - limit))])
    return nearest if abs(nearest - limit) < _SAME_TIME else limit
