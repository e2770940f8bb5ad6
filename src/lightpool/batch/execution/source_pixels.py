"""The pixels of a circle around a source, on the map of a target and on cutouts of it."""

from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, constant, device_of
from lightpool.arrays.devices.array_types import Array
from lightpool.errors import NoOverlapError
from lightpool.maps import HpxGeom, WcsGeom

__all__ = ["WHOLE", "CirclePixels", "HpxCircle", "PixelsInData", "SquareCircle", "circle_on"]

Slices: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class PixelsInData:
    """Where the pixels of a circle, and the one at its centre, are in the data of a map.

    Attributes
    ----------
    window, center : (slice, slice), or array of int64, shape (n_pixel,)
        Rows and columns, or places of HEALPix pixels.
    inside : array of bool, shape of the window, or None
        Pixels of the window that are in the circle; all if None.
    """

    window: Slices | NDArray[np.int64]
    center: Slices | NDArray[np.int64]
    inside: NDArray[np.bool_] | None = None

    def in_circle(self, data: Array) -> Array:
        """Return the values of the window, in the last one or two dimensions."""
        return _taken(data, self.window)

    def at_center(self, data: Array) -> Array:
        """Return the value of the pixel at the centre, or none if the map does not have it."""
        return _taken(data, self.center)


WHOLE = PixelsInData((slice(None), slice(None)), (slice(None), slice(None)))
"""All of a region."""


def _taken(data: Array, part: Slices | NDArray[np.int64]) -> Array:
    if isinstance(part, tuple):
        return data[(..., *part)]
    return array_namespace(data).take(data, constant(np.ascontiguousarray(part), device_of(data)), axis=-1)


@dataclass(frozen=True, eq=False)
class SquareCircle:
    """A circle on a map of square pixels.

    Attributes
    ----------
    image : WcsGeom
        Image geometry of the whole map.
    window : (slice, slice)
        Slices (y, x) of the map around the circle.
    inside : array of bool, shape of the window
        Pixels whose centres are in the circle.
    center : (int, int)
        Pixel (y, x) of the map at the position.
    """

    image: WcsGeom
    window: Slices
    inside: NDArray[np.bool_]
    center: tuple[int, int]

    @classmethod
    def of(cls, image: WcsGeom, position: SkyCoord, radius: Angle) -> Self:
        """Find the pixels of a circle, see `circle_on`."""
        part = image.cutout(position, width=2 * radius + 2 * image.pixel_scales.max())
        assert part.cutout_info is not None  # cutouts have it
        x, y = image.coord_to_idx(position)
        inside = np.asarray(part.separation(position) <= radius)
        return cls(image, part.cutout_info["parent-slices"], inside, (int(np.ravel(y)[0]), int(np.ravel(x)[0])))

    def on(self, geom: WcsGeom) -> PixelsInData | None:
        """Return the pixels on the map or a cutout of it; None if they do not overlap."""
        try:
            shared = geom.cutout_slices(self.image)
        except NoOverlapError:
            return None
        window, kept, center = [], [], []
        for wanted, pixel, parent, cutout in zip(
            self.window, self.center, shared["parent-slices"], shared["cutout-slices"], strict=True
        ):
            # A pixel of the whole map plus this shift is the same pixel of the cutout.
            low, high, shift = (
                max(wanted.start, parent.start),
                min(wanted.stop, parent.stop),
                cutout.start - parent.start,
            )
            if low >= high:
                return None
            window.append(slice(low + shift, high + shift))
            kept.append(slice(low - wanted.start, high - wanted.start))
            is_on_cutout = parent.start <= pixel < parent.stop
            # An empty slice, which sums to zero, if the cutout does not contain the pixel of the source.
            center.append(slice(pixel + shift, pixel + shift + 1) if is_on_cutout else slice(0, 0))
        inside = self.inside[kept[0], kept[1]]
        return PixelsInData((window[0], window[1]), (center[0], center[1]), inside) if inside.any() else None


@dataclass(frozen=True, eq=False)
class HpxCircle:
    """A circle on a map of HEALPix pixels.

    Attributes
    ----------
    numbers : array of int64, shape (n_pixel,)
        Pixels whose centres are in the circle, numbered as on all the sky.
    center : int
        Number of the pixel at the position.
    """

    numbers: NDArray[np.int64]
    center: int

    @classmethod
    def of(cls, image: HpxGeom, position: SkyCoord, radius: Angle) -> Self:
        """Find the pixels of a circle, see `circle_on`."""
        part = image.cutout(position, width=2 * radius)
        return cls(part.pixels.of_plane(0), int(np.ravel(image.coord_to_pix(position)[0])[0]))

    def on(self, geom: HpxGeom) -> PixelsInData | None:
        """Return the pixels on the map or a cutout of it; None if they do not overlap."""
        places, center = (
            geom.pixels.to_local(np.atleast_1d(numbers), np.zeros(1, dtype=np.int64))
            for numbers in (self.numbers, self.center)
        )
        found = places[places >= 0]
        return PixelsInData(found, center[center >= 0]) if found.size else None


CirclePixels: TypeAlias = SquareCircle | HpxCircle


def circle_on(image: WcsGeom | HpxGeom, position: SkyCoord, radius: Angle) -> CirclePixels | None:
    """Return the pixels of a map whose centres are in a circle; None if it lies outside the map.

    Parameters
    ----------
    image : WcsGeom or HpxGeom
        Image geometry of the whole map.
    position : SkyCoord
        Centre of the circle.
    radius : Angle
        At least the size of a pixel, so that the circle contains a pixel centre.
    """
    try:
        if isinstance(image, HpxGeom):
            return HpxCircle.of(image, position, radius)
        return SquareCircle.of(image, position, radius)
    except NoOverlapError:
        return None
