"""Counting what crosses between the host and the devices."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lightpool.arrays import count_transfers, find_device, to_device, to_host
from lightpool.arrays.devices.transfers import Transfers


def test_each_array_that_crosses_counts_with_its_bytes(backend):
    with count_transfers() as transfers:
        there = to_device(np.zeros((3, 4)), backend.device)
        to_device([1.0, 2.0], backend.device)
        to_device(there, backend.device)
        to_host(there)
    is_host = backend.device.is_host
    assert transfers.to_device == (Transfers() if is_host else Transfers(2, 96 + 16))
    assert transfers.to_host == (Transfers() if is_host else Transfers(1, 96))


def test_an_array_travels_in_its_own_type_and_grows_on_the_device():
    with count_transfers() as transfers:
        to_device(np.zeros(3, dtype=">f4"), "strict", dtype="float64")
    assert transfers.to_device == Transfers(1, 12)


def test_empty_arrays_do_not_travel(backend):
    with count_transfers() as transfers:
        to_host(to_device(np.zeros((0, 3)), backend.device))
    assert transfers.to_device == transfers.to_host == Transfers()


def test_between_two_devices_an_array_goes_through_the_host():
    pytest.importorskip("torch")
    there = to_device(np.zeros(2), "torch")
    with count_transfers() as transfers:
        to_device(there, "strict")
    assert transfers.to_device == transfers.to_host == Transfers(1, 16)


def test_blocks_may_be_nested_and_stop_counting_at_their_end():
    with count_transfers() as outer:
        to_device(np.zeros(1), "strict")
        with count_transfers() as inner:
            to_device(np.zeros(2), "strict")
        to_device(np.zeros(4), "strict")
    to_device(np.zeros(8), "strict")
    assert inner.to_device == Transfers(1, 16)
    assert outer.to_device == Transfers(3, 56)


def test_a_block_that_fails_stops_counting_too():
    with pytest.raises(ZeroDivisionError), count_transfers() as transfers:
        raise ZeroDivisionError
    to_device(np.zeros(1), "strict")
    assert transfers.to_device == Transfers()


def test_transfers_of_all_threads_are_counted():
    n_thread, n_array = 4, 200

    def move(length):
        for _ in range(n_array):
            to_host(to_device(np.zeros(length), "strict"))

    find_device("strict")
    with count_transfers() as transfers, ThreadPoolExecutor(n_thread) as pool:
        list(pool.map(move, range(1, n_thread + 1)))
    assert transfers.to_device == transfers.to_host
    assert transfers.to_device == Transfers(n_thread * n_array, 8 * n_array * sum(range(1, n_thread + 1)))


def test_the_count_can_be_printed():
    with count_transfers() as transfers:
        to_host(to_device(np.zeros(2), "strict"))
    assert str(transfers) == "to device: 1 arrays, 16 bytes; to host: 1 arrays, 16 bytes"
