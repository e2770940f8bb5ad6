"""Unions of circles as plain arrays; region objects are made when somebody asks for them."""

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.region_shapes import are_drawn_well, steps_to_north_of
from lightpool.maps.wcs_header import frame_of_wcs
from lightpool.utils.remembered import Remembered

if TYPE_CHECKING:
    from regions import CircleSkyRegion, Region, SkyRegion

__all__ = ["Circles", "DrawnCircles", "drawn_once"]

_MARGIN = 1.2
"""Circles that are drawn as circles are up to 2 % wider on the sky than their radius; this is far on the safe side."""


@dataclass(frozen=True, eq=False)
class Circles:
    """A union of circles on the sky.

    Attributes
    ----------
    frame : str, name of the frame of the centres
    lon, lat : arrays of float64, shape (n,), deg
        Centres.
    radius : array of float64, shape (n,), arcsec
    like : CircleSkyRegion
        What is not about the shape (``meta`` and ``visual``) is that of this region.
    """

    frame: str
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    radius: NDArray[np.float64]
    like: "CircleSkyRegion"

    @classmethod
    def of(cls, region: "Region") -> Self | None:
        """Return the circles of a union, in one frame; None if there is anything else in it.

        Parameters
        ----------
        region : SkyRegion or PixelRegion
        """
        circles = _circles_of(cast("SkyRegion", region))
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

    def __len__(self) -> int:
        return len(self.lon)

    @property
    def reach(self) -> NDArray[np.float64]:
        """The radii in deg."""
        return self.radius / 3600

    def regions(self) -> "list[SkyRegion]":
        """Return a region for each circle."""
        centers = SkyCoord(self.lon, self.lat, unit="deg", frame=self.frame)
        meta, visual = self.like.meta, self.like.visual
        return [
            region_classes.CircleSkyRegion(center, radius, meta=meta.copy(), visual=visual.copy())
            for center, radius in zip(centers, Angle(self.radius, "arcsec"), strict=True)
        ]

    def union(self) -> "SkyRegion":
        """Return one region, the union of all circles; there must be one at least."""
        # nested to the left: a union of n regions is n - 1 levels deep
        return reduce(lambda one, other: cast("SkyRegion", one.union(other)), self.regions())

    def may_hold(self, frame: str, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int64] | None:
        """Return the positions that may lie in a circle: those in a box around all of them.

        Parameters
        ----------
        frame : str, name of the frame of the positions
        lon, lat : arrays of float, deg

        Returns
        -------
        rows : array of int, shape (n,)
            None if that is not known, or would not help: in other frames, for large circles, and near a pole.
        """
        if self.frame != frame or np.ndim(lon) != 1:
            return None
        reach = _MARGIN * self.reach + 0.01
        highest = float(np.max(np.abs(self.lat) + reach))
        if not highest < 80 or not np.max(reach) < 10:
            return None
        rows = np.flatnonzero((lat >= np.min(self.lat - reach)) & (lat <= np.max(self.lat + reach)))
        width, middle = reach / np.cos(np.deg2rad(highest)), self.lon[0]
        east, centers = ((_ - middle + 180) % 360 - 180 for _ in (lon[rows], self.lon))
        low, high = np.min(centers - width), np.max(centers + width)
        # beyond half a turn, the box would reach around the sky
        return rows[(east >= low) & (east <= high)] if low > -180 and high < 180 else None

    def drawn(self, plane: Plane, *, torn_only: bool = False) -> "DrawnCircles":
        """Return the circles on the pixels of a map.

        Parameters
        ----------
        plane : Plane
        torn_only : whether every circle that is not torn counts as a circle on the pixels
        """
        frame, lon, lat = frame_of_wcs(plane.wcs), self.lon, self.lat
        if frame != self.frame:
            centers = SkyCoord(lon, lat, unit="deg", frame=self.frame).transform_to(frame).data
            lon, lat = centers.lon.deg, centers.lat.deg
        steps = steps_to_north_of(lon, lat, plane.wcs)
        is_drawn = are_drawn_well(lon, lat, self.reach, plane, torn_only=torn_only, steps=steps)
        x, y, dx, dy = steps
        # a step is one arcsec long
        return DrawnCircles(self, plane.wrapped(x), y, self.radius * np.hypot(dx, dy), is_drawn)


@dataclass(frozen=True, eq=False)
class DrawnCircles:
    """Circles on the pixels of a map.

    Attributes
    ----------
    circles : Circles on the sky
    x, y, radius : arrays of float64, shape (n,), pixels
    is_drawn : array of bool, shape (n,)
        Whether each one is a circle on the pixels too; for the others, the shape on the sphere decides what is inside.
    """

    circles: Circles
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    radius: NDArray[np.float64]
    is_drawn: NDArray[np.bool_]

    @property
    def disks(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Centres x and y, and radii, pixels."""
        return self.x, self.y, self.radius


_DRAWN = Remembered[DrawnCircles](64)


def drawn_once(circles: Circles, plane: Plane) -> DrawnCircles:
    """Return `Circles.drawn`, computed once for equal circles on equal pixels: all runs have the region of a source.

    Parameters
    ----------
    circles : Circles
    plane : Plane without a number of columns
    """
    projection = plane.projection
    if projection is None:
        return circles.drawn(plane)
    numbers = (each.tobytes() for each in (circles.lon, circles.lat, circles.radius))
    header = plane.whole_wcs.wcs
    key = (circles.frame, *numbers, projection, header.ctype[0], header.radesys)
    return _DRAWN.get(key, lambda: circles.drawn(plane))


def _circles_of(region: "SkyRegion") -> "list[CircleSkyRegion]":
    """Return the circles of a union, in one frame; empty if there is anything else in it."""
    circles: list[CircleSkyRegion] = []
    # a stack, not recursion: a union of n circles is n - 1 levels deep
    waiting: list[SkyRegion] = [region]
    while waiting:
        part = waiting.pop()
        included = part.meta.get("include", True)
        if included and isinstance(part, region_classes.CompoundSkyRegion) and part.operator.__name__ == "or_":
            waiting += [part.region1, part.region2]
        elif included and isinstance(part, region_classes.CircleSkyRegion):
            circles.append(part)
        else:
            return []
    frame = circles[0].center.frame.name
    # the names of other frames do not tell whether their equinoxes are equal
    is_known = frame in ("icrs", "galactic") and all(_.center.frame.name == frame for _ in circles)
    return circles if is_known else []
