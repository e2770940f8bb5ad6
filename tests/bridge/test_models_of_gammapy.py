"""Models of Gammapy on datasets of lightpool: predictions, copies and makers are those of Gammapy's datasets."""

import pickle

import astropy.units as u
import gammapy.makers
import gammapy.modeling
import gammapy.modeling.models
import numpy as np
import pytest
from gammapy.modeling.models import (
    DatasetModels as GammapyDatasetModels,
)
from gammapy.modeling.models import FoVBackgroundModel as GammapyFoVBackgroundModel
from gammapy.modeling.models import GaussianSpatialModel, PointSpatialModel, PowerLawSpectralModel, SkyModel
from gammapy.modeling.models import Models as GammapyModels
from regions import CircleSkyRegion

from lightpool.data import DataStore
from lightpool.datasets import (
    DatasetModels,
    Datasets,
    FoVBackgroundModel,
    MapDataset,
    Models,
    PowerLawNormSpectralModel,
    SpectrumDataset,
)
from lightpool.makers import (
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom, WcsNDMap
from lightpool.simulate import PointSource

POSITION = PointSource().position
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=8, name="energy_true")
METHODS = ["diff", "diff/model", "diff/sqrt(model)"]


@pytest.fixture(scope="module")
def observation(crab_store):
    return DataStore.from_dir(crab_store).get_observations()[0]


@pytest.fixture(scope="module")
def reduced_map(observation):
    geom = WcsGeom.create(skydir=POSITION, width=2.0, binsz=0.1, axes=[ENERGY])
    dataset = MapDatasetMaker().run(MapDataset.create(geom, energy_axis_true=TRUE, name="run"), observation)
    return SafeMaskMaker(methods=["offset-max"], offset_max="1.2 deg").run(dataset, observation)


@pytest.fixture(scope="module")
def reduced_spectrum(observation):
    geom = RegionGeom.create(CircleSkyRegion(POSITION, 0.15 * u.deg), axes=[ENERGY])
    maker = SpectrumDatasetMaker(containment_correction=True, selection=["counts", "exposure", "edisp"])
    dataset = maker.run(SpectrumDataset.create(geom, energy_axis_true=TRUE, name="run"), observation)
    return ReflectedRegionsBackgroundMaker().run(dataset, observation)


@pytest.fixture(params=["map", "spectrum"])
def dataset(request, reduced_map, reduced_spectrum):
    reduced = {"map": reduced_map, "spectrum": reduced_spectrum}[request.param]
    return reduced.copy(name="run")


@pytest.fixture
def sky_map(reduced_map):
    return reduced_map.copy(name="run")


def source(name="crab", extension=None, with_position=True):
    if extension is None:
        spatial = PointSpatialModel(lon_0=POSITION.ra, lat_0=POSITION.dec, frame="icrs")
    else:
        spatial = GaussianSpatialModel(lon_0=POSITION.ra, lat_0=POSITION.dec, sigma=extension, frame="icrs")
    spectrum = PowerLawSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1", index=2.5)
    return SkyModel(spatial_model=spatial if with_position else None, spectral_model=spectrum, name=name)


def models_for(dataset):
    """Models that Gammapy takes for a dataset of this kind."""
    if dataset.geom.is_region:
        return [source(with_position=False), source("other", with_position=False)]
    norm = gammapy.modeling.models.PowerLawNormSpectralModel(norm=1.1, tilt=0.2)
    return [source(), source("halo", "0.2 deg"), GammapyFoVBackgroundModel(dataset_name="run", spectral_model=norm)]


def in_gammapy(dataset, models):
    theirs = dataset.copy(name=dataset.name).to_gammapy()
    theirs.models = models
    return theirs


def both(dataset):
    """The dataset and one of Gammapy, with equal models."""
    dataset.models = models_for(dataset)
    return dataset, in_gammapy(dataset, models_for(dataset))


