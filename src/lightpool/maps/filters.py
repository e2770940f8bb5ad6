"""Smoothing, convolution and morphology of images on their device."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from lightpool.arrays.convolution import convolve_fft, disk_kernel
from lightpool.arrays.devices import device_of, to_device
from lightpool.arrays.morphology import binary_dilation, binary_erosion
from lightpool.arrays.smoothing import box_weights, edge_index, filter_matrix, gauss_weights, smooth_rows_and_columns
from lightpool.arrays.typing import Array

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
        return _smoothed_by_disk(images, width, mode)
    if kernel not in ("gauss", "box"):
        raise ValueError(f"Invalid kernel: {kernel!r}; it must be 'gauss', 'disk' or 'box'")
    weights = gauss_weights(width, truncate) if kernel == "gauss" else box_weights(int(width))
    along_y, along_x = (to_device(filter_matrix(n, weights, mode), device) for n in (n_y, n_x))
    return smooth_rows_and_columns(images, along_y, along_x)


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
    if mode == "same":
        return convolve_fft(images, kernel)
    return convolve_fft(images, kernel, mode="full")


def eroded(mask: Array, structure: np.ndarray[Any, Any]) -> Array:
    """Mask of shape (..., ny, nx) where the whole structure fits in; beyond the border it is False."""
    return binary_erosion(mask, to_device(structure.astype(bool), device_of(mask)))


def dilated(mask: Array, structure: np.ndarray[Any, Any]) -> Array:
    """Mask of shape (..., ny, nx) grown by the structure."""
    return binary_dilation(mask, to_device(structure.astype(bool), device_of(mask)))
