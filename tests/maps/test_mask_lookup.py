"""Masks at the pixel centres of other images: the bits of wcslib, asked only where its rounding decides."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.maps import Map, MapAxis, WcsGeom
from lightpool.maps.geoms import mask_lookup
from lightpool.maps.geoms.mask_lookup import MaskLookup
from lightpool.maps.wcs_header import wcslib_to_sky

CRAB = (83.63, 22.01)
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
PROJECTIONS = ["CAR", "TAN", "SIN", "ARC", "ZEA", "STG", "AIT", "MOL", "SFL", "MER"]


def by_wcslib(mask, geom, fill_value=False):
    """The slow twin: every pixel centre goes through wcslib to the sky and back, whose rounding is taken as it is."""
    pix = mask.geom.coord_to_pix(geom.get_coord(sparse=True))
    index = tuple(np.where(np.isfinite(_), np.floor(_ + 0.5), -1).astype(int) for _ in pix)
    return to_host(mask.get_by_pix(index, fill_value=fill_value))


def check(mask, geom):
    for fill_value in (False, True):
        found = to_host(mask.interp_to_geom(geom, fill_value=fill_value).data)
        assert_array_equal(found, by_wcslib(mask, geom, fill_value))


def chessboard(geom):
    """Mask whose value changes from each pixel to the next: no rounding is forgiven."""
    return Map.from_geom(geom, data=np.indices(geom.data_shape).sum(axis=0) % 2 == 0)


def lookup(geom, mask):
    return MaskLookup.between(geom.to_image().window, mask.geom.to_image().window)


@settings(max_examples=50, deadline=None)
@given(
    proj=st.sampled_from(PROJECTIONS),
    frame=st.sampled_from(["icrs", "galactic"]),
    skydir=st.sampled_from([CRAB, (0.0, 0.0), (359.99, -0.005), (120.0, 89.99), (10.0, -90.0), (180.0, -45.0)]),
    binsz=st.sampled_from([(0.02, 0.05), (0.05, 0.02), (0.1, 0.1), (0.02, 0.06), (1e-5, 4e-5), (0.3, 0.7), (3.0, 5.0)]),
    npix=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(1, 20)),
    shift=st.sampled_from([(0, 0), (-3, 2), (1.5, 0.25), (0.1, 40), (1 / 3, 1e-7)]),
    nudge=st.sampled_from([0.0, 1e-14, -7e-14, 1e-12, 1e-9]),
)
def test_masks_of_one_plane_are_those_of_wcslib(proj, frame, skydir, binsz, npix, shift, nudge):
    options = {"proj": proj, "frame": frame, "skydir": skydir}
    geom = WcsGeom.create(npix=npix[:2], binsz=binsz[0], **options)
    other = WcsGeom.create(npix=npix[2:], binsz=binsz[1], **options)
    wcs = other.wcs.deepcopy()
    wcs.wcs.crpix += shift
    wcs.wcs.crval += np.array([nudge, -nudge * np.sign(wcs.wcs.crval[1])])  # deg
    check(chessboard(WcsGeom(wcs, npix[2:])), geom)


@pytest.mark.parametrize("proj", PROJECTIONS[:-1])
def test_images_around_one_position_share_a_plane(proj):
    geom = WcsGeom.create(npix=(50, 40), binsz=0.02, skydir=CRAB, proj=proj)
    mask = chessboard(WcsGeom.create(npix=(20, 16), binsz=0.05, skydir=CRAB, proj=proj, axes=[ENERGY]))
    assert lookup(geom, mask) is not None
    check(mask, geom.to_cube([ENERGY]))


def test_a_cutout_that_reaches_over_the_border_has_the_fill_value_there(backend):
    mask = chessboard(WcsGeom.create(npix=(20, 16), binsz=0.05, skydir=CRAB, axes=[ENERGY]))
    geom = WcsGeom.create(npix=(50, 40), binsz=0.02, skydir=CRAB, axes=[ENERGY])
    for lon, lat in ((83.63, 22.01), (83.9, 22.3), (83.2, 21.7)):
        check(mask, geom.cutout(SkyCoord(lon, lat, unit="deg"), "0.8 deg", mode="partial"))
    away = WcsGeom.from_aligned(geom, SkyCoord(86, 22, unit="deg"), "0.2 deg")
    assert to_host(mask.interp_to_geom(away).data).sum() == 0


def test_the_pixels_of_responses_share_the_plane_of_the_map():
    geom = WcsGeom.create(npix=(50, 40), binsz=0.02, skydir=CRAB)
    coarse = geom.to_image().to_binsz(0.2)
    assert lookup(coarse, chessboard(geom)) is not None  # also where its position is rounded
    check(chessboard(geom), coarse)
    check(chessboard(coarse), geom)


def rotated(geom, angle):
    wcs = geom.wcs.deepcopy()
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    wcs.wcs.pc = [[cos, -sin], [sin, cos]]
    return WcsGeom(wcs, geom.data_shape[::-1])


def test_what_is_turned_shifted_on_the_sky_or_far_out_is_left_to_wcslib():
    geom = WcsGeom.create(npix=(30, 20), binsz=0.02, skydir=CRAB, proj="TAN")
    mask = chessboard(WcsGeom.create(npix=(12, 8), binsz=0.05, skydir=CRAB, proj="TAN"))
    assert lookup(geom, mask) is not None
    others = [
        rotated(geom, 30),
        rotated(geom, 90),
        WcsGeom.create(npix=(30, 20), binsz=0.02, skydir=(83.6, 22), proj="TAN"),
        WcsGeom.create(npix=(30, 20), binsz=0.02, skydir=(184.56, -5.78), proj="TAN", frame="galactic"),
        WcsGeom.create(npix=(30, 20), binsz=0.02, skydir=CRAB, proj="SIN"),
        WcsGeom.create(npix=(30, 20), binsz=5, skydir=CRAB, proj="TAN"),
    ]
    for other in others:
        assert lookup(other, mask) is None
        check(mask, other)
        check(chessboard(other), geom)


def test_off_the_sky_a_mask_has_the_fill_value():
    mask = chessboard(WcsGeom.create(npix=(9, 5), binsz=40, proj="AIT"))
    check(mask, WcsGeom.create(npix=(40, 22), binsz=9, proj="AIT"))
    check(mask, WcsGeom.create(npix=(36, 18), binsz=10))


def test_wcslib_is_asked_only_where_rounding_changes_a_value(monkeypatch):
    geom = WcsGeom.create(npix=(250, 250), binsz=0.02, skydir=CRAB)
    image = WcsGeom.create(npix=(100, 100), binsz=0.05, skydir=CRAB)
    centre = SkyCoord(*CRAB, unit="deg")
    mask = Map.from_geom(image, data=image.separation(centre) > 0.2 * u.deg)
    expected = by_wcslib(mask, geom)
    n_asked = []

    def counted(numbers, x, y):
        n_asked.append(np.size(x))
        return wcslib_to_sky(numbers, x, y)

    monkeypatch.setattr(mask_lookup, "wcslib_to_sky", counted)
    assert_array_equal(mask.interp_to_geom(geom.copy()).data, expected)
    assert 0 < sum(n_asked) < 100
