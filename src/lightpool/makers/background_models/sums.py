"""Sums of background events and exposure, run by run: what all tables are made of, without the events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.makers.background_models import sums_format
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.maps import MapAxis
from lightpool.typing import PathInput
from lightpool.utils.html import ShownInNotebooks

__all__ = ["BackgroundSums", "RunRow"]

RunRow: TypeAlias = Mapping[str, str | float]
"""Values of a run by name of the column, as in the observation index."""

_KEY = ("OBS_ID", "MJD_START")


@dataclass(frozen=True, eq=False, kw_only=True)
class BackgroundSums(ShownInNotebooks):
    """Counts and exposure of runs in fine bins of energy and field of view, with one block for each run.

    A value: `merged` makes a new one. The blocks are in the order of ``(OBS_ID, MJD_START)``, whatever the order in
    which they were made, so that sums of the same runs are bit-identical. Counts are kept for the bins that have any.

    Attributes
    ----------
    energy_axis : MapAxis
    field : FieldBins
    runs : dict of arrays, shape (n_run,)
        ``OBS_ID``, ``MJD_START`` (UTC), ``ONTIME`` and ``LIVETIME`` (s), ``ZEN_PNT`` and ``AZ_PNT`` (deg, means
        over the good time), and the columns of the observation index.
    first : array of int64, shape (n_run + 1,)
        The entries ``first[i]:first[i + 1]`` belong to run i.
    bins : array of int32, shape (n_entry,)
        Flat index into (energy, field, excluded or not).
    events : array of int32, shape (n_entry,)
        Number of events in the bin.
    excluded : array of float64, shape (n_run, n_field)
        Excluded part of the exposure: on-time x solid angle, s sr. The rest remains, see `exposure`.
    """

    energy_axis: MapAxis
    field: FieldBins
    runs: Mapping[str, NDArray[np.generic]]
    first: NDArray[np.int64]
    bins: NDArray[np.int32]
    events: NDArray[np.int32]
    excluded: HostFloats

    # -- constructors

    @classmethod
    def empty(cls, energy_axis: MapAxis, field: FieldBins) -> "BackgroundSums":
        """Return sums of no run.

        Parameters
        ----------
        energy_axis : MapAxis
        field : FieldBins
        """
        return cls(
            energy_axis=energy_axis,
            field=field,
            runs={
                name: np.zeros(0, dtype=np.int64 if name == "OBS_ID" else float)
                for name in (*_KEY, "ONTIME", "LIVETIME")
            },
            first=np.zeros(1, dtype=np.int64),
            bins=np.zeros(0, dtype=np.int32),
            events=np.zeros(0, dtype=np.int32),
            excluded=np.zeros((0, field.n_bin)),
        )

    @classmethod
    def of_run(
        cls, energy_axis: MapAxis, field: FieldBins, row: RunRow, counts: ArrayLike, excluded: ArrayLike
    ) -> "BackgroundSums":
        """Return the sums of one run.

        Parameters
        ----------
        energy_axis : MapAxis
        field : FieldBins
        row : mapping of str to value, with at least ``OBS_ID, MJD_START, ONTIME, LIVETIME``
        counts : array, shape (n_energy, n_field, 2)
            Events outside and inside of the exclusion.
        excluded : array, shape (n_field,), s sr
        """
        flat = np.asarray(counts).reshape(-1)
        if flat.size and flat.max() > np.iinfo(np.int32).max:
            raise ValueError(f"{flat.max():g} events in one bin are more than sums can hold; make finer bins")
        bins = np.flatnonzero(flat)
        return cls(
            energy_axis=energy_axis,
            field=field,
            runs={name: np.asarray([value]) for name, value in row.items()},
            first=np.array([0, len(bins)], dtype=np.int64),
            bins=bins.astype(np.int32),
            events=np.rint(flat[bins]).astype(np.int32),
            excluded=np.asarray(excluded, dtype=float).reshape(1, -1),
        )

    @classmethod
    def merged(cls, parts: Iterable["BackgroundSums"]) -> "BackgroundSums":
        """Return the sums of all runs of some sums; in any order they give the same.

        Parameters
        ----------
        parts : iterable of BackgroundSums, one at least

        Raises
        ------
        ValueError
            If their bins differ, or a run is in two of them.
        """
        found = list(parts)
        if not found:
            raise ValueError("got no sums to merge; BackgroundSums.empty(energy_axis, field) has no runs")
        whole = found[0]
        for part in found[1:]:
            whole._require_same_bins(part)
        runs = _joined_rows([part.runs for part in found])
        lengths = np.concatenate([np.diff(part.first) for part in found])
        joined = replace(
            whole,
            runs=runs,
            first=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            bins=np.concatenate([part.bins for part in found]),
            events=np.concatenate([part.events for part in found]),
            excluded=np.concatenate([part.excluded for part in found]),
        )
        order = np.lexsort([runs[name] for name in reversed(_KEY)])
        if len(order) > 1:
            keys = np.stack([np.asarray(runs[name])[order].astype(float) for name in _KEY])
            twice = np.flatnonzero(np.all(keys[:, 1:] == keys[:, :-1], axis=0))
            if twice.size:
                obs_ids = sorted({int(keys[0, i]) for i in twice})
                raise ValueError(
                    f"observations {obs_ids} are in two of the sums that were to be merged, and would count twice; "
                    "leave one out, for example with sums.select(...)"
                )
        return joined if np.array_equal(order, np.arange(len(order))) else joined.take(order)

    def __add__(self, other: "BackgroundSums") -> "BackgroundSums":
        return BackgroundSums.merged([self, other])

    def _require_same_bins(self, other: "BackgroundSums") -> None:
        if self.field.alignment is not other.field.alignment:
            raise ValueError(
                f"sums in fields of view along {self.field.alignment} and {other.field.alignment} cannot be merged"
            )
        pairs = zip((self.energy_axis, *self.field.axes), (other.energy_axis, *other.field.axes), strict=False)
        for one, two in pairs:
            if one.name != two.name or one.nbin != two.nbin or not np.allclose(one.edges, two.edges, rtol=1e-9):
                raise ValueError(
                    f"sums in different bins cannot be merged: axis {one.name!r} with edges {one.edges}, and axis "
                    f"{two.name!r} with edges {two.edges}"
                )

    # -- values

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """Number of bins of energy and of the field of view."""
        return self.energy_axis.nbin, self.field.n_bin

    @property
    def obs_ids(self) -> NDArray[np.int64]:
        """Numbers of the runs."""
        return np.asarray(self.runs["OBS_ID"]).astype(np.int64)

    @property
    def table(self) -> Table:
        """The rows of the runs as a table."""
        return Table({name: np.asarray(values) for name, values in self.runs.items()})

    @property
    def ontime(self) -> HostFloats:
        """Good time of each run, dead time included, shape (n_run,), s."""
        return np.asarray(self.runs["ONTIME"], dtype=float)

    @property
    def full_exposure(self) -> HostFloats:
        """On-time x solid angle as if nothing were excluded, shape (n_run, n_field), s sr."""
        return np.asarray(self.ontime[:, np.newaxis] * self.field.solid_angle.reshape(-1))

    @property
    def exposure(self) -> HostFloats:
        """On-time x solid angle that is not excluded, shape (n_run, n_field), s sr."""
        return self._remaining(self.full_exposure, self.excluded)

    @staticmethod
    def _remaining(full: HostFloats, excluded: HostFloats) -> HostFloats:
        left = full - excluded
        # What is left of a bin that is excluded as a whole is the rounding of two sums.
        return np.where(left > 1e-9 * full, left, 0.0)

    def counts(self, *, excluded: bool = False) -> NDArray[np.int64]:
        """Return the counts of each run outside of the exclusion, shape (n_run, n_energy, n_field).

        For many runs this array is large: `total_counts` sums first.

        Parameters
        ----------
        excluded : bool
            Return the counts inside of the exclusion.
        """
        n_energy, n_field = self.shape
        run = np.repeat(np.arange(len(self)), np.diff(self.first))
        some = self.bins % 2 == int(excluded)
        counts = np.zeros((len(self), n_energy * n_field), dtype=np.int64)
        counts[run[some], self.bins[some] // 2] = self.events[some]
        return counts.reshape(len(self), n_energy, n_field)

    def total_counts(self, rows: NDArray[np.int64] | None = None, *, excluded: bool = False) -> NDArray[np.int64]:
        """Return the sum of the counts of some runs outside of the exclusion, shape (n_energy, n_field).

        Parameters
        ----------
        rows : array of int, which runs, by their place in `runs`; all by default
        excluded : bool
            Return the counts inside of the exclusion.
        """
        some = self.bins % 2 == int(excluded)
        if rows is not None:
            wanted = np.zeros(len(self), dtype=bool)
            wanted[rows] = True
            some = some & np.repeat(wanted, np.diff(self.first))
        n_bin = self.shape[0] * self.shape[1]
        counts = np.bincount(self.bins[some] // 2, self.events[some], minlength=n_bin)
        return np.rint(counts).astype(np.int64).reshape(self.shape)

    def run_counts(self, *, excluded: bool = False) -> NDArray[np.int64]:
        """Return the number of events of each run in all bins, shape (n_run,).

        Parameters
        ----------
        excluded : bool
            Return the number inside of the exclusion.
        """
        run = np.repeat(np.arange(len(self)), np.diff(self.first))
        some = self.bins % 2 == int(excluded)
        return np.rint(np.bincount(run[some], self.events[some], minlength=len(self))).astype(np.int64)

    # -- other sums

    def take(self, rows: ArrayLike) -> "BackgroundSums":
        """Return the sums of some runs, by their place in `runs`.

        Parameters
        ----------
        rows : array of int
        """
        places = np.asarray(rows, dtype=np.int64)
        lengths = self.first[places + 1] - self.first[places]
        first = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        entries = np.repeat(self.first[places] - first[:-1], lengths) + np.arange(first[-1])
        return replace(
            self,
            runs={name: np.asarray(values)[places] for name, values in self.runs.items()},
            first=first,
            bins=self.bins[entries],
            events=self.events[entries],
            excluded=self.excluded[places],
        )

    def select(self, obs_ids: Iterable[int]) -> "BackgroundSums":
        """Return the sums of some runs, by their numbers; those that are not here are ignored."""
        return self.take(np.flatnonzero(np.isin(self.obs_ids, list(obs_ids))))

    def summed(self, groups: Sequence[NDArray[np.int64]], columns: Mapping[str, ArrayLike]) -> "BackgroundSums":
        """Return sums with one block for each group of runs: for batches whose blocks would fill the memory.

        Parameters
        ----------
        groups : sequence of arrays of int
            Places of the runs of each group.
        columns : mapping of str to array, shape (n_group,)
            Rows of the groups, with at least ``OBS_ID`` (different numbers) and ``MJD_START``. Runs cannot be told
            apart afterwards: per-run norms and other groups are no longer possible.
        """
        parts = []
        for number, places in enumerate(groups):
            kept, out = self.total_counts(places), self.total_counts(places, excluded=True)
            row: dict[str, str | float] = {name: np.asarray(column)[number] for name, column in columns.items()}
            row |= {name: float(np.sum(np.asarray(self.runs[name])[places])) for name in ("ONTIME", "LIVETIME")}
            counts, excluded = np.stack([kept, out], axis=-1), self.excluded[places].sum(axis=0)
            parts.append(self.of_run(self.energy_axis, self.field, row, counts, excluded))
        return BackgroundSums.merged(parts) if parts else self.take([])

    # -- files

    def write(self, filename: PathInput, overwrite: bool = False) -> None:
        """Write to a FITS file, as a whole or not at all.

        Parameters
        ----------
        filename : str or path-like
        overwrite : bool
        """
        sums_format.write_sums(self, filename, overwrite)

    @classmethod
    def read(cls, filename: PathInput) -> "BackgroundSums":
        """Read a file that `write` wrote.

        Parameters
        ----------
        filename : str or path-like
        """
        return cls(**sums_format.read_sums(filename))


def _joined_rows(parts: Sequence[Mapping[str, NDArray[np.generic]]]) -> dict[str, NDArray[np.generic]]:
    """Return the rows of all parts; a column that a part does not have is NaN there, or an empty text."""
    joined: dict[str, NDArray[np.generic]] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        known = [np.asarray(part[name]) for part in parts if name in part]
        is_text = any(values.dtype.kind in "US" for values in known)
        columns = []
        for part in parts:
            if name in part:
                values = np.asarray(part[name])
                columns.append(values.astype(str) if is_text else values)
            else:
                columns.append(np.full(len(part[_KEY[0]]), "" if is_text else np.nan))
        joined[name] = np.concatenate(columns)
    return joined
