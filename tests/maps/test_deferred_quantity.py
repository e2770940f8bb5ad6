"""Livetimes and the like that wait on the device of their map."""

import copy
import pickle

import astropy.units as u
import pytest
from numpy.testing import assert_allclose

from lightpool.arrays import count_transfers, read_deferred
from lightpool.arrays.devices.transfers import Transfers
from lightpool.maps import Map, MapAxis, WcsGeom
from lightpool.maps.deferred_quantity import DeferredQuantity


@pytest.fixture
def total(backend):
    read_deferred(backend.device)
    return lambda before, more, counts: DeferredQuantity.total(before, more, backend.array(counts))


@pytest.fixture
def geom():
    return WcsGeom.create(npix=3, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)])


@pytest.mark.parametrize(
    ("before", "counts", "expected"),
    [
        (2 * u.h, True, 2.5 * u.h),
        (2 * u.h, False, 2 * u.h),
        (None, True, 1800 * u.s),
        (None, False, None),
    ],
)
def test_a_quantity_counts_if_something_on_the_device_is_true(total, before, counts, expected):
    found = total(before, 1800 * u.s, counts).read()
    if expected is None:
        assert found is None
    else:
        assert_allclose(found.value, expected.value, rtol=1e-15)
        assert found.unit == expected.unit


def test_sums_of_sums_are_read_at_the_end(backend, total):
    with count_transfers() as transfers:
        found = None
        for i in range(5):
            found = total(found, i * u.s, i != 3)
        found = total(found, total(None, 1 * u.min, True), True)
        found = total(found, total(None, 1 * u.min, False), True)
        assert transfers.to_host == Transfers()
        assert found.read() == 67 * u.s
    assert transfers.to_host == (Transfers() if backend.device.is_host else Transfers(1, 16))


def test_a_livetime_that_is_no_number_counts_only_where_it_is_added(total):
    assert total(1 * u.s, float("nan") * u.s, False).read() == 1 * u.s


def test_metadata_are_read_when_they_are_asked_for(backend, total, geom):
    m = Map.from_geom(
        geom, meta={"livetime": total(1 * u.s, 2 * u.s, True), "name": "a", "none": total(None, 1 * u.s, False)}
    )
    with count_transfers() as transfers:
        assert set(m.unread_meta) == {"livetime", "name", "none"}
        copies = [m.copy(), copy.deepcopy(m), m.slice_by_idx({"energy": 0}), m.to_region_nd_map()]
        assert transfers.to_host == Transfers()
        for each in (m, *copies):
            assert each.meta == {"livetime": 3 * u.s, "name": "a"}
            assert each.unread_meta == each.meta
    assert transfers.to_host == (Transfers() if backend.device.is_host else Transfers(1, 32))


def test_metadata_go_with_a_map_to_the_host_and_into_files(total, geom):
    m = Map.from_geom(geom, meta={"livetime": total(1 * u.s, 2 * u.s, True)})
    assert m.to("cpu").meta == {"livetime": 3 * u.s}
    m.meta = {"livetime": total(1 * u.s, 3 * u.s, True)}
    assert pickle.loads(pickle.dumps(m)).unread_meta == {"livetime": 4 * u.s}
    m.meta = {"livetime": total(1 * u.s, 4 * u.s, True)}
    assert "5.0" in str(m.to_hdulist()[0].header["META"])
