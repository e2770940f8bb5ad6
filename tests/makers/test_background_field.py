"""Bins of the field of view, its rotation, and the excluded exposure, against astropy and brute force."""

import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import TimeDelta
from background_runs import ENERGY, FOV, OFFSET, REFERENCE, SITE, SOURCE, from_field, observation_of
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, RectangleSkyRegion

from lightpool.arrays import count_transfers, fov_lonlat, rotate, to_device, to_host, unit_vectors
from lightpool.arrays.kernels.field_rotation import to_horizon
from lightpool.data import FixedPointingInfo, Observation, ObservationFilter
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import MissingDataError
from lightpool.irf import FoVAlignment
from lightpool.makers import BackgroundModelMaker, SkyExclusion
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.makers.background_models.field_turns import FieldTurns
from lightpool.maps import MapAxis
from lightpool.utils.coordinates import FoVAltAzFrame

NORTH_POLE = EarthLocation.from_geodetic(20.0, 89.0, 0.0)
NORTHERN = EarthLocation.from_geodetic(-17.9, 28.76, 2200.0)
FIELDS = [FieldBins.of([OFFSET]), FieldBins.of(FOV, "ALTAZ")]


def empty_run(pointing, start=80000.0, ontime=1500.0, location=SITE, gti=None):
    return observation_of(1, pointing, start, start + ontime, [], [], [], [], location=location, gti=gti)


def excluded_exposure(maker, observation):
    return maker.run(observation).excluded[0].reshape(maker.field.shape)


@pytest.mark.parametrize("field", FIELDS, ids=["radial", "rectangles"])
def test_points_of_a_bin_lie_in_it_and_stand_for_its_solid_angle(field, device):
    points = field.points(7)
    number = to_host(field.find(to_device(points.vectors, device)))
    assert_array_equal(number, points.number)
    share = np.bincount(points.number, points.share, minlength=field.n_bin)
    assert_allclose(share, field.solid_angle.reshape(-1), rtol=1e-12)
    assert np.all(np.diff(points.offset) >= 0)
    assert points.offset[-1] <= field.reach


def test_the_solid_angle_of_all_bins_is_that_of_the_field():
    whole = FieldBins.of([MapAxis.from_bounds(0, 90, nbin=9, unit="deg", name="offset")])
    assert_allclose(whole.solid_angle.sum(), 2 * np.pi)
    assert_allclose(FIELDS[1].solid_angle.sum(), np.deg2rad(3.6) * 2 * np.sin(np.deg2rad(1.8)))


def test_axes_that_are_no_field_of_view_are_refused():
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    for axes, words in (([energy], "expected"), (FOV[::-1], "expected"), ([OFFSET, FOV[0]], "expected")):
        with pytest.raises(ValueError, match=words):
            FieldBins.of(axes)
    with pytest.raises(ValueError, match="between 0 and 90"):
        FieldBins.of([MapAxis.from_bounds(-1, 2, nbin=3, unit="deg", name="offset")])
    with pytest.raises(ValueError, match="old files"):
        FieldBins.of(FOV, FoVAlignment.REVERSE_LON_RADEC)


POINTINGS = {
    "wobble": (SOURCE, SITE, 80000.0),
    "setting": (SkyCoord(20.0, -40.0, unit="deg"), SITE, 80000.0),
    "near the zenith": (SkyCoord(83.6, -23.4, unit="deg"), SITE, 78000.0),
    "over the pole": (SkyCoord(60.0, 89.9, unit="deg"), NORTHERN, 80000.0),
    "southern pole": (SkyCoord(60.0, -89.9, unit="deg"), SITE, 80000.0),
    "across the meridian at 0 h": (SkyCoord(0.05, -10.0, unit="deg"), SITE, 65000.0),
    "from near the pole of the Earth": (SkyCoord(100.0, 60.0, unit="deg"), NORTH_POLE, 80000.0),
}


