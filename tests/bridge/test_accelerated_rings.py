"""Ring backgrounds: accelerated makers of Gammapy give what they give without acceleration."""

from copy import deepcopy

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from deep_comparison import differences
from gammapy.data import DataStore
from gammapy.datasets import MapDataset, MapDatasetOnOff
from gammapy.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel, PointSpatialModel, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

from lightpool.gammapy import accelerated, report
from lightpool.gammapy.acceleration.report import RECORDER
from lightpool.gammapy.installation import version
from lightpool.simulate import PointSource

SOURCE = SkyCoord(PointSource().position)
ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
GEOM = WcsGeom.create(skydir=SOURCE, width=4, binsz=0.1, axes=[ENERGY])
RING = {"r_in": "0.4 deg", "width": "0.3 deg"}
ADAPTIVE = RING | {"r_out_max": "1.5 deg", "stepsize": "0.1 deg", "threshold_alpha": 0.006}
NOISE = 1e-6
"""Of the Fourier transforms in Gammapy, as a fraction of the largest value."""


@pytest.fixture(autouse=True)
def _clear_report():
    RECORDER.clear()


def exclusion(geom=GEOM, radius=0.4):
    return geom.region_mask([CircleSkyRegion(SOURCE, radius * u.deg)], inside=False)


EXCLUSIONS = {
    "none": lambda: None,
    "on the same pixels": exclusion,
    "an image": lambda: exclusion(GEOM.to_image()),
    "other energies": lambda: exclusion(
        GEOM.to_image().to_cube([MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=1)])
    ),
    "larger, other frame": lambda: exclusion(
        WcsGeom.create(skydir=SOURCE.galactic, frame="galactic", proj="TAN", width=8, binsz=0.07)
    ),
}


@pytest.fixture(scope="module")
def plain_dataset(crab_store):
    """Made by Gammapy alone, so that these tests see the ring makers only."""
    run = DataStore.from_dir(crab_store).get_observations([1])[0]
    made = MapDatasetMaker().run(MapDataset.create(GEOM, name="run"), run)
    return SafeMaskMaker(methods=["offset-max"], offset_max="1.8 deg").run(made, run)


@pytest.fixture
def dataset(plain_dataset):
    return plain_dataset.copy(name="run")


def without_noise(made):
    """OFF maps without what Fourier transforms leave: fractions of counts, and anything where no background is."""
    made.counts_off.data[...] = np.round(made.counts_off.data)
    nothing = made.acceptance_off.data < NOISE * np.nanmax(made.acceptance_off.data)
    for values in (made.counts_off, made.acceptance_off):
        values.data[nothing | ~made.mask_safe.data] = 0
    return made


def assert_as_plain(function, fallbacks=0, strict=False):
    """Compare the results of a function with and without acceleration, and how often Gammapy did the work."""
    plain = without_noise(function())
    with accelerated(strict=strict):
        ours = function()
    assert isinstance(ours, MapDatasetOnOff)
    assert type(ours).__module__.startswith("gammapy.")
    assert differences(plain, without_noise(ours), noise=NOISE, without=("date",)) == []
    assert sum(row.fallbacks for row in report().rows) == fallbacks, str(report())
    assert sum(row.calls for row in report().rows) > 0
    return ours


@pytest.mark.parametrize("mask", EXCLUSIONS.values(), ids=list(EXCLUSIONS))
def test_rings_are_those_of_gammapy(dataset, mask):
    assert_as_plain(lambda: RingBackgroundMaker(**RING, exclusion_mask=mask()).run(dataset))


def test_rings_with_an_observation_are_those_of_gammapy(dataset):
    assert_as_plain(lambda: RingBackgroundMaker(**RING).run(dataset, observation=None))


@pytest.mark.parametrize("method", ["fixed_width", "fixed_r_in"])
@pytest.mark.parametrize("mask", ["none", "an image"])
def test_adaptive_rings_are_those_of_gammapy(dataset, method, mask):
    def reduce():
        image = dataset.to_image(name="image")
        mask_of_image = EXCLUSIONS[mask]()
        if mask_of_image is not None:
            mask_of_image = exclusion(image.counts.geom)
        options = ADAPTIVE | {"threshold_alpha": {"fixed_width": 0.006, "fixed_r_in": 0.003}[method]}
        made = AdaptiveRingBackgroundMaker(**options, method=method, exclusion_mask=mask_of_image).run(image)
        # A documented difference: where no ring is large enough, maps are zero and masked, not NaN.
        no_ring = np.isnan(made.counts_off.data) | (made.acceptance_off.data == 0)
        for values in (made.counts_off, made.acceptance_off, made.acceptance):
            values.data[no_ring] = 0
        made.mask_safe.data[no_ring] = False
        return made

    assert_as_plain(reduce)


