"""The safe mask: each method by its definition, and their combination."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import count_transfers, to_host
from lightpool.datasets import MapDataset
from lightpool.makers import MapDatasetMaker, SafeMaskMaker
from lightpool.makers.energy_thresholds import first_crossing, recorded_thresholds
from lightpool.maps import Map, MapAxis


def bins_kept(dataset):
    return to_host(dataset.mask_safe.data).any(axis=(1, 2))


def test_offset_max_keeps_pixels_near_the_pointing(backend, reduced, observations, geom):
    dataset = SafeMaskMaker(["offset-max"], offset_max="1.2 deg").run(reduced(), observations[0])
    near = geom.to_image().separation(observations[0].pointing_radec) < 1.2 * u.deg
    background = to_host(dataset.background.data) > 0
    assert_array_equal(to_host(dataset.mask_safe.data), near & background)
    assert dataset.mask_safe.device == backend.device


def test_aeff_default_takes_the_thresholds_of_the_file(backend, reduced, observations):
    observation = observations[0].copy(in_memory=True)
    observation.aeff.meta.update({"LO_THRES": 1.0, "HI_THRES": 10.0})
    dataset = SafeMaskMaker(["aeff-default"]).run(reduced(), observation)
    axis = dataset.counts.geom.axes["energy"]
    expected = (axis.edges[:-1] >= 1 * u.TeV) & (axis.edges[1:] <= 10 * u.TeV)
    assert_array_equal(bins_kept(dataset), expected)
    assert 0 < expected.sum() < axis.nbin


def test_a_missing_threshold_warns_and_does_not_cut(reduced, observations, caplog):
    observation = observations[0].copy(in_memory=True)
    for keyword in ("LO_THRES", "HI_THRES"):
        observation.aeff.meta.pop(keyword)
    dataset = SafeMaskMaker(["aeff-default"]).run(reduced(), observation)
    assert bins_kept(dataset).all()
    assert "LO_THRES" in caplog.text
    assert "HI_THRES" in caplog.text


@pytest.mark.parametrize("irfs", ["DL3", "DL4"])
@pytest.mark.parametrize("method", ["aeff-max", "edisp-bias", "bkg-peak"])
def test_thresholds_in_energy_keep_the_upper_bins(backend, reduced, observations, method, irfs):
    percent = {"DL3": 30, "DL4": 60}[irfs]  # the table goes to higher energies than the map
    maker = SafeMaskMaker([method], irfs=irfs, aeff_percent=percent, bias_percent=1)
    kept = bins_kept(maker.run(reduced(), observations[0])).astype(int)
    assert kept[-1]
    assert (np.diff(kept) >= 0).all()


@pytest.mark.parametrize("irfs", ["DL3", "DL4"])
@pytest.mark.parametrize("method", ["aeff-max", "edisp-bias", "bkg-peak", "aeff-default"])
def test_the_threshold_that_was_chosen_is_recorded(backend, reduced, observations, method, irfs):
    observation = observations[0].copy(in_memory=True)
    observation.aeff.meta.update({"LO_THRES": 1.3, "HI_THRES": 10.0})
    maker = SafeMaskMaker([method], irfs=irfs, aeff_percent={"DL3": 30, "DL4": 60}[irfs], bias_percent=1)
    dataset = maker.run(reduced(), observation)  # nobody asks
    with recorded_thresholds() as thresholds:
        again = maker.run(reduced(), observation)
    assert_array_equal(to_host(again.mask_safe.data), to_host(dataset.mask_safe.data))
    [(name, low, high)] = thresholds
    assert name == method
    assert high == (10.0 if method == "aeff-default" else None)
    edges = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
    kept = np.flatnonzero(bins_kept(dataset))
    # the first bin at or above the threshold
    assert edges[kept[0]] == edges[:-1][edges[:-1] >= float(low) * (1 - 1e-9)][0]
    if method == "bkg-peak" and irfs == "DL4":
        assert float(low) == edges[kept[0]]


def test_a_recorded_threshold_is_not_read_before_somebody_wants_it(reduced, observations, backend):
    dataset = reduced()
    with recorded_thresholds() as thresholds, count_transfers() as transfers:
        SafeMaskMaker(["bkg-peak"]).run(dataset, observations[0])
    assert transfers.to_host.number == 0
    assert float(thresholds[0].energy_min) > 0
    with recorded_thresholds() as others:
        pass
    assert others == []


def test_presets_are_methods_that_exist():
    for methods in SafeMaskMaker.presets.values():
        assert SafeMaskMaker(methods).methods == set(methods)


def test_methods_are_combined_with_each_other_and_with_the_mask_that_is_there(reduced, observations):
    alone = []
    for method in ("offset-max", "aeff-max"):
        maker = SafeMaskMaker([method], offset_max="1 deg", aeff_percent=60)
        alone.append(maker.run(reduced(), observations[0]).mask_safe.data)
    before = reduced()
    before.mask_safe.data[:, :, :10] = False
    both = SafeMaskMaker(["offset-max", "aeff-max"], offset_max="1 deg", aeff_percent=60).run(before, observations[0])
    expected = alone[0] & alone[1]
    expected[:, :, :10] = False
    assert_array_equal(both.mask_safe.data, expected)


def test_bins_without_background_are_not_safe(backend, reduced, observations):
    dataset = reduced()
    background = to_host(dataset.background.data).copy()
    background[1, 3, 4], background[2, 5, 6], background[3, 7, 8] = 0, np.nan, np.inf
    dataset.background = Map.from_geom(dataset.background.geom, data=background)
    mask = to_host(SafeMaskMaker(["offset-max"], offset_max="9 deg").run(dataset, observations[0]).mask_safe.data)
    assert not mask[[1, 2, 3], [3, 5, 7], [4, 6, 8]].any()
    assert mask[1, 3, 5]


def test_no_exposure_at_the_position_masks_all_with_a_warning(backend, reduced, observations, caplog):
    dataset = reduced()
    dataset.exposure.data[...] = 0
    dataset = SafeMaskMaker(["aeff-max"]).run(dataset, observations[0])
    assert not bins_kept(dataset).any()
    assert "no exposure" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"methods": ["aeff"]}, "aeff-default"),
        ({"irfs": "DL5"}, "DL3"),
        ({"position": object(), "fixed_offset": 1 * u.deg}, "exclude each other"),
    ],
)
def test_wrong_settings_say_what_is_right(arguments, words):
    with pytest.raises(ValueError, match=words):
        SafeMaskMaker(**arguments)


def test_a_method_given_as_a_string_says_how_to_write_it():
    with pytest.raises(TypeError, match=r"\['offset-max'\]"):
        SafeMaskMaker("offset-max")


def test_a_method_that_needs_the_observation_says_so(reduced):
    with pytest.raises(ValueError, match="observation"):
        SafeMaskMaker(["offset-max"]).run(reduced())


@pytest.mark.parametrize(
    ("method", "part"), [("aeff-max", "exposure"), ("edisp-bias", "edisp"), ("bkg-peak", "background")]
)
def test_a_dataset_without_what_a_method_judges_by_says_so(reduced, observations, method, part):
    counts = MapDataset(counts=reduced(selection=["counts"]).counts, name="run")
    with pytest.raises(ValueError, match=f"'run' needs `{part}` to compute the safe mask"):
        SafeMaskMaker([method]).run(counts, observations[0])


def test_a_position_without_effective_area_is_safe_nowhere(reduced, observations, caplog):
    maker = SafeMaskMaker(["aeff-max"], irfs="DL3", position=SkyCoord(10, 10, unit="deg"))
    assert not bins_kept(maker.run(reduced(), observations[0])).any()
    assert f"observation {observations[0].obs_id}: no effective area at an offset of" in caplog.text


class TestFirstCrossing:
    """Where a spectrum reaches a level."""

    energy = np.geomspace(0.1, 100, 31)

    def test_of_a_power_law_is_exact(self):
        assert_allclose(first_crossing(self.energy, self.energy**2, 9.0), 3, rtol=1e-12)

    def test_takes_the_lowest_of_several(self):
        values = np.exp(-(np.log(self.energy / 3) ** 2))
        assert_allclose(np.log(first_crossing(self.energy, values, np.exp(-1)) / 3), -1, atol=0.02)

    def test_of_a_spectrum_that_only_falls_is_its_lowest_energy(self):
        values = np.where(self.energy < 30, 7.0, 0.0)
        assert first_crossing(self.energy, values, 0.7) == self.energy[0]
        assert first_crossing(self.energy, np.where(self.energy < 0.95, 0, values), 0.7) == self.energy[10]

    def test_of_a_spectrum_that_rises_and_ends_is_where_it_rises(self):
        values = np.where(self.energy < 30, self.energy**2, 0.0)
        assert_allclose(first_crossing(self.energy, values, 9.0), 3, rtol=1e-12)

    def test_without_one_is_the_first_energy_with_a_value(self):
        values = np.where(self.energy < 1, 0, 5.0)
        assert_allclose(first_crossing(self.energy, values, 50.0), self.energy[values > 0][0])


@pytest.mark.parametrize("irfs", ["DL3", "DL4"])
def test_a_fixed_offset_is_a_place_in_the_field_of_view(backend, reduced, observations, irfs):
    pointing = observations[0].pointing_radec
    place = pointing.directional_offset_by(0 * u.deg, 0.7 * u.deg)
    methods = ["aeff-max", "edisp-bias"]
    fixed = SafeMaskMaker(methods, irfs=irfs, fixed_offset=0.7 * u.deg).run(reduced(), observations[0])
    same = SafeMaskMaker(methods, irfs=irfs, position=place).run(reduced(), observations[0])
    assert fixed.mask_safe.device == backend.device
    assert_array_equal(to_host(fixed.mask_safe.data), to_host(same.mask_safe.data))
    assert to_host(fixed.mask_safe.data).sum() > 0
    if irfs == "DL4":
        with pytest.raises(ValueError, match="needs the observation"):
            SafeMaskMaker(["aeff-max"], irfs="DL4", fixed_offset=0.7 * u.deg).make_mask_energy_aeff_max(reduced())


def test_a_dataset_without_a_safe_mask_gets_one(backend, reduced, observations):
    dataset, other = reduced(), reduced()
    other.mask_safe = None
    maker = SafeMaskMaker(["offset-max", "edisp-bias"], offset_max="1 deg", irfs="DL4")
    masks = [maker.run(item, observations[0]).mask_safe for item in (dataset, other)]
    assert_array_equal(*(to_host(mask.data) for mask in masks))


def test_the_bias_is_also_that_of_a_map_of_migration(backend, geom, observations):
    energy = MapAxis.from_energy_bounds("0.2 TeV", "20 TeV", nbin=10)
    energy_true = MapAxis.from_energy_bounds("0.1 TeV", "50 TeV", nbin=30, name="energy_true")
    migra = MapAxis.from_edges(np.linspace(0.2, 5, 97), name="migra")
    masks = []
    for axes in ({"migra_axis": migra}, {}):
        empty = MapDataset.create(geom.to_image().to_cube([energy]), energy_axis_true=energy_true, **axes)
        dataset = MapDatasetMaker(["edisp", "counts"]).run(empty, observations[0])
        masks.append(SafeMaskMaker(["edisp-bias"], irfs="DL4", bias_percent=5).run(dataset, observations[0]).mask_safe)
    assert masks[0].device == backend.device
    found, expected = (to_host(mask.data).any(axis=(1, 2)) for mask in masks)
    assert_array_equal(found, expected)
    assert 0 < expected.sum() < expected.size
