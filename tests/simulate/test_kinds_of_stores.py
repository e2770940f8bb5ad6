"""Simulated stores with runs of one's own, several sources, or point-like responses."""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import PointSkyRegion

from lightpool.arrays import to_host
from lightpool.data import DataStore
from lightpool.datasets import SpectrumDataset
from lightpool.makers import ReflectedRegionsBackgroundMaker, SpectrumDatasetMaker, WobbleRegionsFinder
from lightpool.maps import MapAxis, RegionGeom
from lightpool.simulate import Instrument, PointSource, expected_source_counts, simulate_store, wobble_runs
from lightpool.simulate.events import draw_events

CRAB = PointSource()


def runs(n_run):
    return wobble_runs(n_run, CRAB.position, rng=np.random.default_rng(0))


def test_runs_of_ones_own_keep_numbers_pointings_and_targets(tmp_path):
    pointing = SkyCoord(10, -80, unit="deg")
    own = [replace(run, obs_id=70 - run.obs_id, pointing=pointing, target="SMC", ontime=300.0) for run in runs(2)]
    store = DataStore.from_dir(simulate_store(tmp_path / "dl3", runs=own, source=PointSource(norm=0)))
    assert sorted(store.obs_table["OBS_ID"]) == [68, 69]
    assert list(store.obs_table["OBJECT"]) == ["SMC", "SMC"]
    for observation in store.get_observations():
        assert observation.pointing_radec.separation(pointing) < 1e-6 * u.deg
        assert_allclose(observation.gti.time_sum.to_value("s"), 300)


@pytest.mark.parametrize("numbers", [[], [1, 1], [0, 1], [-3]])
def test_runs_without_usable_numbers_are_refused(numbers, tmp_path):
    (run,) = runs(1)
    with pytest.raises(ValueError, match=r"empty list|different ones from 1 on"):
        simulate_store(tmp_path / "dl3", runs=[replace(run, obs_id=number) for number in numbers])
    assert not (tmp_path / "dl3").exists()


def test_an_empty_list_of_sources_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"PointSource\(norm=0\)"):
        simulate_store(tmp_path / "dl3", 1, source=[])


def test_each_of_several_sources_has_its_events_where_it_is():
    other = PointSource(CRAB.position.directional_offset_by(40 * u.deg, 0.8 * u.deg), norm=2e-11)
    far = PointSource(CRAB.position.directional_offset_by(0 * u.deg, 20 * u.deg), norm=1e-8)
    (run,) = runs(1)
    instrument = Instrument()
    events = draw_events(instrument, run, [CRAB, other, far], np.random.default_rng(3))
    assert set(events.mc_id) == {1, 2, 3}
    seen = SkyCoord(events.lon, events.lat, unit="deg")
    for number, source in ((1, CRAB), (3, other)):
        assert np.max(seen[events.mc_id == number].separation(source.position)) < 0.7 * u.deg
        expected = expected_source_counts(instrument, run, source)[1].sum()
        assert abs(np.sum(events.mc_id == number) - expected) < 4 * np.sqrt(expected)
    assert expected_source_counts(instrument, run, far)[1].sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize("psf_kind", ["psf_table", "psf_king"])
def test_a_point_like_store_gives_the_flux_that_was_put_in(psf_kind, tmp_path):
    folder = simulate_store(tmp_path / "dl3", 6, point_like=True, psf_kinds=[psf_kind], seed=4)
    observations = DataStore.from_dir(folder).get_observations(required_irf="point-like")
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6)
    energy_true = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=60, name="energy_true")
    geom = RegionGeom.create(PointSkyRegion(CRAB.position), axes=[energy])
    excess, expected, total = 0.0, 0.0, 0.0
    for observation in observations:
        assert observation.available_irfs == ["aeff", "edisp", "rad_max"]
        assert observation.aeff.is_pointlike
        dataset = SpectrumDataset.create(geom, energy_axis_true=energy_true)
        dataset = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"]).run(dataset, observation)
        dataset = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(3)).run(dataset, observation)
        excess += to_host(dataset.excess.data).sum()
        total += to_host(dataset.counts.data).sum()
        kernel = dataset.edisp.get_edisp_kernel().pdf_matrix.sum(axis=1)
        flux = CRAB.flux(energy_true.center.to_value("TeV")) * energy_true.bin_width.to_value("TeV")
        expected += (flux * to_host(dataset.exposure.data)[:, 0, 0] * kernel).sum()
    # 3 %: the cut is at reconstructed energies, and the integral over true energies is coarse
    assert abs(excess - expected) < 4 * np.sqrt(total) + 0.03 * expected
    assert expected > 500
