"""Smoothing, convolution and morphology of images on their device.

A value that is not finite makes NaN of the pixels that the kernel takes it to, and of no others: images of ratios have
holes. So the holes go through the filter as a second image.
"""

from typing import Any

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device
from lightpool.arrays.kernels.convolution import convolve_fft, disk_kernel
from lightpool.arrays.kernels.morphology import binary_dilation, binary_erosion
from lightpool.arrays.kernels.smoothing import (
    box_weights,
    edge_index,
    filter_matrix,
    gauss_weights,
    smooth_rows_and_columns,
)

__all__ = ["convolved", "dilated", "eroded", "smoothed"]


def smoothed(images: Array, width: float, kernel: str, *, mode: str = "reflect", truncate: float = 4.0) -> Array:
    """Images of shape (..., ny, nx) smoothed by a Gaussian (sigma), a disk (radius) or a box (side), width in pixels.

    Raises
    ------
    ValueError
        If the kernel is another one.
    """
    n_y, n_x = images.shape[-2:]
    device = device_of(images)
    if kernel == "disk":
        return _with_holes(_smoothed_by_disk(_values_and_holes(images), width, mode), noise=1e-9)
    if kernel not in ("gauss", "box"):
        raise ValueError(f"Invalid kernel: {kernel!r}; it must be 'gauss', 'disk' or 'box'")
    weights = gauss_weights(width, truncate) if kernel == "gauss" else box_weights(int(width))
    along_y, along_x = (to_device(filter_matrix(n, weights, mode), device) for n in (n_y, n_x))
    return _with_holes(smooth_rows_and_columns(_values_and_holes(images), along_y, along_x))


def _values_and_holes(images: Array) -> Array:
    """Images with zeros for holes, and images with ones in the holes, stacked."""
    xp = array_namespace(images)
    finite = xp.isfinite(images)
    zeros = xp.zeros_like(images)
    return xp.stack([xp.where(finite, images, zeros), xp.where(finite, zeros, zeros + 1.0)])


def _with_holes(filtered: Array, *, noise: float = 0.0) -> Array:
    """First of two stacked images, NaN where the other one is more than noise."""
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
        index = edge_index(np.arange(-reach, n + reach), n, mode)
        taken = xp.take(wide, to_device(np.maximum(index, 0), device), axis=wide.ndim + axis)
        there = to_device((index >= 0).reshape((-1, 1) if axis == -2 else (1, -1)), device)
        wide = xp.where(there, taken, xp.zeros_like(taken))
    disk = disk / xp.sum(disk)
    return convolve_fft(wide, disk)[..., reach : reach + n_y, reach : reach + n_x]


def convolved(images: Array, kernel: Array, mode: str) -> Array:
    """Images of shape (..., ny, nx) convolved with a kernel of shape (ky, kx) or (..., ky, kx)."""
    xp = array_namespace(images)
    values = _values_and_holes(images)
    convolved_values = convolve_fft(values[0, ...], kernel, mode)
    convolved_holes = convolve_fft(values[1, ...], kernel != 0, mode)
    return _with_holes(xp.stack([convolved_values, convolved_holes]), noise=0.5)


def eroded(mask: Array, structure: np.ndarray[Any, Any]) -> Array:
    """Mask of shape (..., ny, nx) where the whole structure fits in; beyond the border it is False."""
    return binary_erosion(mask, to_device(structure.astype(bool), device_of(mask)))


def dilated(mask: Array, structure: np.ndarray[Any, Any]) -> Array:
    """Mask of shape (..., ny, nx) grown by the structure."""
    return binary_dilation(mask, to_device(structure.astype(bool), device_of(mask)))
