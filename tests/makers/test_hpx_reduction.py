"""Reductions on HEALPix pixels, against the events themselves and against square pixels at the same positions."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy_healpix import HEALPix
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays import to_host
from lightpool.data import DataStore
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    ExcessMapEstimator,
    ExclusionMaskFinder,
    FoVBackgroundMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from lightpool.maps import HpxGeom, HpxNDMap, Map, MapAxis, WcsGeom

CRAB = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5, name="energy_true")
MIGRA = MapAxis.from_bounds(0.2, 5, nbin=24, node_type="edges", name="migra")
GEOM = HpxGeom.create(nside=256, skydir=CRAB, width=5, axes=[ENERGY])


@pytest.fixture(scope="module")
def store(crab_store):
    return DataStore.from_dir(crab_store)


@pytest.fixture(scope="module")
def runs(store):
    return store.obs_table["OBS_ID"][:2].tolist()


def empty(geom=GEOM, **options):
    return MapDataset.create(geom, energy_axis_true=TRUE, binsz_irf="0.5 deg", **options)


def counts_of_events(events, geom):
    """Counts found by astropy-healpix, which knows nothing of our code."""
    grid = HEALPix(int(geom.nside[0]), order="nested" if geom.nest else "ring", frame=SkyCoord(0, 0, unit="deg",
                   frame=geom.frame).frame)  # fmt: skip
    pix = grid.skycoord_to_healpix(events.radec)
    known, index = geom.ipix[0][0], np.digitize(events.energy.to_value("TeV"), ENERGY.edges.value) - 1
    counts = np.zeros(geom.data_shape)
    for bin_, p in zip(index, pix, strict=True):
        place = np.searchsorted(known, p)
        if 0 <= bin_ < 3 and place < known.size and known[place] == p:
            counts[bin_, place] += 1
    return counts


@pytest.mark.parametrize(
    "geom",
    [
        GEOM,
        HpxGeom.create(nside=100, nest=False, frame="galactic", skydir=CRAB, width=4, axes=[ENERGY]),
        HpxGeom(64, nest=False, axes=[ENERGY]),
    ],
    ids=["nested", "ring, galactic, no power of two", "all sky"],
)
def test_counts_are_those_of_the_events_in_each_pixel(geom, store, runs, device):
    events = store.obs(runs[0]).events
    counts = Map.from_events(geom, events)
    assert_array_equal(to_host(counts.data), counts_of_events(events, geom))
    filled = Map.from_geom(geom)
    filled.fill_events(events)
    assert_array_equal(to_host(filled.data), to_host(counts.data))


def test_planes_with_grids_of_their_own_count_the_same_events(store, runs, device):
    events = store.obs(runs[0]).events
    geom = HpxGeom([64, 16, 4], axes=[ENERGY])
    counts = to_host(Map.from_events(geom, events).data)
    for number, nside in enumerate((64, 16, 4)):
        expected = counts_of_events(events, HpxGeom(nside, axes=[ENERGY]))[number]
        assert_array_equal(counts[number, : expected.size], expected)


@pytest.mark.slow
def test_responses_are_those_of_square_pixels_at_the_same_positions(store, runs, device):
    observation = store.obs(runs[0])
    dataset = MapDatasetMaker().run(empty(), observation)
    assert isinstance(dataset.exposure, HpxNDMap)
    assert dataset.psf.psf_map.geom.nside[0] == dataset.edisp.edisp_map.geom.nside[0] == 128
    for number in (0, 40, 200):
        center = GEOM.to_image().get_coord().skycoord[number]
        square = WcsGeom.create(skydir=center, npix=1, binsz=0.01, axes=[ENERGY])
        other = MapDatasetMaker().run(MapDataset.create(square, energy_axis_true=TRUE, binsz_irf=0.01), observation)
        exposure = to_host(dataset.exposure.data)[:, number]
        assert_allclose(exposure, to_host(other.exposure.data)[:, 0, 0], rtol=1e-9)
        area = float((GEOM.solid_angle()[0] / square.solid_angle().ravel()[0]).value)
        background = to_host(other.background.data)[:, 0, 0] * area
        assert_allclose(to_host(dataset.background.data)[:, number], background, rtol=1e-8)
    for number in (0, 10, 40):
        geom = dataset.psf.psf_map.geom
        center = geom.to_image().get_coord().skycoord[number]
        square = WcsGeom.create(skydir=center, npix=1, binsz=0.01, axes=[ENERGY])
        other = MapDatasetMaker().run(MapDataset.create(square, energy_axis_true=TRUE, binsz_irf=0.01), observation)
        psf, edisp = to_host(dataset.psf.psf_map.data), to_host(dataset.edisp.edisp_map.data)
        assert_allclose(psf[..., number], to_host(other.psf.psf_map.data)[..., 0, 0], rtol=1e-9)
        assert_allclose(edisp[..., number], to_host(other.edisp.edisp_map.data)[..., 0, 0], rtol=1e-9, atol=1e-14)


def made(dataset, observation):
    return SafeMaskMaker(["offset-max"], offset_max="2 deg").run(
        MapDatasetMaker().run(dataset, observation), observation
    )


def makers():
    return [
        MapDatasetMaker(),
        SafeMaskMaker(["offset-max"], offset_max="2 deg"),
        FoVBackgroundMaker("scale", exclusion_mask=GEOM.to_image().region_mask("icrs;circle(83.63,22.01,0.3)", False)),
    ]


def test_a_stack_of_cutouts_is_that_of_whole_maps_and_of_square_pixels(store, runs, device):
    observations = store.get_observations(runs)
    chain = DatasetsMaker(makers(), stack_datasets=True, cutout_width="5 deg")
    stack = chain.run(empty(), observations)[0]
    whole = empty()
    for observation in observations:
        dataset = empty()
        for maker in makers():
            dataset = maker.run(dataset, observation)
        whole.stack(dataset)
    for name in ("counts", "mask_safe"):
        assert_array_equal(to_host(getattr(stack, name).data), to_host(getattr(whole, name).data))
    for name in ("exposure", "background"):
        assert_allclose(to_host(getattr(stack, name).data), to_host(getattr(whole, name).data), rtol=1e-12)
    assert_allclose(to_host(stack.psf.psf_map.data), to_host(whole.psf.psf_map.data), rtol=1e-10, atol=1e-12)
    # every event inside both the safe offsets and the map is counted once
    expected = np.zeros(GEOM.data_shape)
    for observation in observations:
        near = GEOM.separation(observation.pointing.fixed_icrs) < 2 * u.deg
        expected += counts_of_events(observation.events, GEOM) * near
    assert_array_equal(to_host(stack.counts.data), expected)
    number = int(np.argmin(GEOM.separation(CRAB)))
    center = GEOM.to_image().get_coord().skycoord[number]
    square = MapDataset.create(
        WcsGeom.create(skydir=center, npix=1, binsz=0.01, axes=[ENERGY]), energy_axis_true=TRUE, binsz_irf=0.01
    )
    other = square.copy()
    for observation in observations:
        other.stack(made(square, observation))
    assert_allclose(to_host(stack.exposure.data)[:, number], to_host(other.exposure.data)[:, 0, 0], rtol=1e-9)
    assert stack.info_dict()["counts"] == int(expected.sum())
    assert "MapDataset" in str(stack)


@pytest.mark.slow
def test_what_users_ask_of_a_stack_works_on_healpix(store, runs, device, tmp_path):
    dataset = empty()
    observation = store.obs(runs[0])
    dataset.stack(made(empty(), observation))
    region = CircleSkyRegion(CRAB, 0.5 * u.deg)
    spectrum = dataset.to_spectrum_dataset(region)
    assert isinstance(spectrum, SpectrumDataset)
    inside = GEOM.separation(CRAB) < 0.5 * u.deg
    assert_array_equal(to_host(spectrum.counts.data).ravel(), to_host(dataset.counts.data)[:, inside].sum(axis=1))
    containment = dataset.psf.containment(rad=0.1 * u.deg, energy_true=2 * u.TeV, position=CRAB)
    assert 0.3 < float(np.squeeze(containment)) < 1
    kernel = dataset.psf.get_psf_kernel(WcsGeom.create(binsz=0.05, width=1, axes=[TRUE]), position=CRAB)
    assert_allclose(to_host(kernel.data).sum(axis=(1, 2)), 1, rtol=1e-6)
    matrix = dataset.edisp.get_edisp_kernel(position=CRAB)
    assert 0.9 < matrix.pdf_matrix.sum(axis=1).max() <= 1 + 1e-9
    image = dataset.to_image()
    assert to_host(image.counts.data).sum() == to_host(dataset.counts.data).sum()
    part = dataset.cutout(CRAB, "2 deg")
    assert part.counts.geom.region == "DISK(83.63,22.01,1.0)"
    dataset.write(tmp_path / "stack.fits.gz")
    again = MapDataset.read(tmp_path / "stack.fits.gz")
    assert again.counts.geom == dataset.counts.geom
    for name in ("counts", "exposure", "background", "mask_safe"):
        assert_array_equal(to_host(getattr(again, name).data), to_host(getattr(dataset, name).data))
    assert_array_equal(to_host(again.psf.psf_map.data), to_host(dataset.psf.psf_map.data))
    assert_array_equal(to_host(again.edisp.edisp_map.data), to_host(dataset.edisp.edisp_map.data))
    assert MapDataset.estimate_memory(GEOM, TRUE).parts["counts"] == 8 * 3 * GEOM.data_shape[-1]


@pytest.mark.slow
def test_energy_dispersion_in_migra_and_psf_in_reconstructed_energy(store, runs, device):
    observation = store.obs(runs[0])
    dataset = MapDatasetMaker().run(empty(migra_axis=MIGRA), observation)
    integral = (to_host(dataset.edisp.edisp_map.data) * MIGRA.bin_width.value[:, None]).sum(axis=1)
    assert_allclose(integral[integral > 0], 1, rtol=1e-9)
    oversampled = MapDatasetMaker(background_oversampling=3).run(empty(), observation)
    plain = MapDatasetMaker().run(empty(), observation)
    assert_allclose(to_host(oversampled.background.data).sum(), to_host(plain.background.data).sum(), rtol=0.05)


@pytest.mark.slow
@pytest.mark.reference
def test_real_runs_have_the_numbers_of_gammapy(shared):
    """Of Gammapy 2.1 with healpy 1.20; its stack of cutouts adds an event outside of the map to the last pixel."""
    store = DataStore.from_dir(shared / "data" / "hess-dl3-dr1")
    geom = HpxGeom.create(nside=512, skydir=CRAB, width=5, axes=[ENERGY])
    stack = MapDataset.create(geom, energy_axis_true=TRUE, binsz_irf=0.5)
    expected = {
        23523: (2256, 3045134830646.953, 2254.42011259983, 2865, 2223.324051768169),
        23592: (1765, 2297716677181.0605, 1657.056456676316, 2079, 1688.6710810372795),
    }
    for obs_id, (counts, exposure, background, n_safe, scaled) in expected.items():
        observation = store.obs(obs_id)
        dataset = MapDatasetMaker().run(MapDataset.create(geom, energy_axis_true=TRUE, binsz_irf=0.5), observation)
        dataset = SafeMaskMaker(["aeff-default", "offset-max"], offset_max="2 deg").run(dataset, observation)
        assert to_host(dataset.counts.data).sum() == counts
        assert_array_equal(to_host(dataset.counts.data), counts_of_events(observation.events, geom))
        assert to_host(dataset.exposure.data).sum() == pytest.approx(exposure, rel=1e-12)
        assert to_host(dataset.background.data).sum() == pytest.approx(background, rel=1e-11)
        assert to_host(dataset.mask_safe.data).sum() == n_safe
        dataset = FoVBackgroundMaker("scale").run(dataset, observation)
        assert to_host(dataset.npred_background().data).sum() == pytest.approx(scaled, rel=1e-11)
        stack.stack(dataset)
    assert to_host(stack.counts.data).sum() == 3143
    assert to_host(stack.mask_safe.data).sum() == 3489
    assert to_host(stack.exposure.data).sum() == pytest.approx(4290451865600.0, rel=1e-6)  # float32 there


@pytest.mark.parametrize(
    "step",
    [
        RingBackgroundMaker(r_in="0.4 deg", width="0.3 deg"),
        AdaptiveRingBackgroundMaker(r_in="0.4 deg", width="0.3 deg", r_out_max="1 deg"),
        ExcessMapEstimator("0.2 deg"),
        ExclusionMaskFinder(),
    ],
    ids=lambda step: type(step).__name__,
)
def test_steps_that_need_rows_of_pixels_refuse_others(step):
    with pytest.raises(TypeError, match="rows and columns, and dataset 'run' is on a HpxGeom"):
        step.run(empty(name="run"))


def test_residuals_are_not_smoothed_on_pixels_without_rows(store, runs):
    dataset = MapDatasetMaker(selection=["counts", "exposure", "background"]).run(empty(), store.obs(runs[0]))
    with pytest.raises(TypeError, match="rows and columns, got a HpxNDMap"):
        dataset.plot_residuals_spatial()
    expected = to_host(dataset.counts.data) - to_host(dataset.npred().data)
    assert_allclose(to_host(dataset.residuals().data), expected)


def test_the_exposure_of_a_peek_is_that_of_the_central_pixel(store, runs):
    dataset = MapDatasetMaker(selection=["counts", "exposure", "background"]).run(empty(), store.obs(runs[0]))
    plt = pytest.importorskip("matplotlib.pyplot")
    dataset.peek()
    (panel,) = (axes for axes in plt.gcf().axes if axes.get_title() == "Exposure at the centre")
    (line,) = panel.get_lines()
    nearest = dataset.exposure.geom.to_image().get_coord().skycoord.separation(CRAB).argmin()
    assert_allclose(line.get_ydata(), to_host(dataset.exposure.data)[:, nearest])
