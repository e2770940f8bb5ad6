"""Unions of circles as plain arrays; region objects are made when somebody asks for them."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.region_shapes import steps_to_north_of
from lightpool.maps.regions.shape_unions import DrawnUnion, ShapeUnion, parts_of_kind
from lightpool.maps.regions.sky_regions import Steps
from lightpool.maps.wcs_header import frame_of_wcs

if TYPE_CHECKING:
    from regions import CircleSkyRegion, Region, SkyRegion

__all__ = ["Circles", "DrawnCircles"]


@dataclass(frozen=True, eq=False)
class Circles(ShapeUnion):
    """A union of circles on the sky.

    Attributes
    ----------
    frame, lon, lat : see `ShapeUnion`
    radius : array of float64, shape (n,), arcsec
    like : CircleSkyRegion
        What is not about the shape (``meta`` and ``visual``) is that of this region.
    """

    radius: NDArray[np.float64]
    like: "CircleSkyRegion"

    @classmethod
    def of(cls, region: "Region") -> Self | None:
        """Return the circles of a union, in one frame; None if there is anything else in it.

        Parameters
        ----------
        region : SkyRegion or PixelRegion
        """
        circles = cast("list[CircleSkyRegion]", parts_of_kind(region, (region_classes.CircleSkyRegion,)))
        if not circles:
            return None
        lon, lat, radius = np.array(
            [(_.center.data.lon.deg, _.center.data.lat.deg, _.radius.to_value("arcsec")) for _ in circles]
        ).T
        return cls(circles[0].center.frame.name, lon, lat, radius, circles[0])

    @classmethod
    def from_pixels(
        cls, x: NDArray[np.float64], y: NDArray[np.float64], radius: float, wcs: WCS, like: "CircleSkyRegion"
    ) -> Self:
        """Return the circles on the sky of circles of one radius on pixels.

        Parameters
        ----------
        x, y : arrays of float, shape (n,), pixel coordinates
        radius : float, pixels
        wcs : WCS
        like : CircleSkyRegion, see above
        """
        lon, lat = wcs.wcs_pix2world(x, y, 0)
        _, _, dx, dy = steps_to_north_of(lon, lat, wcs)
        # a step is one arcsec long, so dx and dy are pixels per arcsec
        return cls(frame_of_wcs(wcs), lon, lat, radius / np.hypot(dx, dy), like)

    @property
    def reach(self) -> NDArray[np.float64]:
        """The radii in deg."""
        return self.radius / 3600

    @property
    def numbers(self) -> Hashable:
        """Centres and radii."""
        return tuple(each.tobytes() for each in (self.lon, self.lat, self.radius))

    def regions(self) -> "list[SkyRegion]":
        """Return a region for each circle."""
        centers = SkyCoord(self.lon, self.lat, unit="deg", frame=self.frame)
        meta, visual = self.like.meta, self.like.visual
        return [
            region_classes.CircleSkyRegion(center, radius, meta=meta.copy(), visual=visual.copy())
            for center, radius in zip(centers, Angle(self.radius, "arcsec"), strict=True)
        ]

    def drawn(self, plane: Plane, *, torn_only: bool = False) -> "DrawnCircles":
        """Return the circles on the pixels of a map, see `ShapeUnion.drawn`."""
        drawn = super().drawn(plane, torn_only=torn_only)
        assert isinstance(drawn, DrawnCircles)  # made below
        return drawn

    def _drawn_at(self, steps: Steps, is_drawn: NDArray[np.bool_]) -> "DrawnCircles":
        x, y, dx, dy = steps
        # a step is one arcsec long
        return DrawnCircles(self, x, y, is_drawn, self.radius * np.hypot(dx, dy))


@dataclass(frozen=True, eq=False)
class DrawnCircles(DrawnUnion):
    """Circles on the pixels of a map.

    Attributes
    ----------
    union, x, y, is_drawn : see `DrawnUnion`
    radius : array of float64, shape (n,), pixels
    """

    radius: NDArray[np.float64]

    @property
    def reach(self) -> NDArray[np.float64]:
        """The radii in pixels."""
        return self.radius

    def contains(self, number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether positions lie in one of the circles, see `DrawnUnion.contains`."""
        x0, y0, radius = (float(each[number]) for each in (self.x, self.y, self.radius))
        # `<`, as in `regions`: a position on the border is outside
        return np.asarray((x - x0) ** 2 + (y - y0) ** 2 < radius**2)