def test_predictions_are_those_of_gammapys_dataset(dataset):
    ours, theirs = both(dataset)
    names = theirs.models.names[:2]
    for one, two in (
        (ours.npred(), theirs.npred()),
        (ours.npred_signal(), theirs.npred_signal()),
        (ours.npred_signal(model_names=names[0]), theirs.npred_signal(model_names=names[0])),
        (ours.npred_signal(names, stack=False), theirs.npred_signal(names, stack=False)),
        (ours.npred_background(), theirs.npred_background()),
    ):
        assert isinstance(one, Map)
        np.testing.assert_allclose(one.data, two.data, rtol=1e-12)
    assert ours.npred_signal(names, stack=False).geom.axes["models"].as_plot_labels == names
    assert list(ours.evaluators) == list(theirs.evaluators)


def test_statistics_are_those_of_gammapys_dataset(dataset):
    ours, theirs = both(dataset)
    assert ours.stat_sum() == pytest.approx(theirs.stat_sum(), rel=1e-12)
    np.testing.assert_allclose(ours.stat_array(), theirs.stat_array(), rtol=1e-9, atol=1e-12)


def test_the_summary_is_that_of_gammapys_dataset(dataset):
    ours, theirs = both(dataset)
    one, two = ours.info_dict(), theirs.info_dict()
    for name in one.keys() & two.keys():
        if isinstance(two[name], str):
            assert one[name] == two[name]
        else:
            np.testing.assert_allclose(u.Quantity(one[name]), u.Quantity(two[name]), rtol=1e-9, err_msg=name)
    assert one["npred_signal"] > 0
    lines, expected = ([line.split() for line in str(each).splitlines() if line.strip()] for each in (ours, theirs))
    assert lines == expected


@pytest.mark.parametrize("method", METHODS)
def test_residuals_are_those_of_gammapys_dataset(method, dataset):
    ours, theirs = both(dataset)
    np.testing.assert_allclose(ours.residuals(method).data, theirs.residuals(method).data, rtol=1e-9, atol=1e-9)


def test_simulated_counts_are_those_of_gammapys_dataset(sky_map):
    ours, theirs = both(sky_map)
    for each in (ours, theirs):
        each.fake(random_state=42)
    np.testing.assert_array_equal(ours.counts.data, theirs.counts.data)
    assert type(ours.counts) is WcsNDMap


def test_simulated_counts_of_a_spectrum_are_those_of_gammapys_dataset(reduced_spectrum):
    ours, theirs = both(reduced_spectrum.copy(name="run"))
    background = ours.npred_background()
    ours.fake(npred_background=background, random_state=42)
    theirs.fake(npred_background=background.to_gammapy(), random_state=42)
    np.testing.assert_array_equal(ours.counts.data, theirs.counts.data)
    np.testing.assert_array_equal(ours.counts_off.data, theirs.counts_off.data)


def test_counts_are_simulated_without_a_model_of_a_source(sky_map):
    theirs = in_gammapy(sky_map, None)
    sky_map.fake(random_state=7)
    theirs.fake(random_state=7)
    np.testing.assert_array_equal(sky_map.counts.data, theirs.counts.data)


def test_what_was_set_is_what_is_read(sky_map):
    model = source()
    sky_map.models = model
    assert type(sky_map.models) is GammapyDatasetModels
    assert sky_map.models[0] is model
    background = GammapyFoVBackgroundModel(dataset_name="run")
    sky_map.models = GammapyModels([model, background])
    assert sky_map.background_model is background
    sky_map.models = [model, source("elsewhere"), GammapyFoVBackgroundModel(dataset_name="another run")]
    assert sky_map.models.names == ["crab", "elsewhere"]
    sky_map.models = None
    assert sky_map.models is None
    assert sky_map.npred_signal().data.sum() == 0


def test_a_changed_parameter_changes_the_prediction(sky_map):
    model = source()
    sky_map.models = model
    before = sky_map.npred_signal().data.sum()
    model.spectral_model.amplitude.value *= 2
    assert sky_map.npred_signal().data.sum() == pytest.approx(2 * before, rel=1e-9)


