"""A script written for Gammapy finds Gammapy's warnings in its log; those of lightpool are in the report."""

import logging

import pytest
from gammapy.data import DataStore, Observations
from gammapy.datasets import MapDataset, SpectrumDataset
from gammapy.makers import DatasetsMaker, MapDatasetMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom

from lightpool.gammapy import accelerate, accelerated, restore
from lightpool.gammapy.acceleration.report import RECORDER
from lightpool.simulate import PointSource


@pytest.fixture(autouse=True)
def _no_traces():
    restore()
    RECORDER.clear()
    yield
    restore()


@pytest.fixture
def make_spectrum(crab_store):
    """Call it to reduce a run to true energies below those of its effective area, of which lightpool warns."""
    observation = DataStore.from_dir(crab_store).get_observations([1])[0]
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
    energy_true = MapAxis.from_energy_bounds("0.01 TeV", "50 TeV", nbin=8, name="energy_true")
    geom = RegionGeom.create(f"icrs;circle({PointSource().position.ra.deg}, 22.014, 0.2)", axes=[energy])
    empty = SpectrumDataset.create(geom, energy_axis_true=energy_true)
    return lambda: SpectrumDatasetMaker().run(empty, observation)


def test_warnings_of_lightpool_are_in_the_report_instead_of_the_log(make_spectrum, caplog):
    with accelerated():
        make_spectrum()
    assert [record for record in caplog.records if record.name.startswith("lightpool")] == []
    (row,) = RECORDER.report().rows
    assert row.fallbacks == 0
    assert [message for message in row.messages if "the exposure is 0" in message]


def test_outside_of_accelerated_calls_lightpool_logs_as_ever(make_spectrum, caplog):
    accelerate()
    make_spectrum()
    logging.getLogger("lightpool.data").warning("first")
    restore()
    logging.getLogger("lightpool.data").warning("second")
    assert [record.getMessage() for record in caplog.records] == ["first", "second"]
    assert logging.getLogger("lightpool.makers.responses.uncovered_bins").filters == []


def test_missing_thresholds_are_logged_as_by_gammapy(crab_store, caplog):
    def run():
        caplog.clear()
        observation = DataStore.from_dir(crab_store).get_observations([1])[0]
        aeff = observation.aeff
        aeff.meta = {"LO_THRES": 0}
        observation.aeff = aeff
        energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
        geom = WcsGeom.create(skydir=PointSource().position, width=2, binsz=0.2, axes=[energy])
        makers = [MapDatasetMaker(selection=["counts"]), SafeMaskMaker(methods=["aeff-default"])]
        with caplog.at_level(logging.INFO):
            DatasetsMaker(makers, stack_datasets=False).run(MapDataset.create(geom), Observations([observation]))
        return [record.getMessage() for record in caplog.records if record.name.startswith("gammapy.makers")]

    plain = run()
    with accelerated():
        assert run() == plain
    assert len(plain) == 5
    assert all(row.fallbacks == 0 for row in RECORDER.report().rows)


def test_regions_averaged_over_point_like_responses_are_logged_as_by_gammapy(crab_store, caplog):
    def run():
        caplog.clear()
        observation = DataStore.from_dir(crab_store).get_observations([1])[0]
        aeff = observation.aeff
        observation.aeff = type(aeff)(axes=aeff.axes, data=aeff.quantity, meta=aeff.meta, is_pointlike=True)
        energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
        geom = RegionGeom.create(f"icrs;circle({PointSource().position.ra.deg}, 22.014, 0.2)", axes=[energy])
        maker = SpectrumDatasetMaker(selection=["exposure"], use_region_center=False)
        maker.run(SpectrumDataset.create(geom), observation)
        return [record.getMessage() for record in caplog.records if record.name.startswith("gammapy.makers")]

    plain = run()
    with accelerated():
        assert run() == plain
    assert len(plain) == 1
    assert RECORDER.report().rows[0].fallbacks == 0
