import dataclasses
import itertools
import warnings

import numpy as np
import pytest
from astropy.wcs import WCS, FITSFixedWarning
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import (
    PROJECTION_CODES,
    Projection,
    angular_separation,
    lonlat,
    pixel_directions,
    pixel_to_sky,
    sky_to_pixel,
)

CRPIX = (10.5, 3.0)
STRAIGHT, ROTATED = ((-1.0, 0.0), (0.0, 1.0)), ((-0.7, 0.3), (0.4, 0.8))
# crval, lonpole, latpole; None leaves a keyword out.
REFERENCES = {
    "crab": ((83.63, 22.01), None, None),
    "origin": ((0.0, 0.0), None, None),
    "across 360 deg": ((359.99, -45.0), None, None),
    "galactic centre": ((266.4, -28.9), None, None),
    "on the equator, as Gammapy makes CAR": ((120.0, 0.0), None, None),
    "north pole": ((10.0, 90.0), None, None),
    "south pole": ((10.0, -90.0), None, None),
    "negative longitude": ((-20.0, 10.0), 45.0, 20.0),
    "lonpole 40": ((50.0, 30.0), 40.0, None),
    "latpole south": ((50.0, -30.0), 200.0, -90.0),
    "lonpole 0": ((50.0, 30.0), 0.0, None),
    "turned about": ((20.0, 0.0), 180.0, None),
    "upside down": ((20.0, 0.0), 0.0, -90.0),
    "pole chosen by latpole": ((20.0, 0.0), 90.0, -30.0),
}


def wcslib(code, crval, lonpole=None, latpole=None, cd=STRAIGHT, crpix=CRPIX):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{code}", f"DEC--{code}"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cd = crval, crpix, cd
    if lonpole is not None:
        wcs.wcs.lonpole = lonpole
    if latpole is not None:
        wcs.wcs.latpole = latpole
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs.wcs.set()
    return wcs


def pair(code, reference, cd=STRAIGHT):
    crval, lonpole, latpole = REFERENCES[reference]
    return wcslib(code, crval, lonpole, latpole, cd), Projection(code, CRPIX, crval, cd, lonpole, latpole)


def sky_positions(crval, n=400):
    rng = np.random.default_rng(8)
    lon, lat = rng.uniform(0, 360, n), np.rad2deg(np.arcsin(rng.uniform(-1, 1, n)))
    near = slice(0, 50)
    lon[near] = crval[0] + rng.normal(0, 1e-3, 50)
    lat[near] = np.clip(crval[1] + rng.normal(0, 1e-3, 50), -90, 90)
    return lon, lat


def off_deg(sky, expected_deg):
    return np.rad2deg(np.asarray(angular_separation(*sky, *np.deg2rad(expected_deg))))


@pytest.mark.parametrize("code", PROJECTION_CODES)
def test_pixels_look_where_wcslib_says(backend, read, code):
    rng = np.random.default_rng(9)
    x, y = rng.uniform(-250, 250, (2, 400))
    x[:50], y[:50] = CRPIX[0] - 1 + rng.normal(0, 1e-3, 50), CRPIX[1] - 1 + rng.normal(0, 1e-3, 50)
    for reference, cd in itertools.product(REFERENCES, (STRAIGHT, ROTATED)):
        wcs, projection = pair(code, reference, cd)
        expected = wcs.wcs_pix2world(x, y, 0)
        sky = read(pixel_to_sky(projection, backend.array(x), backend.array(y)))
        assert_array_equal(np.isnan(sky[0]), np.isnan(expected[0]))
        assert_array_equal(np.isnan(sky[0]), np.isnan(sky[1]))
        seen = ~np.isnan(sky[0])
        assert seen.sum() > 50
        assert_allclose(off_deg(sky, expected)[seen], 0, atol=1e-9, err_msg=reference)
        assert np.all((sky[0][seen] >= 0) & (sky[0][seen] <= 2 * np.pi))


