"""Which observations a dataset contains, and whether two datasets contain the same data."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from lightpool.arrays import to_host
from lightpool.data import GTI
from lightpool.datasets.base import DatasetBase

__all__ = ["SeenDatasets", "obs_ids_of"]

_TOUCHING = 1.0
"""Good times that two datasets share count as the same from this many seconds on; shorter ones are rounding."""


def obs_ids_of(dataset: DatasetBase) -> list[str]:
    """Return the numbers of the observations in the table of a dataset, in its order; empty if it lists none."""
    return _texts(dataset, "OBS_ID")


def _texts(dataset: DatasetBase, column: str) -> list[str]:
    """Return a column of the table of a dataset as text; empty if there is none. A row that is deferred stays so."""
    row = dataset.unread_row
    if row is not None:
        return [str(row[column]).strip()] if column in row else []
    table = dataset.meta_table
    if table is None or column not in table.colnames:
        return []
    return [str(value).strip() for value in np.ravel(np.asarray(table[column]))]


def _observations(dataset: DatasetBase) -> set[tuple[str, str]]:
    """Return telescope and number of each observation; for a spectrum that lists none its name, OBS_ID in OGIP."""
    numbers = obs_ids_of(dataset)
    if not numbers and dataset.tag == "SpectrumDatasetOnOff" and dataset.gti is not None:
        return {("", str(dataset.name))}
    given = _texts(dataset, "TELESCOP")
    telescopes = given if len(given) == len(numbers) else [""] * len(numbers)
    return set(zip(telescopes, numbers, strict=True))


@dataclass(frozen=True)
class _Seen:
    label: str
    counts: bytes
    gti: GTI | None

    def shares_time(self, gti: GTI | None) -> bool:
        """Return whether the good times overlap; True if one of them is not known."""
        if self.gti is None or gti is None or not len(self.gti) or not len(gti):
            return True
        both = type(gti).from_stack([self.gti.union(), gti.union()])
        # Neither of the two overlaps itself, so the sum minus the union is the time that they share.
        return both.duration_s - both.union().duration_s > _TOUCHING


@dataclass
class SeenDatasets:
    """Datasets that have been added so far, so that none is added twice.

    The parts of an observation that was divided in time share its number but no good time, and are different.
    """

    _by_observation: dict[tuple[str, str], list[_Seen]] = field(default_factory=dict)
    _by_counts: dict[bytes, list[_Seen]] = field(default_factory=dict)

    def add(self, label: str, dataset: DatasetBase) -> str | None:
        """Remember a dataset, and return how it repeats an earlier one, as the end of a sentence, or None.

        Parameters
        ----------
        label : str, the name of the dataset or of its file
        dataset : DatasetBase
        """
        return self._add(_Seen(label, _fingerprint(dataset), dataset.gti), dataset)

    def add_listed(self, label: str, dataset: DatasetBase) -> str | None:
        """Remember the observations that a dataset lists, as `add` does; its maps are not read.

        Parameters
        ----------
        label : str, the name of the dataset or of its file
        dataset : DatasetBase
        """
        return self._add(_Seen(label, b"", dataset.gti), dataset) if obs_ids_of(dataset) else None

    def _add(self, seen: _Seen, dataset: DatasetBase) -> str | None:
        observations = sorted(_observations(dataset))
        reason = self._repeated(seen, observations)
        for key in observations:
            self._by_observation.setdefault(key, []).append(seen)
        if seen.counts:
            self._by_counts.setdefault(seen.counts, []).append(seen)
        return reason

    def _repeated(self, seen: _Seen, observations: list[tuple[str, str]]) -> str | None:
        shared: dict[str, list[str]] = {}
        for key in observations:
            for earlier in self._by_observation.get(key, []):
                if earlier.shares_time(seen.gti):
                    shared.setdefault(earlier.label, []).append(key[1])
        if shared:
            label, numbers = next(iter(shared.items()))
            some = ", ".join(numbers[:5]) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
            return f"observation {some} of {label} again, with the same good times"
        for earlier in self._by_counts.get(seen.counts, []):
            if earlier.gti is not None and seen.gti is not None and earlier.shares_time(seen.gti):
                return f"the same counts and good times as {earlier.label}"
        return None


def _fingerprint(dataset: DatasetBase) -> bytes:
    """Return a hash of the counts; empty if there are none."""
    if dataset.counts is None:
        return b""
    # In float64, so that files of the same counts in different precisions have one fingerprint.
    counts = np.nan_to_num(np.asarray(to_host(dataset.counts.data), dtype=np.float64))  # host: once per file
    return hashlib.sha256(counts.tobytes()).digest() if np.any(counts) else b""
