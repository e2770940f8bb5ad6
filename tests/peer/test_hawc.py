"""A bin of the HAWC test data, whose responses are maps on the sky, reduced by both packages."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

pytestmark = [pytest.mark.peer, pytest.mark.slow]

EDGES = [1, 1.78, 3.16, 5.62, 10, 17.8, 31.6, 56.2, 100, 177, 316] * u.TeV


def reduce(package, folder):
    """One bin of the data (HDU 6 of the index) on a map around the Crab nebula."""
    data, datasets, makers, maps = (
        import_module(f"{package}.{name}") for name in ("data", "datasets", "makers", "maps")
    )
    store = data.DataStore(
        hdu_table=data.HDUIndexTable.read(folder / "hdu-index-table-NN-Crab.fits.gz", hdu=6),
        obs_table=data.ObservationTable.read(folder / "obs-index-table-NN-Crab.fits.gz", hdu=1),
    )
    energy = maps.MapAxis.from_edges(EDGES, interp="log", name="energy")
    energy_true = maps.MapAxis.from_energy_bounds(1e-3, 1e4, nbin=140, unit="TeV", name="energy_true")
    geom = maps.WcsGeom.create(skydir=SkyCoord(83.63, 22.01, unit="deg"), width=6 * u.deg, axes=[energy], binsz=0.05)
    empty = datasets.MapDataset.create(geom, energy_axis_true=energy_true, reco_psf=True, name="bin 6")
    return makers.MapDatasetMaker().run(empty, store.get_observations()[0])


def test_a_bin_of_hawc_is_reduced_as_by_gammapy(shared):
    folder = shared / "data" / "hawc" / "crab_events_pass4"
    ours, theirs = (reduce(package, folder) for package in ("lightpool", "gammapy"))
    assert_array_equal(ours.counts.data, theirs.counts.data)
    assert_array_equal(ours.counts.data.sum(axis=(1, 2)), [0, 6, 412, 1235, 497, 91, 2, 0, 0, 0])
    assert ours.exposure.unit == theirs.exposure.unit == u.Unit("cm2 s")
    assert_allclose(ours.exposure.data, theirs.exposure.data, rtol=1e-12)
    # Gammapy divides the counts by the solid angle in float32, the type in the file.
    assert_allclose(ours.background.data, theirs.background.data, rtol=1e-7)
    assert_allclose(ours.edisp.edisp_map.data, theirs.edisp.edisp_map.data, rtol=1e-12)
    assert ours.psf.psf_map.unit == theirs.psf.psf_map.unit
    assert_allclose(ours.psf.psf_map.data, theirs.psf.psf_map.data, rtol=1e-12)
    assert type(ours.psf).__name__ == type(theirs.psf).__name__ == "RecoPSFMap"
    assert_allclose(
        [
            ours.exposure.data.max(),
            ours.background.data.sum(),
            ours.edisp.edisp_map.data.sum(),
            np.sum(ours.psf.psf_map.data),
        ],
        [1.108076573639916e12, 40.25909, 35112.134, 705832.19],
        rtol=1e-6,
    )
