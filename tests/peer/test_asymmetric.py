"""Classes of response tables that a user derives, in coordinates of the field of view, projected by both packages."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose

pytestmark = pytest.mark.peer

POINTING = SkyCoord(20, 40, unit="deg")


def projected(package):
    """Exposures, a PSF and energy dispersions, made of classes that are derived from those of a package."""
    irf, maps, utils = (import_module(f"{package}.{name}") for name in ("irf", "maps", "makers.utils"))
    edges = {"fov_lon": np.linspace(-3, 3, 7), "fov_lat": np.linspace(-2.5, 3, 6), "rho": np.arange(4.0)}
    edges["phi"] = np.linspace(0, 360, 9)
    axes = {name: maps.MapAxis.from_edges(values * u.deg, name=name) for name, values in edges.items()}
    axes["energy_true"] = maps.MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=6, name="energy_true")
    axes["migra"] = maps.MapAxis.from_bounds(0.2, 3, nbin=14, name="migra", node_type="edges")
    axes["rad"] = maps.MapAxis.from_bounds(0, 0.6, nbin=12, unit="deg", name="rad", node_type="edges")

    def table(kind, unit):
        own = [axes[name] for name in kind.required_axes]
        data = np.random.default_rng(1).uniform(0.2, 1, tuple(axis.nbin for axis in own))
        return kind(own, data=data, unit=unit)

    class Area(irf.IRF):
        tag = "aeff_3d"
        required_axes = ["energy_true", "fov_lon", "fov_lat"]  # noqa: RUF012
        default_unit = u.m**2

    class Nearest(Area):
        default_interp_kwargs = {"bounds_error": False, "fill_value": 0.0, "method": "nearest"}  # noqa: RUF012

    class Polar(irf.IRF):
        tag = "aeff_polar"
        required_axes = ["energy_true", "rho", "phi"]  # noqa: RUF012
        required_arguments = ["energy_true", "fov_lon", "fov_lat"]  # noqa: RUF012
        default_unit = u.m**2

        def evaluate(self, fov_lon, fov_lat, energy_true):
            lon, lat = (u.Quantity(x).to_value("rad") for x in (fov_lon, fov_lat))
            rho = np.arccos(np.cos(lon) * np.cos(lat))
            phi = np.mod(np.arctan2(np.sin(lon) * np.cos(lat), np.sin(lat)), 2 * np.pi)
            return super().evaluate(energy_true=energy_true, rho=rho * u.rad, phi=phi * u.rad)

    class Dispersion(irf.IRF):
        tag = "edisp_3d"
        required_axes = ["energy_true", "migra", "fov_lon", "fov_lat"]  # noqa: RUF012
        default_unit = u.one

    class Spread(irf.IRF):
        tag = "psf_3d"
        required_axes = ["energy_true", "fov_lon", "fov_lat", "rad"]  # noqa: RUF012
        default_unit = u.sr**-1

    true = maps.MapAxis.from_energy_bounds("0.05 TeV", "150 TeV", nbin=5, name="energy_true")
    energy = maps.MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=4)
    migra = maps.MapAxis.from_bounds(0.1, 4, nbin=20, name="migra", node_type="edges")
    rad = maps.MapAxis.from_bounds(0, 0.7, nbin=10, unit="deg", name="rad", node_type="edges")

    def geom(*axes):
        return maps.WcsGeom.create(skydir=SkyCoord(20.5, 40.2, unit="deg"), width=(7, 6), binsz=0.5, axes=axes)

    for kind in (Area, Nearest, Polar):
        yield utils.make_map_exposure_true_energy(POINTING, 1 * u.h, table(kind, "m2"), geom(true)).data
    edisp = table(Dispersion, "")
    yield utils.make_edisp_kernel_map(edisp, POINTING, geom(energy, true)).edisp_map.data
    yield utils.make_edisp_map(edisp, POINTING, geom(migra, true)).edisp_map.data
    psf = utils.make_psf_map(table(Spread, "sr-1"), POINTING, geom(rad, true)).psf_map
    yield psf.data * psf.unit.to("sr-1")


def test_classes_of_a_user_give_the_maps_of_gammapy():
    for ours, theirs in zip(projected("lightpool"), projected("gammapy"), strict=True):
        assert np.mean(theirs > 0) > 0.3
        assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12 * theirs.max())
