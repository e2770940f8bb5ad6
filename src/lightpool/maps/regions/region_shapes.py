"""Shapes of sky regions: drawn on pixels where that is accurate, else in the plane of their own that fits the sphere.

Gammapy draws a region on pixels by the scale and the direction of north at its centre. Near the reference position of
a projection that is right to some thousandths. It is wrong where the projection distorts or tears the sky (towards its
horizon, near a pole, across its seam), and where it does not show it at all. There, a region with a centre has its
shape in the plane of distances and position angles from that centre (the projection ARC), which covers the whole sky; a
polygon has great circles as sides.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.kernels.solid_angles import triangle_areas
from lightpool.arrays.kernels.sphere import fov_matrix, frame_matrix, lonlat, rotate, unit_vectors
from lightpool.errors import GeometryError
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.sky_regions import (
    Steps,
    centers_by_frame,
    kind_of,
    mean_direction,
    region_center,
    region_to_pixel,
    regions_to_pixel,
    steps_to_north,
    vertices_of,
)
from lightpool.maps.wcs_header import frame_of_wcs, sky_projection

if TYPE_CHECKING:
    from regions import PixelRegion, SkyRegion

__all__ = [
    "are_drawn_well",
    "border_vectors",
    "center_vector",
    "directions_in",
    "drawn",
    "drawn_together",
    "have_their_shape",
    "on_pixels",
    "reach_deg",
    "solid_angle_on_sphere",
    "sphere_contains",
    "steps_to_north_of",
]

_DISTORTION = 0.02
"""Fraction of its size by which the border of a region may be off where its shape matters: that is the distortion 8 deg
from the centre of a TAN."""

_UNDISTORTED = 5.0
"""Angle in deg from the centre of a TAN up to which circles need not be checked."""

_TORN = 3.0
"""Factor by which the border of a region may be nearer or farther than drawn, on maps; beyond it the region is torn.

