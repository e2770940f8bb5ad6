import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CirclePixelRegion, CircleSkyRegion, PixCoord, PointSkyRegion
from scipy import ndimage, signal

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import DeviceError, GeometryError, NoOverlapError
from lightpool.irf import PSFKernel
from lightpool.maps import Map, MapAxis, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
CENTRE = SkyCoord(83.63, 22.01, unit="deg")
GEOM = WcsGeom.create(npix=(12, 8), binsz=0.1, skydir=CENTRE, axes=[ENERGY])
VALUES = np.random.default_rng(5).uniform(size=(2, 8, 12))
MASK = VALUES > 0.8


@pytest.fixture
def counts(backend):
    return Map.from_geom(GEOM, data=VALUES.copy())


@pytest.fixture
def mask(backend):
    return Map.from_geom(GEOM, data=MASK.copy())


def test_a_cutout_is_a_copy_of_a_window(counts):
    part = counts.cutout(CENTRE, 0.4 * u.deg)
    assert part.geom.data_shape == (2, 4, 4)
    assert_array_equal(to_host(part.data), VALUES[:, 2:6, 4:8])
    part.data[...] = 0.0
    assert_array_equal(to_host(counts.data), VALUES)


def test_a_cutout_over_the_border_is_trimmed_filled_or_refused(counts):
    corner = SkyCoord(*(float(c.ravel()[0].value) for c in GEOM.to_image().pix_to_coord((0.0, 0.0))), unit="deg")
    trimmed = counts.cutout(corner, "0.5 deg")
    assert_array_equal(to_host(trimmed.data), VALUES[:, :3, :3])
    partial = counts.cutout(corner, "0.5 deg", mode="partial")
    assert_array_equal(to_host(partial.data), np.pad(VALUES[:, :3, :3], [(0, 0), (2, 0), (2, 0)]))
    with pytest.raises(GeometryError, match="only partly"):
        counts.cutout(corner, "0.5 deg", mode="strict")
    with pytest.raises(NoOverlapError, match="outside the map"):
        counts.cutout(SkyCoord(90, 22, unit="deg"), "0.5 deg")


@pytest.mark.parametrize("mode", ["trim", "partial"])
def test_a_cutout_of_an_empty_map_is_an_empty_map_of_its_own(backend, mode):
    empty = Map.from_geom(GEOM, device=backend.device)
    corner = GEOM.to_image().pix_to_coord((0.0, 0.0))
    part = empty.cutout(SkyCoord(*corner), "0.5 deg", mode=mode)
    assert_array_equal(to_host(part.data), np.zeros(part.geom.data_shape))
    part.data[...] = 1.0
    assert_array_equal(to_host(empty.data), np.zeros(GEOM.data_shape))


def test_images_are_cropped_and_padded(counts):
    assert_array_equal(to_host(counts.crop((2, 1)).data), VALUES[:, 1:-1, 2:-2])
    assert_array_equal(to_host(counts.crop("0.2 deg").data), VALUES[:, 2:-2, 2:-2])
    padded = counts.pad((1, 2), cval=3)
    assert_array_equal(to_host(padded.data), np.pad(VALUES, [(0, 0), (2, 2), (1, 1)], constant_values=3))
    assert_array_equal(to_host(padded.crop((1, 2)).data), VALUES)
    edged = to_host(counts.pad(1, mode="edge").data)
    assert_array_equal(edged, np.pad(VALUES, [(0, 0), (1, 1), (1, 1)], mode="edge"))


def test_padding_extrapolates_a_plane(backend):
    y, x = np.mgrid[:8, :12]
    m = Map.from_geom(GEOM.to_image(), data=2.0 * x - y)
    y, x = np.mgrid[-2:10, -2:14]
    assert_allclose(to_host(m.pad(2, mode="interp").data), 2.0 * x - y, atol=1e-12)


