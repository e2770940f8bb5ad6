"""Coordinates on the axes of tables: what is found once for equal axes must not be used for others."""

import copy
import gc
import pickle
import weakref

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.irf.projection.axis_points import AxisPoints, Coordinates
from lightpool.maps import MapAxis

NODES = [1.0, 2.0, 4.0, 8.0]
TABLE = MapAxis.from_edges(NODES, unit="TeV", interp="log", name="energy_true")
WANTED = MapAxis.from_edges([1.1, 2.1, 3.1], unit="TeV", interp="lin", name="energy_true")

OTHER_TABLES = [
    MapAxis.from_edges(NODES, unit="GeV", interp="log", name="energy_true"),
    MapAxis.from_edges(NODES, unit="TeV", interp="lin", name="energy_true"),
    MapAxis.from_nodes(NODES, unit="TeV", interp="log", name="energy_true"),
    MapAxis.from_edges([1.0, 2.0, 4.0 + 1e-9, 8.0], unit="TeV", interp="log", name="energy_true"),
    TABLE.with_rounded_edges(TABLE.edges_value * (1 + 1e-12)),
]
OTHER_WANTED = [
    MapAxis.from_edges([1.1, 2.1, 3.1], unit="TeV", interp="log", name="energy_true"),
    MapAxis.from_edges([1.1, 2.1, 3.1 + 1e-9], unit="TeV", interp="lin", name="energy_true"),
    MapAxis.from_edges([1.1, 2.1, 3.1], unit="GeV", interp="lin", name="energy_true"),
    [1.6, 2.6] * u.GeV,
]


def test_equal_axes_of_other_objects_share_what_was_found():
    points = AxisPoints.on(TABLE, Coordinates.centers(WANTED))
    assert AxisPoints.on(TABLE.copy(), Coordinates.centers(WANTED.copy())) is points
    values = Coordinates.centers([1.6, 2.6] * u.TeV)
    assert AxisPoints.on(TABLE, values) is AxisPoints.on(TABLE, Coordinates.centers([1.6, 2.6] * u.TeV))


@pytest.mark.parametrize("table", OTHER_TABLES)
def test_another_axis_of_a_table_has_its_own_points(table):
    points = AxisPoints.on(TABLE, Coordinates.edges(WANTED))
    assert AxisPoints.on(table, Coordinates.edges(WANTED)) is not points


@pytest.mark.parametrize("wanted", OTHER_WANTED)
def test_other_coordinates_have_their_own_points(wanted):
    points = AxisPoints.on(TABLE, Coordinates.centers(WANTED))
    assert AxisPoints.on(TABLE, Coordinates.centers(wanted)) is not points


def test_edges_and_centres_of_an_axis_differ():
    centers, edges = (AxisPoints.on(TABLE, way(WANTED)) for way in (Coordinates.centers, Coordinates.edges))
    assert_allclose(centers.x, [1.6, 2.6])
    assert_allclose(edges.x, [1.1, 2.1, 3.1])


def test_values_that_are_changed_in_place_are_found_anew():
    values = np.array([1.6, 2.6]) * u.TeV
    assert_allclose(AxisPoints.on(TABLE, Coordinates.centers(values)).x, [1.6, 2.6])
    values += 1 * u.TeV
    assert_allclose(AxisPoints.on(TABLE, Coordinates.centers(values)).x, [2.6, 3.6])


def test_only_what_is_beyond_the_edges_is_outside_and_only_beyond_the_nodes_weights_extrapolate():
    points = AxisPoints.on(TABLE, Coordinates.centers([0.9, 1, 8, 8.1, np.nan] * u.TeV))
    assert_array_equal(points.outside, [True, False, False, True, True])
    assert points.extrapolates
    assert not AxisPoints.on(TABLE, Coordinates.centers([2, 5] * u.TeV)).extrapolates


def test_the_content_of_an_axis_is_that_of_its_copies_pickles_and_other_names():
    for axis in (copy.copy(TABLE), copy.deepcopy(TABLE), pickle.loads(pickle.dumps(TABLE)), TABLE.rename("x")):
        assert axis.content is TABLE.content
    assert copy.deepcopy({TABLE.content: 1}) == {TABLE.content: 1}
    assert pickle.loads(pickle.dumps(TABLE.content)) is TABLE.content


@pytest.mark.parametrize("table", OTHER_TABLES)
def test_axes_that_differ_have_other_contents(table):
    assert table.content != TABLE.content


def test_the_content_of_no_axis_is_kept():
    axis = MapAxis.from_edges([1.0, 2.0, 5.0], name="x")
    content = weakref.ref(axis.content)
    del axis
    gc.collect()
    assert content() is None


def test_values_at_the_nodes_of_a_table_are_those_of_the_table():
    rng = np.random.default_rng(5)
    values = rng.uniform(0, 1, (3, 4)).astype(np.float32)
    points = AxisPoints.on(TABLE, Coordinates.centers(TABLE))
    found = points.interpolate(values, 0)
    assert points.are_nodes
    assert found.dtype == np.float64
    assert_array_equal(found, values)
    assert not np.shares_memory(points.interpolate(values.astype(float), 0), values)
    for wanted in (TABLE.center[:2], TABLE.center[[0, 2, 1]], TABLE.center * (1 + 1e-12)):
        assert not AxisPoints.on(TABLE, Coordinates.centers(wanted)).are_nodes


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_a_hole_makes_holes_of_its_neighbours_at_nodes_too(hole):
    values = np.array([[hole, 1.0], [1.0, 1.0], [1.0, 1.0]])
    found = AxisPoints.on(TABLE, Coordinates.centers(TABLE)).interpolate(values, 0)
    low, high = AxisPoints.on(TABLE, Coordinates.centers(TABLE.center * (1 + 1e-12))).interpolate(values, 0)[:2, 0]
    assert_array_equal(np.isfinite(found[:, 1]), True)
    assert np.isfinite(found[0, 0]) == np.isfinite(low) == np.False_
    assert np.isfinite(found[1:, 0]).all() == np.isfinite(high)


@pytest.mark.parametrize("wanted", [[1.1, 1.2], [3.0, 7.0], [2.0, 3.0, 7.9], [0.5, 9.0]])
def test_the_nodes_that_are_used_are_enough(wanted):
    values = np.random.default_rng(6).uniform(0, 1, (3, 4))
    points = AxisPoints.on(TABLE, Coordinates.centers(wanted * u.TeV))
    span, used = points.used
    assert_array_equal(used.interpolate(values[span], 0), points.interpolate(values, 0))
    assert_array_equal(used.upper + span.start, points.upper)


def test_coordinates_at_no_point_use_all_nodes():
    points = AxisPoints.on(TABLE, Coordinates.centers([] * u.TeV))
    assert points.used[1].interpolate(np.ones((3, 4)), 0).shape == (0, 4)
