"""Counts of an observation that stay the bins of its events as long as nobody reads their array."""

import pytest
from numpy.testing import assert_array_equal

from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.kernels.lazy_counts import LazyCounts
from lightpool.datasets import MapDataset
from lightpool.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom

CHAIN = [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.5 deg"), FoVBackgroundMaker()]


@pytest.fixture(params=["double", "single"])
def stack(request, geom):
    axis = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
    # images of more than 8192 pixels, below which sums in masks are made of arrays
    wide = WcsGeom.create(skydir=geom.center_skydir, width=4, binsz=0.03, axes=[axis])
    return lambda: MapDataset.create(wide, binsz_irf=0.5, precision=request.param)


def reduced(stack, observation, between=lambda dataset: None):
    dataset = stack.cutout(observation.get_pointing_icrs(observation.tmid), width="3 deg")
    for maker in CHAIN:
        dataset = maker.run(dataset, observation)
        between(dataset)
    return dataset


def test_no_array_of_counts_is_made_for_the_background_norm_and_the_stack(stack, observations):
    plain, lazy = stack(), stack()
    for observation in observations[:2]:
        read = reduced(plain, observation, lambda dataset: dataset.counts.data)
        unread = reduced(lazy, observation)
        plain.stack(read)
        lazy.stack(unread)
        assert not isinstance(read.counts.stored, LazyArray)
        assert isinstance(unread.counts.stored, LazyCounts)
        assert unread.background_model.spectral_model.norm.value == read.background_model.spectral_model.norm.value
        assert_array_equal(unread.counts.data, read.counts.data)
    assert plain.counts.data.sum() > 100
    for name in ("counts", "background", "mask_safe"):
        assert_array_equal(getattr(lazy, name).data, getattr(plain, name).data, err_msg=name)


def test_what_a_user_writes_into_the_counts_is_stacked(stack, observations):
    def change(dataset):
        dataset.counts.data[0, :10] += 2.0

    dataset, total = reduced(stack(), observations[0], change), stack()
    total.stack(dataset)
    kept = dataset.mask_safe.data
    assert total.counts.data.sum() == dataset.counts.data[kept].sum()
    assert total.counts.data[0].max() >= 6


CHANGES = {
    "copy": lambda counts: counts.copy(),
    "another precision": lambda counts: counts.to(precision="single").to(precision="double"),
    "cutout": lambda counts: counts.cutout(counts.geom.center_skydir, "10 deg"),
    "slice": lambda counts: counts.slice_by_idx({}),
    "product": lambda counts: counts * 1.0,
}


@pytest.mark.parametrize("name", CHANGES)
def test_maps_made_of_unread_counts_are_those_of_their_array(stack, observations, name):
    counts = reduced(stack(), observations[0]).counts
    assert isinstance(counts.stored, LazyCounts)
    assert_array_equal(CHANGES[name](counts).data, counts.data)
