"""Types of values that many functions take: quantities, units, positions, times and files, as astropy takes them.

Also the types of axes and figures, for the ``plot`` and ``peek`` methods of packages that do not import Matplotlib.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import astropy.units as u
    import matplotlib.axes
    import matplotlib.figure
    import matplotlib.patheffects
    import numpy as np
    from astropy.coordinates import BaseCoordinateFrame, SkyCoord
    from astropy.time import Time
    from astropy.visualization.wcsaxes import WCSAxes
    from astropy.wcs import WCS
    from numpy.typing import NDArray
    from regions import Region, Regions, SkyRegion

__all__ = [
    "AngleLike",
    "Axes",
    "CoordsLike",
    "Figure",
    "FrameLike",
    "GammapyObject",
    "JSONValue",
    "MetaValue",
    "OneRegion",
    "PathEffect",
    "PathInput",
    "ProgressFunction",
    "ProgressLike",
    "QuantityLike",
    "RegionLike",
    "SkyAxes",
    "TimeLike",
    "UnitLike",
    "Wcs",
]

PathInput: TypeAlias = str | PathLike[str]
"""Name of a file or folder."""

UnitLike: TypeAlias = "u.UnitBase | str"
"""A unit, or its text, such as ``"TeV"``."""

QuantityLike: TypeAlias = "u.Quantity | str | float | NDArray[np.generic] | Sequence[u.Quantity | str | float]"
"""What `astropy.units.Quantity` takes, such as ``"1 TeV"``; plain numbers have the unit that the function names."""

AngleLike: TypeAlias = "u.Quantity | str | float | Sequence[u.Quantity | str | float]"
"""What `astropy.coordinates.Angle` makes an angle of, such as ``"0.5 deg"``."""

FrameLike: TypeAlias = "BaseCoordinateFrame | str"
"""A frame of the sky, or its name: ``"icrs"``, ``"galactic"``."""

OneRegion: TypeAlias = "SkyRegion"
"""A single region of the sky."""

TimeLike: TypeAlias = "Time | str"
"""A time, or its text in ISO 8601."""

RegionLike: TypeAlias = "Region | SkyCoord | str | Sequence[RegionLike] | Regions"
"""A region, a position (a point), or text in DS9 format; or several of them."""

CoordsLike: TypeAlias = "Mapping[str, object] | Sequence[object]"
"""Coordinates by name of the axis, or in the order of the axes."""


class ProgressFunction(Protocol):
    """A function that shows progress in a way of its own."""

    def __call__(self, n_done: int, n_total: int | None, /) -> object:
        """Show how many items are done, and how many there are; None if that is not known."""
        ...


ProgressLike: TypeAlias = bool | ProgressFunction | None
"""Whether progress is shown; None if `lightpool.utils.pbar.SHOW_PROGRESS_BAR` is set. Or a function that shows it."""

MetaValue: TypeAlias = str | int | float | bool | None
"""A value of a FITS keyword."""

JSONValue: TypeAlias = "bool | int | float | str | Sequence[JSONValue] | Mapping[str, JSONValue] | None"
"""A value of a JSON or YAML document."""

Axes: TypeAlias = "matplotlib.axes.Axes"
"""Axes of a plot."""

SkyAxes: TypeAlias = "WCSAxes"
"""Axes of a plot of the sky."""

Figure: TypeAlias = "matplotlib.figure.Figure"
"""A figure of Matplotlib."""

PathEffect: TypeAlias = "matplotlib.patheffects.AbstractPathEffect"
"""How the lines of a plot are drawn."""

GammapyObject: TypeAlias = Any
"""An object of Gammapy, which has no type information."""

Wcs: TypeAlias = "WCS"
"""A projection of the sky onto pixels."""
