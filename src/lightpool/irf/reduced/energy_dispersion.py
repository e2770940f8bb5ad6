"""Energy dispersion: the table in a file, and the matrix at one position, which is a small table on the host.

The table is projected to a matrix, so both classes are above `lightpool.irf.projection` in the order of packages.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import to_host
from lightpool.fits import FitsFile, HDUList, read_fits, write_fits
from lightpool.irf.projection.requests import edisp_kernel_request
from lightpool.irf.tables.drm import drm_to_hdulist, read_drm
from lightpool.irf.tables.edisp_table import EnergyDispersionTable
from lightpool.irf.tables.irf import IRF, InterpKwargs
from lightpool.irf.tables.level_crossings import level_crossings
from lightpool.irf.tables.rmf import read_rmf, rmf_from_hdulist, rmf_to_hdulist, rmf_to_table
from lightpool.maps import MapAxes, MapAxis
from lightpool.typing import AngleLike, Axes, MetaValue, PathInput, QuantityLike

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["EDispKernel", "EnergyDispersion2D", "edisp_kernel_at", "overlap_fraction"]


class Creation(Protocol):
    """Who created a file, and when, as `~lightpool.data.CreatorMetaData`."""

    def to_header(self) -> Mapping[str, MetaValue]:
        """Return FITS keywords."""


class EnergyDispersion2D(EnergyDispersionTable):
    """Probability density of ``migra`` = energy / energy_true, GADF class EDISP_2D; see `IRF`.

    The axes are ``energy_true``, ``migra`` and ``offset``.
    """

    tag = "edisp_2d"
    required_axes: ClassVar[list[str]] = ["energy_true", "migra", "offset"]

    @classmethod
    def from_gauss(
        cls,
        energy_axis_true: MapAxis,
        migra_axis: MapAxis,
        offset_axis: MapAxis,
        bias: float | NDArray[np.floating],
        sigma: float | NDArray[np.floating],
        pdf_threshold: float = 1e-6,
    ) -> Self:
        """Return a Gaussian in ``migra``, the same at all offsets.

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
        # Cumulative distribution up to a constant; its differences are the exact contents of the bins.
        cumulative = erf((edges - 1 - bias) / (np.sqrt(2) * sigma)) / 2
        density = np.diff(cumulative, axis=-1) / np.diff(edges)
        density = np.where(density < pdf_threshold, 0.0, density)
        axes = MapAxes([energy_axis_true, migra_axis, offset_axis])
        return cls(axes=axes, data=np.repeat(density[..., np.newaxis], offset_axis.nbin, axis=-1))

    def to_edisp_kernel(
        self,
        offset: AngleLike,
        energy_axis_true: MapAxis | u.Quantity | None = None,
        energy_axis: MapAxis | u.Quantity | None = None,
        threshold: float = 1e-8,
    ) -> "EDispKernel":
        """Return the probabilities of the bins of reconstructed energy, for each true energy, at one offset.

        Parameters
        ----------
        offset : Angle or str
        energy_axis_true, energy_axis : MapAxis or Quantity of edges, by default the true energies of the table
        threshold : float, smaller probabilities are zero

        Returns
        -------
        kernel : `~lightpool.irf.EDispKernel`
        """
        return edisp_kernel_at(self, {"offset": u.Quantity(offset)}, energy_axis_true, energy_axis, threshold)


def edisp_kernel_at(
    edisp: IRF,
    place: Mapping[str, u.Quantity],
    energy_axis_true: MapAxis | u.Quantity | None = None,
    energy_axis: MapAxis | u.Quantity | None = None,
    threshold: float = 1e-8,
) -> "EDispKernel":
    """Return the probabilities of the bins of reconstructed energy at one place in the field of view.

    Parameters
    ----------
    edisp : EnergyDispersion2D, or a table in other coordinates of the field of view
    place : mapping of Quantity by name of the coordinates
    energy_axis_true, energy_axis : MapAxis or Quantity of edges, by default the true energies of the table
    threshold : float, smaller probabilities are zero
    """
    true, reco = (
        edisp.axes["energy_true"].copy(name=name)
        if axis is None
        else (MapAxis.from_energy_edges(axis, name=name) if isinstance(axis, u.Quantity) else axis)
        for axis, name in ((energy_axis_true, "energy_true"), (energy_axis, "energy"))
    )
    position = {
        name: np.atleast_1d(u.Quantity(x).to_value("rad")).astype(float).ravel()[:1] for name, x in place.items()
    }
    # A single position is projected as an image of one pixel.
    data = edisp_kernel_request(edisp, reco, true, threshold).project(dtype="float64", **position).values()[..., 0, 0]
    return EDispKernel(axes=[true, reco], data=to_host(data))  # host: as the table


