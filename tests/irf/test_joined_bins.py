"""Joined bins of a response: probabilities add up, everything else is a mean."""

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
RAD = MapAxis.from_edges([0.0, 0.1, 0.3, 0.4, 0.5] * u.deg, name="rad")
MIGRA = MapAxis.from_edges([0.2, 0.5, 1.0, 1.2, 3.0], name="migra")
AXES = {
    PSFMap: [RAD, ENERGY_TRUE],
    EDispKernelMap: [ENERGY, ENERGY_TRUE],
    EDispMap: [MIGRA, ENERGY_TRUE],
    RecoPSFMap: [RAD, ENERGY_TRUE.rename("energy")],
}
GEOMS = {"image": WcsGeom.create(npix=(3, 2)), "region": RegionGeom.create("icrs;circle(0, 0, 1)")}


def made(kind, where="image", seed=0):
    """Response with random values and exposures, of which one pixel has none."""
    rng = np.random.default_rng(seed)
    geom = GEOMS[where].to_cube(AXES[kind])
    squashed = geom.squash(AXES[kind][0].name)
    exposure = rng.uniform(1, 9, squashed.data_shape) * 1e10
    exposure[:2, :, -1, -1] = 0
    unit = "sr-1" if "rad" in geom.axes.names else ""
    return kind(
        Map.from_geom(geom, data=rng.uniform(0, 1, geom.data_shape), unit=unit),
        Map.from_geom(squashed, data=exposure, unit="m2 s"),
    )


@pytest.fixture(params=AXES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def values(irf):
    return to_host(irf.irf_map.data), to_host(irf.exposure_map.data)


@pytest.mark.parametrize("where", GEOMS)
@pytest.mark.parametrize("factor", [2, 3, 6])
def test_joined_energies_are_the_mean_weighted_by_the_exposure(backend, kind, where, factor):
    irf = made(kind, where)
    data, exposure = values(irf)
    found, total = values(irf.downsample(factor, axis_name=kind.required_axes[-1]))
    for number in range(6 // factor):
        part = slice(number * factor, (number + 1) * factor)
        weight = exposure[part].sum(axis=0)
        mean = (data[part] * exposure[part]).sum(axis=0) / np.where(weight == 0, 1, weight)
        assert_allclose(found[number], np.where(weight == 0, data[part].mean(axis=0), mean), rtol=1e-12)
        assert_allclose(total[number], exposure[part].mean(axis=0), rtol=1e-12)


@given(seed=st.integers(0, 1000), factor=st.sampled_from([2, 3]))
@settings(max_examples=20, deadline=None)
def test_joining_energies_and_stacking_may_change_places(seed, factor):
    def stack(first, second):
        first.stack(second)
        return first

    a, b = (made(PSFMap, seed=seed + i) for i in (0, 5000))
    joined = stack(*(irf.downsample(factor, axis_name="energy_true") for irf in (a, b)))
    late = stack(a.copy(), b).downsample(factor, axis_name="energy_true")
    has = values(late)[1] > 0
    assert_allclose(*(np.where(has, values(irf)[0], 0) for irf in (joined, late)), rtol=1e-12)


def test_what_predicts_counts_predicts_as_many_with_joined_energies(backend):
    irf = made(EDispKernelMap)
    coarse = irf.downsample(3, axis_name="energy_true")
    (data, exposure), (found, total) = values(irf), values(coarse)
    counts = (data * exposure).sum(axis=0)  # of one photon per area and time in each bin of true energy
    assert_allclose((found * total * 3).sum(axis=0), counts, rtol=1e-12)


def test_without_any_exposure_each_energy_counts_alike(backend):
    perfect = EDispKernelMap.from_geom(GEOMS["image"].to_cube(AXES[EDispKernelMap]))
    joined = perfect.downsample(2, axis_name="energy_true")
    assert_allclose(values(joined)[0], values(perfect)[0].reshape(3, 2, 3, 2, 3).mean(axis=1))
    bare = EDispKernelMap(perfect.edisp_map)
    assert_array_equal(to_host(bare.downsample(2, axis_name="energy_true").edisp_map.data), values(joined)[0])


@pytest.mark.parametrize(("kind", "axis"), [(PSFMap, RAD), (RecoPSFMap, RAD), (EDispMap, MIGRA)])
def test_a_density_in_wider_bins_has_the_same_integral(backend, kind, axis):
    irf = made(kind)
    joined = irf.downsample(2, axis_name=axis.name)

    def integral(response):
        edges = response.geom.axes[axis.name].edges_value
        widths = np.diff(edges**2 if axis is RAD else edges)
        return (values(response)[0] * widths[:, np.newaxis, np.newaxis]).sum(axis=1)

    assert_allclose(integral(joined), integral(irf), rtol=1e-12)
    assert_array_equal(values(joined)[1], values(irf)[1])


def test_probabilities_of_reconstructed_energies_add_up(backend):
    irf = made(EDispKernelMap)
    joined = irf.downsample(3, axis_name="energy")
    assert_allclose(values(joined)[0], values(irf)[0].sum(axis=1, keepdims=True), rtol=1e-12)
    assert_array_equal(values(joined)[1], values(irf)[1])
    mask = Map.from_geom(irf.geom.squash("energy_true"), data=np.array([True, False, True]).reshape(1, 3, 1, 1))
    kept = irf.downsample(3, axis_name="energy", weights=mask)
    assert_allclose(values(kept)[0], values(irf)[0][:, [0, 2]].sum(axis=1, keepdims=True), rtol=1e-12)


def test_a_mask_multiplies_before_the_mean(backend):
    irf = made(EDispKernelMap)
    nothing = Map.from_geom(irf.geom.squash("energy_true"), data=False)
    assert not values(irf.downsample(2, axis_name="energy_true", weights=nothing))[0].any()


def test_a_factor_of_one_changes_nothing_and_an_unknown_axis_is_named(kind):
    irf = made(kind)
    for found, expected in zip(values(irf.downsample(1, axis_name=kind.required_axes[-1])), values(irf), strict=True):
        assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="'phase'"):
        irf.downsample(2, axis_name="phase")
