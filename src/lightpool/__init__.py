"""Gamma-ray observations reduced to binned datasets on whatever processor is there."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0.dev0"
__all__ = ["__version__", "get_default_device", "set_default_device", "use_device"]


def __getattr__(name: str) -> Any:
    """Reach the device functions without paying for NumPy at ``import lightpool``."""
    if name in ("get_default_device", "set_default_device", "use_device"):
        return getattr(import_module("lightpool.arrays.devices"), name)
    raise AttributeError(f"module 'lightpool' has no attribute {name!r}; its names are {__all__}")
