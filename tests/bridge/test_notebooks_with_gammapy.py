"""What notebooks show of datasets with models of Gammapy, and that objects of Gammapy are shown by Gammapy."""

import pytest
from html_check import faults_of, text_of

from lightpool.datasets import FoVBackgroundModel, MapDataset
from lightpool.gammapy.linked_models import linked_model
from lightpool.maps import Map, MapAxis, WcsGeom


@pytest.fixture
def dataset():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    geom = WcsGeom.create(skydir=(83.6, 22), npix=4, binsz=0.1, axes=[axis])
    counts, background = (Map.from_geom(geom, data=value) for value in (3.0, 2.0))
    return MapDataset(counts=counts, background=background, name="crab & co")


def words(obj):
    made = obj._repr_html_()
    assert faults_of(made) == []
    assert "cannot be shown" not in made
    return " ".join(text_of(made).split())


def test_models_of_gammapy_predict_nothing_to_be_shown(dataset):
    from gammapy.modeling.models import FoVBackgroundModel as TheirModel

    class Unused(TheirModel):
        def evaluate(self, *args, **kwargs):
            raise AssertionError("evaluated by showing")

    model = Unused(dataset_name=dataset.name, name="<theirs>")
    model.spectral_model.norm.value = 1.5
    dataset.models = [model]
    text = words(dataset)
    assert "Total counts 96" in text
    assert "Total background counts 64.00" in text
    assert "models of Gammapy: <theirs>" in text
    assert "without the models" in text


def test_a_parameter_that_is_linked_to_one_of_gammapy_shows_its_value(dataset):
    model = FoVBackgroundModel(dataset_name=dataset.name)
    theirs = linked_model(model)
    theirs.spectral_model.norm.value = 1.25
    assert "norm 1.25" in words(model.parameters)


def test_objects_of_gammapy_are_shown_by_gammapy(dataset):
    theirs = dataset.to_gammapy()
    assert type(theirs).__module__.startswith("gammapy.")
    assert "lightpool-repr" not in theirs.counts.geom._repr_html_()
