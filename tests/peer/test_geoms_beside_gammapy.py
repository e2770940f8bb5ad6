"""Sky and region geometries beside those of Gammapy 2.1, in many projections and places."""

import itertools
import re
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleAnnulusSkyRegion, CircleSkyRegion, EllipseSkyRegion, PointSkyRegion, RectangleSkyRegion
from scipy.ndimage import binary_dilation

import lightpool.maps as ours
from lightpool.arrays.devices.devices import to_host

pytestmark = pytest.mark.peer

PROJECTIONS = ["CAR", "TAN", "AIT", "SIN", "ZEA", "STG", "MOL", "SFL", "MER"]
MAPS = [
    {"skydir": (83.63, 22.01), "width": 5, "binsz": 0.1},
    {"skydir": (266.4, -29.0), "npix": (31, 20), "binsz": (0.2, 0.1)},
    {"skydir": (10.0, 83.0), "width": ("3 deg", "4.03 deg"), "binsz": 0.07 * u.deg},
    {"skydir": (0.0, 0.0), "npix": 40, "binsz": 5},
]


@pytest.fixture(scope="module")
def theirs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("gammapy.maps")


def axes(maps):
    return [
        maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3),
        maps.MapAxis.from_edges([0, 1, 3], name="x", unit="deg"),
    ]


def text(geom):
    return re.sub(r"np\.int64\((\d+)\)", r"\1", str(geom))  # Gammapy 2.1 prints NumPy 2's numbers


