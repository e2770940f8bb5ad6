"""Convolution of images, and kernels for it, which are computed on the host."""

import math
from functools import lru_cache

import numpy as np

from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.blocks import in_blocks
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device

__all__ = ["convolve_fft", "disk_kernel", "fft_size", "ring_kernel"]


def convolve_fft(image: Array, kernel: Array, mode: str = "same") -> Array:
    """Convolve images with a kernel by Fourier transforms; outside, the images are 0.

    Parameters
    ----------
    image : array of float64, bool or int, shape (..., ny, nx)
        Finite: a NaN spreads over its whole plane.
    kernel : array of float64, bool or int, shape (ky, kx) or (..., ky, kx)
        Leading axes broadcast with those of ``image``. A NumPy array is copied to the device of ``image``.
    mode : str
        ``same`` (the shape of the image, centred), ``full`` or ``valid``.

    Returns
    -------
    convolved : array of float64, shape (..., ny, nx); ``full`` has ky - 1 rows more, ``valid`` ky - 1 rows less
        Rounding leaves noise of 1e-16 times the largest value, also below zero.

    Raises
    ------
    ValueError
        If the mode is not known, or ``valid`` leaves no pixel.
    """
    xp = array_namespace(image)
    image = xp.astype(image, xp.float64, copy=False)
    device = device_of(image)
    kernel = to_device(kernel, device, dtype="float64")
    n_image, n_kernel = image.shape[-2:], kernel.shape[-2:]
    rows = _window(n_image[0], n_kernel[0], mode)
    columns = _window(n_image[1], n_kernel[1], mode)
    # The length of the full convolution, so that nothing wraps around onto the image.
    size = (fft_size(n_image[0] + n_kernel[0] - 1), fft_size(n_image[1] + n_kernel[1] - 1))

    def part(images: Array, kernels: Array) -> Array:
        spectrum = xp.fft.rfftn(images, s=size, axes=(-2, -1)) * xp.fft.rfftn(kernels, s=size, axes=(-2, -1))
        return xp.fft.irfftn(spectrum, s=size, axes=(-2, -1))[..., rows, columns]

    lead, n_bytes = image.shape[:-2], 8 * 8 * size[0] * size[1]  # for each plane, as measured
    if kernel.ndim == 2:
        planes = xp.reshape(image, (-1, *n_image))
        convolved = in_blocks(lambda block: part(planes[block, ...], kernel), planes.shape[0], n_bytes, device)
        return xp.reshape(convolved, (*lead, *convolved.shape[-2:]))
    if lead and kernel.ndim == image.ndim and kernel.shape[0] == lead[0]:
        n_bytes *= math.prod(lead[1:])  # a kernel for each plane: blocks of the first axis
        return in_blocks(lambda block: part(image[block, ...], kernel[block, ...]), lead[0], n_bytes, device)
    return part(image, kernel)  # leading axes that broadcast in another way: all planes at once


def _window(n_image: int, n_kernel: int, mode: str) -> slice:
    """Return the part of the full convolution that a mode keeps."""
    if mode == "full":
        return slice(0, n_image + n_kernel - 1)
    if mode == "same":
        start = (n_kernel - 1) // 2  # as `scipy.signal.fftconvolve` centres even kernels too
        return slice(start, start + n_image)
    if mode == "valid":
        if n_kernel > n_image:
            raise ValueError(
                f"mode 'valid' leaves nothing of {n_image} pixels under a kernel of {n_kernel}; use 'same'"
            )
        return slice(n_kernel - 1, n_image)
    raise ValueError(f"convolution mode is {mode!r}, expected one of 'same', 'full', 'valid'")


@lru_cache(maxsize=256)
def fft_size(n: int) -> int:
    """Return the smallest number with no prime factor but 2, 3 and 5 that is at least ``n``."""
    # For each product of powers of 3 and 5, find the smallest power of 2 that reaches n.
    best = 1 << (n - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            missing = -(-n // three)  # rounded up
            best = min(best, three << (missing - 1).bit_length())
            three *= 3
        five *= 5
    return best


def _distance(radius: float) -> HostFloats:
    """Return the distance from the central pixel, on the smallest odd square that holds a circle of the radius."""
    half = math.ceil(2 * radius) // 2  # an odd width of at least 2 radius, as astropy's Tophat2DKernel
    offset = np.arange(-half, half + 1, dtype=np.float64)
    return np.asarray(np.hypot(offset[:, None], offset[None, :]))


def disk_kernel(radius: float) -> HostFloats:
    """Return a disk, on the host: 1 where the centre of the pixel is within the radius of that of the central pixel.

    Parameters
    ----------
    radius : float, unit pixel, positive

    Returns
    -------
    kernel : NumPy array of float64, shape (n, n) with n odd; divide by its sum for a mean
    """
    _check_positive("radius", radius)
    return np.where(_distance(radius) <= radius, 1.0, 0.0)


def ring_kernel(radius_in: float, width: float) -> HostFloats:
    """Return a ring, on the host: 1 where the centre of the pixel is between two distances from the central pixel.

    Parameters
    ----------
    radius_in : float, unit pixel, not negative
        Inner radius.
    width : float, unit pixel, positive
        The outer radius is ``radius_in + width``. Both radii belong to the ring.

    Returns
    -------
    kernel : NumPy array of float64, shape (n, n) with n odd; divide by its sum for a mean
    """
    _check_positive("width", width)
    half = math.ceil(2 * (radius_in + width)) // 2
    squares = np.arange(-half, half + 1, dtype=np.float64) ** 2
    squared = squares[:, None] + squares[None, :]  # squares are exact, so a radius of whole pixels is met exactly
    return np.where((squared >= radius_in**2) & (squared <= (radius_in + width) ** 2), 1.0, 0.0)


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} of a kernel is {value} pixels, expected a positive number")
