"""Remembers what an object was converted to, so that the next conversion of the same object returns the same one."""

from typing import Generic, TypeVar
from weakref import ref

__all__ = ["Twins"]

T = TypeVar("T")


class Twins(Generic[T]):
    """Results of a conversion by the object that was converted, for as long as that object lives.

    Objects are told apart by identity: axes and geometries compare their values, and datasets cannot be hashed.
    For objects that do not change, or whose users check that they did not (see `get`).
    """

    def __init__(self) -> None:
        self._twins: dict[int, tuple[ref[object], T]] = {}

    def get(self, obj: object) -> T | None:
        """Return what an object was converted to, or None.

        Parameters
        ----------
        obj : object
            What it was converted to may be out of date if the object was changed since.
        """
        found = self._twins.get(id(obj))
        return found[1] if found is not None and found[0]() is obj else None

    def put(self, obj: object, twin: T) -> T:
        """Remember what an object was converted to, and return that.

        Parameters
        ----------
        obj : object that supports weak references
        twin : object
            It must not hold ``obj``, which would then never be freed.
        """
        key, twins = id(obj), self._twins
        twins[key] = (ref(obj, lambda _: twins.pop(key, None)), twin)
        return twin
