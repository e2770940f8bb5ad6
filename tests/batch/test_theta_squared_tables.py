"""Tables of theta squared that a batch makes: those of ThetaSquaredTable, for each stack."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.testing import assert_array_equal
from small_reductions import MAP

from lightpool.batch import make_plan, run_batch
from lightpool.data import DataStore
from lightpool.errors import ConfigError
from lightpool.makers import ThetaSquaredTable
from lightpool.maps import MapAxis
from lightpool.report import write_report

CRAB = SkyCoord(83.633, 22.0145, unit="deg")
OFF = {"lon": "84.633 deg", "lat": "22.0145 deg"}
GROUPS = [{"name": "all"}, {"name": "numbers", "by": "observations", "expression": "OBS_ID", "edges": [1, 3, 7]}]


def expected_table(store, obs_ids, energies, n_bin=18, position=CRAB, off=None, number=1):
    axis = MapAxis.from_bounds(0, 0.09, nbin=n_bin, unit="deg2", name="theta_squared", node_type="edges")
    observations = DataStore.from_dir(store).get_observations(obs_ids)
    return ThetaSquaredTable(observations, axis, position, off, energies, number).run()


def assert_same(found, expected):
    assert found.colnames == expected.colnames
    for name in expected.colnames:
        assert_array_equal(np.asarray(found[name]), np.asarray(expected[name]))
    assert found["theta2_max"].unit == "deg2"


@pytest.mark.slow
def test_each_stack_has_the_table_of_its_observations(settings_of, crab_store):
    targets = [
        MAP | {"theta_squared": {"nbin": 9}},
        MAP | {"name": "three", "theta_squared": {"off_regions_number": 3, "energy_min": "2 TeV"}},
        MAP | {"name": "off", "theta_squared": {"position_off": OFF, "energy_max": "5 TeV"}},
        MAP | {"name": "elsewhere", "theta_squared": {"position": OFF}},
    ]
    result = run_batch(make_plan(settings_of(targets=targets, groups=GROUPS)))
    off = SkyCoord(84.633, 22.0145, unit="deg")
    expected = {
        "crab": {"n_bin": 9, "energies": [1, 10] * u.TeV},
        "three": {"number": 3, "energies": [2, 10] * u.TeV},
        "off": {"off": off, "energies": [1, 5] * u.TeV},
    }
    for name, options in expected.items():
        table = Table.read(result.folder / f"{name}-theta-squared.ecsv")
        assert_same(table, expected_table(crab_store, [1, 2, 3, 4, 5, 6], **options))
        assert table.meta["N_DATASET"] == 6
        assert table.meta["ON_RA"].to_value("deg") == pytest.approx(83.633)
    table = Table.read(next(result.folder.glob("crab-numbers-1*-theta-squared.ecsv")))
    assert_same(table, expected_table(crab_store, [1, 2], [1, 10] * u.TeV, n_bin=9))
    assert "theta squared" in write_report(result.folder).read_text(encoding="utf-8").lower()


@pytest.mark.slow
def test_tables_go_when_nobody_asks_for_them_any_more(settings_of):
    plan = make_plan(settings_of(targets=[MAP | {"theta_squared": {}}]))
    result = run_batch(plan)
    path = result.folder / "crab-theta-squared.ecsv"
    assert path.exists()
    run_batch(make_plan(settings_of()), restart=True)
    assert not path.exists()


@pytest.mark.slow
def test_observations_whose_pointing_is_too_close_are_counted_and_left_out(settings_of, crab_store, caplog):
    observations = DataStore.from_dir(crab_store).get_observations([1, 2])
    near = observations[0].pointing_radec.directional_offset_by(0 * u.deg, 0.2 * u.deg)
    far = [obs.pointing_radec.separation(near) > 0.3 * u.deg for obs in observations]
    assert far == [False, True]
    position = {"lon": f"{near.ra.deg} deg", "lat": f"{near.dec.deg} deg"}
    targets = [MAP | {"theta_squared": {"position": position}}]
    result = run_batch(make_plan(settings_of(targets=targets, observations={"obs_ids": [1, 2]})))
    table = Table.read(result.folder / "crab-theta-squared.ecsv")
    assert (table.meta["N_DATASET"], table.meta["N_OMITTED"]) == (1, 1)
    result = run_batch(make_plan(settings_of("one", targets=targets, observations={"obs_ids": [1]})))
    assert not (result.folder / "crab-theta-squared.ecsv").exists()
    assert "crab has no table of theta squared: all pointings are too close" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position_off": OFF, "off_regions_number": 2}, "got both position_off and off_regions_number"),
        ({"energy_min": "20 TeV"}, "energy_min must be below energy_max, got 20 TeV and 10 TeV"),
        ({"position_off": OFF, "theta_max": "0.6 deg"}, "theta_squared cannot be used: OFF and ON region overlap"),
        ({"nbin": 0}, "nbin"),
        ({"theta_max": "3"}, "got '3' without a unit, expected an angle"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_the_plan(settings_of, options, message):
    with pytest.raises(ConfigError, match=r"crab|targets\.0\.theta_squared") as caught:
        make_plan(settings_of(targets=[MAP | {"theta_squared": options}]))
    assert message in str(caught.value)
