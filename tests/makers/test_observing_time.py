"""How long each direction was observed, and the responses of a run at the pixels of a map."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays import to_host
from lightpool.irf import Background3D, EffectiveAreaTable2D
from lightpool.makers import MapDatasetMaker
from lightpool.makers.utils import (
    guess_instrument_fov,
    integrate_project_irf_on_geom,
    make_effective_livetime_map,
    make_map_background_irf,
    make_map_exposure_true_energy,
    make_observation_time_map,
    project_irf_on_geom,
)
from lightpool.maps import MapAxis, RegionGeom, WcsGeom
from lightpool.simulate import PointSource

ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true")


@pytest.fixture
def geom():
    return WcsGeom.create(skydir=PointSource().position, width=(6, 5), binsz=0.25, axes=[ENERGY_TRUE])


def pointing(observation):
    return observation.get_pointing_icrs(observation.tmid)


def test_the_time_of_a_pixel_is_that_of_the_runs_that_see_it(device, observations, geom):
    found = make_observation_time_map(observations, geom, offset_max="1 deg")
    assert found.geom == geom.to_image()
    assert found.device.name == device
    expected = np.zeros(found.geom.data_shape)
    for observation in observations:
        seen = found.geom.separation(pointing(observation)) < 1 * u.deg
        expected += seen * observation.observation_live_time_duration.to_value("h")
    assert 0 < (expected > 0).mean() < 1
    assert_allclose(to_host(found.data), expected, rtol=1e-12)


def test_the_effective_livetime_is_that_on_axis_with_the_same_exposure(device, observations, geom):
    found = make_effective_livetime_map(observations[:2], geom, offset_max=2 * u.deg)
    expected = np.zeros(geom.data_shape)
    for observation in observations[:2]:
        aeff, offset = observation.aeff, geom.to_image().separation(pointing(observation))
        ratio = aeff.evaluate(energy_true=ENERGY_TRUE.center[:, None, None], offset=offset[None])
        ratio = ratio / aeff.evaluate(energy_true=ENERGY_TRUE.center, offset=0 * u.deg)[:, None, None]
        expected += (offset < 2 * u.deg) * (ratio * observation.observation_live_time_duration).to_value("h")
    assert found.unit == "h"
    assert_allclose(to_host(found.data), expected, rtol=1e-9, atol=1e-12)


def test_where_the_map_is_centred_changes_no_effective_livetime(observations):
    """Gammapy 2.1 puts the centre of the field of view at that of the map (issue 6642 of Gammapy)."""
    source = PointSource().position
    maps = [
        make_effective_livetime_map(
            observations[:1], WcsGeom.create(skydir=centre, width=8, binsz=0.2, axes=[ENERGY_TRUE]), offset_max="2 deg"
        )
        for centre in (source, source.directional_offset_by(60 * u.deg, 1.5 * u.deg))
    ]
    one, other = (found.interp_by_coord({"skycoord": source, "energy_true": ENERGY_TRUE.center}) for found in maps)
    assert (np.asarray(one) > 0).all()
    assert_allclose(one, other, rtol=0.01)


def test_a_run_beside_the_map_and_energies_without_area_have_no_effective_livetime(device, observations):
    far = WcsGeom.create(skydir=(200, -40), width=2, binsz=0.5, axes=[ENERGY_TRUE])
    assert not to_host(make_effective_livetime_map(observations, far).data).any()
    low = MapAxis.from_energy_bounds("1 MeV", "30 TeV", nbin=2, name="energy_true")
    geom = WcsGeom.create(skydir=PointSource().position, width=2, binsz=0.5, axes=[low])
    found = to_host(make_effective_livetime_map(observations[:1], geom).data)
    assert np.isfinite(found).all()
    assert not found[0].any()
    assert found[1].any()


def test_the_field_of_view_of_a_run_is_that_of_its_effective_area(observations, geom):
    run = observations[0]
    assert guess_instrument_fov(run) == run.aeff.axes["offset"].center[-1]
    default, given = (make_observation_time_map([run], geom, limit) for limit in (None, guess_instrument_fov(run)))
    assert_array_equal(default.data, given.data)


def test_without_a_field_of_view_it_must_be_given(observations):
    run = observations[0].copy()
    aeff = observations[0].aeff
    run.aeff = EffectiveAreaTable2D(aeff.axes, aeff.quantity, is_pointlike=True)
    with pytest.raises(ValueError, match="is point-like, so its field of view is not known; give offset_max"):
        guess_instrument_fov(run)


def test_a_projected_effective_area_times_the_livetime_is_the_exposure(device, observations, geom):
    run = observations[0]
    area = project_irf_on_geom(geom, run.aeff, pointing(run))
    exposure = make_map_exposure_true_energy(pointing(run), run.observation_live_time_duration, run.aeff, geom)
    assert area.unit == run.aeff.unit
    livetime = run.observation_live_time_duration.to_value("s")
    factor = livetime * area.unit.to("m2")
    assert_allclose(to_host(area.data) * factor, to_host(exposure.data), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("use_region_center", [True, False])
def test_a_projected_table_on_a_region_is_that_at_its_centre_or_the_mean(device, observations, use_region_center):
    run = observations[0]
    region = CircleSkyRegion(pointing(run).directional_offset_by(0 * u.deg, 1 * u.deg), 0.5 * u.deg)
    geom = RegionGeom(region, axes=[ENERGY_TRUE])
    area = project_irf_on_geom(geom, run.aeff, pointing(run), use_region_center)
    exposure = make_map_exposure_true_energy(pointing(run), 1 * u.s, run.aeff, geom, use_region_center)
    assert_allclose(to_host(area.data) * area.unit.to("m2"), to_host(exposure.data), rtol=1e-9)


def test_tables_with_further_axes_are_projected(device, observations):
    run = observations[0]
    rad = MapAxis.from_bounds(0, 0.5, nbin=5, unit="deg", name="rad")
    geom = WcsGeom.create(skydir=pointing(run), width=3, binsz=0.5, axes=[rad, ENERGY_TRUE])
    found = project_irf_on_geom(geom, run.psf, pointing(run))
    offset = geom.to_image().separation(pointing(run))
    expected = run.psf.evaluate(
        energy_true=ENERGY_TRUE.center[:, None, None, None], rad=rad.center[:, None, None], offset=offset
    )
    assert found.unit == expected.unit
    assert_allclose(to_host(found.data), expected.value, rtol=1e-9)


def test_the_integrated_background_times_the_time_is_the_background(device, observations):
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
    for run in observations[:2]:
        geom = WcsGeom.create(skydir=pointing(run), width=3, binsz=0.25, axes=[energy])
        rate = integrate_project_irf_on_geom(geom, run.bkg, pointing(run))
        assert rate.unit == "s-1"
        counts = make_map_background_irf(pointing(run), 100 * u.s, run.bkg, geom)
        assert_allclose(to_host(rate.data) * 100, to_host(counts.data), rtol=1e-12)


def test_times_and_angles_may_be_given_as_text(observations):
    run = observations[0]
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2)
    geom = WcsGeom.create(skydir=pointing(run), width=3, binsz=0.5, axes=[energy])
    turning = Background3D(run.bkg.axes, run.bkg.quantity, fov_alignment="ALTAZ")
    place = {"time_start": run.tstart, "location": run.observatory_earth_location}
    for table in (run.bkg, turning):
        found = make_map_background_irf(run.pointing, "0.5 h", table, geom, fov_rotation_step="2 deg", **place)
        expected = make_map_background_irf(run.pointing, 1800 * u.s, table, geom, fov_rotation_step=2 * u.deg, **place)
        assert to_host(found.data).sum() > 0
        assert_allclose(to_host(found.data), to_host(expected.data), rtol=1e-12)


def test_only_backgrounds_are_integrated_and_only_pointings_are_taken(observations, geom):
    run = observations[0]
    with pytest.raises(ValueError, match="only background tables can be integrated, got EffectiveAreaTable2D"):
        integrate_project_irf_on_geom(geom, run.aeff, pointing(run))
    with pytest.raises(TypeError, match="fov_frame must be a SkyCoord"):
        project_irf_on_geom(geom, run.aeff, "crab")


class Frame:
    """A field of view at some times, as Gammapy's FoVAltAzFrame describes it."""

    def __init__(self, run, times):
        self.obstime, self.location = times, run.observatory_earth_location
        self.origin = SkyCoord(run.pointing.get_altaz(times, self.location))


