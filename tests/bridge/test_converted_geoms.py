"""Geometries of Gammapy and of lightpool, converted into each other."""

import copy
import gc
import pickle
import sys
from types import ModuleType

import astropy.units as u
import gammapy.maps
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from deep_comparison import differences
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, EllipseSkyRegion, PointSkyRegion, RectangleSkyRegion

import lightpool.maps
from lightpool.gammapy import from_gammapy, to_gammapy
from lightpool.maps import HpxGeom, HpxNDMap, MapAxis

CENTRE = SkyCoord(83.63, 22.01, unit="deg")
BOTH = [(gammapy.maps, from_gammapy, to_gammapy), (lightpool.maps, to_gammapy, from_gammapy)]
both_ways = pytest.mark.parametrize(("library", "convert", "convert_back"), BOTH, ids=["from_gammapy", "to_gammapy"])
quick = settings(max_examples=25, deadline=None)
OTHER = {gammapy.maps: lightpool.maps, lightpool.maps: gammapy.maps}


@st.composite
def wcs_arguments(draw):
    npix = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    refpix = draw(st.none() | st.tuples(st.floats(-20, 20), st.floats(-20, 20)))
    return {
        "npix": npix,
        "binsz": (draw(st.floats(0.01, 0.5)), draw(st.floats(0.01, 0.5))),
        "proj": draw(st.sampled_from(["CAR", "TAN", "AIT", "ZEA", "STG", "SIN", "MER", "ARC"])),
        "frame": draw(st.sampled_from(["icrs", "galactic"])),
        "skydir": (draw(st.floats(0, 359)), draw(st.floats(-70, 70))),
        "refpix": refpix,
    }


def _axes(library):
    return [
        library.MapAxis.from_energy_bounds("1 TeV", "10 TeV", 3),
        library.LabelMapAxis(["a", "b"], name="kind"),
    ]


def _public(geom):
    sizes = [np.ravel(_).tolist() for _ in (geom.npix[0], geom.npix[1], geom.width.value)]
    return geom.frame, geom.projection, geom.data_shape, geom.axes.names, sizes, geom.is_allsky, type(geom).__name__


@both_ways
@quick
@given(arguments=wcs_arguments())
def test_a_geometry_has_the_same_pixels_and_is_itself_again(library, convert, convert_back, arguments):
    geom = library.WcsGeom.create(**arguments, axes=_axes(library))
    found = convert(geom)
    assert _public(found) == _public(geom)
    assert found.wcs is geom.wcs
    assert convert(geom) is found
    assert convert_back(found) is geom
    for mine, its in zip(found.to_image().get_coord()[:2], geom.to_image().get_coord()[:2], strict=True):
        assert_allclose(u.Quantity(mine).to_value("deg"), u.Quantity(its).to_value("deg"), rtol=1e-12)
    native = OTHER[library].WcsGeom.create(**arguments, axes=_axes(OTHER[library]))
    assert found == native
    assert native == found
    assert found.is_aligned(native)
    assert_array_equal(found.to_image().solid_angle(), native.to_image().solid_angle())


@quick
@given(arguments=wcs_arguments())
def test_nothing_of_a_geometry_of_gammapy_is_lost(arguments):
    geom = gammapy.maps.WcsGeom.create(**arguments, axes=_axes(gammapy.maps))
    # a copy, so that the original is not found again
    copied = pickle.loads(pickle.dumps(from_gammapy(geom)))
    assert differences(to_gammapy(copied), geom) == []


@both_ways
@pytest.mark.parametrize("mode", ["trim", "partial"])
@pytest.mark.parametrize("odd", [True, False])
def test_a_cutout_is_the_cutout_of_the_other_library(library, convert, convert_back, mode, odd):
    whole = library.WcsGeom.create(skydir=CENTRE, binsz=0.1, width=(4, 3), proj="TAN", axes=_axes(library))
    where = {"position": SkyCoord(84.9, 22.9, unit="deg"), "width": "1.3 deg", "mode": mode, "odd_npix": odd}
    part, expected = whole.cutout(**where), convert(whole).cutout(**where)
    found = convert(part)
    assert _public(found) == _public(part)
    assert found == expected
    assert found.is_aligned(convert(whole))
    assert found.cutout_slices(convert(whole)) == part.cutout_slices(whole)
    assert_allclose(found.wcs.wcs.crpix, expected.wcs.wcs.crpix, rtol=0, atol=1e-9)


