"""Spectra of one observation: laws, the table evaluated at the region as a slow reference, and what bad input does."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import CircleSkyRegion, EllipseSkyRegion, PointSkyRegion

from lightpool.arrays import to_host
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.errors import MissingDataError
from lightpool.irf import EffectiveAreaTable2D
from lightpool.makers import MapDatasetMaker, SafeMaskMaker, SpectrumDatasetMaker
from lightpool.makers.utils import make_map_background_irf
from lightpool.maps import MapAxis, RegionGeom, WcsGeom
from lightpool.simulate import PointSource

SOURCE = PointSource().position
CIRCLE = CircleSkyRegion(SOURCE, 0.3 * u.deg)


@pytest.fixture
def axes():
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
    energy_true = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true")
    return energy, energy_true


@pytest.fixture
def spectrum(axes):
    """A function, so that the dataset is made on the device of the test."""

    def make(region=CIRCLE, energy=axes[0], energy_true=axes[1], **kwargs):
        geom = RegionGeom.create(region, axes=[energy])
        return SpectrumDataset.create(geom, energy_axis_true=energy_true, name="run", **kwargs)

    return make


def with_parts(observation, **parts):
    """A copy of an observation with some of its tables replaced."""
    copy = observation.copy()
    for name, value in parts.items():
        setattr(copy, name, value)
    return copy


def point_like(observation, rad_max=0.15):
    aeff = observation.aeff
    table = EffectiveAreaTable2D(
        axes=aeff.axes, data=aeff.data, unit=aeff.unit, is_pointlike=True, meta={"RAD_MAX": rad_max}
    )
    return with_parts(observation, aeff=table, rad_max=None)


def test_every_map_is_made_where_the_dataset_lives(backend, spectrum, observations):
    dataset = SpectrumDatasetMaker().run(spectrum(), observations[0])
    maps = [dataset.counts, dataset.background, dataset.exposure, dataset.mask_safe]
    maps += [dataset.edisp.edisp_map, dataset.edisp.exposure_map]
    assert {item.device for item in maps} == {backend.device}
    assert isinstance(dataset, SpectrumDataset)
    assert dataset.name == "run"
    assert dataset.psf is None


@pytest.mark.parametrize("region", [CIRCLE, EllipseSkyRegion(SOURCE, 0.4 * u.deg, 0.8 * u.deg, 40 * u.deg)])
def test_counts_are_the_events_in_the_region(backend, spectrum, axes, observations, region):
    counts = SpectrumDatasetMaker(selection=["counts"]).run(spectrum(region), observations[0]).counts
    events = observations[0].events
    inside = RegionGeom.create(region).contains(events.radec)
    expected, _ = np.histogram(events.energy[inside].to_value("TeV"), axes[0].edges.to_value("TeV"))
    assert to_host(counts.data)[:, 0, 0].tolist() == expected.tolist()
    assert expected.sum() > 50


@pytest.mark.parametrize("run", [0, 1, 2])
def test_responses_are_those_of_the_tables_at_the_centre(backend, spectrum, axes, observations, run):
    observation = observations[run]
    dataset = SpectrumDatasetMaker().run(spectrum(), observation)
    offset = observation.pointing_radec.separation(SOURCE)
    area = observation.aeff.evaluate(offset=offset, energy_true=axes[1].center)
    expected = (area * observation.observation_live_time_duration).to_value("m2 s").ravel()
    assert_allclose(to_host(dataset.exposure.data)[:, 0, 0], expected, rtol=1e-9)
    kernel = observation.edisp.to_edisp_kernel(offset, energy_axis_true=axes[1], energy_axis=axes[0])
    found = to_host(dataset.edisp.edisp_map.data)[:, :, 0, 0]
    assert_allclose(found, kernel.pdf_matrix, atol=2e-8)


def test_a_map_summed_over_the_region_is_the_background_of_the_region(backend, spectrum, axes, observations):
    geom = WcsGeom.create(skydir=SOURCE, width=1, binsz=0.01, axes=[axes[0]], proj="TAN")
    cube = MapDatasetMaker(selection=["background"]).run(MapDataset.create(geom), observations[0]).background
    expected = to_host(cube.to_region_nd_map(CIRCLE).data)[:, 0, 0]
    maker = SpectrumDatasetMaker(selection=["background"], use_region_center=False)
    found = maker.run(spectrum(), observations[0]).background
    assert_allclose(to_host(found.data)[:, 0, 0], expected, rtol=2e-3)
    at_center = SpectrumDatasetMaker(selection=["background"]).run(spectrum(), observations[0]).background
    assert_allclose(to_host(at_center.data)[:, 0, 0], expected, rtol=2e-2)


def test_the_mean_over_a_region_is_that_of_many_points(backend, spectrum, axes, observations):
    observation = observations[0]
    found = SpectrumDatasetMaker(["exposure"], use_region_center=False).run(spectrum(), observation).exposure
    # the sunflower: points that share a disk out evenly
    number = np.arange(0.5, 2000)
    places = SOURCE.directional_offset_by(number * np.pi * (1 + 5**0.5) * u.rad, 0.3 * np.sqrt(number / 2000) * u.deg)
    offset = observation.pointing_radec.separation(places)
    area = observation.aeff.evaluate(offset=offset[None], energy_true=axes[1].center[:, None]).mean(axis=1)
    expected = (area * observation.observation_live_time_duration).to_value("m2 s")
    assert_allclose(to_host(found.data)[:, 0, 0], expected, rtol=2e-3)


def test_a_horizon_aligned_background_goes_with_regions_too(backend, spectrum, axes, observations):
    observation = observations[0]
    table = observation.bkg
    turning = type(table)(axes=table.axes, data=table.data, unit=table.unit, fov_alignment="ALTAZ")
    geom = RegionGeom.create(CIRCLE, axes=[axes[0]])
    common = {"time_start": observation.tstart, "location": observation.observatory_earth_location}
    args = (observation.pointing, observation.observation_time_duration)
    for use_center in (True, False):
        found = make_map_background_irf(*args, turning, geom, use_region_center=use_center, **common)
        expected = make_map_background_irf(*args, table, geom, use_region_center=use_center, **common)
        assert found.device == backend.device
        assert_allclose(to_host(found.data), to_host(expected.data), rtol=2e-2)  # the table is round, but for its bins


def test_counts_need_no_responses(spectrum, observations):
    dataset = SpectrumDatasetMaker(["counts"]).run(spectrum(), with_parts(observations[0], aeff=None, edisp=None))
    assert dataset.counts.data.sum() > 50
    assert dataset.meta_table["TELESCOP"][0] == "Unknown"


def test_containment_correction_is_the_part_of_the_psf_in_the_circle(backend, spectrum, axes, observations):
    observation = observations[0]
    plain = SpectrumDatasetMaker(["exposure"]).run(spectrum(), observation).exposure
    corrected = SpectrumDatasetMaker(["exposure"], containment_correction=True).run(spectrum(), observation).exposure
    ratio = to_host(corrected.data / plain.data)[:, 0, 0]
    offset = observation.pointing_radec.separation(SOURCE)
    expected = observation.psf.containment(rad=0.3 * u.deg, offset=offset, energy_true=axes[1].center)
    assert_allclose(ratio, expected.value.ravel(), rtol=1e-9)
    assert np.all((ratio > 0.5) & (ratio < 1))
    assert corrected.meta["livetime"] == plain.meta["livetime"]


def test_safe_masks_know_regions(backend, spectrum, observations):
    dataset = SpectrumDatasetMaker().run(spectrum(), observations[0])
    methods = ["aeff-max", "edisp-bias", "offset-max", "bkg-peak"]
    masked = SafeMaskMaker(methods, aeff_percent=10).run(dataset, observations[0])
    assert masked.mask_safe.data.shape == (4, 1, 1)
    assert to_host(masked.mask_safe.data)[-1, 0, 0]
    outside = SafeMaskMaker(["offset-max"], offset_max="0.1 deg").run(masked, observations[0])
    assert not to_host(outside.mask_safe.data).any()


class TestPointLike:
    """A directional cut instead of a region."""

    def test_a_fixed_cut_counts_like_a_circle_of_its_size(self, backend, spectrum, observations):
        observation = point_like(observations[0], rad_max=0.15)
        maker = SpectrumDatasetMaker(["counts", "exposure"])
        point = maker.run(spectrum(PointSkyRegion(SOURCE)), observation)
        circle = maker.run(spectrum(CircleSkyRegion(SOURCE, 0.15 * u.deg)), observation)
        assert_allclose(to_host(point.counts.data), to_host(circle.counts.data))
        assert_allclose(to_host(point.exposure.data), to_host(circle.exposure.data))
        assert point.exposure.meta["is_pointlike"]

    def test_a_map_maker_refuses_responses_that_hold_at_one_place_only(self, empty, observations):
        with pytest.raises(ValueError, match="SpectrumDatasetMaker"):
            MapDatasetMaker(["exposure"]).run(empty(), point_like(observations[0]))
        counts = MapDatasetMaker(["counts"]).run(empty(), point_like(observations[0])).counts
        assert counts.data.sum() > 0

    def test_containment_is_not_corrected_twice(self, spectrum, observations):
        with pytest.raises(ValueError, match="already"):
            SpectrumDatasetMaker(["exposure"], containment_correction=True).run(spectrum(), point_like(observations[0]))

    def test_a_mean_of_point_like_responses_is_warned_of(self, spectrum, observations, caplog):
        SpectrumDatasetMaker(["exposure"], use_region_center=False).run(spectrum(), point_like(observations[0]))
        assert "point-like" in caplog.text

    def test_a_point_without_a_cut_has_no_size(self, spectrum, observations):
        observation = with_parts(observations[0], rad_max=None)
        with pytest.raises(ValueError, match="CircleSkyRegion"):
            SpectrumDatasetMaker(["counts"]).run(spectrum(PointSkyRegion(SOURCE)), observation)


class TestBadInput:
    """Clear errors, or a masked dataset and a warning."""

    def assert_masked(self, dataset, caplog, text):
        assert not to_host(dataset.mask_safe.data).any()
        assert not to_host(dataset.exposure.data).any()
        assert text in caplog.text
        assert "Total counts" in str(dataset)

    def test_a_region_outside_the_field_of_view(self, backend, spectrum, observations, caplog):
        region = CircleSkyRegion(SkyCoord(90, 22, unit="deg"), 0.3 * u.deg)
        dataset = SpectrumDatasetMaker().run(spectrum(region), observations[0])
        self.assert_masked(dataset, caplog, "effective area ends at 3.00 deg")

    def test_true_energies_that_the_table_does_not_have(self, spectrum, observations, caplog):
        axis = MapAxis.from_energy_bounds("1000 TeV", "3000 TeV", nbin=3, name="energy_true")
        dataset = SpectrumDatasetMaker().run(spectrum(energy_true=axis), observations[0])
        self.assert_masked(dataset, caplog, "no true energy from 1e+03 TeV")

    def test_energies_that_are_never_reconstructed(self, spectrum, axes, observations, caplog):
        axis = MapAxis.from_energy_bounds("5000 TeV", "9000 TeV", nbin=3)
        dataset = SpectrumDatasetMaker().run(spectrum(energy=axis), observations[0])
        assert not to_host(dataset.mask_safe.data).any()
        assert "ever reconstructed" in caplog.text

    def test_without_exposure_nothing_is_said(self, spectrum, observations, caplog):
        region = CircleSkyRegion(SkyCoord(90, 22, unit="deg"), 0.3 * u.deg)
        dataset = SpectrumDatasetMaker(["counts"]).run(spectrum(region), observations[0])
        assert to_host(dataset.mask_safe.data).all()
        assert not caplog.text

    def test_a_sky_map_is_for_the_other_maker(self, empty, observations):
        with pytest.raises(TypeError, match="MapDatasetMaker"):
            SpectrumDatasetMaker(["counts"]).run(empty(), observations[0])

    def test_a_selection_that_is_not_there(self):
        with pytest.raises(ValueError, match="edisp"):
            SpectrumDatasetMaker(selection=["psf"])

    @pytest.mark.parametrize(("part", "name"), [("bkg", "background"), ("edisp", "edisp"), ("aeff", "exposure")])
    def test_a_table_that_is_missing_is_named(self, spectrum, observations, part, name):
        observation = with_parts(observations[0], **{part: None})
        with pytest.raises(MissingDataError, match=part):
            SpectrumDatasetMaker([name]).run(spectrum(), observation)

    def test_containment_needs_a_circle_and_a_psf(self, spectrum, observations):
        maker = SpectrumDatasetMaker(["exposure"], containment_correction=True)
        ellipse = EllipseSkyRegion(SOURCE, 0.4 * u.deg, 0.8 * u.deg)
        with pytest.raises(TypeError, match="circles"):
            maker.run(spectrum(ellipse), observations[0])
        with pytest.raises(ValueError, match="no PSF"):
            maker.run(spectrum(), with_parts(observations[0], psf=None))

    def test_a_region_smaller_than_its_pixels_has_no_mean(self, axes, observations):
        geom = RegionGeom.create(CircleSkyRegion(SOURCE, 1 * u.arcsec), axes=[axes[0]], binsz_wcs="1 deg")
        empty = SpectrumDataset.create(geom, energy_axis_true=axes[1])
        with pytest.raises(ValueError, match="use_region_center=True"):
            SpectrumDatasetMaker(["exposure"], use_region_center=False).run(empty, observations[0])


def test_printed_maker_shows_its_settings():
    text = str(SpectrumDatasetMaker(containment_correction=True))
    assert "containment_correction" in text
    assert "use_region_center" in text
