"""The background in rings: its sums, what it leaves out, and what it refuses."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.arrays.kernels.rings import Ring, ring_sums_plain
from lightpool.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset
from lightpool.errors import GeometryError, ReductionError
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom
from lightpool.simulate import PointSource

ADAPTIVE = {"r_in": "0.5 deg", "width": "0.4 deg", "r_out_max": "1.6 deg", "stepsize": "0.2 deg"}
CIRCLE = f"icrs;circle({PointSource().position.ra.deg}, {PointSource().position.dec.deg}, 0.5)"


@pytest.fixture
def exclusion(geom):
    """A function, so that the mask is made on the device of the test."""
    return lambda **axes: (axes.get("geom") or geom).region_mask(CIRCLE, inside=False)


@pytest.fixture
def ring():
    return lambda **kwargs: RingBackgroundMaker(**({"r_in": "0.5 deg", "width": "0.4 deg"} | kwargs))


def values(data):
    return to_host(data.data)


def safe(dataset, observation):
    return SafeMaskMaker(["offset-max"], offset_max="1.5 deg").run(dataset, observation)


# --- numbers


def test_counts_and_background_are_summed_in_the_ring_plane_by_plane(backend, reduced, exclusion, ring):
    mask, before = exclusion(), reduced()
    dataset = ring(exclusion_mask=mask).run(before)
    assert isinstance(dataset, MapDatasetOnOff)
    assert dataset.device == backend.device
    assert dataset.name == before.name
    pixels = Ring(2.5, 2.0)
    for found, image in ((dataset.counts_off, before.counts), (dataset.acceptance_off, before.background)):
        expected = ring_sums_plain(np.where(values(mask), values(image), 0.0), pixels)
        assert_allclose(values(found), expected, rtol=1e-12, atol=1e-12)
    assert_array_equal(values(dataset.counts_off) % 1, 0)
    assert_array_equal(values(dataset.acceptance), values(before.background))
    assert_array_equal(values(dataset.counts), values(before.counts))


def test_the_background_model_is_part_of_the_acceptance(reduced, exclusion, ring):
    scaled = FoVBackgroundMaker(exclusion_mask=exclusion()).run(reduced())
    scaled.background_model.spectral_model.norm.value = 2.0
    plain, twice = ring().run(reduced()), ring().run(scaled)
    assert_allclose(values(twice.acceptance), 2.0 * values(plain.acceptance))
    assert_allclose(values(twice.acceptance_off), 2.0 * values(plain.acceptance_off), rtol=1e-12, atol=1e-12)
    assert_allclose(values(twice.background), values(plain.background), rtol=1e-12, atol=1e-12)


def test_the_ring_finds_the_background_of_an_empty_field(backend, reduced, ring):
    dataset = reduced()
    dataset.counts = Map.from_geom(dataset.counts.geom, data=3.0 * values(dataset.background))
    found = ring().run(dataset)
    has_off = values(found.acceptance_off) > 0
    assert_allclose(values(found.background)[has_off], values(dataset.counts)[has_off], rtol=1e-9)


def test_pixels_without_off_acceptance_are_masked(backend, reduced, observations, ring):
    dataset = safe(reduced(), observations[0])
    background = values(dataset.background)
    background[:, :, 4:] = 0.0
    background[1] = 0.0
    dataset.background = Map.from_geom(dataset.counts.geom, data=background)
    before = values(dataset.mask_safe)
    found = ring().run(dataset)
    has_off = ring_sums_plain((background > 0).astype(float), Ring(2.5, 2.0)) > 0
    assert not has_off.all()
    assert not has_off[1].any()
    assert_array_equal(values(found.mask_safe), before & has_off)
    assert_array_equal(values(found.acceptance_off) > 0, has_off)
    assert_array_equal(values(dataset.mask_safe), before)
    without = ring().run(MapDataset(counts=dataset.counts, background=dataset.background))
    assert_array_equal(values(without.mask_safe), has_off)


def test_pixels_that_are_not_finite_are_left_out(backend, reduced, ring):
    dataset = reduced()
    background, counts = values(dataset.background).copy(), values(dataset.counts).copy()
    background[0, 10, 10] = np.nan
    dataset.background = Map.from_geom(dataset.counts.geom, data=background.copy())
    background[0, 10, 10] = counts[0, 10, 10] = 0.0
    found = ring().run(dataset)
    assert_allclose(values(found.counts_off), ring_sums_plain(counts, Ring(2.5, 2.0)))
    assert_allclose(values(found.acceptance_off), ring_sums_plain(background, Ring(2.5, 2.0)), rtol=1e-12, atol=1e-12)


# --- adaptive


def test_the_cubes_of_adaptive_rings_hold_the_sums_in_each_ring(backend, reduced, exclusion):
    maker = AdaptiveRingBackgroundMaker(**ADAPTIVE, exclusion_mask=exclusion())
    dataset = reduced().to_image()
    cubes = maker.make_cubes(dataset)
    kernels = maker.kernels(dataset.counts)
    shape = (*dataset.data_shape[-2:], len(kernels))
    assert all(tuple(cube.shape) == shape for cube in cubes.values())
    found = maker.make_maps_off(dataset)
    # The ring of a pixel is one of them.
    for name in ("counts_off", "acceptance_off"):
        chosen = to_host(found[name].data)[0]
        nearest = np.abs(to_host(cubes[name]) - chosen[..., None]).min(axis=-1)
        assert nearest[chosen > 0].max() <= 1e-9 * chosen.max()
    assert_allclose(to_host(cubes["acceptance"][..., 0]), to_host(dataset.npred_background().data)[0])


@pytest.mark.parametrize(("method", "alpha"), [("fixed_width", 0.023), ("fixed_r_in", 0.012)])
def test_the_adaptive_ring_of_each_pixel_can_be_asked_for(backend, reduced, exclusion, method, alpha):
    maker = AdaptiveRingBackgroundMaker(**ADAPTIVE, method=method, threshold_alpha=alpha, exclusion_mask=exclusion())
    before = reduced()
    dataset, radii = maker.run(before), maker.make_ring_maps(before)
    r_in, r_out = values(radii["r_in"]), values(radii["r_out"])
    assert radii["r_in"].unit == u.deg
    assert radii["r_in"].device == backend.device
    assert len(np.unique(r_out[np.isfinite(r_out)])) > 1, "the threshold should divide the pixels"
    assert np.isnan(r_in).any()
    assert_array_equal(values(dataset.mask_safe), np.isfinite(r_in) & values(before.mask_safe))
    for inner, outer in {(a, b) for a, b in zip(r_in.ravel(), r_out.ravel(), strict=True) if np.isfinite(a)}:
        assert_allclose(inner if method == "fixed_r_in" else outer - inner, 0.5 if method == "fixed_r_in" else 0.4)
        fixed = RingBackgroundMaker(inner * u.deg, (outer - inner) * u.deg, exclusion_mask=exclusion()).run(before)
        taken = r_out == outer
        for name in ("counts_off", "acceptance_off"):
            found, expected = values(getattr(dataset, name)), values(getattr(fixed, name))
            assert_allclose(found[taken], expected[taken], rtol=1e-12)
        assert (values(dataset.alpha)[taken] <= alpha).all()


def test_a_smaller_threshold_asks_for_larger_rings(reduced):
    maps = [
        AdaptiveRingBackgroundMaker(**ADAPTIVE, threshold_alpha=alpha).make_ring_maps(reduced())["r_out"]
        for alpha in (0.03, 0.02)
    ]
    wide, wider = (values(radii) for radii in maps)
    both = np.isfinite(wide) & np.isfinite(wider)
    assert (wider[both] >= wide[both]).all()
    assert (wider[both] > wide[both]).any()
    assert np.isnan(wider[np.isnan(wide)]).all()


def test_alpha_can_be_that_of_the_on_region(backend, reduced):
    maker = {"threshold_alpha": 0.2, "theta": "0.3 deg", **ADAPTIVE}
    plain = AdaptiveRingBackgroundMaker(**maker).make_ring_maps(reduced())["r_out"]
    summed = AdaptiveRingBackgroundMaker(**maker, integrate_alpha=True)
    assert np.nanmax(values(plain)) == pytest.approx(0.9), "one pixel is content with the first ring"
    assert np.nanmax(values(summed.make_ring_maps(reduced())["r_out"])) > 1.0
    dataset = summed.run(reduced())
    assert_array_equal(values(dataset.acceptance), values(reduced().background))


def test_kernels_are_rings_on_the_pixels_of_a_map(geom, ring):
    image = Map.from_geom(geom)
    kernel = ring().kernel(image)
    y, x = np.indices(kernel.shape) - kernel.shape[0] // 2
    assert_array_equal(kernel, (np.hypot(x, y) >= 2.5) & (np.hypot(x, y) <= 4.5))
    kernels = AdaptiveRingBackgroundMaker(**ADAPTIVE).kernels(image)
    assert [len(kernel) for kernel in kernels] == [9, 11, 13, 15]


# --- exclusion masks of other geometries


def test_an_image_as_exclusion_holds_for_all_energies(backend, geom, reduced, exclusion, ring):
    expected = values(ring(exclusion_mask=exclusion()).run(reduced()).counts_off)
    energy = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=1)
    finer = MapAxis.from_energy_bounds("0.4 TeV", "30 TeV", nbin=9)
    for other in (geom.to_image(), geom.to_image().to_cube([energy]), geom.to_image().to_cube([finer])):
        found = ring(exclusion_mask=exclusion(geom=other)).run(reduced())
        assert_array_equal(values(found.counts_off), expected)


def test_the_exclusion_may_differ_from_energy_to_energy(reduced, geom, exclusion, ring):
    axis = MapAxis.from_energy_edges([0.1, 2, 100] * u.TeV)
    mask = exclusion(geom=geom.to_image().to_cube([axis]))
    mask.data[0] = True
    found = values(ring(exclusion_mask=mask).run(reduced()).counts_off)
    none, excluded = (values(maker.run(reduced()).counts_off) for maker in (ring(), ring(exclusion_mask=exclusion())))
    low = geom.axes["energy"].center < 2 * u.TeV
    assert_array_equal(found[low], none[low])
    assert_array_equal(found[~low], excluded[~low])
    assert (excluded != none).any()


def test_an_exclusion_on_other_pixels_excludes_what_it_does_not_have(backend, reduced, ring):
    small = WcsGeom.create(skydir=PointSource().position, width=2, binsz=0.1, frame="galactic")
    found = ring(exclusion_mask=Map.from_geom(small, data=np.ones(small.data_shape, dtype=bool))).run(reduced())
    kept = values(small.region_mask(CIRCLE).copy(data=np.ones(small.data_shape, bool)).interp_to_geom(
        found.counts.geom.to_image()
    ))  # fmt: skip
    assert 0 < kept.sum() < kept.size
    assert_array_equal(
        values(found.counts_off), ring_sums_plain(np.where(kept, values(reduced().counts), 0.0), Ring(2.5, 2.0))
    )


# --- in a chain


def test_in_a_chain_a_map_dataset_takes_the_measured_background(backend, empty, observations, exclusion, ring):
    chain = [
        MapDatasetMaker(),
        SafeMaskMaker(["offset-max"], offset_max="1.5 deg"),
        ring(exclusion_mask=exclusion()),
    ]
    runs = DatasetsMaker(chain, stack_datasets=False).run(empty(), observations[:2])
    stacked = DatasetsMaker(chain).run(empty(), observations[:2])[0]
    assert type(stacked) is MapDataset
    assert [type(run) for run in runs] == [MapDatasetOnOff] * 2
    background = np.zeros(stacked.data_shape)
    on_off = MapDatasetOnOff.create(stacked.counts.geom, energy_axis_true=stacked.exposure.geom.axes["energy_true"])
    for run in runs:
        window = (slice(None), *run.counts.geom.cutout_slices(stacked.counts.geom)["parent-slices"])
        background[window] += np.where(values(run.mask_safe), values(run.background), 0.0)
        on_off.stack(run)
    assert_allclose(values(stacked.background), background, rtol=1e-12, atol=1e-12)
    assert_allclose(values(on_off.background), background, rtol=1e-9, atol=1e-12)
    assert_array_equal(values(on_off.mask_safe), values(stacked.mask_safe))
    assert_array_equal(values(on_off.counts), values(stacked.counts))


def test_the_makers_print_their_settings(ring):
    assert str(ring()).startswith("RingBackgroundMaker\n")
    assert "r_in" in str(ring())
    text = str(AdaptiveRingBackgroundMaker(**ADAPTIVE))
    for setting in ("r_out_max", "1.6 deg", "threshold_alpha", "0.1", "fixed_width", "0.22 deg"):
        assert setting in text


# --- what is refused


def test_a_ring_larger_than_the_map_is_refused(reduced):
    for maker in (
        RingBackgroundMaker("6 deg", "1 deg"),
        AdaptiveRingBackgroundMaker("6 deg", "9 deg", "1 deg"),
    ):
        with pytest.raises(GeometryError, match=r"larger than the map: it begins 6 deg .* diagonal of 5.66 deg"):
            maker.run(reduced())


def test_a_ring_that_holds_no_pixel_is_refused(reduced):
    with pytest.raises(ValueError, match=r"no pixel lies in a ring from 0.51 to 0.52 deg on pixels of 0.2 deg"):
        RingBackgroundMaker("0.51 deg", "0.01 deg").run(reduced())


def test_an_exclusion_that_leaves_no_off_is_refused(backend, reduced, geom, ring):
    for maker in (ring(), AdaptiveRingBackgroundMaker(**ADAPTIVE)):
        maker.exclusion_mask = Map.from_geom(geom, dtype=bool)
        with pytest.raises(ValueError, match=r"'run': no pixel has OFF acceptance; .*inside=False"):
            maker.run(reduced())


def test_in_a_chain_the_run_without_off_is_named(empty, observations, geom, ring):
    chain = [MapDatasetMaker(), ring(exclusion_mask=Map.from_geom(geom, dtype=bool))]
    with pytest.raises(ReductionError, match=r"observation 1: RingBackgroundMaker failed .* no pixel has OFF"):
        DatasetsMaker(chain).run(empty(), observations)


def test_a_field_without_background_is_masked(backend, reduced, ring):
    dataset = reduced()
    dataset.background = dataset.background * 0.0
    found = ring().run(dataset)
    assert not values(found.mask_safe).any()
    assert not values(found.counts_off)[values(found.acceptance_off) > 0].any()


def test_exclusions_whose_axes_do_not_fit_are_refused(reduced, geom, ring):
    narrow = MapAxis.from_energy_bounds("1 TeV", "5 TeV", nbin=2)
    with pytest.raises(GeometryError, match=r"energies from 1 TeV to 5 TeV, which leave out bins .*reduce_over_axes"):
        ring(exclusion_mask=Map.from_geom(geom.to_image().to_cube([narrow]), dtype=bool)).run(reduced())
    true = geom.to_image().to_cube([narrow.copy(name="energy_true")])
    with pytest.raises(GeometryError, match=r"has axes \['energy_true'\] and the dataset \['energy'\]"):
        ring(exclusion_mask=Map.from_geom(true, dtype=bool)).run(reduced())
    with pytest.raises(TypeError, match="exclusion_mask must be a map of bool"):
        ring(exclusion_mask=Map.from_geom(geom))


def test_datasets_that_have_no_rings_are_refused(reduced, geom, ring):
    axis = MapAxis.from_energy_bounds("1 TeV", "5 TeV", nbin=2)
    dataset = reduced()
    mixed = MapDataset(counts=dataset.counts, background=Map.from_geom(geom.to_image().to_cube([axis])))
    with pytest.raises(GeometryError, match=r"counts and background of dataset .* have different pixels or axes"):
        ring().run(mixed)
    with pytest.raises(ValueError, match="has no background to sum in rings"):
        ring().run(MapDataset(counts=dataset.counts))
    region = SpectrumDataset.create(RegionGeom.create(CIRCLE, axes=[axis]))
    with pytest.raises(TypeError, match="ReflectedRegionsBackgroundMaker"):
        ring().run(region)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"r_in": "-0.1 deg"}, "r_in must be one angle not below zero"),
        ({"width": "0 deg"}, "width must be one angle above zero"),
        ({"stepsize": "0 deg"}, "stepsize must be one angle above zero"),
        ({"theta": np.nan * u.deg}, "theta must be one angle above zero"),
        ({"r_out_max": "0.8 deg"}, "expected more than the outer radius of the first ring, 0.9 deg"),
        ({"threshold_alpha": 0.0}, "threshold_alpha must be a positive number, got 0.0"),
        ({"method": "fixed"}, "method must be one of .*'fixed_r_in'.*, got 'fixed'"),
    ],
)
def test_settings_that_make_no_ring_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveRingBackgroundMaker(**(ADAPTIVE | arguments))