@pytest.mark.parametrize("code", PROJECTION_CODES)
def test_directions_fall_on_the_pixels_of_wcslib(backend, read, code):
    for reference, cd in itertools.product(REFERENCES, (STRAIGHT, ROTATED)):
        wcs, projection = pair(code, reference, cd)
        lon, lat = sky_positions(projection.crval)
        expected = np.array(wcs.wcs_world2pix(lon, lat, 0))
        pixels = np.array(read(sky_to_pixel(projection, *(backend.array(np.deg2rad(v)) for v in (lon, lat)))))
        assert_array_equal(np.isnan(pixels), np.isnan(expected), err_msg=reference)
        # A pixel is 1 deg at the centre; towards the horizon of TAN and STG it becomes ever smaller on the sky.
        scale = 1 + (np.hypot(*(expected - 10)) / 60) ** 2
        assert_allclose(pixels / scale, expected / scale, rtol=0, atol=1e-9, err_msg=reference)


@pytest.mark.parametrize("code", PROJECTION_CODES)
def test_reference_pixel_and_native_pole_are_those_of_wcslib(backend, read, code):
    for reference in REFERENCES:
        wcs, projection = pair(code, reference)
        assert_allclose(projection.lonpole, wcs.wcs.lonpole, atol=1e-9, err_msg=reference)
        assert_allclose(projection.pole[1], wcs.wcs.latpole, atol=1e-9, err_msg=reference)
        sky = read(pixel_to_sky(projection, *(backend.array([c - 1]) for c in CRPIX)))
        assert_allclose(off_deg(sky, np.array([projection.crval]).T), 0, atol=1e-9, err_msg=reference)


@pytest.mark.parametrize("crval", [(83.63, 22.01), (10.0, 90.0), (10.0, -90.0), (0.0, -45.0)])
@pytest.mark.parametrize("code", PROJECTION_CODES)
def test_poles_of_the_sky_are_where_wcslib_puts_them(backend, read, code, crval):
    projection = Projection(code, CRPIX, crval, STRAIGHT)
    lon, lat = np.array([0.0, 0.0]), np.array([90.0, -90.0])
    expected = wcslib(code, crval).wcs_world2pix(lon, lat, 0)
    pixels = sky_to_pixel(projection, backend.array(np.deg2rad(lon)), backend.array(np.deg2rad(lat)))
    sky = read(pixel_to_sky(projection, *pixels))
    seen = ~np.isnan(expected[0])
    assert_array_equal(~np.isnan(sky[1]), seen)
    assert_allclose(sky[1][seen], np.deg2rad(lat)[seen], rtol=0, atol=2e-11)


@pytest.mark.parametrize("code", PROJECTION_CODES)
def test_sky_leads_through_a_pixel_back_to_itself(backend, read, code):
    projection = Projection(code, CRPIX, (83.63, 22.01), ROTATED)
    lon, lat = (np.deg2rad(v) for v in sky_positions(projection.crval))
    pixels = sky_to_pixel(projection, backend.array(lon), backend.array(lat))
    sky = read(pixel_to_sky(projection, *pixels))
    seen = ~np.isnan(read(pixels[0]))
    assert_allclose(off_deg(sky, np.rad2deg([lon, lat]))[seen], 0, atol=1e-9)


@pytest.mark.parametrize("code", PROJECTION_CODES)
def test_directions_of_an_image_are_those_of_its_pixels(backend, read, code):
    for cd in (STRAIGHT, ROTATED):
        for crval in ((83.63, 0.0), (83.63, 22.01)):
            projection = Projection(code, (4.0, 2.5), crval, (np.array(cd) * 20).tolist())
            vectors = pixel_directions(projection, (5, 7), backend.device)
            assert vectors.shape == (3, 5, 7)
            y, x = np.mgrid[:5.0, :7.0]
            lon, lat = read(pixel_to_sky(projection, backend.array(x), backend.array(y)))
            sky = read(lonlat(vectors))
            assert_array_equal(np.isnan(sky[0]), np.isnan(lon))
            assert_allclose(off_deg(sky, np.rad2deg([lon, lat]))[~np.isnan(lon)], 0, atol=1e-12)