@pytest.mark.parametrize("case", POINTINGS)
def test_a_field_along_the_horizon_turns_as_in_astropy(case):
    pointing, location, start = POINTINGS[case]
    span = (start, start + 1500.0)
    turns = FieldTurns.of(pointing.ra.rad, pointing.dec.rad, location, TimeReference.from_time(REFERENCE), span, 0.01)
    rng = np.random.default_rng(8)
    time = np.linspace(*span, 40)
    sky = pointing.directional_offset_by(rng.uniform(0, 360, 40) * u.deg, rng.uniform(0.1, 2.5, 40) * u.deg)
    vectors = rotate(turns.matrix, unit_vectors(sky.ra.rad, sky.dec.rad))
    lon, lat = np.rad2deg(fov_lonlat(to_horizon(vectors, turns.angle_at(time))))
    times = REFERENCE + TimeDelta(time, format="sec")
    horizon = AltAz(obstime=times, location=location)
    origin = SkyCoord(np.full(40, pointing.ra.deg), np.full(40, pointing.dec.deg), unit="deg").transform_to(horizon)
    there = sky.transform_to(FoVAltAzFrame(origin=origin, obstime=times, location=location))
    # The angle is linear between the times at which it is computed, aberration changes over the field, and UT1 - UTC,
    # 15 arcsec at most, is left out, which turns the field the more the nearer to the zenith.
    atol = 2e-2 if case == "near the zenith" else 3e-3
    assert_allclose(lon, there.fov_lon.wrap_at("180d").deg, atol=atol)
    assert_allclose(lat, there.fov_lat.deg, atol=atol)
    assert np.abs(np.diff(turns.angle)).max() < 0.012 or np.diff(turns.seconds).min() <= 1.01


@pytest.mark.parametrize("case", POINTINGS)
def test_steps_of_the_time_cover_the_good_time_and_turn_little(case):
    pointing, location, start = POINTINGS[case]
    turns = FieldTurns.of(
        pointing.ra.rad, pointing.dec.rad, location, TimeReference.from_time(REFERENCE), (start, start + 1500), 0.02
    )
    begin, end = np.array([start, start + 700.0]), np.array([start + 500.0, start + 1500.0])
    steps = turns.steps(begin, end, 0.02)
    assert_allclose(steps.seconds.sum(), 1300.0)
    assert steps.seconds.min() > 0
    assert_allclose(np.linalg.det(steps.matrices), -1.0)
    angle = np.concatenate([np.linspace(a, b, 200) for a, b in zip(begin, end, strict=True)])
    turned = np.abs(np.diff(turns.angle_at(angle))).sum()
    assert len(steps.seconds) <= turned / 0.02 + 3


def brute_force(pointing, field, start, stop, exclusion, n_point, n_time, location=SITE):
    """Excluded exposure by a dense grid of points at many times, by astropy; s sr."""
    edges = [axis.edges.to_value("deg") for axis in field.axes]
    high = max(np.abs(each).max() for each in edges)
    cuts = np.linspace(-high, high, n_point + 1)
    x, z = np.meshgrid((cuts[1:] + cuts[:-1]) / 2, np.linspace(-1, 1, 2 * n_point + 1)[1::2], indexing="ij")
    y = np.rad2deg(np.arcsin(z * np.sin(np.deg2rad(high))))
    share = np.deg2rad(cuts[1] - cuts[0]) * 2 * np.sin(np.deg2rad(high)) / n_point
    x, y = x.ravel(), y.ravel()
    total = np.zeros(field.shape)
    for time in start + (np.arange(n_time) + 0.5) * (stop - start) / n_time:
        alignment = "ALTAZ" if field.turns else "RADEC"
        sky = from_field(x, y, pointing, np.full(len(x), time), alignment)
        excluded = exclusion(sky)
        if field.is_radial:
            offset = np.rad2deg(np.arccos(np.cos(np.deg2rad(x)) * np.cos(np.deg2rad(y))))
            total += np.histogram(offset[excluded], edges[0])[0]
        else:
            total += np.histogram2d(x[excluded], y[excluded], edges)[0]
    return total * share * (stop - start) / n_time


