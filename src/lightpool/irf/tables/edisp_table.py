"""Energy dispersion."""

from typing import Any, ClassVar, Self, cast

import astropy.units as u
import numpy as np

from lightpool.irf.tables.irf import IRF
from lightpool.maps import MapAxes, MapAxis

__all__ = ["EnergyDispersion2D"]


class EnergyDispersion2D(IRF):
    """Probability density of ``migra`` = energy / energy_true, GADF class EDISP_2D; see `IRF`.

    The axes are ``energy_true``, ``migra`` and ``offset``.
    """

    tag = "edisp_2d"
    required_axes: ClassVar[list[str]] = ["energy_true", "migra", "offset"]
    default_unit = u.dimensionless_unscaled

    def _mask_out_bounds(self, outside: list[Any]) -> Any:
        """Zero outside the offsets, or outside both energies and migra; in one of these alone it is extrapolated."""
        energy, migra, offset = (outside[self.axes.index(name)] for name in ("energy_true", "migra", "offset"))
        return (energy & migra) | offset

    @property
    def _default_offset(self) -> u.Quantity:
        offset = self.axes["offset"]
        return offset.center if offset.nbin == 1 else u.Quantity([1.0], "deg")

    @classmethod
    def from_gauss(
        cls,
        energy_axis_true: MapAxis,
        migra_axis: MapAxis,
        offset_axis: MapAxis,
        bias: Any,
        sigma: Any,
        pdf_threshold: float = 1e-6,
    ) -> Self:
        """Gaussian in ``migra``, the same at all offsets.

        Parameters
        ----------
        energy_axis_true, migra_axis, offset_axis : MapAxis
        bias : float or array of one value per true energy, mean of migra minus 1
        sigma : float or array of one value per true energy, standard deviation of migra
        pdf_threshold : float, smaller densities are zero
        """
        from scipy.special import erf

        edges = migra_axis.edges.value
        n_energy = energy_axis_true.nbin
        bias, sigma = (np.broadcast_to(np.asarray(x, dtype=float), n_energy)[:, np.newaxis] for x in (bias, sigma))
        cumulative = erf((edges - 1 - bias) / (np.sqrt(2) * sigma)) / 2
        density = np.diff(cumulative, axis=-1) / np.diff(edges)
        density = np.where(density < pdf_threshold, 0.0, density)
        axes = MapAxes([energy_axis_true, migra_axis, offset_axis])
        return cls(axes=axes, data=np.repeat(density[..., np.newaxis], offset_axis.nbin, axis=-1))

    def normalize(self, axis_name: str = "migra") -> None:
        """Normalise over ``migra``, in place."""
        super().normalize(axis_name=axis_name)

    def to_edisp_kernel(
        self, offset: Any, energy_axis_true: Any = None, energy_axis: Any = None, threshold: float = 1e-8
    ) -> Any:
        """Probabilities of the bins of reconstructed energy, for each true energy, at one offset.

        Parameters
        ----------
        offset : Angle or str
        energy_axis_true, energy_axis : MapAxis or Quantity of edges
            By default the table's true energies, for both.
        threshold : float, smaller probabilities are zero

        Returns
        -------
        kernel : `~lightpool.irf.EDispKernel`
        """
        from lightpool.irf.projection.requests import edisp_kernel_request
        from lightpool.irf.tables.edisp_kernel import EDispKernel

        true = self._energy_axis(energy_axis_true, "energy_true")
        reco = self._energy_axis(energy_axis, "energy")
        position = np.atleast_1d(u.Quantity(offset).to_value("rad")).astype(float).ravel()[:1]
        data = edisp_kernel_request(self, reco, true, threshold).project(position).values()[..., 0, 0]
        return EDispKernel(axes=[true, reco], data=data)

    def _energy_axis(self, axis: Any, name: str) -> MapAxis:
        if axis is None:
            return self.axes["energy_true"].copy(name=name)
        return MapAxis.from_energy_edges(axis, name=name) if isinstance(axis, u.Quantity) else cast(MapAxis, axis)

    def plot_bias(self, ax: Any = None, offset: Any = None, add_cbar: bool = False, **kwargs: Any) -> Any:
        """Image of the density over true energy and migra."""
        from lightpool.plot.irf import plot_edisp_bias

        return plot_edisp_bias(self, ax=ax, offset=offset, add_cbar=add_cbar, **kwargs)

    def plot_migration(self, ax: Any = None, offset: Any = None, energy_true: Any = None, **kwargs: Any) -> Any:
        """Curves over migra, one for each offset and true energy."""
        from lightpool.plot.irf import plot_edisp_migration

        return plot_edisp_migration(self, ax=ax, offset=offset, energy_true=energy_true, **kwargs)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> None:
        """Figure with all of the plots and the kernel."""
        from lightpool.plot.irf import peek_edisp

        peek_edisp(self, figsize)
