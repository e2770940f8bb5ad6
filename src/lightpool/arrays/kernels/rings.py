"""Sums in rings around each pixel of images, by Fourier transforms; an image is transformed once for all rings.

On the host, images of a few counts are summed without a transform, see `lightpool.arrays.kernels.counts_in_rings`.
"""

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array, HostFloats, Namespace
from lightpool.arrays.devices.blocks import blocks, blocks_that_fit, joined
from lightpool.arrays.devices.devices import Device, array_namespace, device_of, to_device, to_host
from lightpool.arrays.devices.streams import require_one_stream
from lightpool.arrays.kernels.convolution import fft_size
from lightpool.arrays.kernels.counts_in_rings import CountList, are_in_order, most_counts_in_chosen, most_counts_in_ring
from lightpool.arrays.kernels.ring_choice import RingChoice, is_enough
from lightpool.arrays.kernels.ring_shape import Ring

__all__ = ["Ring", "adaptive_ring_sums", "ring_sums", "ring_sums_plain"]

Spectrum: TypeAlias = NDArray[np.complex128]
Mask: TypeAlias = NDArray[np.bool_]

_CACHE_BYTES = 2**28  # of transformed rings, on all devices together
_N_WORK = 16  # arrays of the size of the transformed images that are in memory at a time, at most


Key: TypeAlias = tuple[Ring, tuple[int, int], tuple[int, int], Device]
"""A ring, its reach, the size of the torus, and the device."""


class _TransformCache:
    """Transformed rings, the last used ones up to a number of bytes."""

    def __init__(self, n_byte: int) -> None:
        self.n_byte = n_byte
        self._found: OrderedDict[Key, tuple[Array, float]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, ring: Ring, reach: tuple[int, int], size: tuple[int, int], device: Device) -> tuple[Array, float]:
        """Return the transformed ring, on the host with each value twice, and the root of its number of pixels."""
        require_one_stream(device)
        key = (ring, reach, size, device)
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        # Without the lock: two threads may compute the same ring, but none waits for the ring of another.
        found = _transformed_ring(ring, reach, size, device)
        with self._lock:
            self._found[key] = found
            while (
                len(self._found) > 1  # the last one stays, however large
                and sum(8 * math.prod(values.shape) for values, _ in self._found.values()) > self.n_byte
            ):
                self._found.popitem(last=False)
        return found


_CACHE = _TransformCache(_CACHE_BYTES)


