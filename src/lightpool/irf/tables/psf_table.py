"""Point spread function as a table, and what all point spread functions share."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.places import directions_of
from lightpool.maps import MapAxis
from lightpool.typing import Axes, QuantityLike

__all__ = ["PSF", "PSF3D", "RAD_AXIS_DEFAULT"]

RAD_AXIS_DEFAULT = MapAxis.from_bounds(0, 0.66, nbin=66, node_type="edges", name="rad", unit="deg")
"""Axis of the distance to the source, where none is given."""

_CENTER, _TWO_OFFSETS = u.Quantity((0,), "deg"), u.Quantity((0, 1), "deg")
_INFO_ENERGIES, _INFO_OFFSET = u.Quantity([[1.0], [10.0]], "TeV"), u.Quantity(0.0, "deg")
_ENERGIES = u.Quantity((0.1, 1, 10), "TeV")


class PSF(IRF):
    """Base of the point spread functions."""

    def normalize(self, axis_name: str = "rad") -> None:
        """Normalise over the disk, in place."""
        super().normalize(axis_name=axis_name)

    def rad_axis(self) -> MapAxis:
        """Return the axis of distances from the centre; a default one if the table has none."""
        if "rad" in self.axes.names:
            return self.axes["rad"]
        return RAD_AXIS_DEFAULT

    def containment(self, rad: QuantityLike, **kwargs: QuantityLike) -> u.Quantity:
        """Return the share of the gamma rays within a radius; beyond the table it is that within the table.

        Parameters
        ----------
        rad : Quantity
        **kwargs : Quantity by name of axis, broadcast with ``rad``
        """
        axis = self.rad_axis()
        # Beyond its axis the cumulative table would be extrapolated, and then zero.
        rad = u.Quantity(np.minimum(u.Quantity(rad).to_value(axis.unit), axis.edges_value[-1]), axis.unit)
        return self.integral(axis_name="rad", rad=rad, **kwargs).to("")

    def containment_radius(
        self, fraction: float | Sequence[float] | NDArray[np.floating], factor: int = 20, **kwargs: QuantityLike
    ) -> u.Quantity:
        """Return the radius that contains a share of the gamma rays, to the step of the rad axis over ``factor``.

        Parameters
        ----------
        fraction : float or array, between 0 and 1
        factor : int, bins that each bin of the rad axis is split into
        **kwargs : Quantity by name of axis, broadcast with ``fraction``
        """
        shape = np.broadcast_shapes(*(u.Quantity(value).shape for value in kwargs.values()), np.shape(fraction))
        # The answer is the centre of the fine bin whose containment is nearest, as in Gammapy.
        rad = self.rad_axis().upsample(factor=factor).center
        containment = self.containment(rad=rad.reshape(-1, *(1,) * len(shape)), **kwargs)  # (n_rad, *shape)
        nearest = np.argmin(np.abs(containment.value - fraction), axis=0)
        return rad[nearest].reshape(shape)

    def info(
        self,
        fraction: float | Sequence[float] = (0.68, 0.95),
        energy_true: u.Quantity = _INFO_ENERGIES,
        offset: u.Quantity = _INFO_OFFSET,
    ) -> str:
        """Return a text with the ranges of the axes and some containment radii.

        Parameters
        ----------
        fraction : sequence of float
        energy_true : Quantity
        offset : Quantity
        """
        edges = self.axes["energy_true"].edges
        rows = {
            "Theta" if name == "offset" else name: cast(MapAxis, self.axes[name]).center.to("deg")
            for name in self.field_arguments
        }
        rows |= {"Energy hi": edges[1:], "Energy lo": edges[:-1]}
        lines = ["", "Summary PSF info", "----------------"]
        lines += [
            f"{name:15s}: size = {row.size:5d}, min = {row.min():6.3f}, max = {row.max():6.3f}"
            for name, row in rows.items()
        ]
        energies, offsets, shares = np.broadcast_arrays(energy_true, offset, fraction, subok=True)
        for direction, place_at in directions_of(self).items():
            radius = self.containment_radius(fraction, energy_true=energy_true, **place_at(u.Quantity(offset)))
            towards = f" towards {direction}" if direction else ""
            lines += [
                f"{100 * shares[i]:.2f} containment radius at offset = {offsets[i]}{towards} "
                f"and energy_true = {energies[i]:4.1f}: {radius[i]:.3f}"
                for i in np.ndindex(radius.shape)
            ]
        return "\n".join(lines) + "\n"

    def plot_containment_radius_vs_energy(
        self,
        ax: "Axes | None" = None,
        fraction: float | Sequence[float] = (0.68, 0.95),
        offset: QuantityLike = _TWO_OFFSETS,
        **kwargs: object,
    ) -> "Axes":
        """Plot curves of the containment radius over energy, one for each offset and fraction.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        fraction : float or sequence of float, between 0 and 1
        offset : Angle
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.psf import plot_psf_radius_vs_energy

        return plot_psf_radius_vs_energy(self, ax=ax, fraction=fraction, offset=offset, **kwargs)

    def plot_containment_radius(
        self,
        ax: "Axes | None" = None,
        fraction: float = 0.68,
        add_cbar: bool = True,
        axes_loc: Mapping[str, object] | None = None,
        kwargs_colorbar: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot the containment radius over energy and offset.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        fraction : float, between 0 and 1
        add_cbar : bool, whether a colour bar is added
        axes_loc : mapping, optional, position of the axes of the colour bar
        kwargs_colorbar : mapping, optional, passed to the colour bar
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.psf import plot_psf_radius

        return plot_psf_radius(
            self,
            ax=ax,
            fraction=fraction,
            add_cbar=add_cbar,
            axes_loc=axes_loc,
            kwargs_colorbar=kwargs_colorbar,
            **kwargs,
        )

    def plot_psf_vs_rad(
        self,
        ax: "Axes | None" = None,
        offset: QuantityLike = _CENTER,
        energy_true: QuantityLike = _ENERGIES,
        **kwargs: object,
    ) -> "Axes":
        """Plot curves over rad, one for each offset and energy.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        offset : Angle
        energy_true : Quantity
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.psf import plot_psf_vs_rad

        return plot_psf_vs_rad(self, ax=ax, offset=offset, energy_true=energy_true, **kwargs)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> None:
        """Show the containment radii in one figure."""
        from lightpool.plot.psf import peek_psf

        peek_psf(self, figsize)


class PSF3D(PSF):
    """Point spread function with the axes ``energy_true``, ``offset`` and ``rad``, GADF class PSF_TABLE; see `IRF`."""

    tag = "psf_table"
    required_axes: ClassVar[list[str]] = ["energy_true", "offset", "rad"]
    default_unit = u.sr**-1
