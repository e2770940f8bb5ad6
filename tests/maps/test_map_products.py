"""Products, random coordinates, histograms and reprojected maps."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, PointSkyRegion

from lightpool.arrays import to_device, to_host
from lightpool.errors import GeometryError
from lightpool.maps import (
    HpxGeom,
    HpxNDMap,
    Map,
    MapAxis,
    RegionGeom,
    RegionNDMap,
    WcsGeom,
    WcsMap,
    WcsNDMap,
    containment_radius,
    containment_region,
)

CENTRE = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4, name="energy_true")
PHASE = MapAxis.from_edges([0, 0.5, 1], name="phase")
RNG = np.random.default_rng(2)


def sky_map(*axes, npix=(5, 4), unit="", binsz=0.1):
    geom = WcsGeom.create(npix=npix, binsz=binsz, skydir=CENTRE, axes=list(axes))
    return Map.from_geom(geom, data=RNG.uniform(0.5, 2, size=geom.data_shape), unit=unit)


def region_map(*axes, unit=""):
    geom = RegionGeom.create(CircleSkyRegion(CENTRE, 0.2 * u.deg), axes=list(axes))
    return RegionNDMap(geom, data=RNG.uniform(size=geom.data_shape), unit=unit)


def test_a_map_of_the_sky_is_made_by_its_class(backend):
    m = WcsMap.create(npix=3, binsz="0.3 deg", axes=[ENERGY], unit="s")
    assert type(m) is WcsNDMap
    assert m.data.shape == (3, 3, 3)
    assert (m.unit, m.tag) == ("s", "map")
    assert isinstance(m, WcsMap)
    with pytest.raises(ValueError, match="wcs-sparse"):
        WcsMap.create("wcs-sparse", npix=3)


@pytest.mark.parametrize(
    ("axes", "others"), [((TRUE,), (TRUE, ENERGY)), ((PHASE, TRUE), (ENERGY, TRUE)), ((TRUE,),) * 2]
)
def test_a_product_sums_over_the_common_axis(backend, axes, others):
    m, other = sky_map(*axes, unit="m2"), region_map(*others, unit="s")
    product = m @ other
    assert product.unit == "m2 s"
    names = [name for axis in axes for name in ([_.name for _ in others if _ != TRUE] if axis == TRUE else [axis.name])]
    assert product.geom.axes.names == names
    # one letter for each dimension of the data
    letters = {"energy": "e", "energy_true": "t", "phase": "p"}
    left, right = ("".join(letters[axis.name] for axis in group[::-1]) for group in (axes, others))
    result = "".join(letters[name] for name in names[::-1])
    expected = np.einsum(f"{left}yx,{right}->{result}yx", to_host(m.data), to_host(other.data)[..., 0, 0])
    assert_allclose(to_host(product.data), expected)


def test_products_need_one_equal_axis(backend):
    with pytest.raises(TypeError, match="RegionNDMap"):
        sky_map(TRUE).dot(sky_map(TRUE))
    with pytest.raises(GeometryError, match="no axis in common"):
        sky_map(ENERGY).dot(region_map(TRUE))
    with pytest.raises(GeometryError, match="more than one axis"):
        sky_map(ENERGY, TRUE).dot(region_map(ENERGY, TRUE))
    with pytest.raises(GeometryError, match="not equal"):
        sky_map(ENERGY).dot(region_map(MapAxis.from_energy_bounds("1 TeV", "9 TeV", nbin=3)))


def test_random_coordinates_are_distributed_as_the_values(backend):
    m = sky_map(ENERGY)
    coords = m.sample_coord(20000, random_state=3)
    assert coords.axis_names == ["lon", "lat", "energy"]
    found = Map.from_geom(m.geom)
    found.fill_by_coord(coords)
    counts = to_host(found.data)
    assert counts.sum() == 20000
    expected = to_host(m.data) / to_host(m.data).sum() * 20000
    assert np.sum((counts - expected) ** 2 / expected) < 100  # 59 degrees of freedom
    again = m.sample_coord(5, random_state=np.random.RandomState(3))
    assert_array_equal(again["energy"], m.sample_coord(5, random_state=3)["energy"])


def test_seeds_draw_the_coordinates_of_gammapy():
    m = Map.from_geom(WcsGeom.create(npix=(2, 2), binsz=1), data=np.array([[1.0, 2.0], [3.0, 4.0]]))
    coords = m.sample_coord(3, random_state=0)
    assert_allclose(
        coords.lon.to_value("deg"), [0.5624127887373075, 359.10822699921795, 359.03633723949895], rtol=1e-12
    )
    with pytest.raises(ValueError, match="sum above zero"):
        Map.from_geom(m.geom).sample_coord(3)
    with pytest.raises(ValueError, match="random_state"):
        m.sample_coord(3, random_state="seed")


def test_histograms_count_the_pixels_of_a_region(backend):
    m = sky_map(ENERGY, npix=(9, 9), unit="s")
    m.data = to_host(m.data).round(1)
    axis = MapAxis.from_edges([0.5, 1, 1.5, 2], name="value", unit="s")
    region = CircleSkyRegion(CENTRE, 0.25 * u.deg)
    inside = to_host(m.geom.to_image().region_mask([region], device="cpu").data)
    values = to_host(m.data)
    counts = m.to_region_nd_map_histogram(region, bins_axis=axis)
    assert counts.geom.axes.names == ["value", "energy"]
    expected = [np.histogram(plane[inside], axis.edges.value)[0] for plane in values]
    assert_array_equal(to_host(counts.data)[..., 0, 0], expected)
    density = m.to_region_nd_map_histogram(bins_axis=axis, density=True)
    assert density.unit == "s-1"
    expected = [np.histogram(plane, axis.edges.value, density=True)[0] for plane in values]
    assert_allclose(to_host(density.data)[..., 0, 0], expected)


def test_bins_of_a_histogram_reach_to_the_largest_value(backend):
    m = sky_map(npix=(9, 9), unit="s")
    counts = m.to_region_nd_map_histogram(nbin=10)
    assert to_host(counts.data).sum() == 81
    assert_allclose(counts.geom.axes["bins"].edges[-1].to_value("s"), to_host(m.data).max())
    with pytest.raises(ValueError, match="Unit of bins_axis"):
        m.to_region_nd_map_histogram(bins_axis=PHASE)
    with pytest.raises(ValueError, match="point regions"):
        m.to_region_nd_map_histogram(PointSkyRegion(CENTRE))
    with pytest.raises(GeometryError, match="bins_axis"):
        Map.from_geom(m.geom).to_region_nd_map_histogram()


def test_counts_are_kept_on_other_pixels(backend):
    m = sky_map(ENERGY, npix=(6, 6))
    target = WcsGeom.create(npix=(20, 20), binsz=0.07, skydir=CENTRE.galactic, frame="galactic", proj="TAN")
    found = m.reproject_to_geom(target, preserve_counts=True)
    assert found.geom == target.to_cube([ENERGY])
    assert_allclose(to_host(found.sum_over_axes().data).sum(), to_host(m.data).sum(), rtol=1e-12)
    by_image = m.reproject_by_image(target, preserve_counts=True)
    # each image by itself keeps its counts, all together those of the map
    for one, plane in zip(by_image.iter_by_image(), m.iter_by_image(), strict=True):
        assert_allclose(to_host(one.data).sum(), to_host(plane.data).sum(), rtol=1e-12)


def test_reprojected_counts_keep_their_sum_around_holes(backend):
    m = Map.from_geom(WcsGeom.create(npix=(12, 12), binsz=0.1, skydir=CENTRE, proj="TAN"))
    counts = np.arange(144.0).reshape(12, 12)
    counts[4:7, 5:7] = np.nan
    m.data = m.data + to_device(counts, m.device)
    target = WcsGeom.create(npix=(20, 20), binsz=0.07, skydir=CENTRE, proj="TAN")
    found = to_host(m.reproject_to_geom(target, preserve_counts=True).data)
    # A pixel that a hole reaches into is one, so the counts beside the hole in it are lost.
    sums = to_host(m.upsample(15).resample(target).data)
    assert_array_equal(np.isnan(found), np.isnan(sums))
    assert_allclose(np.nansum(found), np.nansum(sums), rtol=1e-12)
    assert 0.95 * np.nansum(counts) < np.nansum(found) < np.nansum(counts)


def test_whole_numbers_and_masks_become_parts_of_numbers_on_larger_pixels(backend):
    geom, coarse = (WcsGeom.create(npix=n, binsz=4 / n, skydir=CENTRE, proj="TAN") for n in (4, 2))
    flags = np.reshape([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1], (4, 4))
    for dtype in (int, bool):
        m = Map.from_geom(geom, data=flags.astype(dtype)).to(backend.device)
        assert_allclose(to_host(m.resample(coarse, preserve_counts=False).data), [[0.5, 0], [1, 0.25]])
        assert_allclose(to_host(m.resample(coarse, weights=0.5).data), [[1, 0], [2, 0.5]])


def test_a_flat_map_stays_flat_on_other_pixels_and_bins(backend):
    m = Map.from_geom(WcsGeom.create(npix=(20, 20), binsz=0.1, skydir=CENTRE, axes=[PHASE, ENERGY]), data=3.0, unit="s")
    target = WcsGeom.create(npix=(5, 5), binsz=0.25, skydir=CENTRE, proj="TAN")
    for found in (m.reproject_to_geom(target), m.reproject_by_image(target)):
        assert found.unit == "s"
        assert_allclose(to_host(found.data), np.full((3, 2, 5, 5), 3.0))
    cube = target.to_cube([PHASE, ENERGY.upsample(2)])
    assert_allclose(to_host(m.reproject_to_geom(cube, precision_factor=4).data), np.full((6, 2, 5, 5), 3.0))
    with pytest.raises(GeometryError, match="Axis names and order"):
        m.reproject_to_geom(target.to_cube([ENERGY, PHASE]))
    with pytest.raises(TypeError, match="2d geom"):
        m.reproject_by_image(cube)


def test_planes_reprojected_one_by_one_are_in_the_order_of_the_axes():
    m = Map.from_geom(WcsGeom.create(npix=(8, 8), binsz=0.1, skydir=CENTRE, axes=[PHASE, ENERGY]))
    m.data += np.arange(6.0).reshape(3, 2, 1, 1)
    found = m.reproject_by_image(WcsGeom.create(npix=2, binsz=0.2, skydir=CENTRE))
    assert_allclose(found.data[..., 0, 0], np.arange(6.0).reshape(3, 2))


def test_a_region_receives_the_pixels_in_it(backend):
    m = Map.from_geom(WcsGeom.create(npix=(20, 20), binsz=0.1, skydir=CENTRE, axes=[ENERGY]), data=2.0)
    found = m.reproject_to_geom(RegionGeom.create(CircleSkyRegion(CENTRE, 0.4 * u.deg)))
    assert isinstance(found, RegionNDMap)
    assert_allclose(to_host(found.data)[:, 0, 0], [2, 2, 2])


def gauss(sigma, npix=101, binsz=0.02):
    geom = WcsGeom.create(npix=npix, binsz=binsz, skydir=CENTRE, proj="TAN")
    radius = geom.separation(CENTRE).to_value("deg")
    return Map.from_geom(geom, data=np.exp(-0.5 * (radius / sigma) ** 2))


def test_one_sigma_of_a_gauss_function_contains_39_per_cent(backend):
    m = gauss(0.2)
    assert_allclose(containment_radius(m).to_value("deg"), 0.2, atol=0.01)
    assert_allclose(containment_radius(m, 0.865).to_value("deg"), 0.4, atol=0.01)
    with pytest.raises(ValueError, match="No positive"):
        containment_radius(Map.from_geom(m.geom))
    with pytest.raises(TypeError, match="WcsNDMap"):
        containment_radius(region_map())
    with pytest.raises(ValueError, match="an image"):
        containment_radius(sky_map(ENERGY))


def test_the_region_of_a_gauss_function_is_a_circle():
    pytest.importorskip("matplotlib")
    region = containment_region(gauss(0.2))
    assert_allclose(region.vertices.separation(CENTRE).to_value("deg"), 0.2, atol=0.01)
    two = gauss(0.1, npix=60) + gauss(0.1, npix=60).copy(data=np.roll(gauss(0.1, npix=60).data, (20, 20), (0, 1)))
    parts = containment_region(two, apply_union=False)
    assert len(parts) == 2
    assert containment_region(two).region1.vertices.shape == parts[0].vertices.shape
    with pytest.raises(ValueError, match="no contour"):
        containment_region(gauss(2.0, npix=11), 0.9)


def test_maps_go_between_sky_pixels_and_healpix(backend):
    healpix = HpxNDMap(HpxGeom.create(nside=8, axes=[ENERGY], frame="galactic"))
    healpix.data = np.full(healpix.geom.data_shape, 2.0)
    image = WcsGeom.create(npix=10, binsz=5, frame="galactic", proj="TAN")
    for found in (healpix.reproject_to_geom(image), healpix.reproject_by_image(image)):
        assert_allclose(to_host(found.data), np.full((3, 10, 10), 2.0))
    counts = Map.from_geom(image.to_cube([ENERGY]), data=1.0).reproject_to_geom(
        healpix.geom.to_image(), preserve_counts=True
    )
    assert isinstance(counts, HpxNDMap)
    assert_allclose(to_host(counts.data).sum(), 300)
    coords = healpix.sample_coord(10)
    assert coords.axis_names == ["lon", "lat", "energy"]
    assert np.all(np.isfinite(coords.lon))
