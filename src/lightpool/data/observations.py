"""A list of observations."""

import itertools
import logging
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from typing import Any, cast, overload

import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, accepts_gammapy
from lightpool.data.checkers import ObservationChecker
from lightpool.data.observation import Observation
from lightpool.data.observation_card import observations_card
from lightpool.data.tables.time_reference import TimeInterval, ends_of_interval
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = ["Observation", "ObservationChecker", "Observations"]

log = logging.getLogger(__name__)


class Observations(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks, MutableSequence[Observation]):
    """A list of observations, by position or by ID as text.

    Parameters
    ----------
    observations : iterable of `Observation`
    """

    _consumed = ("observations",)

    @accepts_gammapy
    def __init__(self, observations: Iterable[Observation] | None = None) -> None:
        self._observations: list[Observation] = []
        # By identity: to compare each observation with all others takes a time that grows with the square.
        known: set[int] = set()
        for observation in observations or ():
            self._observations.append(self._checked(observation, id(observation) in known))
            known.add(id(observation))

    @overload
    def __getitem__(self, item: int | np.integer[Any] | str) -> Observation: ...
    @overload
    def __getitem__(self, item: slice | list[int] | list[str] | list[bool] | NDArray[np.generic]) -> "Observations": ...
    def __getitem__(
        self, item: int | np.integer[Any] | str | slice | list[int] | list[str] | list[bool] | NDArray[np.generic]
    ) -> "Observation | Observations":
        if isinstance(item, slice):
            return self.__class__(self._observations[item])
        if isinstance(item, list | np.ndarray):
            if len(item) and all(isinstance(key, str) for key in item):
                return self.__class__([self._observations[self.index(key)] for key in item])
            rows = np.asarray(item)
            rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(int)
            return self.__class__([self._observations[row] for row in rows])
        return self._observations[self.index(item)]

    def __delitem__(self, key: int | np.integer[Any] | str | slice) -> None:
        del self._observations[key if isinstance(key, slice) else self.index(key)]

    @accepts_gammapy
    def __setitem__(self, key: int | np.integer[Any] | str | slice, observation: object) -> None:
        checked = self._checked(observation, observation in self._observations)
        if isinstance(key, slice):
            raise TypeError("an observation replaces one other observation: give its position or its ID, not a slice")
        self._observations[self.index(key)] = checked

    @accepts_gammapy
    def insert(self, idx: int, obs: Observation) -> None:
        """Insert an observation before a position.

        Parameters
        ----------
        idx : int
        obs : Observation
        """
        self._observations.insert(idx, self._checked(obs, obs in self._observations))

    @staticmethod
    def _checked(observation: object, is_known: bool) -> Observation:
        if not isinstance(observation, Observation):
            raise TypeError(f"Observations holds Observation objects, got {type(observation).__name__}")
        if is_known:
            log.warning(f"Observation with obs_id {observation.obs_id} already belongs to Observations.")
        return observation

    def __len__(self) -> int:
        return len(self._observations)

    def __str__(self) -> str:
        return f"Observations\nNumber of observations: {len(self)}\n" + "".join(str(x) for x in self)

    def __repr__(self) -> str:
        return f"Observations({self.ids})"

    def html_card(self) -> Card:
        """Return what notebooks show of the observations."""
        return observations_card(self._observations, type(self).__name__)

    def _ipython_key_completions_(self) -> list[str]:
        return self.ids

    def index(self, key: object, *args: object) -> int:
        """Return the position of an observation.

        Parameters
        ----------
        key : the observation itself, its ID as text, or a position, which is returned unchanged
        *args : not used; lists have them

        Raises
        ------
        ValueError
            If it is not in the list.
        """
        if isinstance(key, int | np.integer):
            return int(key)
        if isinstance(key, str):
            try:
                return self.ids.index(key)
            except ValueError:
                raise ValueError(f"no observation with ID {key!r}; there are {', '.join(self.ids) or 'none'}") from None
        if isinstance(key, Observation):
            return self._observations.index(key)
        raise TypeError(f"an observation is found by position, by ID as text, or by itself, got {type(key).__name__}")

    @property
    def ids(self) -> list[str]:
        """Observation IDs as text."""
        return [str(observation.obs_id) for observation in self._observations]

    def select_time(
        self, time_intervals: TimeInterval | Sequence[TimeInterval], inverted: bool = False
    ) -> "Observations":
        """Return the observations that overlap time intervals, each cropped to its interval.

        Parameters
        ----------
        time_intervals : `astropy.time.Time` of length 2, or list of them
        inverted : bool, the observations that lie outside the interval
        """
        # A Time of length 2 is one interval, although it can be iterated over.
        is_one = isinstance(time_intervals, Time) or not isinstance(time_intervals, Iterable)
        intervals = cast("Sequence[TimeInterval]", [time_intervals] if is_one else time_intervals)
        chosen = []
        for interval, observation in itertools.product(intervals, self._observations):
            start, stop = observation.tstart, observation.tstop
            first, last = ends_of_interval(interval)
            # With the edges of `GTI.select_time`.
            if (start > last or stop < first) if inverted else (start <= last and stop > first):
                chosen.append(observation.select_time(interval, inverted))
        return self.__class__(chosen)

    def group_by_label(self, labels: Sequence[int | str] | NDArray[np.generic]) -> dict[str, "Observations"]:
        """Split into groups.

        Parameters
        ----------
        labels : sequence of int or str, one for each observation

        Returns
        -------
        groups : dict of ``group_LABEL`` to Observations
        """
        if len(labels) != len(self):
            raise ValueError(f"{len(labels)} labels for {len(self)} observations; give one label each")
        return {
            f"group_{label}": self.__class__([x for x, own in zip(self, labels, strict=True) if own == label])
            for label in np.unique(labels)
        }

    @classmethod
    def from_stack(cls, observations_list: Iterable["Observations"]) -> "Observations":
        """Concatenate several lists."""
        return cls(itertools.chain(*observations_list))

    def in_memory_generator(self) -> Iterator[Observation]:
        """Yield a copy of each observation with all parts loaded, one after the other."""
        for observation in self:
            yield observation.copy(in_memory=True)
