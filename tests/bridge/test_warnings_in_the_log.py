"""A script written for Gammapy finds Gammapy's warnings in its log; those of lightpool are in the report."""

import logging

import pytest
from gammapy.data import DataStore
from gammapy.datasets import SpectrumDataset
from gammapy.makers import SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom

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


def test_outside_of_accelerated_calls_lightpool_logs_as_ever(caplog):
    accelerate()
    logging.getLogger("lightpool.data").warning("first")
    restore()
    logging.getLogger("lightpool.data").warning("second")
    assert [record.getMessage() for record in caplog.records] == ["first", "second"]
    assert logging.getLogger("lightpool").propagate
