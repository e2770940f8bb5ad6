import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import (
    apply_basis,
    gather_bilinear,
    gather_bilinear_in_parts,
    hat_basis,
    interpolate_grid,
    interpolate_grid_nearest,
    interpolation_weights,
    scale_values,
)
from lightpool.arrays.kernels.interpolation import hat_basis_plain
from lightpool.arrays.kernels.scales import unscale_values

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
OFFSETS = np.array([0.25, 1.0, 2.0, 2.5])

# Of Gammapy 2.1: ScaledRegularGridInterpolator((NODES_X, NODES_Y), TABLE, points_scale=("lin", "log"),
# values_scale=...) at (X, Y), clip=False.
TABLE = np.array([[1.0, 2.0, 4.0], [0.0, 3.0, 5.0]])
NODES_X, NODES_Y = np.array([1.0, 3.0]), np.array([1.0, 2.0, 5.0])
X, Y = np.array([[0.5], [1.0], [2.2]]), np.array([0.5, 2.0, 3.0, 6.0])
GAMMAPY = {
    "lin": [
        [0.75, 1.75, 2.6350140986995205, 4.14795569343158],
        [0.0, 2.0, 2.8850140986995205, 4.39795569343158],
        [-1.8000000000000003, 2.6, 3.48501409869952, 4.99795569343158],
    ],
    "log": [
        [3.7095446547205606e153, 1.8072040072196898, 2.5059629220650343, 4.381972188665625],
        [0.5, 2.0, 2.7179276436328417, 4.591539149561302],
        [0.0, 2.550849001251582, 3.30270428961346, 5.136308623794185],
    ],
    "sqrt": [
        [1.3577976553897657, 1.7815689107605142, 2.569656283849046, 4.250232072225682],
        [0.3431457505076197, 2.0000000000000004, 2.800361908547526, 4.479819985492993],
        [0.6478896213510228, 2.575755076535925, 3.3945131187367927, 5.055469603137031],
    ],
}
GAMMAPY_NEAREST = [[1.0, 2.0, 2.0, 4.0], [1.0, 2.0, 2.0, 4.0], [0.0, 3.0, 3.0, 5.0]]


def test_weights_of_a_point_between_two_nodes(backend, read):
    index, fraction = read(interpolation_weights(backend.array([0.25, 0.5, 1.0, 2.5, 3.0, 0.0]), OFFSETS))
    assert index.dtype == np.int64
    assert_array_equal(index, [0, 0, 1, 2, 2, 0])
    assert_allclose(fraction, [0, 1 / 3, 0, 1, 2, -1 / 3])


@FEW
@given(
    steps=st.lists(st.floats(0.1, 1.0), min_size=1, max_size=6)
    | st.lists(st.floats(0.999, 1.001), min_size=2, max_size=40),
    positions=st.lists(st.floats(-0.5, 1.5), min_size=60, max_size=60),
)
def test_weights_of_many_points_are_those_of_a_search_one_by_one(backend, read, steps, positions):
    nodes = 3.0 + np.cumsum([0.0, *steps])
    x = np.concatenate([nodes, nodes[0] + np.array(positions) * (nodes[-1] - nodes[0])])
    index, fraction = read(interpolation_weights(backend.array(x), nodes))
    expected = np.clip([np.sum(nodes <= value) - 1 for value in x], 0, len(nodes) - 2)
    assert_array_equal(index, expected)
    assert_allclose(fraction, (x - nodes[expected]) / np.diff(nodes)[expected], rtol=1e-12, atol=1e-12)


def test_a_point_that_is_no_number_among_many_has_no_weight(backend, read):
    index, fraction = read(interpolation_weights(backend.array([0.5, *[np.nan] * 9]), OFFSETS))
    assert_array_equal(np.isnan(fraction), [False, *[True] * 9])
    assert index.min() >= 0
    assert index.max() <= 2


def test_one_node_alone_takes_all_the_weight(backend, read):
    index, fraction = read(interpolation_weights(backend.array([[0.0, 9.0, np.nan]]), np.array([1.0])))
    assert_array_equal(index, [[0, 0, 0]])
    assert_array_equal(fraction, [[0, 0, np.nan]])


