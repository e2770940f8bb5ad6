"""Background models and their parameters, to Gammapy and back."""

from inspect import signature

import astropy.units as u
import numpy as np
import pytest
from deep_comparison import covariance_of, differences
from gammapy.modeling import Parameter as GammapyParameter
from gammapy.modeling import Parameters as GammapyParameters
from gammapy.modeling import models as gammapy_models

from lightpool.arrays import DeferredNumbers
from lightpool.datasets.models.background_model import FoVBackgroundModel
from lightpool.datasets.models.model_lists import DatasetModels, Models
from lightpool.datasets.models.parameters import Parameter, Parameters
from lightpool.datasets.models.spectral_norms import PiecewiseNormSpectralModel, PowerLawNormSpectralModel
from lightpool.gammapy import from_gammapy, to_gammapy

ENERGY = [0.5, 1.0, 3.0, 8.0] * u.TeV
HAS_NAMES = "name" in signature(gammapy_models.FoVBackgroundModel.__init__).parameters  # from Gammapy 2.0 on
NAMED = {"name": "a name"} if HAS_NAMES else {}
COVARIANCE = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.0], [0.0, 0.0, 0.0]])


def fitted_power_law(**kwargs):
    """A model in Gammapy with all that a parameter can have."""
    model = gammapy_models.PowerLawNormSpectralModel(tilt=0.1, norm=1.2, reference="2 TeV")
    model.norm.min, model.norm.max = 0.1, 10
    model.norm.scan_min, model.norm.scan_n_values, model.norm.scan_n_sigma = 0.5, 7, 3
    model.norm.scan_values = np.array([0.5, 1.0, 2.0])
    model.tilt.frozen = False
    model.norm.prior = gammapy_models.GaussianPrior(mu=1.0, sigma=0.1)
    model.norm.scale_method = "factor1"
    model.norm.autoscale()
    model.tilt.value = 0.123
    model.tilt.autoscale()
    model.tilt.factor = 0.7 / 3
    found = gammapy_models.FoVBackgroundModel("stacked", spectral_model=model, **kwargs)
    found.covariance = COVARIANCE
    return found


def fitted_piecewise(name="other"):
    norms = [GammapyParameter(f"norm_{i}", 0.5 + i / 3, error=0.1 * i, frozen=i == 2) for i in range(4)]
    model = gammapy_models.PiecewiseNormSpectralModel(ENERGY, norms=norms, interp="lin")
    model.norm_1.value = 7.0
    return gammapy_models.FoVBackgroundModel(name, spectral_model=model, **NAMED)


def test_a_parameter_has_the_same_fields_in_both_packages():
    parameter = Parameter("tilt", 0.3, "TeV", error=0.1, min=-1, max=2, frozen=True, interp="log")
    there = parameter.to_gammapy()
    assert isinstance(there, GammapyParameter)
    expected = {"name": "tilt", "value": 0.3, "unit": "TeV", "error": 0.1, "min": -1, "max": 2, "frozen": True}
    assert {name: value for name, value in there.to_dict().items() if name in expected} == expected
    assert there.interp == "log"
    back = Parameter.from_gammapy(there)
    assert back.to_dict() == parameter.to_dict()
    assert np.isnan(Parameter("a", 1).to_gammapy().min)


def test_what_only_a_fit_needs_comes_back():
    for parameter in fitted_power_law().parameters:
        back = to_gammapy(from_gammapy(parameter))
        assert differences(parameter, back, parameter.name) == []
        assert (back.factor, back.scale, back.value) == (parameter.factor, parameter.scale, parameter.value)


def test_the_bounds_behind_a_prior_come_back():
    parameter = GammapyParameter("norm", 1.0, min=0.2, max=5.0, prior=gammapy_models.UniformPrior(min=0.5, max=2))
    back = to_gammapy(from_gammapy(parameter))
    assert differences(parameter, back) == []
    for each in (parameter, back):
        each.prior = None
    assert back.min == parameter.min
    assert back.max == parameter.max


def test_a_value_that_was_changed_replaces_the_factor_of_an_earlier_fit():
    parameter = from_gammapy(fitted_power_law().spectral_model.tilt)
    parameter.value = 0.5
    back = to_gammapy(parameter)
    assert back.value == 0.5
    assert back.factor == 0.5 / back.scale


def test_lists_of_parameters_keep_their_links():
    shared = GammapyParameter("norm", 1.0)
    here = Parameters.from_gammapy(GammapyParameters([shared, GammapyParameter("tilt", 0.0), shared]))
    assert here[0] is here[2]
    there = here.to_gammapy()
    assert there[0] is there[2]
    assert there.names == ["norm", "tilt", "norm"]


@pytest.mark.parametrize("model", [fitted_power_law, fitted_piecewise])
def test_a_model_of_gammapy_comes_back_as_it_was(model):
    model = model()
    before, evaluated = str(model), model.evaluate(ENERGY)
    here = FoVBackgroundModel.from_gammapy(model)
    assert np.array_equal(here.evaluate(ENERGY), evaluated)
    assert np.array_equal(here.covariance, covariance_of(model, here))
    back = here.to_gammapy()
    assert differences(model, back, "model") == []
    assert str(model) == before
    assert str(back) == before
    copied = here.copy(name=here.name).to_gammapy()
    assert np.array_equal(copied.parameters.value, model.parameters.value)
    assert copied.parameters["norm" if "norm" in copied.parameters.names else "norm_0"].scan_n_sigma == (
        model.parameters["norm" if "norm" in copied.parameters.names else "norm_0"].scan_n_sigma
    )


