"""Region geometries: one pixel on the sky, in the numbers of Gammapy 2.1 with any version of regions."""

import copy

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import FK5, SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    EllipseAnnulusPixelRegion,
    EllipseSkyRegion,
    LineSkyRegion,
    PixCoord,
    PointSkyRegion,
    PolygonSkyRegion,
    RectangleAnnulusSkyRegion,
    RectangleSkyRegion,
)

from lightpool.errors import FormatError, GeometryError
from lightpool.maps import MapAxis, RegionGeom, WcsGeom
from lightpool.maps.regions.sky_regions import (
    all_parts,
    angle_between,
    compound_region_to_regions,
    region_center,
    region_to_pixel,
    region_to_sky,
    regions_to_compound_region,
)

CRAB = SkyCoord(83.63, 22.01, unit="deg")
NEAR = SkyCoord(84.3, 22.3, unit="deg")
CIRCLE = CircleSkyRegion(CRAB, 0.5 * u.deg)
OTHER = CircleSkyRegion(NEAR, 0.3 * u.deg)
KINDS = {
    "circle": CIRCLE,
    "annulus": CircleAnnulusSkyRegion(CRAB, 0.5 * u.deg, 1 * u.deg),
    "ellipse": EllipseSkyRegion(CRAB, 1 * u.deg, 2 * u.deg, 30 * u.deg),
    "rectangle": RectangleSkyRegion(CRAB, 1 * u.deg, 2 * u.deg, 30 * u.deg),
    "point": PointSkyRegion(CRAB),
    "union": [CIRCLE, OTHER],
}
# Solid angle in 1e-6 sr, longitude of the centre in deg, by Gammapy 2.1 with regions 0.11.
GAMMAPY = {
    "circle": (239.245962, 83.63),
    "annulus": (717.737886, 83.63),
    "ellipse": (478.491924, 83.63),
    "rectangle": (609.23484, 83.63),
    "point": (0, 83.63),
    "union": (315.796879, 83.856925),
}


@pytest.fixture
def energy():
    return MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)


@pytest.fixture
def geom(energy):
    return RegionGeom.create(CIRCLE, axes=[energy])


@pytest.mark.parametrize("kind", KINDS)
def test_solid_angle_and_centre_are_those_of_gammapy(kind):
    geom = RegionGeom.create(KINDS[kind])
    solid_angle, lon = GAMMAPY[kind]
    assert_allclose(geom.solid_angle().to_value("sr"), solid_angle * 1e-6, rtol=1e-8)
    assert geom.solid_angle().unit == "sr"
    assert_allclose(geom.center_skydir.ra.deg, lon, atol=1e-6)


def test_a_region_comes_from_text_a_region_a_position_or_a_list():
    assert RegionGeom.create("icrs;circle(83.63,22.01,0.5)").solid_angle() == RegionGeom.create(CIRCLE).solid_angle()
    assert isinstance(RegionGeom.create(CRAB).region, PointSkyRegion)
    union = RegionGeom.from_regions([CIRCLE, OTHER, "icrs;circle(85,22,0.5)"])
    assert len(compound_region_to_regions(union.region)) == 3
    assert RegionGeom.create([]).region is None
    assert RegionGeom.create(None).region is None
    with pytest.raises(TypeError, match="got int"):
        RegionGeom.create(3)


def test_text_is_that_of_gammapy(geom):
    assert (
        str(geom)
        == repr(geom)
        == (
            "RegionGeom\n\n"
            "\tregion     : CircleSkyRegion\n"
            "\taxes       : ['lon', 'lat', 'energy']\n"
            "\tshape      : (1, 1, 3)\n"
            "\tndim       : 3\n"
            "\tframe      : icrs\n"
            "\tcenter     : 83.6 deg, 22.0 deg\n"
        )
    )
    assert "RegionGeom" in geom._repr_html_()


def test_a_region_geometry_has_one_pixel_of_the_size_of_the_region(geom):
    assert geom.is_region
    assert geom.data_shape == geom.data_shape_axes == (3, 1, 1)
    assert geom.npix == ([1], [1])
    assert geom.frame == "icrs"
    assert geom.projection == "TAN"
    assert_allclose(geom.width.to_value("deg"), [1.2, 1.2], rtol=1e-5)
    assert_allclose(geom.binsz_wcs.deg, [0.1, 0.1])
    assert geom.bin_volume().shape == (3, 1, 1)
    assert geom.bin_volume().unit == "sr TeV"
    assert geom.to_image().bin_volume().shape == (1, 1)
    assert geom.separation(NEAR).deg == pytest.approx(CRAB.separation(NEAR).deg, abs=1e-6)
    assert not geom.is_all_point_sky_regions
    assert RegionGeom.create([CRAB, NEAR]).is_all_point_sky_regions
    assert RegionGeom.create([CRAB, NEAR]).solid_angle() == 0 * u.sr
    with_point = RegionGeom.create([CRAB, OTHER], binsz_wcs=0.02)
    assert_allclose(with_point.solid_angle().value, RegionGeom.create(OTHER).solid_angle().value, rtol=2e-3)


