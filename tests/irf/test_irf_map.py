"""A stack of responses is a set of sums: whatever the order, the grouping and the moment of asking."""

import itertools
import tracemalloc

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from lightpool.maps import Map, MapAxis, WcsGeom

CENTER = SkyCoord(83.6, 22.0, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2, name="energy_true")
RAD = MapAxis.from_bounds(0, 0.5, nbin=4, name="rad", unit="deg", node_type="edges")
IMAGE = WcsGeom.create(skydir=CENTER, npix=(7, 6), binsz=0.5)
GEOMS = {PSFMap: IMAGE.to_cube([RAD, ENERGY_TRUE]), EDispKernelMap: IMAGE.to_cube([ENERGY, ENERGY_TRUE])}
POSITIONS = [CENTER, SkyCoord(84.6, 22.6, unit="deg"), SkyCoord(82.5, 21.2, unit="deg")]


@pytest.fixture(params=[PSFMap, EDispKernelMap])
def kind(request):
    return request.param


def made(kind, number, geom=None):
    """Response of one observation, with pixels and an energy without exposure."""
    rng = np.random.default_rng(number)
    geom = GEOMS[kind] if geom is None else geom
    name = kind.required_axes[0]
    exposure = rng.uniform(1, 5, geom.squash(name).data_shape) * 1e7
    exposure[..., 0] = 0
    exposure[1, 0, 2, 3] = 0
    unit = "sr-1" if kind is PSFMap else ""
    return kind(
        Map.from_geom(geom, data=rng.uniform(0, 1, geom.data_shape), unit=unit),
        Map.from_geom(geom.squash(name), data=exposure, unit="m2 s"),
    )


def windows(kind):
    return [made(kind, i).cutout(position, 2 * u.deg) for i, position in enumerate(POSITIONS)]


def stacked(kind, parts):
    total = kind.from_geom(GEOMS[kind])
    for part in parts:
        total.stack(part)
    return total


def mean_of(irf):
    return to_host(irf.irf_map.data)


def twin(kind, parts):
    """Divide and multiply at each step, as Gammapy does."""
    shape = GEOMS[kind].data_shape
    mean = np.zeros(shape)
    exposure = np.zeros((shape[0], 1, *shape[2:]))
    for part in parts:
        y, x = part.geom.cutout_slices(GEOMS[kind])["parent-slices"]
        mean = mean * exposure
        more = to_host(part.exposure_map.data)
        mean[..., y, x] += to_host(part.irf_map.data) * more
        exposure[..., y, x] += more
        with np.errstate(invalid="ignore"):
            mean = np.nan_to_num(mean / exposure)
    return mean, exposure


def test_a_stack_is_the_mean_weighted_by_exposure(backend, kind):
    parts = windows(kind)
    total = stacked(kind, parts)
    mean, exposure = twin(kind, parts)
    assert total.device == backend.device
    assert_allclose(mean_of(total), mean, rtol=1e-12)
    assert_allclose(to_host(total.exposure_map.data), exposure, rtol=1e-14)


def test_the_order_of_the_observations_does_not_matter(backend, kind):
    parts = windows(kind)
    expected = mean_of(stacked(kind, parts))
    for order in itertools.permutations(parts):
        assert_allclose(mean_of(stacked(kind, order)), expected, rtol=1e-14)


def test_partial_stacks_can_be_merged(backend, kind):
    parts = windows(kind)
    expected = mean_of(stacked(kind, parts))
    for cut in range(len(parts) + 1):
        merged = stacked(kind, [stacked(kind, parts[:cut]), stacked(kind, parts[cut:])])
        assert_allclose(mean_of(merged), expected, rtol=1e-14)


def test_asking_for_the_mean_on_the_way_does_not_change_the_end(backend, kind):
    parts = windows(kind)
    total = kind.from_geom(GEOMS[kind])
    for part in parts:
        total.stack(part)
        assert total.exposure_map is not None
        mean_of(total)
    assert_allclose(mean_of(total), mean_of(stacked(kind, parts)), rtol=1e-13)


def test_without_exposure_the_response_is_zero_and_not_nan(backend, kind):
    total = stacked(kind, windows(kind))
    mean, exposure = mean_of(total), to_host(total.exposure_map.data)
    assert np.all(np.isfinite(mean))
    assert np.any(exposure == 0)
    assert not np.any(mean[np.broadcast_to(exposure == 0, mean.shape)])
    empty = kind.from_geom(GEOMS[kind])
    empty.stack(kind.from_geom(GEOMS[kind]))
    assert_array_equal(mean_of(empty), np.zeros(GEOMS[kind].data_shape))


