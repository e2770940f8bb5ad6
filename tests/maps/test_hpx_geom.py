"""Geometries with HEALPix pixels. Numbers "of Gammapy" are those of Gammapy 2.1 with healpy 1.20."""

import copy
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy_healpix import HEALPix
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.errors import GeometryError, NoOverlapError
from lightpool.maps import HpxGeom, Map, MapAxis, WcsGeom
from lightpool.maps.hpx import HpxGeom as SamePlaceAsInGammapy

AXIS = MapAxis.from_edges([0.0, 1.0, 2.0, 3.0], name="x")
OTHER = MapAxis.from_edges([0.0, 1.0, 2.0], name="y")
FEW = settings(max_examples=8, deadline=None)
DISC = "DISK(110.,75.,12.)"

GEOMS = {
    "all sky": {"nside": 4},
    "ring, no power of two": {"nside": 5, "nest": False},
    "cube": {"nside": 4, "axes": [AXIS, OTHER]},
    "disc": {"nside": 16, "region": DISC, "frame": "galactic", "axes": [AXIS]},
    "touched by a disc": {"nside": 8, "nest": False, "region": "DISK_INC(0,-89,5,8)", "axes": [AXIS]},
    "pixel": {"nside": 8, "region": "HPX_PIXEL(RING,2,3)"},
    "list": {"nside": 8, "region": (np.array([5, 3, 700]),), "axes": [AXIS]},
    "list in each plane": {
        "nside": 8,
        "region": (np.array([5, 3, 700, 9, 2]), np.array([0, 0, 1, 2, 2])),
        "axes": [AXIS],
    },
    "grid in each plane": {"nside": [1, 4, 2], "axes": [AXIS]},
    "grid in each of six planes": {"nside": [[1, 2], [4, 8], [1, 1]], "axes": [AXIS, OTHER]},
    "grid and disc in each plane": {"nside": [8, 4, 16], "region": DISC, "axes": [AXIS], "nest": False},
}
REGULAR = ["ring, no power of two", "disc", "list"]


@pytest.fixture(params=GEOMS)
def geom(request):
    return HpxGeom(**GEOMS[request.param])


def test_numbers_and_shapes_are_those_of_gammapy():
    geom = HpxGeom([1, 2, 4], axes=[AXIS])
    assert geom.data_shape == (3, 192)
    assert_array_equal(geom.npix, [12, 48, 192])
    assert_array_equal(geom.npix_max, [12, 48, 192])
    assert_array_equal(geom.order, [0, 1, 2])
    assert_allclose(geom.pixel_scales.value, [32, 16, 8])
    assert_allclose(geom.solid_angle().to_value("sr"), [1.04719755, 0.26179939, 0.06544985], rtol=1e-7)
    assert geom.ndim == 3
    assert geom.axes_names == ["skycoord", "x"]
    assert (geom.is_regular, geom.is_allsky, geom.is_hpx, geom.is_image) == (False, True, True, False)
    assert geom.to_image().nside == 4
    assert (geom.projection, geom.ordering, geom.frame) == ("HPX", "NESTED", "icrs")
    assert_array_equal(HpxGeom(8, region="HPX_PIXEL(RING,2,3)").ipix[0], np.arange(240, 256))
    assert_array_equal(HpxGeom(8, region="HPX_PIXEL(NESTED,2,3)").ipix[0], np.arange(48, 64))
    touched = [53, 55, 61, 63, 111, 118, 120, 121, 122, 123, 124, 125, 126, 127]
    assert_array_equal(HpxGeom(8, region="DISK_INC(110.,75.,10.,4)").ipix[0], touched)
    assert HpxGeom.get_index_list(16, True, DISC).size == 34
    assert SamePlaceAsInGammapy is HpxGeom


