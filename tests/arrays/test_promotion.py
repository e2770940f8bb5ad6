from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpool.arrays.devices.devices import to_host
from lightpool.arrays.devices.dtypes import ARITHMETIC, COMPARISONS, apply_operator, as_dtype, dtype_name

VALUES = {"bool": [True, False, True], "int64": [1, 2, -3], "float32": [0.5, 2.0, -1.0], "float64": [1.5, 2.0, 3.0]}


@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISONS])
def test_mixed_types_meet_as_in_numpy(backend, name):
    for left, right in product(VALUES, VALUES):
        if left == right == "bool" and name == "subtract":
            continue
        x, y = np.array(VALUES[left], dtype=left), np.array(VALUES[right], dtype=right)
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = getattr(np, name)(x, y)
            result = apply_operator(name, backend.array(x), backend.array(y))
        assert dtype_name(result) == expected.dtype.name, (left, right)
        np.testing.assert_array_equal(to_host(result), expected)


def test_masks_cannot_be_subtracted(backend):
    with pytest.raises(TypeError, match="\\^"):
        apply_operator("subtract", backend.array([True]), backend.array([True]))


@pytest.mark.parametrize("number", [2, 0.5, True])
@pytest.mark.parametrize("left", VALUES)
def test_a_plain_number_takes_the_type_of_the_array_where_it_fits(backend, left, number):
    x = np.array(VALUES[left], dtype=left)
    result = apply_operator("multiply", backend.array(x), number)
    assert dtype_name(result) == (x * number).dtype.name
    np.testing.assert_array_equal(to_host(result), x * number)


def test_logic_takes_any_number_as_true_but_zero(backend):
    result = apply_operator("logical_and", backend.array([0.0, 2.0, np.nan]), backend.array([1, 1, 1]))
    np.testing.assert_array_equal(to_host(result), [False, True, True])


def test_an_operand_that_is_no_number_is_refused(backend):
    with pytest.raises(TypeError, match="'two'"):
        apply_operator("add", backend.array([1.0]), "two")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_a_change_of_type_and_back_keeps_whole_numbers(values):
    x = np.round(np.array(values))
    np.testing.assert_array_equal(as_dtype(as_dtype(x, "int64"), "float64"), x)


@pytest.mark.parametrize("name", VALUES)
def test_a_type_has_one_name_whether_it_is_a_class_or_not(name):
    assert dtype_name(SimpleNamespace(dtype=getattr(np, name))) == name
    assert dtype_name(SimpleNamespace(dtype=np.dtype(name))) == name