Up to there masks are those of Gammapy, as on a CAR map 60 deg from its equator, on which circles are half as wide as
they should be.
"""

_LARGE = 20.0
"""Reach in deg beyond which masks, too, have the shape of the region."""

_WITH_SEAM = ("CAR", "MER", "CEA", "AIT", "MOL", "SFL")
"""Projections on which a native pole is a line, or a tip between two seams."""

_N_BORDER = 8
"""Number of points on the border of a region that are checked."""

_ZENITHAL = ("TAN", "SIN", "STG", "ARC", "ZEA", "AZP", "SZP", "ZPN", "AIR")
"""Projections on which the point opposite to the reference position is infinitely far away, a ring, or missing."""

_HORIZON = 0.02
"""Cosine of the largest distance of a vertex of a polygon from the middle of all: 88.9 deg."""


# --- Directions


def directions_in(frame: str, lon: ArrayLike, lat: ArrayLike, other: str) -> NDArray[np.float64]:
    """Return the unit vectors of positions in another frame.

    Parameters
    ----------
    frame : str, frame of the positions
    lon, lat : arrays of float, any shape, deg
    other : str, frame of the vectors

    Returns
    -------
    vectors : array of float64, shape (3, ...); NaN where a position is NaN
    """
    vectors = unit_vectors(np.deg2rad(np.asarray(lon, dtype=float)), np.deg2rad(np.asarray(lat, dtype=float)))
    return np.asarray(vectors if frame == other else rotate(_frame_matrix(frame, other), vectors))


def _frame_matrix(frame: str, other: str) -> NDArray[np.float64]:
    try:
        return frame_matrix(frame, other)
    except ValueError:
        # a frame that has no matrix of ours, such as FK4
        axes = SkyCoord(x=[1, 0, 0], y=[0, 1, 0], z=[0, 0, 1], frame=frame, representation_type="cartesian")
        # the columns are the axes of the one frame, as vectors in the other
        return np.asarray(axes.transform_to(other).cartesian.xyz.value)


def reach_deg(region: "SkyRegion") -> float:
    """Return the largest distance of the border of a region with a centre from this centre, deg."""
    kind = kind_of(region)
    assert kind is not None
    return kind.reach_of(kind.lengths_of(region, "deg"))


def center_vector(region: "SkyRegion", frame: str) -> NDArray[np.float64]:
    """Return the unit vector of the centre of a single region.

    Parameters
    ----------
    region : SkyRegion
    frame : str, frame of the vector

    Returns
    -------
    vector : array of float64, shape (3,)
    """
    center = region_center(region)
    return directions_in(center.frame.name, [center.data.lon.deg], [center.data.lat.deg], frame)[:, 0]


def border_vectors(region: "SkyRegion", frame: str) -> NDArray[np.float64]:
    """Return the unit vectors of points on a circle around a single region, or of its vertices.

    Parameters
    ----------
    region : SkyRegion
    frame : str, frame of the vectors

    Returns
    -------
    vectors : array of float64, shape (3, n)
    """
    corners = vertices_of(region)
    if corners is not None:
        return directions_in(corners.frame.name, corners.data.lon.deg, corners.data.lat.deg, frame)
    center = region.center if hasattr(region, "center") else region_center(region)
    # a point, a line or a text
    reach = 0.0 if kind_of(region) is None else reach_deg(region)
    around = _around(center.data.lon.deg, center.data.lat.deg, min(reach, 180.0), 2 * _N_BORDER)[:, 0]
    own = center.frame.name
    return np.asarray(around if own == frame else rotate(_frame_matrix(own, frame), around))


def _around(lon: ArrayLike, lat: ArrayLike, distance: ArrayLike, n_point: int) -> NDArray[np.float64]:
    """Return unit vectors, shape (3, n, n_point), of points on circles around positions; all in deg."""
    lon_rad, lat_rad, rho = (np.deg2rad(np.atleast_1d(np.asarray(_, dtype=float))) for _ in (lon, lat, distance))
    angle = np.linspace(0, 2 * np.pi, n_point, endpoint=False)
    along, across = np.cos(rho)[:, None], np.sin(rho)[:, None]
    # (n, 3, n_point): components along each position, to its east and to its north
    local = np.stack(
        [np.broadcast_to(along, (lon_rad.size, n_point)), across * np.sin(angle), across * np.cos(angle)], axis=1
    )
    # transposed: the inverse rotation, back to the sky
    matrices = np.stack([fov_matrix(a, b).T for a, b in zip(lon_rad.tolist(), lat_rad.tolist(), strict=True)])
    return np.asarray(np.moveaxis(matrices @ local, 1, 0))


# --- On pixels


def are_drawn_well(
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    reach: NDArray[np.float64],
    plane: Plane,
    *,
    torn_only: bool = False,
    steps: Steps | None = None,
) -> NDArray[np.bool_]:
    """Return whether circles around positions are circles on the pixels.

    Parameters
    ----------
    lon, lat, reach : arrays, shape (n,), positions and radii in deg, in the frame of the plane
    plane : Plane
    torn_only : whether every circle that is not torn passes
    steps : what `steps_to_north_of` returns for the positions, where that is known

    Returns
    -------
    good : array of bool, shape (n,)
    """
    if _are_near_the_middle_of_a_tan(lon, lat, reach, plane):
        return np.ones(np.shape(reach), dtype=bool)
    x, y, dx, dy = steps_to_north_of(lon, lat, plane.wcs) if steps is None else steps
    lon_border, lat_border = lonlat(_around(lon, lat, np.minimum(reach, 180.0), _N_BORDER))
    x_border, y_border = plane.from_sky(np.rad2deg(lon_border).ravel(), np.rad2deg(lat_border).ravel())
    x, y = plane.wrapped(x)[:, None], y[:, None]
    # dx and dy are pixels per arcsec, reach is in deg
    radius = (np.hypot(dx, dy) * 3600 * reach)[:, None]
    distance = np.hypot(x_border.reshape(-1, _N_BORDER) - x, y_border.reshape(-1, _N_BORDER) - y)
    with np.errstate(invalid="ignore"):
        # NaN, where the border does not project, compares as False; 1e-6 of a pixel is for regions of no extent
        good = np.abs(distance - radius) <= _DISTORTION * radius + 1e-6
        if torn_only:
            whole = (distance <= _TORN * radius + 1e-6) & (distance >= radius / _TORN - 1e-6)
            strict = (reach > _LARGE) | (np.abs(lat) + reach > 89)  # a pole has no north
            good = np.where(strict[:, None], good, whole)
        return np.asarray(good.all(axis=1) & (reach < 90) & ~_may_hold_antipode(lon, lat, reach, plane.wcs))


def _are_near_the_middle_of_a_tan(
    lon: NDArray[np.float64], lat: NDArray[np.float64], reach: NDArray[np.float64], plane: Plane
) -> bool:
    """Return whether all circles lie where a tangential projection shows them in their shape.

    Within the angle t of its centre, this projection stretches the sky by 1 to 1 / cos(t)**2 in any direction: up to
    5 deg by less than 0.8 %, so no point on the border is off by more than that.
    """
    middle = plane.centre_of_tan
    if middle is None:
        return False
    cosines = unit_vectors(*np.deg2rad(middle)) @ unit_vectors(np.deg2rad(lon), np.deg2rad(lat))
    return bool(np.all(np.rad2deg(np.arccos(np.minimum(cosines, 1.0))) + reach < _UNDISTORTED))


def _may_hold_antipode(
    lon: NDArray[np.float64], lat: NDArray[np.float64], reach: NDArray[np.float64], wcs: WCS
) -> NDArray[np.bool_]:
    """Return whether circles hold, or nearly hold, the point that a zenithal projection tears apart."""
    # [5:8]: the code of the projection, without a suffix such as -SIP
    if str(wcs.wcs.ctype[0])[5:8] not in _ZENITHAL:
        return np.zeros(np.shape(reach), dtype=bool)
    # the native pole of a zenithal projection is its reference position
    antipode = -unit_vectors(*np.deg2rad(wcs.wcs.crval))
    centers = unit_vectors(np.deg2rad(lon), np.deg2rad(lat))
    return np.asarray(np.rad2deg(np.arccos(np.clip(antipode @ centers, -1.0, 1.0))) < 2 * reach)


def steps_to_north_of(lon: NDArray[np.float64], lat: NDArray[np.float64], wcs: WCS) -> Steps:
    """Return what `steps_to_north` does, for positions in the frame of the WCS; no SkyCoord is made but near a pole.

    Parameters
    ----------
    lon, lat : arrays of float, shape (n,), deg
    wcs : WCS
    """
    if np.all(np.abs(lat) < 89.9):
        # one call of wcslib, whose wrapper takes longer than a few positions
        x, y = wcs.wcs_world2pix(np.concatenate([lon, lon]), np.concatenate([lat, lat + 1 / 3600]), 0)
        n = len(lon)
        return x[:n], y[:n], x[n:] - x[:n], y[n:] - y[:n]
    return steps_to_north(SkyCoord(lon, lat, unit="deg", frame=frame_of_wcs(wcs)), wcs)


def drawn(region: "SkyRegion", plane: Plane, *, torn_only: bool = False) -> "PixelRegion | None":
    """Return the pixel region of a single sky region; None if it would not have the shape of the region.

    Parameters
    ----------
    region : SkyRegion
    plane : Plane
    torn_only : bool, whether to return None only if the pixel region is torn
    """
    if kind_of(region) is not None:
        return drawn_together([region], plane, torn_only=torn_only)[0]
    vertices = vertices_of(region)
    if vertices is not None:
        return _drawn_polygon(region, vertices, plane)
    pixel_region = region_to_pixel(region, plane.wcs)  # without an area: points, lines, text
    center = getattr(pixel_region, "center", None)
    return None if center is not None and not np.all(np.isfinite(center.xy)) else pixel_region


def drawn_together(
    regions: "Sequence[SkyRegion]", plane: Plane, *, torn_only: bool = False
) -> "list[PixelRegion | None]":
    """Return what `drawn` does for each of some sky regions with a centre, computed all at once.

    Parameters
    ----------
    regions : sequence of SkyRegion
    plane : Plane
    torn_only : bool, see `drawn`
    """
    if not regions:
        return []
    is_good = have_their_shape(regions, plane, torn_only=torn_only).tolist()
    on_plane = iter(on_pixels([region for region, good in zip(regions, is_good, strict=True) if good], plane))
    return [next(on_plane) if good else None for good in is_good]


def have_their_shape(regions: "Sequence[SkyRegion]", plane: Plane, *, torn_only: bool = False) -> NDArray[np.bool_]:
    """Return whether regions with a centre have their shape on the pixels.

    Parameters
    ----------
    regions : sequence of SkyRegion
    plane, torn_only : see `are_drawn_well`

    Returns
    -------
    good : array of bool, shape (n,)
    """
    lon, lat = _centers_in(frame_of_wcs(plane.wcs), regions)
    return are_drawn_well(lon, lat, np.array([reach_deg(region) for region in regions]), plane, torn_only=torn_only)


def on_pixels(regions: "Sequence[SkyRegion]", plane: Plane) -> "list[PixelRegion]":
    """Return the pixel regions of sky regions with a centre, on the turn of the sky that the map is on.

    Parameters
    ----------
    regions : sequence of SkyRegion
    plane : Plane
    """
    pixel_regions = regions_to_pixel(regions, plane.wcs)
    for pixel_region in pixel_regions:
        x = float(plane.wrapped(pixel_region.center.x))
        if x != pixel_region.center.x:
            # the region was made here, so that it can be changed
            pixel_region.center = region_classes.PixCoord(x, pixel_region.center.y)
    return pixel_regions


def _centers_in(frame: str, regions: "Sequence[SkyRegion]") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitude and latitude in deg, shape (n,), in a frame, of the centres of regions."""
    lonlat_deg = np.empty((2, len(regions)))
    groups = centers_by_frame(regions) if len(regions) > 1 else [(0, _.center) for _ in regions]
    for numbers, centers in groups:
        found = (centers if centers.frame.name == frame else centers.transform_to(frame)).data
        lonlat_deg[:, numbers] = found.lon.deg, found.lat.deg
    return lonlat_deg[0], lonlat_deg[1]


