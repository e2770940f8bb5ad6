"""The way from any package to `lightpool.gammapy`, which none of them imports.

`lightpool.gammapy` knows all packages, so they cannot know it. Where a user of theirs asks for Gammapy, as in
``dataset.to_gammapy()``, it is loaded by its name; Gammapy itself is optional and takes a second to import.
"""

from importlib import import_module
from types import ModuleType
from typing import Self

from lightpool.typing import GammapyObject

__all__ = ["ConvertibleToGammapy", "gammapy_bridge"]


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
