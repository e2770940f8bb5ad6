import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import bin_index, coord_to_pix, pix_to_coord, scale_values
from lightpool.arrays.devices.blocks import blocks
from lightpool.arrays.kernels.binning import pix_in_bins
from lightpool.arrays.kernels.scales import unscale_values

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NODES = [1.0, 3.0, 10.0]
POINTS = [0.5, 1.0, 2.0, 3.0, 9.9, 10.0, 20.0]
PIXELS = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.2]

# Of Gammapy 2.1: MapAxis.from_edges or from_nodes with NODES, .coord_to_pix(POINTS) and .pix_to_coord(PIXELS).
GAMMAPY_PIX = {
    ("lin", "edges"): [-0.75, -0.5, 0.0, 0.5, 1.4857142857142858, 1.5, 2.9285714285714284],
    ("log", "edges"): [-1.1309297535714573, -0.5, 0.1309297535714573, 0.5, 1.4916523564175286, 1.5, 2.0757166424934446],
    ("sqrt", "edges"): [
        -0.9000995774953704,
        -0.5,
        0.06582624879369814,
        0.5,
        1.4889170619128607,
        1.5,
        2.415839534442018,
    ],
    ("lin", "center"): [-0.25, 0.0, 0.5, 1.0, 1.9857142857142858, 2.0, 3.4285714285714284],
    ("log", "center"): [-0.6309297535714573, 0.0, 0.6309297535714573, 1.0, 1.9916523564175286, 2.0, 2.5757166424934446],
}
GAMMAPY_COORD = {
    ("lin", "edges"): [0.0, 1.0, 2.0, 3.0, 6.5, 10.0, 14.899999999999999],
    ("log", "edges"): [0.57735026919, 1.0, 1.73205080757, 3.0, 5.47722557505, 10.0, 23.2281767311987],
    ("sqrt", "edges"): [0.40192378865, 1.0, 1.86602540378, 3.0, 5.98861278753, 10.0, 17.3342031313771],
    ("lin", "center"): [-1.0, 0.0, 1.0, 2.0, 3.0, 6.5, 11.4],
    ("log", "center"): [0.33333333333, 0.57735026919, 1.0, 1.73205080757, 3.0, 5.47722557505, 12.7225963653939],
}


def test_event_on_an_edge_belongs_to_the_upper_bin_and_on_the_last_edge_to_none(backend, read):
    energy = backend.array([0.5, 1.0, 2.9, 3.0, 9.9, 10.0, 11.0])
    index = read(bin_index(energy, backend.array(NODES)))
    assert index.dtype == np.int64
    assert_array_equal(index, [-1, 0, 0, 1, 1, -1, -1])


def test_value_that_is_no_number_is_in_no_bin(backend, read):
    energy = backend.array([np.nan, np.inf, -np.inf, 2.0])
    assert_array_equal(read(bin_index(energy, backend.array(NODES))), [-1, -1, -1, 0])
    assert_array_equal(read(bin_index(energy, backend.array(NODES), clip=True)), [-1, -1, -1, 0])


def test_clipped_index_stays_in_the_outer_bins(backend, read):
    energy = backend.array([0.1, 1.0, 10.0, 99.0])
    assert_array_equal(read(bin_index(energy, backend.array(NODES), clip=True)), [0, 0, 1, 1])


def test_edges_on_the_host_are_taken_to_the_events(backend, read):
    assert_array_equal(read(bin_index(backend.array([[2.0], [4.0]]), np.array(NODES))), [[0], [1]])


def test_empty_event_list_has_no_bins(backend, read):
    assert read(bin_index(backend.array(np.zeros(0)), backend.array(NODES))).shape == (0,)


def test_single_bin_holds_what_is_inside(backend, read):
    assert_array_equal(read(bin_index(backend.array([0.0, 1.0, 2.0]), backend.array([1.0, 2.0]))), [-1, 0, -1])


@FEW
@given(values=st.lists(st.floats(-2, 12) | st.sampled_from(NODES), max_size=20))
def test_bin_index_agrees_with_a_loop_over_bins(backend, read, values):
    expected = [next((i for i in range(2) if NODES[i] <= v < NODES[i + 1]), -1) for v in values]
    index = read(bin_index(backend.array(values, dtype=float), backend.array(NODES)))
    assert_array_equal(index, np.array(expected, dtype=np.int64))


