"""Sky geometries: how they are made, what their pixels are, what is cut from them, and masks on them."""

import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from regions import (
    CircleAnnulusSkyRegion,
    CirclePixelRegion,
    CircleSkyRegion,
    EllipseAnnulusSkyRegion,
    EllipseSkyRegion,
    PixCoord,
    PointSkyRegion,
    PolygonSkyRegion,
    RectangleAnnulusSkyRegion,
    RectangleSkyRegion,
)

from lightpool.arrays.devices.devices import device_of, to_host
from lightpool.errors import GeometryError, NoOverlapError
from lightpool.fits import Header
from lightpool.maps import HpxGeom, Map, MapAxis, RegionGeom, WcsGeom
from lightpool.maps.wcs_header import wcslib_to_pixel, wcslib_to_sky

CRAB = SkyCoord(83.63, 22.01, unit="deg")


@pytest.fixture
def energy():
    return MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)


@pytest.fixture
def cube(energy):
    return WcsGeom.create(skydir=CRAB, npix=(30, 20), binsz=(0.2, 0.1), axes=[energy])


# --- how they are made


@pytest.mark.parametrize(
    ("arguments", "shape", "crpix", "cdelt"),
    [
        ({"width": 5, "binsz": 0.02}, (250, 250), (125.5, 125.5), (-0.02, 0.02)),
        ({"width": "3 deg", "binsz": 0.07 * u.deg}, (43, 43), (22, 22), (-0.07, 0.07)),
        ({"width": (5 * u.deg, "60 arcmin"), "binsz": "0.1 deg"}, (10, 50), (25.5, 5.5), (-0.1, 0.1)),
        ({"width": [5, 1] * u.deg, "binsz": (0.5, 0.1)}, (10, 10), (5.5, 5.5), (-0.5, 0.1)),
        ({"npix": 7, "width": 100, "binsz": 1}, (7, 7), (4, 4), (-1, 1)),
        ({"npix": (8, 3), "binsz": (1, 2)}, (3, 8), (4.5, 2), (-1, 2)),
        ({"npix": (8, 3), "refpix": (1, 1.5)}, (3, 8), (1, 1.5), (-0.5, 0.5)),
        ({"binsz": 2}, (90, 180), (90.5, 45.5), (-2, 2)),
    ],
)
def test_number_of_pixels_comes_from_width_or_npix_or_is_all_the_sky(arguments, shape, crpix, cdelt):
    geom = WcsGeom.create(skydir=(83.63, 22.01), **arguments)
    assert geom.data_shape == shape
    assert all(type(n) is int for n in geom.data_shape)
    assert_allclose(geom.wcs.wcs.crpix, crpix)
    assert_allclose(geom.wcs.wcs.cdelt, cdelt)
    assert_allclose(geom.wcs.wcs.crval, (83.63, 22.01))
    assert_allclose(geom.width.value, np.abs(np.array([cdelt]).T * np.array([shape[::-1]]).T))
    assert geom.is_allsky == (arguments == {"binsz": 2})


def test_the_position_is_brought_to_the_frame_of_the_map():
    geom = WcsGeom.create(skydir=CRAB, npix=10, frame="galactic", proj="TAN")
    assert geom.frame == "galactic"
    assert geom.projection == "TAN"
    assert list(geom.wcs.wcs.ctype) == ["GLON-TAN", "GLAT-TAN"]
    assert_allclose(geom.wcs.wcs.crval, (CRAB.galactic.l.deg, CRAB.galactic.b.deg))
    assert geom.center_skydir.separation(CRAB) < 1e-9 * u.deg
    assert WcsGeom.create(npix=4).center_skydir.ra == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"npix": [100, 200]}, "one for each of the .* bins"),
        ({"binsz": [0.1, 0.2], "width": 3}, "one for each of the .* bins"),
        ({"npix": 2.5}, "whole numbers"),
        ({"npix": (10, 0)}, "10 x 0 pixels"),
        ({"width": 0.1, "binsz": 0.5}, "0 x 0 pixels"),
        ({"width": -1}, "width must be positive"),
        ({"binsz": 0}, "binsz must be positive"),
        ({"npix": 3, "proj": "XYZ"}, "no WCS with projection 'XYZ'"),
        ({"npix": 3, "frame": "fnord"}, "frame 'fnord' is not known"),
        ({"npix": 3, "skydir": SkyCoord([1, 2], [3, 4], unit="deg")}, "one position, got 2"),
        ({"npix": 3, "skydir": "Crab"}, "SkyCoord or a"),
    ],
)
def test_what_makes_no_map_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        WcsGeom.create(**arguments)


