"""Reductions on maps whose image planes have pixels of their own: each plane is that of a map of its pixels alone."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays import to_host
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.errors import GeometryError
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import HpxGeom, Map, MapAxis, WcsGeom

CRAB = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
GEOMS = {
    "nside": HpxGeom.create(nside=[128, 64, 32], axes=[ENERGY], skydir=CRAB, width=5),
    "nside, ring, all sky": HpxGeom([30, 20, 10], nest=False, frame="galactic", axes=[ENERGY]),
    "binsz": WcsGeom.create(skydir=CRAB, width=4, binsz=[0.05, 0.1, 0.2], axes=[ENERGY]),
    "npix": WcsGeom.create(skydir=CRAB, npix=([40, 20, 30], [40, 30, 20]), binsz=0.1, axes=[ENERGY]),
}


@pytest.fixture(params=list(GEOMS))
def geom(request):
    return GEOMS[request.param]


@pytest.fixture(scope="module")
def runs(crab_store):
    return DataStore.from_dir(crab_store).get_observations([1, 2])


def makers():
    exclusion = WcsGeom.create(skydir=CRAB, width=8, binsz=0.02).region_mask(
        [CircleSkyRegion(CRAB, 0.5 * u.deg)], False
    )
    return [
        MapDatasetMaker(),
        SafeMaskMaker(["offset-max"], offset_max="1.8 deg"),
        FoVBackgroundMaker("scale", exclusion_mask=exclusion),
    ]


def empty(geom, name="stack"):
    return MapDataset.create(geom, energy_axis_true=TRUE, binsz_irf="2 deg", name=name)


def plane(geom, number):
    """The pixels of one energy, as a geometry of its own."""
    return geom.slice_by_idx({"energy": slice(number, number + 1)})


def of_plane(m, number):
    """The values of one energy in its pixels, and whatever is behind them."""
    shape = plane(m.geom, number).data_shape
    data = to_host(m.data)[number : number + 1]
    inside = tuple(slice(n) for n in shape)
    rest = np.ones(data.shape, dtype=bool)
    rest[inside] = False
    return data[inside], data[rest]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GEOMS))
def test_each_plane_is_that_of_a_map_of_its_pixels(name, runs):
    geom = GEOMS[name]
    made = empty(geom)
    for maker in makers()[:2]:
        made = maker.run(made, runs[0])
    for number in range(3):
        single = empty(plane(geom, number))
        for maker in makers()[:2]:
            single = maker.run(single, runs[0])
        for name, behind in (("counts", {0.0}), ("background", {0.0}), ("mask_safe", {False})):
            values, rest = of_plane(getattr(made, name), number)
            assert_allclose(values, to_host(getattr(single, name).data), rtol=1e-12, err_msg=name)
            assert set(rest[np.isfinite(rest)].tolist()) <= behind
    # all exposures are on the pixels of the image
    assert made.exposure.geom.to_image() == geom.to_image()
    assert made.psf.psf_map.geom.is_regular
    center = made.exposure.get_by_coord({"skycoord": CRAB, "energy_true": 2 * u.TeV})
    alone = MapDatasetMaker(selection=["exposure"]).run(empty(geom.to_image().to_cube([ENERGY])), runs[0])
    assert_allclose(to_host(center), to_host(alone.exposure.get_by_coord({"skycoord": CRAB, "energy_true": 2 * u.TeV})))


@pytest.mark.slow
def test_the_stack_has_all_events_and_a_scaled_background(geom, runs, device, tmp_path):
    chain = DatasetsMaker(makers(), stack_datasets=True, cutout_width="4 deg")
    stack = chain.run(empty(geom), runs)[0]
    safe = to_host(stack.mask_safe.data)
    counts, background = (to_host(m.data) for m in (stack.counts, stack.background))
    assert counts[safe].sum() > 200
    assert stack.info_dict()["counts"] == counts[safe].sum()
    assert not np.isnan(counts[safe]).any()
    assert not np.isnan(background[safe]).any()
    expected, scaled = 0, empty(geom)
    for observation in runs:
        whole = empty(geom)
        for maker in makers():
            whole = maker.run(whole, observation)
        mask = to_host(whole.mask_safe.data) & to_host(makers()[2].make_exclusion_mask(whole).data)
        on, off = (to_host(m.data)[mask] for m in (whole.counts, whole.npred_background()))
        assert off.sum() == pytest.approx(on.sum())
        expected += to_host(whole.counts.data)[to_host(whole.mask_safe.data)].sum()
        scaled.stack(whole)
    assert counts[safe].sum() == expected
    assert_allclose(background, to_host(scaled.background.data), rtol=1e-12)
    # exposure only where a pixel of any energy is safe
    image = to_host(stack.mask_safe.reduce_over_axes(np.logical_or).data)
    assert to_host(stack.exposure.data)[-1][image].max() > 0
    assert not to_host(stack.exposure.data)[:, ~image].any()
    stack.write(tmp_path / "stack.fits.gz")
    again = MapDataset.read(tmp_path / "stack.fits.gz")
    assert again.counts.geom == geom
    for name in ("counts", "background", "exposure", "mask_safe"):
        assert_array_equal(to_host(getattr(again, name).data), to_host(getattr(stack, name).data), err_msg=name)


@pytest.mark.slow
def test_images_and_spectra_of_such_datasets_have_the_counts_of_the_sky(geom, runs):
    dataset = MapDatasetMaker().run(empty(geom), runs[0])
    total = np.nansum(to_host(dataset.counts.data))
    assert total > 300
    assert to_host(dataset.to_image().counts.data).sum() == total
    region = CircleSkyRegion(CRAB, 1.5 * u.deg)
    spectrum = dataset.to_spectrum_dataset(region)
    for number in range(3):
        pixels = plane(geom, number)
        inside = to_host(pixels.to_image().region_mask([region]).data)
        expected = of_plane(dataset.counts, number)[0][0][inside].sum()
        assert to_host(spectrum.counts.data).ravel()[number] == expected


@pytest.mark.parametrize("name", list(GEOMS))
def test_masks_of_planes_are_joined_where_they_are_on_the_sky(device, name):
    geom, rng = GEOMS[name], np.random.default_rng(8)
    mask = Map.from_geom(geom, data=rng.uniform(size=geom.data_shape) > 0.7)
    joined = mask.reduce_over_axes(np.logical_or)
    assert joined.geom == geom.to_image()
    positions = joined.geom.get_coord().skycoord
    expected = np.zeros(joined.geom.data_shape, dtype=bool)
    for number in range(3):
        image = plane(geom, number).to_image()
        single = Map.from_geom(image, data=of_plane(mask, number)[0][0])
        expected |= to_host(single.get_by_coord({"skycoord": positions}, fill_value=0.0)) > 0
    assert_array_equal(to_host(joined.data), expected)
    assert 0 < expected.sum() < expected.size


@pytest.mark.parametrize("name", list(GEOMS))
def test_sums_over_planes_are_where_the_pixels_are(device, name):
    geom, rng = GEOMS[name], np.random.default_rng(9)
    m = Map.from_geom(geom, data=rng.uniform(size=geom.data_shape))
    image = geom.to_image()
    expected = Map.from_geom(image)
    for number in range(3):
        coords = plane(geom, number).to_image().get_coord()
        expected.fill_by_coord({"skycoord": coords.skycoord}, weights=of_plane(m, number)[0][0])
    for summed in (m.sum_over_axes(keepdims=False), m.sum_over_axes().slice_by_idx({"energy": 0})):
        assert summed.geom == image
        assert_allclose(to_host(summed.data), to_host(expected.data), rtol=1e-12)


def test_planes_that_reach_beyond_the_image_are_not_lost_silently():
    geom = WcsGeom.create(skydir=CRAB, npix=20, binsz=[0.1, 0.2, 0.3], axes=[ENERGY])
    with pytest.raises(GeometryError, match="lie outside the image of this map"):
        Map.from_geom(geom).sum_over_axes()


@pytest.mark.parametrize("name", list(GEOMS))
@pytest.mark.parametrize(
    "mix",
    [
        lambda m: m.reduce_over_axes(np.maximum),
        lambda m: m.cumsum("energy"),
        lambda m: m.normalize("energy"),
        lambda m: m.resample_axis(MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3).downsample(3).upsample(2)),
        lambda m: m.cutout(CRAB, "1 deg"),
    ],
)
def test_what_would_mix_pixels_of_other_places_is_refused(name, mix):
    with pytest.raises(GeometryError, match=r"same (pixels|ones)"):
        mix(Map.from_geom(GEOMS[name]))


@pytest.mark.parametrize("name", list(GEOMS))
def test_the_range_of_energies_is_that_of_all_planes_at_one_position(name):
    geom = GEOMS[name]
    dataset = MapDataset.create(geom)
    dataset.mask_safe = Map.from_geom(geom, data=np.random.default_rng(4).uniform(size=geom.data_shape) > 0.5)
    low, high = dataset.energy_range_safe
    image = geom.to_image()
    assert low.geom == high.geom == image
    positions = image.get_coord().skycoord.ravel()
    near = np.flatnonzero(positions.icrs.separation(CRAB) < 1.5 * u.deg)
    for number in near[:: max(1, near.size // 20)]:
        position = positions[number]
        kept = dataset.mask_safe.get_by_coord({"skycoord": position, "energy": ENERGY.center}) > 0
        edges = ENERGY.edges_value
        expected = (edges[:-1][kept].min(), edges[1:][kept].max()) if kept.any() else (np.nan, np.nan)
        found = [to_host(m.get_by_coord({"skycoord": position}))[0] for m in (low, high)]
        assert_allclose(found, expected)
