"""Functions on datasets: energy dispersion of a map, masks for a while, parts of a dataset; registered classes."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.datasets import (
    DATASET_REGISTRY,
    Dataset,
    Datasets,
    FoVBackgroundModel,
    MapDataset,
    MapDatasetMetaData,
    apply_edisp,
    set_and_restore_mask_fit,
    split_dataset,
)
from lightpool.errors import GeometryError
from lightpool.irf import EDispKernel
from lightpool.maps import LabelMapAxis, Map, MapAxis, WcsGeom

TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
RECO = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)


# --- apply_edisp


@pytest.fixture
def true_map(backend):
    def make(axes, dtype="float64"):
        geom = WcsGeom.create(npix=(5, 3), axes=axes)
        data = np.random.default_rng(1).uniform(size=geom.data_shape)
        return Map.from_geom(geom, data=backend.array(data, dtype=dtype), unit="cm-2")

    return make


def test_counts_go_to_the_reconstructed_energies_of_the_matrix(backend, true_map):
    edisp = EDispKernel.from_gauss(TRUE, RECO, sigma=0.2, bias=0.1)
    given = true_map([TRUE])
    found = apply_edisp(given, edisp)
    assert found.geom.axes.names == ["energy"]
    assert found.geom.axes["energy"] == RECO
    assert (found.unit, found.device) == (given.unit, backend.device)
    expected = np.einsum("tyx,tr->ryx", to_host(given.data), edisp.pdf_matrix)
    assert_allclose(to_host(found.data), expected, rtol=1e-12)


def test_other_axes_and_the_precision_of_a_map_stay(backend, true_map):
    edisp = EDispKernel.from_gauss(TRUE, RECO, sigma=0.2, bias=0.1)
    given = true_map([LabelMapAxis(["a", "b"], name="model"), TRUE], dtype="float32")
    found = apply_edisp(given, edisp)
    assert found.geom.axes.names == ["model", "energy"]
    assert found.precision == "single"
    expected = np.einsum("tmyx,tr->rmyx", to_host(given.data), edisp.pdf_matrix)
    assert_allclose(to_host(found.data), expected, rtol=1e-5)


def test_without_a_matrix_the_true_energy_is_the_reconstructed_one(true_map):
    given = true_map([TRUE])
    found = apply_edisp(given, None)
    assert_array_equal(found.geom.axes["energy"].edges, TRUE.edges)
    assert_array_equal(to_host(found.data), to_host(given.data))


def test_a_matrix_of_other_true_energies_is_refused(true_map):
    edisp = EDispKernel.from_gauss(RECO.copy(name="energy_true"), RECO, sigma=0.2, bias=0)
    with pytest.raises(ValueError, match="4 bins of true energy and the map 6"):
        apply_edisp(true_map([TRUE]), edisp)


# --- set_and_restore_mask_fit


def test_a_mask_for_fits_holds_in_the_block_and_is_restored_after_an_error(make_dataset):
    one, two = make_dataset(1, "one"), make_dataset(2, "two")
    own = one.mask_safe.copy()
    one.mask_fit = own
    with set_and_restore_mask_fit([one, two], energy_min=2 * u.TeV) as contributing:
        assert contributing.names == ["one", "two"]
        above = np.array([False, False, True, True])[:, None, None]
        assert_array_equal(to_host(one.mask_fit.data), to_host(own.data) & above)
        assert_array_equal(to_host(two.mask_fit.data), np.broadcast_to(above, two.data_shape))
    assert one.mask_fit is own
    assert two.mask_fit is None

    def fail():
        with set_and_restore_mask_fit([one], energy_min=2 * u.TeV):
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        fail()
    assert one.mask_fit is own


@pytest.mark.parametrize("operator", [np.logical_and, np.logical_or, None])
def test_masks_are_combined_as_asked(make_dataset, operator):
    dataset = make_dataset(1)
    own = dataset.mask_safe.copy()
    dataset.mask_fit = own
    image = dataset.geom.region_mask("icrs;circle(83.63, 22.01, 0.5)", device=dataset.device)
    with set_and_restore_mask_fit([dataset], mask_fit=image, operator=operator):
        given, before = to_host(image.data), to_host(own.data)
        expected = given if operator is None else operator(before, given)
        assert_array_equal(to_host(dataset.mask_fit.data), expected)


def test_a_dataset_beyond_the_energies_does_not_contribute(make_dataset):
    datasets = Datasets([make_dataset(1, "one")])
    with set_and_restore_mask_fit(datasets, energy_min="20 TeV") as contributing:
        assert len(contributing) == 0
    with pytest.raises(ValueError, match="operator must be one of"):
        set_and_restore_mask_fit(datasets, operator=np.add)


# --- split_dataset


def test_the_parts_of_a_dataset_hold_each_pixel_once(make_dataset):
    dataset = make_dataset(1, "all")
    dataset.models = [FoVBackgroundModel(dataset_name="all")]
    dataset.models[0].spectral_model.norm.value = 1.5
    parts = split_dataset(dataset, "1 deg", "0.2 deg")
    assert len(parts) == 3 * 3  # 12 x 10 pixels in parts of 5, the first around the first pixel
    sums = [to_host(part.counts.data) * to_host(part.mask_fit.data) for part in parts]
    assert sum(float(part.sum()) for part in sums) == float(to_host(dataset.counts.data).sum())
    n_pixel = sum(int(to_host(part.mask_fit.data).sum()) for part in parts)
    assert n_pixel == np.prod(dataset.data_shape)
    assert all(part.device == dataset.device for part in parts)
    for part in parts:
        assert part.background_model.spectral_model.norm.value == 1.5
        assert part.background_model is not dataset.background_model


def test_the_parts_keep_the_mask_of_the_dataset(make_dataset):
    dataset = make_dataset(1)
    dataset.mask_fit = dataset.mask_safe.copy()
    parts = split_dataset(dataset, 1 * u.deg, 0.2 * u.deg)
    n_pixel = sum(int(to_host(part.mask_fit.data).sum()) for part in parts)
    assert n_pixel == int(to_host(dataset.mask_fit.data).sum())


def test_what_cannot_be_split_is_refused(make_dataset):
    dataset = make_dataset(1)
    dataset.mask_safe = None
    with pytest.raises(ValueError, match="less than half of the width"):
        split_dataset(dataset, "1 deg", "0.5 deg")
    with pytest.raises(GeometryError, match="map of pixels"):
        split_dataset(dataset.to_region_map_dataset("icrs;circle(83.63, 22.01, 0.5)"), "1 deg", "0.2 deg")


# --- classes of users


class Points(Dataset):
    tag = "Points"

    def __init__(self, values, name):
        self.values = values
        self._name = name

    def stat_sum(self):
        return float(np.sum(np.square(self.values)))


def test_a_class_of_a_user_needs_only_a_tag():
    one, two = Points([1, 2], "one"), Points([3], "two")
    datasets = Datasets([one, two])
    assert datasets.names == ["one", "two"]
    assert datasets.stat_sum() == 14
    assert datasets["two"] is two
    assert one.copy(name="three").name == "three"
    assert one.copy().values is not one.values
    assert (one.gti, one.meta_table, one.models, one.mask) == (None, None, None, None)
    assert one.to_dict() == {"name": "one", "type": "Points", "filename": "one.fits"}
    assert DATASET_REGISTRY.get_cls("Points") is Points
    with pytest.raises(NotImplementedError, match="Points has no method 'to_masked' of its own"):
        one.to_masked()


def test_a_class_without_a_tag_is_refused():
    class Untagged(Dataset):
        pass

    with pytest.raises(TypeError, match="Untagged has no tag"):
        Untagged()


def test_a_class_derived_from_maps_is_written_and_read_as_itself(make_dataset, tmp_path):
    class Marked(MapDataset):
        tag = "Marked"

    given = make_dataset(1, "run")
    marked = Marked(name="run", counts=given.counts, mask_safe=given.mask_safe)
    assert type(marked.cutout(given.geom.center_skydir, "1 deg")) is Marked
    assert DATASET_REGISTRY.get_cls("Marked") is Marked
    with pytest.raises(KeyError, match="no class has the tag 'Nonsense'; the tags are MapDataset"):
        DATASET_REGISTRY.get_cls("Nonsense")
    assert "MapDatasetOnOff" in str(DATASET_REGISTRY)


# --- metadata


def test_metadata_check_and_convert_their_values():
    meta = MapDatasetMetaData(obs_info=[{"obs_id": 5, "telescope": "HESS"}], event_type=[1, "2"])
    assert meta.obs_info[0].telescope == "HESS"
    assert meta.event_type == ["1", "2"]
    assert "obs_id: 5" in meta.to_yaml()
    assert meta.tag == "MapDataset"
    with pytest.raises(ValueError, match=r"MapDatasetMetaData\.creation cannot be 3"):
        meta.creation = 3
    with pytest.raises(ValueError, match="not supported"):
        meta.to_header("ogip")


def test_one_observation_is_written_to_the_header_and_a_stack_has_only_a_creator():
    meta = MapDatasetMetaData(obs_info={"obs_id": 5, "telescope": "HESS"}, event_type="1")
    header = meta.to_header()
    assert (header["OBS_ID"], header["TELESCOP"], header["EVT_TYPE"]) == (5, "HESS", "1")
    again = MapDatasetMetaData.from_header(header)
    assert again.obs_info == meta.obs_info
    assert again.pointing is None
    stacked = meta.stack(again)
    assert stacked.creation is meta.creation
    assert stacked.obs_info is None


# --- maps on demand


def test_maps_that_are_read_on_demand_are_forgotten_and_read_again(make_dataset, tmp_path):
    path = tmp_path / "run.fits"
    make_dataset(1, "run").write(path)
    lazy = MapDataset.read(path, lazy=True)
    counts, exposure = lazy.counts, lazy.exposure
    lazy.exposure = exposure.copy()
    kept = lazy.exposure
    lazy.reset_data_cache()
    assert lazy.counts is not counts
    assert_array_equal(to_host(lazy.counts.data), to_host(counts.data))
    assert lazy.exposure is kept  # it was set
    lazy.reset_data_cache()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        _ = lazy.counts


def test_a_dataset_from_hdus_reads_its_maps_on_demand(make_dataset):
    dataset = make_dataset(1, "run")
    lazy = MapDataset.from_hdulist(dataset.to_hdulist(), lazy=True)
    assert type(vars(lazy)["counts"]).__name__ == "Deferred"
    assert_array_equal(to_host(lazy.counts.data), to_host(dataset.counts.data))
    assert lazy.name == "run"