def test_geometry_is_created_from_pixel_size_and_width_as_gammapy_does():
    assert_array_equal(HpxGeom.create(binsz=[0.1, 1, 10], axes=[AXIS]).nside, [512, 64, 8])
    assert HpxGeom.create(binsz="1 deg").nside == HpxGeom.create(binsz=1 * u.deg).nside == 64
    position = SkyCoord(10, 20, unit="deg", frame="galactic")
    geom = HpxGeom.create(nside=8, width="10 deg", skydir=position)
    assert geom.region == "DISK(254.28494358415125,-9.782228772216492,5.0)"
    assert geom.center_skydir.separation(position).deg < 1e-10
    assert geom.width == 10 * u.deg
    assert HpxGeom.create(nside=8, skydir=(1, 2), width=3).region == "DISK(1.0,2.0,1.5)"
    with pytest.raises(ValueError, match="nside or binsz"):
        HpxGeom.create()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nside": 3}, "power of two"),
        ({"nside": 0}, "from 1 to"),
        ({"nside": 2.5}, "whole number"),
        ({"nside": 2**30}, "from 1 to"),
        ({"nside": [1, 2], "axes": [AXIS]}, "dimensionality"),
        ({"nside": 4, "frame": "fk5"}, "frame"),
        ({"nside": 4, "region": "CIRCLE(1,2,3)"}, "DISK"),
        ({"nside": 4, "region": "DISK(1,2)"}, "DISK"),
        ({"nside": 4, "region": (np.array([192]),)}, "does not exist"),
        ({"nside": 4, "region": (np.array([1]), np.array([1])), "axes": [AXIS, OTHER]}, "arrays"),
        ({"nside": 4, "region": 3}, "region must be"),
    ],
)
def test_what_is_no_geometry_is_refused_with_a_reason(options, message):
    with pytest.raises(GeometryError, match=message):
        HpxGeom(**options)


@FEW
@given(st.integers(1, 300))
def test_areas_of_all_pixels_sum_to_the_sky(nside):
    geom = HpxGeom(nside, nest=False, axes=[AXIS])
    image = geom.to_image()
    assert float(image.solid_angle().sum().value) * image.npix[0] == pytest.approx(4 * np.pi, rel=1e-13)
    assert float(np.sum(image.solid_angle_array("cpu"))) == pytest.approx(4 * np.pi, rel=1e-10)
    assert geom.bin_volume().sum().value == pytest.approx(12 * np.pi, rel=1e-10)


def test_pixels_contain_their_centres_and_are_found_in_the_data(geom):
    idx = geom.get_idx(flat=True)
    coords = geom.get_coord(flat=True)
    assert_array_equal(np.stack(geom.coord_to_idx(coords)), np.stack(idx))
    assert geom.contains(coords).all()
    local = geom.global_to_local(idx)
    assert_array_equal(np.stack(geom.local_to_global(local)), np.stack(idx))
    assert_array_equal(np.stack(geom.get_idx(flat=True, local=True)), np.stack(local))
    # each pixel has one place in the data
    numbers = np.ravel_multi_index(local[::-1], geom.data_shape)
    assert np.unique(numbers).size == numbers.size == int(geom.npix.sum())
    assert geom.global_to_local(idx, ravel=True).max() < geom.npix.sum()
    full = geom.get_idx()
    assert all(i.shape == geom.data_shape for i in full)
    assert (full[0] >= 0).sum() == geom.npix.sum()


def test_pixels_that_the_geometry_does_not_have_are_outside():
    geom = HpxGeom(16, frame="galactic", region=DISC, axes=[AXIS])
    coords = {"skycoord": SkyCoord([110, 0, 110, np.nan] * u.deg, [75, 0, 75, 1] * u.deg, frame="galactic")}
    coords["x"] = [0.5, 0.5, 9.0, 0.5]
    assert_array_equal(geom.contains(coords), [True, False, False, False])
    pix, x = geom.coord_to_idx(coords)
    assert_array_equal(pix[1:], [-1, pix[2], -1])
    assert_array_equal(x, [0, 0, -1, -1])
    assert geom.coord_to_idx(coords, clip=True)[1][2] == 2
    assert np.isnan(geom.pix_to_coord((np.array([-1]), np.array([0.0])))[0])
    assert_array_equal(geom.global_to_local((np.array([10**6, -1]), np.array([0, 0])))[0], [-1, -1])


