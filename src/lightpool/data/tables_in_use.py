"""Event lists and good times of an observation whose tables a user may have changed."""

import weakref
from collections.abc import Callable
from typing import Any

from lightpool.data.filters import ObservationFilter

__all__ = ["TablesInUse"]


class TablesInUse:
    """What an observation handed out and whose table was asked for: from then on that is what counts.

    Other parts are loaded anew each time, so that many observations take little memory.
    """

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[ObservationFilter, Any]]] = {}

    def copy(self) -> "TablesInUse":
        """Return an independent record of the same objects."""
        other = TablesInUse()
        other._kept = {name: list(kept) for name, kept in self._kept.items()}
        return other

    def get(self, name: str, chosen_by: ObservationFilter) -> Any:
        """Object that is kept under a name and was chosen by the same filters, or None."""
        return next((part for filters, part in self._kept.get(name, ()) if filters.is_same(chosen_by)), None)

    def watch(self, name: str, part: Any, chosen_by: ObservationFilter) -> None:
        """Keep an event list or GTI as soon as its table is asked for."""
        part.on_change = _Keeper(self, name, chosen_by.snapshot(), self._kept.setdefault(name, []))

    def keep(
        self, name: str, part: Any, chosen_by: ObservationFilter, kept: list[tuple[ObservationFilter, Any]]
    ) -> None:
        """Keep an object, unless the part was replaced since, or another one with the same filters is kept."""
        if kept is self._kept.get(name) and self.get(name, chosen_by) is None:
            kept[:] = [(filters, other) for filters, other in kept if filters.is_empty]
            kept.append((chosen_by, part))

    def forget(self, name: str) -> None:
        """Keep nothing under a name: the part was replaced."""
        self._kept.pop(name, None)


class _Keeper:
    """Called by an event list or GTI when its table is handed out or it is changed."""

    def __init__(self, tables: TablesInUse, name: str, chosen_by: ObservationFilter, kept: list[Any]) -> None:
        self._tables: Callable[[], TablesInUse | None] = weakref.ref(tables)
        self._name, self._chosen_by, self._kept = name, chosen_by, kept

    def __call__(self, part: Any) -> None:
        tables = self._tables()
        if tables is not None:
            tables.keep(self._name, part, self._chosen_by, self._kept)