def _drawn_polygon(region: "SkyRegion", vertices: SkyCoord, plane: Plane) -> "PixelRegion | None":
    frame = frame_of_wcs(plane.wcs)
    if vertices.frame.name != frame:
        vertices = vertices.transform_to(frame)
    x, y = plane.from_sky(vertices.data.lon.deg, vertices.data.lat.deg)
    if not np.all(np.isfinite([x, y])):
        return None
    # The middle of a side lies near that of a great circle, unless the side runs across a seam or along a pole.
    x_next, y_next = np.roll(x, -1), np.roll(y, -1)
    lon, lat = plane.to_sky((x + x_next) / 2, (y + y_next) / 2)
    middle = directions_in(frame, lon, lat, frame)
    start = directions_in(frame, vertices.data.lon.deg, vertices.data.lat.deg, frame)
    stop = np.roll(start, -1, axis=1)
    # |start + stop| is the chord from start to -stop; it is 0 for opposite vertices
    between = (start + stop) / np.maximum(_chord(start, -stop), 1e-9)
    with np.errstate(invalid="ignore"):
        if not np.all(_chord(middle, between) <= 0.4 * _chord(start, stop) + 1e-6) or _holds_native_pole(region, plane):
            return None
    return region_classes.PolygonPixelRegion(
        region_classes.PixCoord(x, y), meta=region.meta.copy(), visual=region.visual.copy()
    )


