"""Copies of a region rotated about a position, on the plane that touches the sphere there."""

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from astropy.coordinates import Angle
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.circles import Circles
from lightpool.maps.regions.pixel_regions import in_frame
from lightpool.maps.regions.region_shapes import are_drawn_well, reach_deg
from lightpool.maps.regions.shape_unions import ShapeUnion
from lightpool.maps.regions.shapes import Shapes, shape_contains
from lightpool.maps.regions.sky_regions import (
    Position,
    RegionKind,
    angle_between,
    kind_of,
    region_center,
    region_to_pixel,
    region_to_sky,
    steps_to_north,
)
from lightpool.maps.wcs_header import lonlat_deg

if TYPE_CHECKING:
    from regions import CircleSkyRegion, EllipsePixelRegion, PixelRegion, SkyRegion

__all__ = ["RotatedCircle", "RotatedRegion", "RotatedShape", "rotated_region"]

_BORDER = 1e-6
"""Pixel coordinates nearer than this to the border of two pixels are computed once more, by wcslib."""


class ExclusionMask(Protocol):
    """A `lightpool.maps.WcsNDMap` of bool, an image on the host; False where a region must not be."""

    @property
    def geom(self) -> WcsGeom:
        """Geometry of the image."""

    @property
    def data(self) -> Array:
        """Values, shape (ny, nx)."""


def rotated_region(
    region: "SkyRegion", center: Position, binsz: Angle, exclusion_mask: ExclusionMask | None = None
) -> "RotatedRegion":
    """Return a region that can be rotated about a position; those with a centre as plain numbers.

    Parameters
    ----------
    region : SkyRegion
    center : SkyCoord, or longitude and latitude in deg in the frame of the region
    binsz : Angle
        Size of the pixels of the plane, on which regions and the exclusion mask meet.
    exclusion_mask : WcsNDMap of bool, an image on the host
        False where a region must not be; outside the mask a region may be anywhere.
    """
    kind: type[RotatedRegion] = RotatedRegion
    if not region.meta.get("include", True):
        pass  # what lies outside of it counts, which is not near its centre
    elif isinstance(region, region_classes.CircleSkyRegion):
        kind = RotatedCircle
    elif kind_of(region) is not None and region.center.frame.name in ("icrs", "galactic"):
        kind = RotatedShape
    return kind(region, center, binsz, exclusion_mask)


