"""Decide which groups an observation, or a part of it, belongs to.

A division is one way to group: it assigns each observation to one group, or parts of it to several. Parts share the
responses of their observation, unless they are divided by the responses.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import astropy.units as u
import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.batch.storage.stack_names import label_of, labels_of
from lightpool.config.settings import Groups
from lightpool.data import GTI, Observation, ObservationTable
from lightpool.data.event_types import TypedPart, parts_by_responses
from lightpool.data.response_sets import ALL_TYPES
from lightpool.data.tables.conditions import evaluate_expression
from lightpool.errors import ConfigError

__all__ = ["Division", "Part", "night_of"]

_ANY_TYPE = "any"
"""Group of events of an observation whose responses hold for all types."""

_OUTSIDE = ""
"""Label of what belongs to no group."""

Row: TypeAlias = Mapping[str, str | float]
"""Values of an observation in the observation index, by name of the column; numbers may be NumPy scalars."""

_Parts: TypeAlias = Iterator[tuple[str, Observation]]
_Values: TypeAlias = NDArray[np.generic]


@dataclass(frozen=True)
class Part:
    """An observation, or the part of it that belongs to a group.

    Attributes
    ----------
    division : str
        Name of the division.
    group : str
        Name of the group in the division.
    observation : Observation
    """

    division: str
    group: str
    observation: Observation


class Division:
    """One way to group observations.

    Parameters
    ----------
    settings : Groups
    table : ObservationTable, optional
        The observation index. It determines the names of groups of observations, as different values must have
        different names.

    Attributes
    ----------
    name : str
    labels : dict of str to str
        Name of the group of each text in the index; empty for other ways to group.
    """

    def __init__(self, settings: Groups, table: ObservationTable | None = None) -> None:
        self.name = settings.name
        self._settings = settings
        self._split: tuple[Observation, list[TypedPart]] | None = None
        self._parts: Callable[[Observation, Row], _Parts] = {
            "all": self._all,
            "night": self._night,
            "time": self._time_bins,
            "gti": self._intervals_of_file,
            "events": self._events,
            "event_types": self._event_types,
            "observations": self._observations,
        }[settings.by]
        self._intervals = _intervals_of(settings.file) if settings.file is not None else []
        self._edges = None if settings.edges is None else np.array([_number(edge) for edge in settings.edges])
        if self._edges is not None and not np.all(np.diff(self._edges) > 0):
            raise ConfigError(f"groups {self.name!r}: edges must be strictly ascending, got {settings.edges}")
        self.labels: dict[str, str] = {}
        by_text = (
            settings.by == "observations"
            and self._edges is None
            # OFFSET depends on the target, so the index does not list all values from which names must differ.
            and not re.search(r"\bOFFSET\b", settings.expression or "")
        )
        if table is not None and by_text:
            self.labels = labels_of(self.texts_in(table))

    def check(self, table: ObservationTable | None) -> None:
        """Check that an expression about observations can be evaluated on the observation index.

        Raises
        ------
        ConfigError
            If the index lacks a column of the expression, or the values cannot be binned by the edges.
        """
        if self._settings.by != "observations":
            return
        try:
            self._labels(self._values_in(table))
        except ValueError as error:
            raise ConfigError(
                f"groups {self.name!r}: {self._settings.expression} cannot be binned by edges: {error}"
            ) from error

    def texts_in(self, table: ObservationTable) -> list[str]:
        """Return the value of the expression for each observation of the index, as text."""
        return [_text(value) for value in self._values_in(table).tolist()]

    def label(self, row: Row) -> str:
        """Return the name of the group of an observation, given its row of the index; empty if it is in none."""
        columns: dict[str, _Values] = {name: np.asarray([value]) for name, value in row.items()}
        return str(self._labels(_values(self._settings, columns, 1))[0])

    def _values_in(self, table: ObservationTable | None) -> _Values:
        """Return the values of the expression in the observation index."""
        columns: dict[str, _Values] = {}
        if table is not None:
            columns = {name: np.asarray(table[name]) for name in table.colnames if table[name].ndim == 1}
        n_row = 1 if table is None else len(table)
        # OFFSET depends on the target; zeros take its place, so that the rest of the expression can be checked.
        return _values(self._settings, {**columns, "OFFSET": np.zeros(n_row)}, n_row)

    def parts(self, observation: Observation, row: Row) -> Iterator[Part]:
        """Yield the parts of an observation with their groups; none if it belongs to no group.

        Parameters
        ----------
        observation : Observation
        row : mapping of str to value
            Its row of the observation index, for conditions on observations.
        """
        for group, part in self._parts(observation, row):
            yield Part(self.name, group, part)

    def _all(self, observation: Observation, row: Row) -> _Parts:
        yield "all", observation

    def _night(self, observation: Observation, row: Row) -> _Parts:
        yield night_of(observation), observation

    def _time_bins(self, observation: Observation, row: Row) -> _Parts:
        start, width = Time(self._settings.time_start), u.Quantity(self._settings.time_width)
        gti = observation.required("gti")
        # Bins are counted from time_start, so that they are the same for all observations.
        first, last = (
            int(np.floor(((time - start) / width).to_value(""))) for time in (gti.time_start.min(), gti.time_stop.max())
        )
        for number in range(first, last + 1):
            interval = Time([start + number * width, start + (number + 1) * width])
            part = _selected(observation, interval)
            if part is not None:
                yield _time_label(interval[0]), part

    def _intervals_of_file(self, observation: Observation, row: Row) -> _Parts:
        for number, interval in enumerate(self._intervals, start=1):
            part = _selected(observation, interval)
            if part is not None:
                yield f"interval-{number}", part

    def _events(self, observation: Observation, row: Row) -> _Parts:
        events = observation.required("events")
        labels = self._labels(_values(self._settings, events.columns.columns, len(events)))
        for label in sorted(set(labels.tolist()) - {_OUTSIDE}):
            part = observation.loaded()
            part.events = events.select_row_subset(np.flatnonzero(labels == label))
            yield label, part

    @property
    def divides_events(self) -> bool:
        """Whether the parts of an observation have event lists of their own."""
        return self._settings.by in ("time", "gti", "events", "event_types")

    def _event_types(self, observation: Observation, row: Row) -> _Parts:
        # Of all targets: an observation is split, and what is found in it reported, once.
        if self._split is None or self._split[0] is not observation:
            self._split = observation, parts_by_responses(observation)
        for part in self._split[1]:
            yield _ANY_TYPE if part.label == ALL_TYPES else label_of(part.label), part.observation

    def _observations(self, observation: Observation, row: Row) -> _Parts:
        if label := self.label(row):
            yield label, observation

    def _labels(self, values: _Values) -> NDArray[np.object_]:
        """Return the name of the group of each value."""
        if self._edges is None:
            texts = [_text(value) for value in values.tolist()]
            return np.array([self.labels.get(text) or label_of(text) for text in texts], dtype=object)
        names = ["-".join(map(_edge_text, edges)) for edges in pairwise(self._edges.tolist())]
        # A value on an edge belongs to the bin above it; the last edge, and NaN, which sorts behind it, to none.
        index = np.searchsorted(self._edges, values.astype(float), side="right") - 1
        inside = (index >= 0) & (index < len(names))
        return np.where(inside, np.array([*names, _OUTSIDE], dtype=object)[np.where(inside, index, -1)], _OUTSIDE)


def night_of(observation: Observation) -> str:
    """Return the date of the evening, at the observatory, on which the night of an observation began.

    An example is ``2004-03-26``. The UTC date changes during the night at many observatories, so the local mean time
    decides: a night lasts from noon to noon.
    """
    location = observation.observatory_earth_location
    longitude = 0.0 if location is None else location.lon.wrap_at("180d").deg
    # MJD changes at midnight at longitude 0: 360 deg are a day, and half a day less moves the change to noon.
    local_noon = observation.tmid.utc.mjd + longitude / 360 - 0.5
    return str(Time(np.floor(local_noon), format="mjd").isot.partition("T")[0])


def _time_label(time: Time) -> str:
    """Return a time as a name, such as ``2004-03-26T001500``, with the fraction of a second if it is not zero."""
    seconds, _, fraction = str(Time(time.utc, precision=9).isot).partition(".")
    return (
        f"{seconds}.{fraction}".rstrip("0").rstrip(".").replace(":", "")
        if fraction.strip("0")
        else seconds.replace(":", "")
    )


def _selected(observation: Observation, interval: Time) -> Observation | None:
    """Return the part of an observation in a time interval; None if that is empty."""
    part = observation.select_time(interval)
    return part if part.required("gti").time_sum > 0 * u.s else None


def _intervals_of(file: str) -> list[Time]:
    try:
        return [Time(list(pair)) for pair in GTI.read(file).time_intervals]
    except (OSError, ValueError) as error:
        raise ConfigError(f"the file of time intervals {file} cannot be read: {error}") from error


def _values(settings: Groups, columns: Mapping[str, NDArray[Any]], n_row: int) -> _Values:
    assert settings.expression is not None  # the settings are validated
    try:
        return evaluate_expression(settings.expression, columns, n_row)
    except ValueError as error:
        raise ConfigError(f"groups {settings.name!r}: {error}") from error


def _number(edge: float | str) -> float:
    return float(u.Quantity(edge).to_value("deg")) if isinstance(edge, str) else float(edge)


def _edge_text(edge: float) -> str:
    """Return the shortest text of an edge that still represents the same number."""
    return f"{edge:g}" if float(f"{edge:g}") == edge else f"{edge!r}"


def _text(value: object) -> str:
    """Return a value as text; FITS pads texts with blanks."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value + 0.0}" if isinstance(value, float) else f"{value}".rstrip()  # -0 is 0
