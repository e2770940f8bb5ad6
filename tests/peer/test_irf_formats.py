"""Formats of responses, simulated events and kernels of models: both packages do the same."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose

pytestmark = pytest.mark.peer


@pytest.fixture
def both():
    return [import_module(f"{package}.irf") for package in ("lightpool", "gammapy")]


def test_a_psf_of_the_fermi_tools(shared, both, tmp_path):
    path = shared / "data" / "fermi-3fhl-gc" / "fermi-3fhl-gc-psf-cube.fits.gz"
    ours, theirs = (irf.PSFMap.read(path, format="gtpsf") for irf in both)
    assert_allclose(ours.psf_map.data, theirs.psf_map.data, rtol=1e-6)
    assert_allclose(ours.exposure_map.data, theirs.exposure_map.data, rtol=1e-6)
    for axis in ("rad", "energy_true"):
        assert_allclose(ours.psf_map.geom.axes[axis].edges, theirs.psf_map.geom.axes[axis].edges, rtol=1e-12)
    ours.write(tmp_path / "psf.fits", format="gtpsf")
    again = both[1].PSFMap.read(tmp_path / "psf.fits", format="gtpsf")
    assert_allclose(again.psf_map.data, theirs.psf_map.data, rtol=1e-6)


def test_a_matrix_of_the_fermi_tools(both, tmp_path):
    maps = import_module("lightpool.maps")
    true = maps.MapAxis.from_energy_bounds("10 MeV", "10 TeV", nbin=24, name="energy_true")
    energy = maps.MapAxis.from_edges(true.edges[3:22], name="energy", interp="log")
    both[0].EDispKernel.from_gauss(true, energy, sigma=0.1, bias=0).write(tmp_path / "drm.fits", format="gtdrm")
    ours, theirs = (irf.EDispKernelMap.read(tmp_path / "drm.fits", format="gtdrm") for irf in both)
    assert_allclose(ours.edisp_map.data, theirs.edisp_map.data, rtol=1e-6)
    for axis in ("energy", "energy_true"):
        assert_allclose(ours.edisp_map.geom.axes[axis].edges, theirs.edisp_map.geom.axes[axis].edges, rtol=1e-12)


def simulated(package):
    """Events that a PSF and an energy dispersion moved, with the seed 0."""
    irf, maps = (import_module(f"{package}.{name}") for name in ("irf", "maps"))
    rng = np.random.default_rng(1)
    true = maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy_true")
    rad = maps.MapAxis.from_bounds(0, 1, nbin=20, unit="deg", name="rad")
    migra = maps.MapAxis.from_bounds(0.2, 3, nbin=20, name="migra", node_type="edges")
    image = maps.WcsGeom.create(skydir=(83.6, 22.0), npix=(3, 3), binsz=1)
    coords = maps.MapCoord.create(
        {
            "skycoord": SkyCoord(rng.uniform(83, 84, 50), rng.uniform(21.5, 22.5, 50), unit="deg"),
            "energy_true": rng.uniform(1, 10, 50) * u.TeV,
        }
    )
    for kind, axis in ((irf.PSFMap, rad), (irf.EDispMap, migra)):
        geom = image.to_cube([axis, true])
        unit = "sr-1" if axis.name == "rad" else ""
        response = kind(maps.Map.from_geom(geom, data=rng.uniform(0.1, 1, geom.data_shape), unit=unit))
        found = response.sample_coord(coords, chunk_size=20)
        yield found.skycoord.ra.deg
        yield found.skycoord.dec.deg
        yield np.asarray(found["energy" if axis.name == "migra" else "energy_true"].to_value("TeV"))


def test_a_seed_gives_the_events_of_gammapy():
    for ours, theirs in zip(simulated("lightpool"), simulated("gammapy"), strict=True):
        assert_allclose(ours, theirs, rtol=1e-12)


def test_a_kernel_of_a_spatial_model(both):
    models = import_module("gammapy.modeling.models")
    kernels = []
    for irf, package in zip(both, ("lightpool", "gammapy"), strict=True):
        maps = import_module(f"{package}.maps")
        energy = maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
        geom = maps.WcsGeom.create(skydir=(83.6, 22.0), width=4, binsz=0.05, axes=[energy])
        model = models.DiskSpatialModel(r_0="0.3 deg", edge_width=0.1)
        kernels.append(irf.PSFKernel.from_spatial_model(model, geom, max_radius=0.6 * u.deg).psf_kernel_map.data)
    assert_allclose(kernels[0], kernels[1], rtol=1e-5, atol=1e-9)
