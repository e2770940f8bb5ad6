"""Numbers that stay on their device until somebody asks for them."""

import copy
import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from numpy.testing import assert_array_equal

from lightpool.arrays import DeferredNumbers, count_transfers, read_deferred, to_host
from lightpool.arrays.devices import pending_numbers
from lightpool.arrays.devices.transfers import Transfers


@pytest.fixture
def numbers(backend):
    """A function that makes deferred numbers; nothing waits before or after the test."""
    read_deferred(backend.device)
    yield lambda values, when_read=None: DeferredNumbers(backend.array(values, "float64"), when_read)
    read_deferred(backend.device)


def read(backend, number, n_bytes):
    """Transfers from a device; there are none from the host."""
    return Transfers() if backend.device.is_host else Transfers(number, n_bytes)


def test_all_that_wait_are_read_with_the_first_that_is_asked_for(backend, numbers):
    with count_transfers() as transfers:
        groups = [numbers([i, i + 0.5]) for i in range(5)]
        assert transfers.to_host == Transfers()
        assert all(group.is_read == backend.device.is_host for group in groups)
        assert float(groups[3][1]) == 3.5
        assert [group.numbers for group in groups] == [(i, i + 0.5) for i in range(5)]
    assert transfers.to_host == read(backend, 1, 80)


def test_a_number_can_be_used_on_its_device_without_being_read(backend, numbers):
    number = numbers([1.0, 2.0])[1]
    with count_transfers() as transfers:
        doubled = number.array * 2
    assert transfers.to_host == Transfers()
    assert number.device == backend.device
    assert to_host(doubled) == 4


def test_what_is_to_be_said_is_said_once_and_in_order(backend, numbers):
    said = []
    groups = [numbers([i], said.append) for i in range(3)]
    assert said == ([(0,), (1,), (2,)] if backend.device.is_host else [])
    read_deferred(backend.device)
    read_deferred(backend.device)
    assert [group.numbers for group in groups] == said == [(0,), (1,), (2,)]


def test_numbers_that_nobody_holds_are_read_only_if_something_is_to_be_said(backend, numbers):
    said = []
    numbers([1.0, 2.0, 3.0])
    numbers([4.0], said.append)
    gc.collect()
    with count_transfers() as transfers:
        read_deferred(backend.device)
    assert transfers.to_host == read(backend, 1, 8)
    assert said == [(4,)]


def test_numbers_do_not_wait_without_end(backend, numbers, monkeypatch):
    monkeypatch.setattr(pending_numbers, "MAX_WAITING", 5)
    said = []
    with count_transfers() as transfers:
        for i in range(13):
            numbers([i], said.append)
            numbers([0.0])  # not held
    assert transfers.to_host == read(backend, 2, 12 * 8)
    assert len(said) == (13 if backend.device.is_host else 10)


def test_copies_share_a_number_and_a_pickle_is_a_float(numbers):
    number = numbers([1.0, 2.5])[1]
    assert copy.deepcopy(number) is copy.copy(number) is number
    assert pickle.loads(pickle.dumps(number)) == 2.5


def test_a_reading_that_fails_can_be_repeated(backend, numbers, monkeypatch):
    if backend.device.is_host:
        return
    group = numbers([1.0])
    broken = lambda x: 1 / 0  # noqa: E731
    monkeypatch.setattr(pending_numbers, "to_host", broken)
    with pytest.raises(ZeroDivisionError):
        read_deferred(backend.device)
    monkeypatch.undo()
    assert group.numbers == (1,)


def test_threads_read_the_same(numbers):
    groups = [numbers([float(i)]) for i in range(200)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda group: group.numbers[0], groups))
    assert_array_equal(found, range(200))
