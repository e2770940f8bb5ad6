"""Maps of one observation: laws, and the table evaluated pixel by pixel as a slow reference."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.data import FixedPointingInfo
from lightpool.datasets import MapDataset
from lightpool.irf.projection import requests
from lightpool.irf.projection.integrate_background import integrate_background
from lightpool.makers import MapDatasetMaker
from lightpool.makers.responses.fov_rotation import rotation_times
from lightpool.makers.utils import make_map_background_irf
from lightpool.maps import MapAxis, WcsGeom
from lightpool.utils.deviations import noted_deviations


def test_every_map_is_made_where_the_dataset_lives(backend, empty, observations):
    dataset = MapDatasetMaker().run(empty(), observations[0])
    maps = [dataset.counts, dataset.background, dataset.exposure, dataset.mask_safe]
    maps += [dataset.psf.psf_map, dataset.psf.exposure_map, dataset.edisp.edisp_map, dataset.edisp.exposure_map]
    assert {item.device for item in maps} == {backend.device}


def test_counts_are_the_events_inside_the_map(empty, geom, observations):
    counts = MapDatasetMaker(selection=["counts"]).run(empty(), observations[0]).counts
    events = observations[0].events
    inside = geom.contains({"skycoord": events.radec, "energy": events.energy})
    assert counts.data.sum() == inside.sum()
    assert inside.sum() > 100


@pytest.mark.parametrize("run", [0, 1, 2])
def test_responses_are_those_of_the_tables_at_each_pixel(backend, empty, observations, run):
    observation = observations[run]
    dataset = MapDatasetMaker().run(empty(), observation)
    pointing = observation.get_pointing_icrs(observation.tmid)

    def place(geom):
        offset = geom.to_image().get_coord().skycoord.separation(pointing)
        return {"offset": offset[np.newaxis], "energy_true": geom.axes["energy_true"].center[:, None, None]}

    area = observation.aeff.evaluate(**place(dataset.exposure.geom))
    expected = (area * observation.observation_live_time_duration).to_value("m2 s")
    assert_allclose(to_host(dataset.exposure.data), expected, rtol=1e-9, atol=1e-3)

    psf = dataset.psf.psf_map
    rad = psf.geom.axes["rad"]
    coords = {name: value[:, None] for name, value in place(psf.geom).items()}
    values = observation.psf.evaluate(rad=rad.center[None, :, None, None], **coords).to_value(psf.unit)
    ring = (2 * np.pi * rad.center * rad.bin_width).value[None, :, None, None]
    norm = (values * ring).sum(axis=1, keepdims=True)
    expected = np.divide(values, norm, out=np.zeros_like(values), where=norm > 0)
    assert_allclose(to_host(psf.data), expected, rtol=1e-8, atol=1e-8 * expected.max())


def test_the_exposures_of_psf_and_dispersion_are_equal_and_can_be_changed_apart(empty, observations):
    dataset = MapDatasetMaker().run(empty(), observations[0])
    alone = MapDatasetMaker(selection=["edisp"]).run(empty(), observations[0])
    psf, edisp = dataset.psf.exposure_map, dataset.edisp.exposure_map
    values = np.array(to_host(edisp.data))
    assert_array_equal(values, to_host(alone.edisp.exposure_map.data))
    assert_array_equal(values, to_host(psf.data))
    assert edisp.geom.axes.names == alone.edisp.exposure_map.geom.axes.names
    assert edisp.meta["livetime"] == psf.meta["livetime"]
    psf.data[...] += 1
    psf.meta["livetime"] = 0 * u.s
    assert_array_equal(to_host(edisp.data), values)
    assert edisp.meta["livetime"] > 0 * u.s


def test_dispersions_of_other_pixels_or_true_energies_have_exposures_of_their_own(geom, observations):
    energy_true = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true")
    rad = MapAxis.from_bounds(0, 0.5, nbin=4, unit="deg", name="rad")
    migra = MapAxis.from_bounds(0.2, 3, nbin=10, name="migra")
    image = geom.to_image()
    other = MapAxis.from_energy_bounds("0.3 TeV", "30.00001 TeV", nbin=6, name="energy_true")
    for pixels, true in ((image.upsample(2), energy_true), (image, other)):
        geoms = {"geom_exposure": image.to_cube([energy_true]), "geom_psf": image.to_cube([rad, energy_true])}
        dataset = MapDataset.from_geoms(geom, geom_edisp=pixels.to_cube([migra, true]), **geoms)
        found = MapDatasetMaker().run(dataset, observations[0]).edisp.exposure_map
        expected = MapDatasetMaker(selection=["edisp"]).run(dataset, observations[0]).edisp.exposure_map
        assert found.geom.data_shape == expected.geom.data_shape
        assert_array_equal(to_host(found.data), to_host(expected.data))


def test_kernels_add_up_to_one_where_all_energies_are_seen(observations, geom):
    energy = MapAxis.from_energy_bounds("0.01 TeV", "500 TeV", nbin=60)
    energy_true = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true")
    wide = geom.to_image().to_cube([energy])
    dataset = MapDatasetMaker(selection=["edisp"]).run(
        MapDataset.create(wide, energy_axis_true=energy_true), observations[0]
    )
    inside = to_host(dataset.edisp.exposure_map.data)[:, 0] > 0
    assert_allclose(to_host(dataset.edisp.edisp_map.data).sum(axis=1)[inside], 1, atol=1e-6)


@pytest.fixture
def stacks(observations):
    """Stacks of two runs whose background was used as a whole before, or not."""
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
    geom = WcsGeom.create(
        skydir=observations[0].get_pointing_icrs(observations[0].tmid), width=4, binsz=0.1, axes=[energy]
    )
    stacks, rng = [], np.random.default_rng(3)
    masks = [rng.random(geom.data_shape) < 0.7 for _ in range(2)]
    for is_read in (True, False):
        stack = MapDataset.create(geom)
        for observation, mask in zip(observations[:2], masks, strict=True):
            dataset = MapDatasetMaker(selection=["background"]).run(stack, observation)
            if is_read:
                assert np.any(dataset.background.data > 0)
            dataset.mask_safe.data = mask
            stack.stack(dataset)
        stacks.append(stack.background.data)
    return stacks


def test_a_background_that_is_only_stacked_is_never_computed_as_a_whole_and_adds_the_same(stacks):
    read, unread = stacks
    assert np.any(read > 0)
    assert_array_equal(unread, read)


def test_the_background_of_a_run_is_computed_when_it_is_read(empty, observations, monkeypatch):
    now = MapDatasetMaker().run(empty(), observations[0]).background.data.copy()
    computed = []

    def counting(*arguments):
        computed.append(1)
        return integrate_background(*arguments)

    monkeypatch.setattr(requests, "integrate_background", counting)
    dataset = MapDatasetMaker().run(empty(), observations[0])
    assert not computed
    assert_array_equal(dataset.background.data, now)
    assert len(computed) == 1
    dataset.background.data[...] += 1
    assert_array_equal(dataset.background.data, now + 1)
    with noted_deviations():  # who listens to what differs from Gammapy hears it at once
        MapDatasetMaker().run(empty(), observations[0])
    assert len(computed) == 2


def test_a_window_of_a_background_outside_of_a_mask_is_zero(empty, observations):
    lazy = MapDatasetMaker(selection=["background"]).run(empty(), observations[0]).background.stored
    whole = lazy.values()
    window = (..., slice(3, 9), slice(2, 12))
    mask = np.random.default_rng(0).random((6, 10)) < 0.5
    [(_, part)] = lazy[window].parts(mask)
    assert_allclose(part, np.where(mask, whole[window], 0), rtol=1e-14)


def test_pixels_outside_of_the_sky_have_no_responses(backend, observations):
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2)
    geom = WcsGeom.create(binsz=10, proj="AIT", axes=[energy])
    dataset = MapDatasetMaker().run(MapDataset.create(geom, binsz_irf=10), observations[0])
    outside = np.isnan(geom.to_image().get_coord().lon.value)
    assert outside[0, 0]
    responses = [dataset.exposure, dataset.psf.psf_map, dataset.edisp.edisp_map]
    for values in (to_host(response.data) for response in responses):
        assert np.isfinite(values).all()
        assert not values[..., outside].any()
    assert dataset.info_dict()["counts"] == np.nansum(to_host(dataset.counts.data)) > 100


def test_background_is_rate_times_solid_angle_and_time(empty, observations):
    observation = observations[1]  # in offset, so that the reference is one line
    dataset = MapDatasetMaker(background_oversampling=40).run(empty(), observation)
    geom = dataset.background.geom
    offset = geom.to_image().get_coord().skycoord.separation(observation.pointing_radec)
    fine = geom.axes["energy"].upsample(200)
    table = observation.bkg.pad(1, mode="edge", axis_name="offset")
    rate = table.evaluate(energy=fine.center[:, None, None], offset=offset[None]) * fine.bin_width[:, None, None]
    rate = rate.reshape((geom.axes["energy"].nbin, 200, *offset.shape)).sum(axis=1)
    expected = (rate * geom.solid_angle() * observation.observation_time_duration).to_value("")
    assert_allclose(to_host(dataset.background.data), expected, rtol=2e-4)


def test_each_map_can_be_made_by_itself(backend, reduced, observations):
    maker, dataset = MapDatasetMaker(), reduced()
    geoms = dataset.geoms
    made = {
        "counts": (maker.make_counts(geoms["geom"], observations[0]), dataset.counts),
        "background": (maker.make_background(geoms["geom"], observations[0]), dataset.background),
        "exposure": (maker.make_exposure(geoms["geom_exposure"], observations[0]), dataset.exposure),
        "psf": (maker.make_psf(geoms["geom_psf"], observations[0]).psf_map, dataset.psf.psf_map),
        "edisp": (maker.make_edisp_kernel(geoms["geom_edisp"], observations[0]).edisp_map, dataset.edisp.edisp_map),
    }
    for name, (found, expected) in made.items():
        assert found.device == backend.device, name
        assert_array_equal(to_host(found.data), to_host(expected.data), err_msg=name)


def test_what_is_not_selected_is_not_made(reduced):
    dataset = reduced(selection=["exposure"])
    assert dataset.background is None
    assert dataset.psf is None
    assert dataset.edisp is None
    assert dataset.counts.data.sum() == 0
    assert dataset.exposure.data.max() > 0


def test_a_response_without_a_geometry_says_what_to_leave_out(empty, observations):
    dataset = empty(name="run")
    dataset.psf = None
    with pytest.raises(ValueError, match="leave 'psf' out"):
        MapDatasetMaker().run(dataset, observations[0])


@pytest.mark.parametrize("selection", [["count"], "counts"])
def test_an_unknown_selection_says_what_there_is(selection):
    with pytest.raises(ValueError, match="background"):
        MapDatasetMaker(selection=selection)


def test_the_table_of_an_observation_is_never_changed(reduced, observations):
    before = observations[0].bkg.data.copy()
    reduced()
    assert_array_equal(observations[0].bkg.data, before)


def test_meta_table_names_the_observation(reduced, observations):
    table = reduced().meta_table
    assert table["OBS_ID"][0] == observations[0].obs_id
    assert table["TELESCOP"][0] == "LIGHTPOOL"
    assert_allclose(table["RA_PNT"].quantity.to_value("deg"), observations[0].pointing_radec.ra.deg)


def test_printed_maker_shows_its_settings():
    text = str(MapDatasetMaker(background_oversampling=3))
    assert text.startswith("MapDatasetMaker\n---------------\n")
    assert "background_oversampling" in text
    assert ": 3" in text


class TestHorizon:
    """Background tables that are aligned with the horizon."""

    @pytest.fixture
    def observation(self, observations):
        return observations[0]

    @pytest.fixture
    def tilted(self, observation):
        """A table that is not the same in all directions, aligned with the horizon."""
        table = observation.bkg
        lon = table.axes["fov_lon"].center.to_value("deg")[:, None]
        lat = table.axes["fov_lat"].center.to_value("deg")[None, :]
        data = table.data * np.exp(0.4 * lon - 0.2 * lat)
        return type(table)(axes=table.axes, data=data, unit=table.unit, fov_alignment="ALTAZ")

    def make(self, observation, table, geom, step=1 * u.deg, pointing=None):
        return make_map_background_irf(
            pointing or FixedPointingInfo(fixed_icrs=observation.pointing_radec),
            observation.observation_time_duration,
            table,
            geom,
            time_start=observation.tstart,
            fov_rotation_step=step,
            location=observation.observatory_earth_location,
        )

    @pytest.mark.slow
    def test_agrees_with_astropy_pixel_by_pixel(self, backend, observation, tilted, geom):
        pointing = FixedPointingInfo(fixed_icrs=observation.pointing_radec)
        location, start = observation.observatory_earth_location, observation.tstart
        ontime = observation.observation_time_duration
        found = to_host(self.make(observation, tilted, geom).data)

        seconds = rotation_times(pointing, start, ontime, 1 * u.deg, location)
        sky = geom.to_image().get_coord().skycoord
        edges = geom.axes["energy"].edges
        rates = []
        for second in seconds:
            origin = pointing.get_altaz(start + second * u.s, location)
            fov = sky.transform_to(origin.frame.replicate_without_data()).transform_to(origin.skyoffset_frame())
            x, y = -fov.lon.wrap_at("180d"), fov.lat
            at_edges = tilted.evaluate(energy=edges[:, None, None], fov_lon=x[None], fov_lat=y[None]).value
            low, high = at_edges[:-1], at_edges[1:]
            ratio = (edges[1:] / edges[:-1]).value[:, None, None]
            with np.errstate(divide="ignore", invalid="ignore"):
                index = np.log(high / low) / np.log(ratio) + 1
                integral = low * edges[:-1].to_value("MeV")[:, None, None] * (ratio**index - 1) / index
            rates.append(np.where((low > 0) & (high > 0), integral, 0))
        mean = np.trapezoid(rates, seconds, axis=0) / seconds[-1]
        expected = mean * geom.solid_angle().to_value("sr") * ontime.to_value("s")
        assert expected.max() > 0
        # the aberration of a field, and pixels at the very edge of the table
        assert (np.abs(found - expected) > 1e-5 * expected + 1e-9).mean() < 0.002

    @pytest.mark.slow
    def test_smaller_steps_change_little(self, observation, tilted, geom):
        coarse, fine = (self.make(observation, tilted, geom, step).data for step in (2 * u.deg, 0.2 * u.deg))
        assert_allclose(coarse.sum(), fine.sum(), rtol=1e-3)

    @pytest.mark.slow
    def test_steps_start_at_zero_and_end_with_the_observation(self, observation):
        pointing = FixedPointingInfo(fixed_icrs=observation.pointing_radec)
        location = observation.observatory_earth_location
        seconds = rotation_times(pointing, observation.tstart, 1680 * u.s, 1 * u.deg, location)
        assert (seconds[0], seconds[-1]) == (0, 1680)
        assert (np.diff(seconds) > 0).all()
        fine = rotation_times(pointing, observation.tstart, 1680 * u.s, 0.1 * u.deg, location)
        assert fine.size > 5 * seconds.size

    def test_needs_to_know_how_the_telescope_followed(self, observation, tilted, geom):
        with pytest.raises(TypeError, match="FOVALIGN=ALTAZ"):
            self.make(observation, tilted, geom, pointing=SkyCoord(83.63, 22.51, unit="deg"))
