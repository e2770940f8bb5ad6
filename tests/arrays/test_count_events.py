"""Events counted on every backend, beside the plain code on NumPy."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.arrays.kernels.events import count_events, count_events_plain
from lightpool.arrays.projection_parameters import Projection

SKY = Projection("TAN", (30.5, 20.0), (83.63, 22.01), ((-0.05, 0.01), (0.0, 0.04)))
EDGES = np.array([0.3, 1.0, 3.0, 31.0])
PHASES = np.array([-1.0, 0.0, 2.0])


def events(seed, n):
    """Positions, energies of which most lie outside of the edges, and phases; some are NaN, some on an edge."""
    rng = np.random.default_rng(seed)
    lon, lat = (np.deg2rad(centre) + rng.normal(0, 0.02, n) for centre in (83.63, 22.01))
    energy = rng.choice([0.1, 0.3, 1.0, 2.0, 3.0, 31.0, 50.0, np.nan, np.inf], n)
    return lon, lat, energy, rng.choice([-1.5, -1.0, 0.5, 2.0, np.nan], n), rng.normal(0, 1, n)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), n=st.integers(0, 300), n_axis=st.integers(0, 2))
def test_events_outside_of_the_axes_are_left_out_wherever_that_is_found(backend, seed, n, n_axis):
    lon, lat, energy, phase, weights = events(seed, n)
    values, edges = (energy, phase)[:n_axis], (EDGES, PHASES)[:n_axis]
    here = [backend.array(x) for x in (lon, lat, *values, weights)]
    for with_weights in (False, True):
        expected = count_events_plain(
            lon, lat, values, edges, SKY, (45, 60), first=(-3, 2), weights=weights if with_weights else None
        )
        found = count_events(
            *here[:2], here[2:-1], edges, SKY, (45, 60), first=(-3, 2), weights=here[-1] if with_weights else None
        )
        compare = assert_allclose if with_weights else assert_array_equal
        compare(to_host(found), expected, **({"rtol": 1e-12, "atol": 1e-14} if with_weights else {}))


def test_a_run_without_events_counts_nothing(backend):
    nothing = backend.array(np.zeros(0))
    counts = to_host(count_events(nothing, nothing, [nothing], [EDGES], SKY, (4, 5)))
    assert counts.shape == (3, 4, 5)
    assert not counts.any()


@pytest.mark.parametrize("n_axis", [0, 1])
def test_each_event_inside_counts_once(backend, n_axis):
    lon, lat = (backend.array(np.deg2rad([x, x + 0.01])) for x in (83.63, 22.01))
    energy = backend.array(np.array([1.0, 31.0]))  # the last edge is outside
    counts = count_events(lon, lat, [energy][:n_axis], [EDGES][:n_axis], SKY, (45, 60))
    assert float(to_host(counts).sum()) == 2 - n_axis
