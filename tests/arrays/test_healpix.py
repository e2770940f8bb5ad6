"""The HEALPix grid, against astropy-healpix, and against the definition of the grid where that has none."""

import astropy.units as u
import numpy as np
import pytest
from astropy_healpix import HEALPix
from astropy_healpix import healpy as compatible
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.kernels.healpix import (
    lonlat_to_pix,
    nest_to_ring,
    pix_to_face,
    pix_to_lonlat,
    pix_vertices,
    ring_to_nest,
    subpixel_centers,
)
from lightpool.arrays.kernels.healpix_discs import pixel_radius, pixels_in_disc, pixels_touching_disc
from lightpool.arrays.kernels.healpix_neighbours import interpolation_pixels, neighbours

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCHEMES = [(1, True), (2, False), (4, True), (64, False), (64, True), (2**20, True), (2**29, True), (2**29, False)]
ANY_NSIDE = [1, 2, 3, 5, 6, 7, 8, 100, 1023]
LARGEST = 2**29  # as many pixels as 64 bits can number


def some_pixels(nside):
    n_pix = 12 * nside**2
    if n_pix < 4000:
        return np.arange(n_pix)
    ends = np.arange(100)
    n_cap = 2 * nside * (nside - 1)
    borders = [n_cap + ends - 50, n_pix - n_cap + ends - 50]
    return np.concatenate([ends, n_pix - 1 - ends, *borders, np.random.default_rng(1).integers(0, n_pix, 1000)])


def some_positions(n=1000):
    """On all the sky, at the poles, at the seams between faces and at the borders of the caps."""
    rng = np.random.default_rng(2)
    lon, lat = rng.uniform(0, 2 * np.pi, n), np.arcsin(rng.uniform(-1, 1, n))
    special = np.deg2rad([90.0, -90.0, 89.999, -89.999, 0.0, 41.81, -41.81])
    seams = np.repeat(np.deg2rad([0.0, 45.0, 90.0, 180.0, 270.0]) + 1e-7, special.size)
    return np.concatenate([lon, seams]), np.concatenate([lat, np.tile(special, 5)])


def separation(lon1, lat1, lon2, lat2):
    a = np.sin((lat1 - lat2) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon1 - lon2) / 2) ** 2
    return 2 * np.arcsin(np.sqrt(np.minimum(a, 1)))


@pytest.mark.parametrize(("nside", "nest"), SCHEMES)
def test_pixels_have_the_centres_and_neighbours_that_astropy_healpix_gives_them(nside, nest, backend, read):
    grid, pix = HEALPix(nside, order="nested" if nest else "ring"), some_pixels(nside)
    lon, lat = read(pix_to_lonlat(backend.array(pix), nside, nest=nest))
    expected = grid.healpix_to_lonlat(pix)
    assert separation(lon, lat, *(_.rad for _ in expected)).max() < 1e-13
    assert (lon >= 0).all()
    assert (lon < 2 * np.pi).all()
    assert_array_equal(read(neighbours(backend.array(pix), nside, nest=nest)), grid.neighbours(pix))


@pytest.mark.parametrize(("nside", "nest"), SCHEMES)
def test_positions_are_in_the_pixels_that_astropy_healpix_finds(nside, nest, backend, read):
    lon, lat = some_positions()
    found = read(lonlat_to_pix(backend.array(lon), backend.array(lat), nside, nest=nest))
    expected = HEALPix(nside, order="nested" if nest else "ring").lonlat_to_healpix(lon * u.rad, lat * u.rad)
    # the smallest pixels are as wide as the rounding of some positions
    assert (found != expected).sum() <= (20 if nside == LARGEST else 0)


def test_numbers_of_both_schemes_are_those_of_astropy_healpix(backend, read):
    for nside in (1, 2, 64, 2**20, LARGEST):
        pix = some_pixels(nside)
        assert_array_equal(read(nest_to_ring(backend.array(pix), nside)), compatible.nest2ring(nside, pix))
        assert_array_equal(read(ring_to_nest(backend.array(pix), nside)), compatible.ring2nest(nside, pix))


