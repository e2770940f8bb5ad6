"""Positions of OFF regions: laws, the slow path as reference for the fast one, and numbers of Gammapy."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    EllipseAnnulusSkyRegion,
    EllipseSkyRegion,
    PointSkyRegion,
    PolygonSkyRegion,
    RectangleAnnulusSkyRegion,
    RectangleSkyRegion,
)

from lightpool.makers import ReflectedRegionsFinder, WobbleRegionsFinder
from lightpool.maps import MapAxis, RegionGeom, WcsGeom
from lightpool.maps.geoms.rotated_regions import RotatedCircle, RotatedRegion, rotated_region
from lightpool.maps.regions.sky_regions import region_center

SOURCE = SkyCoord(83.63, 22.01, unit="deg")
POINTING = SkyCoord(83.2, 22.4, unit="deg")
CIRCLE = CircleSkyRegion(SOURCE, 0.15 * u.deg)
NEIGHBOUR = CircleSkyRegion(SkyCoord(82.9, 22.9, unit="deg"), 0.15 * u.deg)

SHAPES = {
    "circle": CIRCLE,
    "circle in galactic": CircleSkyRegion(SOURCE.galactic, 0.15 * u.deg),
    "ellipse": EllipseSkyRegion(SOURCE, 0.2 * u.deg, 0.3 * u.deg, 30 * u.deg),
    "rectangle": RectangleSkyRegion(SOURCE.galactic, 0.2 * u.deg, 0.3 * u.deg, 20 * u.deg),
    "annulus": CircleAnnulusSkyRegion(SOURCE, 0.1 * u.deg, 0.2 * u.deg),
    "ellipse annulus": EllipseAnnulusSkyRegion(SOURCE, 0.1 * u.deg, 0.2 * u.deg, 0.15 * u.deg, 0.3 * u.deg, 10 * u.deg),
    "rectangle annulus": RectangleAnnulusSkyRegion(
        SOURCE, 0.1 * u.deg, 0.2 * u.deg, 0.15 * u.deg, 0.3 * u.deg, 10 * u.deg
    ),
    "polygon": PolygonSkyRegion(SkyCoord([83.5, 83.7, 83.8], [21.9, 22.1, 21.9], unit="deg")),
    "union": CIRCLE.union(CircleSkyRegion(SkyCoord(83.63, 22.2, unit="deg"), 0.1 * u.deg)),
}
MASKS = {
    "CAR": {"skydir": SOURCE},
    "TAN at the pointing": {"skydir": POINTING, "proj": "TAN"},
    "galactic CAR": {"skydir": SOURCE.galactic, "frame": "galactic"},
    "galactic AIT": {"skydir": SOURCE.galactic, "frame": "galactic", "proj": "AIT"},
    "STG": {"skydir": SkyCoord(85, 23, unit="deg"), "proj": "STG"},
}


def mask_of(regions, **kwargs):
    geom = WcsGeom.create(**({"skydir": SOURCE, "width": 4, "binsz": 0.02} | kwargs))
    return geom.region_mask(regions, inside=False)


def positions(regions):
    return [(region.center.icrs.ra.deg, region.center.icrs.dec.deg) for region in regions]


@pytest.mark.parametrize("shape", SHAPES)
def test_regions_have_the_offset_of_the_first_and_leave_the_excluded_sky_alone(shape):
    region = SHAPES[shape]
    mask = mask_of([region, NEIGHBOUR])
    regions, _ = ReflectedRegionsFinder().run(region, POINTING, mask)
    assert 3 <= len(regions) <= 12
    offset = POINTING.separation(region_center(region)).deg
    for found in regions:
        assert_allclose(POINTING.separation(region_center(found)).deg, offset, rtol=2e-3)
        assert not mask.geom.region_mask([found.intersection(NEIGHBOUR)]).data.any()


@pytest.mark.parametrize("shape", SHAPES)
def test_regions_overlap_by_no_more_than_their_borders(shape):
    region = SHAPES[shape]
    regions, _ = ReflectedRegionsFinder().run(region, POINTING)
    geom = WcsGeom.create(skydir=POINTING, width=2, binsz=0.01, proj="TAN")
    covered = np.sum([geom.region_mask([found], device="cpu").data for found in [region, *regions]], axis=0)
    # neighbours may have border pixels in common: the angle that a region spans is that of the centres of its pixels
    assert np.sum(covered > 1) < 0.02 * np.sum(covered)


@given(
    radius=st.floats(0.03, 0.25),
    angle=st.floats(0, 6.28),
    excluded=st.floats(0, 6.28),
    frame=st.sampled_from(["icrs", "galactic"]),
)
@settings(max_examples=15, deadline=None)
def test_circles_by_distances_agree_with_circles_by_pixels(radius, angle, excluded, frame):
    region = CircleSkyRegion(SOURCE.transform_to(frame), radius * u.deg)
    hole = POINTING.directional_offset_by(excluded * u.rad, 0.5 * u.deg)
    mask = mask_of([CircleSkyRegion(hole, 0.2 * u.deg)], binsz=0.05).to("cpu")
    fast = rotated_region(region, POINTING, Angle("0.02 deg"), mask)
    slow = RotatedRegion(region, POINTING, Angle("0.02 deg"), mask)
    assert isinstance(fast, RotatedCircle)
    assert_allclose(fast.angular_size, slow.angular_size, rtol=1e-12)
    assert fast.is_free(angle) == slow.is_free(angle)
    assert fast.overlap([0, angle]) == slow.overlap([0, angle])
    (one,), (other,) = fast.at([angle]), slow.at([angle])
    assert one.center.separation(other.center).arcsec < 1e-6
    assert_allclose(one.radius.deg, other.radius.deg, rtol=1e-9)


def test_an_excluded_pixel_is_found_wherever_it_lies():
    """The slow reference looks at every pixel of the plane."""
    for kwargs in MASKS.values():
        mask = mask_of([CIRCLE, NEIGHBOUR], **kwargs).to("cpu")
        turned = rotated_region(SHAPES["rectangle"], POINTING, Angle("0.01 deg"), mask)
        plane = ~mask.interp_to_geom(turned.geom, fill_value=True).data
        y, x = np.nonzero(plane)
        near = np.hypot(x - turned._center.x, y - turned._center.y) <= turned._reach()[1]
        found = set(zip(*(axis.astype(int).tolist() for axis in turned._excluded), strict=True))
        assert found == set(zip(x[near].tolist(), y[near].tolist(), strict=True))


def test_the_frame_and_projection_of_the_mask_do_not_matter():
    found = [
        len(ReflectedRegionsFinder().run(CIRCLE, POINTING, mask_of([NEIGHBOUR], **kw))[0]) for kw in MASKS.values()
    ]
    assert set(found) == {found[0]}
    assert found[0] < len(ReflectedRegionsFinder().run(CIRCLE, POINTING)[0])


def test_the_mask_may_live_on_any_device(backend):
    mask = mask_of([CIRCLE, NEIGHBOUR])
    assert mask.device == backend.device
    regions, _ = ReflectedRegionsFinder().run(CIRCLE, POINTING, mask)
    # Gammapy 2.1, same region and mask
    expected = [(83.2954688978, 21.84975523), (82.9784907545, 21.8818356401), (82.7233445498, 22.0595445761)]
    expected += [(82.6017007073, 22.3331909242), (82.6485155094, 22.6259304771), (83.2519174965, 22.9552440442)]
    expected += [(83.5530242159, 22.8521181885), (83.7537050961, 22.6212267527), (83.7975980807, 22.3281011582)]
    assert_allclose(positions(regions), expected, rtol=1e-10)


def test_a_union_of_circles_contains_what_its_circles_contain():
    regions, wcs = ReflectedRegionsFinder().run(CIRCLE, POINTING)
    geom = RegionGeom.from_regions(regions, wcs=wcs)
    rng = np.random.default_rng(1)
    positions = SkyCoord(rng.uniform(82, 84.5, 3000), rng.uniform(21.5, 23.5, 3000), unit="deg")
    single = [RegionGeom.create(region, wcs=wcs).contains(positions) for region in regions]
    assert_allclose(geom.contains(positions), np.any(single, axis=0))
    assert np.sum(single) > 100


def test_a_mask_that_covers_all_leaves_no_region():
    geom = WcsGeom.create(skydir=SOURCE, width=10, binsz=0.1)
    mask = geom.region_mask([CircleSkyRegion(SOURCE, 20 * u.deg)], inside=False)
    assert not mask.data.any()
    assert ReflectedRegionsFinder().run(CIRCLE, POINTING, mask)[0] == []
    assert WobbleRegionsFinder(3).run(CIRCLE, POINTING, mask)[0] == []


@pytest.mark.parametrize("radius", [0.5587, 0.7, 1.5])
def test_a_region_that_reaches_the_pointing_has_no_reflected_regions_and_says_so(radius, caplog):
    region = CircleSkyRegion(SOURCE, radius * u.deg)
    assert ReflectedRegionsFinder().run(region, POINTING)[0] == []
    assert "no room" in caplog.text
    assert WobbleRegionsFinder(1).run(region, POINTING)[0] == []
    assert "overlap" in caplog.text


def test_options_of_the_reflected_finder():
    def angles(**kwargs):
        regions, _ = ReflectedRegionsFinder(**kwargs).run(CIRCLE, POINTING)
        return np.array([POINTING.position_angle(region.center).rad for region in regions])

    def step(x):
        return np.min(np.abs(np.angle(np.exp(1j * np.diff(x)))))

    plain = angles()
    spread = angles(min_distance="0.3 rad")
    assert step(spread) > step(plain) + 0.29
    source = POINTING.position_angle(SOURCE).rad
    far = np.abs(np.angle(np.exp(1j * (angles(min_distance_input="1 rad") - source))))
    assert far.min() > 1
    assert_allclose(angles(max_region_number=2), plain[:2])
    assert len(angles(binsz="0.05 deg")) in range(len(plain) - 1, len(plain) + 2)


def test_a_small_step_finds_room_that_a_large_one_misses():
    mask = mask_of([NEIGHBOUR])
    numbers = [
        len(ReflectedRegionsFinder(angle_increment=step).run(CIRCLE, POINTING, mask)[0])
        for step in ("0.01 rad", "3 rad")
    ]
    assert numbers[0] > numbers[1]


def test_bad_settings_of_the_reflected_finder():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    with pytest.raises(ValueError, match="more than one bin"):
        ReflectedRegionsFinder().run(CIRCLE, POINTING, mask_of([CIRCLE], axes=[axis]))
    with pytest.raises(ValueError, match="map of bool"):
        ReflectedRegionsFinder().run(CIRCLE, POINTING, mask_of([CIRCLE]) * 1.0)
    with pytest.raises(ValueError, match="angle_increment"):
        ReflectedRegionsFinder(angle_increment="0 deg")
    with pytest.raises(TypeError, match="WobbleRegionsFinder"):
        ReflectedRegionsFinder().run(PointSkyRegion(SOURCE), POINTING)
    with pytest.raises(ValueError, match="smaller binsz"):
        ReflectedRegionsFinder(binsz="0.5 deg").run(CircleSkyRegion(SOURCE, 0.01 * u.deg), POINTING)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_wobble_regions_are_at_equal_angles(number):
    regions, _ = WobbleRegionsFinder(number).run(CIRCLE, POINTING)
    angles = [POINTING.position_angle(center).rad for center in [SOURCE, *(region.center for region in regions)]]
    steps = np.exp(1j * np.diff([*angles, angles[0]]))
    assert_allclose(steps, np.exp(2j * np.pi / (number + 1)), rtol=1e-9)


def test_wobble_regions_in_the_mask_are_left_out():
    every, _ = WobbleRegionsFinder(3).run(CIRCLE, POINTING)
    mask = mask_of([CircleSkyRegion(every[1].center, 0.05 * u.deg)])
    left, _ = WobbleRegionsFinder(3).run(CIRCLE, POINTING, mask)
    assert_allclose(positions(left), positions([every[0], every[2]]))
    points, _ = WobbleRegionsFinder(3).run(PointSkyRegion(SOURCE), POINTING, mask)
    assert_allclose(positions(points), positions([every[0], every[2]]))


def test_wobble_regions_that_overlap_are_none(caplog):
    assert WobbleRegionsFinder(12).run(CIRCLE, POINTING)[0] == []
    assert "overlap" in caplog.text
    with pytest.raises(ValueError, match="n_off_regions"):
        WobbleRegionsFinder(0)


def test_a_finder_prints_its_settings():
    assert "n_off_regions" in str(WobbleRegionsFinder(3))
    assert "0.01 deg" in str(ReflectedRegionsFinder())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_full_turn_gives_the_region_back(shape):
    region = SHAPES[shape]
    (found,) = rotated_region(region, POINTING, Angle("0.01 deg")).at([2 * np.pi])
    pairs = (
        [(region, found)] if shape != "union" else [(region.region1, found.region1), (region.region2, found.region2)]
    )
    for before, after in pairs:
        for name in before._params:
            one, other = getattr(before, name), getattr(after, name)
            if isinstance(one, SkyCoord):
                assert np.max(one.separation(other).arcsec) < 1e-6
            else:
                assert_allclose(other.to_value("deg") % 360, one.to_value("deg"), rtol=1e-8)


@pytest.mark.parametrize("finder", [ReflectedRegionsFinder(), WobbleRegionsFinder(3)])
def test_a_region_on_the_other_side_of_the_sky_has_no_off_regions(finder, caplog):
    far = CircleSkyRegion(SkyCoord(263, -22, unit="deg"), 0.1 * u.deg)
    assert finder.run(far, POINTING) == ([], None)
    assert "deg from the pointing, outside any field of view" in caplog.text
