"""Datasets with bins of true energy joined predict the same counts of a spectrum that is flat in them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.irf import EDispKernelMap, EDispMap
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
MIGRA = MapAxis.from_bounds(0.2, 5, nbin=8, name="migra", node_type="edges")
KINDS = [MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff]


def filled(kind, **kwargs):
    """Dataset with random numbers in its maps."""
    if kind in (SpectrumDataset, SpectrumDatasetOnOff):
        geom = RegionGeom.create("icrs;circle(0, 0, 1)", axes=[ENERGY])
    else:
        geom = WcsGeom.create(npix=4, axes=[ENERGY])
        kwargs.setdefault("binsz_irf", 1)
    dataset = kind.create(geom, energy_axis_true=ENERGY_TRUE, **kwargs)
    rng = np.random.default_rng(1)
    parts = [dataset.exposure, dataset.edisp.edisp_map, dataset.edisp.exposure_map]
    parts += [] if dataset.psf is None else [dataset.psf.psf_map, dataset.psf.exposure_map]
    for part in parts:
        part.data = part.data + dataset.device.xp.asarray(
            rng.uniform(1, 2, part.data.shape), device=dataset.device.handle
        )
    return dataset


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_exposure_is_averaged_and_everything_else_stays(device, kind):
    dataset = filled(kind)
    joined = dataset.downsample(3, axis_name="energy_true")
    exposure = to_host(dataset.exposure.data)
    assert_allclose(to_host(joined.exposure.data)[0], exposure[:3].mean(axis=0), rtol=1e-12)
    assert joined.edisp.geom.axes["energy_true"].nbin == joined.exposure.geom.axes["energy_true"].nbin == 2
    if joined.psf is not None:
        assert joined.psf.geom.axes["energy_true"].nbin == 2
    for name in ("counts", "background", "mask_safe", "counts_off", "acceptance", "acceptance_off"):
        before, after = getattr(dataset, name, None), getattr(joined, name, None)
        if before is not None:
            assert_array_equal(to_host(after.data), to_host(before.data))


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_a_dispersion_in_migra_stays_where_reconstructed_energies_are_joined(kind):
    dataset = filled(kind, migra_axis=MIGRA)
    assert isinstance(dataset.edisp, EDispMap)
    joined = dataset.downsample(2, axis_name="energy")
    assert_array_equal(joined.edisp.edisp_map.data, dataset.edisp.edisp_map.data)
    assert joined.counts.geom.axes["energy"].nbin == 1
    assert dataset.downsample(2, axis_name="energy_true").edisp.geom.axes["energy_true"].nbin == 3


def test_larger_pixels_leave_the_responses_alone():
    dataset = filled(MapDataset)
    joined = dataset.downsample(2)
    assert isinstance(joined.edisp, EDispKernelMap)
    assert_array_equal(joined.psf.psf_map.data, dataset.psf.psf_map.data)
    assert joined.exposure.geom.data_shape == (6, 2, 2)


def test_an_axis_that_no_map_has_is_named():
    with pytest.raises(ValueError, match="no map of dataset 'x' has an axis 'phase'"):
        MapDataset.create(WcsGeom.create(npix=2, axes=[ENERGY]), name="x").downsample(2, axis_name="phase")
