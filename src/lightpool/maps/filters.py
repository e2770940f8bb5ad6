"""Smoothing, convolution and morphology of images, on the device of the map.

A value that is not finite turns only those pixels into NaN that the kernel spreads it to: images of ratios have holes,
which a Fourier transform would spread over the whole image. So the holes are filtered as a second image.
"""

from collections.abc import Callable
from typing import Any, Protocol, Self, TypedDict, Unpack

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name, is_floating
from lightpool.arrays.kernels.convolution import convolve_fft, disk_kernel
from lightpool.arrays.kernels.morphology import binary_dilation, binary_erosion
from lightpool.arrays.kernels.reductions import pad
from lightpool.arrays.kernels.smoothing import (
    box_weights,
    edge_index,
    filter_matrix,
    gauss_weights,
    smooth_rows_and_columns,
)
from lightpool.errors import GeometryError
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.joined_planes import require_same_pixels
from lightpool.maps.map_data import MapData
from lightpool.typing import AngleLike

__all__ = ["ImageFilters", "KernelMap", "PSFKernelLike"]


class KernelMap(Protocol):
    """Map of a kernel."""

    @property
    def geom(self) -> WcsGeom:
        """Geometry."""

    @property
    def data(self) -> Array:
        """Values."""


class PSFKernelLike(Protocol):
    """A kernel that knows the size of its pixels, `lightpool.irf.PSFKernel`."""

    @property
    def psf_kernel_map(self) -> KernelMap:
        """Map of the kernel."""


class SmoothingOptions(TypedDict, total=False):
    """Options of `ImageFilters.smooth`."""

    mode: str
    truncate: float