@pytest.mark.slow
@pytest.mark.parametrize("case", ["wobble", "near the zenith", "across the meridian at 0 h", "southern pole"])
@pytest.mark.parametrize(("axes", "alignment"), [(OFFSET, "RADEC"), (FOV, "RADEC"), (FOV, "ALTAZ")])
def test_the_excluded_exposure_is_that_of_a_dense_grid(case, axes, alignment):
    pointing, _, start = POINTINGS[case]
    center = pointing.directional_offset_by(250 * u.deg, 0.7 * u.deg)
    maker = BackgroundModelMaker(
        ENERGY, axes, alignment, SkyExclusion.from_positions(center, 0.5 * u.deg), oversampling=20, max_rotation=0.05
    )
    found = excluded_exposure(maker, empty_run(pointing, start))
    turns_fast = case == "near the zenith" and alignment == "ALTAZ"
    n_point, n_time, atol = (99, 80, 0.02) if turns_fast else (207, 12, 0.006)
    expected = brute_force(
        pointing, maker.field, start, start + 1500.0, lambda sky: sky.separation(center).deg < 0.5, n_point, n_time
    )
    full = 1500.0 * maker.field.solid_angle
    assert_allclose(found / full, expected / full, atol=atol)
    assert_allclose(found.sum(), 1500.0 * 2 * np.pi * (1 - np.cos(np.deg2rad(0.5))), rtol=0.01)


@pytest.mark.parametrize("alignment", ["RADEC", "ALTAZ"])
def test_events_and_exposure_agree_on_what_is_excluded(device, alignment):
    """Events spread evenly over a bin are excluded in the proportion of its exposure."""
    rng = np.random.default_rng(4)
    pointing, start = SkyCoord(0.1, -25.0, unit="deg"), 70000.0
    n, bounds = 20000, (-1.8, 1.8)
    x = rng.uniform(*bounds, n)
    y = np.rad2deg(np.arcsin(rng.uniform(*np.sin(np.deg2rad(bounds)), n)))
    time = rng.uniform(start, start + 1500, n)
    sky = from_field(x, y, pointing, time, alignment)
    run = observation_of(1, pointing, start, start + 1500, time, sky.ra.deg, sky.dec.deg, np.full(n, 1.0))
    mask_and_region = SkyExclusion.from_regions("icrs;ellipse(0.4, -24.5, 1.4, 0.6, 40)")
    sums = BackgroundModelMaker(ENERGY, FOV, alignment, mask_and_region, device=device).run(run)
    out = sums.counts(excluded=True)[0].sum(axis=0)
    both = out + sums.counts()[0].sum(axis=0)
    assert both.sum() == n
    part = (sums.excluded / sums.full_exposure)[0]
    pull = (out - both * part) / np.sqrt(np.maximum(both * part * (1 - part), 1))
    assert np.abs(pull).max() < 5
    assert np.sum(pull**2) < 1.6 * np.count_nonzero(part)
    # A corner of the exclusion that lies between the points of a bin.
    assert out[part == 0].sum() <= 6


@pytest.mark.parametrize(("axes", "alignment"), [(OFFSET, "RADEC"), (FOV, "ALTAZ")])
def test_all_devices_have_the_same_sums(device, axes, alignment):
    rng = np.random.default_rng(2)
    time = np.sort(rng.uniform(80000, 81500, 500))
    sky = SOURCE.directional_offset_by(rng.uniform(0, 360, 500) * u.deg, 2 * np.sqrt(rng.uniform(size=500)) * u.deg)
    run = observation_of(7, SOURCE, 80000, 81500, time, sky.ra.deg, sky.dec.deg, rng.uniform(0.4, 9, 500))
    exclusion = SkyExclusion.from_regions(["icrs;circle(83.6, -25.5, 0.4)", "icrs;polygon(84,-24,84.5,-24.6,83.2,-25)"])
    there, here = (
        BackgroundModelMaker(ENERGY, axes, alignment, exclusion, device=name).run(run) for name in (device, "cpu")
    )
    assert_array_equal(there.counts(), here.counts())
    assert_array_equal(there.counts(excluded=True), here.counts(excluded=True))
    assert_allclose(there.excluded, here.excluded, rtol=1e-12, atol=1e-12)
    assert here.total_counts(excluded=True).sum() > 10


