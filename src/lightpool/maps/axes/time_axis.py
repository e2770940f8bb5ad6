"""The axis of time intervals, which may have gaps between them."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypedDict, Unpack

import astropy.units as u
import numpy as np
from astropy.time import Time, TimeDelta
from numpy.typing import ArrayLike, NDArray

from lightpool.fits import Header
from lightpool.maps.axes.axis_base import AxisBase, AxisCoord, BinIndex, Tolerances, check_name
from lightpool.maps.axes.axis_cards import time_axis_card
from lightpool.maps.axes.table_columns import AnyTable
from lightpool.maps.axes.time_axis_format import time_axis_arguments
from lightpool.maps.axes.time_intervals import TimeIntervals, check_intervals, group_table, make_gti
from lightpool.maps.axes.time_reference import time_ref_to_dict
from lightpool.typing import QuantityLike, TimeLike, UnitLike
from lightpool.utils.html import Card

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["TimeMapAxis"]


class TimeAxisArguments(TypedDict, total=False):
    """Arguments of `TimeMapAxis`."""

    edges_min: QuantityLike
    edges_max: QuantityLike
    reference_time: TimeLike
    name: str
    interp: str


class TimeMapAxis(AxisBase):
    """Time intervals in increasing order that do not overlap.

    An interval holds the times from its start up to, but not including, its end.

    Parameters
    ----------
    edges_min, edges_max : Quantity of time, shape (nbin,)
        Start and end of each interval, counted from the reference time.
    reference_time : Time
    name : str
    interp : {"lin"}
        Only "lin": within an interval the pixel coordinate is linear in time.
    """

    node_type = "intervals"

    def __init__(
        self,
        edges_min: QuantityLike,
        edges_max: QuantityLike,
        reference_time: TimeLike,
        name: str = "time",
        interp: str = "lin",
    ) -> None:
        self._name = check_name(name)
        if interp != "lin":
            raise ValueError(f"TimeMapAxis {name!r} knows only interp='lin', got {interp!r}")
        self._edges_min, self._edges_max = u.Quantity(edges_min, ndmin=1), u.Quantity(edges_max, ndmin=1)
        check_intervals(self._edges_min, self._edges_max, f"TimeMapAxis {name!r}")
        self._reference_time = Time(reference_time)
        self._time_format = "iso"

    def __reduce__(self) -> tuple[type["TimeMapAxis"], tuple[object, ...], dict[str, str]]:
        made_of = (self._edges_min, self._edges_max, self._reference_time, self._name)
        return type(self), made_of, {"_time_format": self._time_format}

    # --- what it is

    @property
    def interp(self) -> str:
        """Always "lin"."""
        return "lin"

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the edges."""
        return self._edges_max.unit

    @property
    def nbin(self) -> int:
        """Number of intervals."""
        return len(self._edges_min)

    @property
    def reference_time(self) -> Time:
        """Time from which the edges count."""
        return self._reference_time

    @property
    def edges_min(self) -> u.Quantity:
        """Starts of the intervals, counted from the reference time; shape (nbin,)."""
        return self._edges_min

    @property
    def edges_max(self) -> u.Quantity:
        """Ends of the intervals, counted from the reference time; shape (nbin,)."""
        return self._edges_max

    @property
    def is_contiguous(self) -> bool:
        """Whether each interval begins where the one before ends."""
        return bool(np.all(self._edges_min[1:] == self._edges_max[:-1]))

    @property
    def edges(self) -> u.Quantity:
        """Edges of intervals without gaps, shape (nbin + 1,); a `ValueError` if there are gaps."""
        if not self.is_contiguous:
            raise ValueError(
                f"TimeMapAxis {self.name!r} has gaps between its intervals, so it has no common edges; "
                "use edges_min and edges_max, or axis.to_contiguous()"
            )
        return u.Quantity(np.append(self._edges_min, self._edges_max[-1:]), copy=None, subok=True)

    @property
    def bounds(self) -> tuple[u.Quantity, u.Quantity]:
        """Start of the first and end of the last interval, counted from the reference time."""
        return self._edges_min[0], self._edges_max[-1]

    @property
    def bin_width(self) -> u.Quantity:
        """Lengths of the intervals in hours, shape (nbin,)."""
        return self.time_delta.to("h")

    @property
    def center(self) -> u.Quantity:
        """Middles of the intervals, counted from the reference time; shape (nbin,)."""
        return self._edges_min + 0.5 * self.bin_width

    @cached_property
    def time_min(self) -> Time:
        """Starts of the intervals, shape (nbin,)."""
        return self._edges_min + self._reference_time

    @cached_property
    def time_max(self) -> Time:
        """Ends of the intervals, shape (nbin,)."""
        return self._edges_max + self._reference_time

    @property
    def time_delta(self) -> TimeDelta:
        """Lengths of the intervals as TimeDelta, shape (nbin,)."""
        return self.time_max - self.time_min

    @property
    def time_mid(self) -> Time:
        """Middles of the intervals, shape (nbin,)."""
        return self.time_min + 0.5 * self.time_delta

    @property
    def time_edges(self) -> Time:
        """Edges of intervals without gaps, shape (nbin + 1,)."""
        return self._reference_time + self.edges

    @property
    def time_bounds(self) -> tuple[Time, Time]:
        """Start of the first and end of the last interval."""
        return self._edges_min[0] + self._reference_time, self._edges_max[-1] + self._reference_time

    @property
    def iter_by_edges(self) -> Iterator[tuple[u.Quantity, u.Quantity]]:
        """Start and end of one interval after another, counted from the reference time."""
        yield from zip(self._edges_min, self._edges_max, strict=True)

    @property
    def iter_by_time_edges(self) -> Iterator[tuple[Time, Time]]:
        """Start and end of one interval after another."""
        yield from zip(self.time_min, self.time_max, strict=True)

    # --- constructors

    @classmethod
    def from_time_edges(
        cls, time_min: Time, time_max: Time, unit: UnitLike = "d", interp: str = "lin", name: str = "time"
    ) -> Self:
        """Make an axis from starts and ends of intervals; the first start is the reference time.

        Parameters
        ----------
        time_min, time_max : Time, shape (nbin,)
        unit : Unit or str, unit of the axis
        interp, name : see `TimeMapAxis`
        """
        reference = time_min[0]
        return cls((time_min - reference).to(unit), (time_max - reference).to(unit), reference, name, interp)

    @classmethod
    def from_time_bounds(
        cls, time_min: Time, time_max: Time, nbin: int, unit: UnitLike = "d", name: str = "time"
    ) -> Self:
        """Make an axis with a number of equal intervals between two times.

        Parameters
        ----------
        time_min, time_max : Time
        nbin : int
        unit : Unit or str, unit of the axis
        name : str
        """
        edges = time_min + (time_max - time_min) * np.linspace(0, 1, nbin + 1)
        return cls.from_time_edges(edges[:-1], edges[1:], unit=unit, name=name)

    @classmethod
    def from_gti(cls, gti: TimeIntervals, name: str = "time") -> Self:
        """Make an axis with the intervals of a GTI.

        Parameters
        ----------
        gti : GTI
        name : str
        """
        start, stop = gti.time_start - gti.time_ref, gti.time_stop - gti.time_ref
        # `to` makes quantities of TimeDelta
        return cls(start.to("s"), stop.to("s"), gti.time_ref, name=name)

    @classmethod
    def from_gti_bounds(cls, gti: TimeIntervals, t_delta: u.Quantity, name: str = "time") -> Self:
        """Make an axis of equal intervals from the first start to the last end of a GTI.

        Parameters
        ----------
        gti : GTI
        t_delta : Quantity, approximate length of an interval
        name : str
        """
        lower, upper = gti.time_start[0], gti.time_stop[-1]
        nbin = int(((upper - lower) / t_delta).to(""))
        if nbin < 1:
            raise ValueError(f"the GTI lasts {(upper - lower).to(t_delta.unit)}, less than t_delta={t_delta}")
        return cls.from_time_bounds(lower, upper, nbin=nbin, name=name, unit=t_delta.unit)

    def copy(self, **kwargs: Unpack[TimeAxisArguments]) -> Self:
        """Return an axis with some of the constructor's arguments replaced."""
        arguments: TimeAxisArguments = {
            "edges_min": self._edges_min,
            "edges_max": self._edges_max,
            "reference_time": self._reference_time,
            "name": self._name,
        }
        axis = type(self)(**(arguments | kwargs))
        axis._time_format = self._time_format
        return axis

    def rename(self, new_name: str) -> Self:
        """Return an axis with another name."""
        return self.copy(name=new_name)

    def slice(self, idx: BinIndex) -> Self:
        """Return an axis with some of the intervals."""
        return self.copy(edges_min=self._edges_min[idx], edges_max=self._edges_max[idx])

    def squash(self) -> Self:
        """Return an axis with one interval from the first start to the last end."""
        return self.copy(edges_min=self._edges_min[0], edges_max=self._edges_max[-1])

    def to_contiguous(self) -> Self:
        """Return an axis with the gaps as intervals of their own."""
        edges = np.unique(np.concatenate([self._edges_min, self._edges_max]))
        return self.copy(edges_min=edges[:-1], edges_max=edges[1:])

    def upsample(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise `TypeError`: intervals are not divided.

        Parameters
        ----------
        *args, **kwargs : as for `MapAxis.upsample`
        """
        raise TypeError(f"axis {self.name!r} has time intervals and cannot be upsampled; see from_time_bounds")

    def downsample(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise `TypeError`: intervals are not merged by a factor.

        Parameters
        ----------
        *args, **kwargs : as for `MapAxis.downsample`
        """
        raise TypeError(f"axis {self.name!r} has time intervals and cannot be downsampled; see axis.squash")

    def is_aligned(self, other: object, atol: float = 2e-2) -> NoReturn:
        """Raise `TypeError`: time axes are not aligned bin by bin.

        Parameters
        ----------
        other, atol : as for `MapAxis.is_aligned`
        """
        raise TypeError(f"axis {self.name!r} has time intervals, for which alignment is not defined; see is_allclose")

    # --- coordinates

    def coord_to_idx(self, coord: AxisCoord, **kwargs: object) -> NDArray[np.int64]:
        """Return the intervals of times: a start belongs to its interval, an end to the next one.

        Parameters
        ----------
        coord : Time, or Quantity counted from the reference time
        **kwargs : other arguments of `MapAxis.coord_to_idx`, without effect

        Returns
        -------
        index : array of int64, shape of ``coord``; -1 outside of the intervals
        """
        # shape (..., nbin); differences of Time keep nanoseconds, which a single JD would round to 40 microseconds
        time = self._times(coord)[..., np.newaxis]
        is_inside = ((time - self.time_min).jd >= 0) & ((time - self.time_max).jd < 0)
        return np.asarray(np.where(np.any(is_inside, axis=-1), np.argmax(is_inside, axis=-1), -1))

    def coord_to_pix(self, coord: AxisCoord, **kwargs: object) -> NDArray[np.float64]:
        """Return the pixel coordinates of times.

        Parameters
        ----------
        coord : Time, or Quantity counted from the reference time
        **kwargs : other arguments of `MapAxis.coord_to_pix`, without effect

        Returns
        -------
        pix : array of float64, at least one-dimensional; NaN outside of the intervals
        """
        index = np.atleast_1d(self.coord_to_idx(coord))
        elapsed = np.atleast_1d((self._times(coord) - self._reference_time).to_value(self.unit))
        # -1, outside, reads the last interval; NaN replaces what comes of it
        start = self._edges_min.value[index]
        fraction = (elapsed - start) / (self._edges_max.to_value(self.unit)[index] - start)
        # an interval reaches from half a pixel below its number to half a pixel above
        return np.where(index >= 0, index + fraction - 0.5, np.nan)

    def pix_to_coord(self, pix: ArrayLike) -> Time:
        """Return the times at pixel coordinates, the inverse of `coord_to_pix`; masked outside of the intervals."""
        pix = np.asarray(pix, dtype=np.float64)
        nearest = np.floor(pix + 0.5)
        is_inside = (nearest >= 0) & (nearest < self.nbin)
        index = np.where(is_inside, nearest, 0).astype(int)
        fraction = np.where(is_inside, pix + 0.5 - index, 0.0)
        width = self._edges_max[index] - self._edges_min[index]
        times = self._reference_time + self._edges_min[index] + width * fraction
        if not np.all(is_inside):
            # `Time` marks missing values by a mask, not by NaN
            times[~is_inside] = np.ma.masked
        return times

    @staticmethod
    def pix_to_idx(pix: ArrayLike, clip: bool = False) -> NDArray[np.generic]:
        """Return the pixel coordinates as they are.

        Parameters
        ----------
        pix : array of int or float
        clip : without effect, an argument of `MapAxis.pix_to_idx`
        """
        return np.asarray(pix)

    def _times(self, coord: AxisCoord) -> Time:
        return Time(self._reference_time + coord if isinstance(coord, u.Quantity) else coord)

    def group_table(self, interval_edges: Sequence[Time | u.Quantity] | Time) -> "Table":
        """Return a table of the intervals that lie inside of longer ones.

        Parameters
        ----------
        interval_edges : sequence of Time or Quantity: start, end, start, end...

        Returns
        -------
        groups : Table with columns idx_min, idx_max (inclusive; -1 if there are none), time_min, time_max (MJD),
            bin_type ("normal", "underflow", "overflow" or "outflow", padded with blanks)
        """
        return group_table(self.time_min, self.time_max, self._reference_time, interval_edges)

    # --- comparison

    def is_allclose(self, other: object, **kwargs: Unpack[Tolerances]) -> bool:
        """Return whether another axis has the same name and, up to tolerances, intervals.

        Parameters
        ----------
        other : TimeMapAxis
        **kwargs : ``rtol`` and ``atol`` of `numpy.allclose`, of times in seconds
        """
        if not isinstance(other, TimeMapAxis):
            raise TypeError(f"a TimeMapAxis cannot be compared with {other!r} of type {type(other).__name__}")
        if self.nbin != other.nbin or self.name.upper() != other.name.upper():
            return False
        differences = [(self.time_min - other.time_min).sec, (self.time_max - other.time_max).sec]
        return bool(np.allclose(differences, 0.0, **kwargs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TimeMapAxis) and self.is_allclose(other, atol=1e-6)

    def __hash__(self) -> int:
        return hash((self.name.upper(), self.nbin))  # equality has a tolerance, so the times must stay out

    # --- tables and text

    def to_header(self, format: str = "gadf", idx: int = 0) -> Header:
        """Return the FITS keywords of the axis.

        Parameters
        ----------
        format : {"gadf"}
        idx : int, number of the axis
        """
        _check_format(format)
        name = self.name.upper()
        cards = {f"AXCOLS{idx}": f"{name}_MIN,{name}_MAX", f"INTERP{idx}": self.interp}
        return Header(cards | time_ref_to_dict(self._reference_time))

    def to_gti(self) -> Any:
        """Return the intervals as a `lightpool.data.GTI`."""
        return make_gti(self._edges_min, self._edges_max, self._reference_time)

    def to_table(self) -> "Table":
        """Return a table of the intervals with the columns START and STOP, as that of a GTI."""
        from astropy.table import Table

        return Table({"START": Time(self.time_min, format="mjd"), "STOP": Time(self.time_max, format="mjd")})

    @classmethod
    def from_table(cls, table: AnyTable, format: str = "gadf", idx: int = 0) -> Self:
        """Read an axis from a table of bins.

        Parameters
        ----------
        table : Table or TableData
        format : {"gadf", "lightcurve", "fermi-fgl"}
        idx : int, number of the axis, from 0, in the format "gadf"
        """
        return cls(**time_axis_arguments(table, format, idx))

    @property
    def time_format(self) -> str:
        """How times are shown: "iso" or "mjd"."""
        return self._time_format

    @time_format.setter
    def time_format(self, value: str) -> None:
        if value not in ("iso", "mjd"):
            raise ValueError(f"time_format must be 'iso' or 'mjd', got {value!r}")
        self._time_format = value

    @property
    def as_plot_labels(self) -> list[str]:
        """Text for each interval."""
        return [
            f"{getattr(start, self.time_format)} - {getattr(stop, self.time_format)}"
            for start, stop in self.iter_by_time_edges
        ]

    @property
    def as_plot_edges(self) -> "NDArray[np.object_] | u.Quantity":
        """Edges as matplotlib takes them."""
        return self._as_plotted(self.time_edges)

    @property
    def as_plot_center(self) -> "NDArray[np.object_] | u.Quantity":
        """Middles as matplotlib takes them."""
        return self._as_plotted(self.time_mid)

    @property
    def as_plot_xerr(self) -> "tuple[NDArray[np.object_], NDArray[np.object_]] | tuple[u.Quantity, u.Quantity]":
        """Distances from the middles to starts and ends, for error bars."""
        half = 0.5 * self.time_delta
        return (half.to_datetime(), half.to_datetime()) if self.time_format == "iso" else (half.to("d"), half.to("d"))

    def _as_plotted(self, times: Time) -> "NDArray[np.object_] | u.Quantity":
        return times.to_datetime() if self.time_format == "iso" else u.Quantity(times.mjd, "d")

    def html_card(self) -> Card:
        """Return what notebooks show of the axis."""
        return time_axis_card(self)

    def __repr__(self) -> str:
        rows = {
            "name": self.name,
            "nbins": str(self.nbin),
            "reference time": self.reference_time.iso,
            "scale": self.reference_time.scale,
            "time min.": self.time_min.min().iso,
            "time max.": self.time_max.max().iso,
            "total time": str(np.sum(self.bin_width)),
        }
        text = "TimeMapAxis\n-----------\n\n"
        return text + "".join(f"  {key:<14s} : {value:<10s}\n" for key, value in rows.items())


def _check_format(layout: str) -> None:
    if layout != "gadf":
        raise ValueError(f"a time axis knows only the format 'gadf', got {layout!r}")
