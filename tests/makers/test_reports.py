"""What would lead to an empty or wrong result without an error is reported: by whom, for which run, and why."""

import logging

import numpy as np
import pytest

from lightpool.arrays import read_deferred
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.errors import ReductionError
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SpectrumDatasetMaker,
)
from lightpool.makers.core import Maker
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom


class Forgetful(Maker):
    """Ends without ``return``."""

    tag = "Forgetful"

    def run(self, dataset, observation=None):
        dataset.counts.data = dataset.counts.data + 1


class Tagless(Maker):
    """Has no tag, and returns its counts."""

    def run(self, dataset, observation=None):
        return dataset.counts


@pytest.mark.parametrize(("maker", "found"), [(Forgetful(), "None"), (Tagless(), "a WcsNDMap")])
def test_a_maker_that_gives_no_dataset_is_named(empty, observations, maker, found):
    step = type(maker).__name__
    with pytest.raises(ReductionError, match=rf"observation 1: {step} failed .*returned {found}.*`return dataset`"):
        DatasetsMaker([MapDatasetMaker(["counts"]), maker]).run(empty(), observations[:1])


def test_what_is_no_maker_is_refused_at_once():
    with pytest.raises(TypeError, match="objects with a method run"):
        DatasetsMaker([lambda dataset, observation: dataset])
    with pytest.raises(TypeError, match="must be a list of them, got one MapDatasetMaker"):
        DatasetsMaker(MapDatasetMaker())


@pytest.mark.parametrize("what", [[1, 2], "abc", [None], ["23523"], None, 7])
def test_what_is_no_observation_is_refused_at_once(empty, what):
    with pytest.raises(TypeError, match="observations must be"):
        DatasetsMaker([MapDatasetMaker(["counts"])]).run(empty(), what)


def test_an_observation_that_is_given_twice_is_reported(empty, observations, caplog):
    maker = DatasetsMaker([MapDatasetMaker(["counts"])])
    maker.run(empty(), [observations[0], observations[1]])
    assert "more than once" not in caplog.text
    maker.run(empty(), [observations[0], observations[1], observations[0]])
    assert "its data count as often: 1" in caplog.text


@pytest.mark.parametrize("name", ["energy", "energy_true"])
def test_energies_that_descend_are_refused_where_responses_are_integrated(observations, name):
    axes = {
        each: MapAxis.from_edges([1, 3, 10] if each != name else [10, 3, 1], unit="TeV", interp="log", name=each)
        for each in ("energy", "energy_true")
    }
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=1, binsz=0.5, axes=[axes["energy"]])
    dataset = MapDataset.create(geom, energy_axis_true=axes["energy_true"], name="upside-down")
    with pytest.raises(ValueError, match=f"'upside-down': its axis '{name}' descends from 10 TeV to 1 TeV"):
        MapDatasetMaker().run(dataset, observations[0])


@pytest.mark.parametrize("stack_datasets", [True, False])
def test_no_observation_is_reported(empty, observations, caplog, stack_datasets):
    DatasetsMaker([MapDatasetMaker()], stack_datasets=stack_datasets).run(empty(), observations[:0])
    assert "there are no observations to reduce" in caplog.text


def warnings_of(caplog, maker, dataset, observation):
    caplog.clear()
    with caplog.at_level(logging.WARNING, "lightpool"):
        maker.run(dataset, observation)
    return caplog.text


def energies(low, high, name="energy"):
    return MapAxis.from_energy_bounds(low, high, nbin=3, unit="TeV", name=name)


