"""Images of the PSF for each energy, to convolve maps with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

import astropy.units as u
import numpy as np
from array_api_compat import device as array_device

from lightpool.arrays import Device, array_namespace, device_of, interpolation_weights, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.arrays.kernels.clipping import clip
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, gammapy_bridge
from lightpool.irf.reduced.cumulative import finite_or_zero
from lightpool.irf.reduced.spectral_weights import SpectralModel, spectral_weights
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom
from lightpool.typing import Axes, GammapyObject, PathInput, QuantityLike
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = ["PSFKernel", "kernel_from_profiles"]


class PSFKernel(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """Image of the PSF for each energy.

    Parameters
    ----------
    psf_kernel_map : Map, an image or a cube with one energy axis
    normalize : bool, whether to divide each image by its sum
    """

    def __init__(self, psf_kernel_map: Map, normalize: bool = True) -> None:
        self._psf_kernel_map = psf_kernel_map
        if normalize:
            self.normalize()

    @property
    def psf_kernel_map(self) -> Map:
        """The images as a map."""
        return self._psf_kernel_map

    @property
    def data(self) -> Array:
        """The images as an array, shape (n_energy, n_y, n_x) or (n_y, n_x)."""
        return self._psf_kernel_map.data

    def html_card(self) -> Card:
        """Return what notebooks show of the kernel: its map."""
        return replace(self._psf_kernel_map.html_card(), title=type(self).__name__)

    def normalize(self) -> None:
        """Divide each image by its sum, in place; an image of zeros does not change."""
        data = self._psf_kernel_map.data
        xp = array_namespace(data)
        total = xp.sum(data, axis=(-2, -1), keepdims=True)
        self._psf_kernel_map.data = finite_or_zero(data / xp.where(total != 0, total, xp.ones_like(total)))

    @classmethod
    def from_gauss(
        cls, geom: WcsGeom, sigma: QuantityLike, max_radius: "QuantityLike | None" = None, factor: int = 4
    ) -> Self:
        """Return a Gaussian of one width for all energies.

        Parameters
        ----------
        geom : WcsGeom that determines the pixel size and the axes of the kernel
        sigma : Quantity or str, width
        max_radius : Quantity or str, half the size of the kernel; by default five times ``sigma``
        factor : int, oversampling of the pixels
        """
        sigma = u.Quantity(sigma)
        geom = geom.to_odd_npix(max_radius=5 * sigma if max_radius is None else u.Quantity(max_radius))
        fine = geom.to_image().upsample(factor)
        separation = _separation(fine, geom)
        xp = array_namespace(separation)
        # A Gaussian on the sphere, like the `GaussianSpatialModel` of Gammapy; its norm cancels in `normalize`.
        spread = float(1.0 - np.cos(sigma.to_value("rad")))
        density = xp.exp(-0.5 * (1.0 - xp.cos(separation)) / spread)
        content = density * fine.solid_angle_array(device_of(separation))
        summed = _join(content, factor)
        data = xp.zeros(geom.data_shape, dtype=xp.float64, device=array_device(separation)) + summed
        return cls(Map.from_geom(geom, data=data, device=device_of(data)))

    @classmethod
    def from_spatial_model(
        cls, model: GammapyObject, geom: WcsGeom, max_radius: "QuantityLike | None" = None, factor: int = 4
    ) -> Self:
        """Return the image of a spatial model of Gammapy, for all energies.

        Parameters
        ----------
        model : SpatialModel of Gammapy; it is moved to the centre of the geometry
        geom : WcsGeom that determines the pixel size and the axes of the kernel
        max_radius : Quantity or str, half the size of the kernel; by default the radius at which the model ends
        factor : int, oversampling of the pixels
        """
        radius = model.evaluation_radius if max_radius is None else u.Quantity(max_radius)
        geom = geom.to_odd_npix(max_radius=radius)
        model.position = geom.center_skydir
        fine = geom.upsample(factor)
        integrated = model.integrate_geom(gammapy_bridge().to_gammapy(fine), oversampling_factor=1)
        found: Map = gammapy_bridge().from_gammapy(integrated)
        return cls(Map.from_geom(fine, data=found.data, unit=found.unit).downsample(factor))

    def to_image(
        self,
        spectral_model: SpectralModel | None = None,
        exposure: "QuantityLike | None" = None,
        keepdims: bool = True,
    ) -> Self:
        """Return the sum over energy, weighted by the exposure and a spectrum.

        Parameters
        ----------
        spectral_model : by default a power law of index 2
            See `lightpool.irf.reduced.spectral_weights.spectral_weights`.
        exposure : Quantity or array, shape (n_energy,); by default the same in all energies
        keepdims : bool, whether to keep an energy axis of one bin
        """
        kernel = self._psf_kernel_map
        axis = next(axis for axis in kernel.geom.axes if isinstance(axis, MapAxis) and "energy" in axis.name)
        weights = spectral_weights(axis, spectral_model)
        if exposure is not None:
            exposure = u.Quantity(exposure).value
            if np.shape(exposure) != (axis.nbin,):
                raise ValueError(
                    f"exposure got the shape {np.shape(exposure)}, expected ({axis.nbin},), one per energy"
                )
            weights = weights * exposure / np.sum(weights * exposure)
        xp = array_namespace(kernel.data)
        share = xp.reshape(to_device(weights, kernel.device, dtype=dtype_name(kernel.data)), (-1, 1, 1))
        weighted = Map.from_geom(kernel.geom, data=kernel.data * share, unit=kernel.unit, device=kernel.device)
        return type(self)(weighted.sum_over_axes(keepdims=keepdims))

    def slice_by_idx(self, slices: Mapping[str, int | slice]) -> Self:
        """Slice along axes by name."""
        return type(self)(self._psf_kernel_map.slice_by_idx(slices=slices))

    def to(self, device: str | Device) -> Self:
        """Return the kernel on a device."""
        return type(self)(self._psf_kernel_map.to(device), normalize=False)

    @classmethod
    def read(
        cls,
        filename: PathInput,
        hdu: str | int | None = None,
        hdu_bands: str | int | None = None,
        map_type: str = "auto",
        format: str | None = None,
        checksum: bool = False,
        device: str | Device | None = None,
    ) -> Self:
        """Read a kernel from a FITS file.

        Parameters
        ----------
        filename, hdu, hdu_bands, map_type, format, checksum, device : as for `~lightpool.maps.Map.read`
        """
        return cls(Map.read(filename, hdu, hdu_bands, map_type, format, checksum=checksum, device=device))

    def write(self, filename: PathInput, overwrite: bool = False, checksum: bool = False, **kwargs: object) -> None:
        """Write the kernel to a FITS file.

        Parameters
        ----------
        filename : str or Path
        overwrite : bool
        checksum : bool, whether to write checksums
        **kwargs : passed to `~lightpool.maps.Map.to_hdulist`
        """
        self._psf_kernel_map.write(filename, overwrite, checksum, **kwargs)

    def plot_kernel(
        self,
        ax: "Axes | None" = None,
        energy: "QuantityLike | None" = None,
        add_cbar: bool = False,
        **kwargs: object,
    ) -> "Axes":
        """Plot the image of one energy, or the sum over energy.

        Parameters
        ----------
        ax : matplotlib Axes, by default the current ones
        energy : Quantity, of which the bin with the nearest centre is plotted; by default the sum over energy
        add_cbar : bool, whether to add a colour bar
        **kwargs : passed to `~lightpool.maps.Map.plot`
        """
        from lightpool.plot.irf_maps import plot_kernel

        return plot_kernel(self, ax=ax, energy=energy, add_cbar=add_cbar, **kwargs)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> None:
        """Show the sum over energy and the image at 1 TeV."""
        from lightpool.plot.irf_maps import peek_psf_kernel

        peek_psf_kernel(self, figsize=figsize)


def kernel_from_profiles(
    geom: WcsGeom,
    profiles: Array,
    rad_axis: MapAxis,
    *,
    radii: u.Quantity,
    max_radius: u.Quantity,
    factors: Sequence[int],
) -> PSFKernel:
    """Make a kernel from a profile of the PSF for each energy.

    Parameters
    ----------
    geom : WcsGeom with one energy axis, which determines the pixel size of the kernel
    profiles : array of float, shape (n_rad, n_energy), on the device of the kernel
    rad_axis : MapAxis of the profiles
    radii : Quantity, shape (n_energy,), half the size of the image that is filled
    max_radius : Quantity, half the size of the kernel
    factors : sequence of int, number of parts that a pixel is split into each way, for each energy
    """
    xp = array_namespace(profiles)
    target = geom.to_odd_npix(max_radius=max_radius)
    center = target.to_image()
    n_pix = center.data_shape[-1]
    images = []
    for k, (radius, factor) in enumerate(zip(radii, factors, strict=True)):
        part = center.to_odd_npix(max_radius=radius)
        # Values are taken at the centres of the parts, and each pixel is their sum.
        rad = _separation(part.upsample(factor), center, device_of(profiles)) * float(u.rad.to(rad_axis.unit))
        values = _profile_at(profiles[:, k], rad_axis.coord_to_pix_array(rad))
        filled = _join(clip(values, 0.0), factor)  # extrapolated values may be negative
        # Both images have an odd number of pixels, so their centres are the same pixel.
        start = (n_pix - filled.shape[-1]) // 2
        image = xp.zeros((n_pix, n_pix), dtype=xp.float64, device=array_device(profiles))
        image[start : start + filled.shape[-2], start : start + filled.shape[-1]] = filled
        images.append(image)
    return PSFKernel(Map.from_geom(target, data=xp.stack(images), device=device_of(profiles)))


def _separation(geom: WcsGeom, center: WcsGeom | RegionGeom, device: Device | None = None) -> Array:
    """Return the distance of the pixels of an image from the centre of another, in rad."""
    direction = center.center_skydir.transform_to(geom.frame)
    distance: Array = geom.separation_array(float(direction.data.lon.rad), float(direction.data.lat.rad), device)
    return distance


def _profile_at(profile: Array, pix: Array) -> Array:
    """Interpolate a profile linearly at pixel coordinates of its axis; extrapolate beyond the outer ones."""
    xp = array_namespace(profile)
    index, fraction = interpolation_weights(pix, np.arange(profile.shape[0], dtype=np.float64))
    flat = xp.reshape(index, (-1,))
    lower = xp.reshape(xp.take(profile, flat), pix.shape)
    if profile.shape[0] == 1:
        return lower
    upper = xp.reshape(xp.take(profile, flat + 1), pix.shape)
    return lower * (1.0 - fraction) + upper * fraction


def _join(image: Array, factor: int) -> Array:
    """Sum the parts that each pixel was split into."""
    xp = array_namespace(image)
    n_y, n_x = image.shape
    return xp.sum(xp.reshape(image, (n_y // factor, factor, n_x // factor, factor)), axis=(1, 3))
