"""Gammapy's lists, fits and estimators given datasets of lightpool: the numbers are those of Gammapy's own datasets."""

import subprocess
import sys

import astropy.units as u
import gammapy.datasets
import numpy as np
import pytest
from gammapy.datasets import FluxPointsDataset
from gammapy.estimators import (
    ExcessMapEstimator,
    FluxPointsEstimator,
    FluxProfileEstimator,
    LightCurveEstimator,
    ParameterEstimator,
    SensitivityEstimator,
    TSMapEstimator,
)
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel as GammapyFoVBackgroundModel
from gammapy.modeling.models import PointSpatialModel, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

import lightpool.datasets
from lightpool.bridge import gammapy_bridge
from lightpool.data import DataStore
from lightpool.datasets import Datasets, FoVBackgroundModel, MapDataset, SpectrumDataset
from lightpool.makers import (
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.maps import MapAxis, RegionGeom, WcsGeom
from lightpool.simulate import PointSource

POSITION = PointSource().position
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=8, name="energy_true")


@pytest.fixture(scope="module")
def observations(crab_store):
    return DataStore.from_dir(crab_store).get_observations()[:2]


@pytest.fixture(scope="module")
def reduced_maps(observations):
    """Two runs on sky maps."""
    geom = WcsGeom.create(skydir=POSITION, width=2.0, binsz=0.1, axes=[ENERGY])
    safe = SafeMaskMaker(methods=["offset-max"], offset_max="2 deg")
    datasets = []
    for observation in observations:
        empty = MapDataset.create(geom, energy_axis_true=TRUE, name=f"run-{observation.obs_id}")
        datasets.append(safe.run(MapDatasetMaker().run(empty, observation), observation))
    return datasets


@pytest.fixture(scope="module")
def reduced_spectra(observations):
    """Two runs on a region, with OFF counts."""
    geom = RegionGeom.create(CircleSkyRegion(POSITION, 0.15 * u.deg), axes=[ENERGY])
    maker = SpectrumDatasetMaker(containment_correction=True, selection=["counts", "exposure", "edisp"])
    datasets = []
    for observation in observations:
        empty = SpectrumDataset.create(geom, energy_axis_true=TRUE, name=f"run-{observation.obs_id}")
        dataset = SafeMaskMaker(methods=["aeff-default"]).run(maker.run(empty, observation), observation)
        datasets.append(ReflectedRegionsBackgroundMaker().run(dataset, observation))
    return datasets


@pytest.fixture
def maps(reduced_maps):
    return [dataset.copy(name=dataset.name) for dataset in reduced_maps]


@pytest.fixture
def spectra(reduced_spectra):
    return [dataset.copy(name=dataset.name) for dataset in reduced_spectra]


def sky_model():
    spatial = PointSpatialModel(lon_0=POSITION.ra, lat_0=POSITION.dec, frame="icrs")
    spatial.freeze()
    return SkyModel(spatial_model=spatial, spectral_model=spectral_model(), name="crab")


def spectral_model():
    return PowerLawSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1", index=2.5)


def backgrounds(datasets):
    return [GammapyFoVBackgroundModel(dataset_name=dataset.name) for dataset in datasets]


def in_gammapy(datasets, models):
    """Copies that are Gammapy's own from the start, as far as it is concerned."""
    theirs = gammapy.datasets.Datasets([dataset.to_gammapy().copy(name=dataset.name) for dataset in datasets])
    theirs.models = models
    return theirs


def assert_same_fit(models, expected):
    for one, two in zip(models, expected, strict=True):
        for ours, theirs in zip(one.parameters, two.parameters, strict=True):
            assert ours.value == pytest.approx(theirs.value, rel=1e-10)
            assert ours.error == pytest.approx(theirs.error, rel=1e-10)
        np.testing.assert_allclose(one.covariance.data, two.covariance.data, rtol=1e-8)