def test_a_wcs_that_is_not_longitude_then_latitude_is_refused():
    swapped = WCS(naxis=2)
    swapped.wcs.ctype = ["DEC--TAN", "RA---TAN"]
    with pytest.raises(GeometryError, match="longitude then latitude"):
        WcsGeom(swapped, npix=(3, 3))
    with pytest.raises(GeometryError, match="longitude then latitude"):
        WcsGeom(WCS(naxis=2), npix=(3, 3))
    with pytest.raises(GeometryError, match="npix is not given"):
        WcsGeom(WCS(WcsGeom.create(npix=3).wcs.to_header()))


def test_text_is_that_of_gammapy(cube):
    assert (
        str(cube)
        == repr(cube)
        == (
            "WcsGeom\n\n"
            "\taxes       : ['lon', 'lat', 'energy']\n"
            "\tshape      : (30, 20, 3)\n"
            "\tndim       : 3\n"
            "\tframe      : icrs\n"
            "\tprojection : CAR\n"
            "\tcenter     : 83.6 deg, 22.0 deg\n"
            "\twidth      : 6.0 deg x 2.0 deg\n"
            "\twcs ref    : 83.6 deg, 22.0 deg\n"
        )
    )
    assert "WcsGeom" in cube._repr_html_()
    assert "lon, lat" in cube._repr_html_()


def test_a_geometry_knows_the_shapes_and_sizes_of_its_pixels(cube):
    assert cube.data_shape == (3, 20, 30)
    assert cube.data_shape_axes == (3, 1, 1)
    assert cube.data_shape_image == (1, 20, 30)
    assert cube.shape_axes == (3,)
    assert cube.ndim == 3
    assert [int(n[0]) for n in cube.npix] == [30, 20]
    assert cube.data_nbytes("float32").to_value("byte") == 3 * 20 * 30 * 4
    assert cube.pixel_area == pytest.approx(0.02)
    assert_allclose(cube.pixel_scales.deg, (0.2, 0.1))
    assert cube.center_pix == (14.5, 9.5, 1.0)
    assert not cube.is_image
    assert not cube.is_flat
    assert cube.to_image().is_image
    assert cube.squash("energy").is_flat
    assert cube.drop("energy") == cube.to_image()
    assert cube.as_energy_true.axes_names == ["lon", "lat", "energy_true"]
    assert cube.has_energy_axis
    assert cube.slice_by_idx({"energy": slice(0, 2)}).data_shape == (2, 20, 30)
    assert cube.slice_by_idx({"energy": 1}).data_shape == (20, 30)
    assert cube.bin_volume().unit == "TeV sr"
    assert cube.bin_volume().shape == (3, 20, 30)
    assert cube.solid_angle().shape == (1, 20, 30)
    assert cube.footprint.shape == (4,)
    assert_allclose(cube.footprint_rectangle_sky_region.width.to_value("deg"), 6)


def test_a_header_and_its_table_of_axes_give_the_geometry_back(cube):
    header = Header(cube.to_header())
    assert header["WCSSHAPE"] == "(30,20,3)"
    again = WcsGeom.from_header(header, cube.to_bands_hdu())
    assert again == cube
    assert again.is_aligned(cube.cutout(CRAB, "1 deg"))
    header["WCSSHAPE"] = "import os"
    with pytest.raises(GeometryError, match="WCSSHAPE holds 'import os'"):
        WcsGeom.from_header(header)
    del header["WCSSHAPE"]
    with pytest.raises(GeometryError, match="does not say the number of pixels"):
        WcsGeom.from_header(header)
    header["NAXIS1"], header["NAXIS2"] = 30, 20
    assert WcsGeom.from_header(header) == cube.to_image()


# --- coordinates