def test_pixels_may_be_given_as_plain_numbers():
    geom = HpxGeom(16, frame="galactic", region=DISC)
    first, second = (int(pixel) for pixel in geom.get_idx(flat=True)[0][:2])
    assert_array_equal(geom.global_to_local(second, ravel=True), [1])
    assert_array_equal(geom.global_to_local((second, first, 0), ravel=True), [1, 0, -1])
    assert_array_equal(geom.global_to_local(np.array([first, second]))[0], [0, 1])


def test_plain_numbers_count_the_pixels_of_one_plane_after_the_other():
    planes = HpxGeom([8, 16, 4], frame="galactic", region=DISC, axes=[AXIS])
    before = np.cumsum([0, 12 * 8**2, 12 * 16**2])
    for number, start in enumerate(before):
        idx = tuple(i[:3] for i in planes.get_idx(idx=(number,), flat=True))
        expected = planes.global_to_local(idx)
        found = planes.global_to_local(start + idx[0])
        assert_array_equal(np.stack(found), np.stack(expected))
        assert_array_equal(planes.global_to_local(start + idx[0], ravel=True), planes.global_to_local(idx, ravel=True))


def test_positions_are_those_of_astropy_healpix():
    for nest, frame in ((True, "icrs"), (False, "galactic")):
        geom = HpxGeom(32, nest=nest, frame=frame, axes=[AXIS])
        grid = HEALPix(32, order="nested" if nest else "ring", frame=SkyCoord(0, 0, unit="deg", frame=frame).frame)
        positions = grid.healpix_to_skycoord(np.arange(12 * 32**2))
        assert geom.get_coord().skycoord[1].separation(positions).max() < 1e-10 * u.deg
        assert_array_equal(geom.to_image().coord_to_idx(positions)[0], np.arange(12 * 32**2))
        elsewhere = positions[::17].transform_to("galactic" if frame == "icrs" else "icrs")
        assert_array_equal(geom.to_image().coord_to_idx(elsewhere)[0], np.arange(12 * 32**2)[::17])


@pytest.mark.parametrize("name", REGULAR)
def test_directions_and_angles_are_the_same_on_every_device(name, device):
    geom = HpxGeom(**GEOMS[name])
    image = geom.to_image()
    position = image.get_coord().skycoord
    vectors = to_host(geom.directions())
    assert_allclose(vectors, position.cartesian.xyz.value, atol=1e-14)
    pointing = SkyCoord(105, 60, unit="deg", frame=geom.frame)
    lon, lat = pointing.data.lon.rad, pointing.data.lat.rad
    assert_allclose(to_host(geom.separation_array(lon, lat)), pointing.separation(position).rad, atol=1e-12)
    assert_allclose(geom.separation(pointing).rad, pointing.separation(position).rad, atol=1e-12)
    offsets = to_host(geom.offset_vectors(pointing))
    assert_allclose(np.linalg.norm(offsets, axis=0), 1, atol=1e-13)
    expected = position.icrs.transform_to(pointing.icrs.skyoffset_frame())
    assert_allclose(np.abs(offsets[2]), np.abs(np.sin(expected.lat.rad)), atol=1e-12)
    assert_allclose(to_host(geom.solid_angle_array()), 4 * np.pi / (12 * geom.nside[0] ** 2), rtol=1e-14)


def test_a_plane_with_pixels_of_its_own_has_no_common_directions():
    with pytest.raises(GeometryError, match="same"):
        HpxGeom([1, 2, 4], axes=[AXIS]).directions()


