import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_array_equal
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    EllipseAnnulusSkyRegion,
    EllipseSkyRegion,
    PointSkyRegion,
    PolygonSkyRegion,
    RectangleSkyRegion,
)

from lightpool.arrays import unit_vectors
from lightpool.arrays.kernels.sky_shapes import in_any_circle
from lightpool.errors import GeometryError
from lightpool.maps.regions.region_indicator import RegionIndicator
from lightpool.maps.regions.region_shapes import sphere_contains

# In ICRS: in the middle of the sky, at longitude 0, in the south, at a pole.
CENTERS = [(83.6, 22.0), (0.1, -5.0), (359.9, -65.0), (40.0, -89.8), (10.0, 90.0)]


def around(center, n=4000, size=4.0):
    """Directions within some degrees of a centre."""
    rng = np.random.default_rng(3)
    position = SkyCoord(*center, unit="deg")
    sky = position.directional_offset_by(rng.uniform(0, 360, n) * u.deg, size * np.sqrt(rng.uniform(size=n)) * u.deg)
    return np.stack([sky.ra.rad, sky.dec.rad])


def shapes(center, frame):
    at = SkyCoord(*center, unit="deg").transform_to(frame)
    corners = SkyCoord(*center, unit="deg").directional_offset_by(
        [10, 80, 170, 200, 300] * u.deg, [1.5, 2, 0.4, 2.5, 1] * u.deg
    )
    return {
        "circle": CircleSkyRegion(at, 1.3 * u.deg),
        "ring": CircleAnnulusSkyRegion(at, 0.7 * u.deg, 1.5 * u.deg),
        "ellipse": EllipseSkyRegion(at, 4 * u.deg, 1.5 * u.deg, 37 * u.deg),
        "ring of ellipses": EllipseAnnulusSkyRegion(at, 1 * u.deg, 4 * u.deg, 0.5 * u.deg, 2 * u.deg, -20 * u.deg),
        "rectangle": RectangleSkyRegion(at, 3 * u.deg, 1 * u.deg, 110 * u.deg),
        "polygon": PolygonSkyRegion(corners.transform_to(frame)),
    }


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("center", CENTERS, ids=str)
def test_shapes_hold_the_directions_that_regions_hold_on_the_sphere(backend, read, center, frame):
    lon, lat = around(center)
    vectors = unit_vectors(lon, lat)
    on_device = unit_vectors(backend.array(lon), backend.array(lat))
    for name, region in shapes(center, frame).items():
        indicator = RegionIndicator.of(region)
        inside = read(indicator.contains(on_device))
        # Of random directions none is on a border to within rounding.
        assert_array_equal(inside, sphere_contains(region, vectors, "icrs"), err_msg=name)
        assert 50 < inside.sum() < 3900
        distance = np.arccos(np.clip(indicator.cap.center @ vectors, -1, 1))
        assert distance[inside].max() < indicator.cap.radius + 1e-9


def test_combined_regions_hold_what_their_operator_says(backend, read):
    lon, lat = around(CENTERS[1])
    one = CircleSkyRegion(SkyCoord(*CENTERS[1], unit="deg"), 1.5 * u.deg)
    other = RectangleSkyRegion(SkyCoord(1.0, -5.5, unit="deg"), 2 * u.deg, 2 * u.deg, 0 * u.deg)
    vectors = unit_vectors(backend.array(lon), backend.array(lat))
    a, b = (read(RegionIndicator.of(each).contains(vectors)) for each in (one, other))
    for region, expected in ((one | other, a | b), (one & other, a & b), (one ^ other, a ^ b)):
        assert_array_equal(read(RegionIndicator.of(region).contains(vectors)), expected)


def test_many_circles_hold_what_each_of_them_holds(backend, read):
    rng = np.random.default_rng(1)
    lon, lat = around(CENTERS[2])
    centers, radii = unit_vectors(*around(CENTERS[2], 21)), rng.uniform(0.05, 1.0, 21) * np.pi / 180
    vectors = unit_vectors(lon, lat)
    distance = 2 * np.arcsin(np.linalg.norm(vectors[:, :, None] - centers[:, None, :], axis=0) / 2)
    inside = in_any_circle(unit_vectors(backend.array(lon), backend.array(lat)), centers, radii)
    assert_array_equal(read(inside), (distance < radii).any(axis=1))
    none = in_any_circle(backend.array(vectors), np.zeros((3, 0)), np.zeros(0))
    assert not read(none).any()


def test_a_direction_that_is_nan_lies_nowhere(backend, read):
    vectors = backend.array(np.full((3, 2), np.nan))
    for region in shapes(CENTERS[0], "icrs").values():
        assert not read(RegionIndicator.of(region).contains(vectors)).any()
    assert not read(in_any_circle(vectors, unit_vectors(*around(CENTERS[0], 3)), np.ones(3))).any()


def test_regions_without_an_area_are_refused():
    at = SkyCoord(*CENTERS[0], unit="deg")
    excluded = CircleSkyRegion(at, 1 * u.deg, meta={"include": False})
    for region in (PointSkyRegion(at), excluded):
        with pytest.raises(TypeError, match=r"no area|include=False"):
            RegionIndicator.of(region)
    wide = PolygonSkyRegion(SkyCoord([0, 120, 240], [-1, -1, -1], unit="deg"))
    with pytest.raises(GeometryError, match="hemisphere"):
        RegionIndicator.of(wide)
