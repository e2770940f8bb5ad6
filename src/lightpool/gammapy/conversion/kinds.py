"""Which classes of Gammapy can be converted: those that are known, and not classes derived from them."""

from lightpool.typing import GammapyObject

__all__ = ["require_class"]


def require_class(obj: GammapyObject, kind: type) -> None:
    """Raise `TypeError` for an object of a derived class, whose methods may do something else.

    Parameters
    ----------
    obj : object of Gammapy
    kind : class of Gammapy
    """
    if type(obj) is not kind:
        raise TypeError(
            f"from_gammapy got a {type(obj).__module__}.{type(obj).__qualname__}, which is derived from "
            f"{kind.__name__}; lightpool does not know what it changes, so make a {kind.__name__} of it first"
        )
