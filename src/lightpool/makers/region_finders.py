"""Where to count the background of a region: at its mirror images about the pointing."""

import logging
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from astropy.coordinates import Angle, SkyCoord

from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.makers.core import Described, checked_angle
from lightpool.maps import WcsNDMap
from lightpool.maps.regions.sky_regions import is_point, region_center
from lightpool.maps.rotated_regions import TurnedRegion, turned_region

__all__ = ["ReflectedRegionsFinder", "RegionsFinder", "WobbleRegionsFinder", "exclusion_image"]

log = logging.getLogger(__name__)

_FULL_CIRCLE = 2 * np.pi
_WIDEST_FIELD = Angle("30 deg")
"""Regions farther from the pointing are not looked for: the plane around them would be huge, or not exist."""


class RegionsFinder(Described, ABC):
    """Finds OFF regions: copies of a region turned about a position.

    Parameters
    ----------
    binsz : Angle, Quantity or str
        Size of the pixels on which regions and exclusion mask meet.
    """

    def __init__(self, binsz: Any = "0.01 deg") -> None:
        self.binsz = checked_angle("binsz", binsz)

    def run(self, region: Any, center: SkyCoord, exclusion_mask: WcsNDMap | None = None) -> tuple[list[Any], Any]:
        """Find regions.

        Parameters
        ----------
        region : SkyRegion
        center : SkyCoord
            Position to turn about, the pointing.
        exclusion_mask : WcsNDMap of bool, optional
            False where a region must not be, on any frame and projection; outside the mask every place is good.

        Returns
        -------
        regions : list of SkyRegion
        wcs : WCS
            Tangential projection at ``center`` on which they were found; None if the region is so far from the
            pointing, more than 30 deg, that no field of view holds it: then there are no regions, with a warning.
        """
        separation = region_center(region).separation(center)
        if separation > _WIDEST_FIELD:
            log.warning(
                "the region is %.0f deg from the pointing, outside any field of view, so it has no OFF regions",
                separation.deg,
            )
            return [], None
        mask = None if exclusion_mask is None else exclusion_image(exclusion_mask)
        turned = turned_region(region, center, self.binsz, mask)
        return turned.at(self._angles(turned)), turned.geom.wcs

    @abstractmethod
    def _angles(self, turned: TurnedRegion) -> list[float]:
        """Angles by which the region is turned, rad."""


def exclusion_image(mask: WcsNDMap) -> WcsNDMap:
    """Exclusion mask without axes, on the host, where regions are.

    Raises
    ------
    TypeError
        If it is not a map of pixels.
    ValueError
        If it does not hold bool, or has an axis of more than one bin.
    """
    if not isinstance(mask, WcsNDMap):
        raise TypeError(
            f"exclusion_mask must be a WcsNDMap of bool, got a {type(mask).__name__}; "
            "geom.region_mask(regions, inside=False) makes one"
        )
    if not mask.is_mask:
        raise ValueError(
            f"exclusion_mask must be a map of bool, got one of {dtype_name(mask.data)}; "
            "geom.region_mask(regions, inside=False) makes one"
        )
    if not mask.geom.is_flat:
        raise ValueError(
            f"exclusion_mask must be an image, got one with axes of more than one bin: {mask.geom.axes.names}; "
            "mask.reduce_over_axes(np.logical_and, keepdims=False) makes one"
        )
    mask = mask.to("cpu")
    return WcsNDMap(mask.geom.to_image(), data=mask.data.reshape(mask.data.shape[-2:]), device="cpu")


class WobbleRegionsFinder(RegionsFinder):
    """Regions at equal angles on the circle through the region, for runs that wobble about a source.

    Parameters
    ----------
    n_off_regions : int
        Number of regions; those in the exclusion mask are left out. If regions overlap one another, or the region that
        they belong to, there are none.
    binsz : see `RegionsFinder`
    """

    def __init__(self, n_off_regions: int, binsz: Any = "0.01 deg") -> None:
        super().__init__(binsz=binsz)
        if n_off_regions < 1:
            raise ValueError(f"n_off_regions must be 1 or more, got {n_off_regions}")
        self.n_off_regions = n_off_regions

    def _angles(self, turned: TurnedRegion) -> list[float]:
        increment = _FULL_CIRCLE / (self.n_off_regions + 1)
        angles = [i * increment for i in range(1, self.n_off_regions + 1)]
        free = [angle for angle in angles if turned.is_free(angle)]
        # the size of points depends on energy: `make_counts_off_rad_max` comes with a test of its own
        if not is_point(turned.region) and turned.overlap([0.0, *free]):
            log.warning("%d OFF regions would overlap, so there are none; choose fewer or smaller ones", len(free))
            return []
        return free


class ReflectedRegionsFinder(RegionsFinder):
    """As many regions as there is room for on the circle through the region.

    Parameters
    ----------
    angle_increment : Angle, Quantity or str
        Step by which a region is turned on when it meets the exclusion mask.
    min_distance : Angle, Quantity or str
        Least angle, at the pointing, between two regions.
    min_distance_input : Angle, Quantity or str
        Least angle between the regions and the one that they belong to.
    max_region_number : int
        Largest number of regions.
    binsz : see `RegionsFinder`

    Notes
    -----
    A region that contains the pointing, or spans nearly 180 deg or more as seen from there, has no reflected regions;
    one that touches the pointing may have the one on the other side. The angle that a region spans is that of the
    pixels in it, as in Gammapy, so it depends a little on ``binsz``.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from lightpool.makers import ReflectedRegionsFinder
    >>> from lightpool.maps import RegionGeom
    >>> region = RegionGeom.create("icrs;circle(80.2, 23.5, 0.4)").region
    >>> regions, wcs = ReflectedRegionsFinder().run(region, center=SkyCoord(83.2, 22.7, unit="deg"))
    >>> len(regions)
    20
    """

    def __init__(
        self,
        angle_increment: Any = "0.1 rad",
        min_distance: Any = "0 rad",
        min_distance_input: Any = "0.1 rad",
        max_region_number: int = 10000,
        binsz: Any = "0.01 deg",
    ) -> None:
        super().__init__(binsz=binsz)
        self.angle_increment = checked_angle("angle_increment", angle_increment)
        if self.angle_increment.rad <= 0:
            raise ValueError(f"angle_increment must be larger than zero, got {self.angle_increment}")
        self.min_distance = checked_angle("min_distance", min_distance)
        self.min_distance_input = checked_angle("min_distance_input", min_distance_input)
        self.max_region_number = max_region_number

    def _angles(self, turned: TurnedRegion) -> list[float]:
        if is_point(turned.region):
            raise TypeError(
                "a point has no size, so it has no reflected regions; use WobbleRegionsFinder, or a CircleSkyRegion"
            )
        size = turned.angular_size
        step = size + self.min_distance.rad
        stop = _FULL_CIRCLE - step - self.min_distance_input.rad
        angle = step + self.min_distance_input.rad
        if angle >= stop:
            log.warning(
                "the region spans %.0f deg as seen from the pointing: there is no room for a reflected one",
                np.rad2deg(size),
            )
        angles: list[float] = []
        while angle < stop and len(angles) < max(self.max_region_number, 1):
            free = turned.is_free(angle)
            if free:
                angles.append(angle)
            angle += step if free else self.angle_increment.rad
        return angles
