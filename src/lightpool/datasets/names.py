"""Names of datasets and models."""

import os
from random import Random
from string import ascii_letters, digits

__all__ = ["GeneratedName", "make_name"]


class GeneratedName(str):
    """A random name, given where the user chose none."""

    __slots__ = ()


_FIRST, _NEXT = ascii_letters + digits, ascii_letters + digits + "-_"
_NUMBERS = Random()
"""Independent of the numbers of the user. To ask the system for each name would let other threads go first."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_NUMBERS.seed)


def make_name(name: str | None = None) -> str:
    """Return the name, or a random one of eight letters if there is none."""
    if name is None:
        return GeneratedName(_NUMBERS.choice(_FIRST) + "".join(_NUMBERS.choices(_NEXT, k=7)))
    if not isinstance(name, str):
        raise ValueError(f"a name must be a string, got {name!r} of type {type(name).__name__}")
    return name
