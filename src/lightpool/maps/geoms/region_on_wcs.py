"""The region of a geometry, drawn on the pixels of a WCS: what lies in it."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.errors import GeometryError
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions.circles import Circles
from lightpool.maps.regions.pixel_regions import in_frame
from lightpool.maps.regions.region_contents import Positions
from lightpool.maps.regions.shape_unions import ShapeUnion, drawn_once
from lightpool.maps.regions.shapes import Shapes
from lightpool.maps.regions.sky_regions import is_point
from lightpool.maps.wcs_header import frame_of_wcs
from lightpool.utils.on_demand import Deferred, DeferredAttribute

if TYPE_CHECKING:
    from regions import SkyRegion

__all__ = ["RegionOnWcs", "state_of_union"]


class RegionOnWcs:
    """A region that is given, or known as plain numbers: then the region object is made when somebody asks for it."""

    _wcs: WCS
    _region = DeferredAttribute["SkyRegion | None"]()
    _found: ShapeUnion | None = None  # the region, if `_region` is deferred

    @property
    def region(self) -> "SkyRegion | None":
        """The region on the sky."""
        return self._region

    @property
    def known_region(self) -> "SkyRegion":
        """The region on the sky; a `GeometryError` if it is not known."""
        if self._region is None:
            raise GeometryError("this geometry has no region, so it has no position on the sky")
        return self._region

    @property
    def wcs(self) -> WCS:
        """Pixels on which the region is drawn; they must not be changed."""
        return self._wcs

    @property
    def is_all_point_sky_regions(self) -> bool:
        """Whether the region is a point or a union of points."""
        return self._found_shapes is None and is_point(self.known_region)

    @property
    def _found_shapes(self) -> ShapeUnion | None:
        """The region as plain numbers, while nobody has asked for the region itself, which could be changed."""
        return self._found if isinstance(self.__dict__["_region"], Deferred) else None

    @cached_property
    def _plane(self) -> Plane:
        return Plane(self._wcs)

    def _contains_lonlat(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether positions in deg, in the frame of `wcs`, lie in the region."""
        return self._positions(lon, lat).inside(self.known_region)

    def _positions(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Positions:
        x, y = self._wcs.wcs_world2pix(lon, lat, 0)
        return Positions(self._plane, x, y, lambda: (lon, lat))

    def contains_icrs(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether positions lie in the region; faster than `contains`.

        Parameters
        ----------
        lon, lat : arrays of float64, ICRS, rad
        """
        found = self._found_shapes
        if found is None and (self._region is None or self.is_all_point_sky_regions):
            return np.ones(np.shape(lon), dtype=bool)
        frame = frame_of_wcs(self._wcs)
        lon, lat = (np.rad2deg(_) for _ in in_frame(lon, lat, "icrs", frame))
        union = (Circles.of(self.known_region) or Shapes.of(self.known_region)) if found is None else found
        if union is None:
            return self._contains_lonlat(lon, lat)
        # a region that a user has was asked for before, in other runs: its place on the pixels is remembered
        drawn = union.drawn(self._plane) if found is not None else drawn_once(union, self._plane)
        near = union.may_hold(frame, lon, lat)
        if near is None:
            return self._positions(lon, lat).in_union(drawn)
        # wcslib is slow, and most events of a run are far from the region
        inside = np.zeros(np.shape(lon), dtype=bool)
        inside[near] = self._positions(lon[near], lat[near]).in_union(drawn)
        return inside


def state_of_union(union: ShapeUnion, plane: Plane) -> dict[str, object]:
    """Return the attributes of a `RegionOnWcs` whose region is made of plain numbers when somebody asks for it.

    Parameters
    ----------
    union : ShapeUnion
    plane : Plane of the WCS
    """
    return {"_region": Deferred(union.one_region), "_found": union, "_plane": plane}
