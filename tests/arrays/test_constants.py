"""Small tables on devices: they cross once for each content, and together."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lightpool.arrays import (
    Constant,
    announce_constants,
    bin_index,
    constant,
    count_transfers,
    device_of,
    forget_constants,
    to_host,
)
from lightpool.arrays.devices import device_tables
from lightpool.arrays.devices.transfers import Transfers


@pytest.fixture
def target(backend):
    """Device on which nothing is kept yet."""
    forget_constants(backend.device)
    yield backend.device
    forget_constants(backend.device)


def crossed(target, number, n_bytes):
    """Transfers to a device; there are none on the host."""
    return Transfers() if target.is_host else Transfers(number, n_bytes)


def announce(arrays, target):
    announce_constants(map(Constant, arrays), target)


def table(seed, shape=(3, 4)):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_same_content_crosses_once(target):
    with count_transfers() as transfers:
        first, second = constant(table(1), target), constant(table(1), target)
    assert transfers.to_device == crossed(target, 1, 96)
    assert device_of(first) == target
    assert_array_equal(to_host(first), table(1))
    assert_array_equal(to_host(second), table(1))


@pytest.mark.parametrize("other", [table(1).reshape(4, 3), table(1).astype("float32"), table(1)[:, :2], -table(1)])
def test_shape_type_and_values_are_content(target, other):
    constant(table(1), target)
    found = constant(other, target)
    assert_array_equal(to_host(found), other)
    assert to_host(found).dtype == other.dtype


def test_what_is_announced_travels_with_the_first_that_is_needed(target):
    tables = [table(i, shape) for i, shape in enumerate([(3,), (2, 2), (), (100, 3)])]
    with count_transfers() as transfers:
        announce(tables, target)
        assert transfers.to_device.number == 0
        needed = constant(table(9, (5,)), target)
        found = [constant(x, target) for x in tables]
    assert transfers.to_device == crossed(target, 1, 8 * (3 + 4 + 1 + 300 + 5))
    for there, expected in zip([*found, needed], [*tables, table(9, (5,))], strict=True):
        assert_array_equal(to_host(there), expected)


def test_each_data_type_travels_by_itself(target):
    mask, index = np.array([True, False, True]), np.arange(4)
    with count_transfers() as transfers:
        announce([mask, index, table(1)], target)
        assert_array_equal(to_host(constant(mask, target)), mask)
        assert_array_equal(to_host(constant(index, target)), index)
        constant(table(1), target)
    assert transfers.to_device == crossed(target, 3, 3 + 32 + 96)


def test_the_type_can_be_chosen(target):
    found = constant(np.arange(3), target, dtype="float64")
    assert found.dtype == target.xp.float64
    assert_array_equal(to_host(found), [0.0, 1.0, 2.0])


def test_foreign_byte_order_and_strides_do_not_matter(target):
    values = table(1).astype(">f8")
    assert_array_equal(to_host(constant(values, target)), values)
    assert_array_equal(to_host(constant(table(1).T, target)), table(1).T)


def test_memory_stays_below_the_limit(target, monkeypatch):
    monkeypatch.setattr(device_tables, "MAX_KEPT_BYTES", 1000)
    with count_transfers() as transfers:
        for seed in range(20):
            announce([table(seed, (20,)), table(seed, (10,))], target)
            constant(table(seed, (20,)), target)
            assert_array_equal(to_host(constant(table(0, (20,)), target)), table(0, (20,)))  # used, so kept
        assert transfers.to_device == crossed(target, 20, 20 * 30 * 8)
        constant(table(19, (10,)), target)
        assert transfers.to_device.number == crossed(target, 20, 0).number
        assert_array_equal(to_host(constant(table(2, (10,)), target)), table(2, (10,)))
        assert transfers.to_device.number == crossed(target, 21, 0).number


def test_large_arrays_are_not_kept(target, monkeypatch):
    monkeypatch.setattr(device_tables, "MAX_CONSTANT_BYTES", 50)
    with count_transfers() as transfers:
        announce([table(1)], target)
        constant(table(1), target)
        constant(table(1), target)
    assert transfers.to_device == crossed(target, 2, 192)


def test_announcements_are_not_held_without_end(target, monkeypatch):
    monkeypatch.setattr(device_tables, "MAX_CONSTANT_BYTES", 200)
    with count_transfers() as transfers:
        announce([table(1), table(2)], target)
        assert transfers.to_device.number == 0
        announce([table(3)], target)
        assert transfers.to_device == crossed(target, 1, 288)


def test_on_the_host_a_constant_is_the_array_itself():
    values = table(1)
    assert constant(values, "cpu") is values
    announce([values], "cpu")
    assert_array_equal(constant([1, 2], "cpu", dtype="float64"), [1.0, 2.0])


def test_an_array_on_the_device_is_itself(backend):
    there = backend.array([1.0, 2.0])
    assert constant(there, backend.device) is there
    assert constant(np.zeros((0, 2)), backend.device).shape == (0, 2)


def test_edges_of_bins_cross_once(target):
    energy = constant(np.array([1.5, 2.5]), target)
    with count_transfers() as transfers:
        for _ in range(3):
            bin_index(energy, np.array([1.0, 2.0, 4.0]))
    assert transfers.to_device == crossed(target, 1, 24)