@pytest.mark.slow
def test_a_background_in_a_frame_of_several_times_is_that_of_the_turning_field(device, observations):
    run = observations[0]
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2)
    geom = WcsGeom.create(skydir=pointing(run), width=3, binsz=0.5, axes=[energy])
    lon = run.bkg.axes["fov_lon"].center if "fov_lon" in run.bkg.axes.names else None
    assert lon is not None
    data = run.bkg.quantity * (1 + 0.1 * lon.to_value("deg"))[None, :, None]
    table = Background3D(run.bkg.axes, data, fov_alignment="ALTAZ")
    ontime = 600 * u.s
    counts = make_map_background_irf(
        run.pointing,
        ontime,
        table,
        geom,
        run.tstart,
        100 * u.deg,
        location=run.observatory_earth_location,
    )
    times = run.tstart + [0, 600] * u.s
    rate = integrate_project_irf_on_geom(geom, table, Frame(run, times))
    assert_allclose(to_host(rate.data) * 600, to_host(counts.data), rtol=1e-9)
    still = integrate_project_irf_on_geom(geom, table, Frame(run, times[0]))
    assert np.abs(to_host(still.data) / to_host(rate.data) - 1).max() > 1e-5


@pytest.mark.parametrize("step", ["make_exposure", "make_exposure_irf"])
def test_the_exposure_of_a_region_is_its_mean_if_asked_for(device, observations, step):
    run = observations[0]
    region = CircleSkyRegion(pointing(run).directional_offset_by(0 * u.deg, 1 * u.deg), 0.5 * u.deg)
    geom = RegionGeom(region, axes=[ENERGY_TRUE])
    livetime = run.observation_live_time_duration
    for center in (True, False):
        found = getattr(MapDatasetMaker(), step)(geom, run, use_region_center=center)
        expected = make_map_exposure_true_energy(pointing(run), livetime, run.aeff, geom, use_region_center=center)
        assert_allclose(to_host(found.data), to_host(expected.data), rtol=1e-12)
