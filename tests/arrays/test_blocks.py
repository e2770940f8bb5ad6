import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lightpool.arrays.devices import blocks as module
from lightpool.arrays.devices.blocks import blocks, blocks_that_fit, in_blocks, pieces
from lightpool.arrays.devices.devices import find_device, to_host


def covered(slices):
    return np.concatenate([np.arange(s.start, s.stop) for s in slices])


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (7, 3), (9, 3), (5, 0), (5, 100)])
def test_blocks_cover_a_range_once(n, size):
    slices = list(blocks(n, size))
    assert_array_equal(covered(slices) if slices else [], np.arange(n))
    assert all(s.stop - s.start <= max(size, 1) for s in slices)


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4), (7, 1, 5)])
@pytest.mark.parametrize("size", [1, 4, 7, 1000])
def test_pieces_cover_an_array_once(shape, size):
    count = np.zeros(shape)
    for piece in pieces(shape, size):
        count[piece] += 1
        assert math.prod(np.shape(count[piece])) <= max(size, 1)
    assert_array_equal(count, 1)


def test_small_work_is_done_at_once_without_a_look_at_memory(backend, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda device: pytest.fail("looked up"))
    assert blocks_that_fit(1000, 2**16, backend.device) == [slice(0, 1000)]
    assert blocks_that_fit(0, 2**40, backend.device) == [slice(0, 0)]


def test_blocks_take_a_quarter_of_what_is_free_on_a_device(monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda device: 2**24)
    slices = blocks_that_fit(1000, 2**18, find_device("strict"))
    assert {s.stop - s.start for s in slices} == {16, 8}
    assert_array_equal(covered(slices), np.arange(1000))
    monkeypatch.setattr(module, "free_memory", lambda device: 0)
    assert len(blocks_that_fit(1000, 2**18, find_device("strict"))) == 1000


def test_blocks_on_the_host_and_where_nothing_is_known_depend_on_sizes_alone(monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda device: None)
    expected = blocks_that_fit(1000, 2**20, find_device("strict"))
    assert {s.stop - s.start for s in expected} == {256, 1000 - 3 * 256}
    monkeypatch.setattr(module, "free_memory", lambda device: 5)
    assert blocks_that_fit(1000, 2**20, find_device("cpu")) == expected


@pytest.mark.parametrize("axis", [0, 1, -2, -1])
def test_an_array_made_in_blocks_is_whole(backend, axis, tiny_blocks):
    tiny_blocks()
    values = backend.array(np.arange(60.0).reshape(3, 4, 5))
    before = (slice(None),) * (axis % 3)
    sizes = []

    def make(block):
        part = values[(*before, block, ...)]
        sizes.append(part.shape[axis])
        return part

    made = in_blocks(make, values.shape[axis], 8, backend.device, axis)
    assert_array_equal(to_host(made), to_host(values))
    assert sizes == [1] * values.shape[axis]
    mask = in_blocks(lambda block: values[block, ...] > 7, 3, 8, backend.device)
    assert_array_equal(to_host(mask), to_host(values) > 7)