def test_other_schemes_have_the_same_pixels(geom):
    if np.any(geom.nside & (geom.nside - 1)):
        with pytest.raises(GeometryError, match="power of two"):
            geom.to_swapped()
        return
    swapped = geom.to_swapped()
    assert swapped.nest is not geom.nest
    assert_array_equal(swapped.npix, geom.npix)
    back = swapped.to_swapped()
    assert back == geom
    coords = geom.get_coord(flat=True)
    assert swapped.contains(coords).all()


def test_smaller_and_larger_pixels_cover_the_same_sky(geom):
    if np.any(geom.nside & (geom.nside - 1)):
        return
    fine = geom.upsample(4)
    assert_array_equal(fine.nside, 4 * geom.nside)
    assert fine.data_shape[-1] == geom.data_shape[-1] * 16
    assert fine.downsample(4) == geom or geom.region is not None
    assert_array_equal(np.stack(fine.downsample(4).get_idx(flat=True)), np.stack(geom.get_idx(flat=True)))
    assert geom.contains(fine.get_coord(flat=True)).all()
    with pytest.raises(GeometryError, match="power of two"):
        geom.upsample(3)
    assert geom.upsample(2, axis_name="x").axes["x"].nbin == 6 if geom.is_regular and "x" in geom.axes.names else True


def test_padding_adds_neighbours_and_cropping_takes_them_away():
    geom = HpxGeom(16, frame="galactic", region=DISC, axes=[AXIS])
    padded = geom.pad(1)
    assert padded.data_shape == (3, 66)  # of Gammapy
    assert geom.crop(1).data_shape == (3, 11)  # of Gammapy
    assert set(geom.ipix[0].ravel()) < set(padded.ipix[0].ravel())
    assert padded.crop(1).data_shape[-1] >= geom.data_shape[-1]
    assert geom.pad(0) is geom
    assert geom.pad(1, axis_name="x").axes["x"].nbin == 5
    for change in (HpxGeom(4).pad, HpxGeom(4).crop):
        with pytest.raises(GeometryError, match="all-sky"):
            change(1)
    several = HpxGeom([8, 4, 16], region=DISC, axes=[AXIS])
    assert (several.pad(2).npix > several.npix).all()
    assert (several.pad(2).crop(2).npix >= several.npix).all()


def test_a_cutout_is_a_disc_that_knows_its_place():
    geom = HpxGeom(16, region="DISK(10,20,20)", axes=[AXIS])
    inside = geom.cutout(SkyCoord(12, 20, unit="deg"), "20 deg")
    assert inside.region == "DISK(12.0,20.0,10.0)"
    assert_array_equal(geom.ipix[0][0][inside.place_in(geom)], inside.ipix[0][0])
    at_border = geom.cutout(SkyCoord(30, 20, unit="deg"), "20 deg")
    assert at_border.is_regular
    assert (at_border.place_in(geom) >= 0).all()
    partial = geom.cutout(SkyCoord(30, 20, unit="deg"), "20 deg", mode="partial")
    assert partial.data_shape[-1] > at_border.data_shape[-1]
    assert (partial.place_in(geom) < 0).sum() == partial.data_shape[-1] - at_border.data_shape[-1]
    with pytest.raises(GeometryError, match="not on the map"):
        geom.cutout(SkyCoord(30, 20, unit="deg"), "20 deg", mode="strict")
    with pytest.raises(NoOverlapError):
        geom.cutout(SkyCoord(90, -20, unit="deg"), "20 deg")
    with pytest.raises(GeometryError, match="cutout of the same map"):
        inside.place_in(geom.to_swapped())
    tiny = HpxGeom(1).cutout(SkyCoord(1, 1, unit="deg"), "0.1 deg")
    assert tiny.contains((1, 1)).all()
    assert geom.place_in(geom.copy() if hasattr(geom, "copy") else geom) is None