def test_a_list_may_mix_models_of_both_packages(sky_map):
    own = FoVBackgroundModel("run", PowerLawNormSpectralModel(norm=1.3))
    model = source()
    for given in ([model, own], Models([own, model]), Models(own) + model, GammapyModels([model]) + own):
        sky_map.models = given
        assert set(sky_map.models.names) == {"crab", "run-bkg"}
        assert sky_map.npred_background().data.sum() == pytest.approx(1.3 * sky_map.background.data.sum(), rel=1e-12)
        own.parameters["norm"].value = 1.2
        assert sky_map.background_model.spectral_model.norm.value == 1.2
        own.parameters["norm"].value = 1.3


def test_lists_of_models_of_gammapy_are_gammapys():
    assert type(Models([source()])) is GammapyModels
    assert type(DatasetModels([source()])) is GammapyDatasetModels
    assert type(Models(FoVBackgroundModel("run"))) is Models
    models = Models(FoVBackgroundModel("run"))
    with pytest.raises(TypeError, match=r"Models\(\[\*models, model\]\)"):
        models.append(source())


def test_models_of_gammapy_are_read_from_a_file_and_written(tmp_path, sky_map):
    sky_map.models = models_for(sky_map)
    datasets = Datasets([sky_map])
    datasets.models = sky_map.models
    datasets.models.covariance = np.diag(np.arange(1.0, 1.0 + len(datasets.parameters)))
    datasets.write(tmp_path / "all.yaml", filename_models=tmp_path / "models.yaml")
    found = Datasets.read(tmp_path / "all.yaml", filename_models=tmp_path / "models.yaml")
    assert type(Models.read(tmp_path / "models.yaml")) is GammapyModels
    assert found.models.names == sky_map.models.names
    np.testing.assert_allclose(found.models.parameters.value, sky_map.models.parameters.value)
    np.testing.assert_allclose(found[0].npred().data, sky_map.npred().data, rtol=1e-9)


def test_a_norm_of_lightpool_is_the_spectrum_of_a_model_of_gammapy(sky_map):
    norm = PowerLawNormSpectralModel(norm=gammapy.modeling.Parameter("norm", 1.5))
    spectrum = source().spectral_model * norm
    model = SkyModel(spectral_model=spectrum, spatial_model=source().spatial_model, name="scaled")
    sky_map.models = [model]
    scaled = sky_map.npred_signal().data.sum()
    sky_map.models = source()
    assert scaled == pytest.approx(1.5 * sky_map.npred_signal().data.sum(), rel=1e-9)
    norm.parameters["norm"].value = 3.0
    sky_map.models = [model]
    assert sky_map.npred_signal().data.sum() == pytest.approx(2 * scaled, rel=1e-9)


def test_a_parameter_that_gammapy_fits_has_what_gammapys_parameters_have(sky_map):
    background = FoVBackgroundModel("run")
    norm = background.parameters["norm"]
    with pytest.raises(AttributeError, match="scan_min"):
        norm.scan_min = 0.1
    sky_map.models = [source(), background]
    norm.scan_min = 0.1
    assert sky_map.models["run-bkg"].parameters["norm"].scan_min == 0.1 == norm.scan_min
    with pytest.raises(AttributeError, match="nonsense"):
        norm.nonsense = 1


def test_derived_datasets_have_no_models_as_in_gammapy(sky_map):
    ours, theirs = both(sky_map)
    for one, two in (
        (ours.copy(), theirs.copy()),
        (ours.cutout(POSITION, "1 deg"), theirs.cutout(POSITION, 1 * u.deg)),
        (ours.slice_by_idx({"energy": slice(0, 2)}), theirs.slice_by_idx({"energy": slice(0, 2)})),
        (ours.to_masked(), theirs.to_masked()),
        (ours.to_image(), theirs.to_image()),
    ):
        assert one.models is None
        assert two.models is None


