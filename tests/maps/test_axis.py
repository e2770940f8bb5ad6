import copy
import pickle

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import device_of, to_host
from lightpool.errors import FormatError
from lightpool.maps import MapAxes, MapAxis

OUTSIDE = -1


@pytest.fixture
def energy():
    return MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=11)


def kinds_of_axes():
    return [
        MapAxis.from_energy_bounds("30 GeV", "100 TeV", nbin=7),
        MapAxis.from_bounds(-3, 5, nbin=16, name="fov_lon", unit="deg"),
        MapAxis.from_bounds(0, 2.5, nbin=6, name="offset", unit="deg", interp="sqrt"),
        MapAxis.from_nodes([0, 0.5, 1, 2.5], name="offset", unit="deg"),
        MapAxis.from_nodes([0.1, 1, 3, 30], name="energy_true", unit="TeV", interp="log"),
    ]


def test_energy_edges_are_those_of_gammapy(energy):
    # Gammapy 2.1: MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=11).edges.value[[1, 2, 9, 11]].tolist()
    expected = [1.2328467394420661, 1.5199110829529336, 6.579332246575682, 10.000000000000002]
    assert_allclose(energy.edges.value[[1, 2, 9, 11]], expected, rtol=5e-16)  # the last bit depends on the processor
    assert energy.unit == "TeV"
    assert energy.is_energy_axis
    assert_allclose(energy.nbin_per_decade, 11)


def test_bins_per_decade_keep_the_bounds_or_the_number():
    bounds = 30 * u.GeV, 100 * u.TeV
    strict = MapAxis.from_energy_bounds(*bounds, nbin=10, per_decade=True)
    loose = MapAxis.from_energy_bounds(*bounds, nbin=10, per_decade=True, strict_bounds=False)
    assert strict.nbin == 36
    assert_allclose(strict.bounds.to_value("TeV"), [0.03, 100])
    assert loose.nbin == 35
    assert_allclose(loose.nbin_per_decade, 10)
    assert_allclose(loose.edges[-1].to_value("TeV"), 94.868329805)  # Gammapy 2.1


def test_pixel_coordinates_follow_the_scale():
    # Gammapy 2.1: MapAxis.from_edges([0, 1, 2, 3], interp="sqrt")
    axis = MapAxis.from_edges([0, 1, 2, 3], name="x", interp="sqrt")
    assert_allclose(axis.center.value, [0.25, 1.45710678, 2.47474487], rtol=1e-8)
    assert_allclose(axis.coord_to_pix([0, 0.5, -1, 1, 9]), [-0.5, 0.20710678, -1.5, 0.5, 6.48930337], rtol=1e-8)
    assert_allclose(axis.pix_to_coord([-1, -0.5, 0, 0.5]).value, [0.25, 0, 0.25, 1], atol=1e-15)


def test_zero_on_a_logarithmic_axis_stays_zero():
    axis = MapAxis.from_edges([0, 1, 2, 3], interp="log")
    assert axis.edges.value[0] == 0
    assert_allclose(axis.edges.value, [0, 1, 2, 3], rtol=1e-15)
    assert_allclose(axis.center.value, [1.49166815e-154, 1.41421356, 2.44948974], rtol=1e-8)  # Gammapy 2.1


@pytest.mark.parametrize("axis", kinds_of_axes(), ids=lambda axis: f"{axis.name}-{axis.interp}-{axis.node_type}")
def test_pixel_to_coordinate_is_the_inverse(axis):
    pix = np.linspace(-0.4, axis.nbin - 0.6, 13)
    assert_allclose(axis.coord_to_pix(axis.pix_to_coord(pix)), pix, atol=1e-12)
    assert_allclose(axis.coord_to_pix(axis.center), np.arange(axis.nbin), atol=1e-12)


@pytest.mark.parametrize("axis", kinds_of_axes(), ids=lambda axis: f"{axis.name}-{axis.interp}-{axis.node_type}")
def test_bins_and_pixels_are_the_same_on_every_device(axis, backend):
    values = np.concatenate([np.linspace(axis.edges_value[0], axis.edges_value[-1], 37), axis.edges_value, [np.nan]])
    on_device = backend.array(values)
    pix, index = axis.coord_to_pix_array(on_device), axis.coord_to_idx_array(on_device)
    assert device_of(pix) == device_of(index) == backend.device
    assert_allclose(to_host(pix), axis.coord_to_pix(values), rtol=1e-13, atol=1e-13)
    assert_array_equal(to_host(index), axis.coord_to_idx(values))
    assert_array_equal(to_host(axis.coord_to_idx_array(on_device, clip=True)), axis.coord_to_idx(values, clip=True))


