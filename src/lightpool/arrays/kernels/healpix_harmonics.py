"""Convolution of HEALPix images of all the sky with radial profiles, by spherical harmonics, on the host.

The harmonics are sums over the rings of pixels: a Fourier transform along each ring, and associated Legendre functions
across the rings. They are computed by recursion in the degree, with their exponents apart where these are too small for
float64. Source: Gorski et al. 2005, ApJ 622, 759, section 3; the recursion is that of Varshalovich et al. 1988, Quantum
Theory of Angular Momentum, section 5.7.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats

__all__ = ["convolve_sphere", "disk_window", "gauss_window", "profile_window"]

Complex = NDArray[np.complex128]

N_ITERATION = 3
"""How often what is left of an image after the sum of its harmonics is analysed again, as healpy does by default."""

_CACHE_BYTES = 3 * 2**29
"""Legendre functions of all orders are kept if they take less."""

_LARGE, _LOG_LARGE, _CHECK = 1e200, 200.0 * math.log(10.0), 16
"""A mantissa beyond it is divided by it, which is looked for after so many degrees."""


def gauss_window(sigma: float, l_max: int) -> HostFloats:
    """Return the factor of each degree for a Gaussian, shape (l_max + 1,).

    Parameters
    ----------
    sigma : float, standard deviation, rad
    l_max : int
    """
    degree = np.arange(l_max + 1, dtype=np.float64)
    factors: HostFloats = np.exp(-0.5 * degree * (degree + 1.0) * sigma**2)
    return factors


def disk_window(radius: float, l_max: int) -> HostFloats:
    """Return the factor of each degree for a disc of constant weight, shape (l_max + 1,).

    Parameters
    ----------
    radius : float, rad
    l_max : int
    """
    theta = np.linspace(0.0, radius)
    return profile_window(np.ones_like(theta), theta, l_max)


def profile_window(values: HostFloats, theta: HostFloats, l_max: int) -> HostFloats:
    """Return the factor of each degree for a radial profile, divided by the largest one, shape (l_max + 1,).

    Parameters
    ----------
    values : array of float, shape (n,)
    theta : array of float, shape (n,), ascending distances from the centre, rad
    l_max : int
    """
    cosine, weight = np.cos(theta), np.asarray(values, dtype=np.float64) * np.sin(theta)
    before, here = np.ones_like(cosine), cosine
    window = np.empty(l_max + 1)
    for degree in range(l_max + 1):
        # Legendre polynomials: l P_l = (2 l - 1) x P_(l-1) - (l - 1) P_(l-2)
        if degree == 0:
            polynomial = before
        elif degree == 1:
            polynomial = here
        else:
            polynomial = ((2 * degree - 1) * cosine * here - (degree - 1) * before) / degree
            before, here = here, polynomial
        window[degree] = np.trapezoid(weight * polynomial, theta)
    factors: HostFloats = window / window.max()
    return factors


def convolve_sphere(images: HostFloats, nside: int, windows: HostFloats, n_iteration: int = N_ITERATION) -> HostFloats:
    """Multiply the harmonics of images of all the sky by a factor for each degree.

    Parameters
    ----------
    images : array of float64, shape (n_image, 12 nside**2), pixels in the RING scheme
    nside : int
    windows : array of float64, shape (n_image, l_max + 1)
    n_iteration : int, see `N_ITERATION`

    Returns
    -------
    images : array of float64, shape (n_image, 12 nside**2)
    """
    transform = _Transform(nside, windows.shape[-1] - 1)
    harmonics = transform.analysed(images)
    for _ in range(n_iteration):
        rest = transform.analysed(images - transform.summed(harmonics))
        harmonics = [a + b for a, b in zip(harmonics, rest, strict=True)]
    factors = windows.T  # (degree, n_image)
    return transform.summed([each * factors[order:] for order, each in enumerate(harmonics)])


class _Transform:
    """Sums of harmonics up to a degree, and back. Harmonics are a list by order: arrays (degree, n_image).

    Parameters
    ----------
    nside, l_max : int
    """

    def __init__(self, nside: int, l_max: int) -> None:
        self.l_max, self.nside = l_max, nside
        ring = np.arange(1, 2 * nside + 1)  # of the northern half, with the equator; the southern one mirrors it
        n_quarter = np.minimum(ring, nside)
        in_cap = ring < nside
        depth = (n_quarter / nside) ** 2 / 3.0
        self.z = np.where(in_cap, 1.0 - depth, (2 * nside - ring) * (2.0 / 3.0) / nside)
        self.sin = np.sqrt(np.where(in_cap, depth * (2.0 - depth), (1.0 - self.z) * (1.0 + self.z)))
        self.n_phi = 4 * n_quarter
        self.phi = np.where(in_cap | ((ring - nside) % 2 == 0), np.pi / self.n_phi, 0.0)
        first = np.where(in_cap, 2 * ring * (ring - 1), 2 * nside * (nside - 1) + (ring - nside) * 4 * nside)
        self.north = first
        self.south = 12 * nside**2 - first - self.n_phi
        self._cache: dict[int, HostFloats] = {}
        self._keeps = 4 * (l_max + 1) ** 2 * len(ring) < _CACHE_BYTES

    def analysed(self, images: HostFloats) -> list[Complex]:
        """Return the harmonics of images, (n_image, n_pix)."""
        order = np.arange(self.l_max + 1)
        parts = np.empty((2, self.l_max + 1, len(self.z), len(images)), dtype=np.complex128)
        for r, (n, phi) in enumerate(zip(self.n_phi.tolist(), self.phi.tolist(), strict=True)):
            for half, first in enumerate((self.north[r], self.south[r])):
                along = np.fft.fft(images[:, first : first + n], axis=-1)
                parts[half, :, r] = (along[:, order % n] * np.exp(-1j * order * phi)).T
        parts[1, :, -1] = 0.0  # the equator, which is in both halves
        area = 4.0 * np.pi / (12 * self.nside**2)
        found = []
        for m, legendre in self._legendre():
            even, odd = area * (parts[0, m] + parts[1, m]), area * (parts[0, m] - parts[1, m])
            harmonics = np.empty((len(legendre), len(images)), dtype=np.complex128)
            harmonics[::2], harmonics[1::2] = legendre[::2] @ even, legendre[1::2] @ odd
            found.append(harmonics)
        return found

    def summed(self, harmonics: list[Complex]) -> HostFloats:
        """Return the images of harmonics."""
        n_image = harmonics[0].shape[1]
        parts = np.empty((2, self.l_max + 1, len(self.z), n_image), dtype=np.complex128)
        for m, legendre in self._legendre():
            even, odd = legendre[::2].T @ harmonics[m][::2], legendre[1::2].T @ harmonics[m][1::2]
            parts[0, m], parts[1, m] = even + odd, even - odd
        parts[:, 1:] *= 2.0  # the orders below zero are the complex conjugates
        images = np.empty((n_image, 12 * self.nside**2))
        order = np.arange(self.l_max + 1)
        for r, (n, phi) in enumerate(zip(self.n_phi.tolist(), self.phi.tolist(), strict=True)):
            turned = np.exp(1j * order * phi)
            for half, first in enumerate((self.north[r], self.south[r])):
                waves = np.zeros((n_image, -(-(self.l_max + 1) // n) * n), dtype=np.complex128)
                waves[:, : self.l_max + 1] = parts[half, :, r].T * turned
                # on n pixels, orders that differ by n are the same
                folded = waves.reshape(n_image, -1, n).sum(axis=1)
                images[:, first : first + n] = n * np.fft.ifft(folded, axis=-1).real
        return images

    def _legendre(self) -> Iterator[tuple[int, HostFloats]]:
        """Yield the orders and their normalised associated Legendre functions, shape (degree from m, ring)."""
        for m in range(self.l_max + 1):
            known = self._cache.get(m)
            if known is None:
                known = _legendre_of_order(m, self.l_max, self.z, self.sin)
                if self._keeps:
                    self._cache[m] = known
            yield m, known


def _legendre_of_order(m: int, l_max: int, z: HostFloats, sine: HostFloats) -> HostFloats:
    """Return normalised associated Legendre functions of degrees m to l_max, without the sign of the order."""
    k = np.arange(1, m + 1)
    log_norm = 0.5 * (math.log((2 * m + 1) / (4.0 * math.pi)) + float(np.sum(np.log((2 * k - 1) / (2 * k)))))
    exponent = log_norm + m * np.log(sine)
    values = np.empty((l_max - m + 1, len(z)))
    before, here = np.zeros_like(z), np.ones_like(z)
    scale: Callable[[HostFloats], HostFloats] = lambda log: np.exp(np.maximum(log, -745.0)) * (log > -745.0)  # noqa: E731
    factor = scale(exponent)
    values[0] = factor
    last = 0.0
    for degree in range(m + 1, l_max + 1):
        step = math.sqrt((4.0 * degree**2 - 1.0) / (degree**2 - m**2))
        before, here = here, step * (z * here - last * before)
        last = 1.0 / step
        if (degree - m) % _CHECK == 0:
            large = np.abs(here) > _LARGE
            if large.any():
                before, here = (np.where(large, x / _LARGE, x) for x in (before, here))
                exponent = np.where(large, exponent + _LOG_LARGE, exponent)
                factor = scale(exponent)
        values[degree - m] = here * factor
    return values