def assert_same_tables(flux, expected, layout):
    one, two = (each.to_table(sed_type="dnde", format=layout) for each in (flux, expected))
    assert one.colnames == two.colnames
    for name in one.colnames:
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(one[name], two[name], rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("kind", [list, Datasets, gammapy.datasets.Datasets], ids=["list", "ours", "Gammapy's"])
def test_a_fit_of_our_datasets_gives_the_parameters_of_a_fit_of_gammapys(kind, maps):
    source, expected_source = sky_model(), sky_model()
    models, expected = [source, *backgrounds(maps)], [expected_source, *backgrounds(maps)]
    for dataset in maps:
        dataset.models = models
    result = Fit().run(kind(maps))
    reference = Fit().run(in_gammapy(maps, expected))
    assert result.success
    assert result.nfev == reference.nfev
    assert result.total_stat == pytest.approx(reference.total_stat, rel=1e-12)
    assert_same_fit(models, expected)
    assert source.parameters["amplitude"].error > 0  # in the object of the user


def test_a_fit_of_spectra_gives_the_parameters_of_a_fit_of_gammapys(spectra):
    model, expected = (SkyModel(spectral_model=spectral_model(), name="crab") for _ in range(2))
    datasets = Datasets(spectra)
    datasets.models = model
    Fit().run(datasets)
    reference = in_gammapy(spectra, expected)
    Fit().run(reference)
    assert_same_fit([model], [expected])
    assert datasets.stat_sum() == pytest.approx(reference.stat_sum(), rel=1e-12)
    np.testing.assert_allclose(datasets.models.covariance.data, reference.models.covariance.data, rtol=1e-8)
    assert datasets.parameters.names == reference.parameters.names


def test_a_single_dataset_is_fitted_without_a_list(maps):
    model, expected = sky_model(), sky_model()
    maps[0].models = model
    Fit().optimize(maps[0])
    Fit().optimize(in_gammapy(maps[:1], expected))
    assert model.parameters["amplitude"].value == pytest.approx(expected.parameters["amplitude"].value, rel=1e-10)


def test_steps_of_a_fit_take_our_datasets(maps):
    maps[0].models = model = sky_model()
    fit = Fit()
    fit.optimize([maps[0]])
    fit.covariance([maps[0]])
    amplitude = model.parameters["amplitude"]
    assert amplitude.error > 0
    found = fit.confidence([maps[0]], amplitude)
    assert 0.5 < found["errp"] / amplitude.error < 2
    amplitude.scan_n_values = 3
    profile = fit.stat_profile(datasets=[maps[0]], parameter=amplitude)
    assert np.argmin(profile["stat_scan"]) == 1


def test_a_background_model_of_lightpool_holds_the_result_of_the_fit(maps):
    background = FoVBackgroundModel(maps[0].name)
    norm = background.parameters["norm"]
    maps[0].models = [sky_model(), background]
    Fit().run(maps[0])
    reference, expected = sky_model(), backgrounds(maps[:1])[0]
    Fit().run(in_gammapy(maps[:1], [reference, expected]))
    assert norm is background.parameters["norm"]
    assert norm.value == pytest.approx(expected.spectral_model.norm.value, rel=1e-10)
    assert norm.error == pytest.approx(expected.spectral_model.norm.error, rel=1e-10)
    norm.value = 2.0
    assert maps[0].npred_background().data.sum() == pytest.approx(2 * maps[0].background.data.sum(), rel=1e-12)


def test_the_background_model_of_a_maker_is_fitted_in_place(maps):
    maps[0].models = background = FoVBackgroundModel(maps[0].name)
    Fit().run([maps[0]])
    assert type(maps[0].models) is lightpool.datasets.DatasetModels
    counts, npred = (each.data[maps[0].mask_safe.data].sum() for each in (maps[0].counts, maps[0].npred()))
    assert npred == pytest.approx(counts, rel=1e-3)
    assert background.parameters["norm"].error > 0


def test_a_list_of_gammapy_takes_our_datasets(maps):
    datasets = gammapy.datasets.Datasets(maps[:1])
    datasets.append(maps[1])
    assert [type(dataset) for dataset in datasets] == [gammapy.datasets.MapDataset] * 2
    assert datasets.names == [dataset.name for dataset in maps]
    assert np.shares_memory(datasets[0].counts.data, maps[0].counts.data)
    stacked = datasets.stack_reduce()
    assert stacked.counts.data.sum() == sum(dataset.counts.data[dataset.mask_safe.data].sum() for dataset in maps)


def test_models_set_in_a_list_of_gammapy_are_those_of_the_dataset(maps):
    maps[0].models = sky_model()
    other = SkyModel(spectral_model=spectral_model(), spatial_model=sky_model().spatial_model, name="other")
    gammapy.datasets.Datasets(maps[:1]).models = other
    assert maps[0].models.names == ["other"]


def test_flux_points_are_those_of_gammapys_datasets(spectra):
    estimator = FluxPointsEstimator(energy_edges=[1, 3, 10] * u.TeV, source="crab", selection_optional=["ul"])
    model = SkyModel(spectral_model=spectral_model(), name="crab")
    reference = estimator.run(in_gammapy(spectra, model.copy(name="crab")))
    for dataset in spectra:
        dataset.models = model
    for given in (spectra, Datasets(spectra)):
        assert_same_tables(estimator.run(given), reference, "gadf-sed")


def test_a_light_curve_is_that_of_gammapys_datasets(spectra):
    estimator = LightCurveEstimator(energy_edges=[1, 10] * u.TeV, source="crab", selection_optional=["ul"])
    model = SkyModel(spectral_model=spectral_model(), name="crab")
    datasets = Datasets(spectra)
    datasets.models = model
    found = estimator.run(datasets)
    assert_same_tables(found, estimator.run(in_gammapy(spectra, model.copy(name="crab"))), "lightcurve")
    assert found.geom.axes["time"].nbin == 2


@pytest.mark.filterwarnings('ignore:"model" was deprecated')  # its new name is not in Gammapy 2.0
def test_a_map_of_test_statistics_is_that_of_gammapys_dataset(maps):
    dataset = maps[0]
    model = sky_model()
    estimator = TSMapEstimator(model, kernel_width="0.3 deg", energy_edges=[1, 10] * u.TeV)
    found, expected = estimator.run(dataset), estimator.run(in_gammapy([dataset], None)[0])
    for name in ("ts", "sqrt_ts", "norm", "norm_err"):
        np.testing.assert_allclose(getattr(found, name).data, getattr(expected, name).data, rtol=1e-8, err_msg=name)
    assert np.nanmax(found.sqrt_ts.data) > 10


def test_a_map_of_the_excess_is_that_of_gammapys_dataset(maps):
    estimator = ExcessMapEstimator("0.2 deg", energy_edges=[1, 3, 10] * u.TeV)
    found, expected = estimator.run(maps[0]), estimator.run(in_gammapy(maps[:1], None)[0])
    for name in ("counts", "npred_excess", "sqrt_ts"):
        np.testing.assert_array_equal(getattr(found, name).data, getattr(expected, name).data)


def test_functions_of_gammapy_are_replaced_wherever_they_were_imported_before():
    code = (
        "import gammapy.visualization, lightpool.datasets\n"
        "from gammapy.visualization import plot_distribution\n"
        "from lightpool.maps import Map, MapAxis, WcsGeom\n"
        "axis = MapAxis.from_energy_bounds('1 TeV', '10 TeV', nbin=1)\n"
        "geom = WcsGeom.create(npix=10, axes=[axis])\n"
        "plot_distribution(Map.from_geom(geom, data=1.0))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code]).returncode == 0


def test_a_sensitivity_is_that_of_gammapys_dataset(spectra):
    estimator = SensitivityEstimator(gamma_min=1)
    found, expected = (each["e2dnde"] for each in (estimator.run(spectra[0]), estimator.run(spectra[0].to_gammapy())))
    np.testing.assert_array_equal(found, expected)


def test_a_parameter_is_estimated_from_our_datasets(spectra):
    model, expected = (SkyModel(spectral_model=spectral_model(), name="crab") for _ in range(2))
    spectra[0].models = model
    estimator = ParameterEstimator(selection_optional=["ul"])
    found = estimator.run([spectra[0]], model.parameters["amplitude"])
    reference = estimator.run(in_gammapy(spectra[:1], expected), expected.parameters["amplitude"])
    for name in ("amplitude", "amplitude_err", "amplitude_ul", "ts"):
        assert found[name] == pytest.approx(reference[name], rel=1e-8)


def test_a_profile_is_that_of_gammapys_dataset(maps):
    centers = [POSITION, POSITION.directional_offset_by(0 * u.deg, 0.4 * u.deg)]
    regions = [CircleSkyRegion(center, 0.2 * u.deg) for center in centers]
    estimator = FluxProfileEstimator(regions=regions, energy_edges=[1, 10] * u.TeV, spectral_model=spectral_model())
    found, expected = estimator.run(maps[:1]), estimator.run(in_gammapy(maps[:1], None))
    np.testing.assert_allclose(found.norm.data, expected.norm.data, rtol=1e-8)


def test_our_list_with_flux_points_is_one_of_gammapy_and_is_fitted_jointly(spectra, tmp_path):
    model = SkyModel(spectral_model=spectral_model(), name="crab")
    for dataset in spectra:
        dataset.models = model
    points = FluxPointsEstimator(energy_edges=[1, 3, 10] * u.TeV, source="crab").run(spectra)
    joint = Datasets([spectra[0], FluxPointsDataset(data=points, models=model, name="points")])
    assert type(joint) is gammapy.datasets.Datasets
    assert Fit().run(joint).success
    assert type(spectra[0] + joint[1]) is gammapy.datasets.Datasets
    joint.write(tmp_path / "joint.yaml")
    assert type(Datasets.read(tmp_path / "joint.yaml")[1]) is FluxPointsDataset
    longer = Datasets(spectra)
    longer.append(joint[1])
    longer.models = model
    assert Fit().run(longer).success
    assert longer.stat_sum() == pytest.approx(sum(dataset.stat_sum() for dataset in longer))


def test_maps_of_lightpool_make_models_of_gammapy(maps):
    from gammapy.modeling.models import TemplateNPredModel

    model = TemplateNPredModel(maps[0].background, datasets_names=[maps[0].name])
    maps[0].models = [model]
    expected = 2 * maps[0].background.data
    np.testing.assert_allclose(maps[0].npred().data, expected, rtol=1e-12)


@pytest.mark.parametrize("first", ["lightpool.datasets", "gammapy.modeling", "gammapy.datasets"])
def test_the_order_of_imports_does_not_matter(first):
    code = (
        f"import {first}, lightpool.datasets, sys\n"
        "from gammapy.datasets import Datasets\n"
        "from gammapy.modeling import Fit\n"
        "from lightpool.datasets import MapDataset\n"
        "assert len(Datasets([MapDataset(name='a')])) == 1\n"
        "import inspect, gammapy.modeling.fit\n"
        "assert 'def run' in inspect.getsource(gammapy.modeling.fit)\n"
        "assert type(gammapy.modeling.fit.__loader__).__name__ == 'SourceFileLoader'"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code]).returncode == 0


def test_our_packages_do_not_import_gammapy():
    code = "import lightpool.datasets, lightpool.makers, sys; sys.exit('gammapy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_functions_of_gammapy_are_replaced_once_and_keep_their_signature():
    import inspect

    from lightpool.acceptance import ENTRY_POINTS, install

    before = Fit.run
    install()
    assert Fit.run is before
    assert list(inspect.signature(Fit.run).parameters) == ["self", "datasets"]
    found = [
        getattr(getattr(sys.modules[module], kind, None) if kind else sys.modules[module], name, None)
        for module, kinds in ENTRY_POINTS.items()
        if module in sys.modules
        for kind, names in kinds.items()
        for name in names.split()
    ]
    assert sum(function is not None for function in found) > 30


def test_the_dataset_of_gammapy_is_kept_until_a_map_is_replaced(maps):
    dataset = maps[0]
    dataset.models = sky_model()
    counterpart = gammapy_bridge().counterpart
    first = counterpart(dataset)
    assert counterpart(dataset) is first
    before = dataset.npred_signal().data.sum()
    dataset.counts = dataset.counts.copy()
    assert counterpart(dataset) is first
    assert np.shares_memory(first.counts.data, dataset.counts.data)
    dataset.exposure = dataset.exposure * 2.0
    assert counterpart(dataset) is not first
    assert dataset.npred_signal().data.sum() == pytest.approx(2 * before, rel=1e-9)