def test_values_on_a_device_are_made_once(energy, backend):
    edges = energy.plain_edges(backend.device)
    assert device_of(edges) == backend.device
    assert energy.plain_edges(backend.device) is edges
    assert_array_equal(to_host(edges), energy.edges.value)


def test_a_value_on_an_edge_belongs_to_the_upper_bin(backend):
    axis = MapAxis.from_edges([1, 2, 3, 4], name="x")
    values = backend.array([0, 1, 2, 3, np.nextafter(4, 0), 4, 5, np.nan, np.inf, -np.inf])
    assert to_host(axis.coord_to_idx_array(values)).tolist() == [-1, 0, 1, 2, 2, -1, -1, -1, -1, -1]
    assert to_host(axis.coord_to_idx_array(values, clip=True)).tolist() == [0, 0, 1, 2, 2, 2, 2, -1, -1, -1]


def test_bins_of_a_descending_axis(backend):
    axis = MapAxis.from_edges([4, 3, 2, 1], name="x")
    values = backend.array([0, 1, 1.5, 2, 3.5, 4])
    assert to_host(axis.coord_to_idx_array(values)).tolist() == [-1, 2, 2, 1, 0, -1]
    assert_allclose(to_host(axis.coord_to_pix_array(values)), [3.5, 2.5, 2, 1.5, 0, -0.5])
    assert_array_equal(axis.center.value, [3.5, 2.5, 1.5])


def test_an_axis_of_one_node_has_one_bin_without_width(backend):
    axis = MapAxis.from_nodes([2.0], name="offset", unit="deg", interp="log")
    assert_allclose(axis.edges.value, [2, 2])
    assert_array_equal(to_host(axis.coord_to_pix_array(backend.array([1.0, 2.0]))), [0, 0])
    assert to_host(axis.coord_to_idx_array(backend.array([1.0, 2.0, 3.0]))).tolist() == [-1, 0, -1]
    assert to_host(axis.coord_to_idx_array(backend.array([1.0, 2.0, 3.0]), clip=True)).tolist() == [0, 0, 0]


def test_a_periodic_axis_wraps(backend):
    axis = MapAxis.from_edges(np.arange(0, 361, 90), unit="deg", name="phase", boundary_type="periodic")
    values = [-10, 0, 360, 370, 725, np.nan]
    assert to_host(axis.coord_to_idx_array(backend.array(values))).tolist() == [3, 0, 0, 0, 0, -1]
    assert_allclose(axis.wrap_coord(values * u.deg).value, [350, 0, 0, 10, 5, np.nan])
    assert_allclose(axis.coord_to_pix(-10), [3.38888889], rtol=1e-8)  # Gammapy 2.1


def test_values_may_come_in_any_unit_of_the_kind(energy):
    assert energy.coord_to_idx(1300 * u.GeV).tolist() == energy.coord_to_idx(1.3).tolist() == [1]
    with pytest.raises(u.UnitConversionError):
        energy.coord_to_idx(3 * u.deg)


def test_pixel_to_index_keeps_pixels_and_marks_those_outside(energy):
    pix = np.array([-1, 0.0, 1.2, 10.9, 11])
    assert_array_equal(energy.pix_to_idx(pix), [OUTSIDE, 0, 1.2, 10.9, OUTSIDE])
    assert_array_equal(energy.pix_to_idx(pix, clip=True), [0, 0, 1.2, 10, 10])


def test_slice_keeps_neighbouring_bins(energy):
    part = energy.slice(slice(1, 3))
    assert_array_equal(part.edges.value, energy.edges.value[1:4])
    assert energy.slice(slice(None)) is energy
    with pytest.raises(ValueError, match="selects none of the 11 bins"):
        energy.slice(slice(5, 5))
    with pytest.raises(ValueError, match="cannot leave some out"):
        energy.slice(slice(0, 10, 2))


def test_slice_of_centres_may_have_a_step():
    axis = MapAxis.from_nodes([1, 2, 4, 7], name="x")
    assert_array_equal(axis.slice(slice(None, None, 2)).center.value, [1, 4])


def test_squash_has_the_outer_edges(energy):
    squashed = energy.squash()
    assert squashed.nbin == 1
    assert_allclose(squashed.edges.value, [1, 10])
    assert squashed.interp == "log"


