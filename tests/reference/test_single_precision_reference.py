"""Single precision beside double precision on real observations: the loop of four runs, its rings, and spectra."""

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from precision_bounds import assert_single
from regions import CircleSkyRegion

from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.makers import (
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.maps import RegionGeom, WcsGeom

pytestmark = pytest.mark.reference

CRAB_RUNS = [23523, 23592, 23526, 23559]
CENTER = SkyCoord(83.63, 22.01, unit="deg")
CIRCLE = CircleSkyRegion(CENTER, 0.2 * u.deg)


@pytest.fixture(scope="session")
def jobs(hess, energy, energy_true):
    """Functions of a precision that give a dataset, by name; those in double precision are done once."""
    geom = WcsGeom.create(skydir=CENTER, width=5, binsz=0.02, axes=[energy])
    observations, done = hess.get_observations(CRAB_RUNS), {}

    def excluded():
        return geom.to_image().region_mask([CIRCLE], inside=False)

    def loop(precision):
        exclusion = geom.region_mask([CIRCLE], inside=False)
        safe = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="3 deg")
        makers = [MapDatasetMaker(), safe, FoVBackgroundMaker(exclusion_mask=exclusion)]
        empty = MapDataset.create(geom, energy_axis_true=energy_true, precision=precision)
        return DatasetsMaker(makers, cutout_width="6 deg").run(empty, observations)[0]

    def rings(precision):
        return RingBackgroundMaker("0.5 deg", "0.3 deg", excluded()).run(loop(precision).to_image())

    def spectra(precision):
        empty = SpectrumDataset.create(
            RegionGeom(CIRCLE, axes=[energy]), energy_axis_true=energy_true, precision=precision
        )
        makers = [
            SpectrumDatasetMaker(["counts", "exposure", "edisp"]),
            ReflectedRegionsBackgroundMaker(exclusion_mask=excluded()),
            SafeMaskMaker(["aeff-max"]),
        ]
        return DatasetsMaker(makers, stack_datasets=False).run(empty, observations).stack_reduce()

    def do(name, precision):
        job = {"loop": loop, "rings": rings, "spectra": spectra}[name]
        if precision == "single":
            return job("single")
        if name not in done:
            done[name] = job("double").to("cpu")
        return done[name]

    return do


@pytest.mark.parametrize("name", ["loop", "rings", "spectra"])
def test_maps_in_single_precision_are_within_the_bounds(backend, jobs, name):
    if backend.is_stand_in:
        pytest.skip("kernels on the host take minutes for it, and simulated runs have gone through them")
    assert_single(jobs(name, "single"), jobs(name, "double"))