def test_a_polygon_has_its_centre_amid_its_vertices():
    square = PolygonSkyRegion(SkyCoord([359.9, 0.1, 0.1, 359.9], [4.9, 4.9, 5.1, 5.1], unit="deg"))
    geom = RegionGeom.create(square, binsz_wcs=0.005)
    assert region_center(square).separation(SkyCoord(0, 5, unit="deg")) < 1e-3 * u.deg
    assert geom.frame == "icrs"
    area = 0.04 * np.cos(np.deg2rad(5)) * (np.pi / 180) ** 2
    assert_allclose(geom.solid_angle().value, area, rtol=1e-3)
    with pytest.raises(TypeError, match="has no centre"):
        region_center(LineSkyRegion(CRAB, NEAR))


def test_positions_in_the_region_are_its_pixel(geom, energy):
    positions = SkyCoord([83.63, 84.0, 85.0], [22.01, 22.2, 22.0], unit="deg")
    assert_array_equal(geom.contains(positions), [True, True, False])
    assert_array_equal(geom.contains(positions.galactic), [True, True, False])
    x, y = geom.wcs.world_to_pixel(positions)
    assert_array_equal(geom.contains_wcs_pix((x, y)), [True, True, False])
    idx = geom.coord_to_idx({"skycoord": positions, "energy": [2, 20, 2] * u.TeV})
    assert [i.tolist() for i in idx] == [[0, 0, -1], [0, 0, -1], [0, -1, 0]]
    assert geom.coord_to_idx({"energy": 9 * u.TeV})[2].tolist() == [2]
    assert geom.coord_to_idx((9 * u.TeV,), clip=True)[2].tolist() == [2]
    assert RegionGeom.create(CRAB).contains(positions).all()
    assert RegionGeom.create(CRAB).contains_wcs_pix((x, y)).all()
    lon, _, at = geom.pix_to_coord((np.array([0, 0.7]), np.array([0, 0]), np.array([0, 0])))
    assert_allclose(lon.value, [geom.center_skydir.ra.deg, np.nan])
    assert_allclose(at, energy.center[0])
    assert [i.tolist() for i in geom.get_idx()] == [[[[0]], [[0]], [[0]]], [[[0]], [[0]], [[0]]], [[[0]], [[1]], [[2]]]]


def test_coordinates_are_those_of_the_centre(geom, energy):
    coord = geom.get_coord()
    assert coord.shape == (3, 1, 1)
    assert_allclose(coord["energy"][:, 0, 0], energy.center)
    assert_allclose(coord.lon, geom.center_skydir.ra.deg)
    sparse = geom.get_coord(sparse=True, frame="galactic")
    assert sparse.frame == "galactic"
    assert np.size(sparse.lon) == 1
    assert_allclose(np.ravel(sparse.lon), geom.center_skydir.galactic.l.deg)
    assert geom.get_coord(mode="edges", axis_name="energy").shape == (4, 1, 1)
    with pytest.raises(ValueError, match="name of an axis"):
        geom.get_coord(mode="edges")


def test_pixels_around_the_region_and_their_weights(backend, geom):
    pixels = geom.to_wcs_geom()
    assert isinstance(pixels, WcsGeom)
    assert pixels.data_shape == (3, 12, 12)
    assert geom.to_wcs_geom(width_min=3).data_shape == (3, 30, 30)
    assert geom.to_wcs_geom(width_min=(0.1, "2 deg")).data_shape == (3, 20, 12)
    coord, weights = geom.get_wcs_coord_and_weights()
    assert isinstance(weights, np.ndarray)
    assert weights.shape == coord.lon.shape == coord.lat.shape
    assert coord["energy"].shape == (3, 1)
    assert_allclose(weights.sum() * 0.01, np.pi * 0.25, rtol=0.01)
    assert (coord.skycoord.separation(CRAB) < 0.6 * u.deg).all()