@pytest.mark.parametrize(("nside", "nest"), SCHEMES[:6])
def test_interpolation_has_the_pixels_and_weights_of_astropy_healpix(nside, nest, backend, read):
    lon, lat = some_positions()
    pix, weights = read(interpolation_pixels(backend.array(lon), backend.array(lat), nside, nest=nest))
    grid = HEALPix(nside, order="nested" if nest else "ring")
    expected, expected_weights = grid.bilinear_interpolation_weights(lon * u.rad, lat * u.rad)
    assert_allclose(weights.sum(axis=0), 1, rtol=1e-14)
    order, expected_order = np.lexsort((weights, pix), axis=0), np.lexsort((expected_weights, expected), axis=0)
    have_weight = np.take_along_axis(expected_weights, expected_order, 0) > 1e-7
    got, wanted = np.take_along_axis(pix, order, 0), np.take_along_axis(expected, expected_order, 0)
    # where a position is on a ring, either of its neighbours may be the one without weight
    regular = have_weight.all(axis=0)
    assert regular.sum() > 900
    assert_array_equal(got[:, regular], wanted[:, regular])
    values = np.sin(np.arange(997.0))
    result = (values[pix % 997] * weights).sum(axis=0)
    reference = (values[expected % 997] * expected_weights).sum(axis=0)
    assert_allclose(result[:1000], reference[:1000], atol=1e-14 * nside + 1e-13)


@FEW
@given(st.integers(1, 5000), st.integers(0, 2**62))
def test_any_pixel_of_any_nside_contains_its_centre_and_its_parts(backend, read, nside, number):
    pix = backend.array([number % (12 * nside**2)])
    lon, lat = pix_to_lonlat(pix, nside, nest=False)
    assert_array_equal(read(lonlat_to_pix(lon, lat, nside, nest=False)), read(pix))
    parts = subpixel_centers(pix, nside, 3, nest=False)
    assert_array_equal(read(lonlat_to_pix(*parts, nside, nest=False)), np.broadcast_to(read(pix), (1, 9)))


@FEW
@given(st.integers(0, 29), st.integers(0, 2**62))
def test_numbers_of_pixels_survive_the_way_to_the_other_scheme_and_back(backend, read, order, number):
    nside = 2**order
    pix = backend.array([number % (12 * nside**2)])
    assert_array_equal(read(ring_to_nest(nest_to_ring(pix, nside), nside)), read(pix))
    assert_array_equal(read(nest_to_ring(ring_to_nest(pix, nside), nside)), read(pix))


@pytest.mark.parametrize("nside", ANY_NSIDE)
def test_pixels_of_the_ring_scheme_lie_where_the_paper_says(nside):
    pix = some_pixels(nside)
    lon, lat = pix_to_lonlat(pix, nside, nest=False)
    for number, found_lon, found_lat in zip(pix[::7].tolist(), lon[::7], lat[::7], strict=True):
        mirrored = min(number, 12 * nside**2 - 1 - number)  # the south is the north, rotated
        if mirrored < 2 * nside * (nside - 1):  # Gorski et al. 2005, eqs. 2 to 5
            i = int(np.floor(0.5 + np.sqrt(0.25 + mirrored / 2)))
            z, phi = 1 - i**2 / (3 * nside**2), np.pi / (2 * i) * (mirrored + 1 - 2 * i * (i - 1) - 0.5)
        else:  # eqs. 6 to 9
            i, j = divmod(mirrored - 2 * nside * (nside - 1), 4 * nside)
            z, phi = 4 / 3 - 2 * (i + nside) / (3 * nside), np.pi / (2 * nside) * (j + (0.5 if i % 2 == 0 else 0.0))
        if mirrored != number:
            z = -z
            # a ring that begins at longitude zero ends one pixel before a full turn
            begins_at_zero = mirrored >= 2 * nside * (nside - 1) and i % 2 == 1
            phi = 2 * np.pi - phi - (np.pi / (2 * nside) if begins_at_zero else 0.0)
        assert found_lat == pytest.approx(np.arcsin(z), abs=1e-7 if abs(z) > 0.999 else 1e-13)
        assert found_lon == pytest.approx(phi, abs=1e-12)