def test_pad_continues_on_the_scale(energy):
    padded = energy.pad((1, 2))
    assert padded.nbin == 14
    assert_allclose(padded.edges[1:12], energy.edges[:11])
    assert_allclose(np.diff(np.log(padded.edges.value)), np.log(10) / 11)
    assert_allclose(MapAxis.from_nodes([1, 2, 3]).pad(1).center.value, [0, 1, 2, 3, 4])


def test_downsample_undoes_upsample(energy):
    assert energy.upsample(3).nbin == 33
    assert energy.upsample(3).downsample(3) == energy
    nodes = MapAxis.from_nodes([1, 2, 4], name="x", interp="log")
    assert_allclose(nodes.upsample(2).center.value, [1, np.sqrt(2), 2, np.sqrt(8), 4])
    assert nodes.upsample(2).downsample(2) == nodes


def test_downsample_says_when_bins_remain(energy):
    with pytest.raises(ValueError, match=r"11 steps .* which 3 does not divide"):
        energy.downsample(3)
    assert_allclose(energy.downsample(3, strict=False).edges, energy.edges[[0, 3, 6, 9, 11]])


def test_concatenate_is_the_inverse_of_slicing(energy):
    parts = [energy.slice(slice(0, 4)), energy.slice(slice(4, 5)), energy.slice(slice(5, None))]
    assert MapAxis.from_stack(parts) == energy
    with pytest.raises(ValueError, match="must touch"):
        parts[0].concatenate(parts[2])
    with pytest.raises(ValueError, match="same name"):
        parts[0].concatenate(parts[1].rename("energy_true"))


def test_concatenate_converts_units():
    low = MapAxis.from_energy_edges([1, 2] * u.TeV)
    high = MapAxis.from_energy_edges([2000, 3000] * u.GeV)
    assert_allclose(low.concatenate(high).edges.to_value("TeV"), [1, 2, 3])


def test_groups_of_bins_with_what_is_left_over():
    # Gammapy 2.1: MapAxis.from_edges([0, 1, 2, 3, 4, 5], name="x").group_table([0.9, 2.2, 3.9])
    table = MapAxis.from_edges([0, 1, 2, 3, 4, 5], name="x").group_table([0.9, 2.2, 3.9])
    assert table.colnames == ["group_idx", "x_min", "x_max", "idx_min", "idx_max", "bin_type"]
    assert table["idx_min"].tolist() == [0, 1, 2, 4]
    assert table["idx_max"].tolist() == [0, 1, 3, 4]
    assert table["bin_type"].tolist() == ["underflow", "normal   ", "normal   ", "overflow"]
    assert_allclose(table["x_max"], [1, 2, 4, 5])


def test_groups_need_overlap_and_edges(energy):
    with pytest.raises(ValueError, match="no bin of axis 'energy'"):
        energy.group_table([20, 30] * u.TeV)
    with pytest.raises(ValueError, match="made of centres"):
        MapAxis.from_nodes([1, 2], name="x").group_table([1, 2])


def test_resample_takes_the_nearest_edges(energy):
    coarse = energy.resample(MapAxis.from_energy_edges([1, 3, 30] * u.TeV))
    assert_allclose(coarse.edges, energy.edges[[0, 5, 11]])


def test_round_goes_to_the_nearest_edge(energy):
    assert_allclose(energy.round([1.01, 1.2, 100] * u.TeV, clip=True), energy.edges[[0, 1, 11]])


def test_aligned_axes_share_centres_on_the_same_scale(energy):
    assert energy.is_aligned(energy.slice(slice(2, 5)))
    assert not energy.is_aligned(MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=10))


def test_equality_has_a_tolerance_and_ignores_the_unit(energy):
    same = MapAxis.from_energy_edges(energy.edges.to("GeV") * (1 + 1e-8))
    assert same == energy
    assert hash(same) == hash(energy)
    assert energy != energy.rename("energy_true")
    assert energy != energy.slice(slice(0, 5))
    assert energy != MapAxis.from_energy_edges(energy.edges * 1.001)
    assert energy != energy.to_node_type("center")
    assert energy != "energy"
    with pytest.raises(TypeError, match="cannot be compared"):
        energy.is_allclose("energy")


def test_copies_and_pickles_are_equal(energy):
    energy.plain_edges("cpu")
    for twin in (energy.copy(), copy.deepcopy(energy), pickle.loads(pickle.dumps(energy))):
        assert twin == energy
        assert twin.edges.value.tolist() == energy.edges.value.tolist()
    assert energy.copy(name="energy_true").name == "energy_true"


