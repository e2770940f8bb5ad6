"""Remembers what an object was converted to, so that the next conversion of the same object returns the same one."""

from collections.abc import Callable
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
        self._twins: dict[int, tuple[ref[object], Callable[[], T | None]]] = {}

    def get(self, obj: object) -> T | None:
        """Return what an object was converted to, or None.

        Parameters
        ----------
        obj : object
            What it was converted to may be out of date if the object was changed since.
        """
        found = self._twins.get(id(obj))
        return found[1]() if found is not None and found[0]() is obj else None

    def put(self, obj: object, twin: T) -> T:
        """Remember what an object was converted to, and return that.

        Parameters
        ----------
        obj : object that supports weak references
        twin : object
            It must not hold ``obj``, which would then never be freed.
        """
        self._set(obj, lambda: twin)
        return twin

    def put_pair(self, obj: T, twin: T, spare: T | None = None) -> T:
        """Remember what an object was converted to, and the way back; return the former.

        Parameters
        ----------
        obj : object that supports weak references
        twin : object that supports weak references
            It must not hold ``obj``. While ``obj`` lives, it is what ``twin`` is converted back to.
        spare : object, optional
            A copy of ``obj`` that takes its place after that, if ``twin`` does not hold all of its content. It must
            not hold ``twin``.
        """
        original = ref(obj)

        def back() -> T | None:
            found = original()
            return spare if found is None else found

        self._set(twin, back)
        if spare is not None:
            # weak: the twin keeps the spare
            self._set(spare, ref(twin))
        return self.put(obj, twin)

    def _set(self, obj: object, find: Callable[[], T | None]) -> None:
        key, twins = id(obj), self._twins
        twins[key] = (ref(obj, lambda _: twins.pop(key, None)), find)