class ImageFilters(MapData):
    """Smoothing, convolution and morphology of the images of a map on a WCS grid."""

    _geom: WcsGeom

    def smooth(
        self, width: u.Quantity | str | float, kernel: str = "gauss", **kwargs: Unpack[SmoothingOptions]
    ) -> Self:
        """Return the map with its images smoothed.

        Parameters
        ----------
        width : Quantity, str or float (in pixels)
            Standard deviation of the Gaussian, radius of the disk or side of the box.
        kernel : ``gauss``, ``disk`` or ``box``
        **kwargs : dict
            ``mode``, what lies beyond the borders as in `scipy.ndimage` (``reflect`` by default), and ``truncate`` for
            the Gaussian.
        """
        if not self._geom.is_regular:
            return self._by_plane(lambda plane: plane.smooth(width, kernel, **kwargs))
        if isinstance(width, u.Quantity | str):
            # one scale for both directions, as in Gammapy
            width = float((u.Quantity(width) / self._geom.pixel_scales.mean()).to_value(""))
        data = smoothed(as_dtype(self.data, "float64"), float(width), kernel, **kwargs)
        return self._init_copy(data=self._in_own_type(data))

    def convolve(self, kernel: Array | PSFKernelLike, method: str = "fft", mode: str = "same") -> Self:
        """Return the map with its images convolved.

        Parameters
        ----------
        kernel : array or PSFKernel
            One image for all energies, or one for each; a PSFKernel for several energies turns an image into a cube.
        method : ``fft``, ``direct`` or ``auto``
            Accepted for compatibility with Gammapy; a Fourier transform is always used.
        mode : ``same`` or ``full``

        Raises
        ------
        GeometryError
            If the image planes have pixels of their own, or the kernel other pixels than the map.
        """
        if method not in ("fft", "direct", "auto"):
            raise ValueError(f"method must be 'fft', 'direct' or 'auto', got {method!r}")
        if mode not in ("same", "full"):
            raise ValueError(f"WcsNDMap.convolve: mode={mode!r} is not supported; it must be 'same' or 'full'")
        require_same_pixels(self._geom, "convolve")
        geom = self._geom
        values: object = kernel
        kernel_map: KernelMap | None = getattr(kernel, "psf_kernel_map", None)
        if kernel_map is not None:
            scales, other = geom.pixel_scales.deg, kernel_map.geom.pixel_scales.deg
            if not np.allclose(scales, other, rtol=1e-5):
                raise GeometryError(f"Pixel size of kernel and map not compatible: {other} and {scales} deg")
            values = kernel_map.data
            if geom.is_image:
                # an image and one kernel for each energy make one image for each energy
                geom = geom.to_cube(list(kernel_map.geom.axes))
        image = to_device(values, self.device, dtype="float64")
        if self._geom.is_image and image.ndim > 2 and kernel_map is None:
            raise ValueError("Image convolution with 3D kernel requires a PSFKernel object")
        if image.ndim > 2 and tuple(geom.data_shape[:-2]) != tuple(image.shape[:-2]):
            raise GeometryError(
                f"Incompatible shape between data {tuple(geom.data_shape[:-2])} and kernel {tuple(image.shape[:-2])}"
            )
        if mode == "full":
            n_y, n_x = image.shape[-2:]
            # half a kernel at each side
            geom = geom.pad(((n_x - 1) // 2, (n_y - 1) // 2))
        data = convolved(as_dtype(self.data, "float64"), image, mode)
        return self._init_copy(geom=geom, data=self._in_own_type(data))

    def binary_erode(self, width: AngleLike, kernel: str = "disk", use_fft: bool = True) -> Self:
        """Return the mask eroded by a margin.

        Parameters
        ----------
        width : Quantity, str or float (in pixels)
            Radius of the disk or side of the box.
        kernel : ``disk`` or ``box``
        use_fft : bool
            Accepted for compatibility with Gammapy; it has no effect.
        """
        if not self._geom.is_regular:
            return self._by_plane(lambda plane: plane.binary_erode(width, kernel))
        return self._init_copy(data=eroded(self._mask_data(), self._structure(width, kernel)))

    def binary_dilate(self, width: AngleLike, kernel: str = "disk", use_fft: bool = True) -> Self:
        """Return the mask dilated by a margin.

        Parameters
        ----------
        width, kernel, use_fft
            As in `binary_erode`.
        """
        if not self._geom.is_regular:
            return self._by_plane(lambda plane: plane.binary_dilate(width, kernel))
        return self._init_copy(data=dilated(self._mask_data(), self._structure(width, kernel)))

    def _by_plane(self, change: Callable[[Self], Self]) -> Self:
        """Return the map with each image changed by itself, of a geometry whose planes have pixels of their own."""
        *planes, n_y, n_x = self._geom.data_shape
        changed = []
        for index in np.ndindex(*planes):
            geom = self._geom.image_at(index[::-1])
            rows, columns = geom.data_shape
            image = change(self._init_copy(geom=geom, data=self.data[(*index, slice(rows), slice(columns))])).data
            behind = float("nan") if is_floating(image) else 0
            changed.append(pad(image, [(0, n_y - rows), (0, n_x - columns)], cval=behind))
        return self._init_copy(data=self._xp.reshape(self._xp.stack(changed), (*planes, n_y, n_x)))

    def _structure(self, width: AngleLike, kernel: str) -> NDArray[Any]:
        structure = np.asarray(self._geom.binary_structure(width=width, kernel=kernel))
        # without the axes of one bin each
        return structure.reshape(structure.shape[-2:])

    def _mask_data(self) -> Array:
        if not self.is_mask:
            raise ValueError(f"Binary operations only supported for boolean masks, got {dtype_name(self.data)}")
        return self.data


def smoothed(images: Array, width: float, kernel: str, *, mode: str = "reflect", truncate: float = 4.0) -> Array:
    """Smooth images.

    Parameters
    ----------
    images : array of float64, shape (..., ny, nx)
    width : float, unit pixel
        Standard deviation of the Gaussian, radius of the disk or side of the box.
    kernel : ``gauss``, ``disk`` or ``box``
    mode : str
        What lies beyond the borders, as in `scipy.ndimage`.
    truncate : float
        Where the Gaussian is cut off, in standard deviations.

    Raises
    ------
    ValueError
        If the kernel is not known.
    """
    n_y, n_x = images.shape[-2:]
    device = device_of(images)
    if kernel == "disk":
        # a Fourier transform leaves rounding errors where there are no holes
        return _with_holes(_smoothed_by_disk(_values_and_holes(images), width, mode), noise=1e-9)
    if kernel not in ("gauss", "box"):
        raise ValueError(f"Invalid kernel: {kernel!r}; it must be 'gauss', 'disk' or 'box'")
    weights = gauss_weights(width, truncate) if kernel == "gauss" else box_weights(int(width))
    along_y, along_x = (to_device(filter_matrix(n, weights, mode), device) for n in (n_y, n_x))
    return _with_holes(smooth_rows_and_columns(_values_and_holes(images), along_y, along_x))


def _values_and_holes(images: Array) -> Array:
    """Stack the images with zeros in their holes, and images with ones in the holes."""
    xp = array_namespace(images)
    finite = xp.isfinite(images)
    zeros = xp.zeros_like(images)
    return xp.stack([xp.where(finite, images, zeros), xp.where(finite, zeros, zeros + 1.0)])


def _with_holes(filtered: Array, *, noise: float = 0.0) -> Array:
    """Return the first of two stacked images, NaN where the second one is above the noise."""
    xp = array_namespace(filtered)
    return xp.where(filtered[1, ...] > noise, float("nan"), filtered[0, ...])


def _smoothed_by_disk(images: Array, radius: float, mode: str) -> Array:
    xp = array_namespace(images)
    device = device_of(images)
    disk = to_device(disk_kernel(radius), device)
    n_y, n_x = images.shape[-2:]
    reach = disk.shape[-1] // 2
    wide = images
    for axis, n in ((-2, n_y), (-1, n_x)):
        # the image with the margin that the disk reaches; -1 where the mode puts zeros
        index = edge_index(np.arange(-reach, n + reach), n, mode)
        taken = xp.take(wide, to_device(np.maximum(index, 0), device), axis=wide.ndim + axis)
        is_inside = to_device((index >= 0).reshape((-1, 1) if axis == -2 else (1, -1)), device)
        wide = xp.where(is_inside, taken, xp.zeros_like(taken))
    disk = disk / xp.sum(disk)
    return convolve_fft(wide, disk)[..., reach : reach + n_y, reach : reach + n_x]


def convolved(images: Array, kernel: Array, mode: str) -> Array:
    """Convolve images.

    Parameters
    ----------
    images : array of float64, shape (..., ny, nx)
    kernel : array of float64, shape (ky, kx) or (..., ky, kx)
    mode : ``same`` or ``full``
    """
    xp = array_namespace(images)
    values = _values_and_holes(images)
    convolved_values = convolve_fft(values[0, ...], kernel, mode)
    # a count of holes under the kernel: 0 or at least 1, so that 0.5 is far from both
    convolved_holes = convolve_fft(values[1, ...], kernel != 0, mode)
    return _with_holes(xp.stack([convolved_values, convolved_holes]), noise=0.5)


def eroded(mask: Array, structure: NDArray[Any]) -> Array:
    """Erode a mask: keep the pixels around which the whole structure is True; beyond the border it is False.

    Parameters
    ----------
    mask : array of bool, shape (..., ny, nx)
    structure : array on the host, shape (ky, kx)
    """
    return binary_erosion(mask, to_device(structure.astype(bool), device_of(mask)))


def dilated(mask: Array, structure: NDArray[Any]) -> Array:
    """Dilate a mask: add the pixels that the structure around a True pixel covers.

    Parameters
    ----------
    mask : array of bool, shape (..., ny, nx)
    structure : array on the host, shape (ky, kx)
    """
    return binary_dilation(mask, to_device(structure.astype(bool), device_of(mask)))
