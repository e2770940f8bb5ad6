"""Names and modules that only Gammapy has, found by their place in lightpool."""

from importlib import import_module
from types import ModuleType

from lightpool.typing import GammapyObject

__all__ = ["original", "original_module"]


def original_module(name: str) -> ModuleType:
    """Return the module of Gammapy that corresponds to one of lightpool.

    Parameters
    ----------
    name : str, such as ``lightpool.visualization``
    """
    return import_module("gammapy" + name.removeprefix("lightpool"))


def original(module: str, name: str) -> GammapyObject:
    """Return the object that Gammapy has under a name.

    Parameters
    ----------
    module : str, such as ``lightpool.datasets``
    name : str, such as ``FluxPointsDataset``

    Raises
    ------
    AttributeError
        If this version of Gammapy has no such name.
    """
    return getattr(original_module(module), name)