@pytest.mark.parametrize("proj", ["CAR", "TAN", "AIT"])
def test_coordinates_of_pixels_are_those_of_wcslib(energy, proj):
    geom = WcsGeom.create(skydir=(120, -40), npix=(8, 6), binsz=20, proj=proj, frame="galactic", axes=[energy])
    coord = geom.get_coord()
    assert coord.frame == "galactic"
    assert coord.shape == geom.data_shape
    assert coord["energy"].unit == "TeV"
    y, x = np.mgrid[:6, :8]
    lon, lat = geom.wcs.wcs_pix2world(x, y, 0)
    assert_allclose(coord.lon.to_value("deg")[1], lon, atol=1e-10)
    assert_allclose(coord.lat.to_value("deg")[2], lat, atol=1e-10)
    sparse = geom.get_coord(sparse=True)
    assert [_.shape for _ in sparse] == [(1, 6, 8), (1, 6, 8), (3, 1, 1)]
    assert geom.get_coord(idx=(1,)).shape == (1, 6, 8)
    assert_allclose(geom.get_coord(idx=(1,))["energy"], energy.center[1])
    icrs = geom.get_coord(frame="icrs")
    expected = coord.skycoord.icrs
    assert_allclose(icrs.lon.value[0], expected.ra.deg[0], atol=1e-10)


def test_edges_are_half_pixels_around_the_centres(cube, energy):
    edges = cube.get_coord(mode="edges")
    assert edges.shape == (3, 21, 31)
    assert_allclose(edges.lon.value[0, 0, 0], cube.pix_to_coord((-0.5, -0.5, 0))[0].value)
    along_energy = cube.get_coord(mode="edges", axis_name="energy")
    assert along_energy.shape == (4, 20, 30)
    assert_allclose(along_energy["energy"][:, 0, 0], energy.edges)
    with pytest.raises(ValueError, match="'center' or 'edges'"):
        cube.get_coord(mode="middle")


def test_pixels_off_the_sky_have_no_coordinates_and_index_minus_one(energy):
    geom = WcsGeom.create(npix=(40, 20), binsz=10, proj="AIT", axes=[energy])
    off = np.isnan(geom.get_coord().lon.value)
    assert off.any()
    idx = geom.get_idx()
    for i in idx:
        assert_array_equal(i == -1, off)
    flat = geom.get_idx(flat=True)
    assert all(i.shape == ((~off).sum(),) for i in flat)
    assert_array_equal(np.isnan(geom.get_pix()[2]), off)
    assert geom.get_idx(idx=(2,))[2].max() == 2


@settings(max_examples=30, deadline=None)
@given(x=st.integers(0, 29), y=st.integers(0, 19), dx=st.floats(-0.49, 0.49), dy=st.floats(-0.49, 0.49))
def test_a_position_in_a_pixel_has_the_index_of_the_pixel(x, y, dx, dy):
    geom = WcsGeom.create(skydir=CRAB, npix=(30, 20), binsz=(0.2, 0.1))
    idx = geom.coord_to_idx(geom.pix_to_coord((x + dx, y + dy)))
    assert [int(i[0]) for i in idx] == [x, y]


def test_positions_outside_have_index_minus_one_or_that_of_the_border(cube):
    coords = {"skycoord": SkyCoord([83.63, 99.0], [22.01, 22.01], unit="deg"), "energy": [2, 200] * u.TeV}
    assert [i.tolist() for i in cube.coord_to_idx(coords)] == [[15, -1], [10, 17], [0, -1]]  # on edges
    assert [i.tolist() for i in cube.coord_to_idx(coords, clip=True)] == [[15, 0], [10, 17], [0, 2]]
    assert_array_equal(cube.contains(coords), [True, False])
    assert_array_equal(cube.contains_pix((np.array([-0.4, -0.6]), 3.2, 1)), [True, False])
    assert cube.to_image().contains(CRAB.galactic).tolist() == [True]
    assert [i.size for i in cube.coord_to_idx({"skycoord": SkyCoord([], [], unit="deg"), "energy": [] * u.TeV})] == [
        0
    ] * 3


def test_separation_wants_one_position(cube):
    assert isinstance(cube.separation(CRAB), Angle)
    assert cube.separation(CRAB).shape == (20, 30)
    assert cube.separation(CRAB).unit == "deg"
    with pytest.raises(GeometryError, match="one position, got 2"):
        cube.separation(SkyCoord([1, 2], [3, 4], unit="deg"))


# --- cutouts


