"""Good time intervals."""

import html
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from os import PathLike
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.attributes import KnownAttributes
from lightpool.data.tables.faults import Fault, report, time_faults
from lightpool.data.tables.gadf_tables import check_format, gti_hdu, open_table, read_gti, run_of, table_of_hdu
from lightpool.data.tables.intervals import complement_within, intersection, merge, overlap
from lightpool.data.tables.time_reference import DEFAULT_REFERENCE, TimeReference, ends_of_interval, snap
from lightpool.errors import FormatError
from lightpool.fits import HDUList, PrimaryHDU, TableData, parsing, write_fits

__all__ = ["GTI"]

Seconds = NDArray[np.float64]


class GTI(KnownAttributes):
    """Good time intervals (GTI).

    Inside, the intervals are plain numbers (seconds since the reference time); `table` and the times are made when
    asked for. A table that was handed out may be changed by the user, and from then on is what counts.

    Parameters
    ----------
    table : `astropy.table.Table` with columns START and STOP of type `astropy.time.Time`
    reference_time : `astropy.time.Time`, optional
        What mission times count from; 2000-01-01 TT by default.

    Raises
    ------
    TypeError
        If ``table`` is no table or its columns are no times.
    FormatError
        If a column is missing, or an interval stops before it starts.
    """

    on_change: "Callable[[GTI], None] | None" = None
    """Called with the GTI when its table is handed out or it is changed; no copy and no pickle has it."""

    _consumed = ("reference_time",)

    def __init__(self, table: Any, reference_time: Any = None) -> None:
        self._reference = _reference(reference_time)
        self._table: Any = _valid_table(table)
        self._met: tuple[Seconds, Seconds] | None = None
        _check_order(*self._seconds(), "GTI table")

    @classmethod
    def from_seconds(
        cls, start: Any, stop: Any, reference: TimeReference = DEFAULT_REFERENCE, *, where: str = "GTI"
    ) -> "GTI":
        """Make from plain arrays of seconds since a reference, shape (n_interval,); no time object is made."""
        gti = cls.__new__(cls)
        gti._reference, gti._table = reference, None
        gti._met = (np.atleast_1d(np.asarray(start, float)), np.atleast_1d(np.asarray(stop, float)))
        _check_order(*gti._met, where)
        return gti

    @classmethod
    def create(cls, start: Any, stop: Any, reference_time: Any = None) -> "GTI":
        """Make from start and stop times.

        Parameters
        ----------
        start, stop : `astropy.time.Time`, or `astropy.units.Quantity` since the reference time
        reference_time : `astropy.time.Time`, optional; 2000-01-01 TT by default
        """
        reference = _reference(reference_time)
        if not isinstance(start, Time) and not isinstance(stop, Time):
            return cls.from_seconds(u.Quantity(start).to_value("s"), u.Quantity(stop).to_value("s"), reference)
        start = start if isinstance(start, Time) else reference.to_time(u.Quantity(start).to_value("s"))
        stop = stop if isinstance(stop, Time) else reference.to_time(u.Quantity(stop).to_value("s"))
        return cls(Table({"START": np.atleast_1d(start), "STOP": np.atleast_1d(stop)}), reference.time)

    @classmethod
    def from_time_intervals(cls, time_intervals: Sequence[Any], reference_time: Any = None) -> "GTI":
        """Make from a list of pairs of `astropy.time.Time`."""
        start, stop = Time([pair[0] for pair in time_intervals]), Time([pair[1] for pair in time_intervals])
        return cls.create(start, stop, reference_time)

    @classmethod
    def read(
        cls, filename: str | PathLike[str], hdu: str | int = "GTI", format: str = "gadf", checksum: bool = False
    ) -> "GTI":
        """Read from a FITS file in GADF layout, see `lightpool.data.tables.gadf_tables.read_gti`."""
        check_format(format)
        with parsing(filename):
            return cls.from_table_data(open_table(filename, hdu, checksum=checksum))

    @classmethod
    def from_table_data(
        cls, table: TableData, header: Mapping[str, Any] | None = None, *, is_reported: bool = True
    ) -> "GTI":
        """Make from a table as `lightpool.fits.read_fits` gives it.

        Parameters
        ----------
        table : TableData
        header : mapping, optional
            That of the events, which says how long the observation took; that of the table by default.
        is_reported : bool
            Whether to give a warning for times that overlap or contradict the header.
        """
        start, stop, reference = read_gti(table)
        where = f"{table.source}, HDU {table.name!r}"
        gti = cls.from_seconds(start, stop, reference, where=where)
        if is_reported:
            report(gti.faults(table.header if header is None else header), run_of(where, header, table.header))
        return gti

    @classmethod
    def from_table_hdu(cls, table_hdu: Any, format: str = "gadf") -> "GTI":
        """Read from an `astropy.io.fits.BinTableHDU`."""
        check_format(format)
        return cls.from_table_data(table_of_hdu(table_hdu))

    def to_table_hdu(self, format: str = "gadf") -> Any:
        """Table HDU in GADF layout."""
        check_format(format)
        return gti_hdu(*self._seconds(), self._reference)

    def write(self, filename: str | PathLike[str], overwrite: bool = False, **kwargs: Any) -> None:
        """Write to a FITS file; keywords as for `lightpool.fits.write_fits`."""
        write_fits(HDUList([PrimaryHDU(), self.to_table_hdu()]), filename, overwrite=overwrite, **kwargs)

    # -- what it holds

    def _seconds(self) -> tuple[Seconds, Seconds]:
        """Start and stop in seconds since the reference."""
        if self._met is not None:
            return self._met
        if len(self._table) == 0:
            return np.zeros(0), np.zeros(0)
        seconds = self._reference.seconds
        return np.atleast_1d(seconds(self._table["START"])), np.atleast_1d(seconds(self._table["STOP"]))

    def faults(self, header: Mapping[str, Any]) -> list[Fault]:
        """Contradictions between the intervals, and between them and a header, that of the events or their own."""
        return list(time_faults(*self._seconds(), self._reference, header))

    @property
    def reference(self) -> TimeReference:
        """What the seconds count from."""
        return self._reference

    @property
    def table(self) -> Any:
        """`astropy.table.Table` with columns START and STOP of type `astropy.time.Time`."""
        if self._table is None:
            self._table = Table({"START": self.time_start, "STOP": self.time_stop})
            self._met = None
        self._tell()
        return self._table

    @table.setter
    def table(self, table: Any) -> None:
        self._table, self._met = _valid_table(table), None
        self._tell()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "on_change"}

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change(self)

    def __len__(self) -> int:
        return len(self._met[0]) if self._met is not None else len(self._table)

    @property
    def time_start(self) -> Any:
        """Start times as `astropy.time.Time`, shape (n_interval,)."""
        return self._table["START"] if self._met is None else self._reference.to_time(self._met[0])

    @property
    def time_stop(self) -> Any:
        """Stop times as `astropy.time.Time`, shape (n_interval,)."""
        return self._table["STOP"] if self._met is None else self._reference.to_time(self._met[1])

    @property
    def time_ref(self) -> Any:
        """Reference time as `astropy.time.Time`."""
        return self._reference.time

    def instant(self, share: float) -> Any:
        """Time between the first start (share 0) and the last stop (share 1), as `astropy.time.Time`."""
        if self._met is None:
            start, stop = self.time_start.min(), self.time_stop.max()
            return start if share == 0 else stop if share == 1 else start + share * (stop - start)
        first, last = float(self._met[0].min()), float(self._met[1].max())
        if share in (0, 1):
            return self._reference.to_time(last if share else first)
        # Mission times are good to 1e-8 s in float64, so the middle is not one of them.
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
        """Sum of the lengths as a plain number of seconds, the same as `time_sum` but for rounding; fast."""
        start, stop = self._seconds()
        return float(np.sum(stop - start))

    @property
    def time_intervals(self) -> list[tuple[Any, Any]]:
        """List of (start, stop) pairs of `astropy.time.Time`."""
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

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    # -- new intervals from these

    def _like(self, start: Seconds, stop: Seconds) -> "GTI":
        return self.from_seconds(start, stop, self._reference)

    def copy(self) -> "GTI":
        """Return an independent copy."""
        if self._met is not None:
            return self._like(self._met[0].copy(), self._met[1].copy())
        return self.__class__(self._table.copy(), self._reference.time)

    def _limits(self, time_interval: Any) -> tuple[float, float]:
        edges = np.concatenate(self._seconds())
        first, last = (float(self._reference.seconds(end)) for end in ends_of_interval(time_interval))
        return snap(first, edges), snap(last, edges)

    def select_time(self, time_interval: Any, inverted: bool = False) -> "GTI":
        """Keep what lies in a time interval, cropped to it.

        Parameters
        ----------
        time_interval : `astropy.time.Time` of length 2
        inverted : bool
            Keep what lies outside instead, as `delete_interval` does.
        """
        if inverted:
            return self.delete_interval(time_interval)
        first, last = self._limits(time_interval)
        start, stop = self._seconds()
        inside = (start <= last) & (stop > first)
        return self._like(np.clip(start[inside], first, last), np.clip(stop[inside], first, last))

    def delete_interval(self, time_interval: Any) -> "GTI":
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

    def intersect(self, other: "GTI") -> "GTI":
        """Return the times that are good in both, sorted and merged."""
        return self._like(*intersection(*self._seconds(), *other._seconds_since(self._reference)))

    def _seconds_since(self, reference: TimeReference) -> tuple[Seconds, Seconds]:
        start, stop = self._seconds()
        if reference == self._reference or len(self) == 0:
            return start, stop
        if reference.ticks_like(self._reference):
            shift = float(reference.seconds(self._reference.time))
            return start + shift, stop + shift
        return np.asarray(reference.seconds(self.time_start)), np.asarray(reference.seconds(self.time_stop))

    def stack(self, other: "GTI") -> None:
        """Add the intervals of another GTI behind these, in place; the reference time stays."""
        start, stop = self._seconds()
        other_start, other_stop = other._seconds_since(self._reference)
        self._met = (np.concatenate([start, other_start]), np.concatenate([stop, other_stop]))
        self._table = None
        self._tell()

    @classmethod
    def from_stack(cls, gtis: Sequence["GTI"], **kwargs: Any) -> "GTI":
        """Put the intervals of several GTIs behind each other; the reference time is that of the first."""
        if not gtis:
            raise ValueError("no GTI to stack: the list is empty")
        reference = gtis[0].reference
        parts = [gti._seconds_since(reference) for gti in gtis]
        return cls.from_seconds(
            np.concatenate([start for start, _ in parts]), np.concatenate([stop for _, stop in parts]), reference
        )

    def group_table(self, time_intervals: Sequence[Any], atol: Any = "1e-6 s") -> Any:
        """Tell which of some time intervals each GTI lies in.

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


def _reference(time: Any) -> TimeReference:
    if time is None:
        return DEFAULT_REFERENCE
    if isinstance(time, TimeReference):
        return time
    return _reference_of_text(time) if isinstance(time, str) else TimeReference.from_time(Time(time))


@lru_cache(maxsize=64)
def _reference_of_text(text: str) -> TimeReference:
    """Parse a text once: while astropy looks for its format, its errors take hold of all that the callers have.

    That is free only after the next collection of garbage, and a collector does not know how much a device has left.
    """
    return TimeReference.from_time(Time(text))


def _valid_table(table: Any) -> Any:
    if not isinstance(table, Table):
        raise TypeError(f"a GTI is made from an astropy Table, got {type(table).__name__}")
    missing = {"START", "STOP"} - set(table.colnames)
    if missing:
        raise FormatError(f"the GTI table has columns {table.colnames}, expected START and STOP")
    for name in ("START", "STOP"):
        if len(table) and not isinstance(table[name], Time):
            raise TypeError(f"column {name} of a GTI table holds {type(table[name]).__name__}, expected astropy Time")
    return table


def _check_order(start: Seconds, stop: Seconds, where: str) -> None:
    if start.shape != stop.shape or start.ndim != 1:
        raise FormatError(
            f"{where}: START has shape {start.shape}, STOP {stop.shape}; expected one list each, equally long"
        )
    if not (np.isfinite(start).all() and np.isfinite(stop).all()):
        raise FormatError(f"{where}: a START or STOP is not finite: START = {start}, STOP = {stop}")
    wrong = np.nonzero(stop < start)[0]
    if wrong.size:
        row = int(wrong[0])
        raise FormatError(
            f"{where}: interval {row} starts at {start[row]} s and stops at {stop[row]} s, before it starts; "
            "mend the table: its duration would count negative"
        )
