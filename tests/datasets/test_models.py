import copy

import astropy.units as u
import numpy as np
import pytest
import yaml

from lightpool.datasets import (
    DatasetModels,
    FoVBackgroundModel,
    Models,
    Parameter,
    PiecewiseNormSpectralModel,
    PowerLawNormSpectralModel,
)
from lightpool.datasets.models.spectral_norms import find_norm_model
from lightpool.errors import FormatError, MissingDataError

GAMMAPY_YAML = """components:
-   type: FoVBackgroundModel
    datasets_names:
    - stacked
    spectral:
        type: PowerLawNormSpectralModel
        parameters:
        -   name: tilt
            value: 0.1
            frozen: false
        -   name: norm
            value: 1.2
            error: 0.1
        -   name: reference
            value: 1.0
            unit: TeV
-   type: FoVBackgroundModel
    datasets_names:
    - b
    spectral:
        type: PiecewiseNormSpectralModel
        parameters:
        -   name: norm_0
            value: 1.0
        -   name: norm_1
            value: 1.1
        -   name: norm_2
            value: 0.9
        energy:
            data:
            - 1.0
            - 3.0
            - 10.0
            unit: TeV
        interp: log
metadata:
    creator: Gammapy 2.1
    date: '2026-11-22T11:21:08.446123'
    origin: null
"""


def tilted_model(name="stacked"):
    model = FoVBackgroundModel(dataset_name=name)
    model.spectral_model.norm.value, model.spectral_model.norm.error = 1.2, 0.1
    model.spectral_model.tilt.value, model.spectral_model.tilt.frozen = 0.1, False
    return model


def test_a_power_law_norm_is_the_norm_at_the_reference_energy():
    model = PowerLawNormSpectralModel(norm=2, tilt=0.5, reference="3 TeV")
    np.testing.assert_allclose(model([3, 12] * u.TeV).value, [2.0, 1.0])
    assert model.tilt.frozen
    assert not model.norm.frozen
    assert model([3000] * u.GeV).unit == ""


def test_a_piecewise_norm_is_a_line_between_energies_in_logarithms():
    model = PiecewiseNormSpectralModel(energy=[1, 10, 100] * u.TeV, norms=[1, 4, 2])
    energy = [0.1, 1, np.sqrt(10), 10, 100, 1000] * u.TeV
    np.testing.assert_allclose(model(energy).value, [1, 1, 2, 4, 2, 2])
    linear = PiecewiseNormSpectralModel(energy=[1, 3] * u.TeV, norms=[1, 2], interp="lin")
    np.testing.assert_allclose(linear([2000] * u.GeV).value, [1.5])
    zero = PiecewiseNormSpectralModel(energy=[1, 10] * u.TeV, norms=[0, 0])
    np.testing.assert_array_equal(zero([5] * u.TeV).value, [0.0])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"energy": [1, 2] * u.TeV, "norms": [1]}, "1 norms for 2 energies"),
        ({"energy": [1] * u.TeV}, "at least 2"),
        ({"energy": [1, 2] * u.TeV, "interp": "sqrt"}, "'sqrt'"),
    ],
)
def test_a_piecewise_norm_refuses_what_is_no_curve(kwargs, message):
    with pytest.raises(ValueError, match=message):
        PiecewiseNormSpectralModel(**kwargs)


def test_a_parameter_converts_its_bounds_and_refuses_other_units():
    parameter = Parameter("reference", "1 TeV", min="100 GeV", max=None)
    assert parameter.min == pytest.approx(0.1)
    assert np.isnan(parameter.max)
    with pytest.raises(u.UnitConversionError, match="reference"):
        parameter.quantity = 3 * u.m
    with pytest.raises(TypeError, match="frozen"):
        parameter.frozen = "yes"


def test_parameters_are_found_by_name_number_and_themselves():
    parameters = PowerLawNormSpectralModel().parameters
    assert parameters.names == ["tilt", "norm", "reference"]
    assert parameters["norm"] is parameters[1]
    assert parameters.index(parameters["norm"]) == 1
    assert parameters.free_parameters.names == ["norm"]
    with pytest.raises(IndexError, match="no parameter 'index'"):
        parameters["index"]


