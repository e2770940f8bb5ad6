"""What was put into the simulated runs is found again by reducing them."""

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host, use_device
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.irf import PSF3D, Background2D, Background3D, EnergyDependentMultiGaussPSF, PSFKing
from lightpool.makers import MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import Instrument, PointSource, expected_source_counts, simulate_store, wobble_runs
from lightpool.simulate.demo import reduce_demo


def reduced(store, obs_id):
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=8)
    energy_true = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=40, name="energy_true")
    geom = WcsGeom.create(skydir=PointSource().position, width=4, binsz=0.05, axes=[energy])
    observation = DataStore.from_dir(store).obs(obs_id)
    return MapDatasetMaker().run(MapDataset.create(geom, energy_axis_true=energy_true), observation), observation


def counts_in_reach(dataset, radius):
    near = dataset.counts.geom.to_image().separation(PointSource().position) < radius
    return np.where(near, to_host(dataset.counts.data), 0).sum(axis=(1, 2)), np.where(
        near, to_host(dataset.background.data), 0
    ).sum(axis=(1, 2))


def test_a_store_has_each_kind_of_response(crab_store):
    observations = DataStore.from_dir(crab_store).get_observations()
    assert {type(observation.psf) for observation in observations} == {PSF3D, EnergyDependentMultiGaussPSF, PSFKing}
    assert {type(observation.bkg) for observation in observations} == {Background2D, Background3D}
    assert all(observation.rad_max is not None for observation in observations)


def test_excess_is_the_source_that_was_put_in(crab_store):
    excess, expected = 0.0, 0.0
    store = DataStore.from_dir(crab_store)
    for obs_id in store.obs_ids:
        dataset, _ = reduced(crab_store, obs_id)
        counts, background = counts_in_reach(dataset, 0.5 * u.deg)
        excess += (counts - background).sum()
        # the flux folded with what the reduction says of the instrument at the source
        energy_true = dataset.exposure.geom.axes["energy_true"]
        source = PointSource()
        exposure = dataset.exposure.get_by_coord({"skycoord": source.position, "energy_true": energy_true.center})
        kernel = dataset.edisp.get_edisp_kernel(position=source.position).pdf_matrix.sum(axis=1)
        flux = source.flux(energy_true.center.to_value("TeV")) * energy_true.bin_width.to_value("TeV")
        expected += (flux * np.ravel(exposure) * kernel).sum()
    # six Crab runs: Poisson errors of source and background, and 4 % for the coarse integral and the tail of the PSF
    assert abs(excess - expected) < 4 * np.sqrt(expected + 300) + 0.04 * expected
    assert expected > 1000


def test_background_alone_agrees_with_its_template(empty_store):
    counts, background = 0.0, 0.0
    for obs_id in DataStore.from_dir(empty_store).obs_ids:
        dataset, observation = reduced(empty_store, obs_id)
        dataset = SafeMaskMaker(["offset-max"], offset_max="2.4 deg").run(dataset, observation)
        keep = to_host(dataset.mask_safe.data)
        counts += (to_host(dataset.counts.data) * keep).sum()
        background += (to_host(dataset.background.data) * keep).sum()
    assert abs(counts - background) < 4 * np.sqrt(background) + 0.02 * background


def test_events_are_within_the_good_time_of_their_run(crab_store):
    for observation in DataStore.from_dir(crab_store).get_observations():
        time = observation.events.time
        assert (time >= observation.gti.time_start[0]).all()
        assert (time <= observation.gti.time_stop[0]).all()
        assert_allclose(observation.observation_live_time_duration.to_value("s"), 1680 * 0.94)


@pytest.mark.slow
def test_a_seed_fixes_every_run_whatever_their_number(tmp_path):
    first = DataStore.from_dir(simulate_store(tmp_path / "one", 1, seed=5)).obs(1).events
    again = DataStore.from_dir(simulate_store(tmp_path / "three", 3, seed=5)).obs(1).events
    other = DataStore.from_dir(simulate_store(tmp_path / "other", 1, seed=6)).obs(1).events
    for name in first.table.colnames:
        assert_array_equal(first.table[name], again.table[name])
    assert len(first.table) != len(other.table)


def one_run(tmp_path, light_curve):
    source = PointSource(light_curve=light_curve)
    folder = simulate_store(tmp_path / "store", 1, source=source, seed=3, psf_kinds=["psf_king"])
    events = DataStore.from_dir(folder).obs(1).events
    return events.time, np.asarray(events.table["MC_ID"]) == 1


