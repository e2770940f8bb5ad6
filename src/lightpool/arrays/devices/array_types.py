"""The names that stand for arrays and their libraries in signatures.

There is no class that the arrays of NumPy, CuPy, PyTorch and array-api-strict share, so both names are ``Any`` to the
type checker; they say to the reader what is meant.
"""

from typing import Any, TypeAlias

Array: TypeAlias = Any
"""An array that follows the array API standard, on any device."""

Namespace: TypeAlias = Any
"""A module that follows the array API standard, see `array_api_compat.array_namespace`."""