def test_slices_and_squashed_axes_keep_the_pixels_of_their_planes():
    geom = HpxGeom([1, 4, 2], axes=[AXIS])
    assert_array_equal(geom.slice_by_idx({"x": slice(1, 3)}).nside, [4, 2])
    assert_array_equal(geom.slice_by_idx({"x": 2}).nside, [2])
    assert geom.squash("x").nside == geom.drop("x").nside == 4
    assert geom.to_image().to_cube([OTHER]).data_shape == (2, 192)
    assert_array_equal(geom.rename_axes("x", "z").nside, geom.nside)
    lists = HpxGeom(**GEOMS["list in each plane"])
    assert_array_equal(lists.slice_by_idx({"x": 2}).ipix[0], [2, 9])
    assert_array_equal(lists.to_image().ipix[0], [2, 3, 5, 9, 700])
    two = HpxGeom([[1, 2], [4, 8], [1, 1]], axes=[AXIS, OTHER])
    assert_array_equal(two.slice_by_idx({"y": 1}).nside, [2, 8, 1])
    assert two.slice_by_idx({"x": slice(2, 3)}).is_regular


def test_geometries_with_the_same_pixels_are_equal(geom):
    again = HpxGeom(geom.nside, geom.nest, geom.frame, axes=geom.axes, region=None) if geom.region is None else None
    assert again is None or again == geom
    assert pickle.loads(pickle.dumps(geom)) == geom
    assert copy.deepcopy(geom) == geom
    assert geom != geom.upsample(2)
    if geom.is_regular and geom.region is not None:
        explicit = HpxGeom(geom.nside, geom.nest, geom.frame, region=(geom.pixels.of_plane(0),), axes=geom.axes)
        assert explicit == geom
    assert geom != WcsGeom.create(npix=2)
    assert "HpxGeom" in str(geom)


def test_discs_in_different_places_are_not_equal_though_they_have_as_many_pixels():
    one, other = (HpxGeom.create(nside=8, width=10, skydir=(lon, 0)) for lon in (0, 90))
    assert one.data_shape == other.data_shape
    assert one != other
    assert one.is_aligned(other)


def test_another_pixel_size_keeps_the_region_and_the_scheme():
    geom = HpxGeom.create(nside=64, nest=False, skydir=(10, 20), width=8, axes=[AXIS])
    coarse = geom.to_binsz("1.8 deg")
    assert (coarse.nside, coarse.nest, coarse.region) == (32, False, geom.region)
    assert HpxGeom.create(nside=64).to_binsz(7).nside == 8
    explicit = HpxGeom(**GEOMS["list"]).to_nside(4)
    assert_array_equal(explicit.to_image().ipix[0], [0, 1, 175])


def test_images_of_the_sky_have_the_size_that_gammapy_gives_them():
    geom = HpxGeom.create(nside=8, axes=[AXIS])
    assert geom.to_wcs_geom().data_shape == (3, 90, 180)
    tangential = HpxGeom.create(nside=8, width=10, axes=[AXIS]).to_wcs_geom("TAN")
    assert tangential.data_shape == (3, 7, 7)
    assert tangential.width.value.ravel().tolist() == [14, 14]
    assert HpxGeom(16, region=DISC).to_wcs_geom(width_pix=20).data_shape == (20, 20)
    tiles = geom.to_wcs_tiles(nside_tiles=2)
    assert (len(tiles), tiles[5].data_shape, tiles[5].projection) == (48, (3, 7, 7), "TAN")
    with pytest.raises(ValueError, match="nside_tiles"):
        geom.to_wcs_tiles(nside_tiles=8)