@pytest.mark.parametrize("function", [hat_basis, hat_basis_plain])
def test_basis_at_a_node_is_that_node(backend, read, function):
    assert_array_equal(read(function(backend.array(OFFSETS), backend.array(OFFSETS), 0.0, 3.0)), np.eye(4))


@pytest.mark.parametrize("function", [hat_basis, hat_basis_plain])
def test_basis_extrapolates_to_the_edges_and_is_zero_beyond(backend, read, function):
    x = backend.array([-0.1, 0.0, 3.0, 3.0001, np.nan, np.inf])
    basis = read(function(x, OFFSETS, 0.0, 3.0))
    assert_allclose(basis[:, 1], [4 / 3, -1 / 3, 0, 0])
    assert_allclose(basis[:, 2], [0, 0, -1, 2])
    assert_array_equal(basis[:, [0, 3, 4, 5]], np.zeros((4, 4)))


@pytest.mark.parametrize("function", [hat_basis, hat_basis_plain])
def test_basis_of_one_node_is_one_inside(backend, read, function):
    basis = function(backend.array([[-1.0, 0.0, 2.0, 2.1, np.nan]]), np.array([0.7]), 0.0, 2.0)
    assert_array_equal(read(basis), [[[0, 1, 1, 0, 0]]])


@FEW
@given(
    x=st.lists(st.floats(-1, 4) | st.sampled_from([*OFFSETS, 0.0, 3.0]), min_size=1, max_size=30),
    slope=st.floats(-5, 5),
    start=st.floats(-5, 5),
)
def test_straight_line_is_reproduced_inside_the_edges(backend, read, x, slope, start):
    x = np.array(x)
    basis = hat_basis(backend.array(x), backend.array(OFFSETS), 0.0, 3.0)
    line = read(apply_basis(backend.array(start + slope * OFFSETS)[None, :], basis))[0]
    assert_allclose(line, np.where((x >= 0) & (x <= 3), start + slope * x, 0), atol=1e-12)


def test_large_map_worked_through_in_pieces_agrees_with_the_plain_twin(backend, read):
    x = backend.array(np.random.default_rng(5).uniform(-0.1, 3.1, (130, 170)))
    assert_array_equal(read(hat_basis(x, OFFSETS, 0.0, 3.0)), read(hat_basis_plain(x, OFFSETS, 0.0, 3.0)))


def test_table_keeps_its_leading_axes_and_the_map_its_own(backend, read):
    x = backend.array(np.linspace(0, 3, 6).reshape(2, 3))
    table = np.random.default_rng(0).random((5, 2, 4))
    values = read(apply_basis(table, hat_basis(x, OFFSETS, 0.0, 3.0)))
    assert values.shape == (5, 2, 2, 3)
    assert_allclose(values[3, 1, 1, 2], np.interp(2.5, OFFSETS, table[3, 1]) * 2 - np.interp(2.0, OFFSETS, table[3, 1]))


def test_table_of_another_number_of_nodes_is_refused(backend):
    basis = hat_basis(backend.array([1.0]), OFFSETS, 0.0, 3.0)
    with pytest.raises(ValueError, match="table has 3 nodes in its last axis, the basis has 4"):
        apply_basis(backend.array(np.ones((2, 3))), basis)


@pytest.mark.parametrize("scale", GAMMAPY)
def test_table_in_two_coordinates_is_interpolated_as_in_gammapy(backend, read, scale):
    nodes = [NODES_X, np.log(NODES_Y)]
    coords = [backend.array(X), scale_values(backend.array(Y), "log")]
    values = unscale_values(interpolate_grid(scale_values(TABLE, scale), nodes, coords), scale)
    assert_allclose(read(values), GAMMAPY[scale], rtol=1e-11, atol=1e-12)


def test_nearest_node_is_that_of_gammapy(backend, read):
    coords = [backend.array(X), scale_values(backend.array(Y), "log")]
    assert_array_equal(read(interpolate_grid_nearest(TABLE, [NODES_X, np.log(NODES_Y)], coords)), GAMMAPY_NEAREST)


