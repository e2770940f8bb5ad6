"""Effective area."""

from collections.abc import Mapping
from typing import ClassVar, Self

import astropy.units as u
import numpy as np

from lightpool.irf.tables.irf import IRF
from lightpool.maps import MapAxes, MapAxis
from lightpool.typing import Axes, QuantityLike

__all__ = ["EffectiveArea", "EffectiveAreaTable2D"]

# Abramowski et al. 2010, MNRAS 402, 1342, appendix B: g1 in cm2, g2, g3 in MeV.
_PARAMETRISATIONS = {
    "HESS": (6.85e9, 0.0891, 5e5),
    "HESS2": (2.05e9, 0.0891, 1e5),
    "CTAO": (1.71e11, 0.0891, 1e5),
}


class EffectiveArea(IRF):
    """Base of the effective areas."""

    default_unit = u.m**2

    def plot(
        self,
        ax: "Axes | None" = None,
        add_cbar: bool = True,
        axes_loc: Mapping[str, object] | None = None,
        kwargs_colorbar: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot the effective area over energy and offset; over the field of view if it is not symmetric.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        add_cbar : bool, whether a colour bar is added
        axes_loc : mapping, optional, position of the axes of the colour bar
        kwargs_colorbar : mapping, optional, passed to the colour bar
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.effective_area import plot_aeff

        return plot_aeff(self, ax=ax, add_cbar=add_cbar, axes_loc=axes_loc, kwargs_colorbar=kwargs_colorbar, **kwargs)

    def plot_energy_dependence(
        self,
        ax: "Axes | None" = None,
        offset: "QuantityLike | None" = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot curves over energy, one for each offset and direction.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        offset : Angle, optional
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.effective_area import plot_aeff_energy_dependence

        return plot_aeff_energy_dependence(self, ax=ax, offset=offset, **kwargs)

    def plot_offset_dependence(
        self,
        ax: "Axes | None" = None,
        energy: "QuantityLike | None" = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot curves over offset, one for each energy and direction, relative to their maximum.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        energy : Quantity, optional
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.effective_area import plot_aeff_offset_dependence

        return plot_aeff_offset_dependence(self, ax=ax, energy=energy, **kwargs)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> None:
        """Show all plots in one figure."""
        from lightpool.plot.effective_area import peek_aeff

        peek_aeff(self, figsize)


class EffectiveAreaTable2D(EffectiveArea):
    """Effective area with the axes ``energy_true`` and ``offset``, GADF class AEFF_2D; see `IRF`."""

    tag = "aeff_2d"
    required_axes: ClassVar[list[str]] = ["energy_true", "offset"]

    @classmethod
    def from_parametrization(cls, energy_axis_true: MapAxis | None = None, instrument: str = "HESS") -> Self:
        """Return the effective area of a formula, the same at all offsets up to 5 deg.

        ``g1 (E / MeV)**-g2 exp(-g3 / E)``, Abramowski et al. 2010, MNRAS 402, 1342, appendix B.

        Parameters
        ----------
        energy_axis_true : MapAxis, by default 20 bins per decade from 2 GeV to 200 TeV
        instrument : {"HESS", "HESS2", "CTAO"}
        """
        if instrument not in _PARAMETRISATIONS:
            raise ValueError(f"instrument must be one of {list(_PARAMETRISATIONS)}, got {instrument!r}")
        if energy_axis_true is None:
            energy_axis_true = MapAxis.from_energy_bounds(
                "2 GeV", "200 TeV", nbin=20, per_decade=True, name="energy_true"
            )
        g1, g2, g3 = _PARAMETRISATIONS[instrument]
        energy = energy_axis_true.center.to_value("MeV")[:, np.newaxis]
        offset = MapAxis.from_edges([0.0, 5.0], unit="deg", name="offset")
        data = g1 * energy**-g2 * np.exp(-g3 / energy)
        return cls(axes=MapAxes([energy_axis_true, offset]), data=data, unit="cm2", meta={"TELESCOP": instrument})
