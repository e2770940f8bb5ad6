"""Small made-up response tables: smooth in energy, falling so fast in offset that extrapolation turns negative."""

import astropy.units as u
import numpy as np

from lightpool.arrays import array_namespace
from lightpool.irf import (
    PSF3D,
    Background2D,
    Background3D,
    EffectiveAreaTable2D,
    EnergyDependentMultiGaussPSF,
    EnergyDispersion2D,
    PSFKing,
    RadMax2D,
)
from lightpool.irf.projection.requests import (
    aeff_request,
    background_request,
    edisp_kernel_request,
    edisp_request,
    psf_request,
)
from lightpool.maps import MapAxis

ENERGY_TRUE = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=6, name="energy_true")
ENERGY = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=5, name="energy")
OFFSET = MapAxis.from_edges([0.0, 0.5, 1.0, 2.0, 2.5] * u.deg, name="offset")
RAD = MapAxis.from_edges(np.linspace(0, 0.5, 11) * u.deg, name="rad")
MIGRA = MapAxis.from_edges(np.linspace(0.2, 3, 15), name="migra")
FOV_LON = MapAxis.from_edges(np.linspace(-2.5, 2.5, 6) * u.deg, name="fov_lon")
FOV_LAT = MapAxis.from_edges(np.linspace(-2, 2, 5) * u.deg, name="fov_lat")


def _parts(*axes):
    shape = [1] * len(axes)
    for i, axis in enumerate(axes):
        yield axis.center.value.reshape(*shape[:i], -1, *shape[i + 1 :])


def aeff(**kwargs):
    energy, offset = _parts(ENERGY_TRUE, OFFSET)
    data = 1e5 * energy**0.5 * np.exp(-((offset / 0.8) ** 2)) * (1 + 0.1 * np.sin(3 * energy + offset))
    return EffectiveAreaTable2D(axes=[ENERGY_TRUE, OFFSET], data=data, unit="m2", **kwargs)


def edisp(**kwargs):
    energy, migra, offset = _parts(ENERGY_TRUE, MIGRA, OFFSET)
    width = 0.15 + 0.1 * offset + 0.05 / energy**0.3
    data = np.exp(-0.5 * ((migra - 1 - 0.1 / energy**0.5) / width) ** 2)
    return EnergyDispersion2D(axes=[ENERGY_TRUE, MIGRA, OFFSET], data=np.where(data < 1e-3, 0, data), **kwargs)


def psf(**kwargs):
    energy, offset, rad = _parts(ENERGY_TRUE, OFFSET, RAD)
    data = np.exp(-0.5 * (rad / (0.06 + 0.04 * offset**2 + 0.02 / energy**0.3)) ** 2)
    return PSF3D(axes=[ENERGY_TRUE, OFFSET, RAD], data=data, unit="sr-1", **kwargs)


def gauss_psf(**kwargs):
    energy, offset = _parts(ENERGY_TRUE, OFFSET)
    one = np.ones((6, 4))
    data = {
        "sigma_1": (0.05 + 0.02 * offset) * energy**-0.2,
        "sigma_2": 0.15 * one,
        "sigma_3": one,
        "scale": np.exp(-offset) * energy,
        "ampl_2": 0.1 * one + 0.1 * offset,
        "ampl_3": 0 * one,
    }
    unit = {"sigma_1": "deg", "sigma_2": "deg", "sigma_3": "deg", "scale": "sr-1"}
    return EnergyDependentMultiGaussPSF(axes=[ENERGY_TRUE, OFFSET], data=data, unit=unit, **kwargs)


def king_psf(**kwargs):
    energy, offset = _parts(ENERGY_TRUE, OFFSET)
    data = {"gamma": 1.5 + 0.2 * offset + 0 * energy, "sigma": (0.05 + 0.02 * offset) * energy**-0.1}
    return PSFKing(axes=[ENERGY_TRUE, OFFSET], data=data, unit={"sigma": "deg"}, **kwargs)


def bkg_3d(**kwargs):
    energy, lon, lat = _parts(ENERGY, FOV_LON, FOV_LAT)
    data = 1e-5 * energy**-2.7 * np.exp(-(((lon - 0.2) / 1.5) ** 2) - (lat / 1.2) ** 2)
    return Background3D(axes=[ENERGY, FOV_LON, FOV_LAT], data=data, unit="s-1 MeV-1 sr-1", **kwargs)


def bkg_2d(**kwargs):
    energy, offset = _parts(ENERGY, OFFSET)
    data = 1e-5 * energy**-2.7 * np.exp(-((offset / 1.2) ** 2))
    return Background2D(axes=[ENERGY, OFFSET], data=data, unit="s-1 MeV-1 sr-1", **kwargs)


def rad_max(**kwargs):
    energy, offset = _parts(ENERGY, OFFSET)
    return RadMax2D(axes=[ENERGY, OFFSET], data=0.1 + 0.05 / energy + 0.01 * offset, unit="deg", **kwargs)


ALL = {table.__name__: table for table in (aeff, edisp, psf, gauss_psf, king_psf, bkg_3d, bkg_2d, rad_max)}


def _projected(request, offset=None, *, fov_lon=None, fov_lat=None, dtype="float64"):
    """Response at pixels, in the shape of their positions."""
    values = request.project(offset, fov_lon=fov_lon, fov_lat=fov_lat, dtype=dtype).values()
    pixels = offset if fov_lon is None else fov_lon
    return array_namespace(values).reshape(values, (*request.shape, *pixels.shape))


def project_aeff(aeff, energy_true, offset=None, **kwargs):
    return _projected(aeff_request(aeff, energy_true), offset, **kwargs)


def project_psf(psf, energy_true, rad, offset=None, **kwargs):
    return _projected(psf_request(psf, energy_true, rad), offset, **kwargs)


def project_edisp(edisp, energy_true, migra, offset=None, **kwargs):
    return _projected(edisp_request(edisp, energy_true, migra), offset, **kwargs)


def project_edisp_kernel(edisp, energy, energy_true, offset=None, **kwargs):
    return _projected(edisp_kernel_request(edisp, energy, energy_true), offset, **kwargs)


def project_background(bkg, energy, offset=None, **kwargs):
    return background_request(bkg, energy).project(offset, **kwargs)