def test_adaptive_rings_without_a_ring_for_a_pixel_are_those_of_gammapy_if_its_numbers_are_asked_for(dataset):
    options = ADAPTIVE | {"threshold_alpha": 1e-5}

    def reduce():
        return AdaptiveRingBackgroundMaker(**options).run(dataset.to_image(name="image"))

    plain = reduce()
    no_ring = np.isnan(plain.counts_off.data)
    assert no_ring.any()
    with accelerated(strict=True):
        assert differences(plain, reduce()) == []
    assert report().rows[-1].fallbacks == 1
    with accelerated():
        made = reduce()
    assert not made.counts_off.data[no_ring].any()
    assert not made.acceptance_off.data[no_ring].any()
    assert not made.mask_safe.data[no_ring].any()


def test_adaptive_rings_at_several_energies_are_those_of_the_first_only_if_gammapys_numbers_are_asked_for(dataset):
    maker = AdaptiveRingBackgroundMaker(**ADAPTIVE)
    plain = maker.run(dataset)
    with accelerated(strict=True):
        assert differences(plain, maker.run(dataset)) == []
    with accelerated():
        made = maker.run(dataset)
    for i in range(3):
        plane = maker.run(dataset.slice_by_idx({"energy": slice(i, i + 1)}))
        with accelerated():
            alone = maker.run(dataset.slice_by_idx({"energy": slice(i, i + 1)}))
        np.testing.assert_array_equal(made.counts_off.data[i], alone.counts_off.data[0])
        safe = made.mask_safe.data[i] & plane.mask_safe.data[0] & np.isfinite(plane.counts_off.data[0])
        np.testing.assert_array_equal(np.round(plane.counts_off.data[0])[safe], alone.counts_off.data[0][safe])


def test_models_of_the_dataset_count_as_background_and_stay(dataset):
    background = FoVBackgroundModel(dataset_name="run")
    background.spectral_model.norm.value = 1.7
    background.spectral_model.tilt.value = 0.3
    source = SkyModel(PowerLawSpectralModel(), PointSpatialModel(lon_0="83.6 deg", lat_0="22 deg"), name="source")
    dataset.models = [source, background]
    made = assert_as_plain(lambda: RingBackgroundMaker(**RING).run(dataset))
    assert made.acceptance.data.sum() > 1.2 * dataset.background.data.sum()
    assert made.models.names == ["source", background.name]


def test_what_is_shared_with_the_dataset_in_gammapy_is_shared(dataset):
    with accelerated():
        made = RingBackgroundMaker(**RING).run(dataset)
    for name in ("counts", "exposure", "psf", "edisp", "gti", "meta_table"):
        assert getattr(made, name) is getattr(dataset, name), name
    assert made.acceptance is dataset.background
    assert made.mask_safe is not dataset.mask_safe


def test_what_is_given_is_not_changed(dataset):
    before = deepcopy(dataset)
    mask = exclusion()
    with accelerated():
        made = RingBackgroundMaker(**RING, exclusion_mask=mask).run(dataset)
        made.counts_off.data[...] = -1
        made.acceptance_off.data[...] = -1
        made.mask_safe.data[...] = False
        AdaptiveRingBackgroundMaker(**ADAPTIVE).run(dataset)
    assert differences(dataset, before) == []
    assert differences(mask, exclusion()) == []


def error_of(function):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever Gammapy raises
        function()
    return caught.type, str(caught.value)


REFUSED = {
    "no safe mask": lambda dataset: setattr(dataset, "mask_safe", None),
    "no background": lambda dataset: setattr(dataset, "background", None),
    "no counts": lambda dataset: setattr(dataset, "counts", None),
}


@pytest.mark.parametrize("damage", REFUSED.values(), ids=list(REFUSED))
def test_errors_are_those_of_gammapy(dataset, damage):
    damage(dataset)
    maker = RingBackgroundMaker(**RING)
    plain = error_of(lambda: maker.run(dataset))
    with accelerated():
        assert error_of(lambda: maker.run(dataset)) == plain


