"""Counts by the phase of a pulsar."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose
from regions import CircleSkyRegion, PointSkyRegion

from lightpool.arrays import to_host
from lightpool.data import EventList
from lightpool.datasets import MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.errors import FormatError
from lightpool.makers import MapDatasetMaker, PhaseBackgroundMaker, SpectrumDatasetMaker
from lightpool.maps import MapAxis, RegionGeom
from lightpool.simulate import PointSource
from lightpool.stats import WStatCountsStatistic

SOURCE = PointSource().position


@pytest.fixture
def observation(observations):
    """A run whose events have phases that do not depend on anything."""
    observation = observations[0].copy()
    table = observation.events.table
    table["PHASE"] = np.random.default_rng(1).uniform(size=len(table))
    observation.events = EventList(table)
    return observation


@pytest.fixture
def reduce(observation):
    """A function, so that the dataset is made on the device of the test."""

    def make(region):
        axis = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
        empty = SpectrumDataset.create(RegionGeom.create(region, axes=[axis]), name="pulsar")
        return SpectrumDatasetMaker(["counts"]).run(empty, observation)

    return make


def test_counts_are_shared_out_by_phase(backend, reduce, observation):
    dataset = reduce(CircleSkyRegion(SOURCE, 0.3 * u.deg))
    found = PhaseBackgroundMaker(on_phase=[(0.2, 0.3), (0.4, 0.6)], off_phase=(0.6, 1.0)).run(dataset, observation)
    assert isinstance(found, SpectrumDatasetOnOff)
    assert found.name == "pulsar"
    assert {data.device for data in (found.counts, found.counts_off, found.acceptance)} == {backend.device}
    events = observation.events
    inside = dataset.counts.geom.to_image().contains(events.radec)
    phase, energy = events.table["PHASE"][inside], events.energy[inside].to_value("TeV")
    edges = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
    on = ((phase >= 0.2) & (phase < 0.3)) | ((phase >= 0.4) & (phase < 0.6))
    assert to_host(found.counts.data)[:, 0, 0].tolist() == np.histogram(energy[on], edges)[0].tolist()
    assert to_host(found.counts_off.data)[:, 0, 0].tolist() == np.histogram(energy[phase >= 0.6], edges)[0].tolist()
    assert_allclose(to_host(found.acceptance.data), 0.3)
    assert_allclose(to_host(found.acceptance_off.data), 0.4)


def test_phases_that_add_up_count_every_event_once(reduce, observation):
    dataset = reduce(CircleSkyRegion(SOURCE, 0.3 * u.deg))
    found = PhaseBackgroundMaker(on_phase=(0.8, 1.3), off_phase=(0.3, 0.8)).run(dataset, observation)
    assert_allclose((found.counts + found.counts_off).data, dataset.counts.data)


def test_a_bin_without_off_counts_keeps_its_acceptance(reduce, observation):
    """Gammapy 2.1 sets it to zero there, and with it the statistic, whatever the ON counts are."""
    dataset = reduce(CircleSkyRegion(SOURCE, 0.3 * u.deg))
    found = PhaseBackgroundMaker(on_phase=(0.0, 0.5), off_phase=(0.5, 0.5001)).run(dataset, observation)
    empty = to_host(found.counts_off.data) == 0
    assert empty.any()
    assert_allclose(to_host(found.acceptance_off.data), 0.0001)
    n_on = to_host(found.counts.data)[empty]
    expected = WStatCountsStatistic(n_on, np.zeros_like(n_on), np.full_like(n_on, 0.5 / 0.0001)).stat_null
    assert_allclose(to_host(found.stat_array())[empty], expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((0.1, 0.3), [(0.1, 0.3)]),
        ((0.5, 1.0), [(0.5, 1.0)]),
        ((0.9, 1.1), [(0.9, 1.0), (0.0, 0.1)]),
        ((-0.1, 0.1), [(0.9, 1.0), (0.0, 0.1)]),
        ((0.9, 0.1), [(0.9, 1.0), (0.0, 0.1)]),
        ((1.2, 1.4), [(0.2, 0.4)]),
        ((0, 1), [(0.0, 1.0)]),
        ([(0.9, 1.1), (-0.3, 0.0), (0.2, 0.3)], [(0.9, 1.0), (0.0, 0.1), (0.7, 1.0), (0.2, 0.3)]),
    ],
)
def test_intervals_are_brought_between_0_and_1(given, expected):
    maker = PhaseBackgroundMaker(on_phase=given, off_phase=given)
    assert_allclose(maker.on_phase, expected, atol=1e-12)
    assert_allclose(maker.off_phase, expected, atol=1e-12)


@pytest.mark.parametrize("given", [(0.2, 0.2), (0.2, 1.5), (0.1, 0.2, 0.3), [], [0.1, 0.3], [(0.1,)], 0.3, None, "0.3"])
def test_intervals_that_are_none(given):
    with pytest.raises(ValueError, match=r"on_phase.* got"):
        PhaseBackgroundMaker(on_phase=given, off_phase=(0.5, 0.6))


def test_points_are_cut_by_rad_max(backend, reduce, observation):
    point = PhaseBackgroundMaker(on_phase=(0, 0.5), off_phase=(0.5, 1)).run(reduce(PointSkyRegion(SOURCE)), observation)
    total = SpectrumDatasetMaker.make_counts(point.counts.geom, observation)
    assert point.counts_off.device == total.device == backend.device
    assert_allclose(to_host((point.counts + point.counts_off).data), to_host(total.data))
    assert to_host(total.data).sum() > 50


def test_events_without_phases_say_which_columns_they_have(reduce, observations):
    maker = PhaseBackgroundMaker(on_phase=(0, 0.5), off_phase=(0.5, 1), phase_column_name="PHASE_B0531")
    with pytest.raises(FormatError, match=r"PHASE_B0531.*RA"):
        maker.run(reduce(CircleSkyRegion(SOURCE, 0.3 * u.deg)), observations[0])


def test_a_sky_map_has_phases_too(backend, empty, observation):
    dataset = MapDatasetMaker(["counts", "exposure"]).run(empty(name="pulsar"), observation)
    found = PhaseBackgroundMaker(on_phase=(0, 0.25), off_phase=(0.25, 1)).run(dataset, observation)
    assert isinstance(found, MapDatasetOnOff)
    assert found.name == "pulsar"
    assert_allclose(to_host((found.counts + found.counts_off).data), to_host(dataset.counts.data))
    assert_allclose(to_host(found.alpha.data), 1 / 3)
    assert found.counts_off.device == backend.device