def test_a_background_model_prints_as_in_gammapy():
    expected = """FoVBackgroundModel

  Name                      : stacked-bkg
  Datasets names            : ['stacked']
  Spectral model type       : PowerLawNormSpectralModel
  Parameters:
    tilt                          :      0.100   +/-    0.00
    norm                          :      1.200   +/-    0.10
    reference             (frozen):      1.000       TeV"""
    assert [line.rstrip() for line in str(tilted_model()).rstrip().splitlines()] == expected.splitlines()
    assert str(Models([tilted_model()])).startswith("Models\n\nComponent 0: FoVBackgroundModel\n\n")


def test_a_background_needs_a_model_without_unit():
    with pytest.raises(ValueError, match="norm model"):
        FoVBackgroundModel("a", spectral_model=object())
    with pytest.raises(FormatError, match="'pl'"):
        find_norm_model("pl")


def test_names_and_datasets_of_models_are_unique():
    with pytest.raises(ValueError, match="unique"):
        Models([FoVBackgroundModel("a"), FoVBackgroundModel("a")])
    with pytest.raises(ValueError, match="only one FoVBackgroundModel per dataset"):
        Models([FoVBackgroundModel("a"), FoVBackgroundModel("a", name="other")])
    models = Models([FoVBackgroundModel("a")])
    with pytest.raises(ValueError, match="unique"):
        models.append(FoVBackgroundModel("a"))
    with pytest.raises(TypeError, match="FoVBackgroundModel"):
        models.append("a")
    assert models.names == ["a-bkg"]


def test_models_are_found_selected_joined_and_removed():
    models = Models([FoVBackgroundModel("a"), tilted_model("b")])
    assert models["b-bkg"] is models[1]
    assert models.select(datasets_names="b").names == ["b-bkg"]
    assert models.select(tag="fov-bkg").names == ["a-bkg", "b-bkg"]
    assert models.select(tag="piecewise-norm", model_type="spectral").names == []
    assert models.select(name_substring="a-").names == ["a-bkg"]
    assert (models + FoVBackgroundModel("c")).names == ["a-bkg", "b-bkg", "c-bkg"]
    assert models.background_models == {"a": "a-bkg", "b": "b-bkg"}
    models.remove(models["a-bkg"])
    assert models.names == ["b-bkg"]
    with pytest.raises(ValueError, match="no model 'a-bkg'"):
        models["a-bkg"]


def test_a_copy_of_models_shares_nothing():
    models = Models([tilted_model()])
    copied = models.copy()
    copied[0].spectral_model.norm.value = 7
    assert models[0].spectral_model.norm.value == 1.2
    assert copied.parameters.error.tolist() == models.parameters.error.tolist()


def test_a_copy_of_a_parameter_shares_what_cannot_change_only():
    parameter = Parameter("norm", "2 TeV", error=0.1, min=0, frozen=True, interp="log")
    parameter.fit_settings = {"scan": [1, 2]}
    copied = parameter.copy()
    assert vars(copied).keys() == vars(parameter).keys()
    assert copied.to_dict() | {"max": 0} == parameter.to_dict() | {"max": 0}
    copied.fit_settings["scan"].append(3)
    copied.unit = "GeV"
    assert parameter.fit_settings == {"scan": [1, 2]}
    assert parameter.unit == u.TeV


def test_a_parameter_of_two_models_stays_that_of_both_in_a_copy():
    norm = Parameter("norm", 1.0)
    one, two = copy.deepcopy([PowerLawNormSpectralModel(norm=norm), PowerLawNormSpectralModel(norm=norm)])
    assert one.norm is two.norm is not norm


@pytest.mark.parametrize("unit", ["TeV", "GeV", "erg"])
def test_a_power_law_does_not_depend_on_the_unit_of_its_energies(unit):
    model = PowerLawNormSpectralModel(norm=2, tilt=0.5, reference="2 TeV")
    energy = ([1.0, 8.0] * u.TeV).to(unit)
    assert np.allclose(model(energy).value, 2 * np.array([0.5, 4.0]) ** -0.5, rtol=1e-12)
    with pytest.raises(u.UnitConversionError):
        model([1.0] * u.m)


