"""Spectra of real observations agree with Gammapy 2.1's, bin by bin."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import CircleSkyRegion, PointSkyRegion, RectangleSkyRegion

from lightpool.arrays import to_host
from lightpool.data import DataStore, EventList
from lightpool.datasets import Datasets, SpectrumDataset
from lightpool.makers import (
    PhaseBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

from .conftest import assert_agrees_with_figures, rounding

pytestmark = pytest.mark.reference

CRAB_RUNS = [23523, 23592, 23526, 23559]
CENTER = SkyCoord(83.63, 22.01, unit="deg")


@pytest.fixture(scope="session")
def circle():
    return CircleSkyRegion(CENTER, 0.2 * u.deg)


@pytest.fixture
def empty(circle, energy, energy_true):
    """A function, so that the dataset is made on the device of the test."""
    geom = RegionGeom.create(circle, axes=[energy])
    return lambda name=None: SpectrumDataset.create(geom, energy_axis_true=energy_true, name=name)


@pytest.fixture
def exclusion_mask(circle):
    return WcsGeom.create(skydir=CENTER, width=5, binsz=0.05).region_mask([circle], inside=False)


def assert_agrees(dataset, expected, rtol=1e-9):
    """Numbers of the info table, and every map bin by bin."""
    figures = {key: value for key, value in expected.items() if "." not in key}
    assert_agrees_with_figures(dataset, figures, rtol=rtol)
    for key in expected.keys() - figures.keys():
        name, _, what = key.partition(".")
        found = getattr(dataset, name)
        if what == "unit":
            assert found.unit == u.Unit(expected[key]), key
        else:
            atol = rounding(name, expected[key])
            assert_allclose(to_host(found.data)[:, 0, 0], expected[key], rtol=rtol, atol=atol, err_msg=key)


@pytest.fixture
def on_off(empty, exclusion_mask, hess):
    """The last step of the notebook."""
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"])
    reflected = ReflectedRegionsBackgroundMaker(exclusion_mask=exclusion_mask)
    safe = SafeMaskMaker(methods=["aeff-max"], aeff_percent=10)

    def run(obs_id):
        observation = hess.obs(obs_id)
        dataset = maker.run(empty(name=f"obs-{obs_id}"), observation)
        return safe.run(reflected.run(dataset, observation), observation)

    return run


def test_spectra_and_their_stack(device, on_off, figures):
    datasets = Datasets([on_off(obs_id) for obs_id in CRAB_RUNS])
    for obs_id, dataset in zip(CRAB_RUNS, datasets, strict=True):
        assert dataset.device.name == device
        assert_agrees(dataset, figures[f"spectrum-{obs_id}"])
    assert_agrees(datasets.stack_reduce(), figures["spectrum-stacked"], rtol=1e-6)  # stored in float32


@pytest.mark.parametrize(
    ("key", "option"),
    [
        ("spectrum-containment-23523", {"containment_correction": True}),
        ("spectrum-region-average-23523", {"use_region_center": False}),
    ],
)
def test_options_of_the_spectrum_maker(device, empty, hess, figures, key, option):
    dataset = SpectrumDatasetMaker(**option).run(empty(), hess.obs(23523))
    assert_agrees(dataset, figures[key])
    assert dataset.device.name == device


SHAPES = {
    "circle": CircleSkyRegion(CENTER, 0.2 * u.deg),
    "small circle": CircleSkyRegion(CENTER, 0.11 * u.deg),
    "rectangle": RectangleSkyRegion(CENTER, 0.2 * u.deg, 0.3 * u.deg, 20 * u.deg),
}


def off_region_keys():
    options = [{}, {"min_distance": "0.2 rad"}, {"max_region_number": 3}]
    return [(f"{shape}/{option}", shape, option) for shape in SHAPES for option in options]


@pytest.mark.parametrize(("key", "shape", "option"), off_region_keys())
def test_places_of_reflected_regions(hess, figures, exclusion_mask, key, shape, option):
    pointing = hess.obs(23523).pointing_radec
    regions, _ = ReflectedRegionsFinder(**option).run(SHAPES[shape], pointing, exclusion_mask)
    found = [(region.center.icrs.ra.deg, region.center.icrs.dec.deg) for region in regions]
    assert_allclose(found, figures["off-regions"][key], rtol=1e-11)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_places_of_wobble_regions(hess, figures, exclusion_mask, number):
    pointing = hess.obs(23523).pointing_radec
    regions, _ = WobbleRegionsFinder(number).run(SHAPES["circle"], pointing, exclusion_mask)
    found = [(region.center.icrs.ra.deg, region.center.icrs.dec.deg) for region in regions]
    assert_allclose(found, figures["off-regions"][f"wobble/{number}"], rtol=1e-11)


def with_phases(observation):
    """Seconds since the reference time, folded with 33.7 s."""
    table = observation.events.table
    seconds = (table["TIME"] - observation.events.time_ref).to_value("s")
    table["PHASE"] = np.mod(seconds, 33.7) / 33.7
    observation.events = EventList(table)
    return observation


def test_the_phase_background_is_that_of_gammapy(device, empty, hess, figures):
    observation = with_phases(hess.obs(23523))
    dataset = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"]).run(empty(), observation)
    dataset = PhaseBackgroundMaker(on_phase=(0.1, 0.3), off_phase=(0.5, 1.0)).run(dataset, observation)
    expected = dict(figures["phase-23523"])
    # Gammapy forgets the OFF phases where there are no OFF counts: its statistic is 0 there whatever the ON counts are,
    # where it should be 2.5 for one ON count. The last bin of this run is the only such one, and has no ON counts.
    acceptance_off = np.asarray(expected.pop("acceptance_off.sum_per_plane"))
    assert np.flatnonzero(acceptance_off == 0).tolist() == [10]
    assert_allclose(to_host(dataset.acceptance_off.data)[:10, 0, 0], acceptance_off[:10])
    assert_allclose(to_host(dataset.acceptance_off.data)[10:], 0.5)
    assert_agrees(dataset, expected)


@pytest.mark.parametrize("run", [5029747, 5029748])
def test_spectra_of_point_like_data_are_those_of_gammapy(device, shared, figures, run):
    observation = DataStore.from_dir(shared / "data" / "magic-rad-max").get_observations(
        [run], required_irf="point-like"
    )[0]
    axis = MapAxis.from_energy_bounds("0.05 TeV", "20 TeV", nbin=15)
    axis_true = MapAxis.from_energy_bounds("0.01 TeV", "100 TeV", nbin=28, name="energy_true")
    geom = RegionGeom.create(PointSkyRegion(SkyCoord(83.6331, 22.0145, unit="deg")), axes=[axis])
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"])
    dataset = maker.run(SpectrumDataset.create(geom, energy_axis_true=axis_true), observation)
    dataset = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(3)).run(dataset, observation)
    assert_agrees(dataset, figures[f"rad-max-{run}"])
