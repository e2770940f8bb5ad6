"""What notebooks show of geometries of a region."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import astropy.units as u

from lightpool.maps.geoms.geom_card import GeomToShow, geom_card
from lightpool.maps.regions.sky_regions import all_parts
from lightpool.utils.html import MAX_ROWS, Card, Html, note, times
from lightpool.utils.text import number_of

if TYPE_CHECKING:
    from regions import SkyRegion

__all__ = ["region_card"]

_MOST_PARTS = 100
"""Regions of which notebooks show the solid angle, which takes a time that grows with the square of their number."""


class RegionGeomToShow(GeomToShow, Protocol):
    """A geometry of a region."""

    @property
    def region(self) -> "SkyRegion | None":
        """The region."""

    @property
    def width(self) -> u.Quantity:
        """Width and height."""

    def solid_angle(self) -> u.Quantity:
        """Solid angle of the region."""


def region_card(geom: RegionGeomToShow) -> Card:
    """Return the card of a geometry of a region.

    Parameters
    ----------
    geom : RegionGeom
    """
    region = geom.region
    parts = [] if region is None else all_parts(region)
    rows = {
        "region": "None" if region is None else type(region).__name__,
        "parameters": None if region is None else lambda: _parameters(parts),
        "width": lambda: None if region is None else f"{times(f'{x:.5g}' for x in geom.width.value)} deg",
        "solid angle": lambda: None if region is None else _solid_angle(geom, len(parts)),
    }
    return geom_card(geom, rows)


def _parameters(parts: "Sequence[SkyRegion]") -> str:
    texts = [", ".join(str(part).splitlines()[1:]) for part in parts[:MAX_ROWS]]
    return texts[0] if len(parts) == 1 else f"{number_of(len(parts), 'region')}: {'; '.join(texts)}"


def _solid_angle(geom: RegionGeomToShow, n_part: int) -> Html | str:
    if n_part > _MOST_PARTS:
        return note(f"takes long with {number_of(n_part, 'region')}: solid_angle() computes it")
    return f"{geom.solid_angle().to('deg2'):.5g}"
