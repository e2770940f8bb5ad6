"""Sky maps with OFF counts: the laws of their background under all that can be done to them."""

from itertools import permutations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.datasets import Datasets, MapDataset, MapDatasetOnOff, SpectrumDatasetOnOff
from lightpool.maps import Map, MapAxis

OFF_MAPS = ("counts_off", "acceptance", "acceptance_off")


@pytest.fixture
def make_on_off(make_dataset):
    """Return a function of seed and name that makes a dataset with OFF counts, on the device of the test."""

    def make(seed, name=None):
        dataset = make_dataset(seed, name="known")
        rng = np.random.default_rng(100 + seed)
        geom = dataset.counts.geom
        on = rng.uniform(0.5, 2.0, geom.data_shape)
        off = on * rng.uniform(2.0, 6.0, geom.data_shape)
        n_off = rng.poisson(off).astype(float)
        n_off[0, :2] = off[0, :2] = 0.0  # no OFF region
        safe = to_host(dataset.mask_safe.data) & (off > 0)
        dataset.mask_safe = Map.from_geom(geom, data=safe)
        maps = [Map.from_geom(geom, data=values) for values in (on, off, n_off)]
        return MapDatasetOnOff.from_map_dataset(dataset, *maps, name=name)

    return make


def values(data):
    return to_host(data.data)


def safe_sum(data, mask, **kwargs):
    return np.where(values(mask), values(data), 0.0).sum(**kwargs)


def assert_same(found, expected, rtol=1e-12):
    assert sorted(found.maps) == sorted(expected.maps)
    for name in ("counts", "exposure", "mask_safe", *OFF_MAPS):
        assert_allclose(values(getattr(found, name)), values(getattr(expected, name)), rtol=rtol, err_msg=name)
    assert_allclose(values(found.psf.psf_map), values(expected.psf.psf_map), rtol=rtol)
    assert_allclose(values(found.edisp.edisp_map), values(expected.edisp.edisp_map), rtol=rtol)


def test_the_background_is_alpha_times_the_off_counts(make_on_off):
    dataset = make_on_off(1)
    on, off, n_off = (values(getattr(dataset, name)) for name in ("acceptance", "acceptance_off", "counts_off"))
    alpha = np.divide(on, off, out=np.zeros_like(on), where=off > 0)
    assert_allclose(values(dataset.alpha), alpha)
    assert_allclose(values(dataset.background), alpha * n_off)
    assert_allclose(values(dataset.excess), values(dataset.counts) - alpha * n_off)
    assert (values(dataset.alpha)[0, :2] == 0).all()
    assert np.isfinite(to_host(dataset.stat_array())).all()


def test_a_dataset_of_zeros_has_all_maps(backend, geom):
    empty = MapDatasetOnOff.create(geom, name="empty", binsz_irf=0.4)
    assert sorted(empty.maps) == sorted(
        ["counts", "exposure", "psf", "edisp", "mask_safe", *OFF_MAPS]
    )  # fmt: skip
    assert empty.device == backend.device
    assert empty.stat_type == "wstat"
    assert not values(empty.background).any()
    assert "Total counts_off                : 0" in str(empty)


def test_in_a_stack_counts_off_counts_and_background_are_sums(make_on_off):
    parts = [make_on_off(seed) for seed in (1, 2, 3)]
    stacks = []
    for order in permutations(range(3)):
        stack = MapDatasetOnOff.create(parts[0].counts.geom, binsz_irf=0.4)
        for i in order:
            stack.stack(parts[i])
        stacks.append(stack)
    for stack in stacks:
        for name in ("counts", "counts_off", "acceptance", "background"):
            expected = sum(np.where(values(d.mask_safe), values(getattr(d, name)), 0.0) for d in parts)
            assert_allclose(values(getattr(stack, name)), expected, rtol=1e-12, atol=1e-12, err_msg=name)
        assert_array_equal(values(stack.mask_safe), np.any([values(d.mask_safe) for d in parts], axis=0))
        assert_allclose(values(stack.acceptance_off), values(stacks[0].acceptance_off), rtol=1e-12)
        assert_allclose(stack.gti.time_sum.to_value("s"), 2700)


def test_cutouts_are_stacked_in_their_window(make_on_off):
    whole = make_on_off(1, name="whole")
    position = SkyCoord(83.23, 22.01, unit="deg")
    part = whole.cutout(position, "1 deg", name="part")
    assert (part.name, part.data_shape) == ("part", (4, 5, 5))
    window = (slice(None), *part.counts.geom.cutout_slices(whole.counts.geom)["parent-slices"])
    for name in ("counts", *OFF_MAPS):
        assert_array_equal(values(getattr(part, name)), values(getattr(whole, name))[window])
    stack = MapDatasetOnOff.create(whole.counts.geom, binsz_irf=0.4)
    stack.stack(part)
    expected = np.zeros(whole.data_shape)
    expected[window] = np.where(values(part.mask_safe), values(part.background), 0.0)
    assert_allclose(values(stack.background), expected, rtol=1e-12, atol=1e-15)


