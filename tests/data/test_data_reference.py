"""Real runs: figures printed by Gammapy 2.1 for the same files."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.time import Time
from numpy.testing import assert_allclose

from lightpool.data import DataStore, Observation
from lightpool.irf import Background3D

pytestmark = pytest.mark.reference

HESS, MAGIC, CTA = "hess-dl3-dr1", "magic-rad-max", "cta-1dc/index/gps"
# Live time in s, pointing and altitude in deg.
FIGURES = {
    (HESS, 23523): (1581.736764695497, (83.633333333333, 21.514444444444), 41.950807058227085),
    (HESS, 20275): (1525.8446630537546, (187.27791666667, 2.5523888888889), 53.60513299922279),
    (MAGIC, 5029747): (1178.0662769214098, (83.98333, 22.24389), 69.67894967369615),
    (CTA, 110380): (1764.000034326, (267.68121338, -29.6075), -8.034757849679231),
}
# Middle of the observation, jd1 and jd2.
MIDDLE = {
    (HESS, 23523): (2453344.0, 0.4321028240740739),
    (HESS, 20275): (2453110.0, 0.33728800925925917),
    (MAGIC, 5029747): (2456570.0, -0.31199663081137397),
    (CTA, 110380): (2459236.0, 0.010416666666666666),
}
# Events: all, 1 to 3 TeV, 0.3 to 0.9 deg from the pointing, 200 s.
EVENTS = {
    (HESS, 23523): (7613, 1917, 1382, 938),
    (HESS, 20275): (10646, 1201, 1839, 1205),
    (MAGIC, 5029747): (11189, 78, 5954, 1854),
    (CTA, 110380): (106217, 2912, 12688, 11757),
}


def load(shared, key) -> Observation:
    return DataStore.from_dir(shared / "data" / key[0]).obs(key[1], required_irf="all-optional")


@pytest.mark.parametrize("key", FIGURES)
def test_live_time_and_pointing_agree(shared, key):
    observation = load(shared, key)
    live, radec, altitude = FIGURES[key]
    assert_allclose(observation.observation_live_time_duration.to_value("s"), live, rtol=1e-12)
    pointing = observation.get_pointing_icrs(observation.tmid)
    assert_allclose([pointing.ra.deg, pointing.dec.deg], radec, rtol=1e-14)
    assert_allclose(observation.get_pointing_altaz(observation.tmid).alt.deg, altitude, atol=1e-3)
    middle = observation.tmid
    assert abs((middle.jd1 - MIDDLE[key][0]) + (middle.jd2 - MIDDLE[key][1])) * 86400 < 1e-9


@pytest.mark.parametrize("key", EVENTS)
def test_as_many_events_are_selected(shared, key):
    observation = load(shared, key)
    events = observation.events
    interval = Time(observation.tstart + [100, 300] * u.s)
    selected = (
        events,
        events.select_energy([1, 3] * u.TeV),
        events.select_offset([0.3, 0.9] * u.deg),
        observation.select_time(interval).events,
    )
    assert tuple(map(len, selected)) == EVENTS[key]


def test_the_text_of_a_run_is_that_of_gammapy(shared):
    events = load(shared, (HESS, 23523)).events
    assert str(events).splitlines()[7:] == [
        "  Number of events : 7613",
        "  Event rate       : 4.513 1 / s",
        "",
        "  Time start       : 53343.92234009259",
        "  Time stop        : 53343.94186555556",
        "",
        "  Min. energy      : 2.44e-01 TeV",
        "  Max. energy      : 1.01e+02 TeV",
        "  Median energy    : 9.53e-01 TeV",
        "",
        "  Max. offset      : 58.0 deg",
    ]


def test_observations_are_selected_as_by_gammapy(shared):
    table = DataStore.from_dir(shared / "data" / HESS).obs_table
    crab = {"type": "sky_circle", "frame": "icrs", "lon": "83.6 deg", "lat": "22 deg", "radius": "2 deg"}
    assert table.select_observations(crab)["OBS_ID"].tolist() == [23523, 23526, 23559, 23592]
    zenith = {"type": "par_box", "variable": "ZEN_PNT", "value_range": Angle([30, 50], "deg")}
    chosen = table.select_observations(zenith)
    assert len(chosen) == 18
    assert table.select_expression("30 <= ZEN_PNT < 50")["OBS_ID"].tolist() == chosen["OBS_ID"].tolist()
    overlap = table.select_time_range(table.time_start[[2, 5]], partial_overlap=True)
    assert overlap["OBS_ID"].tolist() == [20283, 20301, 20302, 20303]


def test_old_hess_backgrounds_are_known_to_be_mirrored(shared):
    assert load(shared, (HESS, 23523)).bkg.fov_alignment.name == "REVERSE_LON_RADEC"


def test_a_background_that_is_set_on_an_old_hess_run_keeps_its_alignment(shared):
    observation = load(shared, (HESS, 23523))
    table = observation.bkg
    new = Background3D(axes=table.axes, data=table.data, unit=table.unit, fov_alignment="RADEC")
    observation.bkg = new
    assert observation.bkg is new
    assert observation.select_time(observation.gti.time_intervals[0]).bkg is new
    assert new.fov_alignment.name == "RADEC"
    observation.bkg = table
    assert observation.bkg.fov_alignment.name == "REVERSE_LON_RADEC"


def test_point_like_responses_have_their_cut(shared):
    observation = load(shared, (MAGIC, 5029747))
    assert observation.available_irfs == ["aeff", "edisp", "rad_max"]
    assert len(DataStore.from_dir(shared / "data" / MAGIC).get_observations(required_irf="point-like")) == 2
    crab = SkyCoord(83.63, 22.01, unit="deg")
    assert len(observation.events.select_rad_max(observation.rad_max, crab)) == 964


def test_all_parts_of_all_runs_load(shared):
    for folder in (HESS, MAGIC, CTA):
        for observation in DataStore.from_dir(shared / "data" / folder).get_observations(required_irf="all-optional"):
            assert np.isfinite(observation.events.arrays["lon"]).all()
            assert all(getattr(observation, name) is not None for name in observation.available_hdus)


def test_a_run_is_drawn(shared):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    for run in ((HESS, 23523), (MAGIC, 5029747)):
        load(shared, run).peek()
        assert sum(ax.has_data() for ax in plt.gcf().axes) >= 4
    plt.close("all")
