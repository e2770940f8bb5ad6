"""Good time intervals."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, cast

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time
from numpy.typing import ArrayLike, NDArray

from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, accepts_gammapy
from lightpool.data.event_card import gti_card
from lightpool.data.tables.faults import Fault, time_faults, warn_of_faults
from lightpool.data.tables.gadf_tables import check_format, gti_hdu, open_table, read_gti, run_of, table_of_hdu
from lightpool.data.tables.intervals import check_order, complement_within, intersection, merge, overlap
from lightpool.data.tables.time_reference import (
    DEFAULT_REFERENCE,
    TimeInterval,
    TimeReference,
    ends_of_interval,
    reference_of,
    snap,
)
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, HDUList, PrimaryHDU, TableData, parsing, write_fits
from lightpool.typing import PathInput, QuantityLike, TimeLike
from lightpool.utils.deviations import deviates
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = ["GTI"]

Seconds = NDArray[np.float64]


class GTI(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """Good time intervals (GTI).

    The intervals are kept as plain numbers (seconds since the reference time) until the `table` is requested: the user
    may change that table, so from then on the table is used.

    Parameters
    ----------
    table : `astropy.table.Table` with columns START and STOP of type `astropy.time.Time`
    reference_time : `astropy.time.Time`, optional
        The origin of mission times; 2000-01-01 TT by default.

    Raises
    ------
    TypeError
        If ``table`` is not a table or its columns do not hold times.
    FormatError
        If a column is missing, or an interval stops before it starts.
    """

    on_change: "Callable[[GTI], None] | None" = None
    """Called with the GTI when its table is handed out or it is changed; copies and pickles do not have it."""

    _consumed = ("reference_time",)
    # The seconds, and times between their ends, by the share of the time that has passed; copies share them.
    _instants: tuple[tuple[Seconds, Seconds] | None, dict[float, Time]] = (None, {})

    def __init__(self, table: Table, reference_time: "TimeLike | TimeReference | None" = None) -> None:
        self._reference = reference_of(reference_time)
        self._content: Table | tuple[Seconds, Seconds] = _valid_table(table)
        check_order(*self._seconds(), "GTI table")

    @classmethod
    def from_seconds(
        cls, start: ArrayLike, stop: ArrayLike, reference: TimeReference = DEFAULT_REFERENCE, *, where: str = "GTI"
    ) -> "GTI":
        """Create from plain numbers, without any time object.

        Parameters
        ----------
        start, stop : array-like, shape (n_interval,), in s since ``reference``
        reference : TimeReference
        where : str, begins the message of an error

        Raises
        ------
        FormatError
            If a number is not finite, or an interval stops before it starts.
        """
        gti = cls.__new__(cls)
        seconds = (np.atleast_1d(np.asarray(start, float)), np.atleast_1d(np.asarray(stop, float)))
        gti._reference, gti._content = reference, seconds
        gti._instants = (seconds, {})
        check_order(*seconds, where)
        return gti

    @classmethod
    def create(
        cls,
        start: "Time | QuantityLike",
        stop: "Time | QuantityLike",
        reference_time: "TimeLike | TimeReference | None" = None,
    ) -> "GTI":
        """Create from start and stop times.

        Parameters
        ----------
        start, stop : `astropy.time.Time`, or `astropy.units.Quantity` since the reference time
        reference_time : `astropy.time.Time`, optional; 2000-01-01 TT by default
        """
        reference = reference_of(reference_time)
        if not isinstance(start, Time) and not isinstance(stop, Time):
            return cls.from_seconds(u.Quantity(start).to_value("s"), u.Quantity(stop).to_value("s"), reference)
        start = start if isinstance(start, Time) else reference.to_time(u.Quantity(start).to_value("s"))
        stop = stop if isinstance(stop, Time) else reference.to_time(u.Quantity(stop).to_value("s"))
        return cls(Table({"START": _at_least_1d(start), "STOP": _at_least_1d(stop)}), reference.time)

    @classmethod
    def from_time_intervals(
        cls, time_intervals: Sequence[tuple[Time, Time]], reference_time: "TimeLike | TimeReference | None" = None
    ) -> "GTI":
        """Create from a list of pairs of times.

        Parameters
        ----------
        time_intervals : list of (start, stop), each an `astropy.time.Time`
        reference_time : `astropy.time.Time`, optional; 2000-01-01 TT by default
        """
        start, stop = Time([pair[0] for pair in time_intervals]), Time([pair[1] for pair in time_intervals])
        return cls.create(start, stop, reference_time)

    @classmethod
    def read(cls, filename: PathInput, hdu: str | int = "GTI", format: str = "gadf", checksum: bool = False) -> "GTI":
        """Read from a FITS file in GADF layout, see `lightpool.data.tables.gadf_tables.read_gti`.

        Parameters
        ----------
        filename : str or path-like
        hdu : str or int
        format : {"gadf", "ogip", None}
        checksum : bool
            Warn if CHECKSUM or DATASUM of the HDU is wrong or missing.
        """
        check_format(format)
        with parsing(filename):
            return cls.from_table_data(open_table(filename, hdu, checksum=checksum))

    @classmethod
    def from_table_data(
        cls, table: TableData, header: Mapping[str, Any] | None = None, *, is_reported: bool = True
    ) -> "GTI":
        """Create from a table of a file that `lightpool.fits.read_fits` opened.

        Parameters
        ----------
        table : TableData
        header : mapping, optional
            The header of the events, which says how long the observation took; the header of the table by default.
        is_reported : bool
            Whether to log a warning if times overlap or contradict the header.
        """
        start, stop, reference = read_gti(table)
        where = f"{table.source}, HDU {table.name!r}"
        gti = cls.from_seconds(start, stop, reference, where=where)
        if is_reported:
            warn_of_faults(gti.faults(table.header if header is None else header), run_of(where, header, table.header))
        return gti

    @classmethod
    def from_table_hdu(cls, table_hdu: BinTableHDU, format: str = "gadf") -> "GTI":
        """Create from a table HDU in memory.

        Parameters
        ----------
        table_hdu : `astropy.io.fits.BinTableHDU`
        format : {"gadf", "ogip", None}
        """
        check_format(format)
        return cls.from_table_data(table_of_hdu(table_hdu))

    def as_read_again(self) -> "GTI":
        """Return the same intervals, with a reference time of their own: a user may change its format in place."""
        other = copy(self)
        other._reference = replace(self._reference)
        return other

    def to_table_hdu(self, format: str = "gadf") -> BinTableHDU:
        """Return a table HDU in GADF layout."""
        check_format(format)
        return gti_hdu(*self._seconds(), self._reference)

    def write(self, filename: PathInput, overwrite: bool = False, checksum: bool = False) -> None:
        """Write to a FITS file.

        Parameters
        ----------
        filename : str or path-like
        overwrite : bool
        checksum : bool, add CHECKSUM and DATASUM
        """
        write_fits(HDUList([PrimaryHDU(), self.to_table_hdu()]), filename, overwrite=overwrite, checksum=checksum)

    # -- what it holds

    def _seconds(self) -> tuple[Seconds, Seconds]:
        """Return start and stop in seconds since the reference."""
        if isinstance(self._content, tuple):
            return self._content
        if len(self._content) == 0:
            return np.zeros(0), np.zeros(0)
        seconds = self._reference.seconds
        return np.atleast_1d(seconds(self._times("START"))), np.atleast_1d(seconds(self._times("STOP")))

    def _times(self, name: str) -> Time:
        """Return the starts (START) or stops (STOP) as times."""
        if isinstance(self._content, tuple):
            return self._reference.to_time(self._content[0 if name == "START" else 1])
        return cast(Time, self._content[name])

    def faults(self, header: Mapping[str, Any]) -> list[Fault]:
        """Return contradictions between the intervals, and between them and a header: of the events, or their own."""
        return list(time_faults(*self._seconds(), self._reference, header))

    @property
    def reference(self) -> TimeReference:
        """The origin of the seconds."""
        return self._reference

    @property
    def table(self) -> Table:
        """Table with columns START and STOP of type `astropy.time.Time`; its changes take effect from now on."""
        if isinstance(self._content, tuple):
            self._content = Table({"START": self.time_start, "STOP": self.time_stop})
        self._announce_change()
        return self._content

    @table.setter
    def table(self, table: Table) -> None:
        self._content = _valid_table(table)
        self._announce_change()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "on_change"}

    def _announce_change(self) -> None:
        if self.on_change is not None:
            self.on_change(self)

    def __len__(self) -> int:
        return len(self._content[0]) if isinstance(self._content, tuple) else len(self._content)

    @property
    def time_start(self) -> Time:
        """Start times, shape (n_interval,)."""
        return self._times("START")

    @property
    def time_stop(self) -> Time:
        """Stop times, shape (n_interval,)."""
        return self._times("STOP")

    @property
    def time_ref(self) -> Time:
        """Reference time."""
        return self._reference.time

    def instant(self, share: float) -> Time:
        """Return a time between the first start (share 0) and the last stop (share 1)."""
        if not isinstance(self._content, tuple):
            start, stop = self.time_start.min(), self.time_stop.max()
            return start if share == 0 else stop if share == 1 else start + share * (stop - start)
        content, known = self._instants
        if content is not self._content:
            content, known = self._instants = self._content, {}
        if share not in known:
            known[share] = self._instant_of(*self._content, share)
        return known[share].replicate()  # its format may be changed

    @property
    def plain_start(self) -> tuple[TimeReference, float] | None:
        """Reference, and seconds from there to the first start, without an object of astropy; None if there is one."""
        if not isinstance(self._content, tuple) or not len(self._content[0]):
            return None
        return self._reference, float(self._content[0].min())

    def _instant_of(self, start: Seconds, stop: Seconds, share: float) -> Time:
        first, last = float(start.min()), float(stop.max())
        # The ends are returned as they are stored, without any arithmetic.
        if share in (0, 1):
            return self._reference.to_time(last if share else first)
        # Mission times are good to 1e-7 s in float64: the fraction is added with the precision of Time.
        return self._reference.to_time(first, share * (last - first))

    @property
    def met_start(self) -> u.Quantity:
        """Start times since the reference time, in s."""
        return (self.time_start - self.time_ref).to("s")

    @property
    def met_stop(self) -> u.Quantity:
        """Stop times since the reference time, in s."""
        return (self.time_stop - self.time_ref).to("s")

    @property
    def time_delta(self) -> u.Quantity:
        """Length of each interval in s."""
        return (self.time_stop - self.time_start).to("s") if len(self) else u.Quantity(np.zeros(0), "s")

    @property
    def time_sum(self) -> u.Quantity:
        """Sum of the lengths in s; an interval that overlaps another counts in full, see `union`."""
        return self.time_delta.sum()

    @property
    def duration_s(self) -> float:
        """Sum of the lengths as a plain number of seconds: `time_sum` up to rounding, but faster."""
        start, stop = self._seconds()
        return float(np.sum(stop - start))

    @property
    def time_intervals(self) -> list[tuple[Time, Time]]:
        """List of (start, stop) pairs."""
        return list(zip(self.time_start, self.time_stop, strict=True))

    @property
    def is_overlapping(self) -> bool:
        """Whether an interval overlaps another one; touching is not overlapping."""
        return overlap(*self._seconds()) > 0

    def __str__(self) -> str:
        if len(self) == 0:
            return "GTI info:\n- Number of GTIs: 0\n- Duration: 0.0 s\n"
        start, stop = self.time_start, self.time_stop
        scale = stop[-1].scale.upper()
        return (
            "GTI info:\n"
            f"- Number of GTIs: {len(self)}\n"
            f"- Duration: {self.time_sum}\n"
            f"- Start: {self.met_start[0]} MET\n"
            f"- Start: {start[0].fits} (time standard: {start[-1].scale.upper()})\n"
            f"- Stop: {self.met_stop[-1]} MET\n"
            f"- Stop: {stop[-1].fits} (time standard: {scale})\n"
        )

    def html_card(self) -> Card:
        """Return what notebooks show of the intervals."""
        return gti_card(self)

    # -- intervals derived from these

    def _like(self, start: Seconds, stop: Seconds) -> "GTI":
        """Return other intervals with the reference, and the scale and format of the times, of these."""
        other = self.from_seconds(start, stop, self._reference)
        if not isinstance(self._content, tuple) and len(self._content):
            known = self._times("START")
            if (known.scale, known.format) != (self._reference.scale, "mjd"):
                other._content = Table(
                    {
                        name: Time(getattr(other._times(name), known.scale), format=known.format)
                        for name in ("START", "STOP")
                    }
                )
        return other

    def copy(self) -> "GTI":
        """Return an independent copy."""
        if isinstance(self._content, tuple):
            return self._like(self._content[0].copy(), self._content[1].copy())
        return self.__class__(self._content.copy(), self._reference.time)

    def _limits(self, time_interval: TimeInterval) -> tuple[float, float]:
        edges = np.concatenate(self._seconds())
        first, last = (float(self._reference.seconds(end)) for end in ends_of_interval(time_interval))
        # A limit that was taken from an edge must equal it, or slivers of rounding would remain.
        return snap(first, edges), snap(last, edges)

    def select_time(self, time_interval: TimeInterval, inverted: bool = False) -> "GTI":
        """Keep the part of the intervals inside a time interval.

        Parameters
        ----------
        time_interval : `astropy.time.Time` of length 2
        inverted : bool
            Keep the part outside instead, as `delete_interval` does.
        """
        first, last = self._limits(time_interval)
        start, stop = self._seconds()
        if inverted:
            if (stop > first).any():
                deviates("good times outside of an interval")
            return self.delete_interval(time_interval)
        # An interval that only touches the limits is kept with length zero at the end, and dropped at the start.
        inside = (start <= last) & (stop > first)
        return self._like(np.clip(start[inside], first, last), np.clip(stop[inside], first, last))

    def delete_interval(self, time_interval: TimeInterval) -> "GTI":
        """Cut a time interval out; a GTI that reaches beyond it on both sides becomes two."""
        return self._like(*complement_within(*self._seconds(), *self._limits(time_interval)))

    def union(self, overlap_ok: bool = True, merge_equal: bool = True) -> "GTI":
        """Sort by start time, and merge intervals that overlap.

        Parameters
        ----------
        overlap_ok : bool
            False: raise ValueError where intervals overlap.
        merge_equal : bool
            Whether to merge intervals that only touch, too.
        """
        start, stop = self._seconds()
        if not overlap_ok and self.is_overlapping:
            raise ValueError(
                f"Overlapping time bins: {overlap(start, stop):.6g} s are in more than one of the {len(self)} GTIs; "
                "pass overlap_ok=True to merge them"
            )
        return self._like(*merge(start, stop, touching=merge_equal))

    @accepts_gammapy
    def intersect(self, other: "GTI") -> "GTI":
        """Return the times that are good in both, sorted and merged."""
        return self._like(*intersection(*self._seconds(), *other.seconds_since(self._reference)))

    def seconds_since(self, reference: TimeReference) -> tuple[Seconds, Seconds]:
        """Return start and stop in s since another reference, each of shape (n_interval,)."""
        start, stop = self._seconds()
        if reference == self._reference or len(self) == 0:
            return start, stop
        if reference.ticks_like(self._reference):
            # A constant shift keeps the lengths of the intervals; through times every edge would be rounded by itself.
            shift = float(reference.seconds(self._reference.time))
            return start + shift, stop + shift
        return np.asarray(reference.seconds(self.time_start)), np.asarray(reference.seconds(self.time_stop))

    @accepts_gammapy
    def stack(self, other: "GTI") -> None:
        """Append the intervals of another GTI, in place; the reference time does not change."""
        start, stop = self._seconds()
        other_start, other_stop = other.seconds_since(self._reference)
        self._content = (np.concatenate([start, other_start]), np.concatenate([stop, other_stop]))
        self._announce_change()

    @classmethod
    @accepts_gammapy
    def from_stack(cls, gtis: Sequence["GTI"], **kwargs: object) -> "GTI":
        """Concatenate the intervals of several GTIs; the reference time is that of the first.

        Parameters
        ----------
        gtis : sequence of GTI
        **kwargs : not used; Gammapy has them
        """
        if not gtis:
            raise ValueError("no GTI to stack: the list is empty")
        reference = gtis[0].reference
        parts = [gti.seconds_since(reference) for gti in gtis]
        return cls.from_seconds(
            np.concatenate([start for start, _ in parts]), np.concatenate([stop for _, stop in parts]), reference
        )

    def group_table(self, time_intervals: Sequence[tuple[Time, Time]], atol: QuantityLike = "1e-6 s") -> Table:
        """Return which of some time intervals each GTI lies in.

        Parameters
        ----------
        time_intervals : list of (start, stop), each an `astropy.time.Time`
        atol : Quantity, tolerance of the comparison

        Returns
        -------
        table : `astropy.table.Table`
            Columns ``group_idx`` (-1 where there is none), ``time_min``, ``time_max`` (MJD, UTC) and ``bin_type`` ("",
            "underflow", "overflow" or "outflow").
        """
        tolerance = u.Quantity(atol).to_value("s")
        low = np.array([float(self._reference.seconds(pair[0])) for pair in time_intervals])
        high = np.array([float(self._reference.seconds(pair[1])) for pair in time_intervals])
        table = Table(names=("group_idx", "time_min", "time_max", "bin_type"), dtype=("i8", "f8", "f8", "S10"))
        begin, end = self.time_start.utc.mjd, self.time_stop.utc.mjd
        for i, (start, stop) in enumerate(zip(*self._seconds(), strict=True)):
            after, before = start >= low - tolerance, stop <= high + tolerance
            found = np.nonzero(after & before)[0]
            kind = "" if found.size else "overflow" if after.any() else "underflow" if before.any() else "outflow"
            table.add_row([found[0] if found.size else -1, begin[i], end[i], kind])
        return table


def _at_least_1d(time: Time) -> Time:
    return time.reshape(1) if time.isscalar else time


def _valid_table(table: Table) -> Table:
    if not isinstance(table, Table):
        raise TypeError(f"a GTI is made from an astropy Table, got {type(table).__name__}")
    missing = {"START", "STOP"} - set(table.colnames)
    if missing:
        raise FormatError(f"the GTI table has columns {table.colnames}, expected START and STOP")
    for name in ("START", "STOP"):
        if len(table) and not isinstance(table[name], Time):
            raise TypeError(f"column {name} of a GTI table holds {type(table[name]).__name__}, expected astropy Time")
    return table
