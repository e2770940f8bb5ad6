"""Fused kernels for responses against the plain way, on node tables of any shape and pixels at any place."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import find_device, to_device, to_host
from lightpool.irf.projection.integrate_background import integrate_background
from lightpool.irf.projection.node_tables import BackgroundNodes, DensityNodes, KernelNodes, NodeTable
from lightpool.irf.projection.project import project_density, project_kernel, project_values
from lightpool.irf.projection.weights import can_fuse, pixel_weights
from lightpool.irf.tables.table_scales import LOG_ZERO

BACKENDS = ["cuda on host", pytest.param("cuda", marks=pytest.mark.gpu)]
pytestmark = pytest.mark.parametrize("backend", BACKENDS, indirect=True)
FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DTYPES = st.sampled_from(["float64", "float32"])
SHAPES = st.one_of(st.tuples(st.integers(1, 5)), st.tuples(st.integers(1, 4), st.integers(1, 4)))


def node_table(rng, leading, shape, values=None):
    nodes = tuple(np.cumsum(rng.uniform(0.1, 1.0, n)) for n in shape)
    bounds = tuple((float(axis[0]) - 0.2, float(axis[-1]) + 0.3) for axis in nodes)
    if values is None:
        values = rng.normal(0.5, 1.0, (*leading, *shape))
    field = ("offset",) if len(shape) == 1 else ("fov_lon", "fov_lat")
    return NodeTable(values, field, nodes, bounds, ("lin",) * len(shape), values_scale="lin")


def places(rng, table, n_pixel):
    """Coordinates inside, beyond the outer nodes, on nodes and edges, outside, and not a number."""
    coords = []
    for nodes, bounds in zip(table.nodes, table.bounds, strict=True):
        special = np.array([*nodes, *bounds, bounds[0] - 1e-9, bounds[1] + 1.0, np.nan])
        x = rng.uniform(bounds[0] - 0.1, bounds[1] + 0.1, n_pixel)
        coords.append(np.where(rng.random(n_pixel) < 0.3, rng.choice(special, n_pixel), x))
    return coords


def both_ways(backend, table, coords, dtype, work):
    """Results of array-api-strict, which has no fast routines, and of the kernels."""
    results = []
    for device in (find_device("strict"), backend.device):
        weights = pixel_weights(table, *(to_device(x, device) for x in coords), dtype=dtype)
        assert can_fuse(weights, table) == (device is backend.device)
        results.append(to_host(work(weights)))
    return results


def compare(found, expected, dtype, scale=1.0):
    assert found.dtype == dtype
    rtol = 1e-12 if dtype == "float64" else 2e-4
    assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)


@FEW
@given(seed=st.integers(0, 999), shape=SHAPES, n_pixel=st.integers(0, 70), dtype=DTYPES)
def test_values_are_those_of_many_steps(backend, seed, shape, n_pixel, dtype):
    rng = np.random.default_rng(seed)
    table = node_table(rng, (3,), shape)
    expected, found = both_ways(
        backend,
        table,
        places(rng, table, n_pixel),
        dtype,
        lambda weights: project_values(table, weights, 2.5),
    )
    compare(found, expected, dtype, scale=10.0)


def density_nodes(rng, shape, n_row, n_bin):
    # values of which some are negative, but whose norm is not the difference of large numbers
    values = np.abs(rng.normal(1.0, 0.5, (n_row, n_bin, *shape))) + 0.1
    values[:, ::3] *= -0.2
    values[0] = 0.0
    table = node_table(rng, (n_row, n_bin), shape, values)
    widths = rng.uniform(0.1, 1, n_bin)
    norm = NodeTable(np.tensordot(widths, values, axes=(0, 1)), table.field, table.nodes, table.bounds, table.scales)
    return DensityNodes(table, widths, norm)


@FEW
@given(seed=st.integers(0, 999), shape=SHAPES, n_pixel=st.integers(0, 70), dtype=DTYPES)
def test_densities_are_clipped_and_normalised(backend, seed, shape, n_pixel, dtype):
    rng = np.random.default_rng(seed)
    nodes = density_nodes(rng, shape, 3, 7)
    expected, found = both_ways(
        backend,
        nodes.table,
        places(rng, nodes.table, n_pixel),
        dtype,
        lambda weights: next(project_density(nodes, weights, 2.0))[1],
    )
    compare(found, expected, dtype)
    assert_array_equal(found[0], 0)


@FEW
@given(seed=st.integers(0, 999), shape=SHAPES, n_pixel=st.integers(1, 70), dtype=DTYPES)
def test_probabilities_are_filled_from_the_bins_in_reach(backend, seed, shape, n_pixel, dtype):
    rng = np.random.default_rng(seed)
    density = density_nodes(rng, shape, 3, 9)
    shares = rng.uniform(0.1, 1, (3, 4, 9)) * density.widths
    start, stop = rng.integers(0, 10, (2, 3, 4, 1))
    shares = np.where((np.arange(9) >= start) & (np.arange(9) < stop), shares, 0.0)
    nodes = KernelNodes(density, shares, density.table)
    coords, threshold = places(rng, density.table, n_pixel), 0.2
    expected, found = both_ways(
        backend,
        density.table,
        coords,
        dtype,
        lambda weights: next(project_kernel(nodes, weights, threshold))[1],
    )
    near = np.abs(np.maximum(expected, found) - threshold) < 1e-3
    compare(np.where(near, 0, found).astype(dtype), np.where(near, 0, expected).astype(dtype), dtype)


@FEW
@example(seed=0, shape=(2,), n_pixel=12, dtype="float32")
@given(seed=st.integers(0, 999), shape=SHAPES, n_pixel=st.integers(1, 70), dtype=DTYPES)
def test_integrals_of_steep_flat_and_vanishing_rates(backend, seed, shape, n_pixel, dtype):
    rng = np.random.default_rng(seed)
    steps = rng.choice([0.0, 1e-7, -5e-4, 0.01, 1.0, -4.0], (6, *shape))
    logs = rng.normal(0, 1, shape) + np.cumsum(steps, axis=0)
    logs = np.where(rng.random(logs.shape) < 0.1, LOG_ZERO - 0.7, logs)
    logs[rng.integers(0, 6)] = rng.choice([-1e5, 0.5])
    table = node_table(rng, (6,), shape, logs)
    table = NodeTable(logs, table.field, table.nodes, table.bounds, table.scales, values_scale="log")
    points = np.cumsum(rng.uniform(0.1, 1, 6))
    nodes = BackgroundNodes(table, np.exp(points), points, np.full(6, LOG_ZERO))
    factor = rng.uniform(0.5, 2, n_pixel)
    coords = [x[np.newaxis] for x in places(rng, table, n_pixel)]
    expected, found = (
        to_host(
            integrate_background(
                nodes, [to_device(x, device) for x in coords], [to_device(factor[np.newaxis], device)], dtype
            )
        )[:, 0]
        for device in (find_device("strict"), backend.device)
    )
    assert found.dtype == dtype
    usual = expected < 1e30  # a logarithm that falls off to zero grows beyond all numbers on the other side
    assert_array_equal(found[usual] > 0, expected[usual] > 0)
    # In float32 a logarithm of -1e5 is known to 0.01 at a node, and to no more than several times that between them;
    # beside a floor, as the plain code puts it under rates there, only what is far above it can agree.
    rtol, atol = (1e-11, 0.0) if dtype == "float64" else (1e-1, 1e-20)
    assert_allclose(found[usual], expected[usual], rtol=rtol, atol=atol)


def test_a_table_with_holes_goes_the_plain_way(backend):
    rng = np.random.default_rng(1)
    table = node_table(rng, (2,), (3,))
    holes = NodeTable(table.values, table.field, table.nodes, table.bounds, table.scales, holes=np.zeros((2, 3)))
    weights = pixel_weights(table, backend.array(np.ones(4)))
    assert can_fuse(weights, table)
    assert not can_fuse(weights, table, holes)
    assert not can_fuse(pixel_weights(table, np.ones(4)), table)