def test_pixels_are_joined_by_sum_or_mean(counts, mask):
    blocks = VALUES.reshape(2, 4, 2, 6, 2)
    assert_allclose(to_host(counts.downsample(2).data), blocks.sum(axis=(2, 4)))
    assert_allclose(to_host(counts.downsample(2, preserve_counts=False).data), blocks.mean(axis=(2, 4)))
    chosen = MASK.reshape(2, 4, 2, 6, 2)
    n_chosen = chosen.sum(axis=(2, 4))
    mean = (blocks * chosen).sum(axis=(2, 4)) / np.maximum(n_chosen, 1)
    assert_allclose(to_host(counts.downsample(2, preserve_counts=False, weights=mask).data), mean)
    assert_array_equal(to_host(mask.downsample(2).data), n_chosen > 0)
    assert_allclose(to_host(counts.downsample(2, axis_name="energy").data)[0], VALUES.sum(axis=0))
    assert counts.downsample(1) is counts
    with pytest.raises(GeometryError, match="multiple"):
        counts.downsample(5)


def test_pixels_are_split_and_joined_again(counts):
    fine = counts.upsample(3)
    assert fine.geom.data_shape == (2, 24, 36)
    assert_allclose(to_host(fine.downsample(3).data), VALUES, rtol=1e-6)
    kept = counts.upsample(2, preserve_counts=False)
    assert_array_equal(to_host(kept.data), VALUES.repeat(2, axis=1).repeat(2, axis=2))
    linear = to_host(counts.upsample(2, order=1, preserve_counts=False).data)
    expected = [ndimage.zoom(v, 2, order=1, mode="nearest", grid_mode=True) for v in VALUES]
    assert_allclose(linear, expected)
    assert counts.upsample(None) is counts
    with pytest.raises(ValueError, match="0 or 1"):
        counts.upsample(2, order=3)


@pytest.mark.parametrize("kernel", ["gauss", "box", "disk"])
def test_smoothing_keeps_a_flat_map_flat(backend, kernel):
    m = Map.from_geom(GEOM, data=3.0)
    assert_allclose(to_host(m.smooth("0.25 deg", kernel=kernel).data), 3)
    assert_allclose(to_host(m.smooth(0.08 * u.deg, kernel=kernel, mode="constant").data)[0, 4, 6], 3)


def test_smoothing_with_an_unknown_kernel_is_refused(counts):
    with pytest.raises(ValueError, match=r"'hat'.*'gauss'"):
        counts.smooth(2, kernel="hat")


def test_convolution_is_that_of_scipy(counts):
    kernel = np.arange(15.0).reshape(3, 5)
    expected = [signal.convolve(plane, kernel, mode="same", method="direct") for plane in VALUES]
    assert_allclose(to_host(counts.convolve(kernel).data), expected, rtol=1e-10)
    cube = np.stack([kernel, kernel[::-1]])
    expected[1] = signal.convolve(VALUES[1], kernel[::-1], mode="same", method="direct")
    assert_allclose(to_host(counts.convolve(cube).data), expected, rtol=1e-10)
    full = counts.convolve(kernel, mode="full")
    assert full.geom.data_shape == (2, 10, 16)
    assert_allclose(to_host(full.data)[0], signal.convolve(VALUES[0], kernel, method="direct"), atol=1e-12)


def test_convolution_refuses_kernels_that_do_not_fit(counts):
    with pytest.raises(GeometryError, match=r"\(2,\) and kernel \(3,\)"):
        counts.convolve(np.ones((3, 3, 3)))
    with pytest.raises(ValueError, match="PSFKernel"):
        counts.sum_over_axes(keepdims=False).convolve(np.ones((3, 3, 3)))
    with pytest.raises(ValueError, match="'valid'"):
        counts.convolve(np.ones((3, 3)), mode="valid")


