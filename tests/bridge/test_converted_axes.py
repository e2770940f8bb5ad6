"""Axes of Gammapy and of lightpool, converted into each other."""

import gc
import pickle
from weakref import ref

import astropy.units as u
import gammapy.maps
import numpy as np
import pytest
from deep_comparison import differences
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import lightpool.maps
from lightpool.gammapy import from_gammapy, to_gammapy

BOTH = [(gammapy.maps, from_gammapy, to_gammapy), (lightpool.maps, to_gammapy, from_gammapy)]
both_ways = pytest.mark.parametrize(("library", "convert", "convert_back"), BOTH, ids=["from_gammapy", "to_gammapy"])
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _nodes(steps, first, is_descending):
    nodes = np.cumsum([first, *steps])
    return nodes[::-1] if is_descending else nodes


@st.composite
def axis_arguments(draw):
    interp = draw(st.sampled_from(["lin", "log", "sqrt"]))
    node_type = draw(st.sampled_from(["edges", "center"]))
    steps = st.lists(st.floats(1e-3, 1e3), min_size=1 if node_type == "edges" else 0, max_size=12)
    first = draw(st.floats(-1e3 if interp == "lin" else 1e-3, 1e3))
    nodes = _nodes(draw(steps), first, draw(st.booleans()))
    return {
        "nodes": nodes,
        "interp": interp,
        "node_type": node_type,
        "name": draw(st.sampled_from(["energy", "energy_true", "Offset", "my axis", ""])),
        "unit": draw(st.sampled_from(["TeV", "GeV", "deg", "", "cm2 s", u.Unit("keV")])),
        "boundary_type": draw(st.sampled_from(["monotonic", "periodic"])) if interp == "lin" else "monotonic",
    }


def _public(axis):
    return axis.name, axis.interp, axis.node_type, axis.unit, axis.nbin, type(axis).__name__


@both_ways
@quick
@given(arguments=axis_arguments())
def test_an_axis_keeps_its_nodes_bit_for_bit_and_is_itself_again(library, convert, convert_back, arguments):
    axis = library.MapAxis(**arguments)
    found = convert(axis)
    assert _public(found) == _public(axis)
    assert_array_equal(found._nodes, axis._nodes)
    assert found._boundary_type == axis._boundary_type
    assert convert(axis) is found
    assert convert_back(found) is axis


@quick
@given(arguments=axis_arguments())
def test_an_axis_from_gammapy_has_the_edges_that_gammapy_computed(arguments):
    axis = gammapy.maps.MapAxis(**arguments)
    found = from_gammapy(axis)
    assert_array_equal(found.edges.value, axis.edges.value)
    assert_array_equal(found.rename("x").edges.value, axis.edges.value)
    again = pickle.loads(pickle.dumps(found))
    assert_array_equal(again.edges.value, axis.edges.value)
    assert differences(to_gammapy(again), gammapy.maps.MapAxis(**arguments)) == []


@quick
@given(arguments=axis_arguments())
def test_an_axis_for_gammapy_is_the_one_that_gammapy_makes_of_the_same_arguments(arguments):
    mine, its = lightpool.maps.MapAxis(**arguments), gammapy.maps.MapAxis(**arguments)
    found = to_gammapy(mine)
    assert differences(found, its) == []
    assert_array_equal(found.edges.value, its.edges.value)
    assert found == its
    assert from_gammapy(its) == mine


@both_ways
@quick
@given(arguments=axis_arguments())
def test_an_axis_is_the_same_again_also_after_the_original_is_gone(library, convert, convert_back, arguments):
    axis = library.MapAxis(**arguments)
    edges, public = axis.edges.value.copy(), _public(axis)
    found, original = convert(axis), ref(axis)
    del axis
    assert original() is None
    back = convert_back(found)
    assert _public(back) == public
    assert_array_equal(back.edges.value, edges)
    assert convert(back) is found


@pytest.mark.parametrize("per_decade", [True, False])
@pytest.mark.parametrize("name", ["energy", "energy_true"])
def test_energy_axes_made_by_the_same_call_are_equal_and_aligned(name, per_decade):
    call = {"energy_min": "0.1 TeV", "energy_max": "100 TeV", "nbin": 11, "name": name, "per_decade": per_decade}
    mine, its = lightpool.maps.MapAxis.from_energy_bounds(**call), gammapy.maps.MapAxis.from_energy_bounds(**call)
    assert to_gammapy(mine) == its
    assert to_gammapy(mine).is_aligned(its)
    assert from_gammapy(its) == mine
    assert mine.is_aligned(from_gammapy(its))
    assert_array_equal(to_gammapy(mine).edges.value, its.edges.value)


def test_an_event_on_an_edge_is_in_the_bin_where_gammapy_puts_it():
    edges = [0.3, 1, 3, 10, 30, 100] * u.TeV
    axis = gammapy.maps.MapAxis.from_energy_edges(edges)
    assert np.any(axis.edges.value != edges.value), "Gammapy does not round these"
    expected = axis.coord_to_idx(edges[:-1])
    assert_array_equal(from_gammapy(axis).coord_to_idx(edges[:-1]), expected)


@both_ways
def test_pixel_coordinates_agree(library, convert, convert_back):
    for interp in ("lin", "log", "sqrt"):
        axis = library.MapAxis.from_edges([0.5, 1, 4, 5], unit="TeV", name="energy", interp=interp)
        values = np.linspace(0.4, 6, 50) * u.TeV
        assert_allclose(convert(axis).coord_to_pix(values), axis.coord_to_pix(values), rtol=1e-12, atol=1e-12)
        assert_array_equal(convert(axis).coord_to_idx(values), axis.coord_to_idx(values))