def test_an_exclusion_of_nothing_and_one_of_everything(device):
    rng = np.random.default_rng(2)
    time = rng.uniform(80000, 81500, 300)
    sky = SOURCE.directional_offset_by(rng.uniform(0, 360, 300) * u.deg, rng.uniform(0, 1.7, 300) * u.deg)
    run = observation_of(7, SOURCE, 80000, 81500, time, sky.ra.deg, sky.dec.deg, np.full(300, 1.0))
    nothing = BackgroundModelMaker(ENERGY, FOV, device=device).run(run)
    assert_array_equal(nothing.excluded, 0)
    assert_allclose(nothing.exposure, 1500 * nothing.field.solid_angle.reshape(1, -1))
    assert nothing.total_counts().sum() == 300
    everything = SkyExclusion.from_positions(SOURCE, 10 * u.deg)
    all_of_it = BackgroundModelMaker(ENERGY, FOV, exclusion=everything, device=device).run(run)
    assert_array_equal(all_of_it.exposure, 0)
    assert_allclose(all_of_it.excluded, nothing.exposure)
    assert all_of_it.total_counts().sum() == 0
    assert all_of_it.total_counts(excluded=True).sum() == 300


def test_only_good_time_counts(device):
    gti = [(80000.0, 80400.0), (80300.0, 80500.0), (81000.0, 81200.0)]  # two of them overlap
    time = np.array([80000.0, 80200.0, 80450.0, 80700.0, 81200.0, 81300.0])
    n = len(time)
    run = observation_of(1, SOURCE, 80000, 81500, time, [83.7] * n, [-25.1] * n, [1.0] * n, gti=gti)
    exclusion = SkyExclusion.from_positions(SOURCE.directional_offset_by(0 * u.deg, 1 * u.deg), 0.3 * u.deg)
    sums = BackgroundModelMaker(ENERGY, FOV, exclusion=exclusion, device=device).run(run)
    assert sums.total_counts().sum() == 4
    assert sums.runs["ONTIME"][0] == 700
    assert_allclose(sums.runs["LIVETIME"][0], 700 * 0.94)
    assert_allclose(sums.excluded.sum(), 700 * 2 * np.pi * (1 - np.cos(np.deg2rad(0.3))), rtol=0.02)


def test_the_events_of_a_run_cross_once_and_results_once_for_all_runs():
    runs = [observation_of(i, SOURCE, 80000, 81500, [80010.0], [83.7], [-25.1], [1.0]) for i in (1, 2, 3)]
    exclusion = SkyExclusion.from_positions(SOURCE, 0.3 * u.deg)
    maker = BackgroundModelMaker(ENERGY, FOV, exclusion=exclusion, device="strict")
    maker.run_all(runs)  # the points of the field, edges and circles are there from now on
    with count_transfers() as count:
        maker.run_all(runs)
    assert count.to_host.number == 1
    # Of each run its events; and, as all runs are alike, small matrices and times of the steps.
    assert count.to_device.number <= 5 * len(runs)
    assert count.to_device.bytes < 20_000


def test_a_drift_scan_is_summed_piece_by_piece():
    altaz = SkyCoord(SOURCE).transform_to(AltAz(obstime=REFERENCE + TimeDelta(80300, format="sec"), location=SITE))
    pointing = FixedPointingInfo(fixed_altaz=AltAz(alt=altaz.alt, az=altaz.az))
    time = np.linspace(80001, 80599, 50)
    run = empty_run(SOURCE, 80000.0, 600.0)
    scan = Observation.create(
        pointing, location=SITE, obs_id=3, tstart=80000 * u.s, tstop=80600 * u.s, reference_time=REFERENCE
    )
    horizon = AltAz(obstime=REFERENCE + TimeDelta(time, format="sec"), location=SITE, alt=altaz.alt, az=altaz.az)
    sky = SkyCoord(horizon).icrs
    scan.events = observation_of(3, SOURCE, 80000, 80600, time, sky.ra.deg, sky.dec.deg, np.full(50, 1.0)).events
    fine = [MapAxis.from_bounds(-1.5, 1.5, nbin=15, unit="deg", name=name) for name in ("fov_lon", "fov_lat")]
    sums = BackgroundModelMaker(ENERGY, fine, exclusion=SkyExclusion.from_positions(SOURCE, 0.2 * u.deg)).run(scan)
    # Events at the pointing stay in the middle of the field, while the source moves through it.
    counts = sums.total_counts().sum(axis=0) + sums.total_counts(excluded=True).sum(axis=0)
    assert counts.reshape(15, 15)[7, 7] == 50
    assert_allclose(sums.ontime, 600)
    assert_allclose(sums.excluded.sum(), 600 * 2 * np.pi * (1 - np.cos(np.deg2rad(0.2))), rtol=0.03)
    still = BackgroundModelMaker(ENERGY, fine, exclusion=SkyExclusion.from_positions(SOURCE, 0.2 * u.deg)).run(run)
    assert np.count_nonzero(sums.excluded) > 1.5 * np.count_nonzero(still.excluded)


