"""Functions of `makers.utils` beside those of Gammapy 2.1."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lightpool.data import DataStore
from lightpool.makers import utils
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

gammapy_utils = pytest.importorskip("gammapy.makers.utils")
ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")


@pytest.fixture(scope="module")
def runs(crab_store):
    return DataStore.from_dir(crab_store).get_observations()


def at_the_pointing(run, axes, width=5):
    return WcsGeom.create(skydir=run.get_pointing_icrs(run.tmid), width=width, binsz=0.25, frame="galactic", axes=axes)


def in_gammapy(items):
    return [item.to_gammapy() for item in items]


def agree(ours, theirs, rtol=1e-5):
    assert_allclose(np.asarray(ours.data), theirs.quantity.to_value(ours.unit), rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("offset_max", [None, 1.5 * u.deg])
def test_observation_times_are_those_of_gammapy(runs, offset_max):
    geom = at_the_pointing(runs[0], [ENERGY_TRUE])
    theirs = gammapy_utils.make_observation_time_map(in_gammapy(runs), geom.to_gammapy(), offset_max)
    ours = utils.make_observation_time_map(runs, geom, offset_max)
    assert ours.data.sum() > 0
    agree(ours, theirs)


def test_effective_livetimes_of_a_map_at_the_pointing(runs):
    """Elsewhere the map of Gammapy 2.1 is wrong."""
    geom = at_the_pointing(runs[0], [ENERGY_TRUE])
    theirs = gammapy_utils.make_effective_livetime_map(in_gammapy(runs[:1]), geom.to_gammapy(), 2 * u.deg)
    ours = utils.make_effective_livetime_map(runs[:1], geom, 2 * u.deg)
    assert ours.data.sum() > 0
    agree(ours, theirs)


def frames_of(run):
    from gammapy.utils.coordinates import FoVAltAzFrame, FoVICRSFrame

    yield FoVICRSFrame(origin=run.get_pointing_icrs(run.tmid))
    location = run.observatory_earth_location
    for times in (run.tstart, run.tstart + [0, 500, 900] * u.s):
        origin = run.pointing.get_altaz(times, location)
        yield FoVAltAzFrame(origin=origin, location=location, obstime=times)


@pytest.mark.parametrize("frame", [0, 1, 2], ids=["icrs", "one time", "three times"])
@pytest.mark.parametrize("number", [0, 1])
def test_projected_tables_are_those_of_gammapy(runs, frame, number):
    run = runs[number]
    fov_frame = list(frames_of(run))[frame]
    # Aberration and refraction are those of astropy to second order in the velocity of the Earth.
    rtol = 1e-6 if frame == 0 else 1e-4
    for table, axes in ((run.aeff, [ENERGY_TRUE]), (run.bkg, [ENERGY])):
        geom = at_the_pointing(run, axes, width=3)
        theirs = gammapy_utils.project_irf_on_geom(geom.to_gammapy(), table.to_gammapy(), fov_frame)
        ours = utils.project_irf_on_geom(geom, table, fov_frame)
        assert ours.unit == theirs.unit
        assert ours.data.sum() > 0
        agree(ours, theirs, rtol)


@pytest.mark.parametrize("frame", [0, 1, 2], ids=["icrs", "one time", "three times"])
@pytest.mark.parametrize("number", [0, 1])
def test_integrated_backgrounds_are_those_of_gammapy(runs, frame, number):
    run = runs[number]
    fov_frame = list(frames_of(run))[frame]
    geom = at_the_pointing(run, [ENERGY], width=3)
    theirs = gammapy_utils.integrate_project_irf_on_geom(geom.to_gammapy(), run.bkg.to_gammapy(), fov_frame)
    ours = utils.integrate_project_irf_on_geom(geom, run.bkg, fov_frame)
    assert ours.data.sum() > 0
    agree(ours, theirs, 1e-5 if frame == 0 else 1e-4)


@pytest.mark.parametrize("use_region_center", [True, False])
def test_responses_of_regions_are_those_of_gammapy(runs, use_region_center):
    run = runs[0]
    frame = next(frames_of(run))
    region = "icrs;circle(83.63, 22.01, 0.4)"
    area, rate = RegionGeom.create(region, axes=[ENERGY_TRUE]), RegionGeom.create(region, axes=[ENERGY])
    agree(
        utils.project_irf_on_geom(area, run.aeff, frame, use_region_center),
        gammapy_utils.project_irf_on_geom(area.to_gammapy(), run.aeff.to_gammapy(), frame, use_region_center),
    )
    agree(
        utils.integrate_project_irf_on_geom(rate, run.bkg, frame, use_region_center),
        gammapy_utils.integrate_project_irf_on_geom(rate.to_gammapy(), run.bkg.to_gammapy(), frame, use_region_center),
    )
