"""The point spread function as a function of the reconstructed energy."""

from collections.abc import Sequence
from typing import ClassVar, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.irf.reduced.irf_map import IRFMap
from lightpool.irf.reduced.psf_map import PSFMap
from lightpool.maps import Geom, Map, MapAxis
from lightpool.typing import Axes, QuantityLike

__all__ = ["RecoPSFMap"]


class RecoPSFMap(PSFMap):
    """Point spread function in each pixel and reconstructed energy.

    Parameters
    ----------
    psf_map : Map with the axes ``rad`` and ``energy`` in this order
    exposure_map : Map or None
    """

    tag = "psf_map_reco"
    required_axes: ClassVar[list[str]] = ["rad", "energy"]

    @classmethod
    def from_gauss(
        cls,
        energy_axis: MapAxis,
        rad_axis: MapAxis | None = None,
        sigma: QuantityLike = 0.1 * u.deg,
        geom: Geom | None = None,
    ) -> Self:
        """Return a Gaussian PSF, the same at all positions.

        Parameters
        ----------
        energy_axis : MapAxis of the reconstructed energy
        rad_axis, sigma, geom : as for `PSFMap.from_gauss`
        """
        return super().from_gauss(energy_axis, rad_axis, sigma, geom)

    def containment(self, rad: QuantityLike, energy: QuantityLike, position: SkyCoord | None = None) -> u.Quantity:
        """Return the share of the PSF within a radius.

        Parameters
        ----------
        rad, position : as for `PSFMap.containment`
        energy : Quantity, reconstructed energy, whose shape broadcasts with that of ``rad``
        """
        return super().containment(rad, energy, position)

    def containment_radius(
        self,
        fraction: float | Sequence[float] | NDArray[np.floating],
        energy: QuantityLike,
        position: SkyCoord | None = None,
    ) -> u.Quantity:
        """Return the radius that contains a share of the PSF.

        Parameters
        ----------
        fraction, position : as for `PSFMap.containment_radius`
        energy : Quantity, reconstructed energy
        """
        return super().containment_radius(fraction, energy, position)

    def containment_radius_map(self, energy: QuantityLike, fraction: float = 0.68) -> Map:
        """Return a map of the containment radius in every pixel.

        Parameters
        ----------
        energy : Quantity, one reconstructed energy
        fraction : float, between 0 and 1
        """
        return super().containment_radius_map(energy, fraction)

    def plot_psf_vs_rad(  # type: ignore[override]  # the energies are reconstructed, and called so
        self, ax: "Axes | None" = None, energy: QuantityLike = (0.1, 1, 10) * u.TeV, **kwargs: object
    ) -> "Axes":
        """Plot profiles at the centre of the map as a function of the distance to the source.

        Parameters
        ----------
        ax : matplotlib Axes, by default the current ones
        energy : Quantity, one line for each reconstructed energy
        **kwargs : passed to ``Axes.plot``
        """
        return super().plot_psf_vs_rad(ax, energy, **kwargs)

    def require_stackable(self, other: IRFMap, weights: Map | None = None) -> None:
        """Raise an error: a PSF in reconstructed energy has no exposure that is a sum over observations.

        Parameters
        ----------
        other : IRFMap, not used
        weights : Map, not used

        Raises
        ------
        NotImplementedError
            Always, as in Gammapy.
        """
        raise NotImplementedError(
            "RecoPSFMap cannot be stacked, expected a PSFMap in true energy; stack datasets made with reco_psf=False, "
            "or keep them apart with stack_datasets=False"
        )
