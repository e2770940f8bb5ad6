"""Dilation and erosion of masks."""

from lightpool.arrays.devices.array_types import Array, Namespace
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device
from lightpool.arrays.kernels.convolution import convolve_fft

__all__ = ["binary_dilation", "binary_erosion"]


def binary_dilation(mask: Array, structure: Array) -> Array:
    """Dilate a mask: set every pixel that the structure around a set pixel covers.

    Parameters
    ----------
    mask : array of bool, shape (..., ny, nx)
    structure : array of bool or number, shape (ky, kx), both odd
        Not 0 for the pixels that it covers, counted from its centre. A NumPy array is copied to the device of ``mask``.

    Returns
    -------
    dilated : array of bool, shape of ``mask``
    """
    xp = array_namespace(mask)
    reached = convolve_fft(mask, _checked(structure, mask, xp))
    return reached > 0.5  # a count, but for rounding


def binary_erosion(mask: Array, structure: Array) -> Array:
    """Erode a mask: keep a pixel only if all pixels that the structure covers around it are set.

    Parameters
    ----------
    mask, structure : see `binary_dilation`; outside the image no pixel is set

    Returns
    -------
    eroded : array of bool, shape of ``mask``
    """
    xp = array_namespace(mask)
    # The convolution flips it back: it covers the pixels around a pixel as it is given, not reflected.
    structure = xp.flip(_checked(structure, mask, xp))
    return convolve_fft(mask, structure) > xp.sum(structure) - 0.5  # counts, but for rounding


def _checked(structure: Array, mask: Array, xp: Namespace) -> Array:
    if structure.ndim != 2 or any(n % 2 == 0 for n in structure.shape):
        raise ValueError(f"structure has shape {tuple(structure.shape)}, expected two odd numbers, for it has a centre")
    return xp.astype(xp.astype(to_device(structure, device_of(mask)), xp.bool), xp.float64)