def test_a_map_without_any_off_pixel_is_what_gammapy_makes_of_it(dataset):
    def reduce():
        return RingBackgroundMaker(**RING, exclusion_mask=exclusion(radius=9)).run(dataset)

    made = assert_as_plain(reduce, fallbacks=1)
    assert not made.counts_off.data.any()


def test_a_maker_of_the_user_runs_in_gammapy(dataset):
    class Maker(RingBackgroundMaker):
        def make_maps_off(self, dataset):
            maps = super().make_maps_off(dataset)
            maps["counts_off"] = maps["counts_off"] * 2
            return maps

    made = assert_as_plain(lambda: Maker(**RING).run(dataset), fallbacks=1)
    with accelerated():
        single = RingBackgroundMaker(**RING).run(dataset)
    assert made.counts_off.data.sum() > 1.5 * single.counts_off.data[made.mask_safe.data].sum()


def test_a_dataset_of_another_class_runs_in_gammapy(dataset):
    class Dataset(MapDataset):
        def npred_background(self):
            return super().npred_background() * 2

    parts = {name: getattr(dataset, name) for name in ("counts", "background", "exposure", "mask_safe", "gti")}
    assert_as_plain(lambda: RingBackgroundMaker(**RING).run(Dataset(**parts, name="run")), fallbacks=1)


def test_a_reduction_with_a_ring_background_is_that_of_gammapy(crab_store):
    def reduce():
        stacked = MapDataset.create(GEOM, name="stacked")
        makers = [
            MapDatasetMaker(selection=["counts", "exposure", "background"]),
            SafeMaskMaker(methods=["offset-max"], offset_max="1.8 deg"),
            FoVBackgroundMaker(method="scale", exclusion_mask=exclusion()),
        ]
        for run in DataStore.from_dir(crab_store).get_observations([1, 2, 3]):
            dataset = stacked.cutout(run.get_pointing_icrs(run.tmid), width="3.6 deg", name=f"run-{run.obs_id}")
            for maker in makers:
                dataset = maker.run(dataset, run)
            stacked.stack(dataset)
        return RingBackgroundMaker(**RING, exclusion_mask=exclusion()).run(stacked)

    plain = without_noise(reduce())
    with accelerated():
        ours = without_noise(reduce())
    # the norms of the background model, fitted to single precision
    assert differences(plain, ours, noise=1e-5, without=("date",)) == []


def test_a_chain_with_a_ring_background_is_that_of_gammapy(crab_store):
    def reduce():
        makers = [
            MapDatasetMaker(selection=["counts", "exposure", "background"]),
            SafeMaskMaker(methods=["offset-max"], offset_max="1.8 deg"),
            RingBackgroundMaker(**RING, exclusion_mask=exclusion()),
        ]
        maker = DatasetsMaker(makers, stack_datasets=False, n_jobs=1, cutout_mode="trim", cutout_width="3.6 deg")
        made = maker.run(MapDataset.create(GEOM, name="all"), DataStore.from_dir(crab_store).get_observations([1, 2]))
        return [without_noise(each) for each in made]

    plain = reduce()
    with accelerated():
        ours = reduce()
    # Gammapy reads the last one only if pixels depend on energy.
    assert differences(plain, ours, noise=NOISE, without=("_name", "date", "_crpix")) == []


@pytest.mark.reference
def test_rings_of_real_runs_are_those_of_gammapy(shared):
    center = SkyCoord(83.63, 22.01, unit="deg")
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    geom = WcsGeom.create(skydir=center, width=5, binsz=0.05, axes=[energy])
    mask = geom.region_mask([CircleSkyRegion(center, 0.3 * u.deg)], inside=False)

    def reduce():
        run = DataStore.from_dir(shared / "data" / "hess-dl3-dr1").get_observations([23592])[0]
        made = MapDatasetMaker(selection=["counts", "background"]).run(MapDataset.create(geom, name="run"), run)
        made = SafeMaskMaker(methods=["offset-max"], offset_max="2 deg").run(made, run)
        return RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg", exclusion_mask=mask).run(made)

    # Without an exposure Gammapy 1.3 does not mirror the background of these runs, so it has to make it itself.
    assert_as_plain(reduce, fallbacks=int(version() < (2, 0)))
