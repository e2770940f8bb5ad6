"""What notebooks show of geometries."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.maps.axes.axes import MapAxes
from lightpool.maps.axes.axis_cards import axes_in_a_line, axes_table
from lightpool.utils.html import Card, Section, fields, times

__all__ = ["GeomToShow", "geom_card", "position_text"]


class GeomToShow(Protocol):
    """A geometry."""

    @property
    def axes(self) -> MapAxes:
        """Non-spatial axes."""

    @property
    def axes_names(self) -> list[str]:
        """Names of all axes."""

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of data."""

    @property
    def ndim(self) -> int:
        """Number of dimensions."""

    @property
    def frame(self) -> str:
        """Name of the frame."""

    @property
    def center_skydir(self) -> SkyCoord:
        """Centre."""


def geom_card(geom: GeomToShow, rows: Mapping[str, object] | None = None) -> Card:
    """Return the card of a geometry.

    Parameters
    ----------
    geom : Geom
    rows : mapping of name to value, or to a function that returns it
        What the kind of geometry has besides axes, shape, frame and centre.
    """
    shape = times(geom.data_shape[::-1])
    common = {
        "axes": ", ".join(geom.axes_names),
        "shape": shape,
        "ndim": geom.ndim,
        "frame": geom.frame,
        "center": lambda: position_text(geom.center_skydir),
    }
    return Card(
        type(geom).__name__,
        "",
        [shape, geom.frame],
        [
            Section("Sky", lambda: fields({**common, **(rows or {})}), is_open=True),
            Section("Axes", lambda: axes_table(geom.axes), axes_in_a_line(geom.axes)),
        ],
    )


def position_text(position: SkyCoord) -> str:
    """Return a direction with the names of its coordinates: ``RA 83.6330 deg, Dec 22.0145 deg``."""
    lon, lat = float(position.data.lon.deg), float(position.data.lat.deg)
    if not np.isfinite([lon, lat]).all():
        return "not known"
    names = {"galactic": ("l", "b"), "icrs": ("RA", "Dec"), "fk5": ("RA", "Dec")}
    first, second = names.get(position.frame.name, ("longitude", "latitude"))
    return f"{first} {lon:.4f} deg, {second} {lat:.4f} deg"
