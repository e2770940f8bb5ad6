"""The two functions that convert, to which each module of this package adds its classes."""

from functools import singledispatch

from lightpool.typing import GammapyObject

__all__ = ["from_gammapy", "to_gammapy"]


@singledispatch
def to_gammapy(obj: object) -> GammapyObject:
    """Return an object of lightpool as one of Gammapy.

    Parameters
    ----------
    obj : axis, geometry, map, response, event list, GTI, observation, dataset, background model, or a container of them

    Returns
    -------
    obj : object of the class of Gammapy of the same name
        Arrays in host memory are shared with the original; arrays on a device are copied, with one transfer each.

    Raises
    ------
    TypeError
        If Gammapy has nothing that corresponds to it.

    Examples
    --------
    >>> from lightpool.gammapy import from_gammapy, to_gammapy
    >>> from lightpool.maps import Map
    >>> counts = Map.create(npix=3, dtype=float)
    >>> theirs = to_gammapy(counts)
    >>> theirs.data[0, 0] = 7
    >>> float(counts.data[0, 0])
    7.0
    >>> type(from_gammapy(theirs)).__module__
    'lightpool.maps.wcs_map'
    """
    raise TypeError(f"to_gammapy got a {_kind(obj)}, which Gammapy has no class for; expected an object of lightpool")


@singledispatch
def from_gammapy(obj: GammapyObject) -> object:
    """Return an object of Gammapy as one of lightpool.

    Parameters
    ----------
    obj : axis, geometry, map, response, event list, GTI, observation, dataset, background model, or a container of them

    Returns
    -------
    obj : object of the class of lightpool of the same name, in host memory
        Arrays are shared with the original.

    Raises
    ------
    TypeError
        If lightpool has nothing that corresponds to it.
    """
    raise TypeError(f"from_gammapy got a {_kind(obj)}, which lightpool has no class for; expected an object of Gammapy")


def _kind(obj: object) -> str:
    return f"{type(obj).__module__}.{type(obj).__qualname__}"
