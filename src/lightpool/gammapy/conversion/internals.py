"""Attributes of Gammapy's objects that have no public name there: the only place that reads or sets them."""

from lightpool.typing import GammapyObject

__all__ = ["internal"]


def internal(obj: GammapyObject, name: str) -> GammapyObject:
    """Return an attribute without a public name, which Gammapy 1.3, 2.0 and 2.1 have.

    Parameters
    ----------
    obj : object of Gammapy
    name : str
    """
    return getattr(obj, name)
