"""Gamma-ray observations reduced to binned datasets on whatever processor is there."""

from importlib import import_module
from typing import Any

from lightpool.names import find_in_gammapy, install
from lightpool.utils.messages import add_handlers

__version__: str
"""The version of the installed package; in an editable installation, that of the day when it was installed."""

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
    """Reach the version and the switches of device and precision without paying for them at ``import lightpool``."""
    if name == "__version__":
        return globals().setdefault(name, _version())
    if name in __all__:
        kind = "devices" if name.endswith("device") else "precision"
        return getattr(import_module(f"lightpool.arrays.devices.{kind}"), name)
    try:
        return find_in_gammapy("lightpool", name)
    except AttributeError as error:
        raise AttributeError(f"{error}; its names are {__all__}", name=name) from error.__cause__


def _version() -> str:
    """Return the version that git's tags gave to the installation, or one that says that nothing is installed."""
    metadata = import_module("importlib.metadata")  # three times as long as all of ``import lightpool``
    try:
        return str(metadata.version("lightpool"))
    except metadata.PackageNotFoundError:
        return "0.0.0+unknown"


def __dir__() -> list[str]:
    return sorted(__all__)


install()
add_handlers()
