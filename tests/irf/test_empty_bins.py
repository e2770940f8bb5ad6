"""Beyond the outer nodes of a background table nothing rises because a bin further in is empty."""

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from irf_tables import ENERGY, FOV_LAT, FOV_LON, OFFSET, project_background
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.irf import Background2D, Background3D
from lightpool.irf.projection.tables_at_energies import background_nodes

EDGES = u.Quantity(np.geomspace(0.21, 49, 9), "TeV")
LON, LAT = (x.ravel() for x in np.deg2rad(np.meshgrid(np.linspace(-2.5, 2.5, 41), np.linspace(-2, 2, 37))))


def table_of(empty, dtype=np.float32):
    """Table of one rate per bin of ln E, with empty bins."""
    energy = ENERGY.center.value[:, np.newaxis, np.newaxis]
    data = np.where(empty, 0, 1e-9 / energy).astype(dtype)
    return Background3D(axes=[ENERGY, FOV_LON, FOV_LAT], data=data, unit="s-1 MeV-1 sr-1")


def rates(backend, table, lon=LON, lat=LAT):
    return to_host(project_background(table, EDGES, fov_lon=backend.array(lon), fov_lat=backend.array(lat)))


FULL = np.zeros((5, 5, 4), dtype=bool)
ONE = np.log(EDGES.value[1] / EDGES.value[0]) * 1e-9 * 1e6  # the rate of a bin, in s-1 sr-1


def emptied(*index):
    empty = FULL.copy()
    for each in index:
        empty[each] = True
    return empty


CASES = {
    "beside the border": emptied((slice(None), 1, 1)),
    "beside the border from some energy up": emptied((slice(2, None), 3, slice(None))),
    "beside all borders": emptied((slice(None), slice(1, -1), slice(1, -1))),
    "all but a corner": ~emptied((slice(None), 0, 0)),
    "all but the lowest energy": emptied(slice(1, None)),
    "all but the highest energy": emptied(slice(0, -1)),
    "all but a corner at the lowest energy": ~emptied((0, -1, -1)),
}


def test_a_table_without_empty_bins_is_that_rate_everywhere(backend):
    assert_allclose(rates(backend, table_of(FULL)), np.full((8, LON.size), ONE), rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_above_the_bins_that_are_not_empty(backend, case):
    found = rates(backend, table_of(CASES[case]))
    assert np.isfinite(found).all()
    assert found.min() >= 0
    # Beyond the outer node the rate stays what it is there, so that of a bin of ln E may rise a little.
    assert found.max() <= ONE * 1.06


@pytest.fixture
def as_it_is(monkeypatch):
    """Makes the rates of a table without a look at its empty bins."""

    def make(*args):
        with monkeypatch.context() as patch:
            patch.setattr(
                "lightpool.irf.projection.tables_at_energies._without_rise", lambda table, bkg, energy: (table, None)
            )
            return rates(*args)

    return make


@pytest.mark.parametrize("case", CASES)
def test_within_the_outer_nodes_nothing_changes(backend, as_it_is, case):
    inside = (np.abs(LON) <= np.deg2rad(2)) & (np.abs(LAT) <= np.deg2rad(1.5))
    found, plain = (make(backend, table_of(CASES[case]), LON[inside], LAT[inside]) for make in (rates, as_it_is))
    within = (ENERGY.center[0] <= EDGES[:-1]) & (EDGES[1:] <= ENERGY.center[-1])
    assert within.sum() == 6
    assert_allclose(found[within], plain[within], rtol=1e-10)


def test_the_other_borders_of_such_a_table_are_extrapolated_as_before(backend):
    lon = FOV_LON.center.value[:, np.newaxis]
    empty = emptied((slice(None), 1, 0))
    sloped, plain = table_of(empty, np.float64), table_of(FULL, np.float64)
    for table in (sloped, plain):
        table.data *= np.exp(0.5 * lon)
    assert len(background_nodes(sloped, EDGES).table.nodes[0]) == FOV_LON.nbin + 2
    assert len(background_nodes(plain, EDGES).table.nodes[0]) == FOV_LON.nbin
    away = (np.rad2deg(LON) > 0) | (np.rad2deg(LAT) > -0.5)
    found, expected = (rates(backend, table, LON[away], LAT[away]) for table in (sloped, plain))
    assert_allclose(found, expected, rtol=1e-11)


def test_empty_bins_at_the_border_leave_the_table_as_it_is():
    table = table_of(emptied((slice(None), 0), (slice(3, None), slice(None), -1)))
    nodes = background_nodes(table, EDGES).table
    assert [len(x) for x in nodes.nodes] == [FOV_LON.nbin, FOV_LAT.nbin]


def test_bins_without_a_number_hide_what_is_beside_them_as_before(backend, as_it_is):
    found, plain = [], []
    for make, result in ((rates, found), (as_it_is, plain)):
        table = table_of(emptied((slice(None), 1, slice(None))))
        table.data[:, -2, 1] = np.nan
        result.append(make(backend, table))
    assert_array_equal(found[0] == 0, plain[0] == 0)
    assert found[0].max() <= ONE * (1 + 1e-5) < plain[0].max()
    assert (found[0] == 0).any()


@pytest.mark.parametrize("number", [1, 2])
def test_rates_in_offset_do_not_rise_either(backend, number):
    energy = ENERGY.center.value[:, np.newaxis]
    data = np.broadcast_to(1e-9 / energy, (5, 4)).astype(np.float32)
    data[:, number] = 0
    table = Background2D(axes=[ENERGY, OFFSET], data=data, unit="s-1 MeV-1 sr-1")
    found = to_host(project_background(table, EDGES, backend.array(np.deg2rad(np.linspace(0, 2.5, 51)))))
    assert np.isfinite(found).all()
    assert found.max() <= ONE * (1 + 1e-5)
    assert (found > 0.99 * ONE).any()


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.booleans(), min_size=100, max_size=100),
    st.lists(st.floats(0.5, 2), min_size=100, max_size=100),
    st.sampled_from([np.float32, np.float64]),
)
def test_whatever_is_empty_no_rate_is_far_above_the_table(empty, factors, dtype):
    table = table_of(np.reshape(empty, FULL.shape), dtype)
    table.data *= np.reshape(factors, FULL.shape).astype(dtype)
    found = project_background(table, EDGES, fov_lon=LON, fov_lat=LAT)
    assert np.isfinite(found).all()
    # Half a bin on each of three axes, along each of which neighbours differ by at most a factor of 4 (and 1 / E).
    assert found.max() <= 2 * ONE * 4**3.5 * 10
