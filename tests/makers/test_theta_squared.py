"""Counts over squared angle."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lightpool.data import DataStore
from lightpool.makers import ThetaSquaredTable
from lightpool.maps import MapAxis
from lightpool.simulate import PointSource
from lightpool.stats import WStatCountsStatistic

SOURCE = PointSource().position
COLUMNS = ["theta2_min", "theta2_max", "counts", "counts_off", "acceptance", "acceptance_off", "alpha"]
COLUMNS += ["excess", "sqrt_ts", "excess_errn", "excess_errp"]


@pytest.fixture
def axis():
    return MapAxis.from_bounds(0, 0.1, nbin=10, unit="deg2", name="theta_squared", node_type="edges")


def test_the_source_stands_out_and_the_background_is_flat(observations, axis):
    table = ThetaSquaredTable(observations, axis, SOURCE, energy_edges=[1, 100] * u.TeV).run()
    assert table.colnames == COLUMNS
    assert table["sqrt_ts"][0] > 10
    assert np.all(np.abs(table["sqrt_ts"][-3:]) < 4)
    expected = table["counts_off"].mean()
    assert np.all(np.abs(table["counts_off"] - expected) < 5 * np.sqrt(expected))
    assert_allclose(table["acceptance"], 6)
    assert_allclose(table["acceptance_off"], 6)
    assert table["theta2_max"].unit == "deg2"
    assert table.meta["ON_RA"] == SOURCE.icrs.ra
    assert_allclose(table.meta["Energy_filter"].value, [1, 100])


def test_counts_are_those_of_the_events(observations, axis):
    table = ThetaSquaredTable(observations[:1], axis, SOURCE, off_regions_number=3).run()
    events, pointing = observations[0].events, observations[0].pointing_radec
    edges = axis.edges.value

    def counts(place):
        return np.histogram(events.radec.separation(place).deg ** 2, edges)[0]

    angle, offset = pointing.position_angle(SOURCE), pointing.separation(SOURCE)
    others = [pointing.directional_offset_by(angle + i * 90 * u.deg, offset) for i in (1, 2, 3)]
    assert table["counts"].tolist() == counts(SOURCE).tolist()
    # the finder works on a plane, so an event at a border of bins may differ
    assert_allclose(table["counts_off"], sum(counts(place) for place in others), atol=2)
    assert table["counts_off"].sum() == sum(counts(place).sum() for place in others)
    assert_allclose(table["alpha"], 1 / 3)
    statistic = WStatCountsStatistic(table["counts"].data.astype(float), table["counts_off"].data, 1 / 3)
    assert_allclose(table["excess"], statistic.n_sig)
    assert_allclose(table["sqrt_ts"], statistic.sqrt_ts)
    assert_allclose(table["excess_errp"], statistic.compute_errp())


def test_one_off_position_for_all(observations, axis):
    far = SOURCE.directional_offset_by(0 * u.deg, 1 * u.deg)
    table = ThetaSquaredTable(observations[:2], axis, SOURCE, position_off=far).run()
    separations = [observation.events.radec.separation(far).deg ** 2 for observation in observations[:2]]
    assert table["counts_off"].tolist() == np.histogram(np.concatenate(separations), axis.edges.value)[0].tolist()


def test_positions_that_would_overlap_become_one(observations, axis, caplog):
    table = ThetaSquaredTable(observations[:2], axis, SOURCE, off_regions_number=6).run()
    assert "overlap" in caplog.text
    assert_allclose(table["acceptance_off"], 2)
    assert_allclose(table["alpha"], 1)


def test_the_axis_may_reach_the_pointing(observations):
    """ON and OFF circle touch there."""
    separation = observations[0].pointing_radec.separation(SOURCE).deg
    for factor in (1 - 1e-4, 1 - 1e-9):
        axis = MapAxis.from_edges(np.linspace(0, (factor * separation) ** 2, 4), unit="deg2", name="theta_squared")
        table = ThetaSquaredTable(observations[:1], axis, SOURCE).run()
        assert_allclose(table["acceptance_off"], 1)


def test_alpha_is_weighted_with_the_livetime(observations, axis, monkeypatch):
    monkeypatch.setattr(ThetaSquaredTable, "_count", lambda self, one: (np.ones(10, int), np.ones(10), one.obs_id))
    table = ThetaSquaredTable(observations[:2], axis, SOURCE).run()
    assert_allclose(table["alpha"], (1 + 1 / 2) / 2, rtol=1e-6)
    assert_allclose(table["acceptance_off"], 3)


def test_an_empty_field_has_no_excess(empty_store, axis):
    table = ThetaSquaredTable(DataStore.from_dir(empty_store).get_observations(), axis, SOURCE).run()
    assert np.all(np.abs(table["sqrt_ts"]) < 5)


def test_axes_of_the_wrong_kind_and_overlapping_regions_are_refused(observations, axis):
    def run(axis=axis, **kwargs):
        return ThetaSquaredTable(observations[:1], axis, SOURCE, **kwargs).run()

    with pytest.raises(ValueError, match="deg2"):
        run(MapAxis.from_bounds(0, 1, nbin=2, unit="deg", name="theta"))
    with pytest.raises(ValueError, match="shorter axis"):
        run(MapAxis.from_bounds(0, 1, nbin=2, unit="deg2", name="theta", node_type="edges"))
    with pytest.raises(ValueError, match="overlap"):
        run(position_off=SOURCE.directional_offset_by(0 * u.deg, 0.5 * u.deg))
    with pytest.raises(ValueError, match="off_regions_number is 2"):
        run(position_off=SOURCE.directional_offset_by(0 * u.deg, 1 * u.deg), off_regions_number=2)
    with pytest.raises(ValueError, match="two energies"):
        run(energy_edges=[1, 2, 3] * u.TeV)
    with pytest.raises(ValueError, match="off_regions_number"):
        run(off_regions_number=0)
    with pytest.raises(ValueError, match="0 observations"):
        ThetaSquaredTable([], axis, SOURCE).run()
