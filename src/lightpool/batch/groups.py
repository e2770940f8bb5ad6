"""Which groups an observation, or a part of it, belongs to.

A division is one way to group; each gives an observation to one group, or parts of it to several. Parts share the
responses of their observation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.config.settings import Groups
from lightpool.data import GTI, Observation, ObservationTable
from lightpool.data.expression import evaluate_expression
from lightpool.errors import ConfigError

__all__ = ["Division", "Part", "night_of"]

_OUTSIDE = "outside"


@dataclass(frozen=True)
class Part:
    """An observation, or what of it belongs to a group.

    Attributes
    ----------
    division : str, name of the division
    group : str, name of the group in it
    observation : Observation
    """

    division: str
    group: str
    observation: Any


class Division:
    """One way to group, ready to be asked about observations.

    Parameters
    ----------
    settings : Groups
    """

    def __init__(self, settings: Groups) -> None:
        self.name = settings.name
        self._settings = settings
        self._parts = {
            "all": self._all,
            "night": self._night,
            "time": self._time_bins,
            "gti": self._intervals_of_file,
            "events": self._events,
            "observations": self._observations,
        }[settings.by]
        self._intervals = _intervals_of(settings.file) if settings.file is not None else []
        self._edges = None if settings.edges is None else np.array([_number(edge) for edge in settings.edges])
        if self._edges is not None and not np.all(np.diff(self._edges) > 0):
            raise ConfigError(f"groups {self.name!r}: edges must ascend, got {settings.edges}")

    def check(self, table: ObservationTable | None) -> None:
        """Refuse an expression about observations that the observation index has no values for."""
        if self._settings.by != "observations":
            return
        columns: dict[str, NDArray[Any]] = {}
        if table is not None:
            columns = {name: np.asarray(table[name]) for name in table.colnames if table[name].ndim == 1}
        n_row = 1 if table is None else len(table)
        values = _values(self._settings, {**columns, "OFFSET": np.zeros(n_row)}, n_row)
        try:
            self._labels(values)
        except ValueError as error:
            raise ConfigError(
                f"groups {self.name!r}: {self._settings.expression} has no use for edges: {error}"
            ) from error

    def parts(self, observation: Observation, row: Mapping[str, Any]) -> Iterator[Part]:
        """Parts of an observation with their groups; none if it belongs to no group.

        Parameters
        ----------
        observation : Observation
        row : mapping of column names to values, of the observation index; for conditions on observations
        """
        for group, part in self._parts(observation, row):
            yield Part(self.name, group, part)

    def _all(self, observation: Any, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        yield "all", observation

    def _night(self, observation: Any, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        yield night_of(observation), observation

    def _time_bins(self, observation: Any, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        start, width = Time(self._settings.time_start), u.Quantity(self._settings.time_width)
        gti = observation.gti
        first, last = (
            int(np.floor(((time - start) / width).to_value(""))) for time in (gti.time_start.min(), gti.time_stop.max())
        )
        for number in range(first, last + 1):
            interval = Time([start + number * width, start + (number + 1) * width])
            part = _selected(observation, interval)
            if part is not None:
                yield interval[0].utc.isot.partition(".")[0].replace(":", ""), part

    def _intervals_of_file(self, observation: Any, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for number, interval in enumerate(self._intervals, start=1):
            part = _selected(observation, interval)
            if part is not None:
                yield f"interval-{number}", part

    def _events(self, observation: Any, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        events = observation.events
        labels = self._labels(_values(self._settings, events.columns.columns, len(events)))
        for label in sorted(set(labels.tolist()) - {_OUTSIDE}):
            part = observation.loaded()
            part.events = events.select_row_subset(np.flatnonzero(labels == label))
            yield label, part

    def _observations(self, observation: Any, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        columns = {name: np.asarray([value]) for name, value in row.items()}
        label = str(self._labels(_values(self._settings, columns, 1))[0])
        if label != _OUTSIDE:
            yield label, observation

    def _labels(self, values: NDArray[Any]) -> NDArray[Any]:
        """Name of the group of each value."""
        if self._edges is None:
            return np.array([_text(value) for value in values.tolist()], dtype=object)
        names = ["-".join(map(_edge_text, edges)) for edges in pairwise(self._edges.tolist())]
        index = np.searchsorted(self._edges, values.astype(float), side="right") - 1
        inside = (index >= 0) & (index < len(names))
        return np.where(inside, np.array([*names, _OUTSIDE], dtype=object)[np.where(inside, index, -1)], _OUTSIDE)


def night_of(observation: Any) -> str:
    """Date of the evening, at the observatory, of the night of an observation, such as ``2004-03-26``."""
    location = observation.observatory_earth_location
    longitude = 0.0 if location is None else location.lon.wrap_at("180d").deg
    local_noon = observation.tmid.utc.mjd + longitude / 360 - 0.5
    return str(Time(np.floor(local_noon), format="mjd").isot.partition("T")[0])


def _selected(observation: Any, interval: Time) -> Any:
    """Part of an observation in a time interval, None if that is empty."""
    part = observation.select_time(interval)
    return part if part.gti.time_sum > 0 * u.s else None


def _intervals_of(file: str) -> list[Time]:
    try:
        return [Time(list(pair)) for pair in GTI.read(file).time_intervals]
    except (OSError, ValueError) as error:
        raise ConfigError(f"the file of time intervals {file} cannot be read: {error}") from error


def _values(settings: Groups, columns: Mapping[str, NDArray[Any]], n_row: int) -> NDArray[Any]:
    assert settings.expression is not None  # the settings have seen to that
    try:
        return evaluate_expression(settings.expression, columns, n_row)
    except ValueError as error:
        raise ConfigError(f"groups {settings.name!r}: {error}") from error


def _number(edge: float | str) -> float:
    return u.Quantity(edge).to_value("deg") if isinstance(edge, str) else float(edge)


def _edge_text(edge: float) -> str:
    """Edge as short as it can be without becoming another number."""
    return f"{edge:g}" if float(f"{edge:g}") == edge else f"{edge!r}"


def _text(value: Any) -> str:
    """Value as the name of a group, which is part of file names."""
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}".strip()
    return "".join(letter if letter.isalnum() or letter in "-+._" else "_" for letter in text) or "none"