def test_row_and_column_of_pixels_make_a_grid(backend, read):
    for code in ("CAR", "TAN", "SFL"):
        projection = Projection(code, CRPIX, (83.63, 0.0), cdelt=(-0.02, 0.02))
        lon, lat = read(pixel_to_sky(projection, backend.array([[0.0, 1.0, 2.0]]), backend.array([[0.0], [1.0]])))
        assert lon.shape == lat.shape == (2, 3)


def test_map_across_the_wrap_has_no_seam(backend, read):
    projection = Projection("CAR", (50.5, 1.0), (0.0, 0.0), cdelt=(-0.1, 0.1))
    lon = np.deg2rad([4.9, 0.1, 0.0, 360.0, 359.9, -0.1, 355.1, 720.0 + 0.1])
    x, _ = read(sky_to_pixel(projection, backend.array(lon), backend.array(np.zeros(8))))
    assert_allclose(x, [0.5, 48.5, 49.5, 49.5, 50.5, 50.5, 98.5, 48.5], atol=1e-9)


def test_whole_sky_map_has_a_pixel_for_every_direction(backend, read):
    projection = Projection("CAR", (180.5, 90.5), (0.0, 0.0), cdelt=(-1.0, 1.0))
    lon, lat = np.meshgrid(np.arange(0.25, 360, 7.5), np.arange(-89.75, 90, 7.5))
    x, y = read(sky_to_pixel(projection, backend.array(np.deg2rad(lon)), backend.array(np.deg2rad(lat))))
    assert np.all((x > -0.5) & (x < 359.5) & (y > -0.5) & (y < 179.5))


@pytest.mark.parametrize("code", PROJECTION_CODES)
def test_direction_that_is_no_number_has_no_pixel(backend, read, code):
    projection = Projection(code, CRPIX, (83.63, 22.01), STRAIGHT)
    for values in (([np.nan], [0.1]), ([0.1], [np.nan])):
        x, y = read(sky_to_pixel(projection, *(backend.array(v) for v in values)))
        assert np.isnan(x[0]) or np.isnan(y[0])
        lon, lat = read(pixel_to_sky(projection, *(backend.array(v) for v in values)))
        assert np.isnan(lon[0]) or np.isnan(lat[0])


def test_pc_matrix_and_cdelt_make_the_cd_matrix():
    pc = ((0.8, -0.6), (0.6, 0.8))
    projection = Projection("TAN", CRPIX, (0.0, 0.0), cdelt=(-0.02, 0.04), pc=pc)
    assert_allclose(projection.cd, [[-0.016, 0.012], [0.024, 0.032]])
    assert projection == Projection("TAN", CRPIX, (0.0, 0.0), projection.cd)
    assert hash(projection) == hash(Projection("TAN", CRPIX, (0.0, 0.0), projection.cd))


def test_cutout_moves_the_reference_pixel_only():
    projection = Projection("CAR", CRPIX, (83.63, 22.01), cdelt=(-0.02, 0.02))
    cutout = dataclasses.replace(projection, crpix=(0.5, 1.0))
    assert cutout.crpix == (0.5, 1.0)
    assert cutout.cd == projection.cd
    assert cutout.pole == projection.pole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"code": "HPX", "cdelt": (1, 1)}, "projection code is 'HPX', expected one of CAR, TAN"),
        ({"code": "TAN"}, "either cd or cdelt"),
        ({"code": "TAN", "cdelt": (1, 1), "cd": STRAIGHT}, "either cd or cdelt"),
        ({"code": "TAN", "cdelt": (0, 1)}, "expected one with an inverse"),
    ],
)
def test_header_numbers_that_make_no_projection_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Projection(crpix=CRPIX, crval=(0.0, 0.0), **arguments)


@pytest.mark.parametrize(("crval", "lonpole"), [((0.0, 60.0), 80.0), ((50.0, 30.0), 140.0)])
def test_pole_that_cannot_be_is_refused(crval, lonpole):
    projection = Projection("CAR", CRPIX, crval, STRAIGHT, lonpole=lonpole)
    with pytest.raises(ValueError, match="contradict each other"):
        _ = projection.pole
