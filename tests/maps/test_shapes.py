"""Ellipses, rectangles and annuli as plain numbers: the same regions and the same inside as region objects."""

import operator
from functools import reduce

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from numpy.testing import assert_array_equal
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    EllipseAnnulusSkyRegion,
    EllipseSkyRegion,
    PixCoord,
    PolygonSkyRegion,
    RectangleAnnulusSkyRegion,
    RectangleSkyRegion,
    RegionMeta,
)

from lightpool.maps import MapAxis, RegionGeom, WcsGeom
from lightpool.maps.geoms.rotated_regions import RotatedRegion, RotatedShape, rotated_region
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions.shapes import Shapes
from lightpool.maps.regions.sky_regions import region_to_pixel, region_to_sky

CRAB = SkyCoord(83.63, 22.01, unit="deg")
POINTING = (84.1, 22.2)
META = RegionMeta({"text": "OFF"})


def shapes(center=CRAB):
    deg = u.deg
    return {
        "ellipse": EllipseSkyRegion(center, 0.3 * deg, 0.15 * deg, 70 * deg, meta=META),
        "rectangle": RectangleSkyRegion(center, 0.3 * deg, 0.15 * deg, 20 * deg, meta=META),
        "ring": CircleAnnulusSkyRegion(center, 0.05 * deg, 0.15 * deg, meta=META),
        "elliptic ring": EllipseAnnulusSkyRegion(center, 0.1 * deg, 0.2 * deg, 0.1 * deg, 0.3 * deg, 30 * deg),
        "frame": RectangleAnnulusSkyRegion(center, 0.1 * deg, 0.2 * deg, 0.1 * deg, 0.3 * deg, 40 * deg),
    }


def tangent_plane(center=CRAB, frame="icrs"):
    return Plane(WcsGeom.create(skydir=center, width=2, binsz=0.02, proj="TAN", frame=frame).wcs)


def numbers_of(region):
    center = region.center.data
    names = [name for name in region._params if name not in ("center", "angle")]
    lengths = [getattr(region, name).to_value("arcsec") for name in names]
    angle = [region.angle.to_value("deg")] if hasattr(region, "angle") else []
    return [center.lon.deg, center.lat.deg, *lengths, *angle]


def events(n=20_000):
    rng = np.random.default_rng(2)
    return np.deg2rad(CRAB.ra.deg + rng.uniform(-0.5, 0.5, n)), np.deg2rad(CRAB.dec.deg + rng.uniform(-0.5, 0.5, n))


@pytest.mark.parametrize("kind", shapes())
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_shapes_contain_what_their_region_objects_contain(kind, frame):
    region = shapes(CRAB if frame == "icrs" else CRAB.galactic)[kind]
    plane = tangent_plane()
    drawn = Shapes.of(region).drawn(plane)
    x, y = np.random.default_rng(1).uniform(30, 70, (2, 20_000))
    expected = region_to_pixel(region, plane.wcs).contains(PixCoord(x, y))
    assert 0 < expected.sum() < x.size
    if frame == "icrs":
        assert_array_equal(drawn.contains(0, x, y), expected)
    else:  # the centre is transformed in another way, which may move it by its rounding
        assert np.sum(drawn.contains(0, x, y) != expected) <= 2


@pytest.mark.parametrize("kind", shapes())
def test_events_in_a_union_of_shapes_are_those_in_any_of_them(kind):
    one = shapes()[kind]
    other = shapes(SkyCoord(83.8, 22.1, unit="deg"))[kind]
    geom = RegionGeom.from_regions([one, other], axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)])
    assert len(Shapes.of(geom.region)) == 2
    lon, lat = events()
    x, y = geom.wcs.wcs_world2pix(np.rad2deg(lon), np.rad2deg(lat), 0)
    expected = [region_to_pixel(each, geom.wcs).contains(PixCoord(x, y)) for each in (one, other)]
    assert all(each.any() for each in expected)
    assert_array_equal(geom.contains_icrs(lon, lat), reduce(operator.or_, expected))


@pytest.mark.parametrize(
    "other",
    [
        CircleSkyRegion(CRAB, 0.2 * u.deg),
        PolygonSkyRegion(SkyCoord([83, 84, 84], [22, 22, 23], unit="deg")),
        RectangleSkyRegion(CRAB.galactic, 0.3 * u.deg, 0.15 * u.deg),
        RectangleSkyRegion(CRAB, 0.3 * u.deg, 0.15 * u.deg, meta=RegionMeta({"include": False})),
        RectangleSkyRegion(CRAB, 0.3 * u.deg, 0.15 * u.deg, 1 * u.rad),
    ],
    ids=["a circle", "a polygon", "another frame", "an excluded one", "an angle in rad"],
)
def test_a_union_with_anything_else_is_left_to_region_objects(other):
    assert Shapes.of(shapes()["rectangle"].union(other)) is None


@pytest.mark.parametrize("kind", shapes())
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_rotated_shapes_are_those_of_rotated_region_objects(kind, frame):
    region = shapes(CRAB if frame == "icrs" else CRAB.galactic)[kind]
    center = SkyCoord(*POINTING, unit="deg")
    rotated = rotated_region(region, center, Angle("0.01 deg"))
    slow = RotatedRegion(region, center, Angle("0.01 deg"))
    assert isinstance(rotated, RotatedShape)
    assert rotated.angular_size == slow.angular_size
    angles = [0.3, 1.1, 3.0, 6.0]
    expected = [region_to_sky(slow._rotated(angle), slow.geom.wcs) for angle in angles]
    found = rotated.at(angles)
    assert_array_equal([numbers_of(each) for each in found], [numbers_of(each) for each in expected])
    assert [type(each) for each in found] == [type(region)] * 4
    assert [dict(each.meta) for each in found] == [dict(region.meta)] * 4
    assert rotated.overlap([0.0, 0.05])
    assert rotated.overlap(angles) == slow.overlap(angles)


@pytest.mark.parametrize("kind", ["circle", *shapes()])
@pytest.mark.parametrize("n_excluded", [1, 40])
def test_a_rotated_region_is_free_where_its_region_object_holds_no_excluded_pixel(kind, n_excluded):
    region = CircleSkyRegion(CRAB, 0.15 * u.deg) if kind == "circle" else shapes()[kind]
    rng = np.random.default_rng(3)
    geom = WcsGeom.create(skydir=CRAB, width=3, binsz=0.05)
    lon, lat = POINTING[0] + rng.uniform(-1, 1, n_excluded), POINTING[1] + rng.uniform(-0.9, 0.9, n_excluded)
    circles = [
        CircleSkyRegion(SkyCoord(*position, unit="deg"), 0.08 * u.deg) for position in zip(lon, lat, strict=True)
    ]
    mask = geom.region_mask([CircleSkyRegion(CRAB, 0.1 * u.deg), *circles], inside=False, device="cpu")
    center = SkyCoord(*POINTING, unit="deg")
    rotated = rotated_region(region, center, Angle("0.01 deg"), mask)
    slow = RotatedRegion(region, center, Angle("0.01 deg"), mask)
    angles = np.arange(0.0, 2 * np.pi, 0.05)
    found = [rotated.is_free(angle) for angle in angles]
    assert found == [slow.is_free(angle) for angle in angles]
    assert not all(found)
    if n_excluded == 1:
        assert any(found)