def test_masked_pixels_add_nothing(backend):
    part = made(PSFMap, 1)
    geom = part.geom.squash("rad").squash("energy_true")
    keep = np.random.default_rng(5).uniform(size=geom.data_shape) > 0.4
    total = PSFMap.from_geom(part.geom)
    total.stack(part, weights=Map.from_geom(geom, data=keep))
    exposure = to_host(part.exposure_map.data) * keep
    assert_allclose(to_host(total.exposure_map.data), exposure)
    assert_allclose(mean_of(total), np.where(exposure > 0, mean_of(part), 0), rtol=1e-14)


def test_a_mask_in_energy_keeps_the_exposure_of_pixels_with_any_valid_energy(backend):
    part = made(EDispKernelMap, 1)
    geom = part.geom.squash("energy_true")
    keep = np.random.default_rng(5).uniform(size=geom.data_shape) > 0.6
    total = EDispKernelMap.from_geom(part.geom)
    total.stack(part, weights=Map.from_geom(geom, data=keep))
    exposure = to_host(part.exposure_map.data) * keep.any(axis=1, keepdims=True)
    assert_allclose(to_host(total.exposure_map.data), exposure)
    assert_allclose(mean_of(total), np.where(exposure > 0, mean_of(part) * keep, 0), rtol=1e-14)


def test_nan_counts_as_zero(backend):
    part = made(PSFMap, 2)
    data = to_host(part.psf_map.data).copy()
    data[0, 0, 2, 2] = np.nan
    bad = PSFMap(Map.from_geom(part.geom, data=data, unit="sr-1"), part.exposure_map)
    total = mean_of(stacked(PSFMap, [bad, made(PSFMap, 3)]))
    data[0, 0, 2, 2] = 0
    good = PSFMap(Map.from_geom(part.geom, data=data, unit="sr-1"), part.exposure_map)
    assert_allclose(total, mean_of(stacked(PSFMap, [good, made(PSFMap, 3)])))


def test_units_are_brought_together(backend):
    part = made(PSFMap, 1)
    other_unit = PSFMap(part.psf_map.to_unit("deg-2"), part.exposure_map.to_unit("cm2 s"))
    expected = stacked(PSFMap, [part, made(PSFMap, 2)])
    total = stacked(PSFMap, [other_unit, made(PSFMap, 2)])
    assert_allclose(mean_of(total), mean_of(expected), rtol=1e-12)
    assert total.psf_map.unit == "sr-1"
    assert total.exposure_map.unit == "m2 s"


def test_stacking_leaves_alone_what_it_was_given(backend):
    first, second = made(PSFMap, 1), made(PSFMap, 2)
    before = mean_of(first).copy()
    exposure, shared = first.exposure_map, to_host(first.exposure_map.data).copy()
    held = first.psf_map
    first.stack(second)
    assert_array_equal(to_host(held.data), before)  # no sums appear in a map that somebody holds
    assert_array_equal(to_host(exposure.data), shared)
    assert_array_equal(mean_of(second), mean_of(made(PSFMap, 2)))


def test_changing_the_exposure_of_a_stack_keeps_its_mean(backend):
    total = stacked(PSFMap, [made(PSFMap, 1), made(PSFMap, 2)])
    total.exposure_map.data *= 2.0
    assert_allclose(mean_of(total), mean_of(stacked(PSFMap, [made(PSFMap, 1), made(PSFMap, 2)])), rtol=1e-13)


def test_a_copy_of_a_growing_stack_grows_on_its_own(backend):
    parts = windows(PSFMap)
    total = stacked(PSFMap, parts[:2])
    copy = total.copy()
    copy.stack(parts[2])
    assert_allclose(mean_of(copy), mean_of(stacked(PSFMap, parts)), rtol=1e-13)
    assert_allclose(mean_of(total), mean_of(stacked(PSFMap, parts[:2])), rtol=1e-13)


def test_a_growing_stack_moves_between_devices(backend):
    parts = windows(PSFMap)
    total = stacked(PSFMap, parts).to("cpu")
    assert total.device.name == "cpu"
    assert_allclose(mean_of(total), mean_of(stacked(PSFMap, parts)), rtol=1e-14)


def test_stacking_needs_exposures():
    part = made(PSFMap, 1)
    with pytest.raises(ValueError, match="no exposure map in other"):
        part.stack(PSFMap(part.psf_map))
    with pytest.raises(ValueError, match="no exposure map in self"):
        PSFMap(part.psf_map).stack(part)


def test_a_psf_in_reconstructed_energy_refuses_to_be_stacked():
    psf = RecoPSFMap.from_gauss(ENERGY)
    with pytest.raises(NotImplementedError, match="true energy"):
        psf.stack(psf)


