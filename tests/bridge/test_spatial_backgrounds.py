"""Backgrounds with a spatial model, and fits by Gammapy, in the makers of lightpool."""

import gammapy.makers
import numpy as np
import pytest
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel as GammapyFoVBackgroundModel
from gammapy.modeling.models import GaussianSpatialModel
from numpy.testing import assert_allclose

from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.makers import FoVBackgroundMaker, MapDatasetMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import PointSource

POSITION = PointSource().position


def has_spatial_models():
    import inspect

    return "spatial_model" in inspect.signature(gammapy.makers.FoVBackgroundMaker).parameters


@pytest.fixture
def reduced(crab_store):
    observation = DataStore.from_dir(crab_store).get_observations()[0]
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    geom = WcsGeom.create(skydir=POSITION, width=3.0, binsz=0.2, axes=[energy])
    return lambda: MapDatasetMaker().run(MapDataset.create(geom, name="run"), observation)


@pytest.fixture
def exclusion(reduced):
    return reduced().geom.region_mask(f"icrs;circle({POSITION.ra.deg}, {POSITION.dec.deg}, 0.3)", inside=False)


def wide():
    return GaussianSpatialModel(lon_0=POSITION.ra, lat_0=POSITION.dec, sigma="2 deg", frame="icrs")


@pytest.mark.skipif(not has_spatial_models(), reason="this version of Gammapy has no spatial models of backgrounds")
@pytest.mark.parametrize("method", ["scale", "fit"])
def test_a_background_with_a_spatial_model_is_that_of_gammapy(reduced, exclusion, method):
    model = wide()
    for name in ("lon_0", "lat_0", "sigma"):
        getattr(model, name).frozen = True
    mine = FoVBackgroundMaker(method, exclusion, spatial_model=model).run(reduced())
    theirs = gammapy.makers.FoVBackgroundMaker(method, exclusion.to_gammapy(), spatial_model=model).run(
        reduced().to_gammapy()
    )
    assert isinstance(mine.background_model, GammapyFoVBackgroundModel)
    norm, expected = (each.background_model.spectral_model.norm for each in (mine, theirs))
    assert_allclose(norm.value, expected.value, rtol=1e-4)
    assert_allclose(norm.error, expected.error, rtol=1e-3)
    assert_allclose(mine.npred_background().data, theirs.npred_background().data, rtol=1e-4)
    assert np.ptp(mine.npred_background().data / mine.background.data) > 0


def test_a_tag_stands_for_a_spatial_model():
    assert isinstance(FoVBackgroundMaker(spatial_model="gauss").default_spatial_model, GaussianSpatialModel)
    with pytest.raises(TypeError, match="must be a spatial model of Gammapy or its tag, got int"):
        FoVBackgroundMaker(spatial_model=3)


def test_a_fit_of_gammapy_does_the_fit(reduced, exclusion):
    class Counted(Fit):
        n_run = 0

        def run(self, datasets):
            Counted.n_run += 1
            return super().run(datasets)

    with_it = FoVBackgroundMaker("fit", exclusion, fit=Counted()).run(reduced())
    without = FoVBackgroundMaker("fit", exclusion).run(reduced())
    assert Counted.n_run == 1
    norms = [each.background_model.spectral_model.norm for each in (with_it, without)]
    assert_allclose(norms[0].value, norms[1].value, rtol=1e-3)
    assert_allclose(norms[0].error, norms[1].error, rtol=1e-2)
    with pytest.raises(TypeError, match="fit must be a Fit of Gammapy"):
        FoVBackgroundMaker("fit", fit="minuit")


@pytest.mark.parametrize("method", ["make_background_scale", "make_background_fit"])
def test_the_steps_of_the_maker_can_be_called_by_themselves(reduced, exclusion, method):
    """On the mask of the dataset, with the model that it has, as in Gammapy."""
    made = []
    for maker, dataset in (
        (FoVBackgroundMaker("fit"), reduced()),
        (gammapy.makers.FoVBackgroundMaker("fit"), reduced().to_gammapy()),
    ):
        dataset.mask_fit = exclusion if isinstance(dataset, MapDataset) else exclusion.to_gammapy()
        assert maker.make_default_fov_background_model(dataset) is dataset
        made.append(getattr(maker, method)(dataset).background_model.spectral_model.norm)
    assert_allclose(made[0].value, made[1].value, rtol=1e-4)
    assert_allclose(made[0].error, made[1].error, rtol=1e-2)
