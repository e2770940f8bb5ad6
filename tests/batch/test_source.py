"""The numbers at the source: sums in a circle, and counts over the squared angle."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import EarthLocation
from small_reductions import MAP, SPECTRUM

from lightpool.arrays import to_host
from lightpool.batch import make_plan, run_batch
from lightpool.batch.execution.observation_summary import PendingSummary, _longitude, start_texts
from lightpool.batch.execution.reduce_chunk import Reducer
from lightpool.batch.execution.source_counts import SUMS, Source, background_of, theta_squared_counts
from lightpool.batch.execution.stack_work import _Job
from lightpool.config.build import build_reduction
from lightpool.config.settings import Settings
from lightpool.data import GTI, DataStore, FixedPointingInfo, PointingMode
from lightpool.datasets import MapDataset, MapDatasetOnOff
from lightpool.makers import ThetaSquaredTable
from lightpool.maps import Map, MapAxis

RING = {"type": "RingBackgroundMaker", "r_in": "0.4 deg", "width": "0.2 deg"}
PHASES = {"type": "PhaseBackgroundMaker", "on_phase": [[0.1, 0.3]], "off_phase": [[0.5, 1.0]]}


def target_of(data, **changes):
    settings = Settings.from_dict({"observations": {"datastore": "store"}, "targets": [data | changes]})
    return settings.targets[0]


def source_of(data, **changes):
    target = target_of(data, **changes)
    reference, _ = build_reduction(target)
    return Source.of(target, reference.counts.geom), reference


def filled(geom, rng, device):
    """ON and OFF maps of random numbers, of which a random half is safe."""
    maps = {name: Map.from_geom(geom, data=rng.uniform(1, 2, geom.data_shape)).to(device) for name in SUMS}
    mask = Map.from_geom(geom, data=rng.uniform(size=geom.data_shape) > 0.5).to(device)
    return maps, mask


def theta_squared(source, observation):
    pointing = observation.pointing_radec.icrs
    return theta_squared_counts(source, observation.events, (pointing.ra.rad, pointing.dec.rad), np.array([1.0, 10.0]))


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.85])
def test_sums_at_the_source_are_those_of_a_slow_search_for_its_pixels(device, shift):
    circle = {"lon": f"{83.633 + shift} deg", "lat": "22.4 deg", "radius": "0.25 deg"}
    source, reference = source_of(MAP, source=circle)
    geom = reference.counts.geom
    maps, mask = filled(geom, np.random.default_rng(3), device)
    background = maps.pop("background")
    on_off = MapDatasetOnOff(**maps, mask_safe=mask)
    known = MapDataset(counts=maps["counts"], background=background, mask_safe=mask)
    for dataset in (on_off, known, on_off.cutout(geom.center_skydir, 1 * u.deg)):
        image = dataset.counts.geom.to_image()
        inside = image.separation(source.position).deg <= 0.25
        safe = dataset.mask_safe.to("cpu").data
        expected = [np.sum(dataset.counts.to("cpu").data[safe & inside])]
        expected += [np.sum(dataset.background.to("cpu").data[safe & inside])]
        found = source.sums(dataset, background_of(dataset))
        if not inside.any():
            assert found is None
            continue
        if dataset is known:
            np.testing.assert_allclose(to_host(found), [*expected, np.nan, np.nan, np.nan], rtol=1e-12)
            continue
        x, y = (int(np.ravel(index)[0]) for index in image.coord_to_idx(source.position))
        is_there = 0 <= x < safe.shape[2] and 0 <= y < safe.shape[1]
        pixel = safe[:, y, x] if is_there else np.zeros(safe.shape[0], bool)
        expected += [np.sum(dataset.counts_off.to("cpu").data[:, y, x][pixel])]
        expected += [np.sum(dataset.acceptance.to("cpu").data[safe & inside])]
        expected += [np.sum(dataset.acceptance_off.to("cpu").data[:, y, x][pixel])]
        np.testing.assert_allclose(to_host(found), expected, rtol=1e-12)


def test_a_source_beside_the_map_has_no_sums():
    source, reference = source_of(MAP, source={"lon": "93 deg", "lat": "22 deg", "radius": "0.1 deg"})
    dataset = MapDataset.from_geoms(**reference.geoms)
    assert source.sums(dataset, background_of(dataset)) is None


def test_the_circle_is_never_smaller_than_a_pixel():
    source, _ = source_of(MAP, binsz="0.4 deg")
    assert source.radius.deg == pytest.approx(0.404, rel=1e-2)
    assert source.pixels.inside.any()


def test_theta_squared_counts_are_those_of_the_table(crab_store):
    source, _ = source_of(MAP)
    axis = MapAxis.from_bounds(0, 0.1, nbin=20, unit="deg2", name="theta2", node_type="edges")
    observations = DataStore.from_dir(crab_store).get_observations()[:3]
    table = ThetaSquaredTable(observations, axis, source.position, energy_edges=[1, 10] * u.TeV).run()
    found = [theta_squared(source, observation) for observation in observations]
    assert np.sum([each["counts"] for each in found], axis=0).tolist() == table["counts"].tolist()
    assert np.sum([each["counts_off"] for each in found], axis=0).tolist() == table["counts_off"].tolist()
    assert sum(found[0]["counts"]) > sum(found[0]["counts_off"]) > 0


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (MAP, {"source": {"lon": "83.633 deg", "lat": "22.4 deg", "radius": "0.1 deg"}}),
        (SPECTRUM, {"makers": [SPECTRUM["makers"][0], PHASES]}),
    ],
    ids=["close to the pointing", "OFF counts are those of other phases"],
)
def test_no_theta_squared_where_the_mirror_position_tells_no_background(crab_store, data, changes):
    source, _ = source_of(data, **changes)
    observation = DataStore.from_dir(crab_store).get_observations()[0]
    assert theta_squared(source, observation) is None


@pytest.mark.slow
def test_each_observation_of_a_batch_tells_its_stacks_and_the_sums_of_them(settings_of):
    groups = [
        {"name": "all"},
        {"name": "nights", "by": "night"},
        {"name": "types", "by": "events", "expression": "MC_ID"},
    ]
    ring = MAP | {"name": "ring", "makers": [*MAP["makers"], RING]}
    result = run_batch(make_plan(settings_of(targets=[MAP, ring, SPECTRUM], groups=groups)))
    rows = [row for outcome in result.outcomes for row in outcome.summaries]
    assert {tuple(row["stacks"]) for row in rows if row["target"] == "crab"} >= {("crab", "crab-nights-2020-01-01")}
    for name in ("crab", "ring", "spectrum"):
        sums = [row["source"] for row in rows if name in row["stacks"]]
        assert len(sums) == 6
        assert sum(row["counts"] for row in sums) > sum(row["background"] for row in sums) > 0
        assert (sums[0]["counts_off"] is None) == (name == "crab")
    background = sum(row["background"] for row in rows if "spectrum" in row["stacks"])
    off = [row["source"] for row in rows if "spectrum" in row["stacks"]]
    expected = sum(each["counts_off"] * each["acceptance"] / each["acceptance_off"] for each in off)
    assert background == pytest.approx(expected), "alpha times OFF, not the prediction of the null hypothesis"


def test_figures_of_a_spectrum_without_off_counts_has_no_background(crab_store):
    target = target_of(SPECTRUM, makers=SPECTRUM["makers"][:1])
    reference, maker = build_reduction(target)
    observation = DataStore.from_dir(crab_store).get_observations()[0]
    dataset = maker.make_dataset(reference, observation)
    source = Source.of(target, reference.counts.geom)
    summary = PendingSummary.of(dataset, observation, {}, source).to_dict()
    assert summary["background"] is None
    assert summary["source"]["background"] is None
    assert summary["source"]["counts"] == summary["counts"] > 0


def test_starts_of_observations_are_the_same_together_as_one_by_one(crab_store):
    target = target_of(SPECTRUM, makers=SPECTRUM["makers"][:1])
    reference, maker = build_reduction(target)
    observations = list(DataStore.from_dir(crab_store).get_observations()[:3])
    # a time of astropy, as after a user has asked for the table of the intervals
    observations[1].gti = GTI(observations[1].gti.table)
    source = Source.of(target, reference.counts.geom)
    found = [PendingSummary.of(maker.make_dataset(reference, each), each, {}, source) for each in observations]
    expected = [each.tstart.utc.isot for each in observations]
    assert start_texts(found) == expected
    assert [each.to_dict()["start"] for each in found] == expected
    assert len(set(expected)) == 3


@pytest.mark.parametrize(
    "place", [(23.27, 16.5, -1835.0), (28.76, -17.89, 2200.0), (-24.68, -70.31, 2635.0), (0, 180, 0)]
)
def test_the_longitude_of_a_site_is_that_of_its_location(place):
    site = EarthLocation.from_geodetic(place[1], place[0], place[2])
    assert _longitude(site) == site.lon.deg
    in_km = EarthLocation.from_geocentric(*(each.to("km") for each in site.to_geocentric()))
    assert _longitude(in_km) == in_km.lon.deg


def test_plain_angles_are_those_of_positions(crab_store):
    job = _Job.of(target_of(MAP))
    center = job.reference.counts.geom.center_skydir
    for observation in DataStore.from_dir(crab_store).get_observations():
        pointing = observation.pointing_radec
        assert observation.pointing_degrees == (pointing.ra.deg, pointing.dec.deg)
        assert job.offset(observation) == pytest.approx(pointing.separation(center).deg, rel=1e-14)
    turned = FixedPointingInfo.from_degrees(-10.25, 5)
    assert turned.icrs_degrees == (turned.fixed_icrs.ra.deg, turned.fixed_icrs.dec.deg)
    assert FixedPointingInfo.from_degrees(10, 5, PointingMode.DRIFT).icrs_degrees is None


def test_a_stack_of_a_chunk_shares_the_pixels_of_its_cutouts(crab_store):
    settings = Settings.from_dict({"observations": {"datastore": str(crab_store)}, "targets": [MAP]})
    reducer = Reducer(settings)
    reference = reducer.work.jobs[0].reference
    partial, _ = reducer.reduce(make_plan(settings).obs_ids)
    assert len(list(partial)) > 0
    for key in partial:
        assert partial[key].counts.geom == reference.counts.geom
        assert partial[key].counts.geom.window.grid is reference.counts.geom.window.grid
        assert partial[key].exposure.geom.window.grid is reference.exposure.geom.window.grid
        assert partial[key].counts.data.sum() > 0