def test_a_source_that_varies_has_events_when_it_is_bright(tmp_path):
    begin = Time("2020-01-01T21:00:00", scale="tt")

    def first_half(time):
        return np.where((time - begin).sec < 840, 1.0, 0.25)

    time, is_source = one_run(tmp_path, first_half)
    bright = (time - begin).sec < 840
    assert (np.diff((time - begin).sec) >= 0).all()
    n_bright, n_faint = (is_source & bright).sum(), (is_source & ~bright).sum()
    assert n_bright > 100
    assert abs(n_faint - n_bright / 4) < 4 * np.sqrt(n_bright / 4)
    n_background = [(~is_source & half).sum() for half in (bright, ~bright)]
    assert abs(np.subtract(*n_background)) < 4 * np.sqrt(np.sum(n_background))


def test_a_source_that_is_never_bright_leaves_the_background_as_it_is(tmp_path):
    time, is_source = one_run(tmp_path / "off", lambda time: np.zeros(time.shape))
    constant, in_constant = one_run(tmp_path / "on", None)
    assert not is_source.any()
    assert_array_equal(time.mjd, constant.mjd[~in_constant])


def test_only_the_source_with_a_light_curve_varies(tmp_path):
    never = PointSource(light_curve=lambda time: np.zeros(time.shape))
    sources = [never, PointSource(), never]
    events = (
        DataStore.from_dir(simulate_store(tmp_path / "store", 1, source=sources, psf_kinds=["psf_king"])).obs(1).events
    )
    assert set(np.asarray(events.table["MC_ID"])) == {2, 3}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda time: np.full(time.shape, 1.5), "from 1.5 to 1.5, expected parts of the flux from 0 to 1"),
        (lambda time: np.full(time.shape, -0.1), "from -0.1 to -0.1"),
        (lambda time: np.full(time.shape, np.nan), "from nan to nan"),
        (lambda time: 1.0, r"an array of shape \(\) for times of shape \(\d+,\)"),
        (lambda time: np.ones(3), r"of shape \(3,\)"),
    ],
)
def test_a_light_curve_is_a_part_of_the_flux_at_each_time(tmp_path, values, message):
    with pytest.raises(ValueError, match=message):
        one_run(tmp_path, values)


def test_expected_counts_grow_with_flux_and_livetime():
    instrument, rng = Instrument(), np.random.default_rng(0)
    short, long = (wobble_runs(1, PointSource().position, ontime=s, rng=rng)[0] for s in (600.0, 1200.0))
    _, faint = expected_source_counts(instrument, short, PointSource())
    _, bright = expected_source_counts(instrument, long, PointSource(norm=3 * PointSource().norm))
    assert_allclose(bright, 6 * faint, rtol=1e-12)


def test_three_kinds_of_psf_have_about_the_same_width():
    contained = []
    for kind in ("psf_table", "psf_3gauss", "psf_king"):
        psf = Instrument(psf_kind=kind).psf
        contained.append(psf.containment_radius(0.68, energy_true=1 * u.TeV, offset=0.5 * u.deg).to_value("deg"))
    assert_allclose(np.ravel(contained[:2]), np.mean(contained[:2]), rtol=0.02)
    assert_allclose(np.ravel(contained[2]), np.mean(contained[:2]), rtol=0.5)


def test_a_store_is_not_written_over_by_accident(crab_store):
    with pytest.raises(FileExistsError, match="overwrite=True"):
        simulate_store(crab_store, 1)


def test_an_unknown_kind_says_what_there_is():
    with pytest.raises(ValueError, match="psf_table"):
        Instrument(psf_kind="psf_gauss")
    with pytest.raises(ValueError, match="at least 1"):
        wobble_runs(0, PointSource().position, rng=np.random.default_rng(0))


@pytest.mark.slow
def test_demo_reduction_runs_on_every_library(backend, crab_store):
    dataset = reduce_demo(crab_store, PointSource())
    assert dataset.device == backend.device
    image = dataset.counts.to("cpu").sum_over_axes(keepdims=False)
    peak = np.unravel_index(np.argmax(image.smooth("0.1 deg").data), image.data.shape)
    assert image.geom.separation(PointSource().position)[peak] < 0.1 * u.deg


@pytest.mark.slow
def test_libraries_agree_map_by_map(device, crab_store):
    def maps_on(name):
        with use_device(name):
            dataset = reduce_demo(crab_store, PointSource())
        maps = {"psf": dataset.psf.psf_map, "edisp": dataset.edisp.edisp_map}
        maps |= {kind: getattr(dataset, kind) for kind in ("counts", "exposure", "background", "mask_safe")}
        return {kind: to_host(value.data) for kind, value in maps.items()}

    found = maps_on(device)
    for kind, expected in maps_on("cpu").items():
        atol = 2e-8 if kind == "edisp" else 1e-12 * np.max(np.abs(expected))
        assert_allclose(found[kind], expected, rtol=1e-9, atol=atol, err_msg=kind)