def test_axis_of_length_one_is_ignored_but_for_nan(backend, read):
    coords = [backend.array([0.0, 5.0, np.nan]), backend.array([1.5, 1.5, 1.5])]
    nodes = [np.array([1.0]), np.array([1.0, 2.0])]
    for function in (interpolate_grid, interpolate_grid_nearest):
        values = read(function(np.array([[3.0, 3.0]]), nodes, coords))
        assert_array_equal(values, [3, 3, np.nan])


def test_coordinate_that_is_no_number_gives_none(backend, read):
    coords = [backend.array([np.nan, 1.0]), backend.array([1.5, np.nan])]
    nodes = [np.array([1.0, 2.0]), np.array([1.0, 2.0])]
    for function in (interpolate_grid, interpolate_grid_nearest):
        assert np.all(np.isnan(read(function(np.ones((2, 2)), nodes, coords))))


@pytest.mark.parametrize("shape", [(4, 5), (1, 5), (4, 1), (1, 1)])
def test_four_neighbours_give_what_the_grid_gives(backend, read, shape):
    rng = np.random.default_rng(2)
    table = rng.random((3, 2, *shape))
    nodes = [np.sort(rng.random(n)) for n in shape]
    coords = [backend.array(rng.uniform(-0.2, 1.2, (90, 110))) for _ in shape]
    (ix, fx), (iy, fy) = (interpolation_weights(x, n) for x, n in zip(coords, nodes, strict=True))
    values = read(gather_bilinear(table, ix, fx, iy, fy))
    assert values.shape == (3, 2, 90, 110)
    for e in range(3):
        assert_allclose(values[e, 1], read(interpolate_grid(table[e, 1], nodes, coords)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_parts_of_the_points_have_the_bits_of_all_of_them(size):
    rng = np.random.default_rng(4)
    table, n_point = rng.random((3, 4, 5)), 100
    points = rng.integers(0, 3, n_point), rng.random(n_point), rng.integers(0, 4, n_point), rng.random(n_point)
    expected, n_seen = gather_bilinear(table, *points), 0
    for part, values in gather_bilinear_in_parts(table, *points, size=size):
        assert part.start == n_seen
        assert_array_equal(values, expected[:, part])
        n_seen = part.stop
    assert n_seen == n_point


def test_three_coordinates_agree_with_scipy(backend, read):
    from scipy.interpolate import RegularGridInterpolator

    rng = np.random.default_rng(3)
    nodes = [np.sort(rng.random(n)) for n in (3, 4, 5)]
    table, points = rng.random((3, 4, 5)), rng.uniform(-0.1, 1.1, (50, 3))
    for method, function in {"linear": interpolate_grid, "nearest": interpolate_grid_nearest}.items():
        expected = RegularGridInterpolator(nodes, table, method=method, bounds_error=False, fill_value=None)(points)
        assert_allclose(read(function(table, nodes, [backend.array(p) for p in points.T])), expected, atol=1e-9)


@pytest.mark.parametrize("n_energy", [1, 3, 9])
def test_a_coordinate_with_a_dimension_of_its_own_gives_what_it_gives_at_every_point(backend, read, n_energy):
    rng = np.random.default_rng(5)
    nodes = [np.sort(rng.random(n)) for n in (4, 5, 6)]
    energy = np.concatenate([rng.uniform(-0.2, 1.2, n_energy - 1), [np.nan]])[:, None, None]
    positions = [rng.uniform(-0.2, 1.2, (3, 7)), rng.uniform(-0.2, 1.2, (1, 3, 7))]
    positions[0][1, 2] = np.nan
    for table in (rng.random((4, 5, 6)), rng.random((4, 5, 6)) > 0.5):
        apart = read(interpolate_grid(table, nodes, [backend.array(x) for x in (energy, *positions)]))
        together = [backend.array(x) for x in np.broadcast_arrays(energy, *positions)]
        assert_allclose(apart, read(interpolate_grid(table, nodes, together)), rtol=1e-14, atol=1e-15)