def test_other_axes_keep_the_region(geom, energy):
    image = geom.to_image()
    assert image.is_image
    assert image.region is geom.region
    assert image.to_cube([energy]) == geom
    assert geom.squash("energy").data_shape == (1, 1, 1)
    assert geom.upsample(2, axis_name="energy").data_shape == (6, 1, 1)
    assert geom.downsample(3, axis_name="energy").data_shape == (1, 1, 1)
    assert geom.pad(1, axis_name="energy").data_shape == (5, 1, 1)
    assert geom.to_binsz(1) is geom
    assert_allclose(geom.to_binsz_wcs("0.05 deg").binsz_wcs.deg, 0.05)
    assert geom.copy() == copy.deepcopy(geom) == geom
    assert geom != image
    assert geom != "region"
    assert_array_equal(geom.energy_mask(energy_min=3 * u.TeV, device="cpu").data[:, 0, 0], [False, False, True])
    for wrong in (lambda: geom.pad(1), lambda: geom.crop(1)):
        with pytest.raises(GeometryError, match="no pixels"):
            wrong()
    with pytest.raises(TypeError, match="cannot compare"):
        geom.is_allclose("region")


def test_union_grows_the_region_in_place(geom, energy):
    other = RegionGeom.create(OTHER, axes=[energy], wcs=geom.wcs)
    assert not geom.contains(NEAR).any()
    geom.union(other)
    assert geom.contains(NEAR).all()
    assert geom.contains(CRAB).all()
    assert geom.center_skydir.separation(CRAB) > 0.1 * u.deg
    with pytest.raises(GeometryError, match="different axes"):
        geom.union(other.to_image())


def test_a_geometry_without_a_region_says_so(energy):
    empty = RegionGeom.create(None, axes=[energy])
    assert empty.frame == "icrs"
    assert "NoneType" in str(empty)
    assert np.isnan(empty.center_skydir.ra)
    assert empty.coord_to_idx({"lon": 0, "lat": 0, "energy": 2 * u.TeV})[2].tolist() == [0]
    for what in (empty.solid_angle, lambda: empty.contains(CRAB), empty.to_wcs_geom):
        with pytest.raises(GeometryError, match="no region"):
            what()


@pytest.mark.parametrize("kind", [*KINDS, "none"])
@pytest.mark.parametrize("format", ["ogip", "gadf"])
def test_files_give_the_region_and_the_axes_back(energy, kind, format):
    geom = RegionGeom.create(KINDS.get(kind), axes=[energy])
    names = {"hdu_bands": "EBOUNDS"} if format == "ogip" else {"hdu_bands": "MASK_BANDS", "hdu_region": "MASK_REGION"}
    hdulist = geom.to_hdulist(format=format, **names)
    again = RegionGeom.from_hdulist(hdulist, format=format, hdu="MASK")
    assert again == geom
    assert type(again.region) is type(geom.region)
    if geom.region is not None:
        assert_allclose(again.solid_angle().value, geom.solid_angle().value, rtol=1e-9)
        assert again.center_skydir.separation(geom.center_skydir) < 0.1 * u.deg


def test_a_file_without_axes_or_of_an_unknown_format_is_refused(geom):
    hdulist = geom.to_hdulist(format="gadf", hdu_bands="MASK_BANDS")
    with pytest.raises(FormatError, match="no HDU 'OTHER_BANDS'"):
        RegionGeom.from_hdulist(hdulist, format="gadf", hdu="OTHER")
    with pytest.raises(FormatError, match="format 'fnord'"):
        RegionGeom.from_hdulist(hdulist, format="fnord")


def test_pixel_regions_go_to_the_sky_and_back():
    wcs = WcsGeom.create(skydir=(83, 61), width=5, frame="galactic").wcs
    ring = EllipseAnnulusPixelRegion(PixCoord(3, 4), 2.0, 3.0, 3.0, 4.0, angle=20 * u.deg)
    again = region_to_pixel(region_to_sky(ring, wcs), wcs)
    for name in ("inner_width", "outer_width", "inner_height", "outer_height", "angle"):
        assert_allclose(getattr(again, name), getattr(ring, name), rtol=1e-9)
    assert_allclose((again.center.x, again.center.y), (3, 4), atol=1e-9)


def test_an_intersection_cannot_be_taken_apart():
    with pytest.raises(ValueError, match="only unions"):
        compound_region_to_regions(CIRCLE & OTHER)


def test_a_region_in_pixels_is_one_on_the_sky_of_the_given_wcs():
    image = WcsGeom.create(skydir=CRAB, width=4, binsz=0.05, frame="galactic")
    sky = CircleSkyRegion(CRAB, 0.3 * u.deg)
    pixels = sky.to_pixel(image.wcs)
    for geom in (RegionGeom(pixels, wcs=image.wcs), RegionGeom.create([pixels, PointSkyRegion(CRAB)], wcs=image.wcs)):
        assert geom.center_skydir.separation(CRAB).deg < 0.06
    assert_allclose(RegionGeom(pixels, wcs=image.wcs).region.radius.deg, 0.3, rtol=1e-6)
    with pytest.raises(GeometryError, match="is in pixels, but no wcs"):
        RegionGeom.create(pixels)


