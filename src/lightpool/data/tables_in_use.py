"""Event lists and good times of an observation whose tables a user may have changed."""

import weakref
from collections.abc import Callable
from typing import TypeAlias

from lightpool.data.event_list import EventList
from lightpool.data.event_table import EventTable
from lightpool.data.filters import ObservationFilter
from lightpool.data.gti import GTI

__all__ = ["TablesInUse"]

_Kept: TypeAlias = list[tuple[ObservationFilter, EventList | GTI]]


class TablesInUse:
    """Event lists and GTIs of an observation whose table was handed out: from then on these objects are used.

    All others are loaded again each time, so that many observations take little memory.
    """

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[ObservationFilter, EventList | GTI]]] = {}

    def copy(self) -> "TablesInUse":
        """Return an independent record of the same objects."""
        other = TablesInUse()
        other._kept = {name: list(kept) for name, kept in self._kept.items()}
        return other

    def get(self, name: str, chosen_by: ObservationFilter) -> EventList | GTI | None:
        """Return the object that is kept and was selected by the same filters, or None.

        Parameters
        ----------
        name : {"events", "gti"}
        chosen_by : ObservationFilter
        """
        return next((part for filters, part in self._kept.get(name, ()) if filters.is_same(chosen_by)), None)

    def watch(self, name: str, part: EventList | GTI, chosen_by: ObservationFilter) -> None:
        """Keep an event list or GTI as soon as its table is requested.

        Parameters
        ----------
        name : {"events", "gti"}
        part : EventList or GTI
        chosen_by : ObservationFilter, what selected it
        """
        part.on_change = _Keeper(self, name, chosen_by.snapshot(), self._kept.setdefault(name, []))

    def keep(
        self,
        name: str,
        part: EventList | GTI,
        chosen_by: ObservationFilter,
        kept: list[tuple[ObservationFilter, EventList | GTI]],
    ) -> None:
        """Keep an object, unless the part was replaced since, or another one with the same filters is kept.

        Parameters
        ----------
        name : {"events", "gti"}
        part : EventList or GTI
        chosen_by : ObservationFilter, what selected it
        kept : list that was current when the object was handed out; a replaced part has another one
        """
        if kept is self._kept.get(name) and self.get(name, chosen_by) is None:
            # In place, because the keepers refer to this list; of those with filters only the latest is kept.
            kept[:] = [(filters, other) for filters, other in kept if filters.is_empty]
            kept.append((chosen_by, part))

    def forget(self, name: str) -> None:
        """Keep nothing under a name: the part was replaced."""
        self._kept.pop(name, None)


class _Keeper:
    """Called by an event list or GTI when its table is handed out or it is changed."""

    def __init__(self, tables: TablesInUse, name: str, chosen_by: ObservationFilter, kept: _Kept) -> None:
        # Weak, so that an event list does not keep the other tables of its observation in memory.
        self._tables: Callable[[], TablesInUse | None] = weakref.ref(tables)
        self._name, self._chosen_by, self._kept = name, chosen_by, kept

    def __call__(self, part: EventTable | GTI) -> None:
        tables = self._tables()
        if tables is not None and isinstance(part, EventList | GTI):
            tables.keep(self._name, part, self._chosen_by, self._kept)