def _holds_native_pole(region: "SkyRegion", plane: Plane) -> bool:
    """Return whether a polygon has a pole inside that is no point on the map, so that it has no inside there."""
    if str(plane.wcs.wcs.ctype[0])[5:] not in _WITH_SEAM:
        return False
    projection = sky_projection(plane.wcs)
    # wcslib alone knows the projection: take the pole of the frame
    lon, lat = (0.0, 90.0) if projection is None else projection.pole
    frame = frame_of_wcs(plane.wcs)
    pole = directions_in(frame, [lon], [lat], frame)
    try:
        # both native poles, shape (3, 2)
        return bool(sphere_contains(region, np.concatenate([pole, -pole], axis=1), frame).any())
    except GeometryError:
        return False


def _chord(v: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((v - w) ** 2).sum(axis=0)))


# --- On the sphere


def sphere_contains(region: "SkyRegion", vectors: NDArray[np.float64], frame: str) -> NDArray[np.bool_]:
    """Return whether directions lie in a single sky region, by its shape on the sphere.

    Parameters
    ----------
    region : SkyRegion; a point, a line and a text hold nothing
    vectors : array, shape (3, ...), unit vectors; where they are NaN nothing lies
    frame : frame of the vectors

    Raises
    ------
    GeometryError
        If a polygon is as wide as a hemisphere, so that it is not known which side is its inside.
    """
    vertices = vertices_of(region)
    if kind_of(region) is not None:
        x, y, shape = _on_own_plane(region, vectors, frame)
    elif vertices is not None:
        x, y, shape = _on_plane_of_polygon(region, vertices, vectors, frame)
    else:
        return np.zeros(vectors.shape[1:], dtype=bool)
    with np.errstate(invalid="ignore"):
        # NaN compares as False
        inside = np.asarray(shape.contains(region_classes.PixCoord(x, y)), dtype=bool)
    beyond = bool(
        shape.contains(region_classes.PixCoord(1e9, 1e9))
    )  # True for excluded regions with old versions of regions
    # what lies beyond the horizon of the plane counts as far outside
    return np.asarray(np.where(np.isfinite(x), inside, beyond) & np.isfinite(vectors[0]))


