"""The kinds of maps: which class of maps belongs to a class of geometries.

A map is built on a geometry, so the modules of maps import those of geometries. But a geometry also makes maps: masks
of its pixels. It finds their class here, where the classes of maps register themselves.
"""

from typing import Any

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device

__all__ = ["kind_by_name", "make_map", "map_class", "register_kind"]

_KINDS: dict[str, type[Any]] = {}
_CLASSES: dict[type[Any], type[Any]] = {}
"""What `map_class` found by class of geometry: to check abstract classes takes longer than the rest of it."""


def register_kind(name: str, kind: type[Any]) -> None:
    """Add a class of maps; the first one of a name stays, and classes derived from it do not replace it.

    Parameters
    ----------
    name : str, ``map_type`` of `lightpool.maps.Map.create`
    kind : class of maps, whose attribute ``geom_class`` is the class of their geometries
    """
    _KINDS.setdefault(name, kind)
    _CLASSES.clear()


def kind_by_name(name: str) -> type[Any]:
    """Return the class of maps of a name; `ValueError` if there is none."""
    if name not in _KINDS:
        raise ValueError(f"Unrecognized map type: {name!r}; it must be one of {sorted(_KINDS)}")
    return _KINDS[name]


def map_class(geom: object) -> type[Any]:
    """Return the class of maps that belongs to a geometry; `TypeError` if there is none."""
    known = _CLASSES.get(type(geom))
    if known is not None:
        return known
    for kind in _KINDS.values():
        if isinstance(geom, kind.geom_class):
            return _CLASSES.setdefault(type(geom), kind)
    raise TypeError(f"expected a geometry of maps, got {type(geom).__name__}")


def make_map(geom: object, data: Array, device: str | Device | None = None) -> Any:
    """Make a map without a unit, of the class that belongs to a geometry.

    Parameters
    ----------
    geom : Geom
    data : array, see `lightpool.maps.Map.from_geom`
    device : str or Device
    """
    return map_class(geom)(geom, data=data, unit="", device=device)
