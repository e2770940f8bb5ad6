"""Unions of circles as arrays: where they lie on pixels, and the region objects that are made of them on demand."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import FK5, SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, PolygonSkyRegion, RegionMeta

from lightpool.maps import MapAxis, RegionGeom, WcsGeom
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions import region_shapes
from lightpool.maps.regions.circles import Circles
from lightpool.maps.regions.region_shapes import are_drawn_well
from lightpool.maps.regions.shape_unions import drawn_once
from lightpool.maps.regions.sky_regions import compound_region_to_regions, regions_to_pixel
from lightpool.maps.wcs_header import create_wcs, frame_of_wcs

CRAB = SkyCoord(83.63, 22.01, unit="deg")
LIKE = CircleSkyRegion(CRAB, 0.2 * u.deg, meta=RegionMeta({"text": "OFF"}))
X, Y = np.array([10.0, 60.5, 99.0]), np.array([20.0, 50.5, 80.0])


def plane(proj="TAN", frame="icrs", skydir=(83.63, 22.01)):
    return WcsGeom.create(skydir=skydir, width=2, binsz=0.02, proj=proj, frame=frame).wcs


def lazy_geom():
    wcs = plane()
    axes = [MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)]
    return RegionGeom.from_union(Circles.from_pixels(X, Y, 9.0, wcs, LIKE), axes, Plane(wcs))


def events(n=20_000):
    rng = np.random.default_rng(2)
    return np.deg2rad(CRAB.ra.deg + rng.uniform(-1.2, 1.2, n)), np.deg2rad(CRAB.dec.deg + rng.uniform(-1.2, 1.2, n))


def is_made(geom):
    return isinstance(vars(geom)["_region"], CircleSkyRegion | type(LIKE.union(LIKE)))


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_circles_on_pixels_come_back_from_the_sky(frame):
    wcs = plane(frame=frame, skydir=CRAB)
    circles = Circles.from_pixels(X, Y, 9.0, wcs, LIKE)
    drawn = circles.drawn(Plane(wcs))
    assert circles.frame == frame
    assert drawn.is_drawn.all()
    assert_allclose(drawn.x, X, atol=1e-9)
    assert_allclose(drawn.y, Y, atol=1e-9)
    assert_allclose(drawn.radius, 9.0, rtol=1e-9)
    # the slow way, by one region object after the other
    for number, pixel_region in enumerate(regions_to_pixel(circles.regions(), wcs)):
        assert_allclose([pixel_region.center.x, pixel_region.center.y], [X[number], Y[number]], atol=1e-9)
        assert_allclose(pixel_region.radius, 9.0, rtol=1e-9)


def test_region_objects_are_made_when_somebody_asks_and_only_once():
    geom = lazy_geom()
    other = geom.squash("energy")
    assert geom.frame == "icrs"
    assert not geom.is_all_point_sky_regions
    assert geom.contains_icrs(*events()).any()
    assert geom == geom.squash("energy").to_image().to_cube(geom.axes)
    assert not is_made(geom)
    region = geom.region
    assert is_made(geom)
    assert geom.region is region
    assert not is_made(other)
    parts = compound_region_to_regions(region)
    assert len(parts) == 3
    assert {part.meta["text"] for part in parts} == {"OFF"}
    assert parts[0].meta is not parts[1].meta
    assert_allclose(geom.center_skydir.separation(RegionGeom(region, wcs=geom.wcs).center_skydir).deg, 0, atol=1e-12)


def test_events_in_circles_are_those_in_the_region_objects():
    geom = lazy_geom()
    lon, lat = events()
    found = geom.contains_icrs(lon, lat)
    skycoord = SkyCoord(lon, lat, unit="rad")
    by_regions = np.any([RegionGeom(_, wcs=geom.wcs).contains({"skycoord": skycoord})
                         for _ in compound_region_to_regions(geom.region)], axis=0)  # fmt: skip
    assert 0 < found.sum() < found.size / 2
    assert_array_equal(found, by_regions)
    assert_array_equal(geom.contains_icrs(lon, lat), by_regions)


def test_a_region_that_somebody_changes_counts_as_changed():
    geom = lazy_geom()
    lon, lat = events()
    before = geom.contains_icrs(lon, lat).sum()
    compound_region_to_regions(geom.region)[0].radius = 0.4 * u.deg
    assert geom.contains_icrs(lon, lat).sum() > before
    single = RegionGeom(CircleSkyRegion(CRAB, 0.2 * u.deg))
    before = single.contains_icrs(lon, lat).sum()
    single.region.radius = 0.4 * u.deg
    assert single.contains_icrs(lon, lat).sum() > 2 * before


def test_copies_and_pickles_have_the_same_circles():
    geom, (lon, lat) = lazy_geom(), events()
    expected = geom.contains_icrs(lon, lat)
    for made in (pickle.loads(pickle.dumps(geom)), copy.deepcopy(geom), geom.copy()):
        assert_array_equal(made.contains_icrs(lon, lat), expected)
        assert len(compound_region_to_regions(made.region)) == 3
        assert made == geom


def test_threads_that_ask_at_once_get_one_region():
    geom, barrier = lazy_geom(), Barrier(4)

    def ask(_):
        barrier.wait()
        return geom.region

    with ThreadPoolExecutor(4) as pool:
        assert len({id(region) for region in pool.map(ask, range(4))}) == 1


def test_only_unions_of_circles_in_a_frame_that_its_name_tells_are_circles():
    other = CircleSkyRegion(SkyCoord(84.3, 22.3, unit="deg"), 0.3 * u.deg)
    assert len(Circles.of(LIKE)) == 1
    assert len(Circles.of(LIKE.union(other))) == 2
    assert Circles.of(LIKE & other) is None
    assert Circles.of(LIKE.union(CircleSkyRegion(CRAB.galactic, 1 * u.deg))) is None
    assert Circles.of(CircleSkyRegion(CRAB.transform_to(FK5(equinox="J1950")), 1 * u.deg)) is None
    triangle = PolygonSkyRegion(SkyCoord([83, 84, 84], [22, 22, 23], unit="deg"))
    assert Circles.of(LIKE.union(triangle)) is None


def test_equal_circles_are_drawn_once():
    circles, wcs = Circles.of(LIKE), plane()
    drawn = drawn_once(circles, Plane(wcs))
    assert drawn_once(Circles.of(LIKE.copy()), Plane(plane())) is drawn
    assert drawn_once(circles, Plane(plane(proj="CAR"))) is not drawn
    assert drawn_once(circles, Plane(plane(skydir=(83.0, 22.01)))) is not drawn
    assert drawn_once(Circles.of(CircleSkyRegion(CRAB, 0.3 * u.deg)), Plane(wcs)) is not drawn


@pytest.mark.parametrize("torn_only", [False, True])
def test_circles_near_the_middle_of_a_tangential_plane_pass_the_check_that_is_left_out(monkeypatch, torn_only):
    rng = np.random.default_rng(5)
    n = 300
    asked = []
    for dec in (0.0, -45.0, 84.0):
        tan = Plane(plane(skydir=(10.0, dec)))
        reach = rng.uniform(0.001, 2.4, n)
        center = SkyCoord(10.0, dec, unit="deg")
        around = center.directional_offset_by(
            rng.uniform(0, 360, n) * u.deg, rng.uniform(0, 1, n) * (4.99 - reach) * u.deg
        )
        arguments = around.ra.deg, around.dec.deg, reach, tan
        fast = region_shapes._are_near_the_middle_of_a_tan(*arguments)
        asked.append(fast)
        assert are_drawn_well(*arguments, torn_only=torn_only).all()
        with monkeypatch.context() as patch:
            patch.setattr(region_shapes, "_are_near_the_middle_of_a_tan", lambda *_: False)
            assert are_drawn_well(*arguments, torn_only=torn_only).all()
    assert all(asked)


def test_other_planes_have_no_centre_that_spares_the_check():
    assert Plane(plane()).centre_of_tan == (83.63, 22.01)
    assert Plane(plane(proj="CAR")).centre_of_tan is None
    flat = create_wcs("icrs", "TAN", (83.63, 22.01), (50, 50), (-0.02, 0.04), (100, 100))
    assert Plane(flat).centre_of_tan is None
    turned = plane()
    turned.wcs.pc = [[0.6, -0.8], [0.8, 0.6]]
    assert Plane(turned).centre_of_tan == (83.63, 22.01)


def test_the_frame_of_a_wcs_is_that_of_astropy():
    from astropy.wcs.utils import wcs_to_celestial_frame

    for frame in ("icrs", "galactic", "fk5"):
        wcs = plane(frame=frame)
        assert frame_of_wcs(wcs) == wcs_to_celestial_frame(wcs).name == frame
    old = plane()
    old.wcs.radesys = ""  # the equinox decides, and there is none
    assert frame_of_wcs(old) == wcs_to_celestial_frame(old).name
    old.wcs.equinox = 1950
    assert frame_of_wcs(old) == wcs_to_celestial_frame(old).name == "fk4"
