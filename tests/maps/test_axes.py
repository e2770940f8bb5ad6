import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.errors import FormatError, GeometryError
from lightpool.fits import HDUList, PrimaryHDU, read_fits, write_fits
from lightpool.maps import LabelMapAxis, MapAxes, MapAxis, TimeMapAxis


@pytest.fixture
def energy():
    return MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)


@pytest.fixture
def offset():
    return MapAxis.from_nodes([0, 1, 2] * u.deg, name="offset")


@pytest.fixture
def axes(energy, offset):
    return MapAxes([energy, offset])


def test_axes_are_found_by_name_and_number(axes, energy, offset):
    assert axes["offset"] is axes[1] is offset
    assert axes[np.int64(0)] is energy
    assert axes[["offset", "energy"]].names == axes[::-1].names == axes.reverse.names == ["offset", "energy"]
    assert (axes.index("offset"), axes.index_data("offset")) == (1, 0)
    assert axes.names == [axis.name for axis in axes]
    with pytest.raises(KeyError, match="there is no axis 'rad'"):
        axes["rad"]
    with pytest.raises(ValueError, match="there is no axis 'rad'"):
        axes.index_data("rad")
    with pytest.raises(TypeError, match="found by number, name"):
        axes[1.5]


def test_axes_know_their_shape_and_which_of_them_are_flat(axes):
    assert axes.shape == (4, 3)
    assert axes.primary_axis.name == "energy"
    assert not axes.is_flat
    assert not axes.is_unidimensional
    assert axes.squash("offset").is_unidimensional
    assert axes.squash("offset").squash("energy").is_flat
    assert MapAxes([]).is_flat


def test_names_must_differ(energy):
    with pytest.raises(GeometryError, match="different names"):
        MapAxes([energy, energy])


def test_plain_edges_become_numbered_axes(energy):
    unnamed = MapAxis([1, 2, 3])
    axes = MapAxes.from_default([energy, np.array([1.0, 2, 3]), unnamed])
    assert axes.names == ["energy", "axis1", "axis2"]
    assert unnamed.name == ""
    assert len(MapAxes.from_default(None)) == 0
    with pytest.raises(TypeError, match=r"list of axes, got the axis 'energy'; write axes=\[axis\]"):
        MapAxes.from_default(energy)


def test_names_and_their_order_can_be_required(axes):
    axes.assert_names(["energy", "offset"])
    axes.assert_names(["energy"], allow_extra=True)
    for wrong in (["offset", "energy"], ["energy"], ["energy", "offset", "rad"]):
        with pytest.raises(ValueError, match="in this order"):
            axes.assert_names(wrong)
    with pytest.raises(ValueError, match="in this order"):
        axes.assert_names(["energy", "offset", "rad"], allow_extra=True)


def test_coordinates_broadcast_with_each_other_and_with_the_sky(energy, offset):
    coords = MapAxes([energy, offset]).get_coord()
    assert coords["energy"].shape == (4, 1)
    assert coords["offset"].shape == (1, 3)
    coords = MapAxes([energy, offset], n_spatial_axes=2).get_coord(mode="edges", axis_name="offset")
    assert coords["energy"].shape == (1, 4, 1, 1)
    assert coords["offset"].shape == (4, 1, 1, 1)


def test_bin_volume_is_the_product_of_widths(axes):
    volume = axes.bin_volume()
    assert volume.shape == (4, 3)
    assert_allclose(volume.sum().to_value("TeV deg"), 9 * 3)


def test_coordinates_and_pixels_of_all_axes(axes):
    coord = {"energy": [1.2, 30] * u.TeV, "offset": [1.4, 9] * u.deg}
    assert [idx.tolist() for idx in axes.coord_to_idx(coord)] == [[0, 3], [1, 2]]
    assert [idx.tolist() for idx in axes.coord_to_idx(coord, clip=False)] == [[0, -1], [1, -1]]
    pix = axes.coord_to_pix(coord)
    for values, name in zip(axes.pix_to_coord(pix), axes.names, strict=True):
        assert_allclose(values, coord[name])
    assert [p.tolist() for p in axes.pix_to_idx(([1, 5], [1, 2]))] == [[1, -1], [1, 2]]
    assert_allclose(axes.center_coord[0].value, np.sqrt(10))


