"""Small datasets with random contents, on the device of the test."""

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from lightpool.data import GTI
from lightpool.datasets import MapDataset
from lightpool.maps import Map, MapAxis, WcsGeom

CENTER = (83.63, 22.01)


@pytest.fixture
def geom() -> WcsGeom:
    """12 x 10 pixels of 0.2 deg, 4 energies."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    return WcsGeom.create(skydir=CENTER, npix=(12, 10), binsz=0.2, axes=[axis])


def fill(dataset: MapDataset, seed: int) -> MapDataset:
    """Fill an empty dataset: counts, background, exposure, a safe mask with holes, times and a table."""
    rng = np.random.default_rng(seed)
    shape = dataset.data_shape

    def filled(data: Map, values: np.ndarray) -> Map:
        return Map.from_geom(data.geom, data=values, unit=data.unit, meta=data.meta)

    dataset.counts = filled(dataset.counts, rng.poisson(2.0, shape).astype(float))
    dataset.background = filled(dataset.background, rng.uniform(0.5, 2.0, shape))
    dataset.exposure = filled(dataset.exposure, rng.uniform(1e8, 2e8, dataset.exposure.geom.data_shape))
    dataset.exposure.meta["livetime"] = (1000.0 + seed) * u.s
    for irf in (dataset.psf, dataset.edisp):
        exposure = irf.exposure_map
        irf.exposure_map = filled(exposure, rng.uniform(1e8, 2e8, exposure.geom.data_shape))
    psf = dataset.psf.psf_map
    dataset.psf.psf_map = filled(psf, rng.uniform(0.0, 10.0, psf.geom.data_shape))
    dataset.mask_safe = filled(dataset.mask_safe, rng.uniform(size=shape) > 0.3)
    dataset.gti = GTI.create([1000.0 * seed] * u.s, [1000.0 * seed + 900] * u.s, reference_time="2010-01-01")
    dataset.meta_table = Table({"TELESCOP": [["HESS"]], "OBS_ID": [[seed]], "RA_PNT": [[83.0 + seed]]})
    return dataset


@pytest.fixture(scope="session")
def fill_dataset() -> Any:
    """The function that fills an empty dataset."""
    return fill


@pytest.fixture
def make_dataset(backend: Any, geom: WcsGeom) -> Any:
    """Return a function of seed and name that makes a filled dataset on the device of the test."""

    def make(seed: int, name: str | None = None, **kwargs: Any) -> MapDataset:
        return fill(MapDataset.create(geom, name=name, binsz_irf=0.4, **kwargs), seed)

    return make
