"""Gamma-ray observations reduced to binned datasets on whatever processor is there."""

from importlib import import_module
from typing import Any

from lightpool.names import find_in_gammapy, install

__version__ = "0.1.0.dev0"
__all__ = [
    "__version__",
    "get_default_device",
    "get_default_precision",
    "set_default_device",
    "set_default_precision",
    "use_device",
    "use_precision",
]


def __getattr__(name: str) -> Any:
    """Reach the switches of device and precision without paying for NumPy at ``import lightpool``."""
    if name in __all__:
        kind = "devices" if name.endswith("device") else "precision"
        return getattr(import_module(f"lightpool.arrays.devices.{kind}"), name)
    try:
        return find_in_gammapy("lightpool", name)
    except AttributeError as error:
        raise AttributeError(f"{error}; its names are {__all__}", name=name) from error.__cause__


def __dir__() -> list[str]:
    return sorted(__all__)


install()