def test_one_axis_of_several_is_changed(axes, energy):
    assert axes.upsample(2, "energy").shape == (8, 3)
    assert axes.downsample(2, "energy").shape == (2, 3)
    assert axes.pad("energy", (0, 1)).shape == (5, 3)
    assert axes.drop("energy").names == ["offset"]
    assert axes.resample(MapAxis.from_energy_edges([1, 3.16, 10] * u.TeV)).shape == (2, 3)
    assert axes.replace(energy.squash()).shape == (1, 3)
    assert (axes.drop("offset") + MapAxes([MapAxis([1, 2], name="rad")])).names == ["energy", "rad"]
    assert axes.rename_axes("energy", "energy_true").names == ["energy_true", "offset"]
    assert axes.rename_axes(["offset", "energy"], ["rad", "e"]).names == ["e", "rad"]
    assert axes.names == ["energy", "offset"]
    for change in (axes.squash, axes.drop):
        with pytest.raises(ValueError, match="there is no axis 'rad'"):
            change("rad")


def test_slices_keep_and_numbers_drop_an_axis(axes):
    assert axes.slice_by_idx({"energy": slice(1, 3)}).shape == (2, 3)
    assert axes.slice_by_idx({"energy": 2}).names == ["offset"]
    with pytest.raises(ValueError, match=r"there is no axis 'enrgy'; the axes are \['energy', 'offset'\]"):
        axes.slice_by_idx({"offset": slice(0, 1), "enrgy": slice(1, 3)})


def test_axes_are_equal_to_their_copies_and_to_nothing_else(axes, energy, offset):
    assert axes == MapAxes([energy.copy(), offset.copy()]) == axes.copy() == pickle.loads(pickle.dumps(axes))
    assert hash(axes) == hash(axes.copy())
    assert axes != axes.reverse
    assert axes != axes.drop("offset")
    assert axes != "axes"
    assert axes.is_allclose(axes.replace(MapAxis.from_energy_edges(energy.edges * 1.001)), rtol=0.01)


def all_kinds():
    return MapAxes(
        [
            MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2),
            MapAxis.from_nodes([0, 1, 2] * u.deg, name="rad"),
            LabelMapAxis(["vega", "crab"], name="source"),
            TimeMapAxis([0, 2, 5] * u.h, [1, 4, 6] * u.h, Time("2020-03-19", scale="tt")),
        ]
    )


def test_a_table_of_bins_round_trips():
    axes = all_kinds()
    hdu = axes.to_table_hdu(hdu_bands="COUNTS_BANDS")
    assert hdu.name == "COUNTS_BANDS"
    assert hdu.columns.names[:4] == ["CHANNEL", "ENERGY", "E_MIN", "E_MAX"]
    assert len(hdu.data) == np.prod(axes.shape)
    assert [hdu.header[f"AXCOLS{i}"] for i in range(1, 5)] == ["E_MIN,E_MAX", "RAD", "SOURCE", "TIME_MIN,TIME_MAX"]
    again = MapAxes.from_table_hdu(hdu)
    assert again == axes
    assert again["source"].center.tolist() == ["vega", "crab"]  # in the order of the data, not of the alphabet


def test_a_table_of_bins_is_read_by_either_reader(tmp_path):
    axes = all_kinds()
    write_fits(HDUList([PrimaryHDU(), axes.to_table_hdu()]), tmp_path / "axes.fits")
    data = read_fits(tmp_path / "axes.fits").table("BANDS")
    assert MapAxes.from_table(data) == axes


