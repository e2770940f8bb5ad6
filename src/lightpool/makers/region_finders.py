"""Reflected regions: copies of a region, rotated about the pointing, in which its background is counted."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.arrays import to_host
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.bridge import accepts_gammapy
from lightpool.makers.core import Described, checked_angle
from lightpool.maps import MapAxis, RegionGeom, WcsNDMap
from lightpool.maps.geoms.rotated_regions import RotatedRegion, rotated_region
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions.shape_unions import ShapeUnion
from lightpool.maps.regions.sky_regions import Position, angle_between, is_point, kind_of, region_center
from lightpool.typing import AngleLike
from lightpool.utils.deviations import deviates

if TYPE_CHECKING:
    from lightpool.typing import OneRegion, Wcs

__all__ = ["OffRegions", "ReflectedRegionsFinder", "RegionsFinder", "WobbleRegionsFinder", "exclusion_image"]

log = logging.getLogger(__name__)

_FULL_CIRCLE = 2 * np.pi
_WIDEST_FIELD = np.deg2rad(30.0)
"""Regions farther (rad) from the pointing have none: a tangential plane that holds them would be huge, or not exist."""


@dataclass(frozen=True, eq=False)
class OffRegions:
    """OFF regions of a region.

    Attributes
    ----------
    found : list of SkyRegion, or ShapeUnion, of which no region objects were made yet
    plane : Plane on which they were found; None if there are none because the region is too far away
    """

    found: "Sequence[OneRegion] | ShapeUnion"
    plane: Plane | None

    def __len__(self) -> int:
        return len(self.found)

    @property
    def wcs(self) -> "Wcs | None":
        """WCS on which they were found."""
        return None if self.plane is None else self.plane.wcs

    @property
    def regions(self) -> "list[OneRegion]":
        """The regions, one by one."""
        return self.found.regions() if isinstance(self.found, ShapeUnion) else list(self.found)

    def geom(self, axes: "Sequence[MapAxis]") -> RegionGeom:
        """Return the geometry of the union.

        Parameters
        ----------
        axes : sequence of MapAxis
        """
        if isinstance(self.found, ShapeUnion) and self.plane is not None:
            return RegionGeom.from_union(self.found, axes, self.plane)
        return RegionGeom.from_regions(self.regions, axes=axes, wcs=self.wcs)


class RegionsFinder(Described, ABC):
    """Base class of the finders of OFF regions, which are copies of a region rotated about a position.

    Parameters
    ----------
    binsz : Angle, Quantity or str
        Size of the pixels on which regions are compared with the exclusion mask.
    """

    def __init__(self, binsz: AngleLike = "0.01 deg") -> None:
        self.binsz = checked_angle("binsz", binsz)

    @accepts_gammapy
    def run(
        self, region: "OneRegion", center: SkyCoord, exclusion_mask: WcsNDMap | None = None
    ) -> "tuple[list[OneRegion], Wcs | None]":
        """Find the OFF regions of a region.

        Parameters
        ----------
        region : SkyRegion
        center : SkyCoord
            Position to rotate about, the pointing.
        exclusion_mask : WcsNDMap of bool, optional
            False where no region may lie, in any frame and projection; outside the map nothing is excluded.

        Returns
        -------
        regions : list of SkyRegion
        wcs : WCS
            Tangential projection at ``center`` on which they were found. None, with a warning and no regions, if the
            region is more than 30 deg from the pointing, so that no field of view holds it.
        """
        off = self.find(region, center, exclusion_mask)
        return off.regions, off.wcs

    def find(self, region: "OneRegion", center: Position, exclusion_mask: WcsNDMap | None = None) -> OffRegions:
        """Find the OFF regions of a region, as `run`; of regions with a centre, no objects are made.

        Parameters
        ----------
        region, exclusion_mask : see `run`
        center : SkyCoord, or longitude and latitude in deg in the frame of the region
        """
        separation = angle_between(region_center(region), center)
        if kind_of(region) is None and not is_point(region):
            deviates("OFF regions of a region without a centre")
        if separation > _WIDEST_FIELD:
            deviates("OFF regions of a region far from the pointing")
            log.warning(
                "the region is %.0f deg from the pointing, outside any field of view, so it has no OFF regions",
                np.rad2deg(separation),
            )
            return OffRegions([], None)
        mask = None if exclusion_mask is None else exclusion_image(exclusion_mask)
        rotated = rotated_region(region, center, self.binsz, mask)
        angles, plane = self._angles(rotated), rotated.geom.window.grid.plane
        union = rotated.union_at(angles) if angles else None
        return OffRegions(rotated.at(angles) if union is None else union, plane)

    @abstractmethod
    def _angles(self, rotated: RotatedRegion) -> list[float]:
        """Return the angles by which the region is rotated, in rad."""


@accepts_gammapy
def exclusion_image(mask: WcsNDMap) -> WcsNDMap:
    """Return an exclusion mask without axes, on the host, where regions are.

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
    return WcsNDMap(mask.geom.to_image(), data=to_host(mask.data).reshape(mask.data.shape[-2:]), device="cpu")


