"""The background from other runs."""

import logging

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays import convolve_fft, to_host
from lightpool.data import DataStore
from lightpool.datasets import MapDataset, MapDatasetOnOff
from lightpool.irf import Background3D, FoVAlignment
from lightpool.makers import (
    ExcessMapEstimator,
    FoVBackgroundMaker,
    MapDatasetMaker,
    OffRunsBackgroundMaker,
    SafeMaskMaker,
)
from lightpool.maps import Map, MapAxis, WcsGeom
from lightpool.simulate import PointSource

SOURCE = PointSource().position
MAP_MAKER = MapDatasetMaker(selection=["counts", "background"], background_oversampling=5)


def runs_of(store):
    return DataStore.from_dir(store).get_observations()


def reduced(observation, binsz=0.05):
    """One run on a map around its pointing."""
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
    geom = WcsGeom.create(skydir=observation.pointing_radec, width=4, binsz=binsz, axes=[energy])
    dataset = MAP_MAKER.run(MapDataset.create(geom, name="on"), observation)
    return SafeMaskMaker(methods=["offset-max"], offset_max="2 deg").run(dataset, observation)


def exclusion(**kwargs):
    geom = WcsGeom.create(skydir=SOURCE, width=2, binsz=0.02, **kwargs)
    return geom.region_mask([CircleSkyRegion(SOURCE, 0.4 * u.deg)], inside=False)


def maker(runs, **kwargs):
    return OffRunsBackgroundMaker(runs, **({"map_maker": MAP_MAKER, "max_zenith_difference": "90 deg"} | kwargs))


@pytest.mark.parametrize("acceptance", ["background", "livetime"])
def test_off_counts_are_the_events_at_the_same_place_of_the_field_of_view(backend, empty_store, acceptance):
    runs = runs_of(empty_store)
    dataset = reduced(runs[0])
    made = maker(runs, acceptance=acceptance).run(dataset, runs[0])
    assert type(made) is MapDatasetOnOff
    assert {made.device, made.counts_off.device, made.alpha.device} == {backend.device}
    # astropy's frame of offsets from a pointing, as a slow reference
    expected = Map.from_geom(dataset.counts.geom, device="cpu")
    frame = runs[0].pointing_radec.skyoffset_frame()
    for off in runs[1:]:
        offset = off.events.radec.transform_to(off.pointing_radec.skyoffset_frame())
        moved = SkyCoord(offset.lon, offset.lat, frame=frame).icrs
        expected.fill_by_coord({"skycoord": moved, "energy": off.events.energy})
    found = to_host(made.counts_off.data)
    assert found.sum() == expected.data.sum() > 1000
    assert np.abs(found - expected.data).sum() <= 4  # events on the border of a pixel
    alpha = to_host(made.alpha.data)[to_host(made.mask_safe.data)]
    assert_allclose(alpha, 1 / 3, rtol=1e-6 if acceptance == "livetime" else 0.3)


def test_acceptances_are_templates_times_the_times_of_the_runs(empty_store):
    runs = runs_of(empty_store)
    dataset = reduced(runs[0])
    made = maker([runs[2]]).run(dataset, runs[0])
    # run 3 has the table of run 1, and is as long
    assert_allclose(made.acceptance_off.data, dataset.background.data, rtol=1e-9)
    half = runs[2].select_time(runs[2].tstart + [0, 840] * u.s)
    made = maker([half]).run(dataset, runs[0])
    assert_allclose(made.acceptance_off.data, dataset.background.data / 2, rtol=1e-6)
    assert_allclose(maker([half], acceptance="livetime").run(dataset, runs[0]).alpha.data, 2, rtol=1e-6)


def test_a_norm_of_the_on_run_does_not_change_the_acceptances(empty_store):
    runs = runs_of(empty_store)
    expected = maker(runs).run(reduced(runs[0]), runs[0])
    found = maker(runs).run(FoVBackgroundMaker().run(reduced(runs[0])), runs[0])
    assert_array_equal(found.alpha.data, expected.alpha.data)


def test_significances_of_an_empty_field_are_a_unit_gaussian(empty_store):
    runs = runs_of(empty_store)
    dataset = maker(runs).run(reduced(runs[0]), runs[0])
    estimator = ExcessMapEstimator("0.2 deg")
    maps = estimator.run(dataset)
    values = maps["sqrt_ts"].data
    mask = np.isfinite(values) & (maps["npred_background"].data > 3)
    assert mask.sum() > 3000
    # Circles that overlap are correlated by the part that they share.
    kernel = estimator.kernel(dataset.counts.geom)
    overlap = convolve_fft(kernel, kernel, mode="full") / kernel.sum()
    mean_spread, width_spread = np.sqrt(overlap.sum() / mask.sum()), np.sqrt((overlap**2).sum() / mask.sum() / 2)
    assert mean_spread < 0.15
    assert abs(values[mask].mean()) < 3 * mean_spread
    assert abs(values[mask].std() - 1) < 3 * width_spread


