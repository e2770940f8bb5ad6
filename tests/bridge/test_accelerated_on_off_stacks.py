"""Stacks of datasets with OFF counts, plain and accelerated, are the same."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from changed_stores import without_rad_max
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff, SpectrumDataset
from gammapy.makers import (
    DatasetsMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from regions import CircleSkyRegion
from same_datasets import assert_same_dataset

from lightpool.gammapy import accelerated, restore
from lightpool.gammapy.acceleration.report import RECORDER

CRAB = SkyCoord(83.63, 22.01, unit="deg")
CIRCLE = CircleSkyRegion(CRAB, 0.2 * u.deg)
ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.1 TeV", "50 TeV", nbin=7, name="energy_true")
TOLERANCES = {"acceptance": 1e-5, "acceptance_off": 2e-5, "psf": 2e-5, "edisp": 2e-5}


@pytest.fixture(autouse=True)
def _no_traces():
    restore()
    RECORDER.clear()
    yield
    restore()


def observations(store, number):
    return DataStore.from_dir(store).get_observations()[:number]


@pytest.fixture(scope="module")
def any_region(crab_store, tmp_path_factory):
    return without_rad_max(crab_store, tmp_path_factory.mktemp("stores") / "any_region")


def both(run, *accelerated_methods, falls_back=()):
    plain = run()
    with accelerated():
        ours = run()
    rows = {row.what: row for row in RECORDER.report().rows}
    assert set(accelerated_methods) <= set(rows)
    assert {what: row.reasons for what, row in rows.items() if row.fallbacks and what not in falls_back} == {}
    return ours, plain


def ring_dataset(observation, geom):
    exclusion = geom.to_image().region_mask([CIRCLE], inside=False)
    empty = MapDataset.create(geom, energy_axis_true=ENERGY_TRUE, name=f"run {observation.obs_id}")
    made = MapDatasetMaker().run(empty, observation)
    made = SafeMaskMaker(["offset-max"], offset_max="1.3 deg").run(made, observation)
    maker = RingBackgroundMaker(r_in="0.4 deg", width="0.3 deg", exclusion_mask=exclusion)
    return maker.run(made.to_image(name=made.name))


def test_stacks_of_rings_are_those_of_gammapy(crab_store):
    geom = WcsGeom.create(skydir=CRAB, width=3, binsz=0.1, axes=[ENERGY])

    def run():
        stacked = MapDatasetOnOff.create(geom.squash("energy"), energy_axis_true=ENERGY_TRUE.squash(), name="stack")
        stacked = MapDatasetOnOff.from_geoms(**ring_dataset(observations(crab_store, 1)[0], geom).geoms, name="stack")
        seen = []
        for observation in observations(crab_store, 4):
            stacked.stack(ring_dataset(observation, geom))
            if observation.obs_id == 2:
                seen += [float(stacked.counts_off.data.sum()), float(stacked.alpha.data.sum())]
        return stacked, seen

    (ours, our_sums), (plain, plain_sums) = both(run, "MapDatasetOnOff.stack", "RingBackgroundMaker.run")
    np.testing.assert_allclose(our_sums, plain_sums, rtol=1e-5)
    # Gammapy's rings are noise where there is nothing (docs/differences.md).
    inside = plain.mask_safe.data & (plain.counts_off.data > 0.5)
    for each in (ours, plain):
        for name in ("acceptance", "acceptance_off", "counts_off"):
            getattr(each, name).data[~inside] = 0
        each.counts_off.data[...] = np.round(each.counts_off.data)
    assert_same_dataset(ours, plain, tolerances=TOLERANCES)


def test_stacks_of_rings_without_off_counts_of_their_own(crab_store):
    geom = WcsGeom.create(skydir=CRAB, width=3, binsz=0.1, axes=[ENERGY])
    exclusion = geom.to_image().region_mask([CIRCLE], inside=False)

    def run():
        makers = [
            MapDatasetMaker(),
            SafeMaskMaker(["offset-max"], offset_max="1.3 deg"),
            RingBackgroundMaker(r_in="0.4 deg", width="0.3 deg", exclusion_mask=exclusion),
        ]
        empty = MapDataset.create(geom, energy_axis_true=ENERGY_TRUE, name="stack")
        return DatasetsMaker(makers, stack_datasets=False).run(empty, observations(crab_store, 2))

    for one, other in zip(*both(run, "DatasetsMaker.run", "RingBackgroundMaker.run"), strict=True):
        np.testing.assert_array_equal(one.counts.data, other.counts.data)
        inside = other.mask_safe.data & (other.acceptance_off.data > 1e-3)
        np.testing.assert_allclose(one.counts_off.data[inside], other.counts_off.data[inside], rtol=1e-4, atol=1e-3)


def spectra(store, number):
    geom = RegionGeom.create(CIRCLE, axes=[ENERGY])
    datasets = Datasets()
    for observation in observations(store, number):
        empty = SpectrumDataset.create(geom, energy_axis_true=ENERGY_TRUE, name=f"run {observation.obs_id}")
        made = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"]).run(empty, observation)
        made = ReflectedRegionsBackgroundMaker().run(made, observation)
        datasets.append(SafeMaskMaker(["aeff-max"], aeff_percent=10).run(made, observation))
    return datasets


def test_spectra_are_reduced_to_one(any_region):
    def run():
        return spectra(any_region, 4).stack_reduce(name="sum")

    ours, plain = both(run, "MapDatasetOnOff.stack", "ReflectedRegionsBackgroundMaker.run")
    assert_same_dataset(ours, plain, tolerances=TOLERANCES)
    assert str(ours) == str(plain)


def test_a_stack_of_spectra_that_is_looked_at_and_changed_on_the_way(any_region):
    def run():
        found = spectra(any_region, 4)
        stacked = found[0].to_masked(name="sum")
        held = stacked.acceptance.data
        for dataset in found[1:]:
            stacked.stack(dataset)
            stacked.counts_off.data[...] *= 2
            stacked.counts.data[0] += 1
        return stacked, held

    (ours, our_array), (plain, plain_array) = both(run, "MapDatasetOnOff.stack")
    assert_same_dataset(ours, plain, tolerances=TOLERANCES)
    np.testing.assert_allclose(our_array, plain_array, rtol=1e-6)


def test_spectra_without_off_counts_and_safe_energies_add_nothing(any_region):
    def run():
        found = spectra(any_region, 2)
        stacked = found[0].to_masked(name="sum")
        found[1].counts_off = None
        found[1].mask_safe.data[...] = False
        stacked.stack(found[1])
        return stacked

    assert_same_dataset(*both(run, "MapDatasetOnOff.stack"), tolerances=TOLERANCES)


def test_errors_are_those_of_gammapy(any_region):
    with accelerated():
        found = spectra(any_region, 2)
        with pytest.raises(TypeError, match="Incompatible types"):
            found[0].stack(found[1].to_spectrum_dataset())
        found[1].acceptance_off = None
        with pytest.raises(ValueError, match="Cannot stack incomplete"):
            found[0].stack(found[1])