@both_ways
@pytest.mark.parametrize("unit", ["h", "s", "d"])
@pytest.mark.parametrize("scale", ["tt", "utc", "tai"])
def test_a_time_axis_keeps_its_times_and_its_format(library, convert, convert_back, unit, scale):
    from astropy.time import Time

    reference = Time(55555.123456789, format="mjd", scale=scale)
    axis = library.TimeMapAxis([1.1, 3.3] * u.Unit(unit), [2.2, 5.5] * u.Unit(unit), reference, name="mine")
    axis.time_format = "mjd"
    found = convert(axis)
    assert (found.name, found.unit, found.time_format, found.nbin) == ("mine", u.Unit(unit), "mjd", 2)
    for name in ("edges_min", "edges_max"):
        assert_array_equal(getattr(found, name), getattr(axis, name))
    for name in ("reference_time", "time_min", "time_max"):
        mine, its = getattr(found, name), getattr(axis, name)
        assert mine.scale == its.scale
        assert np.all((mine - its).sec == 0)
    assert convert_back(found) is axis
    axis.time_format = "iso"
    assert convert(axis) is found
    assert found.time_format == "iso"


@both_ways
def test_a_label_axis_keeps_its_labels(library, convert, convert_back):
    axis = library.LabelMapAxis(["point", "extended"], name="kind")
    found = convert(axis)
    assert found.center.tolist() == ["point", "extended"]
    assert found.name == "kind"
    assert convert_back(found) is axis


@both_ways
def test_axes_keep_their_order_and_each_of_them_is_converted_once(library, convert, convert_back):
    energy = library.MapAxis.from_energy_bounds("1 TeV", "10 TeV", 3)
    label = library.LabelMapAxis(["a", "b"], name="x")
    axes = library.MapAxes([label, energy], n_spatial_axes=2)
    found = convert(axes)
    assert found.names == ["x", "energy"]
    assert found.shape == (2, 3)
    assert found["energy"] is convert(energy)
    assert found["x"] is convert(label)
    assert [shape for shape, _ in found.iter_with_reshape] == [shape for shape, _ in axes.iter_with_reshape]
    assert convert_back(found) is axes
    assert convert(library.MapAxes([energy])).names == ["energy"]


@both_ways
def test_the_methods_of_axes_convert_them(library, convert, convert_back):
    mine = lightpool.maps.MapAxis.from_edges([0, 1, 3], name="x")
    assert lightpool.maps.MapAxis.from_gammapy(mine.to_gammapy()) is mine


def test_an_axis_that_gets_a_name_from_a_geometry_of_gammapy_is_converted_again():
    axes = [gammapy.maps.MapAxis([0, 1, 2]), gammapy.maps.LabelMapAxis(["a", "b"])]
    assert [from_gammapy(axis).name for axis in axes] == ["", ""]
    first = gammapy.maps.MapAxes(axes[:1])
    assert from_gammapy(first).names == [""]
    geom = gammapy.maps.WcsGeom.create(npix=2, axes=axes)
    assert from_gammapy(geom).axes.names == geom.axes.names == ["axis0", "axis1"]
    assert from_gammapy(axes[0]).name == "axis0"
    assert from_gammapy(first).names == ["axis0"]


def test_an_axis_is_freed_when_nobody_uses_it():
    axis = lightpool.maps.MapAxis.from_edges([0, 1, 3], name="x")
    found = to_gammapy(axis)
    from_gammapy(found)
    mine, its = ref(axis), ref(found)
    del axis, found
    gc.collect()
    assert mine() is None
    assert its() is None


def test_a_class_derived_from_an_axis_of_gammapy_is_rejected():
    class Odd(gammapy.maps.MapAxis):
        def coord_to_idx(self, coord, clip=False):
            return np.zeros(1)

    with pytest.raises(TypeError, match="Odd, which is derived from MapAxis"):
        from_gammapy(Odd([0, 1, 2]))


def test_edges_that_are_not_those_of_the_axis_are_rejected():
    axis = lightpool.maps.MapAxis.from_edges([1, 2, 3], name="x")
    with pytest.raises(ValueError, match="has the edges"):
        axis.with_rounded_edges(np.array([1, 2.1, 3]))


def test_threads_that_convert_the_same_axes_find_equal_ones():
    from concurrent.futures import ThreadPoolExecutor

    axes = [gammapy.maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", n) for n in range(1, 60)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(from_gammapy, axes * 8))
        back = list(pool.map(to_gammapy, found))
    for axis, mine, its in zip(axes * 8, found, back, strict=True):
        assert mine.nbin == axis.nbin
        assert its is axis


def test_equal_axes_of_gammapy_are_each_converted_back_to_themselves():
    def axis(**options):
        return gammapy.maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=7, **options)

    axes = [axis(), axis(), axis(name="energy_true")]
    ours = [from_gammapy(each) for each in axes]
    for theirs, mine in zip(axes, ours, strict=True):
        assert to_gammapy(mine) is theirs
        assert (mine.name, mine.interp, mine.unit) == (theirs.name, theirs.interp, theirs.unit)
        assert_array_equal(mine.edges_value, theirs.edges.value)


@pytest.mark.parametrize("options", [{"unit": "GeV"}, {"interp": "lin"}, {"node_type": "center"}])
def test_axes_with_the_same_nodes_need_not_be_equal(options):
    known = {"name": "energy", "unit": "TeV", "interp": "log", "node_type": "edges"}
    first = gammapy.maps.MapAxis(np.array([1.0, 2.0, 5.0]), **known)
    other = gammapy.maps.MapAxis(np.array([1.0, 2.0, 5.0]), **(known | options))
    converted = from_gammapy(first), from_gammapy(other)
    for theirs, mine in zip((first, other), converted, strict=True):
        assert mine.unit == theirs.unit
        assert_array_equal(mine.edges_value, theirs.edges.value)