class WobbleRegionsFinder(RegionsFinder):
    """Regions at equal angles on the circle through the region, for runs that wobble about a source.

    Parameters
    ----------
    n_off_regions : int
        Number of regions; those that touch the exclusion mask are left out. If regions overlap each other or the region
        itself, there are none.
    binsz : Angle, Quantity or str
        See `RegionsFinder`.
    """

    def __init__(self, n_off_regions: int, binsz: AngleLike = "0.01 deg") -> None:
        super().__init__(binsz=binsz)
        if n_off_regions < 1:
            raise ValueError(f"n_off_regions must be 1 or more, got {n_off_regions}")
        self.n_off_regions = n_off_regions

    def _angles(self, rotated: RotatedRegion) -> list[float]:
        # + 1: the region itself takes one of the places.
        increment = _FULL_CIRCLE / (self.n_off_regions + 1)
        angles = [i * increment for i in range(1, self.n_off_regions + 1)]
        free = [angle for angle in angles if rotated.is_free(angle)]
        # The cut around a point depends on energy: `are_regions_overlapping_rad_max` checks points.
        if not is_point(rotated.region) and rotated.overlap([0.0, *free]):
            if not rotated.overlap(free):
                deviates("OFF region that overlaps the ON region")
            log.warning("%d OFF regions would overlap, so there are none; choose fewer or smaller ones", len(free))
            return []
        return free


class ReflectedRegionsFinder(RegionsFinder):
    """As many regions as there is room for on the circle through the region.

    Parameters
    ----------
    angle_increment : Angle, Quantity or str
        Step by which a region is rotated further when it touches the exclusion mask.
    min_distance : Angle, Quantity or str
        Minimum angle, seen from the pointing, between two OFF regions.
    min_distance_input : Angle, Quantity or str
        Minimum angle between the OFF regions and the region itself.
    max_region_number : int
        Maximum number of regions.
    binsz : Angle, Quantity or str
        See `RegionsFinder`.

    Notes
    -----
    The method is described in Berge, Funk & Hinton 2007, A&A 466, 1219: all regions have the offset of the
    source, so the acceptance is the same if it is radially symmetric. A region that contains the pointing, or spans
    nearly 180 deg or more as seen from there, has no reflected regions; one that touches the pointing may have the one
    on the other side. The angle that a region spans is that of the pixels in it, as in Gammapy, so it depends a little
    on ``binsz``.

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
        angle_increment: AngleLike = "0.1 rad",
        min_distance: AngleLike = "0 rad",
        min_distance_input: AngleLike = "0.1 rad",
        max_region_number: int = 10000,
        binsz: AngleLike = "0.01 deg",
    ) -> None:
        super().__init__(binsz=binsz)
        self.angle_increment = checked_angle("angle_increment", angle_increment)
        if self.angle_increment.rad <= 0:
            raise ValueError(f"angle_increment must be larger than zero, got {self.angle_increment}")
        self.min_distance = checked_angle("min_distance", min_distance)
        self.min_distance_input = checked_angle("min_distance_input", min_distance_input)
        self.max_region_number = max_region_number

    def _angles(self, rotated: RotatedRegion) -> list[float]:
        if is_point(rotated.region):
            raise TypeError(
                "a point has no size, so it has no reflected regions; use WobbleRegionsFinder, or a CircleSkyRegion"
            )
        size = rotated.angular_size
        # Angles are between centres, so neighbours at the distance `size` touch.
        step = size + float(self.min_distance.rad)
        # The last region must be as far from the region itself, on the other side, as the first.
        stop = _FULL_CIRCLE - step - float(self.min_distance_input.rad)
        angle = step + float(self.min_distance_input.rad)
        if angle >= stop:
            log.warning(
                "the region spans %.0f deg as seen from the pointing: there is no room for a reflected one",
                np.rad2deg(size),
            )
        angles: list[float] = []
        # At least one region, as in Gammapy, which compares with the maximum after it has added a region.
        while angle < stop and len(angles) < max(self.max_region_number, 1):
            free = rotated.is_free(angle)
            if free:
                angles.append(angle)
            angle += step if free else float(self.angle_increment.rad)
        return angles
