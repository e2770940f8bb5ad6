"""Counts that are known by the bins of their events, beside arrays of counts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import add_product
from lightpool.arrays.kernels.lazy_counts import LazyCounts
from lightpool.arrays.kernels.reductions import sums_in_masks

LARGE = (2, 100, 100)  # images from BLOCK pixels on are summed event by event


def random_counts(seed, n_event, shape, dtype="float64"):
    """Events in all bins and outside, several of them in the same bins, and the array of their counts."""
    rng = np.random.default_rng(seed)
    index = rng.integers(-3, math.prod(shape) + 3, n_event)
    index[::3] = index[:1]
    inside = index[(index >= 0) & (index < math.prod(shape))]
    return LazyCounts.of(index, shape, dtype), np.bincount(inside, minlength=math.prod(shape)).reshape(shape)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    n_event=st.integers(0, 60),
    shape=st.sampled_from([(2, 6, 7), (3, 2, 5, 4), (30, 30), (2, 20, 20)]),
    dtype=st.sampled_from(["float64", "float32"]),
    cut=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)),
)
def test_events_add_up_to_what_their_array_does(seed, n_event, shape, dtype, cut):
    lazy, counts = random_counts(seed, n_event, shape, dtype)
    assert lazy.values().dtype == np.dtype(dtype)
    assert_array_equal(lazy.values(), counts)
    top, left, bottom, right = cut
    window = (..., slice(top, shape[-2] - bottom), slice(left, shape[-1] - right))
    assert_array_equal(lazy[window].values(), counts[window])
    rng = np.random.default_rng(seed)
    mask, image = rng.random(counts[window].shape) > 0.3, rng.random(counts[window].shape[-2:]) > 0.3
    totals = [np.full(shape, 0.1, dtype) for _ in range(2)]
    for total, factor in zip(totals, (lazy[window], counts[window].astype(dtype)), strict=True):
        add_product(total, [factor, mask, image], window)
    assert_array_equal(*totals)
    for total, factor in zip(totals, (lazy[window], counts[window].astype(dtype)), strict=True):
        add_product(total, [factor, mask, 0.7], window)
    assert_allclose(*totals, rtol=1e-6 if dtype == "float32" else 1e-14)


def test_few_events_are_added_one_by_one_and_many_as_an_array(monkeypatch):
    total = np.zeros(LARGE)
    few, some = random_counts(1, 100, LARGE)
    many, more = random_counts(2, 10_000, LARGE)
    assert few.is_sparse
    assert not many.is_sparse
    with monkeypatch.context() as patch:
        patch.setattr(LazyCounts, "values", None)  # no array is made
        patch.setattr(LazyCounts, "parts", None)
        add_product(total, [few])
    add_product(total, [many])
    assert_array_equal(total, some + more)


def test_factors_that_are_not_finite_act_where_there_are_no_events_too():
    lazy, counts = random_counts(3, 50, LARGE)
    factor = np.ones(LARGE)
    factor[0, :50] = np.nan
    totals = [np.zeros(LARGE) for _ in range(2)]
    for total, values in zip(totals, (lazy, counts.astype(float)), strict=True):
        add_product(total, [values, factor], nan_to_num=False)
        add_product(total, [values, math.inf], nan_to_num=False)
    assert np.isnan(totals[0]).sum() > 5000
    assert_array_equal(*totals)


@pytest.mark.parametrize("shape", [LARGE, (2, 3, 100, 90), (2, 10, 10)])
@pytest.mark.parametrize("n_event", [0, 100, 9000])
@pytest.mark.parametrize("gaps", ["nowhere", "in kept pixels", "in masked pixels"])
def test_sums_in_masks_are_those_of_the_array(shape, n_event, gaps):
    lazy, counts = random_counts(4, n_event, shape)
    rng = np.random.default_rng(4)
    masks = [rng.random(shape) > 0.2, rng.random(shape) > 0.5]
    background = rng.random(shape)
    if gaps != "nowhere":
        background[(masks[0] & masks[1]) == (gaps == "in kept pixels")] = np.nan
        background[..., 0, :] = 1.0
    expected = sums_in_masks([counts.astype(float), background], masks)
    assert_array_equal(sums_in_masks([lazy, background], masks), expected)
    assert_array_equal(sums_in_masks([lazy], masks)[0], sums_in_masks([counts.astype(float)], masks)[0])
    assert_array_equal(lazy.sums_in_masks(masks), (counts * masks[0] * masks[1]).sum(axis=(-2, -1)))


def test_a_mask_takes_counts_away_where_an_array_is_made():
    lazy, counts = random_counts(5, 50, (2, 6, 7))
    mask = np.arange(42).reshape(6, 7) % 3 > 0
    ((_, part),) = lazy.parts(mask)
    assert_array_equal(part, counts * mask)