def _transformed_ring(ring: Ring, reach: tuple[int, int], size: tuple[int, int], device: Device) -> tuple[Array, float]:
    kernel = ring.kernel(reach)
    image = np.zeros(size)
    y, x = (np.arange(n) - n // 2 for n in kernel.shape)  # the centre is pixel (0, 0), the rest wraps around
    image[np.ix_(y % size[0], x % size[1])] = kernel
    spectrum = _forward(to_device(image, device), size, device)
    real = device.xp.asarray(device.xp.real(spectrum), copy=True)  # real, as a ring is symmetric
    if device.is_host:
        # One factor for each part of a complex number: NumPy would convert a real factor to complex each time.
        real = np.repeat(cast(HostFloats, real), 2, axis=-1)
    return real, math.sqrt(kernel.sum())


def _forward(images: Array, size: tuple[int, int], device: Device) -> Array:
    if not device.is_host:
        fft = device.xp.fft
        return fft.fft(fft.rfft(images, n=size[1], axis=-1), n=size[0], axis=-2)
    import scipy.fft  # takes half the time of that of NumPy

    rows = scipy.fft.rfft(cast(HostFloats, images), n=size[1], axis=-1)
    return scipy.fft.fft(rows, n=size[0], axis=-2, overwrite_x=True)


def _product_backward(
    spectrum: Array, factor: Array, n_y: int, n_x: int, device: Device, work: list[Spectrum]
) -> Array:
    """Transform the product of two spectra back, rows up to ``n_y`` only; ``n_x`` is the size of the torus.

    On the host the product is computed in the one array of ``work``: fresh memory costs as much as the transform.
    """
    if not device.is_host:
        fft = device.xp.fft
        return fft.irfft(fft.ifft(spectrum * factor, axis=-2)[..., :n_y, :], n=n_x, axis=-1)
    import scipy.fft

    on_host = cast(Spectrum, spectrum)
    if not work:
        work.append(np.empty_like(on_host))
    np.multiply(on_host.view(np.float64), cast(HostFloats, factor), out=work[0].view(np.float64))
    rows = scipy.fft.ifft(work[0], axis=-2, overwrite_x=True)
    return scipy.fft.irfft(rows[..., :n_y, :], n=n_x, axis=-1)


@dataclass(frozen=True, eq=False)
class _Images:
    """Transformed images, on a torus that is wide enough for sums around the pixels of the images."""

    spectrum: Array  # (..., size_y, size_x // 2 + 1)
    shape: tuple[int, int]
    size: tuple[int, int]
    reach: tuple[int, int]
    noise: Array  # (..., 1, 1), rounding of the sum over a single pixel
    device: Device
    work: list[Spectrum]

    @classmethod
    def transform(cls, images: Array, rings: Sequence[Ring]) -> "_Images":
        xp, device = array_namespace(images), device_of(images)
        shape = (images.shape[-2], images.shape[-1])
        reach = _common_reach(shape, rings)
        size = _torus(shape, reach)
        # The rounding of a transform grows with the logarithm of its size.
        norm = xp.sqrt(xp.sum(images * images, axis=(-2, -1), keepdims=True))
        noise = norm * (4.0 * sys.float_info.epsilon * math.log2(size[0] * size[1] + 1))
        return cls(_forward(images, size, device), shape, size, reach, noise, device, [])

    def sums(self, ring: Ring) -> tuple[Array, Array]:
        """Return the sums in a ring around each pixel, and the noise that the transforms leave on them."""
        rows, noise = self.rows(ring)
        return rows[..., : self.shape[1]], noise

    def rows(self, ring: Ring) -> tuple[Array, Array]:
        """Return what `sums` does with all columns of the torus, shape (..., ny, size_x)."""
        factor, norm = _CACHE.get(ring, self.reach, self.size, self.device)
        rows = _product_backward(self.spectrum, factor, self.shape[0], self.size[1], self.device, self.work)
        # Rounding is relative to the largest possible sum: by Cauchy and Schwarz, the product of both norms.
        return rows, self.noise * norm


def _counts_of(images: Array, rings: Sequence[Ring], most: Callable[[tuple[int, int], int], int]) -> CountList | None:
    """Return the counts of one image on the host if these are faster than transforms, see `CountList.of`.

    Parameters
    ----------
    most : function of the reach of the rings and the number of pixels of the torus that returns the most counts
    """
    shape = (images.shape[-2], images.shape[-1])
    # Elsewhere the number of pixels that are not zero is not known without waiting for the device.
    if not device_of(images).is_host or images.shape[0] != 1:
        return None
    reach = _common_reach(shape, rings)
    return CountList.of(cast(HostFloats, images[0, ...]), reach, most(reach, math.prod(_torus(shape, reach))))


def _without_noise(sums: Array, noise: Array) -> Array:
    """Round sums that are whole numbers but for noise: counts become whole again, and a sum over nothing is zero."""
    xp = array_namespace(sums)
    whole = xp.round(sums)
    if device_of(sums).is_host:
        # One array for all steps: fresh memory costs more than they do.
        work = np.subtract(cast(HostFloats, sums), cast(HostFloats, whole))
        np.abs(work, out=work)
        np.copyto(cast(HostFloats, whole), cast(HostFloats, sums), where=work > cast(HostFloats, noise))
        return whole
    return xp.where(xp.abs(sums - whole) <= noise, whole, sums)


def _common_reach(shape: tuple[int, int], rings: Sequence[Ring]) -> tuple[int, int]:
    # A pixel farther away than the size of the image is outside of it.
    widest = max(ring.reach for ring in rings)
    return min(widest, shape[0] - 1), min(widest, shape[1] - 1)


def _torus(shape: tuple[int, int], reach: tuple[int, int]) -> tuple[int, int]:
    """Return a size that transforms fast and keeps what wraps around off the images: one margin is enough for this."""
    return _fast_size(shape[0] + reach[0]), _fast_size(shape[1] + reach[1])


@lru_cache(maxsize=256)
def _fast_size(n: int) -> int:
    """Return the size from ``n`` on, but not much above, that transforms fastest.

    As measured, a transform takes 3 % longer for each prime factor 3, and 4 % for each 5, than for factors 2 alone.
    """
    sizes = [fft_size(n)]
    while (larger := fft_size(sizes[-1] + 1)) <= 1.1 * n:
        sizes.append(larger)
    return min(sizes, key=lambda size: size * (1 + 0.03 * _multiplicity(size, 3) + 0.04 * _multiplicity(size, 5)))


def _multiplicity(n: int, prime: int) -> int:
    return 0 if n % prime else 1 + _multiplicity(n // prime, prime)


def _batches(planes: Array, rings: Sequence[Ring]) -> list[slice]:
    """Return the planes to transform at a time: one on the host, where it stays in the cache, many elsewhere."""
    n_plane, *shape = planes.shape
    size = _torus((shape[0], shape[1]), _common_reach((shape[0], shape[1]), rings))
    device = device_of(planes)
    if device.is_host:
        return list(blocks(n_plane, 1))
    return blocks_that_fit(n_plane, 8 * _N_WORK * size[0] * size[1], device)


def _planes(images: Array, xp: Namespace) -> Array:
    return xp.reshape(xp.astype(images, xp.float64, copy=False), (-1, *images.shape[-2:]))


def ring_sums(images: Array, ring: Ring) -> Array:
    """Sum images in a ring around each pixel; outside, the images are 0.

    Parameters
    ----------
    images : array of float64, shape (..., ny, nx)
        Finite: a NaN spreads over its whole plane.
    ring : Ring

    Returns
    -------
    sums : array of float64, shape of ``images``
        Sums that differ from a whole number by no more than the rounding of the transforms are rounded to it, so sums
        of counts are whole and sums over nothing are 0.
    """
    xp = array_namespace(images)
    planes = _planes(images, xp)

    def part(batch: slice) -> Array:
        counts = _counts_of(planes[batch, ...], [ring], most_counts_in_ring)
        if counts is not None:
            return cast(Array, counts.sums(ring)[None])
        return _without_noise(*_Images.transform(planes[batch, ...], [ring]).sums(ring))

    return xp.reshape(joined(part, _batches(planes, [ring])), images.shape)


def ring_sums_plain(images: Array, ring: Ring) -> Array:
    """Sum images one pixel of the ring after the other: the reference implementation of `ring_sums`.

    Parameters
    ----------
    images, ring : see `ring_sums`
    """
    xp = array_namespace(images)
    n_y, n_x = images.shape[-2:]
    sums = xp.zeros_like(images)
    # Each pixel of the ring shifts the image: rows and columns that it shifts out of the image are left out.
    for y, x in np.argwhere(ring.kernel() > 0) - ring.reach:
        if abs(y) < n_y and abs(x) < n_x:
            to_y, to_x = slice(max(-y, 0), n_y - max(y, 0)), slice(max(-x, 0), n_x - max(x, 0))
            from_y, from_x = slice(max(y, 0), n_y - max(-y, 0)), slice(max(x, 0), n_x - max(-x, 0))
            sums[..., to_y, to_x] += images[..., from_y, from_x]
    return sums


def adaptive_ring_sums(
    counts: Array, background: Array, acceptance: Array, rings: Sequence[Ring], threshold: float
) -> tuple[Array, Array, Array]:
    """Sum images in the first ring whose background is large enough, pixel by pixel.

    Parameters
    ----------
    counts, background : arrays of float64, shape (..., ny, nx)
        Finite; zero for pixels that must not count.
    acceptance : array of float64, shape (..., ny, nx)
    rings : sequence of Ring, in the order in which they are tried
    threshold : float
        A ring is large enough where ``acceptance`` over the sum of ``background`` in it is not above this.

    Returns
    -------
    number : array of int64, shape (..., ny, nx)
        Number of the ring, -1 where none is large enough.
    counts_sum, background_sum : arrays of float64, shape (..., ny, nx)
        Sums in this ring; zero where no ring is large enough.

    Notes
    -----
    Images are transformed once. After each ring two bools are copied to the host: whether a pixel took this ring, and
    whether a pixel still has none. So no ring is computed that no pixel needs.
    """
    xp = array_namespace(counts, background, acceptance)
    shape = counts.shape
    counts, background, acceptance = (_planes(images, xp) for images in (counts, background, acceptance))
    number = xp.zeros_like(counts, dtype=xp.int64)
    counts_sum, background_sum = xp.zeros_like(counts), xp.zeros_like(counts)
    for batch in _batches(counts, rings):
        number[batch, ...], counts_sum[batch, ...], background_sum[batch, ...] = _adaptive_batch(
            counts[batch, ...], background[batch, ...], acceptance[batch, ...], rings, threshold
        )
    return xp.reshape(number, shape), xp.reshape(counts_sum, shape), xp.reshape(background_sum, shape)


def _adaptive_batch(
    counts: Array, background: Array, acceptance: Array, rings: Sequence[Ring], threshold: float
) -> tuple[Array, Array, Array]:
    transformed = _Images.transform(background, rings)
    choose = _choose_on_host if transformed.device.is_host else _choose
    number, background_sum, noise, used = choose(transformed, background, acceptance, rings, threshold)
    return number, _sums_in_chosen(counts, rings, number, used), _without_noise(background_sum, noise)


def _choose(
    transformed: _Images, background: Array, acceptance: Array, rings: Sequence[Ring], threshold: float
) -> tuple[Array, Array, Array, list[int]]:
    """Return the number of the ring of each pixel, the sum in it, the noise, and the numbers of rings that are used."""
    xp = array_namespace(background)
    background_sum, background_noise = xp.zeros_like(background), xp.zeros_like(transformed.noise)
    number = xp.full_like(background, -1, dtype=xp.int64)
    missing = xp.ones_like(background, dtype=xp.bool)
    used = []
    for i, ring in enumerate(rings):
        sums, noise = transformed.sums(ring)
        taken = missing & is_enough(acceptance, sums, noise, threshold)
        missing = missing & ~taken
        # Otherwise the loop would go on to the last ring for pixels for which not even all rings are enough.
        if i == 0 and len(rings) > 2:
            missing = missing & _may_be_enough(transformed, background, acceptance, rings, threshold)
        # host: these two decide what is computed next
        any_taken, any_missing = to_host(xp.stack([xp.any(taken), xp.any(missing)]))
        if any_taken:
            used.append(i)
            # (1, 1, 1) broadcasts, without an array of the size of the map.
            number = xp.where(taken, xp.full_like(number[:1, :1, :1], i), number)
            background_sum, background_noise = (
                xp.where(taken, sums, background_sum),
                xp.maximum(background_noise, noise),
            )
        if not any_missing:
            break
    return number, background_sum, background_noise, used


def _choose_on_host(
    transformed: _Images, background: Array, acceptance: Array, rings: Sequence[Ring], threshold: float
) -> tuple[Array, Array, Array, list[int]]:
    """Do what `_choose` does for one image, in as little memory as possible: fresh one costs more than the sums."""
    choice = RingChoice(cast(HostFloats, acceptance)[0, ...], transformed.size[1], threshold)
    largest, used = np.zeros((1, 1, 1)), []
    for i, ring in enumerate(rings):
        rows, noise = (cast(HostFloats, each) for each in transformed.rows(ring))
        if choice.take(i, rows[0, ...], float(noise[0, 0, 0])):
            used.append(i)
            largest = np.maximum(largest, noise)
        if i == 0 and len(rings) > 2 and not np.any(cast(HostFloats, background) < 0.0):
            rows, noise = (cast(HostFloats, each) for each in transformed.rows(_all_of(rings)))
            choice.give_up(rows[0, ...], float(noise[0, 0, 0]))  # see `_may_be_enough`
        if not choice.n_missing:
            break
    return choice.number[None], choice.sums[None], largest, used


def _sums_in_chosen(images: Array, rings: Sequence[Ring], number: Array, used: Sequence[int]) -> Array:
    """Sum images in the ring that was chosen for each pixel, one of those that are used; 0 where none was."""
    xp = array_namespace(images)
    if not used:
        return xp.zeros_like(images)
    # The rings that are used may not reach as far as all of them.
    widest = [rings[i] for i in used]
    n_column = images.shape[-1]
    counts = None
    if are_in_order(rings):
        counts = _counts_of(
            images, widest, lambda reach, n_pixel: most_counts_in_chosen(reach, n_pixel * len(used), n_column)
        )
    if counts is not None:
        return cast(Array, counts.sums_in_chosen(cast("NDArray[np.int64]", number[0, ...]), rings)[None])
    transformed = _Images.transform(images, rings)
    chosen, largest = xp.zeros_like(images), xp.zeros_like(transformed.noise)
    for i in used:
        sums, noise = transformed.sums(rings[i])
        chosen, largest = _put(chosen, number == i, sums), xp.maximum(largest, noise)
    return _without_noise(chosen, largest)


def _put(target: Array, where: Array, values: Array) -> Array:
    """Return an array with other values where a mask is True; on the host the array is changed in place."""
    if device_of(target).is_host:
        np.copyto(cast(HostFloats, target), cast(HostFloats, values), where=cast(Mask, where))
        return target
    return array_namespace(target).where(where, values, target)


def _may_be_enough(
    transformed: _Images, background: Array, acceptance: Array, rings: Sequence[Ring], threshold: float
) -> Array:
    """Return where all rings together are large enough; everywhere in planes that have negative values."""
    xp = array_namespace(background)
    sums, noise = transformed.sums(_all_of(rings))
    # Only without negative values does no ring hold more than all of them together.
    has_negative = xp.any(background < 0.0, axis=(-2, -1), keepdims=True)
    return has_negative | is_enough(acceptance, sums + noise, xp.zeros_like(noise), threshold)


def _all_of(rings: Sequence[Ring]) -> Ring:
    """Return the ring that holds all rings."""
    inner = min(ring.radius_in for ring in rings)
    return Ring(inner, max(ring.radius_in + ring.width for ring in rings) - inner)