def test_compound_regions_of_any_kind_have_a_centre_an_area_and_pixels(energy):
    areas = {}
    for name, region in {"either": CIRCLE | OTHER, "both": CIRCLE & OTHER, "one": CIRCLE ^ OTHER}.items():
        geom = RegionGeom.create(region, axes=[energy], binsz_wcs="0.02 deg")
        _, weights = geom.get_wcs_coord_and_weights()
        areas[name] = geom.solid_angle().to_value("deg2")
        assert_allclose(weights.sum() * 0.02**2, areas[name], rtol=0.01)  # the pixels are all of the region
        assert geom.center_skydir.separation(CRAB) < 0.5 * u.deg
    assert_allclose(areas["either"] + areas["both"], np.pi * (0.5**2 + 0.3**2), rtol=1e-3)
    assert_allclose(areas["either"] - areas["both"], areas["one"], rtol=1e-3)


def test_a_region_that_fits_does_not_know_is_not_written_as_none(energy):
    frame = RectangleAnnulusSkyRegion(CRAB, 0.3 * u.deg, 0.5 * u.deg, 0.4 * u.deg, 0.8 * u.deg)
    for region, message in ((frame, "a RectangleAnnulusPixelRegion"), (CIRCLE & OTHER, "only unions")):
        with pytest.raises(FormatError, match=message):
            RegionGeom.create([region], axes=[energy]).to_hdulist()


def test_a_file_without_the_shape_of_its_region_is_read(geom, caplog):
    hdulist = geom.to_hdulist(format="ogip", hdu_bands="EBOUNDS")
    hdulist["REGION"].data = hdulist["REGION"].data[:0]  # as Gammapy writes a rectangular annulus
    again = RegionGeom.from_hdulist(hdulist)
    assert again.region is None
    assert again.axes == geom.axes
    assert "'REGION' holds no region of a known shape" in caplog.text


@pytest.mark.filterwarnings("ignore:A coordinate frame was not found")
def test_text_without_a_region_is_refused():
    with pytest.raises(ValueError, match="no region in 'circle 3', expected one in DS9 format"):
        RegionGeom.create("circle 3")


def test_the_rectangle_around_a_circle_is_that_of_its_present_numbers():
    circle = CircleSkyRegion(SkyCoord(83, 22, unit="deg"), 0.2 * u.deg)
    first = RegionGeom.create(circle)
    width, center = first.width.copy(), first.center_skydir
    circle.radius = 0.4 * u.deg
    second = RegionGeom.create(circle)
    assert np.all(second.width > 1.5 * width)
    circle.center = SkyCoord(83, 22, unit="deg", frame="galactic")
    third = RegionGeom.create(circle)
    assert third.center_skydir.frame.name == "galactic"
    assert center.separation(third.center_skydir) > 10 * u.deg
    point = RegionGeom.create(PointSkyRegion(SkyCoord(83, 22, unit="deg")))
    assert np.all(point.width < width)
    fine = RegionGeom.create(CircleSkyRegion(SkyCoord(83, 22, unit="deg"), 0.2 * u.deg), binsz_wcs="0.01 deg")
    assert np.all(fine.width < width)


@pytest.mark.parametrize("frame", ["icrs", "galactic", "fk5", FK5(equinox="J1975")], ids=str)
@pytest.mark.parametrize("lonlat", [(83.63, 22.01), (83.63, 22.51), (0.1, -89.5), (263.63, -22.01)])
def test_the_angle_between_positions_is_that_of_astropy(frame, lonlat):
    one, other = SkyCoord(83.63, 22.01, unit="deg"), SkyCoord(*lonlat, unit="deg").transform_to(frame)
    for pair in ((one, other), (other, one)):
        assert_allclose(angle_between(*pair), pair[0].separation(pair[1]).rad, rtol=1e-12, atol=1e-15)


def test_a_union_of_many_regions_is_taken_apart_in_their_order():
    circles = [CircleSkyRegion(SkyCoord(0.1 * i, 0, unit="deg"), 0.05 * u.deg) for i in range(2000)]
    union = regions_to_compound_region(circles)
    assert all_parts(union) == circles
    assert list(compound_region_to_regions(union)) == circles
    with pytest.raises(ValueError, match="only unions can be taken apart"):
        compound_region_to_regions(union & circles[0])
