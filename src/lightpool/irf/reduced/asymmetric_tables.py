"""Response tables that are not symmetric around the pointing: in longitude and latitude, or offset and angle around it.

They are above `lightpool.irf.projection` in the order of packages, as `EnergyDispersion2D` is.
"""

from typing import ClassVar

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.psf_table import PSF

__all__ = [
    "PSF4D",
    "EffectiveAreaTable3D",
    "EffectiveAreaTablePolar",
    "EnergyDispersion3D",
    "EnergyDispersionPolar",
    "PSFPolar",
]

Mask = NDArray[np.bool_]


class EffectiveAreaTable3D(IRF):
    """Effective area with the axes ``energy_true``, ``fov_lon`` and ``fov_lat``, class AEFF_3D; see `IRF`."""

    tag = "aeff_3d"
    required_axes: ClassVar[list[str]] = ["energy_true", "fov_lon", "fov_lat"]
    default_unit = u.m**2


class EffectiveAreaTablePolar(IRF):
    """Effective area with the axes ``energy_true``, ``rho`` (offset) and ``phi`` (angle around the pointing)."""

    tag = "aeff_polar"
    required_axes: ClassVar[list[str]] = ["energy_true", "rho", "phi"]
    periodic_axes = ("phi",)
    default_unit = u.m**2


class _EnergyDispersion(IRF):
    """Probability density of ``migra`` = energy / energy_true."""

    def _mask_out_bounds(self, outside: list[Mask]) -> Mask:
        """Mark points outside the field of view, or outside both energies and migra, as `EnergyDispersion2D`."""
        energy, migra, first, second = outside
        return (energy & migra) | first | second

    def normalize(self, axis_name: str = "migra") -> None:
        """Normalise over ``migra``, in place."""
        super().normalize(axis_name=axis_name)


class EnergyDispersion3D(_EnergyDispersion):
    """Energy dispersion with the axes ``energy_true``, ``migra``, ``fov_lon`` and ``fov_lat``, class EDISP_3D."""

    tag = "edisp_3d"
    required_axes: ClassVar[list[str]] = ["energy_true", "migra", "fov_lon", "fov_lat"]


class EnergyDispersionPolar(_EnergyDispersion):
    """Energy dispersion with the axes ``energy_true``, ``migra``, ``rho`` and ``phi``."""

    tag = "edisp_polar"
    required_axes: ClassVar[list[str]] = ["energy_true", "migra", "rho", "phi"]
    periodic_axes = ("phi",)


class PSF4D(PSF):
    """Point spread function with the axes ``energy_true``, ``fov_lon``, ``fov_lat`` and ``rad``."""

    tag = "psf_4d"
    required_axes: ClassVar[list[str]] = ["energy_true", "fov_lon", "fov_lat", "rad"]
    default_unit = u.sr**-1


class PSFPolar(PSF):
    """Point spread function with the axes ``energy_true``, ``rho``, ``phi`` and ``rad``."""

    tag = "psf_polar"
    required_axes: ClassVar[list[str]] = ["energy_true", "rho", "phi", "rad"]
    periodic_axes = ("phi",)
    default_unit = u.sr**-1
