import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpool.arrays import add_product, to_host
from lightpool.arrays.devices.blocks import pieces, quiet_on_windows
from lightpool.arrays.kernels.accumulation import add_product_plain

VALUES = np.arange(24.0).reshape(2, 3, 4)
MASK = VALUES % 3 > 0
FACTORS = {
    "one array": [VALUES],
    "a mask": [VALUES, MASK],
    "a mask of one plane": [VALUES, MASK[:1]],
    "an image": [VALUES[0], VALUES],
    "a number": [VALUES, 2.5],
    "many": [VALUES, VALUES[:, :1], MASK, MASK[0], 0.5],
    "what is not finite": [np.where(MASK, VALUES, np.nan), np.where(VALUES == 4, np.inf, 0.0)],
    "whole numbers": [VALUES.astype(np.int32), MASK],
}


@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize("function", [add_product, add_product_plain])
def test_products_are_added_to_a_window(backend, function, name):
    total = backend.array(np.ones((2, 5, 6)))
    factors = [factor if isinstance(factor, float) else backend.array(factor) for factor in FACTORS[name]]
    function(total, factors, (..., slice(1, 4), slice(0, 4)))
    with np.errstate(invalid="ignore"):
        product = np.ones((2, 3, 4)) * FACTORS[name][0]
        for factor in FACTORS[name][1:]:
            product = product * factor
    expected = np.ones((2, 5, 6))
    expected[:, 1:4, :4] += np.where(np.isfinite(product), product, 0)
    np.testing.assert_allclose(to_host(total), expected)


@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize("function", [add_product, add_product_plain])
def test_products_added_a_plane_at_a_time_are_those_added_at_once(backend, function, name, tiny_blocks):
    factors = [factor if isinstance(factor, float) else backend.array(factor) for factor in FACTORS[name]]

    def added():
        totals = [backend.array(np.ones((2, 5, 6))), backend.array(np.zeros((2, 5, 6), dtype=bool))]
        for total in totals:
            function(total, factors, (..., slice(1, 4), slice(0, 4)))
        image = backend.array(np.ones((3, 4)))
        function(image, [backend.array(VALUES[0]), 2.0])
        return [to_host(total) for total in (*totals, image)]

    expected = added()
    tiny_blocks()
    for total, same in zip(added(), expected, strict=True):
        np.testing.assert_array_equal(total, same)


@pytest.mark.parametrize("function", [add_product, add_product_plain])
def test_what_is_not_finite_is_kept_if_asked_for(backend, function):
    total = backend.array(np.ones(3))
    function(total, [backend.array([1.0, np.nan, np.inf])], nan_to_num=False)
    np.testing.assert_array_equal(to_host(total), [2, np.nan, np.inf])


def test_masks_are_united(backend):
    total = backend.array([True, False, False, False])
    add_product(total, [backend.array([True, True, True, False]), backend.array([True, True, False, True])])
    np.testing.assert_array_equal(to_host(total), [True, True, False, False])


def test_the_type_of_the_total_stays(backend):
    total = backend.array(np.ones(2, dtype=np.int64))
    add_product(total, [backend.array([1.0, 2.0])])
    np.testing.assert_array_equal(to_host(total), np.array([2, 3]), strict=True)


@given(shape=st.lists(st.integers(0, 6), max_size=4), size=st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_pieces_cover_each_element_once(shape, size):
    touched = np.zeros(shape, dtype=int)
    for piece in pieces(shape, size):
        assert touched[piece].size <= size
        touched[piece] += 1
    assert (touched == 1).all()


def test_settings_of_numpy_are_as_before_after_work_on_windows():
    before = np.getbufsize(), np.geterr()
    with quiet_on_windows():
        assert np.getbufsize() < before[0]
        np.add([np.inf], [-np.inf])
    assert (np.getbufsize(), np.geterr()) == before
