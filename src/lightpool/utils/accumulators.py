"""Values that grow by additions."""

import threading
from collections.abc import Callable
from typing import Any

from lightpool.utils.on_demand import Deferred

__all__ = ["Accumulated"]


class Accumulated:
    """A value and what was added to it; all is merged at once when the value is asked for.

    Parameters
    ----------
    value : any, the value so far; a `Deferred` is loaded when the value is asked for
    merge : function from the list of the value and its additions to one value
    """

    def __init__(self, value: Any, merge: Callable[[list[Any]], Any]) -> None:
        self._parts = [value]
        self._merge = merge
        self._lock = threading.RLock()

    @classmethod
    def of(cls, value: Any, merge: Callable[[list[Any]], Any]) -> "Accumulated":
        """Make one of a value, unless it is one already."""
        return value if isinstance(value, cls) else cls(value, merge)

    @property
    def first(self) -> Any:
        """The value without the additions that are not merged yet."""
        return self._parts[0]

    def fork(self) -> "Accumulated":
        """Copy that is added to on its own; nothing is merged for it."""
        new = Accumulated(None, self._merge)
        new._parts = list(self._parts)
        return new

    def add(self, value: Any) -> None:
        """Remember an addition: a value, or all that another one holds."""
        self._parts += value._parts if isinstance(value, Accumulated) else [value]

    @property
    def value(self) -> Any:
        """The value with all additions."""
        with self._lock:  # a merge may change its first part, so it must not be done twice
            parts = [part.create() if isinstance(part, Deferred) else part for part in self._parts]
            self._parts = parts if len(parts) == 1 else [self._merge(parts)]
            return self._parts[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return Accumulated, (self.value, self._merge)