def test_the_injected_excess_is_recovered_though_the_source_is_in_the_off_runs(backend, crab_store):
    runs = runs_of(crab_store)
    dataset = reduced(runs[0])
    events = runs[0].events
    source = Map.from_geom(dataset.counts.geom, device="cpu")
    source.fill_events(events.select_row_subset(np.asarray(events.table["MC_ID"]) == 1))
    estimator = ExcessMapEstimator("0.15 deg")
    x, y = (int(i[0]) for i in source.geom.to_image().coord_to_idx(SOURCE))
    kernel = estimator.kernel(source.geom)
    injected = source.sum_over_axes(keepdims=False).convolve(kernel).data[y, x]
    assert injected > 100
    made = maker(runs, exclusion_mask=exclusion()).run(dataset, runs[0])
    maps = {name: to_host(m.data)[0, y, x] for name, m in estimator.run(made).items()}
    spread = np.sqrt(maps["npred_background"] * 1.5)
    assert abs(maps["npred_excess"] - injected) < 3 * spread
    assert maps["sqrt_ts"] > 10


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_the_exclusion_takes_events_and_acceptance_of_the_same_pixels(backend, crab_store, frame):
    runs = runs_of(crab_store)
    dataset, off = reduced(runs[0]), runs[1]
    every, some = (maker([off], exclusion_mask=mask).run(dataset, runs[0]) for mask in (None, exclusion(frame=frame)))
    ratio = to_host(some.acceptance_off.data) / to_host(every.acceptance_off.data)
    assert set(np.unique(ratio[np.isfinite(ratio)])) == {0.0, 1.0}
    gone = ratio[0] == 0
    assert_allclose(gone.sum() * 0.05**2, np.pi * 0.4**2, rtol=0.05)
    # wobbled north and south of the source: it is 0.5 deg north of the second pointing
    lon, lat = dataset.counts.geom.to_image().get_coord()
    place = SkyCoord(lon[gone].mean(), lat[gone].mean())
    offset = place.transform_to(runs[0].pointing_radec.skyoffset_frame())
    expected = SOURCE.transform_to(off.pointing_radec.skyoffset_frame())
    assert_allclose([offset.lon.deg, offset.lat.deg], [expected.lon.deg, expected.lat.deg], atol=0.02)
    counts = [to_host(made.counts_off.data) for made in (every, some)]
    assert_array_equal(counts[1], np.where(gone, 0, counts[0]))
    assert counts[0].sum() - counts[1].sum() > 100
    assert not to_host(some.mask_safe.data)[0, gone].any()


@pytest.mark.slow
def test_runs_match_by_zenith_and_time_and_not_with_themselves(empty_store):
    runs = runs_of(empty_store)
    assert [off.obs_id for off in maker(runs).matching(runs[1])] == [1, 3, 4]
    near = maker(runs, max_time_difference="40 min").matching(runs[1])
    assert [off.obs_id for off in near] == [1, 3]
    zenith = [run.get_pointing_altaz(run.tmid).zen.deg for run in runs]
    limit = sorted(abs(value - zenith[1]) for value in zenith)[2] + 1e-6
    like = maker(runs, max_zenith_difference=limit * u.deg).matching(runs[1])
    assert [off.obs_id for off in like] == [
        run.obs_id for run, value in zip(runs, zenith, strict=True) if 0 < abs(value - zenith[1]) < limit
    ]
    assert len(like) == 2


def test_without_a_match_everything_is_masked_and_a_warning_says_so(backend, empty_store, caplog):
    runs = runs_of(empty_store)
    with caplog.at_level(logging.WARNING):
        made = maker([runs[0]]).run(reduced(runs[0]), runs[0])
    assert "observation 1: no OFF run matches it" in caplog.text
    assert not to_host(made.mask_safe.data).any()
    assert to_host(made.counts_off.data).sum() == 0


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"acceptance": "exposure"}, ValueError, "acceptance must be one of .*'livetime'.*, got 'exposure'"),
        ({"max_zenith_difference": "0 deg"}, ValueError, "max_zenith_difference must be a positive angle"),
        ({"max_time_difference": "-1 d"}, ValueError, "max_time_difference must be a positive time"),
        ({"max_time_difference": "1 deg"}, ValueError, "max_time_difference must be a positive time with its unit"),
        ({"max_time_difference": 3}, ValueError, "max_time_difference must be a positive time with its unit.* got 3"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        OffRunsBackgroundMaker([], **arguments)


def test_wrong_masks_datasets_and_tables_are_refused(empty_store):
    runs = runs_of(empty_store)
    dataset = reduced(runs[0], binsz=0.2)
    for mask, kind in ((dataset.counts, "one of float64"), ("mask.fits", "a str")):
        with pytest.raises(TypeError, match=f"exclusion_mask must be a map of bool, got {kind}"):
            maker(runs, exclusion_mask=mask)
    with pytest.raises(ValueError, match=r"exclusion_mask must be an image, got a map with the axes \['energy'\]"):
        maker(runs, exclusion_mask=dataset.counts > 0)
    made = maker(runs).run(dataset, runs[0])
    with pytest.raises(TypeError, match="needs a MapDataset with counts, got a MapDatasetOnOff"):
        maker(runs).run(made, runs[0])
    with pytest.raises(ValueError, match="the observation of dataset 'on' is needed"):
        maker(runs).run(dataset)
    turned = runs[2].copy()
    table = runs[2].bkg
    turned.bkg = Background3D(table.axes, data=table.data, unit=table.unit, fov_alignment=FoVAlignment.ALTAZ)
    with pytest.raises(ValueError, match=r"observation 3 is aligned with the horizon .* acceptance='livetime'"):
        maker([turned]).run(dataset, runs[0])
    dataset.background = None
    with pytest.raises(ValueError, match="'on' has no background as acceptance"):
        maker(runs).run(dataset, runs[0])
    assert maker(runs, acceptance="livetime").run(dataset, runs[0]).counts_off.data.sum() > 0
