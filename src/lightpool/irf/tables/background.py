"""Background rates."""

from collections.abc import Mapping
from typing import ClassVar, cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.kernels.sphere import angular_separation
from lightpool.irf.tables.irf import IRF, InterpKwargs
from lightpool.maps import MapAxes, MapAxis
from lightpool.typing import Axes, QuantityLike

__all__ = ["Background2D", "Background3D", "BackgroundIRF"]


class BackgroundIRF(IRF):
    """Rate per energy, solid angle and time of observation (not livetime); interpolated in its logarithm."""

    default_interp_kwargs: ClassVar[InterpKwargs] = {"bounds_error": False, "fill_value": 0.0, "values_scale": "log"}
    default_unit = u.Unit("s-1 MeV-1 sr-1")

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
        energy : Quantity
        add_cbar : bool, whether a colour bar is added
        ncols : int, number of columns of plots
        figsize : tuple of float, optional
        axes_loc : mapping, optional, position of the axes of the colour bar
        kwargs_colorbar : mapping, optional, passed to the colour bar
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.background import plot_bkg_at_energy

        return plot_bkg_at_energy(
            self,
            energy,
            add_cbar=add_cbar,
            ncols=ncols,
            figsize=figsize,
            axes_loc=axes_loc,
            kwargs_colorbar=kwargs_colorbar,
            **kwargs,
        )


class Background3D(BackgroundIRF):
    """Background with the axes ``energy``, ``fov_lon`` and ``fov_lat``, GADF class BKG_3D; see `IRF`."""

    tag = "bkg_3d"
    required_axes: ClassVar[list[str]] = ["energy", "fov_lon", "fov_lat"]

    def to_2d(self) -> "Background2D":
        """Return a table in offset: the values along positive ``fov_lon`` at ``fov_lat`` = 0."""
        lon, lat = self.axes["fov_lon"], self.axes["fov_lat"]
        first, middle = (int(axis.coord_to_idx(0 * u.deg)[0]) for axis in (lon, lat))
        offset = MapAxis.from_edges(lon.edges[first:], name="offset")
        data = self.data[:, first:, middle].copy()
        return Background2D(axes=[self.axes["energy"], offset], data=data, unit=self.unit)

    def peek(self, figsize: tuple[float, float] = (10, 8)) -> None:
        """Show the plots of the table in offset in one figure."""
        self.to_2d().peek(figsize)


class Background2D(BackgroundIRF):
    """Background with the axes ``energy`` and ``offset``, GADF class BKG_2D; see `IRF`."""

    tag = "bkg_2d"
    required_axes: ClassVar[list[str]] = ["energy", "offset"]

    def to_3d(self) -> Background3D:
        """Return a table in (fov_lon, fov_lat), evaluated at the bin centres."""
        offset = self.axes["offset"].edges
        mirrored = -offset[::-1]
        # Where the offsets begin at 0, that edge is in both halves, and is taken from one of them.
        edges = np.concatenate([mirrored[mirrored <= 0], offset[offset > 0]])
        axes = MapAxes(
            [self.axes["energy"], *(MapAxis.from_edges(edges, name=name) for name in ("fov_lon", "fov_lat"))]
        )
        coords = cast("dict[str, u.Quantity]", axes.get_coord())  # all axes are of numbers
        lon, lat = coords["fov_lon"].to_value("rad"), coords["fov_lat"].to_value("rad")
        zero = np.zeros(1)
        # On the sphere: fov_lon and fov_lat are longitude and latitude around the pointing.
        distance = u.Quantity(cast("NDArray[np.float64]", angular_separation(zero, zero, lon, lat)), "rad")
        return Background3D(axes=axes, data=self.evaluate(offset=distance, energy=coords["energy"]))

    def plot(
        self,
        ax: "Axes | None" = None,
        add_cbar: bool = True,
        axes_loc: Mapping[str, object] | None = None,
        kwargs_colorbar: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot the rate over energy and offset.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        add_cbar : bool, whether a colour bar is added
        axes_loc : mapping, optional, position of the axes of the colour bar
        kwargs_colorbar : mapping, optional, passed to the colour bar
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.background import plot_bkg

        return plot_bkg(self, ax=ax, add_cbar=add_cbar, axes_loc=axes_loc, kwargs_colorbar=kwargs_colorbar, **kwargs)

    def plot_offset_dependence(
        self,
        ax: "Axes | None" = None,
        energy: "QuantityLike | None" = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot curves over offset, one for each energy.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        energy : Quantity, optional
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.background import plot_bkg_offset_dependence

        return plot_bkg_offset_dependence(self, ax=ax, energy=energy, **kwargs)

    def plot_energy_dependence(
        self,
        ax: "Axes | None" = None,
        offset: "QuantityLike | None" = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot curves over energy, one for each offset.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        offset : Angle, optional
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.background import plot_bkg_energy_dependence

        return plot_bkg_energy_dependence(self, ax=ax, offset=offset, **kwargs)

    def plot_spectrum(
        self,
        ax: "Axes | None" = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot the rate in the whole field of view over energy.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.background import plot_bkg_spectrum

        return plot_bkg_spectrum(self, ax=ax, **kwargs)

    def peek(self, figsize: tuple[float, float] = (10, 8)) -> None:
        """Show all plots in one figure."""
        from lightpool.plot.background import peek_bkg

        peek_bkg(self, figsize)
