"""Maps of Gammapy whose values stay with lightpool until somebody looks at them.

A chain of makers hands a dataset from one to the next, and to the stack. None of them looks at its maps with other eyes
than those of lightpool, which computes a projected response only where it is added to a stack, and keeps maps on a
device. So the maps of a result are objects of Gammapy that have no values yet. The first access to ``data`` creates the
values, as the array that Gammapy would have made, and turns the map into an ordinary one.

While a map has no values, nobody can have changed any. That is how it is known that the values that lightpool has are
those of the map.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import ref

import numpy as np
from gammapy.maps import HpxGeom as GammapyHpxGeom
from gammapy.maps import HpxNDMap as GammapyHpxNDMap
from gammapy.maps import Map as GammapyMap
from gammapy.maps import RegionGeom as GammapyRegionGeom
from gammapy.maps import RegionNDMap as GammapyRegionNDMap
from gammapy.maps import WcsGeom as GammapyWcsGeom
from gammapy.maps import WcsNDMap as GammapyWcsNDMap
from numpy.typing import NDArray

from lightpool.arrays import to_host
from lightpool.gammapy.conversion.maps import map_from_gammapy
from lightpool.maps import Map
from lightpool.typing import GammapyObject, MetaValue

__all__ = ["Pending", "defer", "dtype_of", "lazy_map", "lightpool_values", "pending_values"]

_created = threading.RLock()


@dataclass(eq=False)
class Pending:
    """Values that a map of Gammapy does not have yet.

    Attributes
    ----------
    owner : object
        What holds the values: a map of lightpool, or the response that it is a part of.
    find : function of the owner
        Returns the map of lightpool that has them.
    dtype : str
        Data type that they have in Gammapy.
    is_sum : bool
        Whether the values belong to a stack alone, which may add to them in place.
    windows : list of weak references to maps
        Lazy maps that are windows of these values, see `let_go`.
    before : Pending, optional
        The values before the stack grew, if there are windows of them.
    """

    owner: GammapyObject
    find: Callable[[GammapyObject], Map]
    dtype: str
    is_sum: bool = False
    windows: "list[ref[GammapyMap]]" = field(default_factory=list)
    before: "Pending | None" = None

    def values(self) -> Map:
        """Return the map of lightpool that has the values."""
        return self.find(self.owner)

    def has_windows(self) -> bool:
        """Return whether there is a lazy map that is a window of these values."""
        return any(pending_values(window()) is not None for window in self.windows)

    def let_go(self) -> None:
        """Create the values of windows, because those that they are taken from are about to change or to go."""
        while self.windows:
            window = self.windows.pop()()
            if window is not None:
                _read(window)

    def create(self) -> NDArray[np.generic]:
        """Return the values as an array of Gammapy."""
        self.let_go()
        data = to_host(self.values().data)  # host: maps of Gammapy are arrays of NumPy
        # A device may hand out arrays that cannot be written to.
        array = np.asarray(data, dtype=self.dtype)
        return array if array.flags.writeable and array.flags.c_contiguous else array.copy()


def _read(lazy: GammapyMap) -> NDArray[np.generic]:
    with _created:
        pending = pending_values(lazy)
        # Another thread may have been faster.
        if pending is not None:
            _fill(lazy, pending.create())
    # Not the attribute: a map that is no longer lazy has no other.
    values: NDArray[np.generic] = lazy.__dict__["_data"]
    return values


def _write(lazy: GammapyMap, values: NDArray[np.generic]) -> None:
    with _created:
        _fill(lazy, values)


def _fill(lazy: GammapyMap, values: NDArray[np.generic]) -> None:
    """Turn a lazy map into an ordinary one."""
    lazy.__dict__["_data"] = values
    lazy.__dict__.pop("_pending", None)
    if type(lazy) in _KINDS.values():
        _set_class(lazy, _plain_class(lazy))


def _set_class(values: GammapyMap, kind: type) -> None:
    # Lazy maps have an attribute of this name, which says something else.
    object.__dict__["__class__"].__set__(values, kind)


def _reduce(lazy: GammapyMap, protocol: GammapyObject) -> GammapyObject:
    # A copy or a pickle is one of an ordinary map.
    _read(lazy)
    return lazy.__reduce_ex__(protocol)


def _plain_class(lazy: GammapyMap) -> type:
    # What Gammapy and scripts call to make another map of the kind, and compare with.
    plain: type = type(lazy).__mro__[1]
    return plain


class _LazyWcsNDMap(GammapyWcsNDMap):  # type: ignore[misc]  # Gammapy has no type information
    # Where Gammapy keeps the values. The classes have no further base: an object can then change to the plain class.
    _data = property(_read, _write)
    __class__ = property(_plain_class)
    __reduce_ex__ = _reduce


class _LazyRegionNDMap(GammapyRegionNDMap):  # type: ignore[misc]  # as above
    _data = property(_read, _write)
    __class__ = property(_plain_class)
    __reduce_ex__ = _reduce


class _LazyHpxNDMap(GammapyHpxNDMap):  # type: ignore[misc]  # as above
    _data = property(_read, _write)
    __class__ = property(_plain_class)
    __reduce_ex__ = _reduce


_LAZY = {
    GammapyWcsNDMap: _LazyWcsNDMap,
    GammapyRegionNDMap: _LazyRegionNDMap,
    GammapyHpxNDMap: _LazyHpxNDMap,
}
_KINDS = {
    GammapyWcsGeom: _LazyWcsNDMap,
    GammapyRegionGeom: _LazyRegionNDMap,
    GammapyHpxGeom: _LazyHpxNDMap,
}
for _plain, _lazy in _LAZY.items():
    # Scripts print them.
    _lazy.__name__, _lazy.__qualname__, _lazy.__module__ = _plain.__name__, _plain.__qualname__, _plain.__module__


def lazy_map(
    geom: GammapyObject, pending: Pending, unit: GammapyObject, meta: dict[str, MetaValue | GammapyObject]
) -> GammapyMap:
    """Return a map of Gammapy whose values are created when they are read.

    Parameters
    ----------
    geom : WcsGeom, RegionGeom or HpxGeom of Gammapy
    pending : Pending
    unit : Unit
    meta : dict
    """
    kind = _KINDS[type(geom)]
    lazy: GammapyMap = kind.__new__(kind)
    # What `Map.__init__` of Gammapy sets.
    lazy.__dict__.update(_geom=geom, _unit=unit, _meta=meta, _pending=pending)
    return lazy


def defer(values: GammapyMap, pending: Pending) -> None:
    """Take the values of a map of Gammapy away, because lightpool has newer ones.

    Parameters
    ----------
    values : Map of Gammapy
    pending : Pending
    """
    with _created:
        own = values.__dict__
        own.pop("_data", None)
        before = pending_values(values)
        pending.before = before if before is not None and before.has_windows() else None
        own["_pending"] = pending
        _set_class(values, _LAZY.get(type(values), type(values)))


def pending_values(values: GammapyMap | None) -> Pending | None:
    """Return what the values of a map will be created from; None if it has them already."""
    return None if values is None else values.__dict__.get("_pending")


def dtype_of(values: GammapyMap) -> str:
    """Return the name of the data type of a map, which may have no values yet."""
    pending = pending_values(values)
    return str(values.data.dtype) if pending is None else pending.dtype


def lightpool_values(values: GammapyMap) -> Map:
    """Return a map of Gammapy as one of lightpool, without creating values that it does not have yet.

    `from_gammapy` creates them: whoever converts a map may write to it afterwards, on either side.

    Parameters
    ----------
    values : Map of Gammapy
    """
    pending = pending_values(values)
    return map_from_gammapy(values) if pending is None else pending.values()
