"""Classes derived from one of Gammapy: which of them are the same as far as lightpool is concerned."""

from functools import lru_cache

from lightpool.typing import GammapyObject

__all__ = ["overridden", "require_no_override"]

_HARMLESS = {
    "__annotations__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__init__",
    "__init_subclass__",
    "__module__",
    "__new__",
    "__orig_bases__",
    "__parameters__",
    "__repr__",
    "__slots__",
    "__static_attributes__",
    "__str__",
    "__subclasshook__",
    "__weakref__",
    "_repr_html_",
    "peek",
}
"""Names that a derived class may define: lightpool asks none of them for values."""


@lru_cache(maxsize=256)
def overridden(kind: type, base: type) -> tuple[str, ...]:
    """Return the names of ``base`` that a class derived from it defines anew, sorted.

    Parameters
    ----------
    kind, base : class
    """
    before = kind.__mro__[: kind.__mro__.index(base)]
    names = {name for cls in before for name in vars(cls)}
    return tuple(sorted(names & {*dir(base), "__getattr__"} - _HARMLESS))


def require_no_override(obj: GammapyObject, base: type) -> None:
    """Check that an object behaves as one of Gammapy's class.

    Parameters
    ----------
    obj : object of ``base`` or of a class derived from it
    base : class of Gammapy

    Raises
    ------
    TypeError
        If its class defines something of ``base`` anew, which the converted object would not have.
    """
    kind: type = type(obj)
    names = overridden(kind, base)
    if names:
        raise TypeError(
            f"from_gammapy got a {kind.__module__}.{kind.__qualname__}, which overrides {', '.join(names)} of "
            f"{base.__name__}; lightpool would not call them"
        )