class EDispKernel(IRF):
    """Probabilities of the bins of reconstructed energy (columns) for each bin of true energy (rows).

    Parameters
    ----------
    axes : list of MapAxis, ``energy_true`` and ``energy``
    data : ndarray, shape (n_energy_true, n_energy)
    """

    tag = "edisp_kernel"
    required_axes: ClassVar[list[str]] = ["energy_true", "energy"]
    default_interp_kwargs: ClassVar[InterpKwargs] = {"bounds_error": False, "fill_value": 0, "method": "nearest"}

    @property
    def pdf_matrix(self) -> NDArray[np.floating]:
        """The matrix, shape (n_energy_true, n_energy)."""
        matrix: NDArray[np.floating] = self.data
        return matrix

    @classmethod
    def from_gauss(
        cls,
        energy_axis_true: MapAxis,
        energy_axis: MapAxis,
        sigma: float | NDArray[np.floating],
        bias: float | NDArray[np.floating],
        pdf_threshold: float = 1e-6,
    ) -> Self:
        """Return a Gaussian in the ratio of reconstructed to true energy.

        Parameters
        ----------
        energy_axis_true, energy_axis : MapAxis
        sigma, bias : float or array, shape (n_energy_true,); width of the ratio, and its mean minus one
        pdf_threshold : float, smaller densities are set to zero
        """
        table = EnergyDispersion2D.from_gauss(
            energy_axis_true=energy_axis_true,
            # The migra axis of Gammapy, and arbitrary offsets: the Gaussian is the same at all of them.
            migra_axis=MapAxis.from_bounds(1.0 / 3, 3, nbin=200, name="migra"),
            offset_axis=MapAxis.from_edges([0, 1, 2], unit="deg", name="offset"),
            sigma=sigma,
            bias=bias,
            pdf_threshold=pdf_threshold,
        )
        kernel = table.to_edisp_kernel(offset=0.5 * u.deg, energy_axis=energy_axis)
        return cls(axes=kernel.axes, data=kernel.data)

    @classmethod
    def from_diagonal_response(cls, energy_axis_true: MapAxis, energy_axis: MapAxis | None = None) -> Self:
        """Return the matrix of perfect energy resolution.

        Parameters
        ----------
        energy_axis_true : MapAxis
        energy_axis : MapAxis, by default that of the true energy
        """
        energy_axis_true.assert_name("energy_true")
        if energy_axis is None:
            energy_axis = energy_axis_true.copy(name="energy")
        return cls(axes=[energy_axis_true, energy_axis], data=overlap_fraction(energy_axis, energy_axis_true))

    def pdf_in_safe_range(
        self, lo_threshold: u.Quantity | None, hi_threshold: u.Quantity | None
    ) -> NDArray[np.floating]:
        """Return the matrix, with zero in the bins that are not completely between two reconstructed energies.

        Parameters
        ----------
        lo_threshold, hi_threshold : Quantity or None (no limit)
        """
        edges = self.axes["energy"].edges
        outside = np.zeros(len(edges) - 1, dtype=bool)
        if lo_threshold is not None:
            outside |= edges[:-1] < lo_threshold
        if hi_threshold is not None:
            outside |= edges[1:] > hi_threshold
        return np.asarray(np.where(outside, 0.0, self.pdf_matrix))

    def to_image(self, lo_threshold: u.Quantity | None = None, hi_threshold: u.Quantity | None = None) -> Self:
        """Return the sum over reconstructed energy.

        Parameters
        ----------
        lo_threshold, hi_threshold : Quantity or None (no limit)
        """
        data = self.pdf_in_safe_range(lo_threshold, hi_threshold).sum(axis=1, keepdims=True)
        return type(self)(axes=self.axes.squash("energy"), data=data)

    # --- moments

    def get_mean(self, energy_true: u.Quantity) -> u.Quantity:
        """Return the mean reconstructed energy in the bins of true energies; zero where nothing is reconstructed."""
        pdf = self._rows(energy_true)
        energy = self.axes["energy"].center
        norm = pdf.sum(axis=-1)
        return u.Quantity(np.sum(pdf * energy.value, axis=-1) / np.where(norm == 0, 1.0, norm), energy.unit)

    def get_bias(self, energy_true: u.Quantity) -> u.Quantity:
        """Return the mean of (reconstructed - true) / true energy, in the bins of true energies."""
        center = self._centers(energy_true)
        return ((self.get_mean(energy_true) - center) / center).to("")

    def get_resolution(self, energy_true: u.Quantity) -> u.Quantity:
        """Return the standard deviation of reconstructed over true energy, in the bins of true energies."""
        pdf = self._rows(energy_true)
        axis = self.axes["energy"]
        deviation = axis.center - self.get_mean(energy_true)[..., np.newaxis]
        # 0 / 0 is NaN where nothing is reconstructed.
        with np.errstate(invalid="ignore"):
            variance = np.sum(deviation.value**2 * pdf, axis=-1) / pdf.sum(axis=-1)
        return (u.Quantity(np.sqrt(variance), axis.unit) / self._centers(energy_true)).to("")

    def get_bias_energy(
        self, bias: QuantityLike, energy_min: u.Quantity | None = None, energy_max: u.Quantity | None = None
    ) -> u.Quantity:
        """Return the reconstructed energies at which the bias has a given value.

        Parameters
        ----------
        bias : float
        energy_min, energy_max : Quantity
            True energies to search between; by default from the highest bias to the last bin centre.

        Returns
        -------
        energy : Quantity, one or more; ``energy_min * (1 + bias)`` if the bias never has the value

        Notes
        -----
        Bias and energy are interpolated in their logarithms; a bias that is not positive counts as tiny. The range is
        searched in 100 intervals that are equal in the logarithm.
        """
        center = self.axes["energy_true"].center.to("TeV")
        values = self.get_bias(center).value
        # Below its peak, the bias may have the same value a second time.
        lower = center[np.nanargmax(values)] if energy_min is None else energy_min.to("TeV")
        upper = center[-1] if energy_max is None else energy_max.to("TeV")
        level = float(u.Quantity(bias).to_value(""))
        roots = level_crossings(center.value, values, level, float(lower.value), float(upper.value))
        # From true to reconstructed energy; `lower` stands for no solution, as in Gammapy.
        return u.Quantity(roots or [float(lower.value)], "TeV") * (1 + level)

    def _rows(self, energy_true: u.Quantity) -> NDArray[np.floating]:
        return np.asarray(self.pdf_matrix[self.axes["energy_true"].coord_to_idx(energy_true)])

    def _centers(self, energy_true: u.Quantity) -> u.Quantity:
        axis = self.axes["energy_true"]
        centers: u.Quantity = axis.center[axis.coord_to_idx(energy_true)]
        return centers

    # --- files

    @classmethod
    def from_hdulist(cls, hdulist: HDUList, hdu1: str | int = "MATRIX", hdu2: str | int = "EBOUNDS") -> Self:  # type: ignore[override]
        """Read the matrix from the HDUs of an OGIP response file (RMF).

        Parameters
        ----------
        hdulist : `~astropy.io.fits.HDUList`
        hdu1, hdu2 : str or int, the HDUs with the matrix and with the bins of reconstructed energy
        """
        axes, data = rmf_from_hdulist(hdulist, hdu1, hdu2)
        return cls(axes=axes, data=data)

    @classmethod
    def read(  # type: ignore[override]
        cls,
        filename: PathInput | FitsFile,
        hdu1: str | int = "MATRIX",
        hdu2: str | int = "EBOUNDS",
        checksum: bool = False,
        format: str = "gadf",
    ) -> Self:
        """Read an OGIP response file (RMF), or one of the Fermi tool gtdrm.

        Parameters
        ----------
        filename : str, path or `~lightpool.fits.FitsFile`
        hdu1, hdu2 : str or int, the HDUs with the matrix and with the bins of reconstructed energy
        checksum : bool, whether to compare the checksums in the headers, with an error if they differ
        format : {"gadf", "gtdrm"}
        """
        if format not in ("gadf", "gtdrm"):
            raise ValueError(f"format of an energy dispersion matrix must be 'gadf' or 'gtdrm', got {format!r}")
        if format == "gtdrm":
            axes, drm = read_drm(filename, checksum)
            return cls(axes=axes, data=drm)
        file = filename if isinstance(filename, FitsFile) else read_fits(filename)
        if checksum:
            file.verify_checksums()
        axes, data = read_rmf(file, hdu1, hdu2)
        return cls(axes=axes, data=data)

    def to_table(self, format: str = "ogip") -> "Table":
        """Return the matrix as the table of an OGIP response file, without the zeros."""
        return rmf_to_table(self.axes, self.data, format)

    def to_hdulist(self, format: str = "ogip", creation: Creation | None = None) -> HDUList:
        """Return the HDUs of a response file.

        Parameters
        ----------
        format : {"ogip", "ogip-sherpa", "gtdrm"}
            An OGIP response file (with energies in keV for Sherpa), or the file of the Fermi tool gtdrm.
        creation : CreatorMetaData, optional, whose keywords go into all headers
        """
        hdulist = (
            drm_to_hdulist(self.axes, self.data) if format == "gtdrm" else rmf_to_hdulist(self.axes, self.data, format)
        )
        for hdu in hdulist if creation is not None else ():
            assert creation is not None  # else there is nothing to loop over
            hdu.header.update(creation.to_header())
        return hdulist

    def write(  # type: ignore[override]  # the order of Gammapy
        self,
        filename: PathInput,
        format: str = "ogip",
        checksum: bool = False,
        creation: Creation | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write a response file.

        Parameters
        ----------
        filename : str or path
        format, creation : see `to_hdulist`
        checksum : bool, whether the HDUs get checksums
        overwrite : bool, whether an existing file is replaced
        """
        write_fits(self.to_hdulist(format, creation), filename, overwrite=overwrite, checksum=checksum)

    # --- plots

    def plot_matrix(
        self,
        ax: "Axes | None" = None,
        add_cbar: bool = False,
        axes_loc: Mapping[str, object] | None = None,
        kwargs_colorbar: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> "Axes":
        """Plot the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        add_cbar : bool, whether a colour bar is added
        axes_loc : mapping, optional, position of the axes of the colour bar
        kwargs_colorbar : mapping, optional, passed to the colour bar
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.irf_maps import plot_matrix

        return plot_matrix(self, ax=ax, add_cbar=add_cbar, axes_loc=axes_loc, kwargs_colorbar=kwargs_colorbar, **kwargs)

    def plot_bias(self, ax: "Axes | None" = None, **kwargs: object) -> "Axes":
        """Plot the bias against true energy.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **kwargs : passed to matplotlib
        """
        from lightpool.plot.irf_maps import plot_bias

        return plot_bias(self, ax=ax, **kwargs)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> None:
        """Show the bias and the matrix."""
        from lightpool.plot.irf_maps import peek_edisp_kernel

        peek_edisp_kernel(self, figsize=figsize)


def overlap_fraction(energy_axis: MapAxis, energy_axis_true: MapAxis) -> NDArray[np.float64]:
    """Return the share of each bin of true energy that lies in each bin of reconstructed energy.

    Parameters
    ----------
    energy_axis, energy_axis_true : MapAxis

    Returns
    -------
    share : ndarray, shape (n_energy_true, n_energy)
    """
    edges = energy_axis.edges.to_value(energy_axis_true.unit)
    edges_true = energy_axis_true.edges_value
    lower, upper = edges_true[:-1, np.newaxis], edges_true[1:, np.newaxis]
    overlap = np.minimum(edges[1:], upper) - np.maximum(edges[:-1], lower)  # negative where bins do not overlap
    return np.asarray(np.clip(overlap, 0.0, np.inf) / (upper - lower))
