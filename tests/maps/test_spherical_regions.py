"""Regions anywhere on the sphere: behind a horizon, over a pole, across a seam, far from each other."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    EllipseAnnulusSkyRegion,
    EllipseSkyRegion,
    LineSkyRegion,
    PointSkyRegion,
    PolygonSkyRegion,
    RectangleAnnulusSkyRegion,
    RectangleSkyRegion,
)

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import GeometryError, NoOverlapError
from lightpool.maps import Map, MapAxis, RegionGeom, RegionNDMap, WcsGeom

PROJECTIONS = ["TAN", "SIN", "STG", "ARC", "ZEA", "CAR", "CEA", "MER", "AIT", "MOL", "SFL"]
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)


def at(lon, lat, frame="icrs"):
    return SkyCoord(lon, lat, unit="deg", frame=frame)


def around(center, *angles_and_distances):
    return SkyCoord([center.directional_offset_by(a * u.deg, d * u.deg) for a, d in angles_and_distances])


KINDS = {
    "circle": lambda c, r: CircleSkyRegion(c, r * u.deg),
    "annulus": lambda c, r: CircleAnnulusSkyRegion(c, r / 2 * u.deg, r * u.deg),
    "ellipse": lambda c, r: EllipseSkyRegion(c, 2 * r * u.deg, r * u.deg, 30 * u.deg),
    "rectangle": lambda c, r: RectangleSkyRegion(c, r * u.deg, r / 2 * u.deg, 30 * u.deg),
    "ellipse annulus": lambda c, r: EllipseAnnulusSkyRegion(
        c, r * u.deg, 2 * r * u.deg, r / 2 * u.deg, r * u.deg, 20 * u.deg
    ),
    "rectangle annulus": lambda c, r: RectangleAnnulusSkyRegion(
        c, r / 2 * u.deg, r * u.deg, r / 4 * u.deg, r / 2 * u.deg, 20 * u.deg
    ),
    "polygon": lambda c, r: PolygonSkyRegion(around(c, (0, r), (110, r), (250, r))),
    "point": lambda c, r: PointSkyRegion(c),
    "line": lambda c, r: LineSkyRegion(c, c.directional_offset_by(0 * u.deg, r * u.deg)),
    "union": lambda c, r: CircleSkyRegion(c, r * u.deg) | RectangleSkyRegion(c, r * u.deg, r * u.deg),
    "intersection": lambda c, r: CircleSkyRegion(c, r * u.deg) & CircleSkyRegion(c, r / 2 * u.deg),
}


@pytest.mark.parametrize("proj", ["TAN", "SIN", "STG", "ARC", "ZEA"])
@pytest.mark.parametrize("radius", [1.9, 1.99, 2.01, 2.5])
@pytest.mark.parametrize("angle", [0, 30, 110, 250])
def test_a_circle_whose_border_is_near_the_antipode_of_a_map_has_no_pixel(proj, radius, angle):
    # It covers the whole map if it is drawn by the scale at its centre.
    geom = WcsGeom.create(skydir=(83.6, 22), width=8, binsz=0.2, proj=proj)
    center = at(263.6, -22).directional_offset_by(angle * u.deg, 2 * u.deg)
    assert not geom.region_mask([CircleSkyRegion(center, radius * u.deg)]).data.any()


@pytest.mark.slow
@pytest.mark.parametrize("proj", PROJECTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_region_on_the_other_side_of_the_sky_has_no_pixel(proj, kind):
    geom = WcsGeom.create(skydir=(0, 0), width=4, binsz=0.2, proj=proj)
    near = CircleSkyRegion(at(0.5, 0), 0.5 * u.deg)
    alone = to_host(geom.region_mask(near, device="cpu").data)
    for place in (at(180, 0), at(95, 0), at(0, 90), at(200, -88)):
        far = KINDS[kind](place, 1.0)
        assert_array_equal(geom.region_mask([near, far], device="cpu").data, alone)
        assert geom.region_mask(far, inside=False, device="cpu").data.all()
        assert not geom.region_weights(far, device="cpu").data.any()
        assert not Map.from_geom(geom, data=True, device="cpu").mask_contains_region(far)


@settings(max_examples=30, deadline=None)
@given(
    proj=st.sampled_from(PROJECTIONS),
    lon=st.floats(0, 360),
    lat=st.sampled_from([90.0, -90.0, 88.0, -86.5, 85.0]),
    radius=st.floats(5, 30),
)
def test_a_circle_over_a_pole_or_larger_than_20_deg_holds_what_is_near(proj, lon, lat, radius):
    geom = WcsGeom.create(binsz=5, proj=proj, frame="galactic")
    center = at(lon, lat, "galactic")
    mask = geom.region_mask(CircleSkyRegion(center, radius * u.deg), device="cpu").data
    separation = geom.separation(center).deg
    assert_array_equal(mask[np.abs(separation - radius) > 0.03 * radius], (separation < radius)[
        np.abs(separation - radius) > 0.03 * radius])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"point", "line"}))
@pytest.mark.parametrize("center", [(180, 0), (179.3, 3), (30, 90), (40, -87)])
def test_a_mask_across_a_seam_or_over_a_pole_is_as_large_as_the_region(kind, center):
    geom = WcsGeom.create(binsz=1, proj="CAR", frame="galactic")
    region = KINDS[kind](at(*center, "galactic"), 16.0)
    mask = geom.region_mask(region, device="cpu").data
    area = geom.solid_angle()[mask].sum().to_value("deg2")
    assert_allclose(area, RegionGeom.create(region).solid_angle().to_value("deg2"), rtol=0.06)


@pytest.mark.parametrize("proj", ["CAR", "CEA", "MER", "AIT", "MOL", "SFL"])
def test_a_circle_across_the_seam_has_pixels_on_both_sides(proj):
    geom = WcsGeom.create(binsz=0.5, proj=proj, frame="galactic")
    center = at(180, 0, "galactic")
    mask = geom.region_mask(CircleSkyRegion(center, 3 * u.deg), device="cpu").data
    assert_array_equal(mask, geom.separation(center).deg < 3)
    assert mask[:, :360].sum() == mask[:, 360:].sum() > 0


def test_a_spectrum_over_a_pole_or_across_the_seam_has_all_pixels():
    counts = Map.from_geom(WcsGeom.create(binsz=1, frame="galactic", axes=[ENERGY]), data=1.0)
    for center in (at(0, 88, "galactic"), at(180, 2, "galactic")):
        region = CircleSkyRegion(center, 5 * u.deg)
        n_pixel = int((counts.geom.separation(center).deg < 5).sum())
        assert to_host(counts.get_spectrum(region).data).ravel().tolist() == [n_pixel, n_pixel]
        cutout, mask = counts.cutout_and_mask_region(region)
        assert int(to_host(mask.data).sum()) == n_pixel
        assert cutout.geom.to_image() == mask.geom


def test_what_has_no_pixel_on_the_map_cannot_be_cut_out():
    counts = Map.from_geom(WcsGeom.create(skydir=(0, 0), width=4, binsz=0.2, proj="TAN", axes=[ENERGY]), data=1.0)
    for place in (at(180, 0), at(95, 0), at(10, 0)):
        with pytest.raises(NoOverlapError):
            counts.get_spectrum(CircleSkyRegion(place, 1 * u.deg))
        with pytest.raises(NoOverlapError):
            counts.cutout(place, 1 * u.deg)
    both = CircleSkyRegion(at(0, 0), 1 * u.deg) | CircleSkyRegion(at(180, 0), 1 * u.deg)
    near = CircleSkyRegion(at(0, 0), 1 * u.deg)
    assert_allclose(to_host(counts.get_spectrum(both).data), to_host(counts.get_spectrum(near).data), rtol=0.03)


# --- Geometries of regions


ONE = 2 * np.pi * (1 - np.cos(np.deg2rad(0.4)))


@pytest.mark.parametrize(
    "centers",
    [
        [(0, 0), (90, 0)],
        [(0, 0), (180, 0)],
        [(0, 0), (120, 0), (240, 0)],
        [(326, -13), (165, -23)],
        [(0, 90), (0, -90)],
        [(10, 89.2), (190, 89.2)],
        [(359.5, 0), (0.5, 0), (100, 50)],
    ],
)
def test_a_union_of_circles_is_right_wherever_they_are(centers):
    positions = [at(*center) for center in centers]
    geom = RegionGeom.from_regions([CircleSkyRegion(_, 0.4 * u.deg) for _ in positions], axes=[ENERGY])
    assert_allclose(geom.solid_angle().to_value("sr"), len(centers) * ONE, rtol=1e-2)
    for position in positions:
        for angle in (0, 90, 200):
            inside, outside = (position.directional_offset_by(angle * u.deg, d * u.deg) for d in (0.392, 0.408))
            for coord, expected in ((inside, True), (outside, False)):
                assert geom.to_image().contains(coord).tolist() in (expected, [expected])
                assert geom.to_image().contains_icrs(np.array([coord.ra.rad]), np.array([coord.dec.rad])).tolist() == [
                    expected
                ]
    coords, weights = geom.get_wcs_coord_and_weights()
    assert_allclose(weights.sum(), len(centers) * np.pi * 16, rtol=0.02)
    assert coords.skycoord.separation(positions[0]).deg.min() < 0.1


def test_circles_that_overlap_are_counted_once():
    pair = [CircleSkyRegion(at(0, 0), 0.4 * u.deg), CircleSkyRegion(at(0.5, 0), 0.4 * u.deg)]
    overlap = 2 * 0.4**2 * np.arccos(0.625) - 0.25 * np.sqrt(4 * 0.4**2 - 0.5**2)
    expected = 2 * np.pi * 0.4**2 - overlap
    near = RegionGeom.from_regions(pair).solid_angle().to_value("deg2")
    assert_allclose(near, expected, rtol=2e-3)
    far = RegionGeom.from_regions([*pair, CircleSkyRegion(at(180, 10), 0.4 * u.deg)]).solid_angle().to_value("deg2")
    assert_allclose(far, expected + np.pi * 0.4**2, rtol=2e-3)
    large = [CircleSkyRegion(at(lon, 0), 50 * u.deg) for lon in (0, 60)]
    lens = _lens_of_caps(50, 60)
    whole = 2 * 2 * np.pi * (1 - np.cos(np.deg2rad(50))) - lens
    assert_allclose(RegionGeom.from_regions(large).solid_angle().to_value("sr"), whole, rtol=2e-3)


def _lens_of_caps(radius, distance):
    """Solid angle that two equal caps have in common; Mazonka 2012, arXiv:1205.1396."""
    a, b = np.deg2rad(distance), np.deg2rad(radius)
    corner = np.arccos(np.cos(a) / np.sin(b) ** 2 - 1 / np.tan(b) ** 2)
    half = np.arccos(np.cos(b) / (np.sin(a) * np.sin(b)) - 1 / (np.tan(a) * np.tan(b)))
    return 2 * (np.pi - corner - 2 * half * np.cos(b))


@pytest.mark.parametrize("radius", [2, 10, 50, 80, 100, 170])
def test_a_circle_of_any_size_has_its_solid_angle_and_its_places(radius):
    center = at(20, 30)
    geom = RegionGeom.create(CircleSkyRegion(center, radius * u.deg))
    assert_allclose(geom.solid_angle().to_value("sr"), 2 * np.pi * (1 - np.cos(np.deg2rad(radius))), rtol=1e-9)
    places = around(center, (10, radius - 0.05 * radius), (200, min(179, radius + 0.05 * radius)))
    assert geom.contains(places).tolist() == [True, False]
    assert geom.center_skydir.separation(center).deg < 1e-6


@pytest.mark.parametrize("kind", ["ellipse", "rectangle", "ellipse annulus", "rectangle annulus", "polygon"])
def test_the_solid_angle_of_a_small_region_is_that_of_the_plane(kind):
    small = RegionGeom.create(KINDS[kind](at(83.63, 22.01), 0.5)).solid_angle()
    larger = RegionGeom.create(KINDS[kind](at(83.63, 22.01), 5.0)).solid_angle()
    assert_allclose((larger / small).to_value(""), 100, rtol=5e-3)


def test_a_polygon_as_wide_as_a_hemisphere_is_refused():
    wide = PolygonSkyRegion(at([0, 120, 240], [1, 1, 1]))
    with pytest.raises(GeometryError, match="as wide as a hemisphere"):
        WcsGeom.create(binsz=5, proj="CAR").region_mask(wide)


def test_regions_far_apart_are_written_and_read(tmp_path):
    regions = [CircleSkyRegion(at(lon, 0), 0.4 * u.deg) for lon in (0, 90)]
    RegionNDMap.from_geom(RegionGeom.from_regions(regions, axes=[ENERGY]), data=1.0).write(tmp_path / "far.fits")
    again = RegionNDMap.read(tmp_path / "far.fits").geom
    assert_allclose(again.solid_angle().to_value("sr"), 2 * ONE, rtol=1e-4)
    assert again.contains({"skycoord": at([0, 90, 45], [0, 0, 0]), "energy": 2 * u.TeV}).tolist() == [True, True, False]


@pytest.mark.parametrize("frame", ["icrs", "galactic", "fk5"])
@pytest.mark.parametrize(("proj", "lat"), [("TAN", 22.0), ("CAR", 0.0), ("ZEA", 89.5)])
def test_a_mask_of_many_regions_holds_what_is_in_any_of_them_alone(proj, lat, frame):
    geom = WcsGeom.create(skydir=(83.0, lat), width=6, binsz=0.1, proj=proj)
    places = around(geom.center_skydir, (10, 1), (100, 2), (190, 1.5), (280, 0.7), (350, 4)).transform_to(frame)
    regions = [make(place, 0.8) for make, place in zip(list(KINDS.values()) * 2, places, strict=False)]
    regions += [
        PointSkyRegion(places[1]),
        CircleSkyRegion(at(10, 89.95), 1 * u.deg),
        CircleSkyRegion(at(263, -lat), 1 * u.deg),
    ]
    regions += [regions[0].to_pixel(geom.wcs), CircleSkyRegion(geom.center_skydir, 0.3 * u.deg)]
    together = geom.region_mask(regions, device="cpu").data
    alone = [geom.region_mask([region], device="cpu").data for region in regions]
    assert sum(mask.any() for mask in alone) > 5
    assert_array_equal(together, np.any(alone, axis=0))
