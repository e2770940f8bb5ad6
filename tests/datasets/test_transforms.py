import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lightpool.arrays import to_host
from lightpool.datasets.transforms import energy_slice
from lightpool.errors import NoOverlapError
from lightpool.irf import EDispMap
from lightpool.maps import MapAxis

MAPS = ("counts", "background", "exposure", "mask_safe")


def host(data):
    return to_host(data.data)


def test_a_cutout_holds_the_same_pixels(make_dataset):
    dataset = make_dataset(1, "a")
    cutout = dataset.cutout(SkyCoord(83.63, 22.01, unit="deg"), ("1.2 deg", "0.8 deg"), name="b")
    assert (cutout.name, cutout.data_shape) == ("b", (4, 4, 6))
    for name in MAPS:
        np.testing.assert_array_equal(host(cutout.maps[name]), host(dataset.maps[name])[:, 3:7, 3:9])
    assert cutout.psf.geom.data_shape[-2:] == (3, 3)  # never fewer, so that it can be interpolated
    assert cutout.gti is dataset.gti
    cutout.counts.data[...] = 0.0
    assert host(dataset.counts)[:, 3:7, 3:9].any()


@pytest.mark.parametrize("window", [{}, {"position": SkyCoord(83.63, 22.01, unit="deg"), "width": "1.2 deg"}])
def test_an_outline_has_the_geometries_and_no_values(make_dataset, window):
    dataset = make_dataset(1)
    dataset.stack(make_dataset(2))
    outline, expected = dataset.outline(**window), dataset.cutout(**window) if window else dataset
    assert outline.device == dataset.device
    assert outline.geoms == expected.geoms
    assert outline.psf.exposure_map.geom == expected.psf.exposure_map.geom
    for name in MAPS:
        assert outline.maps[name].unit == expected.maps[name].unit
        assert not np.nan_to_num(host(outline.maps[name])).any()
    assert outline.mask_safe.is_mask


def test_a_cutout_beside_the_map_is_refused(make_dataset):
    with pytest.raises(NoOverlapError):
        make_dataset(1).cutout(SkyCoord(100, 22, unit="deg"), "1 deg")


def test_a_partial_cutout_reaches_over_the_border(make_dataset):
    cutout = make_dataset(1).cutout(SkyCoord(84.5, 22.01, unit="deg"), "1.2 deg", mode="partial")
    assert cutout.data_shape == (4, 6, 6)
    assert not host(cutout.mask_safe).all(axis=(0, 1)).all()


def test_padding_adds_zeros_around_and_leaves_the_responses(make_dataset):
    dataset = make_dataset(1)
    padded = dataset.pad(2)
    assert padded.data_shape == (4, 14, 16)
    for name in MAPS:
        np.testing.assert_array_equal(host(padded.maps[name])[:, 2:-2, 2:-2], host(dataset.maps[name]))
    assert host(padded.counts).sum() == host(dataset.counts).sum()
    assert padded.psf.geom == dataset.psf.geom


def test_a_slice_in_energy_leaves_maps_without_that_axis(make_dataset):
    dataset = make_dataset(1)
    part = dataset.slice_by_idx({"energy": slice(1, 3)}, name="part")
    assert part.data_shape == (2, 10, 12)
    np.testing.assert_array_equal(host(part.counts), host(dataset.counts)[1:3])
    assert part.exposure.geom.data_shape == dataset.exposure.geom.data_shape
    assert part.edisp.geom.axes["energy"].nbin == 2
    true = dataset.slice_by_idx({"energy": slice(1, 3), "energy_true": slice(0, 2)})
    assert true.counts.geom == part.counts.geom
    assert true.exposure.geom.axes["energy_true"].nbin == true.edisp.exposure_map.geom.axes["energy_true"].nbin == 2
    with pytest.raises(ValueError, match=r"has an axis 'enrgy'; their axes are \['energy', 'energy_true'"):
        dataset.slice_by_idx({"enrgy": slice(1, 3)})


def test_energies_are_moved_to_the_nearest_edges(make_dataset):
    dataset = make_dataset(1)
    edges = dataset.counts.geom.axes["energy"].edges
    part = dataset.slice_by_energy(1.05 * edges[1], "9 TeV")
    np.testing.assert_allclose(part.counts.geom.axes["energy"].edges.value, edges.value[1:])
    assert dataset.slice_by_energy(energy_max=edges[2]).data_shape[0] == 2
    with pytest.raises(ValueError, match="no bin of axis 'energy'"):
        dataset.slice_by_energy("20 TeV", "30 TeV")
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    assert energy_slice(axis, None, None) == slice(0, 4)


def test_joining_pixels_keeps_the_safe_counts_and_the_mean_exposure(make_dataset):
    dataset = make_dataset(1)
    joined = dataset.downsample(2)
    assert joined.data_shape == (4, 5, 6)
    safe = host(dataset.counts) * host(dataset.mask_safe)
    assert host(joined.counts).sum() == safe.sum()
    assert host(joined.counts)[0, 0, 0] == safe[0, :2, :2].sum()
    assert host(joined.exposure)[0, 0, 0] == pytest.approx(host(dataset.exposure)[0, :2, :2].mean())
    assert host(joined.mask_safe)[0, 0, 0] == host(dataset.mask_safe)[0, :2, :2].any()
    assert joined.psf.geom == dataset.psf.geom


def test_joining_energies_follows_into_the_energy_dispersion(make_dataset):
    dataset = make_dataset(1)
    joined = dataset.downsample(2, axis_name="energy")
    assert joined.data_shape == (2, 10, 12)
    assert joined.edisp.geom.axes["energy"].nbin == 2
    assert joined.exposure.geom.data_shape == dataset.exposure.geom.data_shape


def test_an_image_holds_all_safe_counts(make_dataset):
    dataset = make_dataset(1)
    image = dataset.to_image(name="image")
    assert (image.name, image.data_shape) == ("image", (1, 10, 12))
    safe = host(dataset.counts) * host(dataset.mask_safe)
    np.testing.assert_array_equal(host(image.counts)[0], safe.sum(axis=0))
    np.testing.assert_array_equal(host(image.mask_safe)[0], host(dataset.mask_safe).any(axis=0))
    assert image.edisp.geom.axes["energy"].nbin == 1
    assert image.exposure is dataset.exposure


def test_an_energy_dispersion_in_migra_does_not_change_with_the_energies(make_dataset):
    migra = MapAxis.from_bounds(0.2, 5, nbin=6, name="migra", node_type="edges")
    dataset = make_dataset(1, migra_axis=migra)
    assert isinstance(dataset.edisp, EDispMap)
    assert dataset.to_image().edisp is dataset.edisp
    assert dataset.mask_safe_edisp.geom.axes.names == ["migra", "energy_true"]
    edges = dataset.counts.geom.axes["energy"].edges
    axis = MapAxis.from_energy_edges(u.Quantity([edges[0], edges[2], edges[3]]))
    resampled = dataset.resample_energy_axis(axis)
    safe = host(dataset.counts) * host(dataset.mask_safe)
    np.testing.assert_array_equal(host(resampled.counts)[0], safe[:2].sum(axis=0))
    np.testing.assert_array_equal(host(resampled.counts)[1], safe[2])