def test_response_axes_come_in_the_order_of_the_format():
    table = MapAxes([MapAxis([0, 1, 2], name="migra"), MapAxis([1, 3, 9], name="energy_true", unit="TeV")]).to_table(
        format="gadf-dl3"
    )
    assert MapAxes.from_table(table, format="gadf-dl3").names == ["energy_true", "migra"]


def test_energies_alone_make_a_spectral_table(axes):
    assert axes.to_table(format="ogip").colnames == ["CHANNEL", "E_MIN", "E_MAX"]
    assert axes.to_table_hdu(format="ogip").name == "EBOUNDS"
    with pytest.raises(ValueError, match="needs an axis named 'energy'"):
        axes.drop("energy").to_table(format="ogip")
    with pytest.raises(ValueError, match="choose one of"):
        axes.to_table(format="yaml")


def test_a_header_that_names_no_column_is_an_error():
    table = Table({"CHANNEL": [0]}, meta={"AXCOLS1": "E_MIN,E_MAX"})
    with pytest.raises(FormatError, match="names the column 'E_MIN'"):
        MapAxes.from_table(table)


def test_no_table_means_no_axes():
    assert len(MapAxes.from_table_hdu(None)) == 0


def test_old_files_call_rad_theta():
    table = Table({"THETA": [0.0, 1.0]}, units={"THETA": "deg"}, meta={"AXCOLS1": "THETA"})
    assert MapAxes.from_table(table).names == ["rad"]


def test_axes_without_sky_hold_plain_numbers():
    assert_array_equal(MapAxes([LabelMapAxis(["a", "b"], name="x")]).bin_volume(), [1, 1])


def test_a_descending_axis_keeps_its_order_in_a_file():
    axis = MapAxis([3, 2, 1] * u.deg, name="fov_lon")
    assert MapAxes.from_table_hdu(MapAxes([axis]).to_table_hdu())[0] == axis


def test_axes_of_a_light_curve_are_those_of_its_columns():
    energies = {"e_min": [[1.0, 3.0]] * 4 * u.TeV, "e_max": [[3.0, 10.0]] * 4 * u.TeV}
    scan = np.broadcast_to([0.2, 1.0, 5.0], (4, 2, 3))
    times = {"time_min": np.arange(4.0), "time_max": np.arange(4.0) + 0.5}
    table = Table({**energies, **times, "norm_scan": scan, "counts": np.ones((4, 2, 1))})
    axes = MapAxes.from_table(table, format="lightcurve")
    assert axes.names == ["norm", "energy", "dataset", "time"]
    assert axes.shape == (3, 2, 1, 4)
    assert_allclose(axes["energy"].edges.to_value("TeV"), [1, 3, 10])
    assert_allclose(axes["norm"].center, [0.2, 1, 5])


def test_axes_of_flux_points_and_profiles():
    points = Table({"e_ref": [1.0, 10.0] * u.GeV, "datasets": ["b", "a"], "x_ref": [0.1, 0.2] * u.deg})
    energy, dataset = MapAxes.from_table(points, format="gadf-sed")
    assert energy.node_type == "center"
    assert dataset.center.tolist() == ["a", "b"]
    assert MapAxes.from_table(points, format="profile").names[-1] == "projected-distance"
    with pytest.raises(FormatError, match="e_ref"):
        MapAxis.from_table(points["x_ref",], format="gadf-sed-energy")


def test_axes_of_a_fermi_psf_are_written_and_read():
    energy = MapAxis.from_nodes([0.1, 1, 10] * u.GeV, name="energy_true", interp="log")
    rad = MapAxis.from_nodes([0, 0.1, 0.2] * u.deg, name="rad")
    for axis, column, unit in ((energy, "Energy", "MeV"), (rad, "Theta", "deg")):
        hdu = axis.to_table_hdu(format="gtpsf")
        assert hdu.columns[column].unit == unit
        again = MapAxis.from_table_hdu(hdu, format="gtpsf")
        assert again == axis
        assert again.unit == unit
    with pytest.raises(ValueError, match="gtpsf"):
        MapAxis.from_edges([0, 1], name="migra").to_table(format="gtpsf")