def test_the_background_of_a_stack_has_the_model_of_gammapy_applied(sky_map):
    ours, theirs = both(sky_map)
    np.testing.assert_allclose(ours.to_masked().background.data, theirs.to_masked().background.data, rtol=1e-6)
    total = ours.copy(name="total")
    total.models = [source(), GammapyFoVBackgroundModel(dataset_name="total")]
    total.background_model.spectral_model.norm.value = 2.0
    expected = total.npred_background().data + np.where(ours.mask_safe.data, ours.npred_background().data, 0.0)
    total.stack(ours)
    np.testing.assert_allclose(total.background.data, expected, rtol=1e-12)
    assert total.models.names == ["crab"]


def test_copies_of_a_list_share_models_as_their_originals_do(sky_map):
    other = sky_map.copy(name="other")
    datasets = Datasets([sky_map, other])
    model = source()
    datasets.models = [model, GammapyFoVBackgroundModel(dataset_name="run")]
    copies = datasets.copy()
    assert copies[0].models["crab"] is copies[1].models["crab"]
    assert copies[0].models["crab"] is not model
    assert [dataset.models.names for dataset in copies] == [["crab", "run-bkg"], ["crab"]]


def test_a_dataset_in_another_precision_keeps_its_models(sky_map):
    model = source()
    sky_map.models = model
    single = sky_map.to(precision="single")
    assert single.models[0] is model
    np.testing.assert_allclose(single.npred_signal().data, sky_map.npred_signal().data, rtol=1e-5, atol=1e-5)


def test_a_dataset_with_models_of_gammapy_can_be_sent_to_another_process(sky_map):
    sky_map.models = source()
    expected = sky_map.npred()
    found = pickle.loads(pickle.dumps(sky_map))
    assert found.models.names == ["crab"]
    np.testing.assert_array_equal(found.npred().data, expected.data)


@pytest.mark.parametrize("method", ["scale", "fit"])
def test_a_background_is_normalised_beside_the_model_of_a_source(method, sky_map):
    model = source()
    sky_map.models = model
    theirs = in_gammapy(sky_map, source())
    result = FoVBackgroundMaker(method).run(sky_map)
    expected = gammapy.makers.FoVBackgroundMaker(method).run(theirs)
    assert result is sky_map
    assert result.models[0] is model
    norm, reference = (each.models["run-bkg"].spectral_model.norm for each in (result, expected))
    assert norm.value == pytest.approx(reference.value, rel=1e-9)
    assert norm.error == pytest.approx(reference.error, rel=1e-9)
    assert norm.value < FoVBackgroundMaker(method).run(sky_map.copy(name="bare")).background_model.parameters[
        "norm"
    ].value * (1 - 0.01)


def test_a_background_that_cannot_be_normalised_is_masked(sky_map):
    sky_map.models = source()
    FoVBackgroundMaker("scale", min_counts=1e9).run(sky_map)
    assert not sky_map.mask_safe.data.any()


def test_models_are_given_to_a_dataset_when_it_is_made(sky_map):
    model = source()
    made = MapDataset(models=[model], counts=sky_map.counts, exposure=sky_map.exposure, name="made")
    assert made.models[0] is model
    assert made.npred_signal().data.sum() > 0


def test_plots_with_predictions_are_gammapys(sky_map, reduced_spectrum):
    pytest.importorskip("matplotlib")
    sky_map.models = source()
    assert len(sky_map.plot_residuals()) == 2
    assert sky_map.plot_residuals_spectral() is not None
    spectrum = reduced_spectrum.copy(name="run")
    spectrum.models = source(with_position=False)
    assert len(spectrum.plot_fit()) == 2


def test_a_dataset_on_a_device_predicts_there(sky_map):
    sky_map.models = models_for(sky_map)
    moved = sky_map.to("strict")
    predicted = moved.npred()
    assert predicted.device == moved.device
    np.testing.assert_allclose(predicted.to("cpu").data, sky_map.npred().data, rtol=1e-9)
    assert moved.stat_sum() == pytest.approx(sky_map.stat_sum(), rel=1e-9)
    assert moved.info_dict()["npred"] == pytest.approx(sky_map.info_dict()["npred"], rel=1e-9)