def test_masks_of_energies_and_regions_have_the_shape_of_the_data(device):
    geom = HpxGeom(8, axes=[AXIS])
    mask = geom.create_mask("x", 1.0, 3.0)
    assert_array_equal(to_host(mask.data).sum(axis=-1), [0, 768, 768])
    circle = geom.region_mask("icrs;circle(0, 80, 25)")
    position = geom.to_image().get_coord().skycoord
    inside = position.separation(SkyCoord(0, 80, unit="deg")) < 25 * u.deg
    assert_array_equal(to_host(circle.data), np.broadcast_to(inside, (3, 768)))
    assert_array_equal(to_host(geom.region_mask("icrs;circle(0, 80, 25)", inside=False).data)[0], ~inside)
    assert circle.geom == geom
    assert isinstance(circle, Map)


def test_interpolation_weights_stay_in_the_geometry():
    geom = HpxGeom(16, frame="galactic", region=DISC)
    coords = geom.get_coord()
    (pix,), weights = geom.interp_weights(coords)
    assert pix.min() >= 0
    assert_allclose(weights.sum(axis=0), 1)
    (pix,), weights = geom.interp_weights({"lon": [0.0, np.nan], "lat": [0.0, 1.0]})
    assert_array_equal(pix, -1)


def test_cutouts_at_one_position_share_their_pixels_whatever_their_axes_are():
    geom = HpxGeom(16, region="DISK(10,20,20)", axes=[AXIS])
    others = [geom.to_image(), geom.to_image().to_cube([OTHER])]
    first, second, third = (SkyCoord(lon, 20, unit="deg") for lon in (12, 14, 30))
    for position in (first, second, first, third):
        expected = HpxGeom(16, region="DISK(10,20,20)", axes=[AXIS]).cutout(position, "10 deg")
        cutouts = [each.cutout(position, "10 deg") for each in (geom, *others)]
        assert all(each.sky is cutouts[0].sky for each in cutouts)
        assert cutouts[0] == expected
        assert_array_equal(cutouts[0].place_in(geom), expected.place_in(geom))
        assert_array_equal(cutouts[0].place_in(geom), cutouts[0].place_in(geom.to_image().to_cube([AXIS])))
        assert [each.axes.names for each in cutouts] == [["x"], [], ["y"]]
    # the same pixels in another frame, and pixels that are not trimmed, are others
    partial = geom.cutout(third, "10 deg", mode="partial")
    assert partial.data_shape[-1] > geom.cutout(third, "10 deg").data_shape[-1]
    in_galactic = HpxGeom(16, region="DISK(10,20,20)", axes=[AXIS], frame="galactic")
    with pytest.raises(GeometryError, match="cutout of the same map"):
        geom.cutout(first, "10 deg").place_in(in_galactic)
    again = pickle.loads(pickle.dumps(geom.cutout(first, "10 deg")))
    assert again == geom.cutout(first, "10 deg")
    assert_array_equal(again.place_in(geom), geom.cutout(first, "10 deg").place_in(geom))


def test_bins_of_other_energies_are_not_stacked_though_the_pixels_are_the_same():
    shifted = MapAxis.from_edges([1.0, 2.0, 3.0, 4.0], name="x")
    geom = HpxGeom(4, axes=[AXIS])
    m = Map.from_geom(geom, data=1.0)
    for other in (geom.to_image().to_cube([shifted]), HpxGeom(4, axes=[shifted])):
        with pytest.raises(GeometryError, match="cutout of the same map"):
            m.stack(Map.from_geom(other, data=1.0))
    assert_array_equal(to_host(m.data), 1.0)


@pytest.mark.parametrize("name", ["grid in each plane", "list in each plane", "grid in each of six planes"])
def test_planes_with_pixels_of_their_own_have_no_mask_of_a_region_and_no_cutout(name):
    geom = HpxGeom(**GEOMS[name])
    assert not geom.is_regular
    position = SkyCoord(12, 20, unit="deg")
    for method in (
        lambda: geom.region_mask("icrs;circle(12,20,30)"),
        lambda: geom.cutout(position, "20 deg"),
        lambda: Map.from_geom(geom).cutout(position, "20 deg"),
    ):
        with pytest.raises(GeometryError, match="different pixels"):
            method()
