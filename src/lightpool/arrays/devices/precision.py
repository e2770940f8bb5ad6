"""The precision of maps: ``double`` (float64, the default) or ``single`` (float32, for GPUs that are slow in float64).

The data determine it, as they determine on which device the work is done: what is made from maps of float32 is float32.
Coordinates are float64 in both. The names are NumPy's for the two data types, so a precision is a ``dtype`` as well.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lightpool.arrays.devices.dtypes import HasDType, dtype_name

__all__ = [
    "DTYPES",
    "find_precision",
    "get_default_precision",
    "precision_of",
    "set_default_precision",
    "use_precision",
]

DTYPES = {"double": "float64", "single": "float32"}
"""Data type of maps in each precision; masks are bool in both."""

_default: str | None = None
_scoped: ContextVar[str | None] = ContextVar("lightpool_precision", default=None)


def find_precision(name: str | None = None) -> str:
    """Return the precision of a name, ``double`` or ``single``; None is the default one.

    Raises
    ------
    ValueError
        If the name is another one.
    """
    if name is None:
        return get_default_precision()
    found = name.strip().lower() if isinstance(name, str) else name
    if found not in DTYPES:
        raise ValueError(f"precision must be 'double' (float64) or 'single' (float32), got {name!r}")
    return found


def get_default_precision() -> str:
    """Return the precision of new maps; see `use_precision`, `set_default_precision` and ``LIGHTPOOL_PRECISION``."""
    scoped = _scoped.get()
    if scoped is not None:
        return scoped
    if _default is not None:
        return _default
    return find_precision(os.environ.get("LIGHTPOOL_PRECISION") or "double")


def set_default_precision(name: str | None) -> None:
    """Choose the precision of new maps from now on; None returns to ``LIGHTPOOL_PRECISION`` or ``double``."""
    global _default
    _default = None if name is None else find_precision(name)


@contextmanager
def use_precision(name: str) -> Iterator[str]:
    """Choose the precision of new maps inside a ``with`` block, in this thread or task only."""
    token = _scoped.set(find_precision(name))
    try:
        yield get_default_precision()
    finally:
        _scoped.reset(token)


def precision_of(*arrays: HasDType) -> str:
    """Return the precision of arrays together: ``single`` if there are floating-point ones and all are float32.

    Without a floating-point array it is the default one.
    """
    names = {dtype_name(x) for x in arrays} & {"float32", "float64"}
    if not names:
        return get_default_precision()
    return "single" if names == {"float32"} else "double"
