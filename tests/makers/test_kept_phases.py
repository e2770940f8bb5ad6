"""An observation with a filter of phases: events, livetime and background are those of the phases that are kept."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import CircleSkyRegion

from lightpool.data import Observation, ObservationFilter
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.makers import MapDatasetMaker, SpectrumDatasetMaker
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom

CENTER = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
SKY = WcsGeom.create(skydir=CENTER, width=5, binsz=0.5, axes=[ENERGY])


def with_phases(observation, *bands):
    """The observation with a phase for each event, and only the events in all of the bands."""
    events = observation.events
    table = events.table.copy()
    table["PHASE"] = np.linspace(0, 1, len(table), endpoint=False)
    events.table = table
    filters = [{"type": "custom", "opts": {"parameter": "PHASE", "values": band}} for band in bands]
    return Observation(
        observation.obs_id, meta=observation.meta, gti=observation.gti, events=events, pointing=observation.pointing,
        bkg=observation.bkg, aeff=observation.aeff, obs_filter=ObservationFilter(event_filters=filters),
    )  # fmt: skip


def a_map():
    return MapDataset.create(WcsGeom.create(skydir=CENTER, width=3, binsz=0.25, axes=[ENERGY]), name="run")


def a_spectrum():
    return SpectrumDataset.create(RegionGeom.create(CircleSkyRegion(CENTER, 0.2 * u.deg), axes=[ENERGY]), name="run")


JOBS = {"map": (MapDatasetMaker, a_map), "spectrum": (SpectrumDatasetMaker, a_spectrum)}
BANDS = {
    "all": ([], 1.0),
    "tenth": ([(0.2, 0.3)], 0.1),
    "overlap": ([(0.2, 0.7), (0.4, 0.9)], 0.3),
    "nothing": ([(0.2, 0.3), (0.5, 0.6)], 0.0),
    "beyond": ([(0.8, 1.2)], 0.2),
}
BACKGROUNDS = {"table": None, "counts": "", "density": "TeV-1 sr-1", "rate": "TeV-1 sr-1 s-1"}


@pytest.mark.parametrize("unit", BACKGROUNDS.values(), ids=BACKGROUNDS)
@pytest.mark.parametrize(("bands", "fraction"), BANDS.values(), ids=BANDS)
@pytest.mark.parametrize(("kind", "empty"), JOBS.values(), ids=JOBS)
def test_the_background_of_an_interval_of_phases_is_a_part_of_it(observations, kind, empty, bands, fraction, unit):
    run = observations[0].copy()
    if unit is not None:
        run.bkg = Map.from_geom(SKY, data=np.arange(1.0, 301.0).reshape(SKY.data_shape), unit=unit)
    whole, part = (
        kind(selection=["counts", "exposure", "background"]).run(empty(), with_phases(run, *each))
        for each in ([], bands)
    )
    assert float(whole.background.data.sum()) > 0
    assert_allclose(part.background.data, fraction * whole.background.data, rtol=1e-12)
    assert_allclose(part.exposure.data, fraction * whole.exposure.data, rtol=1e-12)


@pytest.mark.parametrize("unit", ["m2", "cm2 s"])
@pytest.mark.parametrize(("kind", "empty"), JOBS.values(), ids=JOBS)
def test_the_exposure_of_an_interval_of_phases_is_a_part_of_it_if_it_is_a_map(observations, kind, empty, unit):
    run, axis = observations[0].copy(), empty().exposure.geom.axes["energy_true"]
    geom = SKY.to_image().to_cube([axis])
    run.aeff = Map.from_geom(
        geom, data=np.arange(1.0, geom.data_shape[0] * 100 + 1).reshape(geom.data_shape), unit=unit
    )
    whole, part = (
        kind(selection=["counts", "exposure"]).run(empty(), with_phases(run, *bands)) for bands in ([], [(0.1, 0.35)])
    )
    assert float(whole.exposure.data.min()) > 0
    assert_allclose(part.exposure.data, 0.25 * whole.exposure.data, rtol=1e-12)
