"""A dataset whose responses cannot be added leaves the stack as it was."""

import astropy.units as u
import pytest
from numpy.testing import assert_array_equal

from lightpool.arrays import to_host
from lightpool.datasets import Datasets, MapDataset
from lightpool.irf import PSFMap, RecoPSFMap
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
RAD = MapAxis.from_bounds(0, 0.6, nbin=6, unit="deg", node_type="edges", name="rad")
GEOMS = {
    "map": WcsGeom.create(skydir=(83.63, 22.01), width=2, binsz=0.2, axes=[ENERGY]),
    "region": RegionGeom.create("icrs;circle(83.63,22.01,0.2)", axes=[ENERGY]),
}


def made(geom, name, reco):
    options = {"energy_axis_true": TRUE, "rad_axis": RAD, "reco_psf": reco, "name": name}
    dataset = MapDataset.create(geom, **options)
    dataset.counts = Map.from_geom(geom, data=1.0)
    dataset.exposure = Map.from_geom(dataset.exposure.geom, data=2.0, unit="m2 s")
    dataset.background = Map.from_geom(geom, data=0.5)
    dataset.mask_safe = Map.from_geom(geom, data=True, dtype="bool")
    return dataset


@pytest.mark.parametrize("geom", list(GEOMS))
def test_a_psf_in_reconstructed_energy_is_refused_before_anything_is_added(device, geom):
    stack, other = (made(GEOMS[geom], name, reco=True) for name in ("stack", "other"))
    before = {name: to_host(getattr(stack, name).data).copy() for name in ("counts", "exposure", "background")}
    for stacking in (lambda: stack.stack(other), lambda: stack.psf.stack(other.psf)):
        with pytest.raises(NotImplementedError, match="RecoPSFMap cannot be stacked"):
            stacking()
    for name, values in before.items():
        assert_array_equal(to_host(getattr(stack, name).data), values)
    with pytest.raises(NotImplementedError, match="reco_psf=False"):
        Datasets([stack, other]).stack_reduce()


@pytest.mark.parametrize("name", ["psf", "edisp"])
def test_a_response_without_exposure_is_refused_before_anything_is_added(device, name):
    stack, other = (made(GEOMS["map"], each, reco=False) for each in ("stack", "other"))
    response = getattr(other, name)
    setattr(other, name, type(response)(response.irf_map, None))
    with pytest.raises(ValueError, match="no exposure map in other"):
        stack.stack(other)
    assert set(to_host(stack.counts.data).ravel().tolist()) == {1.0}
    assert set(to_host(stack.exposure.data).ravel().tolist()) == {2.0}


def test_a_psf_in_reconstructed_energy_survives_its_file(tmp_path):
    dataset = made(GEOMS["map"], "reco", reco=True)
    geom = dataset.psf.psf_map.geom
    dataset.psf = RecoPSFMap.from_gauss(ENERGY, RAD, sigma=[0.1, 0.2, 0.3] * u.deg, geom=geom.to_image())
    dataset.write(tmp_path / "reco.fits.gz")
    again = MapDataset.read(tmp_path / "reco.fits.gz").psf
    assert isinstance(again, RecoPSFMap)
    assert not isinstance(made(GEOMS["map"], "true", reco=False).psf, RecoPSFMap)
    assert isinstance(made(GEOMS["map"], "true", reco=False).psf, PSFMap)
    assert_array_equal(to_host(again.psf_map.data), to_host(dataset.psf.psf_map.data))
    assert_array_equal(to_host(again.exposure_map.data), to_host(dataset.psf.exposure_map.data))