@pytest.mark.parametrize(
    ("mode", "shape", "parent", "cutout"),
    [
        ("trim", (20, 11), (slice(0, 20), slice(19, 30)), (slice(0, 20), slice(0, 11))),
        ("partial", (30, 15), (slice(0, 20), slice(19, 30)), (slice(2, 22), slice(0, 11))),
    ],
)
def test_a_cutout_over_the_border_is_trimmed_or_kept(cube, mode, shape, parent, cutout):
    position = cube.to_image().pix_to_coord((26.2, 12.4))
    position = SkyCoord(*position, frame="icrs")
    part = cube.cutout(position, (3 * u.deg, "3 deg"), mode=mode)
    assert part.data_shape == (3, *shape)
    assert part.cutout_info == {"parent-slices": parent, "cutout-slices": cutout}
    assert part.cutout_slices(cube, mode=mode) == part.cutout_info
    inside = part.to_image().get_coord().lon.value[cutout]
    assert_allclose(inside, cube.to_image().get_coord().lon.value[parent], atol=1e-10)
    assert part.is_aligned(cube)
    assert part.to_image().cutout_info == part.cutout_info
    with pytest.raises(GeometryError, match="only partly on the map of 30 x 20 pixels"):
        cube.cutout(position, 3, mode="strict")


def test_a_cutout_has_the_wished_number_of_pixels(cube):
    assert cube.cutout(CRAB, 1).data_shape == (3, 10, 5)
    assert cube.cutout(CRAB, 1, odd_npix=True).data_shape == (3, 11, 5)
    assert cube.cutout(CRAB, 0.01).data_shape == (3, 1, 1)
    assert cube.cutout(CRAB, 0.01, min_npix=4).data_shape == (3, 4, 4)
    assert cube.cutout(CRAB.galactic, 1) == cube.cutout(CRAB, 1)
    assert cube.cutout((CRAB.icrs.ra.deg, CRAB.icrs.dec.deg), 1) == cube.cutout(CRAB, 1)
    assert cube.cutout(CRAB, (6, 2), mode="strict") == cube


def test_a_cutout_elsewhere_on_the_sky_does_not_overlap(cube):
    far = SkyCoord(100, 22, unit="deg")
    for mode in ("trim", "partial", "strict"):
        with pytest.raises(NoOverlapError, match="outside the map of 30 x 20 pixels"):
            cube.cutout(far, 1, mode=mode)
    tangential = WcsGeom.create(skydir=CRAB, npix=10, proj="TAN")
    with pytest.raises(NoOverlapError, match="does not project"):
        tangential.cutout(SkyCoord(263.63, -22.01, unit="deg"), 1)
    with pytest.raises(NoOverlapError):
        WcsGeom.create(skydir=far, npix=3).cutout_slices(cube)
    with pytest.raises(TypeError, match="one position"):
        cube.cutout(SkyCoord([83.63], [22.01], unit="deg"), 1)
    with pytest.raises(ValueError, match="mode must be one of"):
        cube.cutout(CRAB, 1, mode="exact")


def test_slices_on_a_parent_are_found_through_files_and_other_grids(cube):
    part = cube.cutout(SkyCoord(84.2, 22.2, unit="deg"), 1)
    again = WcsGeom.from_header(Header(part.to_header()), part.to_bands_hdu())
    assert again.cutout_slices(cube) == part.cutout_info
    assert again.cutout_info is None
    made = WcsGeom.create(skydir=part.center_skydir, npix=part.npix_image, binsz=(0.2, 0.1), axes=cube.axes)
    assert made.cutout_slices(cube) == part.cutout_info


# --- other geometries


def test_padding_and_cropping_are_inverse(cube):
    assert cube.pad(2).data_shape == (3, 24, 34)
    assert cube.pad((2, 1)).crop((2, 1)) == cube
    assert cube.crop(3).pad(3) == cube
    assert cube.pad(1, axis_name="energy").data_shape == (5, 20, 30)
    with pytest.raises(GeometryError, match="leaves none"):
        cube.crop(10)


def test_resampling_keeps_the_sky(cube):
    coarse = cube.downsample(5)
    assert coarse.data_shape == (3, 4, 6)
    assert_allclose(coarse.width.value, cube.width.value)
    assert_allclose(coarse.solid_angle().sum().value, cube.solid_angle().sum().value, rtol=1e-4)
    assert coarse.upsample(5) == cube
    assert cube.upsample(2).downsample(2) == cube
    assert cube.upsample(2, axis_name="energy").data_shape == (6, 20, 30)
    assert cube.downsample(3, axis_name="energy").data_shape == (1, 20, 30)
    with pytest.raises(GeometryError, match="not a multiple of factor 3"):
        cube.downsample(3)


