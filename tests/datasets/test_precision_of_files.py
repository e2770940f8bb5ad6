"""What a file holds in single precision comes back in single precision, bit by bit."""

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal
from precision_bounds import assert_double, maps_of

from lightpool.arrays import to_host, use_precision
from lightpool.datasets import MapDataset, SpectrumDatasetOnOff
from lightpool.maps import MapAxis, RegionNDMap


def assert_same_bits(found, expected):
    maps, references = maps_of(found), maps_of(expected)
    assert maps.keys() == references.keys()
    for name, data in maps.items():
        assert_array_equal(to_host(data.data), to_host(references[name].data), err_msg=name, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_a_dataset_comes_back_in_its_precision_whatever_the_default(make_dataset, tmp_path, backend, precision, lazy):
    dataset = make_dataset(1).to(precision=precision)
    dataset.write(tmp_path / "dataset.fits")
    for default in ("single", "double"):
        with use_precision(default):
            back = MapDataset.read(tmp_path / "dataset.fits", lazy=lazy)
        assert back.precision == precision
        assert_same_bits(back, dataset)


def test_a_file_in_single_precision_takes_half(make_dataset, tmp_path):
    sizes = {}
    for precision in ("single", "double"):
        make_dataset(1).to(precision=precision).write(tmp_path / f"{precision}.fits")
        with fits.open(tmp_path / f"{precision}.fits") as hdus:
            sizes[precision] = [hdu.data.nbytes for hdu in hdus if hdu.is_image and hdu.header["BITPIX"] < 0]
            names = [hdu.name for hdu in hdus if hdu.is_image and hdu.header["BITPIX"] == -32]
        assert len(names) == (7 if precision == "single" else 0)
    assert [2 * size for size in sizes["single"]] == sizes["double"]


@pytest.mark.parametrize("lazy", [False, True])
def test_maps_of_both_precisions_in_one_file_become_double(make_dataset, tmp_path, lazy):
    # So Gammapy writes a single run: float32 for the counts, which it fills into a new map, and float64 for the rest.
    dataset = make_dataset(1)
    dataset.counts = dataset.counts.to(precision="single")
    dataset.write(tmp_path / "dataset.fits")
    assert_double(MapDataset.read(tmp_path / "dataset.fits", lazy=lazy))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["single", "double"])
def test_a_spectrum_comes_back_in_its_precision(one, tmp_path, precision):
    dataset = one.to(precision=precision)
    dataset.write(tmp_path / "spectrum.fits")
    back = SpectrumDatasetOnOff.read(tmp_path / "spectrum.fits")
    assert back.precision == precision
    assert_same_bits(back, dataset)


def test_ogip_files_are_read_in_double(one, tmp_path):
    dataset = one.to(precision="single")
    dataset.write(tmp_path / "pha.fits", format="ogip")
    back = SpectrumDatasetOnOff.read(tmp_path / "pha.fits")
    assert_double(back)
    assert_array_equal(to_host(back.counts.data), to_host(dataset.counts.data))


def test_a_map_of_a_region_comes_back_in_its_precision(tmp_path):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    m = RegionNDMap.create("icrs;circle(83.63, 22.01, 0.5)", axes=[axis], data=np.float32([0.1, 0.2, 0.3]))
    m.write(tmp_path / "region.fits")
    back = RegionNDMap.read(tmp_path / "region.fits")
    assert_array_equal(back.data, m.data, strict=True)
    assert back.precision == "single"
