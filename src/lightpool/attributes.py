"""Objects that refuse attributes that they would never read."""

import inspect
from difflib import get_close_matches
from functools import lru_cache
from typing import ClassVar

__all__ = ["KnownAttributes", "is_own_class", "settable_attributes", "unknown_attribute"]


class KnownAttributes:
    """Refuses public attributes that the class does not know, such as a setting whose name is misspelled.

    Known are the parameters of ``__init__`` and what the class declares or defines: annotations, class attributes and
    properties. A method can only be replaced by another function. Classes outside of the package that are derived
    from one of it may add whatever they like.
    """

    _consumed: ClassVar[tuple[str, ...]] = ()
    """Parameters of ``__init__`` that are not kept under their name."""

    def _keep(self, **state: object) -> None:
        """Set private attributes at once, without checks: for objects that are created by the hundred."""
        self.__dict__.update(state)

    def __setattr__(self, name: str, value: object) -> None:
        if name[:1] != "_" and name not in self.__dict__:
            kind: type = type(self)
            # Tests replace methods.
            if name not in _known(kind) and not (callable(value) and callable(getattr(kind, name, None))):
                raise AttributeError(unknown_attribute(kind, name))
        object.__setattr__(self, name, value)


def settable_attributes(kind: type) -> list[str]:
    """Return the public attributes that can be set on the objects of a class, sorted."""
    return sorted(name for name in _known(kind) if not name.startswith("_") and _is_settable(kind, name))


def unknown_attribute(kind: type, name: str) -> str:
    """Return the text of the error for an unknown attribute, with those that can be set.

    Parameters
    ----------
    kind : class of the object
    name : str
    """
    settable = settable_attributes(kind)
    close = get_close_matches(name, settable, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"{kind.__name__} has no attribute {name!r} that can be set{hint} It has {', '.join(settable) or 'none'}"


def _is_settable(kind: type, name: str) -> bool:
    found = inspect.getattr_static(kind, name, None)
    if isinstance(found, property):
        return found.fset is not None
    return not (callable(found) or isinstance(found, classmethod | staticmethod))


def is_own_class(kind: type) -> bool:
    """Return whether a class is one of the package, not derived from it by a user."""
    return kind.__module__.startswith("lightpool.")


class _Anything(frozenset[str]):
    def __contains__(self, name: object) -> bool:
        return True


@lru_cache(maxsize=256)
def _known(kind: type) -> frozenset[str]:
    """Return the names that may be set on the objects of a class."""
    if not is_own_class(kind):
        return _Anything()
    names: set[str] = set()
    for base in kind.__mro__[:-1]:
        names |= set(vars(base)) | set(vars(base).get("__annotations__", ()))
        if "__init__" in vars(base):
            names |= set(list(inspect.signature(base.__init__).parameters)[1:])  # type: ignore[misc]
    methods = {
        name for name in names if inspect.isroutine(found := getattr(kind, name, None)) or isinstance(found, type)
    }
    return frozenset(names - methods - {"args", "kwargs", *getattr(kind, "_consumed", ())})