def test_new_pixel_sizes_keep_the_centre(cube):
    assert cube.to_binsz(0.5).data_shape == (3, 4, 12)
    assert cube.to_odd_npix().data_shape == (3, 31, 31)
    assert cube.to_odd_npix(max_radius=0.5 * u.deg).data_shape == (3, 5, 5)
    assert cube.to_even_npix().data_shape == (3, 30, 30)
    for geom in (cube.to_binsz(0.5), cube.to_odd_npix(), cube.to_even_npix()):
        assert geom.center_skydir.separation(cube.center_skydir) < 1e-9 * u.deg


def test_an_aligned_geometry_has_pixels_in_common():
    geom = WcsGeom.create(skydir=CRAB, width=5, binsz=0.1)
    aligned = WcsGeom.from_aligned(geom, SkyCoord(86.5, 23.2, unit="deg"), "2 deg")
    assert aligned.data_shape == (20, 20)
    assert aligned.is_aligned(geom)
    assert aligned.contains(SkyCoord(86.5, 23.2, unit="deg")).all()
    assert not geom.is_aligned(WcsGeom.create(skydir=CRAB, width=4.9, binsz=0.1))


def test_equal_are_geometries_with_the_same_pixels_and_axes(cube, energy):
    same = WcsGeom.create(skydir=CRAB, npix=(30, 20), binsz=(0.2, 0.1), axes=[energy])
    assert cube == same
    assert cube is not same
    assert cube != cube.to_image()
    assert cube != cube.pad(1).crop((2, 0))
    assert cube != WcsGeom.create(skydir=(83.64, 22.01), npix=(30, 20), binsz=(0.2, 0.1), axes=[energy])
    assert cube != WcsGeom.create(skydir=(83.63, 22.01), npix=(30, 20), binsz=(0.2, 0.1), axes=[energy], proj="TAN")
    galactic = WcsGeom.create(skydir=(83.63, 22.01), npix=(30, 20), binsz=(0.2, 0.1), axes=[energy], frame="galactic")
    assert cube != galactic
    assert not cube.is_aligned(galactic)
    assert cube != "cube"
    assert cube.copy() == cube
    assert cube.copy(axes=[energy.squash()]) == cube.squash("energy")
    assert len({cube, same}) == 2
    with pytest.raises(TypeError, match="cannot compare"):
        cube.is_allclose("cube")


# --- masks

LB = SkyCoord(120, 60, unit="deg", frame="galactic")
LB2 = SkyCoord(121.5, 60.6, unit="deg", frame="galactic")
TRIANGLE = SkyCoord([119, 121, 120.5], [59.5, 59.7, 61], unit="deg", frame="galactic")
SHAPES = {
    "circle": CircleSkyRegion(LB, 1 * u.deg),
    "annulus": CircleAnnulusSkyRegion(LB, 0.5 * u.deg, 1 * u.deg),
    "ellipse": EllipseSkyRegion(LB, 1 * u.deg, 2 * u.deg, 30 * u.deg),
    "rectangle": RectangleSkyRegion(LB2, 1 * u.deg, 2 * u.deg, 30 * u.deg),
    "ellipse_annulus": EllipseAnnulusSkyRegion(LB, 0.5 * u.deg, 1 * u.deg, 1 * u.deg, 2 * u.deg, 20 * u.deg),
    "rectangle_annulus": RectangleAnnulusSkyRegion(LB, 0.5 * u.deg, 1 * u.deg, 1 * u.deg, 2 * u.deg, 20 * u.deg),
    "polygon": PolygonSkyRegion(TRIANGLE),
    "point": PointSkyRegion(LB2),
    "icrs_circle": CircleSkyRegion(LB2.icrs, 0.7 * u.deg),
}
# Number of pixels in the mask, and sum of x (y + 1) over them, by Gammapy 2.1 with regions 0.11.
GAMMAPY = {
    ("CAR", "circle"): (640, 1551840),
    ("CAR", "annulus"): (476, 1154181),
    ("CAR", "ellipse"): (318, 765919),
    ("CAR", "rectangle"): (409, 918535),
    ("CAR", "ellipse_annulus"): (240, 578233),
    ("CAR", "rectangle_annulus"): (306, 735891),
    ("CAR", "polygon"): (283, 685965),
    ("CAR", "point"): (4, 9243),
    ("CAR", "icrs_circle"): (317, 721226),
    ("TAN", "circle"): (640, 780800),
    ("TAN", "annulus"): (482, 588040),
    ("TAN", "ellipse"): (322, 387384),
    ("TAN", "rectangle"): (408, 462797),
    ("TAN", "ellipse_annulus"): (244, 293730),
    ("TAN", "rectangle_annulus"): (304, 364588),
    ("TAN", "polygon"): (135, 163861),
    ("TAN", "point"): (4, 4661),
    ("TAN", "icrs_circle"): (316, 365446),
}


