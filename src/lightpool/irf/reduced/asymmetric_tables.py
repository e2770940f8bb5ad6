"""Response tables that are not symmetric around the pointing: in longitude and latitude, or offset and angle around it.

They are above `lightpool.irf.projection` in the order of packages, as `EnergyDispersion2D` is.
"""

from collections.abc import Mapping
from typing import ClassVar

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.irf.tables.edisp_table import EnergyDispersionTable
from lightpool.irf.tables.effective_area import EffectiveArea
from lightpool.irf.tables.psf_table import PSF
from lightpool.typing import QuantityLike

__all__ = [
    "PSF4D",
    "EffectiveAreaTable3D",
    "EffectiveAreaTablePolar",
    "EnergyDispersion3D",
    "EnergyDispersionPolar",
    "PSFPolar",
]


class _AsymmetricArea(EffectiveArea):
    """Effective area that depends on the direction from the pointing."""

    def plot_at_energy(
        self,
        energy: QuantityLike = 1 * u.TeV,
        add_cbar: bool = True,
        ncols: int = 3,
        figsize: tuple[float, float] | None = None,
        axes_loc: Mapping[str, object] | None = None,
        kwargs_colorbar: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> NDArray[np.object_]:
        """Plot images in the field of view, one for each energy.

        Parameters
        ----------
        energy : Quantity, true energies
        add_cbar : bool, whether a colour bar is added
        ncols : int, number of columns of plots
        figsize : tuple of float, optional
        axes_loc : mapping, optional, position of the axes of the colour bar
        kwargs_colorbar : mapping, optional, passed to the colour bar
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.effective_area import plot_aeff_at_energy

        return plot_aeff_at_energy(self, energy, add_cbar, ncols, figsize, axes_loc, kwargs_colorbar, **kwargs)


class EffectiveAreaTable3D(_AsymmetricArea):
    """Effective area with the axes ``energy_true``, ``fov_lon`` and ``fov_lat``, class AEFF_3D; see `IRF`."""

    tag = "aeff_3d"
    required_axes: ClassVar[list[str]] = ["energy_true", "fov_lon", "fov_lat"]


class EffectiveAreaTablePolar(_AsymmetricArea):
    """Effective area with the axes ``energy_true``, ``rho`` (offset) and ``phi`` (angle around the pointing)."""

    tag = "aeff_polar"
    required_axes: ClassVar[list[str]] = ["energy_true", "rho", "phi"]
    periodic_axes = ("phi",)


class EnergyDispersion3D(EnergyDispersionTable):
    """Energy dispersion with the axes ``energy_true``, ``migra``, ``fov_lon`` and ``fov_lat``, class EDISP_3D."""

    tag = "edisp_3d"
    required_axes: ClassVar[list[str]] = ["energy_true", "migra", "fov_lon", "fov_lat"]


class EnergyDispersionPolar(EnergyDispersionTable):
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