@pytest.mark.parametrize(("scale", "node_type"), GAMMAPY_PIX)
def test_pixel_numbers_of_an_axis_are_those_of_gammapy(backend, read, scale, node_type):
    pix = coord_to_pix(backend.array(POINTS), backend.array(NODES), scale, node_type=node_type)
    assert_allclose(read(pix), GAMMAPY_PIX[scale, node_type], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("scale", "node_type"), GAMMAPY_COORD)
def test_coordinates_of_pixel_numbers_are_those_of_gammapy(backend, read, scale, node_type):
    coord = pix_to_coord(backend.array(PIXELS), backend.array(NODES), scale, node_type=node_type)
    assert_allclose(read(coord), GAMMAPY_COORD[scale, node_type], rtol=1e-10, atol=1e-12)


@FEW
@given(value=st.floats(1e-3, 1e3), scale=st.sampled_from(["lin", "log", "sqrt"]))
def test_pixel_number_leads_back_to_the_coordinate(backend, read, value, scale):
    nodes, x = backend.array(NODES), backend.array([value])
    there = coord_to_pix(x, nodes, scale)
    if scale == "sqrt" and value < 0.5:
        return  # beyond the first node the extrapolated square root may be negative, and squares lose the sign
    assert_allclose(read(pix_to_coord(there, nodes, scale)), [value], rtol=1e-9, atol=1e-9)


def test_axis_of_one_node_has_one_pixel_and_keeps_nan(backend, read):
    x, node = backend.array([[1.0, 5.0, np.nan]]), backend.array([2.0])
    assert_array_equal(read(coord_to_pix(x, node)), [[0, 0, np.nan]])
    assert_allclose(read(pix_to_coord(x, node, "log")), [[2, 2, np.nan]])


def test_nan_stays_nan_on_an_axis(backend, read):
    x = backend.array([np.nan, 3.0])
    assert_array_equal(read(coord_to_pix(x, backend.array(NODES))), [np.nan, 1])
    assert_array_equal(read(pix_to_coord(backend.array([np.nan, 1.0]), backend.array(NODES))), [np.nan, 3])


def test_logarithm_of_zero_is_finite_and_leads_back_to_zero(backend, read):
    x = backend.array([0.0, 1e-320, 1e-300, 1.0, 1e300])
    scaled = scale_values(x, "log")
    assert np.all(np.isfinite(read(scaled)))
    assert_allclose(read(unscale_values(scaled, "log")), [0, 0, 1e-300, 1, 1e300], rtol=1e-12)


def test_square_root_scale_is_odd(backend, read):
    assert_allclose(read(scale_values(backend.array([-4.0, 0.0, 9.0]), "sqrt")), [-2, 0, 3])
    assert_allclose(read(unscale_values(backend.array([-2.0, 0.0, 3.0]), "sqrt")), [4, 0, 9])


def test_unknown_scale_is_named():
    for function in (scale_values, unscale_values):
        with pytest.raises(ValueError, match="'cube', expected one of 'lin', 'log', 'sqrt'"):
            function(np.ones(1), "cube")


def test_blocks_cover_everything_once():
    pieces = list(blocks(10, 4))
    assert pieces == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert list(blocks(0)) == []
    assert len(list(blocks(3, 0))) == 3


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    ulps=st.integers(-2, 2),
    other=st.sampled_from([None, -np.inf, np.inf, np.nan, 0.5, 99.0]),
    is_descending=st.booleans(),
)
def test_rounded_pixel_coordinates_are_moved_into_the_bins_of_their_values(
    backend, read, number, ulps, other, is_descending
):
    edges = np.geomspace(1.0, 10.0, 6)
    values = edges[number]
    for _ in range(abs(ulps)):
        values = np.nextafter(values, np.inf if ulps > 0 else -np.inf)
    values = np.append(values, [] if other is None else [other])
    x = backend.array(values)
    with np.errstate(invalid="ignore"):  # infinity becomes NaN
        pix = coord_to_pix(x, backend.array(edges), "log", node_type="edges")
    moved = read(pix_in_bins(4.0 - pix if is_descending else pix, x, backend.array(edges), is_descending=is_descending))
    index = np.searchsorted(edges, values, side="right") - 1.0
    index = 4.0 - index if is_descending else index
    finite = np.isfinite(values)
    assert_array_equal(np.clip(np.floor(moved[finite] + 0.5), -1, 5), index[finite])
    assert np.all(np.isnan(moved[np.isnan(values)]))