@pytest.mark.parametrize(("proj", "name"), GAMMAPY)
def test_region_masks_are_those_of_gammapy_with_any_version_of_regions(proj, name):
    if proj == "CAR":
        refpix = (80.5, 30.5 - 60 / 0.07)
        geom = WcsGeom.create(npix=(160, 60), binsz=0.07, frame="galactic", skydir=(120.0, 0.0), refpix=refpix)
    else:
        geom = WcsGeom.create(npix=(81, 60), binsz=0.07, frame="galactic", skydir=(120.0, 60.0), proj=proj)
    y, x = np.nonzero(to_host(geom.region_mask(SHAPES[name]).data))
    assert (len(x), int(np.sum(x * (y + 1)))) == GAMMAPY[proj, name]


def test_a_region_mask_lives_on_the_device_and_spans_the_axes(backend, cube):
    circle = CircleSkyRegion(CRAB, 0.5 * u.deg)
    mask = cube.region_mask([circle])
    assert device_of(mask.data) == backend.device
    data = to_host(mask.data)
    assert data.dtype == bool
    assert data.shape == cube.data_shape
    y, x = np.mgrid[:20, :30]
    assert_array_equal(data[0], np.hypot(x - 14.5, y - 9.5) < 5)  # a circle of pixels, which are not square here
    assert all((plane == data[0]).all() for plane in data)
    assert_array_equal(to_host(cube.region_mask([circle], inside=False).data), ~data)
    assert_array_equal(to_host(cube.region_mask("icrs;circle(83.63,22.01,0.5)").data), data)
    assert device_of(cube.region_mask(circle, device="cpu").data).is_host


def test_masks_of_several_regions_are_their_union():
    geom = WcsGeom.create(skydir=CRAB, width=4, binsz=0.1)
    pixels = CirclePixelRegion(PixCoord(5, 7), 3)
    sky = CircleSkyRegion(CRAB, 0.6 * u.deg)
    masks = [to_host(geom.region_mask(_).data) for _ in (pixels, sky)]
    assert masks[0].sum() == 25
    assert_array_equal(to_host(geom.region_mask([pixels, sky]).data), masks[0] | masks[1])
    assert_array_equal(to_host(geom.region_mask([CRAB]).data), to_host(geom.region_mask(PointSkyRegion(CRAB)).data))
    other = CircleSkyRegion(SkyCoord(84, 22, unit="deg"), 0.6 * u.deg)
    both = masks[1] & to_host(geom.region_mask(other).data)
    assert_array_equal(to_host(geom.region_mask(sky & other).data), both)
    assert not to_host(geom.region_mask([]).data).any()
    far = CircleSkyRegion(SkyCoord(83, 50, unit="deg"), 1 * u.deg)
    assert not to_host(geom.region_mask(far).data).any()
    with pytest.raises(TypeError, match="got float"):
        geom.region_mask(3.0)


def test_a_region_over_the_border_of_the_sky_takes_no_pixels_off_the_sky():
    geom = WcsGeom.create(npix=(40, 20), binsz=10, proj="AIT")
    mask = to_host(geom.region_mask(CircleSkyRegion(SkyCoord(175, 0, unit="deg"), 40 * u.deg)).data)
    assert mask.any()
    assert not mask[np.isnan(geom.get_coord().lon.value)].any()


def test_region_weights_are_parts_of_pixels(backend):
    geom = WcsGeom.create(skydir=CRAB, width=2, binsz=0.2, proj="TAN")
    weights = geom.region_weights([CircleSkyRegion(CRAB, 0.55 * u.deg)])
    assert weights.device == backend.device
    weights = to_host(weights.data)
    assert_allclose(weights.sum() * 0.04, np.pi * 0.55**2, rtol=0.02)
    assert weights.max() == 1
    assert 0 < weights[5, 2] < 1