@pytest.mark.parametrize("kernel", ["disk", "box"])
def test_masks_shrink_and_grow_as_in_scipy(mask, kernel):
    structure = GEOM.binary_structure("0.1 deg", kernel=kernel)
    eroded = ndimage.binary_erosion(~MASK, structure=structure)
    dilated = ndimage.binary_dilation(MASK, structure=structure)
    assert_array_equal(to_host((~mask).binary_erode("0.1 deg", kernel=kernel).data), eroded)
    assert_array_equal(to_host(mask.binary_dilate("0.1 deg", kernel=kernel).data), dilated)


def test_only_masks_shrink(counts):
    with pytest.raises(ValueError, match="float64"):
        counts.binary_erode(1)


def test_a_mask_knows_whether_it_reaches_into_a_region(backend):
    mask = GEOM.to_image().region_mask([CircleSkyRegion(CENTRE, 0.15 * u.deg)])
    away = SkyCoord(84.1, 22.3, unit="deg")
    assert mask.mask_contains_region(CircleSkyRegion(CENTRE, 0.3 * u.deg))
    assert not mask.mask_contains_region(CircleSkyRegion(away, 0.1 * u.deg))
    assert mask.mask_contains_region(CirclePixelRegion(PixCoord(5.5, 3.5), 1))
    assert mask.mask_contains_region(PointSkyRegion(CENTRE))
    assert not mask.mask_contains_region(PointSkyRegion(SkyCoord(90, 22, unit="deg")))
    assert mask.mask_nearest_position(away).separation(CENTRE) < 0.2 * u.deg
    with pytest.raises(ValueError, match="boolean"):
        Map.from_geom(GEOM.to_image()).mask_contains_region(PointSkyRegion(CENTRE))
    with pytest.raises(ValueError, match="2D"):
        Map.from_geom(GEOM, data=True).mask_contains_region(PointSkyRegion(CENTRE))


@pytest.mark.parametrize("func", [np.sum, np.nansum, np.mean, np.nanmean, np.max, np.nanmin, np.prod])
def test_pixels_in_a_region_are_reduced_plane_by_plane(counts, mask, func):
    counts.data[0, 4, 6] = float("nan")
    values = to_host(counts.data)
    region = CircleSkyRegion(CENTRE, 0.3 * u.deg)
    inside = to_host(GEOM.to_image().region_mask([region]).data)
    spectrum = counts.to_region_nd_map(region, func=func)
    assert_allclose(to_host(spectrum.data)[:, 0, 0], [func(plane[inside]) for plane in values])
    weighted = counts.to_region_nd_map(region, func=func, weights=mask)
    expected = [func(plane[inside & chosen]) for plane, chosen in zip(values, MASK, strict=True)]
    assert_allclose(to_host(weighted.data)[:, 0, 0], expected)


def test_masks_in_a_region_are_reduced_by_logic(mask):
    region = CircleSkyRegion(CENTRE, 0.2 * u.deg)
    inside = to_host(GEOM.to_image().region_mask([region]).data)
    any_true = mask.to_region_nd_map(region, func=np.any)
    assert any_true.is_mask
    assert_array_equal(to_host(any_true.data)[:, 0, 0], [plane[inside].any() for plane in MASK])
    all_true = (~mask).to_region_nd_map(region, func=np.all)
    assert_array_equal(to_host(all_true.data)[:, 0, 0], [(~plane[inside]).all() for plane in MASK])


def test_any_function_of_numpy_works_on_the_host_only(counts):
    region = CircleSkyRegion(CENTRE, 0.3 * u.deg)
    if not counts.device.is_host:
        with pytest.raises(DeviceError, match=r"median.*cpu"):
            counts.to_region_nd_map(region, func=np.median)
        return
    inside = GEOM.to_image().region_mask([region]).data
    assert_allclose(counts.to_region_nd_map(region, func=np.median).data[:, 0, 0], np.median(VALUES[:, inside], axis=1))