def test_a_map_beyond_the_field_of_view_or_the_energies_is_reported_with_both_ranges(observations, device, caplog):
    def dataset(position=(83.6, 22), energy=(1, 10), energy_true=(0.5, 20)):
        geom = WcsGeom.create(skydir=position, width=2, binsz=0.5, axes=[energies(*energy)])
        return MapDataset.create(geom, name="m", energy_axis_true=energies(*energy_true, "energy_true")).to(device)

    maker = MapDatasetMaker(["counts", "exposure", "edisp"])
    observation = observations[0]

    def said(made):
        caplog.clear()
        DatasetsMaker([maker]).run(made, observations[:1])
        return caplog.text

    assert said(dataset()) == ""
    assert "deg from the pointing of observation 1, whose effective area ends at" in said(dataset((250, -40)))
    assert "no true energy from 1e+06 TeV to 1e+07 TeV is in the effective area of observation 1" in said(
        dataset(energy=(1e6, 1e7), energy_true=(1e6, 1e7))
    )
    assert "in the range of the dataset, 1e+06 TeV to 1e+07 TeV" in said(dataset(energy=(1e6, 1e7)))
    assert observation.obs_id == 1


def test_a_run_that_points_elsewhere_is_left_out_with_both_places(observations, empty, geom, caplog):
    far = WcsGeom.create(skydir=(250, -40), width=3, binsz=0.2, axes=geom.axes)
    DatasetsMaker([MapDatasetMaker()], cutout_width="2 deg").run(MapDataset.create(far), observations[:1])
    assert "observation 1 left out: its pointing (RA 8" in caplog.text
    assert "3 x 3 deg around RA 250.00 deg, Dec -40.00 deg" in caplog.text


MASKS = {
    "usual": (lambda distance: distance > 0.3, ""),
    "all kept": (lambda distance: distance >= 0, ""),
    "inverted": (lambda distance: distance <= 0.5, "is it inverted?"),
    "inverted and large": (lambda distance: distance <= 1, "all of them islands"),
    "nothing kept": (lambda distance: distance < 0, "False everywhere"),
}


@pytest.mark.parametrize(("shape", "message"), MASKS.values(), ids=MASKS)
def test_an_exclusion_mask_that_excludes_nearly_all_is_reported_by_every_maker(device, caplog, shape, message):
    geom = WcsGeom.create(skydir=(83.6, 22), width=3, binsz=0.1)
    mask = Map.from_geom(geom, data=shape(geom.separation(geom.center_skydir).deg)).to(device)
    makers = [
        lambda: FoVBackgroundMaker(exclusion_mask=mask),
        lambda: RingBackgroundMaker("0.4 deg", "0.4 deg", exclusion_mask=mask),
        lambda: AdaptiveRingBackgroundMaker("0.4 deg", "1 deg", "0.4 deg", exclusion_mask=mask),
        lambda: ReflectedRegionsBackgroundMaker(exclusion_mask=mask),
    ]
    for make in makers:
        caplog.clear()
        make()
        read_deferred()
        assert message in caplog.text if message else caplog.text == ""


def test_a_norm_that_no_template_needs_is_reported(empty, observations, caplog):
    dataset = MapDatasetMaker().run(empty(name="night"), observations[0])
    assert warnings_of(caplog, FoVBackgroundMaker(), dataset, observations[0]) == ""
    dataset = MapDatasetMaker().run(empty(name="night"), observations[0])
    dataset.background.data = dataset.background.data / 10
    said = warnings_of(caplog, FoVBackgroundMaker(), dataset, observations[0])
    assert "dataset night: the norm of the background is" in said


@pytest.mark.parametrize(
    ("radius", "options", "is_small"),
    [(0.05, {}, True), (1.5, {}, False), (0.05, {"containment_correction": True}, False)],
)
def test_a_spectrum_without_most_of_its_source_is_reported_once(observations, caplog, radius, options, is_small):
    geom = RegionGeom.create(f"icrs;circle(83.63,22.01,{radius})", axes=[energies(1, 10)])
    dataset = SpectrumDataset.create(geom, energy_axis_true=energies(0.5, 20, "energy_true"))
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], **options)
    for observation in observations[:2]:
        maker.run(dataset, observation)
    said = [record.getMessage() for record in caplog.records if "containment_correction=True" in record.getMessage()]
    assert len(said) == is_small
    if is_small:
        part = float(said[0].split("about ")[1].split(" %")[0])
        assert 0 < part < 90
    assert np.isfinite(dataset.counts.data).all()