def test_values_cannot_be_changed(energy):
    for values in (energy.edges, energy.center, energy.edges_value, energy.center_value):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = values[1]
    nodes = np.array([1.0, 2.0, 3.0])
    axis = MapAxis(nodes)
    nodes[0] = 0.5
    assert axis.edges.value[0] == 1


def test_the_text_of_an_axis_is_that_of_gammapy(energy):
    assert repr(energy) == (
        "MapAxis\n\n\tname       : energy    \n\tunit       : 'TeV'     \n\tnbins      : 11        \n"
        "\tnode type  : edges     \n\tedges min  : 1.0e+00 TeV\n\tedges max  : 1.0e+01 TeV\n\tinterp     : log       \n"
    )
    assert energy.as_plot_labels[0] == "1.00e+00 TeV - 1.23e+00 TeV"
    assert MapAxis.from_nodes([1, 2] * u.deg).as_plot_labels == ["1.00e+00 deg", "2.00e+00 deg"]
    assert "MapAxis" in energy._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nodes": [1, 1, 2]}, "unique and sorted"),
        ({"nodes": [1, 3, 2]}, "unique and sorted"),
        ({"nodes": [1, np.nan, 2]}, "not NaN"),
        ({"nodes": [1]}, "at least two edges"),
        ({"nodes": []}, "at least one node"),
        ({"nodes": [[1, 2], [3, 4]]}, "got an array of shape"),
        ({"nodes": [-1, 2], "interp": "log"}, "cannot have negative nodes"),
        ({"nodes": [1, 2], "interp": "cubic"}, "interp of MapAxis '' must be one of"),
        ({"nodes": [1, 2], "node_type": "middle"}, "node_type of MapAxis '' must be one of"),
        ({"nodes": [1, 2], "boundary_type": "open"}, "boundary_type of MapAxis '' must be one of"),
        ({"nodes": [1, 2], "interp": "log", "boundary_type": "periodic"}, "needs interp='lin'"),
    ],
)
def test_nodes_that_make_no_axis(arguments, message):
    with pytest.raises(ValueError, match=message):
        MapAxis(**arguments)


def test_names_are_checked(energy):
    with pytest.raises(TypeError, match="must be a string"):
        MapAxis([1, 2], name=3)
    energy.assert_name("energy")
    with pytest.raises(ValueError, match="'energy_true' is needed"):
        energy.assert_name("energy_true")
    with pytest.raises(ValueError, match="'energy' or 'energy_true', got 'e'"):
        MapAxis.from_energy_edges([1, 2] * u.TeV, name="e")


def test_energies_need_a_unit():
    with pytest.raises(ValueError, match="an energy is needed"):
        MapAxis.from_energy_bounds(1, 10, nbin=3)
    with pytest.raises(ValueError, match="an energy is needed"):
        MapAxis.from_energy_edges([1, 2] * u.deg)
    with pytest.raises(ValueError, match="must be positive"):
        MapAxis.from_energy_bounds("0 TeV", "1 TeV", nbin=3)
    with pytest.raises(ValueError, match="at least one bin"):
        MapAxis.from_bounds(1, 2, nbin=0)


def test_nodes_may_be_a_list_of_quantities():
    axis = MapAxis.from_edges([1 * u.TeV, 2000 * u.GeV, 3 * u.TeV], name="energy")
    assert_allclose(axis.edges.to_value("TeV"), [1, 2, 3])


@pytest.mark.parametrize(
    ("layout", "name", "columns"),
    [
        ("ogip", "energy", ["CHANNEL", "E_MIN", "E_MAX"]),
        ("ogip-sherpa", "energy", ["CHANNEL", "E_MIN", "E_MAX"]),
        ("ogip-arf", "energy_true", ["ENERG_LO", "ENERG_HI"]),
        ("ogip-arf-sherpa", "energy_true", ["ENERG_LO", "ENERG_HI"]),
    ],
)
def test_spectral_tables_round_trip(energy, layout, name, columns):
    table = energy.rename(name).to_table(format=layout)
    assert table.colnames == columns
    assert table[columns[-1]].unit == ("keV" if layout.endswith("sherpa") else "TeV")
    assert MapAxis.from_table(table, format=layout) == energy.rename(name)
    with pytest.raises(ValueError, match="is needed"):
        energy.rename("energy_true" if name == "energy" else "energy").to_table(format=layout)


def test_ebounds_hdu_has_its_keywords(energy):
    hdu = energy.to_table_hdu(format="ogip")
    assert hdu.name == "EBOUNDS"
    assert hdu.header["DETCHANS"] == 11
    assert hdu.header["CHANTYPE"] == "PHA"
    assert MapAxis.from_table_hdu(hdu, format="ogip") == energy