def test_a_cutout_of_lightpool_knows_where_it_was_cut_after_the_way_through_gammapy():
    whole = lightpool.maps.WcsGeom.create(skydir=CENTRE, binsz=0.1, width=4)
    part = whole.cutout(SkyCoord(84, 22, unit="deg"), "1 deg")
    expected = part.cutout_info
    found = to_gammapy(part)
    # Gammapy would take its stack's slices from it
    assert not hasattr(found, "cutout_info")
    del part
    gc.collect()
    assert from_gammapy(found).cutout_info == expected is not None
    assert to_gammapy(from_gammapy(found)) is found


@both_ways
def test_the_whole_sky_stays_the_whole_sky(library, convert, convert_back):
    geom = library.WcsGeom.create(binsz=10, proj="AIT", frame="galactic")
    assert convert(geom).is_allsky
    assert_array_equal(np.isnan(convert(geom).get_coord().lon), np.isnan(geom.get_coord().lon))


@both_ways
def test_geometries_with_one_axis_share_the_converted_axis(library, convert, convert_back):
    axes = _axes(library)
    first, second = (library.WcsGeom.create(npix=n, binsz=0.1, axes=axes) for n in (3, 4))
    assert convert(first).axes["energy"] is convert(second).axes["energy"] is convert(axes[0])


@both_ways
def test_planes_with_pixels_of_their_own_are_converted(library, convert, convert_back):
    axis = library.MapAxis.from_energy_bounds("1 TeV", "10 TeV", 2)
    geom = library.WcsGeom.create(npix=([10, 20], [10, 8]), binsz=[0.1, 0.2], axes=[axis])
    converted = convert(geom)
    assert not converted.is_regular
    for found in (converted, convert_back(converted)):
        assert [n.tolist() for n in found.npix] == [[10, 20], [10, 8]]
        assert_allclose(found.get_coord().lon.value, geom.get_coord().lon.value, rtol=1e-12)


@pytest.fixture
def without_healpy(monkeypatch):
    """What Gammapy needs of healpy to make geometries of all the sky and of lists of pixels: a check that passes."""
    pixelfunc = ModuleType("healpy.pixelfunc")
    pixelfunc.check_nside = lambda nside, nest: True
    monkeypatch.setitem(sys.modules, "healpy", ModuleType("healpy"))
    monkeypatch.setitem(sys.modules, "healpy.pixelfunc", pixelfunc)


@pytest.mark.parametrize(
    "options",
    [
        {"nside": 4, "frame": "galactic"},
        {"nside": 3, "nest": False, "n_axis": 1},
        {"nside": [4, 8], "n_axis": 1},
        {"nside": 8, "region": (np.array([3, 5, 700]), np.array([0, 0, 1])), "n_axis": 1},
        {"nside": 8, "region": (np.array([3, 5]),)},
    ],
    ids=["all sky", "cube", "grid in each plane", "list in each plane", "list"],
)
def test_healpix_maps_are_converted_both_ways(options, without_healpy):
    options = dict(options)
    axes = [MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)] * options.pop("n_axis", 0)
    geom = HpxGeom(axes=axes, **options)
    theirs = to_gammapy(geom)
    assert type(theirs) is gammapy.maps.HpxGeom
    assert theirs.data_shape == geom.data_shape
    assert from_gammapy(theirs) is geom
    m = HpxNDMap(geom, unit="s", device="cpu")
    exists = geom.get_idx()[0] >= 0
    m.data[exists] = np.arange(exists.sum())
    converted = to_gammapy(m)
    assert np.shares_memory(converted.data, m.data)
    again = from_gammapy(gammapy.maps.HpxNDMap(gammapy_copy(theirs), data=converted.data, unit="s"))
    assert again.geom == geom
    assert np.shares_memory(again.data, m.data)
    if geom.is_regular or geom.is_allsky:  # Gammapy finds pixels of a list for each plane at the places of others
        index = geom.get_idx(flat=True)
        assert_allclose(converted.get_by_idx(index), m.get_by_idx(index))


