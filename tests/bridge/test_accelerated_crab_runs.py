"""Scripts of Gammapy on four real runs, accelerated, give what Gammapy 2.1 has stored."""

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import MapDataset
from gammapy.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from numpy.testing import assert_allclose
from reference.conftest import assert_agrees_with_figures, assert_agrees_with_file, figures  # noqa: F401 - a fixture
from regions import CircleSkyRegion

from lightpool.gammapy import accelerated, report
from lightpool.gammapy.acceleration.report import RECORDER

pytestmark = pytest.mark.reference

RUNS = [23523, 23592, 23526, 23559]
CENTER = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=11)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "10 TeV", nbin=31, name="energy_true")


@pytest.fixture(autouse=True)
def _accelerated():
    RECORDER.clear()
    with accelerated():
        yield
    assert not any(row.fallbacks for row in report().rows), report()


@pytest.fixture
def hess_of_gammapy(shared):
    return DataStore.from_dir(shared / "data" / "hess-dl3-dr1")


def geom(width, binsz):
    return WcsGeom.create(skydir=CENTER, width=width, binsz=binsz, axes=[ENERGY])


def makers():
    exclusion = geom(5, 0.05).region_mask([CircleSkyRegion(CENTER, 0.2 * u.deg)], inside=False)
    safe = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="3 deg")
    return [MapDatasetMaker(), safe, FoVBackgroundMaker(exclusion_mask=exclusion)]


def test_the_maps_of_a_real_run(hess_of_gammapy, shared, figures):  # noqa: F811 - a fixture
    empty = MapDataset.create(geom(5, 0.05), energy_axis_true=ENERGY_TRUE)
    dataset = MapDatasetMaker().run(empty, hess_of_gammapy.obs(23592))
    assert_agrees_with_file(dataset, shared / "reference" / "map-23592.fits.gz")
    assert_agrees_with_figures(dataset, figures["map-23592"], rtol=1e-9)


def test_energy_dispersion_in_migra_of_a_real_run(hess_of_gammapy, shared, figures):  # noqa: F811 - a fixture
    migra = MapAxis.from_bounds(0.2, 5, nbin=48, name="migra", node_type="edges")
    empty = MapDataset.create(geom(2, 0.1), energy_axis_true=ENERGY_TRUE, migra_axis=migra)
    dataset = MapDatasetMaker().run(empty, hess_of_gammapy.obs(23523))
    assert_agrees_with_file(dataset, shared / "reference" / "map-migra-23523.fits.gz")
    assert_agrees_with_figures(dataset, figures["map-migra-23523"], rtol=1e-9)


def test_the_loop_over_four_runs(hess_of_gammapy, shared, figures):  # noqa: F811 - a fixture
    stacked, chain = MapDataset.create(geom(5, 0.02)), makers()
    for observation in hess_of_gammapy.get_observations(RUNS):
        dataset = stacked.cutout(observation.get_pointing_icrs(observation.tmid), width="6 deg")
        for maker in chain:
            dataset = maker.run(dataset, observation)
        norm = dataset.background_model.spectral_model.norm.value
        assert_allclose(norm, figures["map-stacked-4"]["fov_norm"][str(observation.obs_id)], rtol=1e-9)
        stacked.stack(dataset)
    assert_agrees_with_file(stacked, shared / "reference" / "map-stacked-4.fits.gz")
    assert_agrees_with_figures(stacked, figures["map-stacked-4"], rtol=1e-5)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_datasets_maker_with_finer_true_energies(hess_of_gammapy, figures, n_jobs):  # noqa: F811 - a fixture
    maker = DatasetsMaker(makers(), cutout_mode="partial", cutout_width="6 deg", n_jobs=n_jobs)
    empty = MapDataset.create(geom(5, 0.02), energy_axis_true=ENERGY_TRUE)
    stacked = maker.run(empty, hess_of_gammapy.get_observations(RUNS))[0]
    assert stacked is empty
    assert_agrees_with_figures(stacked, figures["map-stacked-4-true31"], rtol=1e-5)
