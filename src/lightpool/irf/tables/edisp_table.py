"""What all tables of the energy dispersion share."""

from collections.abc import Mapping

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.irf.tables.irf import IRF
from lightpool.typing import AngleLike, Axes, QuantityLike

__all__ = ["EnergyDispersionTable"]


class EnergyDispersionTable(IRF):
    """Base of the tables of the probability density of ``migra`` = energy / energy_true."""

    default_unit = u.dimensionless_unscaled

    def _mask_out_bounds(self, outside: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Mark points outside the field of view, or outside both energies and migra: one alone extrapolates."""
        by_axis = dict(zip(self.axes.names, outside, strict=True))
        mask = by_axis.pop("energy_true") & by_axis.pop("migra")
        for other in by_axis.values():
            mask = mask | other
        return mask

    @property
    def default_offset(self) -> u.Quantity:
        """Offset for plots: 1 deg, that of the only bin, or 0 if the table depends on the direction."""
        if not self.has_offset_axis:
            return u.Quantity([0.0], "deg")
        offset = self.axes["offset"]
        return offset.center if offset.nbin == 1 else u.Quantity([1.0], "deg")

    def normalize(self, axis_name: str = "migra") -> None:
        """Normalise over ``migra``, in place."""
        super().normalize(axis_name=axis_name)

    def plot_bias(
        self,
        ax: "Axes | None" = None,
        offset: "AngleLike | None" = None,
        add_cbar: bool = False,
        axes_loc: Mapping[str, object] | None = None,
        kwargs_colorbar: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot the density over true energy and migra.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        offset : Angle, optional
        add_cbar : bool, whether a colour bar is added
        axes_loc : mapping, optional, position of the axes of the colour bar
        kwargs_colorbar : mapping, optional, passed to the colour bar
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.energy_dispersion import plot_edisp_bias

        return plot_edisp_bias(
            self, ax=ax, offset=offset, add_cbar=add_cbar, axes_loc=axes_loc, kwargs_colorbar=kwargs_colorbar, **kwargs
        )

    def plot_migration(
        self,
        ax: "Axes | None" = None,
        offset: "AngleLike | None" = None,
        energy_true: "QuantityLike | None" = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot curves over migra, one for each offset and true energy.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        offset : Angle, optional
        energy_true : Quantity, optional
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.energy_dispersion import plot_edisp_migration

        return plot_edisp_migration(self, ax=ax, offset=offset, energy_true=energy_true, **kwargs)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> None:
        """Show all plots and the matrix in one figure."""
        from lightpool.plot.energy_dispersion import peek_edisp

        peek_edisp(self, figsize)