def test_the_spectrum_of_the_whole_map_is_the_sum_of_its_planes(counts, mask):
    assert_allclose(to_host(counts.get_spectrum().data)[:, 0, 0], VALUES.sum(axis=(1, 2)))
    assert_allclose(to_host(counts.get_spectrum(weights=mask).data)[:, 0, 0], (VALUES * MASK).sum(axis=(1, 2)))
    with pytest.raises(GeometryError, match="weights"):
        counts.get_spectrum(weights=mask.pad(1))


def test_the_value_at_a_position_is_that_of_its_pixel(counts):
    position = SkyCoord(83.66, 22.0, unit="deg")
    spectrum = counts.to_region_nd_map(position)
    assert_array_equal(to_host(spectrum.data)[:, 0, 0], VALUES[:, 3, 5])
    assert spectrum.device == counts.device


def test_a_spectrum_in_a_pixel_region_counts_the_pixels_of_the_whole_map(counts):
    pixels = CirclePixelRegion(PixCoord(8.2, 5.1), 2.1)
    inside = np.hypot(*(np.mgrid[:8, :12] - np.reshape([5.1, 8.2], (2, 1, 1)))) < 2.1
    assert_allclose(to_host(counts.to_region_nd_map(pixels).data)[:, 0, 0], VALUES[:, inside].sum(axis=1))
    window, part = counts.cutout_and_mask_region(pixels)
    assert_allclose(to_host(window.data)[:, to_host(part.data)].sum(), VALUES[:, inside].sum())


@pytest.mark.parametrize(("kernel", "width"), [("gauss", 0.5), ("disk", 1), ("box", 3)])
def test_a_hole_in_an_image_is_smoothed_no_further_than_the_kernel_reaches(backend, kernel, width):
    values = np.random.default_rng(1).random((7, 9))
    whole = Map.from_geom(WcsGeom.create(npix=(9, 7), binsz=0.1), data=values)
    values[2, 3] = np.nan
    values[6, 8] = np.inf
    smooth = to_host(whole.copy(data=values).smooth(width, kernel=kernel).data)
    reach = {"gauss": 2, "disk": 1, "box": 1}[kernel]
    y, x = np.mgrid[:7, :9]
    hit = np.zeros((7, 9), dtype=bool)
    for row, column in ((2, 3), (6, 8)):
        distance = (
            np.abs(x - column) + np.abs(y - row) if kernel == "disk" else np.maximum(abs(x - column), abs(y - row))
        )
        hit |= distance <= reach
    assert_array_equal(np.isnan(smooth), hit)
    assert_allclose(smooth[~hit], to_host(whole.smooth(width, kernel=kernel).data)[~hit], rtol=1e-12)


def test_a_hole_in_an_image_is_convolved_no_further_than_the_kernel_reaches(backend):
    values = np.random.default_rng(1).random((7, 9))
    values[2, 3] = np.nan
    image = Map.from_geom(WcsGeom.create(npix=(9, 7), binsz=0.1), data=values)
    convolved = to_host(image.convolve(np.asarray([[0.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 0.0]])).data)
    assert sorted(zip(*np.nonzero(np.isnan(convolved)), strict=True)) == [(1, 3), (2, 2), (2, 3), (2, 4), (3, 3)]


def test_an_image_convolved_with_a_psf_becomes_a_cube(backend):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
    geom = WcsGeom.create(npix=11, binsz=0.1, axes=[axis])
    kernel = PSFKernel.from_gauss(geom, "0.1 deg", max_radius="0.3 deg")
    image = Map.from_geom(geom.to_image())
    image.data[5, 5] = 3.0
    cube = image.convolve(kernel)
    assert cube.device == backend.device
    assert cube.geom == geom
    assert_allclose(to_host(cube.data)[:, 2:9, 2:9], 3 * to_host(kernel.data), atol=1e-12)
    with pytest.raises(GeometryError, match=r"Pixel size.*0\.2.*"):
        Map.create(npix=11, binsz=0.2).convolve(kernel)
    with pytest.raises(ValueError, match="'fft', 'direct' or 'auto', got 'fast'"):
        image.convolve(kernel, method="fast")
