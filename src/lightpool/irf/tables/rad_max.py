"""Directional cuts of point-like responses."""

from typing import ClassVar, Self

import astropy.units as u
import numpy as np

from lightpool.irf.tables.irf import IRF
from lightpool.typing import Axes

__all__ = ["RadMax2D"]


class RadMax2D(IRF):
    """Radius of the directional cut, with the axes ``energy`` and ``offset``, GADF class RAD_MAX_2D; see `IRF`."""

    tag = "rad_max_2d"
    required_axes: ClassVar[list[str]] = ["energy", "offset"]
    default_unit = u.deg

    @classmethod
    def from_irf(cls, irf: IRF) -> Self:
        """Return a table of one bin from the keyword ``RAD_MAX`` (deg) of a point-like response.

        The range of true energies is taken for the reconstructed ones.
        """
        if not irf.is_pointlike:
            raise ValueError(f"a directional cut belongs to a point-like response, this {type(irf).__name__} is not")
        if "RAD_MAX" not in irf.meta:
            raise ValueError(f"this {type(irf).__name__} has no keyword RAD_MAX")
        radius = irf.meta["RAD_MAX"]
        if isinstance(radius, bool) or not isinstance(radius, float | int) or not 0 < radius < np.inf:
            raise ValueError(f"keyword RAD_MAX should be a positive number in deg, got {radius!r}")
        energy = irf.axes["energy_true"].copy(name="energy").squash()
        offset = irf.axes["offset"].squash()
        return cls(
            data=float(radius),
            axes=[energy, offset],
            unit="deg",
            is_pointlike=True,
            # One radius for all energies and offsets, those beyond the axes of the response too.
            interp_kwargs={"method": "nearest", "fill_value": None},
        )

    @property
    def is_fixed_rad_max(self) -> bool:
        """Whether the table has a single bin."""
        return all(axis.nbin == 1 for axis in self.axes)

    def plot_rad_max_vs_energy(
        self,
        ax: "Axes | None" = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot curves over energy, one for each offset.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.rad_max import plot_rad_max_vs_energy

        return plot_rad_max_vs_energy(self, ax=ax, **kwargs)
