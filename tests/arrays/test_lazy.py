import numpy as np
import pytest

from lightpool.arrays import LazyArray, add_product, find_device, to_host
from lightpool.arrays.devices.lazy_array import lazy_zeros

VALUES = np.arange(2 * 3 * 7 * 5.0).reshape(2, 3, 7, 5)
WINDOWS = [
    (slice(None), slice(None)),
    (slice(2, 6), slice(1, 4)),
    (slice(6, 7), slice(0, 5)),
    (slice(3, 3), slice(0, 2)),
]


def lazy_values(backend, height, values=VALUES):
    """The values row by row of the first axis, and a list of the pixels that were computed."""
    asked = []

    def compute(rows, columns, mask):
        asked.append((rows.start, rows.stop, columns.start, columns.stop))
        for lead in range(len(values)):
            part = values[lead : lead + 1, ..., rows, columns].copy()
            yield slice(lead, lead + 1), backend.array(part if mask is None else np.where(mask, part, 0))

    return LazyArray(values.shape, backend.device, height, compute, backend.xp.float64), asked


@pytest.mark.parametrize("height", [1, 3, 7, 100])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_of_a_lazy_array_is_that_of_its_values(backend, height, window):
    lazy, _ = lazy_values(backend, height)
    np.testing.assert_array_equal(to_host(lazy[..., *window].values()), VALUES[..., *window])


def test_nothing_is_worked_out_before_it_is_asked_for_and_no_pixels_but_those_of_the_window(backend):
    lazy, asked = lazy_values(backend, 3)
    part = lazy[..., 2:6, 1:3]
    assert asked == []
    part.values()
    assert asked == [(2, 5, 1, 3), (5, 6, 1, 3)]


@pytest.mark.parametrize("height", [2, 7])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_lazy_factor_adds_up_to_the_same_as_its_values(backend, height, window):
    values = np.where(VALUES == 40, np.nan, VALUES)
    lazy, _ = lazy_values(backend, height, values)
    mask = backend.array(VALUES[0, 0] % 4 > 0)
    others = [backend.array(VALUES[:, :1] + 1.0)[..., *window], mask[window], 0.5]
    totals = [backend.array(np.ones(VALUES.shape)) for _ in range(2)]
    add_product(totals[0], [lazy[..., *window], *others], (..., *window))
    add_product(totals[1], [backend.array(values)[..., *window], *others], (..., *window))
    np.testing.assert_array_equal(to_host(totals[0]), to_host(totals[1]))


def test_a_mask_of_an_image_goes_where_the_values_are_worked_out():
    asked = []

    def compute(rows, columns, mask):
        asked.append(mask)
        yield slice(None), VALUES[..., rows, columns] * mask

    lazy = LazyArray(VALUES.shape, find_device("cpu"), 4, compute, np.dtype(float), is_finite=True)
    rows, columns = slice(2, 6), slice(1, 4)
    mask, total = VALUES[0, 0, rows, columns] % 3 > 0, np.ones(VALUES.shape)
    add_product(total, [lazy[..., rows, columns], mask[np.newaxis]], (..., rows, columns))
    expected = np.ones(VALUES.shape)
    expected[..., rows, columns] += VALUES[..., rows, columns] * mask
    np.testing.assert_array_equal(total, expected)
    np.testing.assert_array_equal(np.concatenate(asked), mask)


def test_other_windows_are_refused(backend):
    lazy, _ = lazy_values(backend, 3)
    with pytest.raises(IndexError, match="rows and columns"):
        lazy[0]
    with pytest.raises(IndexError, match="rows and columns"):
        lazy[..., 1:3, 1:3][..., :1, :1]


@pytest.mark.parametrize("dtype", ["bool", "float32", "float64", "int64"])
@pytest.mark.parametrize("window", WINDOWS)
def test_zeros_that_nobody_made_are_zeros_of_their_type_in_each_window(backend, dtype, window):
    lazy = lazy_zeros(VALUES.shape, dtype, backend.device)
    for found, expected in ((lazy, VALUES), (lazy[..., *window], VALUES[..., *window])):
        values = to_host(found.values())
        assert values.dtype == dtype
        np.testing.assert_array_equal(values, np.zeros(expected.shape))


@pytest.mark.parametrize("dtype", ["bool", "float64"])
def test_zeros_that_nobody_made_add_nothing(backend, dtype):
    total = backend.array((VALUES % 3 > 0).astype(dtype))
    mask = backend.array(VALUES[0, 0] % 4 > 0)
    add_product(total, [lazy_zeros(VALUES.shape, dtype, backend.device), mask])
    np.testing.assert_array_equal(to_host(total), VALUES % 3 > 0)