def _on_own_plane(
    region: "SkyRegion", vectors: NDArray[np.float64], frame: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], "PixelRegion"]:
    """Return distances in deg from the centre, x to the west and y to the north, and the shape in this plane."""
    kind = kind_of(region)
    assert kind is not None
    along, east, north = _about(region.center, vectors, frame)
    sine = np.hypot(east, north)
    # ARC: the radius in the plane is the distance itself; arctan2 is accurate near 0 and 180 deg, arccos is not
    scale = np.rad2deg(np.arctan2(sine, along)) / np.where(sine > 0, sine, 1.0)
    lengths = kind.lengths_of(region, "deg")
    center, meta = region_classes.PixCoord(0.0, 0.0), region.meta.copy()
    if kind.is_round:
        # minus: as on pixels, longitude grows to the left
        return -scale * east, scale * north, kind.pixel(center, *lengths, meta=meta)
    return -scale * east, scale * north, kind.pixel(center, *lengths, angle=kind.angle_of(region), meta=meta)


def _about(position: SkyCoord, vectors: NDArray[np.float64], frame: str) -> NDArray[np.float64]:
    """Return the components along a position, to its east and to its north, in the frame of the position."""
    own = position.frame.name
    matrix = fov_matrix(float(position.data.lon.rad), float(position.data.lat.rad))
    return np.asarray(rotate(matrix if own == frame else matrix @ _frame_matrix(frame, own), vectors))


def _on_plane_of_polygon(
    region: "SkyRegion", corners: SkyCoord, vectors: NDArray[np.float64], frame: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], "PixelRegion"]:
    """Return gnomonic coordinates about the middle of the vertices, NaN beyond the horizon, and the polygon there."""
    # in a gnomonic projection great circles, the sides, are straight lines
    middle = mean_direction(corners)
    own = corners.frame.name
    along, east, north = _about(middle, directions_in(own, corners.data.lon.deg, corners.data.lat.deg, own), own)
    if not np.all(along > _HORIZON):
        raise GeometryError(
            f"{region!r} is as wide as a hemisphere, so its inside is not known; take a union of smaller polygons"
        )
    shape = region_classes.PolygonPixelRegion(
        region_classes.PixCoord(-east / along, north / along), meta=region.meta.copy()
    )
    along, east, north = _about(middle, vectors, frame)
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = along > 0
        # avoids division by zero; these values become NaN in the next line
        along = np.where(seen, along, 1.0)
        return np.where(seen, -east / along, np.nan), np.where(seen, north / along, np.nan), shape


def solid_angle_on_sphere(region: "SkyRegion") -> float:
    """Return the solid angle of a single sky region in sr, by its shape on the sphere."""
    vertices = vertices_of(region)
    if vertices is not None:
        own = vertices.frame.name
        corners = directions_in(own, vertices.data.lon.deg, vertices.data.lat.deg, own)
        # a fan of triangles from the first vertex; areas have a sign, so that the polygon may be concave
        first = np.broadcast_to(corners[:, :1], corners[:, 1:-1].shape)
        return float(abs(triangle_areas(first, corners[:, 1:-1], corners[:, 2:]).sum()))
    kind = kind_of(region)
    if kind is None:
        return 0.0
    lengths = kind.lengths_of(region, "rad")
    if kind.is_round:
        # areas of spherical caps, of one circle, or of the inner and the outer one
        caps = [2 * np.pi * (1 - np.cos(min(length, np.pi))) for length in lengths]
        return float(caps[0] if len(caps) == 1 else caps[1] - caps[0])
    shape = kind.pixel(region_classes.PixCoord(0.0, 0.0), *lengths, angle=0 * u.deg)
    half = len(lengths) // 2
    # centres of 800 x 800 cells on the rectangle around the shape
    x, y = (size / 2 * (np.arange(-399.5, 400) / 400) for size in (max(lengths[:half]), max(lengths[half:])))
    x, y = (_.ravel() for _ in np.meshgrid(x, y))
    inside = np.asarray(shape.contains(region_classes.PixCoord(x, y))) & (np.hypot(x, y) < np.pi)
    # the plane of distances and position angles stretches a ring by distance over sine
    return float(shape.area * np.sinc(np.hypot(x, y)[inside] / np.pi).mean())
