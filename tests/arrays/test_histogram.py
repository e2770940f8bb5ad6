import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import histogram
from lightpool.arrays.kernels.histogram import histogram_plain, sum_by_bin, sum_by_bin_plain

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EVENTS = st.lists(st.tuples(st.integers(-2, 4), st.integers(-2, 5), st.floats(0, 1e6)), max_size=40)


def slow_histogram(events, shape, weighted):
    counts = np.zeros(shape)
    for i, j, weight in events:
        if 0 <= i < shape[0] and 0 <= j < shape[1]:
            counts[i, j] += weight if weighted else 1
    return counts


@pytest.mark.parametrize("function", [histogram, histogram_plain])
@FEW
@given(events=EVENTS, weighted=st.booleans())
def test_histogram_agrees_with_a_loop_over_events(backend, read, function, events, weighted):
    columns = np.array(events, dtype=float).reshape(-1, 3).T
    index = [backend.array(column, dtype=np.int64) for column in columns[:2]]
    weights = backend.array(columns[2]) if weighted else None
    counts = read(function(index, (3, 4), weights))
    assert counts.dtype == np.float64
    assert_allclose(counts, slow_histogram(events, (3, 4), weighted), rtol=1e-12)


def test_every_event_inside_is_counted_once(backend, read):
    rng = np.random.default_rng(1)
    index = [backend.array(rng.integers(-5, n + 5, 20_000)) for n in (11, 50, 40)]
    inside = np.all([(read(i) >= 0) & (read(i) < n) for i, n in zip(index, (11, 50, 40), strict=True)], axis=0)
    counts = read(histogram(index, (11, 50, 40)))
    assert counts.shape == (11, 50, 40)
    assert counts.sum() == inside.sum()


def test_index_arrays_of_an_outer_grid_are_broadcast(backend, read):
    index = [backend.array([[0], [1], [1]]), backend.array([[0, 1, 2, 0]])]
    assert_array_equal(read(histogram(index, (2, 3))), [[2, 1, 1], [4, 2, 2]])
    assert_array_equal(read(histogram(index, (2, 3), backend.array([[1.0], [2.0], [0.5]]))), [[2, 1, 1], [5, 2.5, 2.5]])


def test_no_events_make_an_empty_map(backend, read):
    none = backend.array(np.zeros(0, dtype=np.int64))
    for function in (sum_by_bin, sum_by_bin_plain):
        assert_array_equal(read(function(none, None, 3)), np.zeros(3))
        assert_array_equal(read(function(none, backend.array(np.zeros(0)), 3)), np.zeros(3))


@pytest.mark.parametrize("function", [sum_by_bin, sum_by_bin_plain])
def test_weight_that_is_no_number_spoils_its_own_bin_only(backend, read, function):
    index = backend.array([2, 0, 1, 0, 2, -1])
    weights = backend.array([1.0, np.nan, np.inf, 1.0, 2.0, np.nan])
    assert_array_equal(read(function(index, weights, 4)), [np.nan, np.inf, 3, 0])


@pytest.mark.parametrize("function", [sum_by_bin, sum_by_bin_plain])
def test_faint_bin_beside_a_bright_one_keeps_its_digits(backend, read, function):
    index = backend.array(np.repeat([0, 1, 2], 1000))
    weights = backend.array(np.repeat([1e12, 1e-12, 1e5], 1000))
    assert_allclose(read(function(index, weights, 3)), [1e15, 1e-9, 1e8], rtol=1e-12)


def test_mask_counts_as_a_weight(backend, read):
    index = backend.array([0, 1, 1, 1])
    assert_array_equal(read(sum_by_bin(index, backend.array([True, True, False, True]), 2)), [1, 2])


def test_missing_index_array_is_named(backend):
    with pytest.raises(ValueError, match=r"got 1 index arrays for a map of 2 axes, shape \(3, 4\)"):
        histogram([backend.array([0])], (3, 4))