def assert_same_coord(mine, its):
    for name in its.axis_names:
        assert mine[name].shape == its[name].shape
        assert mine[name].unit == its[name].unit
        assert_allclose(mine[name].value, its[name].value, rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("size", MAPS, ids=str)
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("proj", PROJECTIONS)
def test_coordinates_areas_cutouts_and_masks(theirs, proj, frame, size):
    options = {"proj": proj, "frame": frame, **size}
    its = theirs.WcsGeom.create(axes=axes(theirs), **options)
    mine = ours.WcsGeom.create(axes=axes(ours), **options)
    position = SkyCoord(*size["skydir"], unit="deg", frame=frame).directional_offset_by(40 * u.deg, 0.7 * u.deg)
    assert text(mine) == text(its)
    check_coordinates(mine, its, position)
    check_areas(mine, its, position)
    check_cutouts(mine, its, position)
    check_masks(mine, its, position)


def check_coordinates(mine, its, position):
    for arguments in ({}, {"frame": "galactic"}, {"sparse": True}, {"mode": "edges"}, {"idx": (1, 1)}):
        assert_same_coord(mine.get_coord(**arguments), its.get_coord(**arguments))
    energy_edges = {"mode": "edges", "axis_name": "energy"}
    assert_same_coord(mine.get_coord(**energy_edges), its.get_coord(**energy_edges))
    for arguments in ({}, {"flat": True}, {"idx": (1, 0)}):
        for my_idx, its_idx in zip(mine.get_idx(**arguments), its.get_idx(**arguments), strict=True):
            assert_array_equal(my_idx, its_idx)
    rng = np.random.default_rng(0)
    points = position.directional_offset_by(rng.uniform(0, 360, 50) * u.deg, rng.uniform(0, 4, 50) * u.deg)
    others = {"energy": np.exp(rng.uniform(-0.5, 3, 50)) * u.TeV, "x": rng.uniform(-1, 4, 50) * u.deg}
    for coords in ({"skycoord": points, **others}, {"skycoord": points.galactic, **others}):
        assert_allclose(mine.coord_to_pix(coords), its.coord_to_pix(coords), rtol=0, atol=1e-9)
        for clip in (False, True):
            assert_array_equal(mine.coord_to_idx(coords, clip=clip), its.coord_to_idx(coords, clip=clip))
        assert_array_equal(mine.contains(coords), its.contains(coords))


def check_areas(mine, its, position):
    """Areas are those of Gammapy, or of the spherical quadrilateral, where its plane one is off by more than 1e-6."""
    areas, plane = mine.to_image().solid_angle().value, its.to_image().solid_angle().value
    spherical = quadrilateral_areas(its.to_image().get_coord(mode="edges"))
    # Pixels at the rim of the sky have corners on its other side.
    inside = ~binary_dilation(~np.isfinite(areas) | ~np.isfinite(spherical), np.ones((3, 3)))
    assert inside.any()
    kept = np.abs(areas - plane) <= 1e-9 * plane
    assert_allclose(np.where(kept, plane, areas)[inside], np.where(kept, plane, spherical)[inside], rtol=1e-9)
    assert np.all(np.abs(plane / spherical - 1)[inside & kept] < 1e-5)
    volumes = areas * its.axes.bin_volume().value
    assert_allclose(mine.bin_volume().value, np.broadcast_to(volumes, mine.data_shape), rtol=1e-12)
    assert mine.bin_volume().unit == its.bin_volume().unit
    for place in (position, position.galactic):
        assert_allclose(mine.separation(place).deg, its.separation(place).deg, rtol=0, atol=1e-10)


def quadrilateral_areas(corners):
    """Areas of pixels between great circles, by two triangles (van Oosterom & Strackee 1983), sr."""
    lon, lat = np.deg2rad(corners.lon.value), np.deg2rad(corners.lat.value)
    xyz = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
    a, b, c, d = xyz[:-1, :-1], xyz[:-1, 1:], xyz[1:, 1:], xyz[1:, :-1]
    return triangle_areas(a, b, c) + triangle_areas(a, c, d)


def triangle_areas(a, b, c):
    volume = np.abs(np.sum(a * np.cross(b, c), axis=-1))
    return 2 * np.arctan2(volume, 1 + np.sum(a * b + b * c + c * a, axis=-1))


def check_cutouts(mine, its, position):
    for mode, width, odd in itertools.product(["trim", "partial"], ["2 deg", (1.05 * u.deg, 3 * u.deg)], [True, False]):
        my_cutout = mine.cutout(position, width, mode=mode, odd_npix=odd)
        its_cutout = its.cutout(position, width, mode=mode, odd_npix=odd)
        assert my_cutout.data_shape == its_cutout.data_shape
        assert_allclose(my_cutout.wcs.wcs.crpix, its_cutout.wcs.wcs.crpix, rtol=0, atol=1e-12)
        assert my_cutout.cutout_slices(mine, mode=mode) == its_cutout.cutout_slices(its, mode=mode)
    pairs = [
        (mine.pad(2), its.pad(2, axis_name=None)),
        (mine.crop((2, 1)), its.crop((2, 1))),
        (mine.upsample(2), its.upsample(2)),
        (mine.to_odd_npix(max_radius=0.5 * u.deg), its.to_odd_npix(max_radius=0.5 * u.deg)),
        (mine.to_even_npix(), its.to_even_npix()),
        (mine.to_binsz(0.25), its.to_binsz(0.25)),
        (ours.WcsGeom.from_aligned(mine, position, "1.3 deg"), type(its).from_aligned(its, position, "1.3 deg")),
    ]
    for my_other, its_other in pairs:
        assert my_other.data_shape == its_other.data_shape
        assert_allclose(my_other.wcs.wcs.crpix, its_other.wcs.wcs.crpix)
        assert_allclose(my_other.wcs.wcs.cdelt, its_other.wcs.wcs.cdelt)


def regions_at(position):
    angle = 30 * u.deg
    return [
        CircleSkyRegion(position, 1 * u.deg),
        EllipseSkyRegion(position, 1 * u.deg, 2 * u.deg, angle),
        RectangleSkyRegion(position, 1 * u.deg, 2 * u.deg, angle),
        CircleAnnulusSkyRegion(position, 0.5 * u.deg, 1 * u.deg),
        PointSkyRegion(position),
        CircleSkyRegion(position.galactic, 0.4 * u.deg),
    ]


def check_masks(mine, its, position):
    regions = regions_at(position)
    for some in [*([region] for region in regions), regions]:
        for inside in (True, False):
            mask = to_host(mine.region_mask(some, inside=inside).data)
            assert_array_equal(mask, its.region_mask(some, inside=inside).data)
    for arguments in ({"energy_min": 2 * u.TeV}, {"energy_max": 6 * u.TeV, "round_to_edge": True}):
        assert_array_equal(to_host(mine.energy_mask(**arguments).data), its.energy_mask(**arguments).data)
    weights = to_host(mine.to_image().region_weights(regions[:1]).data)
    assert_allclose(weights, its.to_image().region_weights(regions[:1]).data, atol=1e-14)
    if mine.pixel_scales[0] == mine.pixel_scales[1] and mine.pixel_scales[0] < 1 * u.deg:
        assert_array_equal(to_host(mine.boundary_mask("0.5 deg").data), its.boundary_mask("0.5 deg").data)
        for kernel in ("disk", "box"):
            assert_array_equal(mine.binary_structure("0.3 deg", kernel), its.binary_structure("0.3 deg", kernel))


@pytest.mark.parametrize("options", [{}, {"binsz_wcs": 0.01 * u.deg}], ids=str)
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("place", [(83.63, 22.01), (0.2, -60), (359.9, 75)])
def test_region_geometries_are_those_of_gammapy(theirs, place, frame, options):
    position = SkyCoord(*place, unit="deg", frame=frame)
    near = CircleSkyRegion(position.directional_offset_by(30 * u.deg, 0.8 * u.deg), 0.4 * u.deg)
    far = CircleSkyRegion(position.directional_offset_by(130 * u.deg, 0.6 * u.deg), 0.4 * u.deg)
    circle = CircleSkyRegion(position, 0.3 * u.deg)
    for region in [*regions_at(position), [circle, near], [circle, near, far]]:
        mine = ours.RegionGeom.create(region, axes=axes(ours), **options)
        its = theirs.RegionGeom.create(region, axes=axes(theirs), **options)
        assert text(mine) == text(its)
        assert_allclose(mine.width.value, its.width.value, rtol=1e-9)
        assert mine.center_skydir.separation(its.center_skydir) < 1e-9 * u.deg
        assert_allclose(mine.solid_angle().value, its.solid_angle().value, rtol=1e-9)
        assert_allclose(mine.bin_volume().value, its.bin_volume().value, rtol=1e-9)
        rng = np.random.default_rng(0)
        points = position.directional_offset_by(rng.uniform(0, 360, 500) * u.deg, rng.uniform(0, 2, 500) * u.deg)
        assert_array_equal(mine.contains(points), its.contains(points))
        if isinstance(region, PointSkyRegion):  # one pixel, which Gammapy cannot do
            assert text(mine.to_wcs_geom()) == text(its.to_wcs_geom())
            continue
        my_coord, my_weights = mine.get_wcs_coord_and_weights()
        its_coord, its_weights = its.get_wcs_coord_and_weights()
        if isinstance(region, list):  # Gammapy cuts off one end of a union: docs/differences.md
            assert my_weights.sum() >= its_weights.sum() - 1e-9
        else:
            assert text(mine.to_wcs_geom()) == text(its.to_wcs_geom())
            assert_allclose(my_weights, its_weights, atol=1e-14)
            assert_same_coord(my_coord, its_coord)