def test_energy_mask_takes_bins_that_are_wholly_inside(backend):
    axis = MapAxis.from_energy_edges([1, 2, 4, 8, 16] * u.TeV)
    geom = WcsGeom.create(npix=(3, 2), axes=[axis, MapAxis.from_edges([0, 1, 2], name="other")])
    mask = geom.energy_mask(energy_min=1.5 * u.TeV, energy_max=8 * u.TeV)
    assert device_of(mask.data) == backend.device
    data = to_host(mask.data)
    assert data.shape == (2, 4, 2, 3)
    assert_array_equal(data[1, :, 1, 2], [False, True, True, False])
    rounded = geom.energy_mask(1.2 * u.TeV, 7e3 * u.GeV, round_to_edge=True)
    assert_array_equal(to_host(rounded.data)[0, :, 0, 0], [True, True, True, False])
    assert to_host(geom.energy_mask().data).all()
    other = geom.create_mask("other", edge_min=1)
    assert_array_equal(to_host(other.data)[:, 0, 0, 0], [False, True])


def test_boundary_mask_leaves_the_border_out(backend, cube):
    mask = cube.boundary_mask((0.4 * u.deg, 0.2 * u.deg))
    assert mask.device == backend.device
    data = to_host(mask.data)
    expected = np.zeros(cube.data_shape, dtype=bool)
    expected[:, 2:-2, 2:-2] = True
    assert_array_equal(data, expected)
    assert not to_host(cube.boundary_mask(3 * u.deg).data).any()


def test_binary_structure_is_a_disk_or_a_box_in_pixels(cube):
    square = WcsGeom.create(npix=20, binsz=0.1)
    disk = square.binary_structure(0.25 * u.deg)
    y, x = np.mgrid[-3:4, -3:4]
    assert_array_equal(disk, x**2 + y**2 <= 9)
    assert_array_equal(square.binary_structure(2.5), disk)
    assert square.binary_structure("0.41 deg", kernel="box").shape == (5, 5)
    assert cube.binary_structure((1.1 * u.deg, 0.3 * u.deg), kernel="box").shape == (1, 3, 7)
    assert cube.binary_structure(0.5 * u.deg).shape == (1, 11, 7)
    with pytest.raises(ValueError, match="'disk' or 'box'"):
        square.binary_structure(1, kernel="star")


def test_what_is_made_of_a_geometry_again_is_shared_and_not_pickled():
    axes = [MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2), MapAxis.from_bounds(0, 1, 3, name="rad", unit="deg")]
    geom = WcsGeom.create(npix=4, binsz=0.1, axes=axes)
    for make in (WcsGeom.to_image, lambda g: g.squash("rad"), lambda g: g.squash("energy"), lambda g: g.drop("rad")):
        assert make(geom) is make(geom)
        again = pickle.loads(pickle.dumps(geom))
        assert "_others" not in vars(again)
        assert make(again) == make(geom)
    assert geom.squash("rad").axes.shape == (2, 1)
    assert geom.squash("energy").axes.shape == (1, 3)
    assert geom.drop("rad").axes.names == ["energy"]
    assert geom.drop("energy").axes.names == ["rad"]


def test_maps_of_one_geometry_share_that_of_their_cutouts():
    geom = WcsGeom.create(npix=(50, 40), binsz=0.1, skydir=(83.6, 22))
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    cube, other = geom.to_cube([energy]), geom.to_cube([energy.rename("energy_true")])
    position = SkyCoord(83, 22.5, unit="deg")
    assert cube.cutout(position, "1 deg") is cube.cutout(position, "1 deg")
    assert other.cutout(position, "1 deg").axes.names == ["energy_true"]
    assert other.cutout(position, "1 deg").window is cube.cutout(position, "1 deg").window
    assert cube.cutout(position, "1.1 deg").data_shape == (2, 11, 11)
    info = cube.cutout(position, "1 deg").cutout_info
    info.clear()
    assert cube.cutout(position, "1 deg").cutout_info
    assert "wcs" not in vars(cube.cutout(position, "1 deg").window)  # none is made before it is needed