def gammapy_copy(geom):
    region = tuple(geom.get_idx(flat=True)) if geom.region == "explicit" else geom.region
    return gammapy.maps.HpxGeom(geom.nside, geom.nest, geom.frame, region=region, axes=geom.axes)


def test_without_healpy_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "healpy.pixelfunc", None)
    with pytest.raises(ImportError, match=r"need the package healpy.*to_wcs\(\)"):
        to_gammapy(HpxGeom(4))


@pytest.mark.parametrize("name", ["WcsGeom", "RegionGeom"])
def test_a_class_derived_from_a_geometry_of_gammapy_is_rejected(name):
    kind = getattr(gammapy.maps, name)
    derived = type("Odd", (kind,), {"pixel_area": 3})
    region = CircleSkyRegion(CENTRE, 1 * u.deg)
    geom = derived.create(region) if name == "RegionGeom" else derived.create(npix=3)
    with pytest.raises(TypeError, match=f"Odd, which is derived from {name}"):
        from_gammapy(geom)


REGIONS = {
    "point": PointSkyRegion(CENTRE),
    "circle": CircleSkyRegion(CENTRE.galactic, 0.3 * u.deg),
    "ellipse": EllipseSkyRegion(CENTRE, 0.5 * u.deg, 0.2 * u.deg, 30 * u.deg),
    "union": CircleSkyRegion(CENTRE, 0.3 * u.deg)
    | RectangleSkyRegion(SkyCoord(85, 22, unit="deg"), 1 * u.deg, 1 * u.deg),
    "unknown": None,
}


@both_ways
@pytest.mark.parametrize("shape", REGIONS)
@pytest.mark.parametrize("binsz", ["0.1 deg", (0.02, 0.05) * u.deg], ids=str)
def test_a_region_is_shared_with_its_pixels(library, convert, convert_back, shape, binsz):
    binsz = "0.1 deg" if shape == "unknown" else binsz
    geom = library.RegionGeom(REGIONS[shape], axes=_axes(library), binsz_wcs=binsz)
    found = convert(geom)
    assert found.region is geom.region
    assert found.wcs is geom.wcs
    assert convert_back(found) is geom
    assert convert(geom) is found
    assert (found.data_shape, found.frame, found.axes.names) == (geom.data_shape, geom.frame, geom.axes.names)
    native = OTHER[library].RegionGeom(REGIONS[shape], axes=_axes(OTHER[library]), wcs=geom.wcs)
    assert found == native
    if shape == "unknown":
        return
    assert_allclose(found.binsz_wcs, geom.binsz_wcs)
    assert_array_equal(found.solid_angle(), native.solid_angle())
    inside = geom.to_wcs_geom().to_image().get_coord().skycoord
    assert_array_equal(found.contains(inside), native.contains(inside))
    # the package regions draws circles as ellipses on pixels that are not square
    if isinstance(binsz, str):
        assert_array_equal(found.contains(inside), geom.contains(inside))
    assert found.center_skydir.separation(native.center_skydir) < 1e-9 * u.deg


@pytest.mark.parametrize("shape", REGIONS)
def test_nothing_of_a_region_geometry_of_gammapy_is_lost(shape):
    geom = gammapy.maps.RegionGeom(REGIONS[shape], axes=_axes(gammapy.maps))
    found = to_gammapy(copy.copy(from_gammapy(geom)))
    assert found.region is geom.region
    assert found == geom
    assert found.axes == geom.axes
    assert found.wcs is geom.wcs


@both_ways
def test_a_region_geometry_that_grew_is_converted_again(library, convert, convert_back):
    geom = library.RegionGeom(REGIONS["circle"], axes=_axes(library))
    before = convert(geom)
    geom.union(library.RegionGeom(REGIONS["point"], axes=_axes(library)))
    found = convert(geom)
    assert found is not before
    assert found.region is geom.region


def test_a_geometry_is_freed_when_nobody_uses_it():
    from weakref import ref

    for library, convert, convert_back in BOTH:
        geom = library.WcsGeom.create(npix=3, axes=_axes(library))
        found = convert(geom)
        convert_back(found)
        refs = ref(geom), ref(found)
        del geom
        gc.collect()
        assert refs[0]() is None
        assert refs[1]() is not None
        assert convert(convert_back(found)) is found
        del found
        gc.collect()
        assert refs[1]() is None