def test_axes_are_checked():
    with pytest.raises(ValueError, match="rad"):
        PSFMap(Map.from_geom(IMAGE.to_cube([ENERGY, ENERGY_TRUE])))
    with pytest.raises(ValueError, match="energy_true"):
        EDispMap.from_geom(IMAGE.to_cube([MapAxis.from_bounds(0, 2, nbin=4, name="migra", node_type="edges")]))


def test_cutout_slice_and_downsample_act_on_response_and_exposure(backend):
    irf = made(EDispKernelMap, 3)
    data, exposure = mean_of(irf), to_host(irf.exposure_map.data)
    cut = irf.cutout(CENTER, 0.1 * u.deg)
    assert cut.geom.data_shape[-2:] == (3, 3)  # wide enough to interpolate in
    sliced = irf.slice_by_idx({"energy_true": slice(1, 2)})
    assert_array_equal(mean_of(sliced), data[1:])
    assert_array_equal(to_host(sliced.exposure_map.data), exposure[1:])
    assert irf.slice_by_idx({"energy": slice(0, 2)}).exposure_map.data.shape == exposure.shape
    in_energy = irf.downsample(3, axis_name="energy")
    assert_allclose(mean_of(in_energy), data.sum(axis=1, keepdims=True))
    assert_array_equal(to_host(in_energy.exposure_map.data), exposure)
    wide = EDispKernelMap.from_diagonal_response(ENERGY, ENERGY_TRUE, geom=WcsGeom.create(npix=(6, 6), binsz=0.5))
    assert_allclose(mean_of(wide.downsample(2)), mean_of(wide)[..., ::2, ::2])


def test_a_region_takes_the_mean_and_a_position_its_pixel(backend):
    from regions import RectangleSkyRegion

    irf = made(PSFMap, 4)
    inside = irf.to_region_nd_map(RectangleSkyRegion(IMAGE.center_skydir, 20 * u.deg, 20 * u.deg))
    assert_allclose(to_host(inside.psf_map.data)[..., 0, 0], mean_of(irf).mean(axis=(-2, -1)))
    there = irf.to_region_nd_map(SkyCoord(*IMAGE.pix_to_coord((4.2, 1.3))))
    assert_allclose(to_host(there.psf_map.data)[..., 0, 0], mean_of(irf)[..., 1, 4])


def test_the_safe_image_shows_where_there_is_a_response(backend):
    irf = made(PSFMap, 4)
    irf.psf_map.data[..., 2, 3] = 0.0
    mask = to_host(irf.mask_safe_image.data)
    assert mask.dtype == bool
    assert not mask[2, 3]
    assert mask.sum() == mask.size - 1


def test_the_mean_made_an_energy_at_a_time_has_the_same_bits(backend, kind, tiny_blocks):
    parts = windows(kind)
    expected = mean_of(stacked(kind, parts))
    tiny_blocks()
    assert_array_equal(mean_of(stacked(kind, parts)), expected)


def test_a_growing_stack_takes_the_memory_of_its_sums_alone():
    geom = WcsGeom.create(skydir=CENTER, npix=(100, 100), binsz=0.05).to_cube([RAD, ENERGY_TRUE])
    n_bytes = 8 * 100 * 100 * (4 * 2 + 2)  # sums, and exposure
    part = made(PSFMap, 1, geom)
    tracemalloc.start()
    try:
        total = PSFMap.from_geom(geom)
        total.stack(part)
        for more in (total, total.copy()):
            more.stack(part)
        assert n_bytes <= tracemalloc.get_traced_memory()[0] <= 2.1 * n_bytes
        del more
        assert tracemalloc.get_traced_memory()[0] <= 1.1 * n_bytes
        assert total.geom == geom
    finally:
        tracemalloc.stop()


def test_a_growing_stack_keeps_what_its_mean_says_of_itself(backend):
    total = stacked(PSFMap, windows(PSFMap)[:2])
    for same in (total.copy(), total.to("cpu"), total.cutout(CENTER, 2 * u.deg)):
        assert same.psf_map.unit == u.Unit("sr-1")
        assert same.geom.axes.names == ["rad", "energy_true"]
    assert total.to(backend.device) is total
    assert total.precision == "double"


def test_the_map_of_a_dispersion_can_be_replaced(backend):
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    energy_true = energy.copy(name="energy_true")
    kernels = EDispKernelMap.from_diagonal_response(energy, energy_true)
    for edisp in (EDispMap.from_diagonal_response(energy_true), kernels):
        doubled = edisp.edisp_map * 2.0
        edisp.edisp_map = doubled
        assert edisp.edisp_map is doubled
        assert edisp.device == backend.device