@pytest.mark.parametrize("proj", ["CAR", "TAN", "AIT"])
def test_wcslib_gives_the_numbers_of_the_methods_of_a_wcs(proj):
    geom = WcsGeom.create(npix=(30, 20), binsz=2, proj=proj, skydir=(83.63, 22.01), frame="galactic")
    plane = geom.window.moved(3, -2, 7, 9).plane
    assert "wcs" not in vars(plane)
    numbers = plane.numbers  # made without the WCS
    x, y = np.meshgrid(np.linspace(-3, 12, 7), np.linspace(-200, 9, 5))
    for found, expected in (
        (wcslib_to_sky(numbers, x, y), plane.wcs.wcs_pix2world(x, y, 0)),
        (wcslib_to_pixel(numbers, 10 * x, y / 3), plane.wcs.wcs_world2pix(10 * x, y / 3, 0)),
        (wcslib_to_sky(numbers, 2.5, y[:, :1]), plane.wcs.wcs_pix2world(2.5, y[:, :1], 0)),
        (wcslib_to_pixel(numbers, 8, 9.5), plane.wcs.wcs_world2pix(8, 9.5, 0)),
        (wcslib_to_sky(numbers, [], []), plane.wcs.wcs_pix2world([], [], 0)),
    ):
        assert_array_equal(found, expected)
        assert [each.shape for each in found] == [np.shape(each) for each in expected]


def test_a_geometry_is_read_from_the_hdus_of_a_map():
    geom = WcsGeom.create(npix=(4, 3), binsz=0.2, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)])
    m = Map.from_geom(geom)
    assert WcsGeom.from_hdulist(m.to_hdulist()) == geom
    assert WcsGeom.from_hdulist(m.to_hdulist(hdu="counts"), hdu="counts", hdu_bands="counts_BANDS") == geom
    assert WcsGeom.from_hdulist(m.to_hdulist(format="fgst-ccube")) == geom
    region = RegionGeom.create("icrs;circle(83, 22, 1)", axes=geom.axes)
    assert region.to_bands_hdu(hdu_bands="BINS").name == "BINS"


def test_a_disk_with_two_widths_is_an_ellipse():
    square = WcsGeom.create(npix=40, binsz=0.1)
    ellipse = square.binary_structure((0.5 * u.deg, 0.3 * u.deg))
    y, x = np.mgrid[-3:4, -5:6]
    assert_array_equal(ellipse, (x / 5) ** 2 + (y / 3) ** 2 <= 1)
    # pixels that are half as high: twice as many rows
    flat = WcsGeom.create(npix=40, binsz=(0.1, 0.05))
    assert flat.binary_structure("0.5 deg").shape == (23, 11)  # 10 pixels become 11, an odd number


@pytest.mark.parametrize(
    ("radesys", "equinox", "frame"),
    [
        ("FK5", 2000.0, "fk5"),
        ("FK5", None, "fk5"),
        ("FK5", 1975.0, None),
        ("FK4", 1950.0, "fk4"),
        ("FK4", 1975.0, None),
        ("", 1950.0, "fk4"),
        ("", 1990.0, None),
        ("ICRS", 1975.0, "icrs"),  # has no equinox
    ],
)
def test_another_equinox_than_that_of_the_frame_is_refused(radesys, equinox, frame):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [83.63, 22.01]
    wcs.wcs.crpix, wcs.wcs.cdelt = [5.5, 5.5], [-0.1, 0.1]
    wcs.wcs.radesys = radesys
    if equinox is not None:
        wcs.wcs.equinox = equinox
    header = wcs.to_header()
    header["NAXIS1"] = header["NAXIS2"] = 10
    if frame is None:
        with pytest.raises(GeometryError, match="correct these keywords"):
            WcsGeom.from_header(header)
        return
    geom = WcsGeom.from_header(header)
    assert geom.frame == frame
    position = SkyCoord(83.4, 22.2, unit="deg")
    assert_allclose(np.ravel(geom.coord_to_pix({"skycoord": position})), wcs.world_to_pixel(position), atol=0.01)


@pytest.mark.parametrize(
    "make", [lambda: WcsGeom.create(width=2, binsz=0.1), lambda: HpxGeom(16, region="DISK(0,0,9)")]
)
def test_errors_of_cutouts_are_those_of_astropy_for_scripts_that_catch_them(make):
    nddata = pytest.importorskip("astropy.nddata")
    with pytest.raises(nddata.NoOverlapError) as outside:
        make().cutout(SkyCoord(90, 0, unit="deg"), "1 deg")
    assert isinstance(outside.value, NoOverlapError)
    again = pickle.loads(pickle.dumps(outside.value))
    assert (type(again), str(again)) == (type(outside.value), str(outside.value))
    with pytest.raises(nddata.PartialOverlapError, match="partial"):
        make().cutout(SkyCoord(0, 0, unit="deg"), "40 deg", mode="strict")
