"""The axis of time intervals, which may have gaps between them."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NoReturn, Self

import astropy.units as u
import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.errors import FormatError
from lightpool.fits import Header
from lightpool.maps.axes.axis_base import AxisBase, check_name
from lightpool.maps.axes.axis_format import axis_columns, axis_name, in_order
from lightpool.maps.axes.table_columns import read_intervals, table_meta
from lightpool.maps.axes.time_groups import group_table
from lightpool.maps.axes.time_reference import time_ref_from_dict, time_ref_to_dict

__all__ = ["TimeMapAxis"]


class TimeMapAxis(AxisBase):
    """Time intervals in increasing order that do not overlap.

    An interval holds the times after its start up to and including its end.

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
        self, edges_min: Any, edges_max: Any, reference_time: Any, name: str = "time", interp: str = "lin"
    ) -> None:
        self._name = check_name(name)
        if interp != "lin":
            raise ValueError(f"TimeMapAxis {name!r} knows only interp='lin', got {interp!r}")
        self._edges_min, self._edges_max = u.Quantity(edges_min, ndmin=1), u.Quantity(edges_max, ndmin=1)
        _check_intervals(self._edges_min, self._edges_max, f"TimeMapAxis {name!r}")
        self._reference_time = Time(reference_time)
        self._time_format = "iso"

    def __reduce__(self) -> tuple[Any, ...]:
        made_of = (self._edges_min, self._edges_max, self._reference_time, self._name)
        return type(self), made_of, {"_time_format": self._time_format}

    # --- what it is

    @property
    def interp(self) -> str:
        """Always "lin"."""
        return "lin"

    @property
    def unit(self) -> Any:
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
        return np.append(self._edges_min, self._edges_max[-1:])

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
    def time_delta(self) -> Any:
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
        cls, time_min: Time, time_max: Time, unit: Any = "d", interp: str = "lin", name: str = "time"
    ) -> Self:
        """Axis from starts and ends of intervals; the first start is the reference time, ``unit`` that of the axis."""
        reference = time_min[0]
        return cls((time_min - reference).to(unit), (time_max - reference).to(unit), reference, name, interp)

    @classmethod
    def from_time_bounds(cls, time_min: Time, time_max: Time, nbin: int, unit: Any = "d", name: str = "time") -> Self:
        """Axis with a number of equal intervals between two times."""
        edges = time_min + (time_max - time_min) * np.linspace(0, 1, nbin + 1)
        return cls.from_time_edges(edges[:-1], edges[1:], unit=unit, name=name)

    @classmethod
    def from_gti(cls, gti: Any, name: str = "time") -> Self:
        """Axis with the intervals of a GTI."""
        start, stop = gti.time_start - gti.time_ref, gti.time_stop - gti.time_ref
        return cls(start.to("s"), stop.to("s"), gti.time_ref, name=name)

    @classmethod
    def from_gti_bounds(cls, gti: Any, t_delta: u.Quantity, name: str = "time") -> Self:
        """Axis of equal intervals, about ``t_delta`` long, from the first start to the last end of a GTI."""
        lower, upper = gti.time_start[0], gti.time_stop[-1]
        nbin = int(((upper - lower) / t_delta).to(""))
        if nbin < 1:
            raise ValueError(f"the GTI lasts {(upper - lower).to(t_delta.unit)}, less than t_delta={t_delta}")
        return cls.from_time_bounds(lower, upper, nbin=nbin, name=name, unit=t_delta.unit)

    def copy(self, **kwargs: Any) -> Self:
        """Axis with some of the constructor's arguments replaced."""
        arguments = {
            "edges_min": self._edges_min,
            "edges_max": self._edges_max,
            "reference_time": self._reference_time,
            "name": self._name,
        }
        axis = type(self)(**(arguments | kwargs))
        axis._time_format = self._time_format
        return axis

    def rename(self, new_name: str) -> Self:
        """Axis with another name."""
        return self.copy(name=new_name)

    def slice(self, idx: Any) -> Self:
        """Axis with some of the intervals."""
        return self.copy(edges_min=self._edges_min[idx], edges_max=self._edges_max[idx])

    def squash(self) -> Self:
        """Axis with one interval from the first start to the last end."""
        return self.copy(edges_min=self._edges_min[0], edges_max=self._edges_max[-1])

    def to_contiguous(self) -> Self:
        """Axis with the gaps as intervals of their own."""
        edges = np.unique(np.concatenate([self._edges_min, self._edges_max]))
        return self.copy(edges_min=edges[:-1], edges_max=edges[1:])

    def upsample(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Intervals are not divided: a `TypeError`."""
        raise TypeError(f"axis {self.name!r} has time intervals and cannot be upsampled; see from_time_bounds")

    def downsample(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Intervals are not merged by a factor: a `TypeError`."""
        raise TypeError(f"axis {self.name!r} has time intervals and cannot be downsampled; see axis.squash")

    def is_aligned(self, other: Any, atol: float = 2e-2) -> NoReturn:
        """Time axes are not aligned bin by bin: a `TypeError`."""
        raise TypeError(f"axis {self.name!r} has time intervals, for which alignment is not defined; see is_allclose")

    # --- coordinates

    def coord_to_idx(self, coord: Any, **kwargs: Any) -> NDArray[np.int64]:
        """Intervals of times: a start belongs to its interval, an end to the next one.

        Parameters
        ----------
        coord : Time, or Quantity counted from the reference time

        Returns
        -------
        index : array of int64, shape of ``coord``; -1 outside of the intervals
        """
        time = self._times(coord)[..., np.newaxis]
        is_inside = ((time - self.time_min).jd >= 0) & ((time - self.time_max).jd < 0)
        return np.asarray(np.where(np.any(is_inside, axis=-1), np.argmax(is_inside, axis=-1), -1))

    def coord_to_pix(self, coord: Any, **kwargs: Any) -> NDArray[np.float64]:
        """Pixel coordinates of times, at least one-dimensional; NaN outside of the intervals."""
        index = np.atleast_1d(self.coord_to_idx(coord))
        elapsed = np.atleast_1d((self._times(coord) - self._reference_time).to_value(self.unit))
        start = self._edges_min.value[index]
        fraction = (elapsed - start) / (self._edges_max.to_value(self.unit)[index] - start)
        return np.where(index >= 0, index + fraction - 0.5, np.nan)

    def pix_to_coord(self, pix: Any) -> Time:
        """Give the times at pixel coordinates, the inverse of `coord_to_pix`; outside of the intervals masked."""
        pix = np.asarray(pix, dtype=np.float64)
        index = np.floor(pix + 0.5)
        is_inside = (index >= 0) & (index < self.nbin)
        index = np.where(is_inside, index, 0).astype(int)
        fraction = np.where(is_inside, pix + 0.5 - index, 0.0)
        width = self._edges_max[index] - self._edges_min[index]
        times = self._reference_time + self._edges_min[index] + fraction * width
        if not np.all(is_inside):
            times[~is_inside] = np.ma.masked
        return times

    @staticmethod
    def pix_to_idx(pix: Any, clip: bool = False) -> Any:
        """Return the pixel coordinates as they are."""
        return pix

    def _times(self, coord: Any) -> Time:
        return Time(self._reference_time + coord if isinstance(coord, u.Quantity) else coord)

    def group_table(self, interval_edges: Any) -> Any:
        """Table of the intervals that lie inside of longer ones.

        Parameters
        ----------
        interval_edges : sequence of Time or Quantity: start, end, start, end...

        Returns
        -------
        groups : Table with columns idx_min, idx_max (inclusive; -1 if there are none), time_min, time_max (MJD),
            bin_type ("normal", "underflow", "overflow" or "outflow", padded with blanks)
        """
        return group_table(self, interval_edges)

    # --- comparison

    def is_allclose(self, other: Any, **kwargs: Any) -> bool:
        """Whether another axis has the same name and (`numpy.allclose` with ``kwargs``, in seconds) intervals."""
        if not isinstance(other, TimeMapAxis):
            raise TypeError(f"a TimeMapAxis cannot be compared with {other!r} of type {type(other).__name__}")
        if self.nbin != other.nbin or self.name.upper() != other.name.upper():
            return False
        differences = [(self.time_min - other.time_min).sec, (self.time_max - other.time_max).sec]
        return bool(np.allclose(differences, 0.0, **kwargs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TimeMapAxis) and self.is_allclose(other, atol=1e-6)

    def __hash__(self) -> int:
        return hash((self.name.upper(), self.nbin))

    # --- tables and text

    def to_header(self, format: str = "gadf", idx: int = 0) -> Header:
        """FITS keywords of axis number ``idx``; format "gadf" only."""
        _check_format(format)
        name = self.name.upper()
        cards = {f"AXCOLS{idx}": f"{name}_MIN,{name}_MAX", f"INTERP{idx}": self.interp}
        return Header(cards | time_ref_to_dict(self._reference_time))

    def to_table(self) -> Any:
        """Table of the intervals with the columns START and STOP, as that of a GTI."""
        from astropy.table import Table

        return Table({"START": Time(self.time_min, format="mjd"), "STOP": Time(self.time_max, format="mjd")})

    @classmethod
    def from_table(cls, table: Any, format: str = "gadf", idx: int = 0) -> Self:
        """Axis number ``idx`` (from 0) from a table of bins; format "gadf" only."""
        _check_format(format)
        columns = axis_columns(table, idx)
        if columns is None or len(columns) != 2:
            raise FormatError(f"axis {idx} of the table has the columns {columns}, but a time axis needs two")
        start, stop, unit = read_intervals(table, *columns)
        return cls(
            in_order(start) * unit,
            in_order(stop) * unit,
            time_ref_from_dict(table_meta(table)),
            name=axis_name(columns),
        )

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
    def as_plot_edges(self) -> Any:
        """Edges as matplotlib takes them."""
        return self._as_plotted(self.time_edges)

    @property
    def as_plot_center(self) -> Any:
        """Middles as matplotlib takes them."""
        return self._as_plotted(self.time_mid)

    @property
    def as_plot_xerr(self) -> tuple[Any, Any]:
        """Distances from the middles to starts and ends, for error bars."""
        half = 0.5 * self.time_delta
        return (half.to_datetime(), half.to_datetime()) if self.time_format == "iso" else (half.to("d"), half.to("d"))

    def _as_plotted(self, times: Time) -> Any:
        return times.to_datetime() if self.time_format == "iso" else u.Quantity(times.mjd, "d")

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


def _check_intervals(start: u.Quantity, stop: u.Quantity, label: str) -> None:
    for what, edges in (("edges_min", start), ("edges_max", stop)):
        if not edges.unit.is_equivalent("s"):
            raise ValueError(f"{what} of {label} must be times, got the unit {str(edges.unit)!r}")
    if start.shape != stop.shape or start.ndim != 1 or start.size == 0:
        raise ValueError(f"{label} needs as many starts as ends, at least one, got shapes {start.shape}, {stop.shape}")
    if not np.all(stop > start):
        raise ValueError(f"{label} has intervals that end before they begin: {start} to {stop}")
    if np.any(np.diff(start) < 0) or np.any(np.diff(stop) < 0):
        raise ValueError(f"{label} needs sorted intervals, got {start} to {stop}")
    if np.any(start[1:] < stop[:-1]):
        raise ValueError(f"intervals of {label} overlap: {start} to {stop}")


def _check_format(layout: str) -> None:
    if layout != "gadf":
        raise ValueError(f"a time axis knows only the format 'gadf', got {layout!r}")
