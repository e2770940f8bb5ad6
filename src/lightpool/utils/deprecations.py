"""How names and arguments are announced to go away; docs/contributing/deprecation.md has the rules.

The work is done by astropy's decorators, which also write a note into the docstring.
"""

from collections.abc import Callable
from typing import TypeVar

from astropy.utils import decorators

from lightpool.errors import LightpoolDeprecationWarning

__all__ = ["deprecated", "deprecated_argument"]

F = TypeVar("F", bound=Callable[..., object])


def deprecated(since: str, *, until: str, alternative: str) -> Callable[[F], F]:
    """Mark a function, method or class as deprecated; each use warns with `LightpoolDeprecationWarning`.

    Parameters
    ----------
    since : str
        The version that announces it, such as ``0.2``.
    until : str
        The version that may remove it.
    alternative : str
        What to use instead.
    """

    def mark(obj: F) -> F:
        message = (
            f"{obj.__name__} is deprecated since lightpool {since} and may be removed in {until}; "
            f"use {alternative} instead"
        )
        return decorators.deprecated(since, message=message, warning_type=LightpoolDeprecationWarning)(obj)

    return mark


def deprecated_argument(old: str, new: str, *, since: str, until: str) -> Callable[[F], F]:
    """Let a function take an argument under its old name too, with a `LightpoolDeprecationWarning`.

    Parameters
    ----------
    old, new : str
        Names of the argument.
    since : str
        The version that announces it.
    until : str
        The version that may remove it.
    """
    message = (
        f"the argument {old!r} is deprecated since lightpool {since} and may be removed in {until}; use {new!r} instead"
    )
    return decorators.deprecated_renamed_argument(
        old, new, since, warning_type=LightpoolDeprecationWarning, message=message
    )
