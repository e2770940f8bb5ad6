"""What a dataset takes is known before it is made, and refused with the reason when it does not fit."""

import tracemalloc

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_array_equal

from lightpool.arrays.devices import memory
from lightpool.arrays.devices.devices import to_host
from lightpool.datasets import MapDataset, MapDatasetOnOff, MemoryEstimate, SpectrumDataset, estimate_memory
from lightpool.errors import OutOfMemoryError
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

CRAB = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5, name="energy_true")
MIGRA = MapAxis.from_bounds(0.2, 5, nbin=24, node_type="edges", name="migra")


def geom_of(npix):
    return WcsGeom.create(skydir=CRAB, npix=npix, binsz=0.02, axes=[ENERGY])


def n_bytes_of_arrays(dataset):
    """Bytes of the arrays of a dataset, one by one."""
    arrays = []
    for data in dataset.maps.values():
        irf = hasattr(data, "exposure_map")
        arrays += [data.irf_map.data, data.exposure_map.data] if irf else [data.data]
    return sum(to_host(array).nbytes for array in arrays)


@pytest.mark.parametrize("kind", [MapDataset, MapDatasetOnOff])
@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("options", [{}, {"migra_axis": MIGRA}, {"energy_axis_true": ENERGY_TRUE, "binsz_irf": 0.1}])
def test_the_estimate_is_the_size_of_the_arrays(device, kind, precision, options):
    geom = geom_of((60, 50))
    dataset = kind.create(geom, precision=precision, **options)
    estimate = kind.estimate_memory(geom, precision=precision, **options)
    assert estimate.n_bytes == n_bytes_of_arrays(dataset)
    assert dataset.memory.parts == dict(estimate.parts)
    assert dataset.outline().memory.parts == dict(estimate.parts)
    on = {name: shape for name, shape in estimate.shapes.items() if name in dataset.maps}
    assert on == {name: tuple(data.geom.data_shape) for name, data in dataset.maps.items()}


def test_the_estimate_is_what_the_machine_gives():
    geom = geom_of((300, 200))
    estimate = MapDataset.estimate_memory(geom)
    tracemalloc.start()
    try:
        dataset = MapDataset.create(geom)
        assert n_bytes_of_arrays(dataset) == estimate.n_bytes  # maps are made when they are asked for
        assert 1 <= tracemalloc.get_traced_memory()[0] / estimate.n_bytes < 1.1
        assert dataset.memory.n_bytes == estimate.n_bytes
    finally:
        tracemalloc.stop()


def test_geometries_alone_are_enough(device):
    geom = geom_of((60, 50))
    dataset = MapDataset.create(geom)
    assert estimate_memory(**dataset.geoms).parts == dict(MapDataset.estimate_memory(geom).parts)
    assert estimate_memory(geom).parts == {"counts": 72_000, "background": 72_000, "mask_safe": 9_000}


def test_a_spectrum_is_estimated_too():
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.1)", axes=[ENERGY])
    assert SpectrumDataset.create(geom).memory.n_bytes == n_bytes_of_arrays(SpectrumDataset.create(geom))


def test_a_dataset_without_maps_takes_nothing():
    assert MapDataset(name="empty").memory == MemoryEstimate({})


def test_the_estimate_is_printed_as_a_table():
    table = str(MapDataset.estimate_memory(geom_of((500, 400)), energy_axis_true=ENERGY_TRUE)).splitlines()
    assert table[0] == "counts          4.8 MB  3 x 400 x 500"
    assert table[4] == "psf            5.28 MB  5 x 66 x 40 x 50"
    assert table[5] == "psf exposure     80 kB  5 x 1 x 40 x 50"
    assert table[-1] == "total          23.9 MB"


@pytest.fixture
def large(monkeypatch):
    """A dataset of 110 MB where 100 MB are free."""
    dataset = MapDataset.create(geom_of((1200, 1000)))
    assert 110e6 < dataset.memory.n_bytes < 111e6
    monkeypatch.setattr(memory, "free_memory", lambda device: 100_000_000)
    return dataset


def test_a_dataset_that_does_not_fit_is_refused_map_by_map(device, large):
    message = (
        rf"a MapDataset \(counts 3 x 1000 x 1200 28.8 MB, .*psf 3 x 66 x 100 x 120 19 MB, .*\) would take 110 MB on "
        rf"device '{device}', where 100 MB are free. To need less, take larger pixels .*binsz_irf.*'single'"
    )
    with pytest.raises(OutOfMemoryError, match=message):
        MapDataset.create(geom_of((1200, 1000)))
    assert MapDataset.create(geom_of((1200, 1000)), precision="single").precision == "single"


def test_cutouts_and_moves_are_checked_as_a_whole(large):
    with pytest.raises(OutOfMemoryError, match=r"a cutout of a MapDataset .* on device 'cpu', where 100 MB are free"):
        large.cutout(CRAB, "30 deg")
    with pytest.raises(OutOfMemoryError, match=r"a MapDataset .* on device 'strict', where 100 MB are free"):
        large.to("strict")
    small = large.cutout(CRAB, "2 deg")
    assert_array_equal(to_host(small.to("strict").counts.data), np.zeros((3, 100, 100)))