@pytest.mark.parametrize("nside", ANY_NSIDE)
def test_neighbours_are_mutual_and_near(nside):
    nest = nside & (nside - 1) == 0
    pix = some_pixels(nside)
    around = neighbours(pix, nside, nest=nest)
    lon, lat = pix_to_lonlat(pix, nside, nest=nest)
    for n in around:
        there = n >= 0
        back = neighbours(n[there], nside, nest=nest)
        assert (back == pix[there]).any(axis=0).all()
        away = separation(lon[there], lat[there], *pix_to_lonlat(n[there], nside, nest=nest))
        assert away.max() <= 2 * pixel_radius(nside) + 1e-12
    _, x, y = pix_to_face(pix, nside, nest=nest)
    if nside > 1:  # three faces meet in the middle of the rings between the caps, at eight points
        missing = (around < 0).sum(axis=0)
        assert missing.max() <= 1
        at_corner = np.isin(x, (0, nside - 1)) & np.isin(y, (0, nside - 1))
        assert not missing[~at_corner].any()


@pytest.mark.parametrize("nside", [1, 3, 16, 37])
def test_corners_of_a_pixel_enclose_one_part_of_the_sky(nside):
    pix = np.arange(12 * nside**2)
    lon, lat = pix_vertices(pix, nside, nest=False)
    away = separation(*pix_to_lonlat(pix, nside, nest=False), lon, lat)
    assert away.max() == pytest.approx(pixel_radius(nside), rel=1e-9)
    assert (lat[0] >= lat[1] - 1e-12).all()
    assert (lat[0] >= lat[3] - 1e-12).all()
    assert (lat[2] <= lat[1] + 1e-12).all()


def test_position_that_is_no_number_is_in_no_pixel(backend, read):
    lon, lat = backend.array([np.nan, 1.0, np.inf, 1.0]), backend.array([0.0, np.nan, 0.0, 0.5])
    found = read(lonlat_to_pix(lon, lat, 8, nest=True))
    assert_array_equal(found[:3], -1)
    assert found[3] >= 0


def test_each_pixel_may_belong_to_a_grid_of_its_own(backend, read):
    nside, pix = backend.array([1, 4, 64]), backend.array([3, 77, 4000])
    lon, lat = read(pix_to_lonlat(pix, nside, nest=True))
    for i, (n, p) in enumerate(((1, 3), (4, 77), (64, 4000))):
        expected = HEALPix(n, order="nested").healpix_to_lonlat(p)
        assert lon[i] == pytest.approx(expected[0].rad, abs=1e-14)
        assert lat[i] == pytest.approx(expected[1].rad, abs=1e-14)
    assert_array_equal(read(lonlat_to_pix(backend.array(lon), backend.array(lat), nside, nest=True)), [3, 77, 4000])


@pytest.mark.parametrize("nside", [1, 2, 5, 32])
def test_disc_has_the_pixels_whose_centres_are_near_enough(nside):
    nest = nside & (nside - 1) == 0
    pix = np.arange(12 * nside**2)
    centres = pix_to_lonlat(pix, nside, nest=nest)
    rng = np.random.default_rng(nside)
    lats = [np.pi / 2, -np.pi / 2, 1.57, 0.0, *np.arcsin(rng.uniform(-1, 1, 20))]
    for lat in lats:
        lon, radius = rng.uniform(-1, 7), 10 ** rng.uniform(-2, 0.5)
        away = separation(*centres, lon, lat)
        assert_array_equal(pixels_in_disc(lon, lat, radius, nside, nest=nest), pix[away <= radius])
        touching = pixels_touching_disc(lon, lat, radius, nside, nest=nest, factor=4)
        assert set(pix[away <= radius]) <= set(touching)
        assert lonlat_to_pix(np.array([lon]), np.array([lat]), nside, nest=nest)[0] in touching
        assert away[touching].max() <= radius + pixel_radius(nside)
    assert_array_equal(pixels_in_disc(0.0, 0.0, np.pi, nside, nest=nest), pix)
    assert pixels_in_disc(0.0, 0.0, -1.0, nside, nest=nest).size == 0
