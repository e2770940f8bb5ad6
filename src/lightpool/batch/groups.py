"""Which groups an observation, or a part of it, belongs to.

A division is one way to group; each gives an observation to one group, or parts of it to several. Parts share the
responses of their observation.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.batch.storage.stack_names import label_of, labels_of
from lightpool.config.settings import Groups
from lightpool.data import GTI, Observation, ObservationTable
from lightpool.data.tables.conditions import evaluate_expression
from lightpool.errors import ConfigError

__all__ = ["Division", "Part", "night_of"]

_OUTSIDE = ""
"""Name of no group."""


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
    table : ObservationTable, optional
        The observation index. It tells the names of groups of observations: which texts there are to be told apart.

    Attributes
    ----------
    name : str
    labels : dict of str to str, name of the group of each text in the index; empty for other ways to group
    """

    def __init__(self, settings: Groups, table: ObservationTable | None = None) -> None:
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
        self.labels: dict[str, str] = {}
        by_text = (
            settings.by == "observations"
            and self._edges is None
            and not re.search(r"\bOFFSET\b", settings.expression or "")
        )
        if table is not None and by_text:
            self.labels = labels_of(self.texts_in(table))

    def check(self, table: ObservationTable | None) -> None:
        """Refuse an expression about observations that the observation index has no values for."""
        if self._settings.by != "observations":
            return
        try:
            self._labels(self._values_in(table))
        except ValueError as error:
            raise ConfigError(
                f"groups {self.name!r}: {self._settings.expression} has no use for edges: {error}"
            ) from error

    def texts_in(self, table: ObservationTable) -> list[str]:
        """Value of the expression for each observation of the index, as text."""
        return [_text(value) for value in self._values_in(table).tolist()]

    def label(self, row: Mapping[str, Any]) -> str:
        """Name of the group of an observation, of what the observation index says of it; empty if in none."""
        columns = {name: np.asarray([value]) for name, value in row.items()}
        return str(self._labels(_values(self._settings, columns, 1))[0])

    def _values_in(self, table: ObservationTable | None) -> NDArray[Any]:
        """Values of the expression in the observation index."""
        columns: dict[str, NDArray[Any]] = {}
        if table is not None:
            columns = {name: np.asarray(table[name]) for name in table.colnames if table[name].ndim == 1}
        n_row = 1 if table is None else len(table)
        return _values(self._settings, {**columns, "OFFSET": np.zeros(n_row)}, n_row)

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
                yield _time_label(interval[0]), part

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
        if label := self.label(row):
            yield label, observation

    def _labels(self, values: NDArray[Any]) -> NDArray[Any]:
        """Name of the group of each value."""
        if self._edges is None:
            texts = [_text(value) for value in values.tolist()]
            return np.array([self.labels.get(text) or label_of(text) for text in texts], dtype=object)
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


def _time_label(time: Time) -> str:
    """Time as a name, such as ``2004-03-26T001500``; with its fraction of a second where it has one."""
    seconds, _, fraction = str(Time(time.utc, precision=9).isot).partition(".")
    return (
        f"{seconds}.{fraction}".rstrip("0").rstrip(".").replace(":", "")
        if fraction.strip("0")
        else seconds.replace(":", "")
    )


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
    """Value as text; FITS pads texts with blanks."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value + 0.0}" if isinstance(value, float) else f"{value}".rstrip()  # -0 is 0