@pytest.mark.parametrize(
    "spectral",
    [
        PowerLawNormSpectralModel(tilt=0.2, norm=Parameter("norm", 1.1, error=0.3, min=0.0), reference="3 TeV"),
        PiecewiseNormSpectralModel(ENERGY, norms=[0.5, 1.0, 2.0, 0.0]),
        PiecewiseNormSpectralModel(ENERGY, norms=[0.5, 1.0, 2.0, 0.0], interp="lin"),
    ],
)
def test_a_model_comes_back_as_it_was(spectral):
    model = FoVBackgroundModel("run", spectral_model=spectral, **NAMED)
    model.covariance = np.diag(np.arange(len(model.parameters))) + 0.1
    back = FoVBackgroundModel.from_gammapy(model.to_gammapy())
    assert np.array_equal(model.to_gammapy().evaluate(ENERGY), model.evaluate(ENERGY))
    assert back.to_dict(full_output=True) == model.to_dict(full_output=True)
    assert np.array_equal(back.covariance, model.covariance)
    assert (back.name, back.datasets_names) == (model.name, ["run"])
    kind = type(spectral)
    assert kind.from_gammapy(spectral.to_gammapy()).to_dict(full_output=True) == spectral.to_dict(full_output=True)


def test_a_piecewise_norm_frozen_at_a_node_is_frozen_in_a_file_of_gammapy():
    model = PiecewiseNormSpectralModel(ENERGY)
    model.parameters["norm_1"].frozen = True
    assert model.to_gammapy().to_dict()["spectral"]["parameters"][1]["frozen"]


def test_models_share_parameters_and_covariance_in_both_packages():
    models = gammapy_models.Models([fitted_power_law(), fitted_piecewise()])
    models[1].spectral_model.norm_3 = models[0].spectral_model.norm  # linked, under another name
    with pytest.raises(TypeError):
        from_gammapy("models")
    del models[1]
    second = gammapy_models.FoVBackgroundModel("second")
    second.spectral_model.tilt = models[0].spectral_model.tilt
    models.append(second)
    here = Models.from_gammapy(models)
    assert here[0].spectral_model.tilt is here[1].spectral_model.tilt
    there = here.to_gammapy()
    assert there[0].spectral_model.tilt is there[1].spectral_model.tilt
    assert differences(models, there, "models") == []


def test_a_covariance_between_models_comes_back():
    models = gammapy_models.Models([fitted_power_law(), fitted_piecewise()])
    n = len(models.parameters)
    root = np.random.default_rng(0).normal(size=(n, n))
    models.covariance = root @ root.T
    here = from_gammapy(models)
    assert np.array_equal(here.covariance, covariance_of(models, here))
    assert np.array_equal(here.copy().covariance, covariance_of(models, here))
    assert np.array_equal(DatasetModels(here).covariance, covariance_of(models, here))
    back = here.to_gammapy()
    assert differences(models, back, "models") == []
    assert np.array_equal(back.covariance.data, models.covariance.data)
    del here[1]
    assert np.array_equal(here.covariance, covariance_of(models[0], here[0]))


def test_kinds_of_lists_of_models_are_kept():
    assert type(DatasetModels([FoVBackgroundModel("a")]).to_gammapy()) is gammapy_models.DatasetModels
    assert type(Models().to_gammapy()) is gammapy_models.Models
    assert type(from_gammapy(gammapy_models.DatasetModels())) is DatasetModels
    assert type(from_gammapy(gammapy_models.Models())) is Models


def test_a_norm_pending_on_the_device_is_read_when_it_is_converted(backend):
    numbers = DeferredNumbers(backend.array([1.5, 0.25]))
    model = FoVBackgroundModel("run")
    model.spectral_model.norm.value, model.spectral_model.norm.error = numbers[0], numbers[1]
    there = model.to_gammapy()
    assert (there.spectral_model.norm.value, there.spectral_model.norm.error) == (1.5, 0.25)


def test_a_name_that_gammapy_cannot_give_is_an_error():
    model = FoVBackgroundModel("run", name="mine")
    if HAS_NAMES:
        assert model.to_gammapy().name == "mine"
    else:
        with pytest.raises(TypeError, match="'mine'"):
            model.to_gammapy()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (gammapy_models.SkyModel(gammapy_models.PowerLawSpectralModel(), name="crab"), "SkyModel"),
        (
            gammapy_models.FoVBackgroundModel("a", spectral_model=gammapy_models.LogParabolaNormSpectralModel()),
            "LogParabolaNormSpectralModel",
        ),
        (
            gammapy_models.FoVBackgroundModel("a", spatial_model=gammapy_models.ConstantSpatialModel()),
            "ConstantSpatialModel",
        ),
    ],
)
def test_models_that_lightpool_lacks_are_refused_by_name(model, message):
    with pytest.raises(TypeError, match=message):
        from_gammapy(gammapy_models.Models([model]))