def test_images_keep_counts_and_background_of_the_safe_bins(make_on_off):
    dataset = make_on_off(1)
    image = dataset.to_image(name="image")
    assert (image.name, image.data_shape) == ("image", (1, 10, 12))
    for name in ("counts", "counts_off", "acceptance", "background"):
        expected = safe_sum(getattr(dataset, name), dataset.mask_safe, axis=0)
        assert_allclose(values(getattr(image, name))[0], expected, rtol=1e-12, err_msg=name)
    assert_array_equal(values(image.mask_safe)[0], values(dataset.mask_safe).any(axis=0))


def test_larger_pixels_keep_counts_and_background_of_the_safe_bins(make_on_off):
    dataset = make_on_off(1)
    joined = dataset.downsample(2)
    assert joined.data_shape == (4, 5, 6)
    for name in ("counts", "counts_off", "background"):
        assert_allclose(
            values(getattr(joined, name)).sum(), safe_sum(getattr(dataset, name), dataset.mask_safe), rtol=1e-12
        )


def test_bins_are_cut_out_and_margins_added(make_on_off):
    dataset = make_on_off(1)
    part = dataset.slice_by_idx({"energy": slice(1, 3)})
    padded = dataset.pad(2)
    for name in ("counts", *OFF_MAPS):
        assert_array_equal(values(getattr(part, name)), values(getattr(dataset, name))[1:3])
        assert_array_equal(values(getattr(padded, name))[:, 2:-2, 2:-2], values(getattr(dataset, name)))
    assert_allclose(padded.stat_sum(), dataset.stat_sum(), rtol=1e-12)


def test_bins_of_energy_are_joined(make_on_off):
    dataset = make_on_off(1)
    edges = dataset.counts.geom.axes["energy"].edges
    joined = dataset.resample_energy_axis(MapAxis.from_energy_edges(edges[::2]))
    expected = safe_sum(dataset.background, dataset.mask_safe, axis=(1, 2)).reshape(2, 2).sum(axis=1)
    assert_allclose(values(joined.background).sum(axis=(1, 2)), expected, rtol=1e-12)


def test_a_map_dataset_takes_the_measured_background(make_on_off):
    dataset = make_on_off(1)
    known = dataset.to_map_dataset(name="known")
    assert type(known) is MapDataset
    assert (known.name, known.stat_type) == ("known", "cash")
    assert_array_equal(values(known.background), values(dataset.background))
    assert_array_equal(values(known.counts), values(dataset.counts))
    assert known.gti.time_sum == dataset.gti.time_sum


def test_a_spectrum_has_the_counts_and_the_background_of_its_region(make_on_off):
    dataset = make_on_off(1)
    dataset.mask_safe = Map.from_geom(dataset.counts.geom, data=np.ones(dataset.data_shape, dtype=bool))
    region = "icrs;circle(83.63, 22.01, 0.5)"
    spectrum = dataset.to_spectrum_dataset(region, name="spectrum")
    assert isinstance(spectrum, SpectrumDatasetOnOff)
    inside = values(dataset.counts.geom.to_image().region_mask(region))
    for name in ("counts", "counts_off", "background"):
        expected = values(getattr(dataset, name))[:, inside].sum(axis=1)
        assert_allclose(values(getattr(spectrum, name)).ravel(), expected, rtol=1e-12, err_msg=name)
    assert_allclose(values(spectrum.acceptance).ravel(), values(dataset.acceptance)[:, inside].mean(axis=1))


@pytest.mark.slow
def test_files_give_the_dataset_back(make_on_off, tmp_path):
    dataset = make_on_off(1, name="one")
    dataset.write(tmp_path / "one.fits.gz")
    for lazy in (False, True):
        read = MapDatasetOnOff.read(tmp_path / "one.fits.gz", lazy=lazy)
        assert (read.name, read.stat_type, read.device) == ("one", "wstat", dataset.device)
        assert_same(read, dataset, rtol=0)
        assert str(read) == str(dataset)
    Datasets([dataset]).write(tmp_path / "datasets.yaml")
    listed = Datasets.read(tmp_path / "datasets.yaml")
    assert isinstance(listed[0], MapDatasetOnOff)
    assert_same(listed[0], dataset, rtol=0)


def test_a_growing_stack_moves_and_is_copied_with_its_off_maps(make_on_off, backend):
    stack = MapDatasetOnOff.create(make_on_off(1).counts.geom, binsz_irf=0.4, name="stack")
    stack.stack(make_on_off(1))
    stack.stack(make_on_off(2))
    host = stack.to("cpu")
    assert host.device.is_host
    assert_same(host, stack)
    copied = stack.copy()
    assert_same(copied, stack)
    stack.stack(make_on_off(3))
    assert values(stack.counts_off).sum() > values(copied.counts_off).sum()
    assert stack.device == backend.device


def test_alpha_without_acceptances_is_zero(backend, geom):
    dataset = MapDatasetOnOff.create(geom)
    dataset.acceptance = None
    assert dataset.alpha.device == backend.device
    assert not to_host(dataset.alpha.data).any()
