"""What the three kinds of axis have in common: a name, and how they are shown."""

from typing import TYPE_CHECKING, TypeAlias, TypedDict

from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy
from lightpool.typing import Axes
from lightpool.utils.html import ShownInNotebooks

if TYPE_CHECKING:
    from astropy.time import Time

    from lightpool.typing import QuantityLike

__all__ = ["AxisBase", "AxisCoord", "BinIndex", "Tolerances"]

AxisCoord: TypeAlias = "QuantityLike | Time"
"""Coordinates along an axis: quantities, or plain numbers in the unit of the axis; times; labels."""

BinIndex: TypeAlias = int | slice
"""One bin, or a range of bins."""


class Tolerances(TypedDict, total=False):
    """How closely two values must agree, as in `numpy.allclose`."""

    rtol: float
    atol: float
    equal_nan: bool


class AxisBase(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """A named axis of a map. Axes are values: to change one, make another."""

    _name: str

    @property
    def name(self) -> str:
        """Name of the axis."""
        return self._name

    def assert_name(self, required_name: str) -> None:
        """Raise `ValueError` if the axis has another name than the required one."""
        if self.name != required_name:
            raise ValueError(f"the axis is named {self.name!r}, but {required_name!r} is needed; see axis.rename")

    def format_plot_xaxis(self, ax: Axes) -> Axes:
        """Set scale, limits and label of the x axis of a matplotlib plot; return ``ax``."""
        from lightpool.plot.axes import format_xaxis

        format_xaxis(self, ax)
        return ax

    def format_plot_yaxis(self, ax: Axes) -> Axes:
        """Set scale, limits and label of the y axis of a matplotlib plot; return ``ax``."""
        from lightpool.plot.axes import format_yaxis

        format_yaxis(self, ax)
        return ax


def check_name(name: object) -> str:
    """Return the name of an axis, which must be a string."""
    if not isinstance(name, str):
        raise TypeError(f"the name of an axis must be a string, got {name!r} of type {type(name).__name__}")
    return name
