import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from regions import CircleSkyRegion

from lightpool.arrays import to_host
from lightpool.datasets import Datasets, FoVBackgroundModel, MapDataset, SpectrumDataset
from lightpool.datasets.dataset import find_dataset_class
from lightpool.errors import FormatError
from lightpool.maps import Map, MapAxis, RegionGeom


@pytest.fixture
def pair(make_dataset):
    return Datasets([make_dataset(1, "a"), make_dataset(2, "b")])


def test_a_list_of_datasets_prints_as_in_gammapy(pair):
    pair["a"].models = FoVBackgroundModel("a")
    expected = """Datasets
--------

Dataset 0:

  Type       : MapDataset
  Name       : a
  Instrument : HESS
  Models     : ['a-bkg']

Dataset 1:

  Type       : MapDataset
  Name       : b
  Instrument : HESS
  Models     :"""
    assert [line.rstrip() for line in str(pair).rstrip().splitlines()] == expected.splitlines()


def test_datasets_behave_as_a_list(pair, make_dataset):
    third = make_dataset(3, "c")
    pair.append(third)
    assert pair.names == ["a", "b", "c"]
    assert pair["c"] is pair[-1] is third
    assert pair.index(third) == 2
    assert pair[:2].names == ["a", "b"]
    pair.remove(third)
    pair.insert(0, third)
    assert pair.names == ["c", "a", "b"]
    del pair["c"]
    pair.extend([third])
    assert (pair.pop().name, len(pair)) == ("c", 2)
    assert (pair + third).names == ["a", "b", "c"]
    pair["a"] = make_dataset(4, "d")
    assert pair.names == ["d", "b"]


def test_names_of_datasets_are_unique(pair, make_dataset):
    with pytest.raises(ValueError, match="unique"):
        pair.append(make_dataset(3, "a"))
    with pytest.raises(ValueError, match="unique"):
        pair[1] = make_dataset(3, "a")
    pair[0] = make_dataset(3, "a")
    with pytest.raises(ValueError, match="unique"):
        Datasets([pair[0], pair[0]])
    with pytest.raises(TypeError, match="expected a dataset, got 3"):
        pair.append(3)
    with pytest.raises(TypeError, match="list of datasets"):
        Datasets("a")
    with pytest.raises(ValueError, match="no dataset 'z'"):
        pair["z"]


def test_models_of_a_list_go_to_the_datasets_they_belong_to(pair):
    pair.models = [FoVBackgroundModel("a"), FoVBackgroundModel("b")]
    assert pair["a"].models.names == ["a-bkg"]
    assert pair.models.names == ["a-bkg", "b-bkg"]
    assert pair.models["b-bkg"] is pair["b"].background_model


def test_properties_of_all_datasets_together(pair, make_dataset):
    assert pair.is_all_same_type
    assert pair.is_all_same_shape
    assert pair.is_all_same_energy_shape
    assert pair.is_all_same_geom
    assert pair.energy_axes_are_aligned
    low, high = pair.energy_ranges
    np.testing.assert_allclose(low.to_value("TeV"), [1, 1])
    np.testing.assert_allclose(high.to_value("TeV"), [10, 10])
    assert len(pair.gti) == 2
    pair.append(make_dataset(3, "c").downsample(2, name="d"))
    assert not pair.is_all_same_shape
    assert Datasets().gti is None


def test_the_meta_table_has_one_row_per_dataset(pair, geom):
    table = pair.meta_table
    assert table.colnames[:2] == ["NAME", "TYPE"]
    assert list(table["NAME"]) == ["a", "b"]
    assert np.ravel(table["OBS_ID"]).tolist() == [1, 2]
    pair.append(MapDataset(counts=Map.from_geom(geom), name="bare"))
    assert list(pair.meta_table["NAME"]) == ["a", "b", "bare"]
    assert Datasets([pair["bare"]]).meta_table.colnames == ["NAME", "TYPE"]


def test_the_info_table_is_the_figures_row_by_row(pair):
    table = pair.info_table()
    assert isinstance(table, Table)
    assert list(table["name"]) == ["a", "b"]
    assert table["counts"][1] == pair["b"].info_dict()["counts"]
    assert table["livetime"].unit == "s"
    total = pair.info_table(cumulative=True)
    assert list(total["name"]) == ["stacked", "stacked"]
    assert total["counts"][1] == table["counts"].sum()
    assert total["livetime"][1] == 2003


def test_the_reduced_stack_is_the_sum_of_all(pair):
    stacked = pair.stack_reduce(name="sum")
    assert stacked.name == "sum"
    assert stacked.info_dict()["counts"] == pair.info_table()["counts"].sum()
    np.testing.assert_array_equal(to_host(pair["a"].counts.data), to_host(pair["a"].copy().counts.data))


def test_a_stack_of_different_types_is_refused(pair):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    region = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.2 * u.deg)
    spectrum = SpectrumDataset.create(RegionGeom.create(region, axes=[axis]), name="s")
    mixed = pair + spectrum
    assert not mixed.is_all_same_type
    with pytest.raises(ValueError, match=r"\['MapDataset', 'SpectrumDataset'\]"):
        mixed.stack_reduce()
    with pytest.raises(ValueError, match="one type"):
        mixed.info_table()
    with pytest.raises(ValueError, match="none"):
        Datasets().stack_reduce()


def test_datasets_are_selected_by_time_and_energy(pair):
    start, stop = pair["a"].gti.time_start[0], pair["a"].gti.time_stop[-1]
    assert pair.select_time(start, stop).names == ["a"]
    assert pair.slice_by_energy("2 TeV", "9 TeV")["b"].data_shape[0] < 4
    assert len(pair.slice_by_energy("20 TeV", "90 TeV")) == 0


def test_a_copy_keeps_names_and_models_but_shares_nothing(pair):
    pair.models = [FoVBackgroundModel("a")]
    copy = pair.copy()
    assert copy.names == pair.names
    copy.models["a-bkg"].spectral_model.norm.value = 3.0
    copy["a"].counts.data[...] = 0.0
    assert pair.models["a-bkg"].spectral_model.norm.value == 1.0
    assert to_host(pair["a"].counts.data).any()


def test_all_datasets_move_to_a_device(pair):
    moved = pair.to("cpu")
    assert moved.names == pair.names
    assert all(dataset.device.name == "cpu" for dataset in moved)


def test_an_unknown_type_of_dataset_is_told():
    with pytest.raises(FormatError, match=r"'FluxPointsDataset'.*MapDataset"):
        find_dataset_class("FluxPointsDataset")


def test_a_spectrum_dataset_is_stacked_and_printed(backend):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    region = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.2 * u.deg)
    geom = RegionGeom.create(region, axes=[axis])
    part, stacked = SpectrumDataset.create(geom, name="part"), SpectrumDataset.create(geom, name="sum")
    part.counts = Map.from_geom(geom, data=np.arange(4.0).reshape(4, 1, 1))
    part.exposure.data = part.exposure.data + 2.0
    part.mask_safe = geom.energy_mask(energy_min=1.5 * u.TeV)
    stacked.stack(part)
    assert stacked.psf is None
    assert to_host(stacked.counts.data).ravel().tolist() == [0, 1, 2, 3]
    assert str(stacked).startswith("SpectrumDataset\n---------------\n")
    assert stacked.to_image().info_dict()["counts"] == 6
    with pytest.raises(TypeError, match="region"):
        stacked.cutout(SkyCoord(83, 22, unit="deg"), "1 deg")


def test_a_spectrum_dataset_needs_a_region(geom):
    with pytest.raises(TypeError, match="RegionGeom"):
        SpectrumDataset.create(geom)
