import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.arrays.kernels.reductions import (
    block_sum,
    operation_name,
    pad,
    reduce_groups,
    reduce_over,
    sums_in_masks,
    sums_in_masks_plain,
)

CUBE = np.arange(24.0).reshape(2, 3, 4)
UFUNCS = [np.add, np.multiply, np.maximum, np.minimum, np.logical_and, np.logical_or]


@pytest.mark.parametrize("ufunc", UFUNCS)
@pytest.mark.parametrize("keepdims", [True, False])
def test_a_reduction_gives_the_result_of_its_ufunc(backend, ufunc, keepdims):
    result = reduce_over(backend.array(CUBE), operation_name(ufunc), 1, keepdims=keepdims)
    np.testing.assert_allclose(to_host(result), ufunc.reduce(CUBE, axis=1, keepdims=keepdims))


@pytest.mark.parametrize("ufunc", UFUNCS)
def test_nan_is_left_out(backend, ufunc):
    spoilt = CUBE.copy()
    spoilt[0, 1, 2] = np.nan
    result = reduce_over(backend.array(spoilt), operation_name(ufunc), 1)
    np.testing.assert_allclose(to_host(result)[0, 2], ufunc.reduce(CUBE[0, [0, 2], 2]))


def test_a_mask_is_added_up_in_whole_numbers(backend):
    result = reduce_over(backend.array([[True, True], [False, True]]), "add", 0)
    np.testing.assert_array_equal(to_host(result), [1, 2])


def test_an_unknown_reduction_names_those_that_are_there():
    with pytest.raises(ValueError, match=r"'median'.*'add'"):
        operation_name(np.median)


def test_neighbouring_bins_are_grouped(backend):
    result = reduce_groups(backend.array(CUBE), "add", [0, 1], [1, 3], axis=1)
    np.testing.assert_allclose(to_host(result), np.stack([CUBE[:, 0], CUBE[:, 1] + CUBE[:, 2]], axis=1))


def test_blocks_are_summed_without_nan_and_without_the_rest(backend):
    cube = CUBE.copy()
    cube[0, 0, 0] = np.nan
    result = block_sum(backend.array(cube), [1, 2, 2])
    expected = np.nan_to_num(cube)[:, :2].reshape(2, 1, 2, 2, 2).sum(axis=(2, 4))
    np.testing.assert_allclose(to_host(result), expected)


def test_blocks_of_one_bin_change_nothing(backend):
    np.testing.assert_allclose(to_host(block_sum(backend.array(CUBE), [1, 1, 1])), CUBE)


@pytest.mark.parametrize("mode", ["constant", "edge"])
@pytest.mark.parametrize("dtype", ["float64", "int64", "bool"])
def test_padding_is_that_of_numpy(backend, mode, dtype):
    cube = CUBE.astype(dtype)
    widths = [(0, 0), (1, 2), (2, 0)]
    options = {"constant_values": 1} if mode == "constant" else {}
    result = pad(backend.array(cube), widths, mode=mode, cval=1)
    np.testing.assert_array_equal(to_host(result), np.pad(cube, widths, mode=mode, **options))


def test_another_padding_mode_is_refused():
    with pytest.raises(ValueError, match="'constant' or 'edge'"):
        pad(CUBE, [(0, 0)] * 3, mode="wrap")


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_blocks_keep_the_number_of_counts(n, factor_y, factor_x):
    counts = np.random.default_rng(n).poisson(3.0, size=(n * factor_y, n * factor_x)).astype(float)
    assert block_sum(counts, [factor_y, factor_x]).sum() == counts.sum()


@pytest.mark.parametrize("function", [sums_in_masks, sums_in_masks_plain])
def test_planes_are_summed_where_all_masks_keep_and_nothing_is_missing(backend, function):
    other = np.where(CUBE == 3, np.nan, np.where(CUBE == 9, np.inf, CUBE**2))
    masks = [CUBE % 2 > 0, (CUBE < 7) | (CUBE == 9) | (CUBE > 20)]
    found = to_host(function([backend.array(CUBE), backend.array(other)], [backend.array(mask) for mask in masks]))
    np.testing.assert_allclose(found, [[1 + 5 + 9, 21 + 23], [np.inf, 21**2 + 23**2]])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_large_planes_are_summed_as_by_the_plain_twin(backend, dtype):
    rng = np.random.default_rng(7)
    shape = 4, 130, 150  # more pixels than in a block
    counts, values = rng.poisson(0.3, shape).astype(dtype), rng.lognormal(0.0, 3.0, shape).astype(dtype)
    values[2, 5, 6], values[3, 5, 7] = np.nan, -np.inf
    image = rng.random(shape[1:]) < 0.7
    image[5, 6:8] = True
    masks = [np.broadcast_to(image, shape), np.arange(4)[:, None, None] != np.ones(shape)]
    arrays = [[backend.array(x) for x in group] for group in ([counts, values], masks)]
    found = to_host(sums_in_masks(*arrays))
    np.testing.assert_allclose(found, to_host(sums_in_masks_plain(*arrays)), rtol=1e-12)
    np.testing.assert_array_equal(found[0, :2], [counts[0][image].sum(dtype=float), 0.0])
    assert np.isneginf(found[1, 3])


def test_sums_of_small_images_are_those_of_large_ones():
    rng = np.random.default_rng(3)
    values = [rng.normal(size=(4, 7, 9)), rng.normal(size=(4, 7, 9)).astype(np.float32)]
    values[0][1, 2, 3] = np.nan
    mask = rng.random((4, 7, 9)) < 0.6
    mask[1, 2, 3] = True
    mask[2] = False
    values[1][2] = np.inf  # where nothing is kept
    found = sums_in_masks(values, [mask, mask])
    one_by_one = [[sums_in_masks([x[i]], [mask[i]])[0] for i in range(4)] for x in values]
    assert_array_equal(found[:, [0, 3]], np.array(one_by_one)[:, [0, 3]])
    assert_allclose(found, sums_in_masks_plain(values, [mask, mask]), rtol=1e-6)
    assert found.dtype == np.float64
    assert_array_equal(found[:, 2], 0)
