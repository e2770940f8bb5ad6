"""Sums in rings beside sums pixel by pixel, and the choice of a ring for each pixel."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.arrays.kernels.convolution import fft_size
from lightpool.arrays.kernels.counts_in_rings import CountList, are_in_order
from lightpool.arrays.kernels.rings import (
    Ring,
    _fast_size,
    _TransformCache,
    adaptive_ring_sums,
    ring_sums,
    ring_sums_plain,
)

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 14), st.integers(1, 14)),
    ring=st.builds(Ring, st.sampled_from([0.0, 1.0, 2.0, 5.0, 7.3]), st.sampled_from([1.0, 2.5, 4.0])),
)
def test_ring_sums_agree_with_sums_pixel_by_pixel(backend, read, shape, ring):
    rng = np.random.default_rng(20)
    counts = rng.poisson(0.5, shape).astype(float)
    background = rng.uniform(0.0, 2.0, shape)
    background[:, : shape[1] // 2] = 0.0
    assert_array_equal(read(ring_sums(backend.array(counts), ring)), ring_sums_plain(counts, ring))
    expected = read(ring_sums_plain(backend.array(background), ring))
    found = read(ring_sums(backend.array(background), ring))
    assert_allclose(found, expected, rtol=1e-13, atol=1e-12)
    assert_array_equal(found == 0, expected == 0)


def test_a_ring_of_whole_pixels_holds_the_pixels_on_its_rims():
    image = np.zeros((21, 21))
    image[10, 10] = 1.0
    sums = ring_sums_plain(image, Ring(5.0, 5.0))
    assert sums[10, 15] == sums[7, 6] == sums[10, 20] == sums[2, 4] == 1.0  # 3-4-5 and 6-8-10 triangles
    assert sums[10, 14] == sums[10, 10] == 0.0


def obvious_choice(counts, background, acceptance, rings, threshold):
    """All rings, pixel by pixel."""
    number = np.full(counts.shape, -1)
    sums = np.zeros((2, *counts.shape))
    for i, ring in reversed(list(enumerate(rings))):
        off = ring_sums_plain(background, ring)
        with np.errstate(divide="ignore", invalid="ignore"):
            taken = (off > 0) & (acceptance / off <= threshold)
        number[taken] = i
        sums[0][taken], sums[1][taken] = ring_sums_plain(counts, ring)[taken], off[taken]
    return number, *sums


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("threshold", [0.015, 0.03, 0.06, 10.0, 1e-6])
def test_each_pixel_takes_the_first_ring_that_is_large_enough(backend, read, threshold, negative):
    rng = np.random.default_rng(21)
    counts = rng.poisson([[[1.0]], [[0.01]]], (2, 30, 24)).astype(float)  # the second plane has few
    acceptance = rng.uniform(0.5, 1.5, counts.shape)
    background = np.where(rng.uniform(size=counts.shape) > 0.6, acceptance, 0.0)
    background[:, 8:20, 6:18] = 0.0
    if negative:
        background[0, 0, 0] = -5.0
    rings = [Ring(2.0 + i, 3.0) for i in range(5)]
    expected = obvious_choice(counts, background, acceptance, rings, threshold)
    arrays = [backend.array(values) for values in (counts, background, acceptance)]
    found = adaptive_ring_sums(*arrays, rings, threshold)
    for ours, obvious in zip(found, expected, strict=True):
        assert_allclose(read(ours), obvious, rtol=1e-12)
    if threshold == 0.03:
        assert len(np.unique(expected[0])) > 4, "the threshold should divide the pixels"


@pytest.mark.parametrize(
    "rings",
    [
        [Ring(6.0 - i, 3.0) for i in range(5)],  # inwards
        [Ring(2.0, 1.0 + i) for i in range(5)],  # wider
        [Ring(2.0, 2.0), Ring(2.0, 2.0), Ring(1.3, 0.1), Ring(4.0, 3.0)],  # twice, and without a pixel
    ],
)
def test_rings_in_any_order_are_tried_in_this_order(backend, read, rings):
    rng = np.random.default_rng(23)
    counts = rng.poisson(0.01, (1, 30, 24)).astype(float)
    acceptance = rng.uniform(0.5, 1.5, counts.shape)
    background = np.where(rng.uniform(size=counts.shape) > 0.6, acceptance, 0.0)
    expected = obvious_choice(counts, background, acceptance, rings, 0.04)
    assert len(np.unique(expected[0])) > 2
    found = adaptive_ring_sums(*map(backend.array, (counts, background, acceptance)), rings, 0.04)
    for ours, obvious in zip(found, expected, strict=True):
        assert_allclose(read(ours), obvious, rtol=1e-12)


def test_only_rings_in_order_have_numbers_that_follow_each_other_at_each_distance():
    assert are_in_order([Ring(2.0 + i, 3.0) for i in range(20)])
    assert are_in_order([Ring(2.0, 3.0 + i) for i in range(20)])
    assert not are_in_order([Ring(2.0, 3.0), Ring(1.0, 5.0)])
    assert not are_in_order([Ring(2.0, 3.0), Ring(2.5, 2.0)])
    assert not are_in_order([Ring(2.0, 3.0)] * 255)


def test_sizes_of_transforms_hold_the_images_and_have_small_prime_factors():
    for n in range(1, 700):
        size = _fast_size(n)
        assert n <= size <= max(1.1 * n, fft_size(n))
        for prime in (2, 3, 5):
            while size % prime == 0:
                size //= prime
        assert size == 1
    assert _fast_size(620) == 640  # 2**7 * 5, where 625 is 5**4


def test_transformed_rings_are_kept_up_to_a_number_of_bytes(backend):
    cache = _TransformCache(3 * 8 * 16 * (18 if backend.device.is_host else 9))
    args = (5, 5), (16, 16), backend.device
    first, _ = cache.get(Ring(1.0, 1.0), *args)
    assert cache.get(Ring(1.0, 1.0), *args)[0] is first
    for i in range(5):
        cache.get(Ring(1.0, 2.0 + i), *args)
    assert len(cache) == 3
    assert cache.get(Ring(1.0, 1.0), *args)[0] is not first


def test_planes_summed_one_by_one_are_those_summed_at_once(backend, tiny_blocks):
    rng = np.random.default_rng(5)
    counts = backend.array(rng.poisson(0.3, size=(2, 3, 14, 11)).astype(float))
    background = backend.array(rng.uniform(0.1, 0.5, size=(2, 3, 14, 11)))
    chosen = [Ring(1.5 + i, 1.0) for i in range(4)]

    def sums():
        adaptive = adaptive_ring_sums(counts, background, background, chosen, 0.1)
        return [to_host(values) for values in (ring_sums(counts, chosen[0]), *adaptive)]

    at_once = sums()
    tiny_blocks()
    for values, expected in zip(sums(), at_once, strict=True):
        assert values.dtype == expected.dtype
        assert_allclose(values, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("image", "is_listed"),
    [
        (np.diag([1.0, 0.0, 3.0, 0.0]), True),
        (np.zeros((4, 4)), True),
        (np.diag([1.0, 0.5, 0.0, 0.0]), False),
        (np.diag([1.0, -1.0, 0.0, 0.0]), False),
        (np.diag([1.0, np.nan, 0.0, 0.0]), False),
        (np.diag([1.0, 1e18, 0.0, 0.0]), False),
        (np.ones((4, 4)), False),
    ],
)
def test_only_a_few_counts_are_summed_one_by_one(image, is_listed):
    assert (CountList.of(image, (2, 2), 5) is not None) == is_listed


@pytest.mark.slow
@pytest.mark.parametrize("reach", [(2, 5), (5, 2), (7, 7), (140, 140)])
def test_counts_summed_one_by_one_are_those_in_each_ring(reach):
    image = np.zeros((reach[0] + 1, reach[1] + 1))
    image[0, 0], image[1, -1], image[-1, 1] = 2.0, 1.0, 300.0
    rings = [Ring(0.0, 1.0), Ring(0.0, 1.5), Ring(1.0, 1.0), Ring(2.0, 1.5), Ring(3.0, 4.0), Ring(90.0, 400.0)]
    assert are_in_order(rings)
    counts = CountList.of(image, reach, 10**6)
    number = np.random.default_rng(22).integers(-1, len(rings), image.shape)
    chosen = np.zeros(image.shape)
    for i, ring in enumerate(rings):
        sums = counts.sums(ring)
        assert sums.dtype == np.float64
        assert_array_equal(sums, ring_sums_plain(image, ring))
        chosen[number == i] = sums[number == i]
    assert_array_equal(counts.sums_in_chosen(number, rings), chosen)