@pytest.mark.parametrize(
    ("name", "unit", "stem"),
    [("energy_true", "TeV", "ENERG"), ("offset", "deg", "THETA"), ("rad", "deg", "RAD"), ("migra", "", "MIGRA")],
)
@pytest.mark.parametrize("node_type", ["edges", "center"])
def test_response_tables_round_trip(name, unit, stem, node_type):
    interp = "log" if name == "energy_true" else "lin"
    axis = MapAxis([0.1, 0.5, 2], name=name, unit=unit, interp=interp, node_type=node_type)
    table = axis.to_table(format="gadf-dl3")
    assert table.colnames == [f"{stem}_LO", f"{stem}_HI"]
    assert table[f"{stem}_LO"].shape == (1, axis.nbin)
    assert MapAxis.from_table(table, format="gadf-dl3", column_prefix=stem) == axis


def test_background_tables_are_in_reconstructed_energy(energy):
    table = energy.to_table(format="gadf-dl3")
    assert MapAxis.from_table(table, format="gadf-dl3", column_prefix="ENERG").name == "energy_true"
    table.meta["HDUCLAS2"] = "BKG"
    assert MapAxis.from_table(table, format="gadf-dl3", column_prefix="ENERG").name == "energy"


def test_tables_that_make_no_axis(energy):
    table = energy.to_table(format="gadf-dl3")
    with pytest.raises(FormatError, match="no column 'THETA_LO'"):
        MapAxis.from_table(table, format="gadf-dl3", column_prefix="THETA")
    table["ENERG_LO"].unit = ""
    with pytest.raises(FormatError, match="'' and 'TeV', which do not fit"):
        MapAxis.from_table(table, format="gadf-dl3", column_prefix="ENERG")
    table["ENERG_HI"].unit = ""
    with pytest.raises(FormatError, match="a unit such as 'TeV' is expected"):
        MapAxis.from_table(table, format="gadf-dl3", column_prefix="ENERG")
    table = energy.to_table(format="gadf-dl3")
    table["ENERG_HI"][0, 3] *= 1.1
    with pytest.raises(FormatError, match="bins without gaps"):
        MapAxis.from_table(table, format="gadf-dl3", column_prefix="ENERG")
    with pytest.raises(ValueError, match="choose one of"):
        MapAxis.from_table(table, format="yaml")
    with pytest.raises(ValueError, match="no column for an axis named 'x'"):
        MapAxis([1, 2], name="x").to_table(format="gadf-dl3")
    with pytest.raises(FormatError, match="no keyword AXCOLS1"):
        MapAxis.from_table(table, format="gadf")


def test_map_tables_keep_every_bit():
    axis = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=31, name="energy_true")
    hdu = MapAxes([axis]).to_table_hdu()
    again = MapAxes.from_table_hdu(hdu)[0]
    assert again == axis
    assert again.edges.value.tolist() == axis.edges.value.tolist()
    assert again.interp == "log"


def test_edges_that_another_program_rounded_decide_where_an_event_on_an_edge_belongs():
    axis = MapAxis([1.0, 3.0, 10.0], unit="TeV", name="energy", interp="log")
    rounded = axis.with_rounded_edges(np.array([1.0, 3.0000000000000004, 10.000000000000002]))
    assert axis.coord_to_idx([3.0, 10.0] * u.TeV).tolist() == [1, -1]
    assert rounded.coord_to_idx([3.0, 10.0] * u.TeV).tolist() == [0, 1]
    assert rounded == axis
    assert_array_equal(rounded.nodes_value, axis.nodes_value)
    for same in (rounded.rename("x"), copy.copy(rounded), rounded.copy(), pickle.loads(pickle.dumps(rounded))):
        assert_array_equal(same.edges_value, rounded.edges_value)
    assert_array_equal(rounded.copy(unit="GeV").edges_value, axis.edges_value)


@pytest.mark.parametrize("edges", [[1.0, 2.1, 3.0], [1.0, 2.0], [1.0, 2.0, np.nan]])
def test_edges_that_differ_by_more_than_rounding_are_rejected(edges):
    with pytest.raises(ValueError, match="has the edges"):
        MapAxis([1.0, 2.0, 3.0], name="x").with_rounded_edges(np.array(edges))


def test_linear_is_another_spelling_of_lin():
    axis = MapAxis.from_nodes([1, 2, 4], name="redshift", interp="linear")
    assert axis == MapAxis.from_nodes([1, 2, 4], name="redshift", interp="lin")
    assert axis.interp == "lin"