class RotatedRegion:
    """A region of any shape, rotated about a position; parameters as for `rotated_region`.

    Angles are in rad and grow counter-clockwise on the pixels, whose longitude grows to the left.

    Attributes
    ----------
    geom : WcsGeom
        Pixels of the plane in the frame of the region, wide enough for the region at any angle if it does not reach
        twice as far from the position as its centre.
    """

    def __init__(
        self, region: "SkyRegion", center: Position, binsz: Angle, exclusion_mask: ExclusionMask | None = None
    ) -> None:
        self.region = region
        position = region_center(region)
        frame = position.frame.name
        lon, lat = lonlat_deg(center, frame)
        separation = np.rad2deg(angle_between(position, center))
        # the width that Gammapy takes: 0.3 deg are left where the region lies at the position
        self.geom: WcsGeom = WcsGeom.create(
            skydir=(lon, lat), binsz=binsz, width=4 * separation + 0.3, frame=frame, proj="TAN"
        )
        self._center = region_classes.PixCoord(*self.geom.center_pix)
        self._exclusion_mask = exclusion_mask

    @cached_property
    def _pixel_region(self) -> "PixelRegion":
        return region_to_pixel(self.region, self.geom.wcs)

    def _rotated(self, angle: float) -> "PixelRegion":
        return self._pixel_region.rotate(self._center, Angle(angle, "rad"))

    # What the region covers

    def _pixels_inside(self) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
        """Return the pixels (x, y) whose centres lie in the region."""
        y, x = np.nonzero(np.asarray(self.geom.region_mask_array([self.region], device="cpu")))
        return x, y

    @property
    def angular_size(self) -> float:
        """Angle that the pixels of the region span as seen from the position, rad; nearly 2 pi if it lies inside.

        Raises
        ------
        ValueError
            If there is no pixel in the region.
        """
        x, y = self._pixels_inside()
        if not x.size:
            raise ValueError(
                f"no pixel of {self.geom.pixel_scales[0].deg:.3g} deg has its centre in {self.region!r}; "
                "choose a smaller binsz, or a point region and a WobbleRegionsFinder"
            )
        angles = np.arctan2(self._center.x - x, self._center.y - y)
        size = float(np.ptp(angles))
        # a region across the cut of arctan2, at +-pi: count all angles on one side of it
        return size if size <= np.pi else float(np.ptp(np.where(angles < 0, angles, angles - 2 * np.pi)))

    # What is excluded

    def _reach(self) -> tuple[float, float]:
        """Return the least and the largest distance from the position, in pixels, where the region can have pixels."""
        # a pixel more than the bounding box on each side: a limit that is too far out does no harm
        box = self._pixel_region.bounding_box
        x = np.array([box.ixmin - 1, box.ixmax + 1]) - self._center.x
        y = np.array([box.iymin - 1, box.iymax + 1]) - self._center.y
        return 0.0, float(np.hypot(np.abs(x).max(), np.abs(y).max()))

    @cached_property
    def _excluded(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels (x, y) within reach that the mask excludes."""
        mask = self._exclusion_mask
        if mask is None:
            return np.zeros(0), np.zeros(0)
        low, high = self._reach()
        # the mask is looked up only where it excludes anything and where the region can come
        y, x = np.mgrid[_excluded_box(mask, self.geom)].reshape(2, -1).astype(float)
        distance = np.hypot(x - self._center.x, y - self._center.y)
        near = (distance >= low) & (distance <= high)
        x, y = x[near], y[near]
        excluded = ~_not_excluded(mask, self.geom, x, y)
        return x[excluded], y[excluded]

    def is_free(self, angle: float) -> bool:
        """Return whether the region, rotated by an angle, has no excluded pixel."""
        x, y = self._excluded
        if not x.size:
            return True
        rotated = self._rotated(angle)
        if isinstance(self.region, region_classes.PointSkyRegion):
            # a point has no area: excluded pixels must be at least a pixel away
            return not np.any(np.hypot(x - rotated.center.x, y - rotated.center.y) < 1)
        return not np.any(rotated.contains(region_classes.PixCoord(x, y)))

    def overlap(self, angles: Sequence[float]) -> bool:
        """Return whether any two of the rotated regions have a pixel in common."""
        shape = self.geom.data_shape
        masks = []
        for angle in angles:
            image = self._rotated(angle).to_mask().to_image(shape)
            if image is not None:  # None: outside the pixels
                masks.append(image > 0)
        return any(bool(np.any(one & other)) for one, other in combinations(masks, 2))

    def union_at(self, angles: Sequence[float]) -> ShapeUnion | None:
        """Return the region rotated by each angle, one at least, as plain numbers; None if there are none."""
        return None

    def at(self, angles: Sequence[float]) -> "list[SkyRegion]":
        """Return the sky regions of the region rotated by each angle."""
        return [region_to_sky(self._rotated(angle), self.geom.wcs) for angle in angles]


class _RotatedNumbers(RotatedRegion):
    """A region with a centre, rotated about a position: what is inside it is computed from plain numbers."""

    @cached_property
    def _disk(self) -> tuple[float, float, float]:
        """Pixel coordinates of the centre of the region, and the radius in pixels of a circle around all of it."""
        raise NotImplementedError

    def _center_at(self, angle: float) -> tuple[float, float]:
        """Return the pixel coordinates of the centre of the region, rotated by an angle."""
        raise NotImplementedError

    def _holds(self, angle: float, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether pixels lie in the region, rotated by an angle."""
        raise NotImplementedError

    def _pixels_inside(self) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
        x, y = _pixels_around(self._disk, (slice(0, self.geom.data_shape[0]), slice(0, self.geom.data_shape[1])))
        rows, columns = np.nonzero(self._holds(0.0, x, y[:, None]))
        return x[columns], y[rows]

    def _reach(self) -> tuple[float, float]:
        x0, y0, radius = self._disk
        distance = math.hypot(x0 - self._center.x, y0 - self._center.y)
        return distance - radius - 1, distance + radius + 1

    @cached_property
    def _excluded_disk(self) -> tuple[float, float, float]:
        """Centre and radius of a disk that holds all excluded pixels."""
        x, y = self._excluded
        x0, y0 = float(x.min() + x.max()) / 2, float(y.min() + y.max()) / 2
        return x0, y0, float(np.hypot(x - x0, y - y0).max())

    def is_free(self, angle: float) -> bool:
        """Return whether the region, rotated by an angle, has no excluded pixel."""
        x, y = self._excluded
        if not x.size:
            return True
        (x0, y0), radius = self._center_at(angle), self._disk[2]
        x_disk, y_disk, reach = self._excluded_disk
        # + 1 is far more than rounding
        if math.hypot(x0 - x_disk, y0 - y_disk) > radius + reach + 1:
            return True
        return not np.any(self._holds(angle, x, y))

    def overlap(self, angles: Sequence[float]) -> bool:
        """Return whether any two of the rotated regions have a pixel in common."""
        x, y = np.array([self._center_at(angle) for angle in angles]).reshape(-1, 2).T
        distance = np.hypot(x[:, None] - x, y[:, None] - y)[np.triu_indices(len(x), 1)]
        # regions further apart than this share no pixel, so most angles need no images
        return bool(np.any(distance < 2 * self._disk[2])) and super().overlap(angles)

    def at(self, angles: Sequence[float]) -> "list[SkyRegion]":
        """Return the sky regions of the region rotated by each angle."""
        union = self.union_at(angles) if len(angles) else None
        return [] if union is None else union.regions()


class RotatedCircle(_RotatedNumbers):
    """A circle, rotated about a position: what is inside it is found by distances."""

    @cached_property
    def _disk(self) -> tuple[float, float, float]:
        region = cast("CircleSkyRegion", self.region)
        # like `region_to_pixel`, but no object is made
        x, y, dx, dy = (float(_) for _ in steps_to_north(region.center, self.geom.wcs))
        return x, y, float(region.radius.to_value("arcsec")) * math.hypot(dx, dy)

    def _centers(self, angles: float | NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x, y = self._disk[0] - self._center.x, self._disk[1] - self._center.y
        cos, sin = np.cos(angles), np.sin(angles)
        return self._center.x + cos * x - sin * y, self._center.y + sin * x + cos * y

    def _center_at(self, angle: float) -> tuple[float, float]:
        x, y = self._centers(angle)
        return float(x), float(y)

    def _holds(self, angle: float, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        # not rotated: the very numbers of the region, which a rotation by 0 would round
        x0, y0 = self._disk[:2] if angle == 0 else self._center_at(angle)
        return np.asarray(np.hypot(x - x0, y - y0) < self._disk[2])

    def union_at(self, angles: Sequence[float]) -> ShapeUnion:
        """Return the circle rotated by each angle, on the sky."""
        x, y = self._centers(np.asarray(angles))
        return Circles.from_pixels(x, y, self._disk[2], self.geom.wcs, cast("CircleSkyRegion", self.region))


class RotatedShape(_RotatedNumbers):
    """An ellipse, a rectangle or an annulus, rotated about a position."""

    @cached_property
    def _kind(self) -> RegionKind:
        kind = kind_of(self.region)
        assert kind is not None  # see `rotated_region`
        return kind

    @cached_property
    def _shape(self) -> tuple[tuple[float, ...], float]:
        """Lengths in pixels, and the angle from the x axis in deg, 0 for a round shape."""
        shape = self._pixel_region
        lengths = tuple(float(getattr(shape, name)) for name in self._kind.lengths)
        return lengths, 0.0 if self._kind.is_round else float(cast("EllipsePixelRegion", shape).angle.to_value("deg"))

    @cached_property
    def _disk(self) -> tuple[float, float, float]:
        center = self._pixel_region.center
        return float(center.x), float(center.y), self._kind.reach_of(list(self._shape[0]))

    def _pixels_inside(self) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
        center, reach = self.region.center.data, np.array([reach_deg(self.region)])
        lonlat = np.array([center.lon.deg]), np.array([center.lat.deg])
        # far from the pointing the plane is distorted, and the shape on the sphere decides
        is_drawn = are_drawn_well(*lonlat, reach, self.geom.window.plane, torn_only=True).all()
        return super()._pixels_inside() if is_drawn else RotatedRegion._pixels_inside(self)

    def _center_at(self, angle: float) -> tuple[float, float]:
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = self._disk[0] - self._center.x, self._disk[1] - self._center.y
        # as `regions` rotates: a product of matrices may be rounded otherwise than a sum of products
        x, y = np.matmul(np.array([[cos, -sin], [sin, cos]]), np.array([x, y]))
        return float(self._center.x + x), float(self._center.y + y)

    def _holds(self, angle: float, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        x0, y0 = self._disk[:2] if angle == 0 else self._center_at(angle)
        lengths, own = self._shape
        return shape_contains(self._kind, lengths, own + np.rad2deg(angle), x - x0, y - y0)

    def union_at(self, angles: Sequence[float]) -> ShapeUnion:
        """Return the shape rotated by each angle, on the sky."""
        x, y = np.array([self._center_at(angle) for angle in angles]).T
        lengths, own = self._shape
        return Shapes.from_pixels(x, y, lengths, own + np.rad2deg(np.asarray(angles)), self.geom.wcs, self.region)


def _pixels_around(
    disk: tuple[float, float, float], box: tuple[slice, slice]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the columns and the rows of pixels in a box (y, x) that may lie in a disk (x, y, radius)."""
    x0, y0, radius = disk
    # + 2 since `int` rounds down and a stop is not included
    x, y = (
        np.arange(max(part.start, int(v - radius)), min(part.stop, int(v + radius) + 2))
        for v, part in zip((x0, y0), box[::-1], strict=True)
    )
    return x, y


def _not_excluded(
    mask: ExclusionMask, geom: WcsGeom, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return the values of a mask at pixels of another geometry, True outside the mask."""
    lon, lat = (np.asarray(_) for _ in geom.window.grid.pixel_to_sky(x, y))
    pix = [np.asarray(_) for _ in mask.geom.sky_to_pix_array(*in_frame(lon, lat, geom.frame, mask.geom.frame))]
    if geom.frame == mask.geom.frame:
        # On aligned pixels centres may meet borders: wcslib rounds like Gammapy, whatever that rounding is worth.
        on_border = np.any([np.abs(_ - np.floor(_) - 0.5) < _BORDER for _ in pix], axis=0)
        if np.any(on_border):
            lon, lat = geom.wcs.wcs_pix2world(x[on_border], y[on_border], 0)
            for values, exact in zip(pix, mask.geom.wcs.wcs_world2pix(lon, lat, 0), strict=True):
                values[on_border] = exact
    n_y, n_x = mask.geom.data_shape
    inside = np.ones(x.shape, dtype=bool)
    index = []
    for values, n in zip(pix, (n_x, n_y), strict=True):
        # -1, outside, for positions that do not project
        nearest = np.floor(np.where(np.isfinite(values), values, -1.0) + 0.5).astype(np.int64)
        inside &= (nearest >= 0) & (nearest < n)
        index.append(np.clip(nearest, 0, n - 1))
    return np.asarray(~inside | np.asarray(mask.data)[index[1], index[0]])


def _excluded_box(mask: ExclusionMask, geom: WcsGeom) -> tuple[slice, slice]:
    """Return slices (y, x) of a geometry outside of which a mask excludes nothing, by the corners of False pixels."""
    n_y, n_x = geom.data_shape
    excluded = ~np.asarray(mask.data, dtype=bool)
    # each excluded pixel marks its four corners, shape (ny + 1, nx + 1)
    corners = np.zeros((excluded.shape[0] + 1, excluded.shape[1] + 1), dtype=bool)
    corners[:-1, :-1] |= excluded
    corners[:-1, 1:] |= excluded
    corners[1:, :-1] |= excluded
    corners[1:, 1:] |= excluded
    y, x = np.nonzero(corners)
    if not x.size:
        return slice(0, 0), slice(0, 0)
    window = mask.geom.window
    # by wcslib, which is faster than array code for a few positions
    lon, lat = window.grid.plane.to_sky(x + (window.box.x0 - 0.5), y + (window.box.y0 - 0.5))
    if mask.geom.frame != geom.frame:
        lon, lat = (np.rad2deg(_) for _ in in_frame(np.deg2rad(lon), np.deg2rad(lat), mask.geom.frame, geom.frame))
    pix = np.asarray(geom.wcs.wcs_world2pix(lon, lat, 0))
    if not np.all(np.isfinite(pix)):  # beyond the horizon of the plane, or off the sky
        return slice(0, n_y), slice(0, n_x)
    # the sides of a pixel of the mask may bend outwards between its corners
    margin = 2 + 0.25 * max(window.grid.scales) / min(geom.window.grid.scales)
    low, high = (np.floor(np.min(pix, axis=1) - margin), np.ceil(np.max(pix, axis=1) + margin))
    (x_low, x_high), (y_low, y_high) = (
        np.clip([a, b], 0, n).astype(int) for a, b, n in zip(low, high, (n_x, n_y), strict=True)
    )
    return slice(y_low, y_high), slice(x_low, x_high)
