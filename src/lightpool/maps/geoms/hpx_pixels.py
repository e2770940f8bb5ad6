"""The pixels of a HEALPix geometry: which ones each image plane has, and where they are in the data. On the host."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.errors import GeometryError
from lightpool.maps.geoms.hpx_host import Pixels, swapped_numbers
from lightpool.maps.geoms.hpx_regions import MAX_NSIDE, HpxRegion, is_power_of_two

__all__ = ["HpxPixels"]

OUTSIDE = -1


@dataclass(frozen=True, eq=False)
class HpxPixels:
    """Pixels of the image planes of a geometry.

    All planes may share one grid and one list of pixels; then there is one entry for all of them.

    Attributes
    ----------
    nside : array of int64, shape (1,) or (n_plane,)
    nest : bool, whether pixels are numbered in the NESTED or in the RING scheme
    lists : tuple of arrays of int64, ascending numbers of the pixels, one or ``n_plane`` of them; None for all the sky
    n_plane : int
    """

    nside: Pixels
    nest: bool
    lists: tuple[Pixels, ...] | None
    n_plane: int

    @classmethod
    def of(
        cls, nside: Pixels, nest: bool, region: "str | tuple[ArrayLike, ...] | None", shape: tuple[int, ...]
    ) -> "HpxPixels":
        """Make the pixels of a region.

        Parameters
        ----------
        nside : array of int64, of one grid or of each plane
        nest : bool
        region : text, see `HpxRegion.parse`; tuple of arrays (pixel, bin on each axis), or of pixels for all planes;
            None for all the sky
        shape : tuple of int, number of bins of the axes

        Raises
        ------
        GeometryError
            If ``nside`` or the region are not valid.
        """
        _check_nside(nside, nest, shape)
        n_plane = int(np.prod(shape))
        flat = nside.reshape(-1)
        if region is None:
            return cls(flat, nest, None, n_plane)
        if isinstance(region, str):
            known = HpxRegion.parse(region)
            lists = {n: known.pixels(n, nest=nest) for n in set(flat.tolist())}
            return cls(flat, nest, tuple(lists[n] for n in flat.tolist()), n_plane)
        if not isinstance(region, tuple):
            raise GeometryError(f"region must be a text, a tuple of arrays of pixel numbers or None, got {region!r}")
        return cls(flat, nest, _lists_of(region, flat, shape), n_plane)

    @property
    def is_regular(self) -> bool:
        """Whether all planes have the same pixels."""
        return self.nside.size == 1 and (self.lists is None or len(self.lists) == 1)

    @property
    def n_all(self) -> Pixels:
        """Number of pixels on all the sky of each plane, shape (n_plane,)."""
        return np.broadcast_to(12 * self.nside**2, (self.n_plane,))

    @cached_property
    def n_pix(self) -> Pixels:
        """Number of pixels of each plane, shape (n_plane,)."""
        if self.lists is None:
            return self.n_all
        return np.broadcast_to(np.array([len(pix) for pix in self.lists], dtype=np.int64), (self.n_plane,))

    def of_plane(self, plane: int) -> Pixels:
        """Return the numbers of the pixels of a plane, ascending."""
        if self.lists is None:
            return np.arange(self.n_all[plane], dtype=np.int64)
        return self.lists[plane if len(self.lists) > 1 else 0]

    def nside_of(self, plane: NDArray[np.int64] | int) -> Pixels:
        """Return nside of planes."""
        return self.nside[np.zeros_like(plane) if self.nside.size == 1 else plane]

    def to_local(self, pix: Pixels, plane: Pixels) -> Pixels:
        """Return where pixels are in the data of their plane; -1 for those that are not.

        Parameters
        ----------
        pix, plane : arrays of int64 that broadcast together
        """
        if self.lists is None:
            return np.where((pix >= 0) & (pix < self.n_all[plane]), pix, OUTSIDE)
        if len(self.lists) == 1:
            return _position_in(self.lists[0], pix)
        keys, starts, step = self._sorted_keys
        found = _position_in(keys, np.where((pix >= 0) & (pix < step), pix + plane * step, OUTSIDE))
        return np.where(found < 0, OUTSIDE, found - starts[plane])

    def to_global(self, local: Pixels, plane: Pixels) -> Pixels:
        """Return the numbers of pixels by their place in the data of their plane; -1 where there are none.

        Parameters
        ----------
        local, plane : arrays of int64 that broadcast together
        """
        valid = (local >= 0) & (local < self.n_pix[plane])
        if self.lists is None:
            return np.where(valid, local, OUTSIDE)
        if len(self.lists) == 1:
            return np.where(valid, _taken(self.lists[0], local), OUTSIDE)
        keys, starts, step = self._sorted_keys
        return np.where(valid, _taken(keys, local + starts[plane]) % step, OUTSIDE)

    @cached_property
    def _sorted_keys(self) -> tuple[Pixels, Pixels, int]:
        """Numbers of all pixels of all planes in one ascending array, where each plane begins, and the step."""
        assert self.lists is not None
        step = int(12 * np.max(self.nside) ** 2)
        planes = [self.of_plane(plane) + plane * step for plane in range(self.n_plane)]
        return np.concatenate(planes), np.cumsum(self.n_pix) - self.n_pix, step

    def select(self, planes: Pixels) -> "HpxPixels":
        """Return the pixels of some of the planes, by their numbers."""
        nside = self.nside if self.nside.size == 1 else self.nside[planes]
        lists = self.lists if self.lists is None or len(self.lists) == 1 else tuple(self.lists[_] for _ in planes)
        return HpxPixels(nside, self.nest, lists, len(planes)).simplified()

    def repeated(self, n_plane: int) -> "HpxPixels":
        """Return the pixels for another number of planes that share them."""
        return HpxPixels(self.nside, self.nest, self.lists, n_plane)

    def simplified(self) -> "HpxPixels":
        """Return the same with one entry for all planes if they are equal."""
        if self.nside.size > 1 and np.all(self.nside == self.nside[0]):
            return HpxPixels(self.nside[:1], self.nest, self.lists, self.n_plane).simplified()
        if self.lists is not None and len(self.lists) > 1 and self.nside.size == 1:
            first = self.lists[0]
            if all(np.array_equal(first, other) for other in self.lists[1:]):
                return HpxPixels(self.nside, self.nest, (first,), self.n_plane)
        return self

    def united(self) -> "HpxPixels":
        """Return the pixels of one plane with those of all, on the finest of their grids.

        Raises
        ------
        GeometryError
            If the grids cannot be divided into each other.
        """
        nside = int(np.max(self.nside))
        if self.lists is None:
            return HpxPixels(np.array([nside]), self.nest, None, 1)
        if self.is_regular:
            return HpxPixels(self.nside, self.nest, self.lists, 1)
        parts = [
            in_other_grid(self.of_plane(plane), int(self.nside_of(plane)), nside, nest=self.nest)
            for plane in range(self.n_plane)
        ]
        return HpxPixels(np.array([nside]), self.nest, (np.unique(np.concatenate(parts)),), 1)

    def changed(self, lists: "Sequence[Pixels]", nside: Pixels | None = None) -> "HpxPixels":
        """Return other lists of pixels for the same planes, sorted and without repeats.

        Parameters
        ----------
        lists : sequence of arrays, as many as there are now
        nside : array of int64, by default that of now
        """
        unique = tuple(np.unique(pix) for pix in lists)
        return HpxPixels(self.nside if nside is None else nside, self.nest, unique, self.n_plane)

    def has_same_as(self, other: "HpxPixels") -> bool:
        """Return whether other pixels are the same ones, in the same scheme."""
        if self is other:
            return True
        if self.nest != other.nest or self.n_plane != other.n_plane or not np.array_equal(self.n_pix, other.n_pix):
            return False
        planes = np.arange(self.n_plane)
        if not np.array_equal(self.nside_of(planes), other.nside_of(planes)):
            return False
        if self.lists is None or other.lists is None or self.lists is other.lists:
            # as many pixels as on all the sky are all of them
            return self.lists is other.lists or np.array_equal(self.n_pix, self.n_all)
        n_list = max(len(self.lists), len(other.lists))
        return all(np.array_equal(self.of_plane(_), other.of_plane(_)) for _ in range(n_list))


def in_other_grid(pix: Pixels, nside: int, other: int, *, nest: bool) -> Pixels:
    """Return the pixels of another grid that are in pixels or contain them; not sorted, larger ones may repeat.

    Parameters
    ----------
    pix : array of int64
    nside, other : int, of the pixels and of the other grid, powers of two unless they are equal
    nest : bool
    """
    if nside == other:
        return pix
    if not (is_power_of_two(nside) and is_power_of_two(other)):
        raise GeometryError(f"pixels can be divided or joined only if nside is a power of two, got {nside} and {other}")
    nested = pix if nest else swapped_numbers(pix, nside, nest=False)
    if other < nside:
        nested = nested // (nside // other) ** 2
    else:
        parts = (other // nside) ** 2
        nested = (nested[..., None] * parts + np.arange(parts)).reshape(-1)
    return nested if nest else swapped_numbers(nested, other, nest=True)


def _check_nside(nside: Pixels, nest: bool, shape: tuple[int, ...]) -> None:
    if np.any((nside < 1) | (nside > MAX_NSIDE)):
        raise GeometryError(f"nside must be from 1 to 2**29, got {nside.tolist()}")
    if nest and not is_power_of_two(nside).all():
        raise GeometryError(
            f"nside must be a power of two in the NESTED scheme, got {nside.tolist()}; use nest=False for other numbers"
        )
    if nside.size > 1 and nside.shape != shape:
        raise GeometryError(
            f"Wrong dimensionality for nside. It must be a number, or have the shape {shape} of the axes, got the "
            f"shape {nside.shape}"
        )


def _lists_of(region: tuple[ArrayLike, ...], nside: Pixels, shape: tuple[int, ...]) -> tuple[Pixels, ...]:
    pix, *bins = (np.asarray(_, dtype=np.int64).reshape(-1) for _ in np.broadcast_arrays(*region))
    if len(bins) not in (0, len(shape)):
        raise GeometryError(
            f"a region of pixels is a tuple of pixel numbers, or of these and bins on all {len(shape)} axes; got "
            f"{len(region)} arrays"
        )
    planes = np.ravel_multi_index(tuple(np.where(b < 0, 0, b) for b in bins), shape) if bins else np.zeros_like(pix)
    kept = (pix >= 0) & np.logical_and.reduce([b >= 0 for b in bins]) if bins else pix >= 0
    n_list = int(np.prod(shape)) if bins else nside.size
    lists = tuple(np.unique(pix[kept & (planes == p)] if bins else pix[kept]) for p in range(n_list))
    for number, pixels in enumerate(lists):
        n_all = 12 * int(nside[number if nside.size > 1 else 0]) ** 2
        if pixels.size and pixels[-1] >= n_all:
            raise GeometryError(f"pixel {pixels[-1]} of the region does not exist: there are {n_all} pixels")
    return lists


def _position_in(values: Pixels, wanted: Pixels) -> Pixels:
    """Return where numbers are in an ascending array; -1 for those that are not."""
    found = np.searchsorted(values, wanted)
    return np.where(_taken(values, found) == wanted, found, OUTSIDE) if values.size else np.full(wanted.shape, OUTSIDE)


def _taken(values: Pixels, index: Pixels) -> Pixels:
    if not values.size:
        return np.full(index.shape, OUTSIDE)
    return values[np.clip(index, 0, values.size - 1)]