def test_events_without_a_direction_or_an_energy_are_in_no_bin(device):
    lon, lat, energy = [83.7, np.nan, 83.7, 83.7], [-25.1, -25.1, -25.1, 12.0], [1.0, 1.0, np.nan, 1.0]
    run = observation_of(1, SOURCE, 80000, 81500, [80100.0] * 4, lon, lat, energy)
    exclusion = SkyExclusion.from_regions("icrs;ellipse(84, -25.5, 0.4, 0.2, 10)")
    for axes in (OFFSET, FOV):
        sums = BackgroundModelMaker(ENERGY, axes, exclusion=exclusion, device=device).run(run)
        assert sums.total_counts().sum() == 1
        assert sums.total_counts(excluded=True).sum() == 0


def test_a_filter_of_phases_keeps_a_part_of_the_exposure():
    run = empty_run(SOURCE)
    table = run.events.table
    table["PHASE"] = np.zeros(0)
    run.events.table = table
    opts = {"parameter": "PHASE", "band": (0.2, 0.5)}
    part = Observation(
        1, meta=run.meta, gti=run.gti, events=run.events, pointing=run.pointing, location=SITE,
        obs_filter=ObservationFilter(event_filters=[{"type": "custom", "opts": opts}]),
    )  # fmt: skip
    exclusion = SkyExclusion.from_positions(SOURCE, 0.5 * u.deg)
    whole, some = (BackgroundModelMaker(ENERGY, OFFSET, exclusion=exclusion).run(each) for each in (run, part))
    assert_allclose(some.ontime, 0.3 * whole.ontime)
    assert_allclose(some.exposure, 0.3 * whole.exposure)
    assert_allclose(some.runs["LIVETIME"], part.observation_live_time_duration.to_value("s"))


def test_a_maker_is_sent_to_other_processes_and_says_what_it_does():
    regions = [
        "icrs;circle(83.6, -25.5, 0.4)",
        "galactic;ellipse(227, -28, 2, 1, 20)",
        "icrs;polygon(84,-24,85,-24,84,-25)",
    ]
    exclusion = SkyExclusion.from_regions(regions) | SkyExclusion.from_regions(
        CircleSkyRegion(SOURCE, 1 * u.deg) & RectangleSkyRegion(SOURCE, 1 * u.deg, 0.2 * u.deg, 10 * u.deg)
    )
    maker = BackgroundModelMaker(ENERGY, FOV, exclusion=exclusion)
    run = empty_run(SOURCE)
    before = maker.run(run)
    again = pickle.loads(pickle.dumps(maker))
    assert_array_equal(again.run(run).excluded, before.excluded)
    assert len(pickle.dumps(maker)) < 20_000
    assert "oversampling" in str(maker)


def test_what_is_missing_is_named():
    run = empty_run(SOURCE, location=None)
    with pytest.raises(MissingDataError, match=r"observation 1.*place of the observatory"):
        BackgroundModelMaker(ENERGY, FOV).run(run)
    assert np.isnan(BackgroundModelMaker(ENERGY, OFFSET).run(run).runs["ZEN_PNT"][0])
    for bad in ({"oversampling": 0}, {"max_rotation": 0.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            BackgroundModelMaker(ENERGY, OFFSET, **bad)
    with pytest.raises(ValueError, match="reconstructed energies"):
        BackgroundModelMaker(MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true"), OFFSET)