def test_a_model_can_be_given_to_another_dataset():
    model = Models([tilted_model()]).reassign("stacked", "new")[0]
    assert model.datasets_names == ["new"]
    assert model.spectral_model.norm.value == 1.2


def test_freezing_goes_through_to_the_parameters():
    models = Models([tilted_model()])
    models.freeze()
    assert models.frozen
    models.unfreeze()
    assert models.parameters.free_parameters.names == ["norm"]


def test_the_diagonal_of_a_covariance_follows_the_errors():
    model = tilted_model()
    model.covariance = [[0.04, 0.01, 0], [0.01, 0.09, 0], [0, 0, 0]]
    assert model.spectral_model.norm.error == pytest.approx(0.3)
    model.spectral_model.norm.error = 0.5
    np.testing.assert_allclose(model.covariance, [[0.04, 0.01, 0], [0.01, 0.25, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match="shape"):
        model.covariance = [[1.0]]


def test_yaml_of_gammapy_is_read_and_written_alike():
    models = Models.from_yaml(GAMMAPY_YAML)
    assert models.names == ["stacked-bkg", "b-bkg"]
    assert models[0].spectral_model.norm.error == 0.1
    assert not models[0].spectral_model.tilt.frozen
    assert models[0].spectral_model.reference.frozen
    assert models[0].spectral_model.norm.interp == "log"
    expected, found = yaml.safe_load(GAMMAPY_YAML), yaml.safe_load(models.to_yaml())
    assert found["components"] == expected["components"]
    assert found["metadata"]["creator"].startswith("lightpool")


def test_full_yaml_names_every_field():
    row = tilted_model().to_dict(full_output=True)["spectral"]["parameters"][1]
    assert row["name"] == "norm"
    assert {"error", "min", "max", "frozen", "unit"} < set(row)


def test_models_and_their_covariance_come_back_from_a_file(tmp_path):
    models = Models([tilted_model()])
    models.covariance = [[0.04, 0.01, 0], [0.01, 0.09, 0], [0, 0, 0]]
    path = tmp_path / "sub" / "models.yaml"
    models.write(path, checksum=True)
    assert (tmp_path / "sub" / "models_covariance.dat").is_file()
    back = Models.read(path, checksum=True)
    np.testing.assert_allclose(back.covariance, models.covariance, rtol=1e-12)
    assert str(back) == str(models)
    with pytest.raises(FileExistsError, match="overwrite"):
        models.write(path)


def test_a_file_changed_by_hand_gives_a_warning(tmp_path):
    path = tmp_path / "models.yaml"
    Models([tilted_model()]).write(path, checksum=True, write_covariance=False)
    path.write_text(path.read_text().replace("value: 1.2", "value: 1.3"))
    with pytest.warns(UserWarning, match="Checksum"):
        Models.read(path, checksum=True)


def test_bad_model_files_are_told_by_name(tmp_path):
    with pytest.raises(MissingDataError, match=r"nowhere\.yaml"):
        Models.read(tmp_path / "nowhere.yaml")
    with pytest.raises(FormatError, match="SkyModel"):
        Models.from_yaml("components:\n-   type: SkyModel\n    name: crab\n")
    with pytest.raises(FormatError, match="spatial"):
        Models.from_yaml(GAMMAPY_YAML.replace("    spectral:\n", "    spatial: {type: x}\n    spectral:\n", 1))
    with pytest.raises(FormatError, match="one dataset"):
        DatasetModels.from_yaml("components:\n-   type: FoVBackgroundModel\n    datasets_names: [a, b]\n")
    with pytest.raises(FormatError, match="no YAML"):
        Models.from_yaml("components: [")


def test_the_table_of_parameters_names_their_models():
    table = Models([tilted_model("a"), FoVBackgroundModel("b")]).to_parameters_table()
    assert list(table["model"]) == ["a-bkg"] * 3 + ["b-bkg"] * 3
    assert list(table["name"]) == ["tilt", "norm", "reference"] * 2
