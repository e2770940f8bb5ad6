"""Small datasets with random contents, on the device of the test."""

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from lightpool.data import GTI
from lightpool.datasets import MapDataset, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom

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


@pytest.fixture
def make_spectrum(backend: Any) -> Any:
    """Return a function that makes a spectrum with OFF counts in 4 bins of energy, on the device of the test."""

    def make(
        n_on: Any, n_off: Any, alpha: float, mask: Any = (1, 1, 1, 1), name: str | None = None, number: int = 1
    ) -> SpectrumDatasetOnOff:
        energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
        geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[energy])
        dataset = SpectrumDataset.create(geom, energy_axis_true=energy_true, name=name)

        def filled(values: Any, dtype: type = float) -> Map:
            return Map.from_geom(geom, data=np.reshape(np.asarray(values, dtype=dtype), (4, 1, 1)))

        exposure = np.arange(1.0, 7.0) * 1e8 * number
        dataset.counts, dataset.mask_safe = filled(n_on), filled(mask, bool)
        dataset.exposure = Map.from_geom(
            dataset.exposure.geom,
            data=exposure.reshape(6, 1, 1),
            unit="m2 s",
            meta={"livetime": 1000.0 * number * u.s},
        )
        dataset.edisp.exposure_map.data = exposure.reshape(6, 1, 1, 1)
        dataset.gti = GTI.create([1000 * number] * u.s, [1000 * number + 900] * u.s, reference_time="2010-01-01")
        dataset.meta_table = Table({"TELESCOP": [["HESS"]], "OBS_ID": [[number]]})
        return SpectrumDatasetOnOff.from_spectrum_dataset(
            dataset,
            acceptance=filled(np.ones(4)),
            acceptance_off=filled(np.ones(4) / alpha),
            counts_off=filled(n_off),
            name=name,
        )

    return make


@pytest.fixture
def one(make_spectrum: Any) -> SpectrumDatasetOnOff:
    return make_spectrum([7, 5, 2, 0], [12, 4, 0, 3], 0.2, mask=[1, 1, 1, 0], name="one")


@pytest.fixture
def two(make_spectrum: Any) -> SpectrumDatasetOnOff:
    return make_spectrum([9, 3, 1, 2], [5, 0, 0, 1], 0.5, mask=[0, 1, 1, 1], name="two", number=2)
