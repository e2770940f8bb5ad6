"""The way from any package to `lightpool.gammapy`, which none of them imports.

`lightpool.gammapy` knows all packages, so they cannot know it. Where a user of theirs asks for Gammapy, as in
``dataset.to_gammapy()``, it is loaded by its name; Gammapy itself is optional and takes a second to import.
Functions that take Gammapy's objects too, as arguments, have the decorator `accepts_gammapy`.
"""

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import ParamSpec, Self, TypeVar
from weakref import WeakKeyDictionary

from lightpool.typing import GammapyObject

__all__ = [
    "ConvertibleToGammapy",
    "accepted",
    "accepts_gammapy",
    "gammapy_bridge",
    "is_model_of_gammapy",
    "is_only_dataset_of_gammapy",
]

P = ParamSpec("P")
T = TypeVar("T")

_CONVERTED = ("gammapy.data.", "gammapy.datasets.", "gammapy.irf.", "gammapy.maps.")
"""Packages of Gammapy whose objects are converted; models stay Gammapy's, because fits change them."""


def gammapy_bridge() -> ModuleType:
    """Return the module `lightpool.gammapy`.

    Raises
    ------
    ConfigError
        If Gammapy is not installed, or a version that is not supported; the error says what to install.
    """
    return import_module("lightpool.gammapy")


class ConvertibleToGammapy:
    """Objects that Gammapy has too."""

    __slots__ = ()

    def to_gammapy(self) -> GammapyObject:
        """Return this as an object of Gammapy; arrays on the host are shared, not copied.

        See `lightpool.gammapy.to_gammapy` for what is shared and what is copied.

        Raises
        ------
        ConfigError
            If Gammapy is not installed.
        """
        return gammapy_bridge().to_gammapy(self)

    @classmethod
    def from_gammapy(cls, obj: GammapyObject) -> Self:
        """Return an object of this class made from one of Gammapy; arrays are shared, not copied.

        Parameters
        ----------
        obj : object of the class of Gammapy of the same name

        Raises
        ------
        TypeError
            If it is an object of another kind.
        """
        found = gammapy_bridge().from_gammapy(obj)
        if not isinstance(found, cls):
            raise TypeError(
                f"{cls.__name__}.from_gammapy got a {type(obj).__module__}.{type(obj).__name__}, which corresponds to "
                f"{type(found).__name__}; lightpool.gammapy.from_gammapy converts objects of any kind"
            )
        return found


_known_classes: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def _is_convertible(kind: type) -> bool:
    """Return whether a class is one of Gammapy that lightpool may have too, or derived from one."""
    known = _known_classes.get(kind)
    if known is None:
        known = _known_classes[kind] = any(base.__module__.startswith(_CONVERTED) for base in kind.__mro__)
    return known


def is_model_of_gammapy(models: object) -> bool:
    """Return whether something is a model of Gammapy, a list of Gammapy for models, or a list that holds any."""
    if type(models) in (list, tuple):
        items: GammapyObject = models
        return any(is_model_of_gammapy(item) for item in items)
    return any(base.__module__.startswith("gammapy.modeling.") for base in type(models).__mro__)


def is_only_dataset_of_gammapy(datasets: object) -> bool:
    """Return whether something is a dataset of a kind that only Gammapy has, such as flux points, or holds one."""
    if type(datasets) in (list, tuple) or type(datasets).__module__ == "gammapy.datasets.core":
        items: GammapyObject = datasets
        return any(is_only_dataset_of_gammapy(item) for item in items)
    bases = type(datasets).__mro__
    is_dataset = any((base.__module__, base.__name__) == ("gammapy.datasets.core", "Dataset") for base in bases)
    return is_dataset and not any(base.__name__ == "MapDataset" for base in bases)


def accepted(value: T) -> T:
    """Return what lightpool has for an object of Gammapy, or for those in a list or dict; anything else as it is.

    The type stays that of the argument, because Gammapy's objects have no types.

    Parameters
    ----------
    value : object
        Datasets of a kind that only Gammapy has stay as they are.

    Raises
    ------
    TypeError
        If lightpool has no class for the object.
    """
    if "gammapy" not in sys.modules:  # then there is no object of Gammapy
        return value
    kind = type(value)
    if _is_convertible(kind) and not is_only_dataset_of_gammapy(value):
        converted: T = gammapy_bridge().from_gammapy(value)
        return converted
    items: GammapyObject = value
    if kind in (list, tuple) and any(_is_convertible(type(item)) for item in items):
        return kind([accepted(item) for item in items])  # type: ignore[call-arg]  # a list or a tuple
    if kind is dict and any(_is_convertible(type(item)) for item in items.values()):
        return kind({key: accepted(item) for key, item in items.items()})  # type: ignore[call-arg]  # a dict
    return value


def accepts_gammapy(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function take Gammapy's axes, geometries, maps, responses, observations and datasets.

    They are converted before the function sees them, see `accepted`. Arrays are shared, not copied. Functions that are
    called dozens of times for each observation call `accepted` themselves, for arguments that are not of our classes.
    """

    @wraps(function)
    def converting(*args: P.args, **kwargs: P.kwargs) -> T:
        if "gammapy" not in sys.modules:
            return function(*args, **kwargs)
        named = {name: accepted(value) for name, value in kwargs.items()}
        return function(*map(accepted, args), **named)  # type: ignore[arg-type]  # of the same types, see `accepted`

    return converting
