"""What the three kinds of axis have in common: a name, and how they are shown."""

import html
from typing import Any

from lightpool.attributes import KnownAttributes

__all__ = ["AxisBase"]


class AxisBase(KnownAttributes):
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

    def format_plot_xaxis(self, ax: Any) -> Any:
        """Set scale, limits and label of the x axis of a matplotlib plot; return ``ax``."""
        from lightpool.plot.axes import format_xaxis

        return format_xaxis(self, ax)

    def format_plot_yaxis(self, ax: Any) -> Any:
        """Set scale, limits and label of the y axis of a matplotlib plot; return ``ax``."""
        from lightpool.plot.axes import format_yaxis

        return format_yaxis(self, ax)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def check_name(name: Any) -> str:
    """Name of an axis, which must be a string."""
    if not isinstance(name, str):
        raise TypeError(f"the name of an axis must be a string, got {name!r} of type {type(name).__name__}")
    return name
