"""The image part of a geometry: a rectangle of pixels, and the arrays on it that are computed once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self, cast

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.blocks import in_blocks
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import Device, array_namespace, device_of, find_device
from lightpool.arrays.devices.memory import require_memory
from lightpool.arrays.kernels.events import on_turn
from lightpool.arrays.kernels.solid_angles import are_turned, solid_angles
from lightpool.arrays.kernels.sphere import fov_matrix, frame_matrix, rotate, separation_of_vectors
from lightpool.maps.geoms.pixel_grid import PixelGrid
from lightpool.maps.geoms.pixel_store import Box
from lightpool.maps.periodic_wcs import Plane
from lightpool.utils.deviations import deviates, deviations_are_heard

__all__ = ["SkyWindow"]

_WORK_BYTES = 128
"""Maximum memory for each pixel that intermediate arrays take."""


def _by_rows(make: Callable[[Box], Array], box: Box, device: Device, n_number: int = 1) -> Array:
    """Make an array on a box, a few rows at a time where all at once would take too much memory on the way.

    Raises
    ------
    OutOfMemoryError
        If so many numbers for each pixel do not fit on the device.
    """
    require_memory(
        8 * n_number * box.n_pixel,
        device,
        what=f"an array of {n_number} x {box.ny} x {box.nx} numbers for the pixels of a map",
        advice="take larger pixels (a larger binsz) or a smaller width; or take another device",
    )

    def part(rows: slice) -> Array:
        return make(Box(box.x0, box.y0 + rows.start, box.nx, rows.stop - rows.start))

    return in_blocks(part, box.ny, _WORK_BYTES * box.nx, device, axis=-2)


@dataclass(frozen=True)
class SkyWindow:
    """A rectangle of whole pixels on a grid: the image of a geometry. Windows on different grids are never equal."""

    grid: PixelGrid
    box: Box

    def __reduce__(self) -> "tuple[type[SkyWindow], tuple[PixelGrid, Box]]":
        # without the cached WCS and plane, which are made again from the grid
        return SkyWindow, (self.grid, self.box)

    @classmethod
    def from_wcs(cls, wcs: WCS, npix: tuple[int, int]) -> Self:
        """Make a window of the first pixels of a WCS, on a grid of its own.

        Parameters
        ----------
        wcs : WCS
        npix : number of pixels (x, y)
        """
        grid = PixelGrid(wcs, npix)
        return cls(grid, grid.extent)

    def moved(self, x0: int, y0: int, nx: int, ny: int) -> "SkyWindow":
        """Return another window on the same grid.

        Parameters
        ----------
        x0, y0 : int, pixel of this window that is the first one of the other
        nx, ny : int, number of pixels
        """
        box = Box(self.box.x0 + x0, self.box.y0 + y0, nx, ny)
        return self if box == self.box else SkyWindow(self.grid, box)

    @cached_property
    def wcs(self) -> WCS:
        """WCS whose pixel 0 is the first pixel of the window."""
        return self.grid.wcs if self.box == self.grid.extent else self.plane.wcs

    @property
    def reference_pixel(self) -> NDArray[np.float64]:
        """Reference pixel (x, y) of the WCS, counted from 1."""
        return np.asarray(self.grid.wcs.wcs.crpix - np.array(self.box[:2], dtype=float))

    @cached_property
    def plane(self) -> Plane:
        """Its pixels, counted from the first one of the window."""
        if self.box == self.grid.extent:
            return Plane(self.grid.wcs, self.box.nx)
        return self.grid.plane.part(*self.box)

    def _once(self, values: Array) -> Array:
        """Return values with NaN where a window that is wider than the sky repeats it: beyond the turn of wcslib."""
        period = self.plane.period
        if period is None or not self.plane.has_repeats:
            return values
        xp = array_namespace(values)
        away = np.abs(np.arange(self.box.nx) - self.plane.zero)
        # 1e-6 of a pixel for rounding: both ends of the turn belong to it
        is_first = constant(away <= period / 2 + 1e-6, device_of(values))
        return xp.where(is_first, values, xp.full_like(values, np.nan))

    def directions(self, device: str | Device | None = None) -> Array:
        """Return the unit vectors of the pixel centres in the frame of the grid, shape (3, ny, nx); NaN off the sky."""
        target = find_device(device)

        def compute(box: Box) -> Array:
            return _by_rows(lambda rows: self.grid.directions(rows, target), box, target, n_number=3)

        return self._once(self.grid.shared(("directions", target.name), self.box, compute))

    def _part_of_directions(self, target: Device) -> Callable[[Box], Array]:
        """Return a function that makes the directions of a box, by cutting those of all pixels if these can be kept."""
        if not self.grid.has_room(3, self.box):
            return lambda rows: self.grid.directions(rows, target)
        whole = self.directions(target)
        return lambda rows: self.box.cut(whole, rows)

    def solid_angle(self, device: str | Device | None = None) -> Array:
        """Return the solid angle of the pixels, shape (ny, nx), unit sr; NaN where a corner is off the sky."""
        target = find_device(device)

        if deviations_are_heard() and self._has_turned_pixels:
            deviates("solid angles near a pole, or of large pixels")

        def part(rows: Box) -> Array:
            return solid_angles(self.grid.directions(rows, target, corners=True))

        return self._once(
            self.grid.shared(("solid_angle", target.name), self.box, lambda box: _by_rows(part, box, target))
        )

    @cached_property
    def _has_turned_pixels(self) -> bool:
        """Whether some pixels are computed as spherical triangles, other than in Gammapy."""
        if not self.box.n_pixel or self.grid.straight.holds(self.box):
            return False
        # The windows of one map are asked one after the other, so first try all of them together.
        for box in (self.box.around(self.grid.straight), self.box):
            if SkyWindow(self.grid, box)._is_straight():
                self.grid.straight = box
                return False
        return are_turned(cast(HostFloats, self.grid.directions(self.box, find_device("cpu"), corners=True)))

    def _is_straight(self) -> bool:
        """Return whether no pixel is computed as a spherical triangle; False if the border alone does not tell."""
        host, (x0, y0, nx, ny) = find_device("cpu"), self.box
        # The pixels nearest to a pole, and the largest ones, are at the border, unless a pole is inside.
        strips = Box(x0, y0, nx, 1), Box(x0, y0 + ny - 1, nx, 1), Box(x0, y0, 1, ny), Box(x0 + nx - 1, y0, 1, ny)
        border = [cast(HostFloats, self.grid.directions(strip, host, corners=True)) for strip in strips]
        poles = self.sky_to_pixel(np.zeros(2), np.asarray([-np.pi / 2, np.pi / 2]))
        with np.errstate(invalid="ignore"):
            x, y = (cast(HostFloats, pixel) for pixel in poles)
            has_pole = np.any((x > -1) & (x < nx) & (y > -1) & (y < ny))
        is_whole = all(np.isfinite(corners).all() for corners in border)
        # A factor of 4: pixels further in may be twice as long as those at the border.
        return bool(is_whole and not has_pole) and not any(are_turned(corners, margin=4.0) for corners in border)

    def separation(self, lon: float, lat: float, device: str | Device | None = None) -> Array:
        """Return the angle between the pixel centres and a position.

        Parameters
        ----------
        lon, lat : float, rad in the frame of the grid
        device : str or Device

        Returns
        -------
        separation : array of float64, shape (ny, nx), rad
        """
        target = find_device(device)

        def compute(box: Box) -> Array:
            centre = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
            vectors = self._part_of_directions(target)
            return _by_rows(lambda rows: separation_of_vectors(vectors(rows), centre), box, target)

        # `single`: the next observation has another position, so a larger box would not pay
        return self._once(self.grid.single(("separation", target.name, lon, lat), self.box, compute))

    def field_of_view(self, lon: float, lat: float, device: str | Device | None = None) -> Array:
        """Return the unit vectors of the pixel centres in the field of view of a pointing.

        Parameters
        ----------
        lon, lat : float, ICRS position of the pointing in deg
        device : str or Device

        Returns
        -------
        vectors : array of float64, shape (3, ny, nx)
        """
        target = find_device(device)

        def compute(box: Box) -> Array:
            # the axes of the field of view follow ICRS, whatever the frame of the map is
            matrix = fov_matrix(float(np.deg2rad(lon)), float(np.deg2rad(lat))) @ frame_matrix(self.grid.frame, "icrs")
            vectors = self._part_of_directions(target)
            return _by_rows(lambda rows: rotate(matrix, vectors(rows)), box, target, n_number=3)

        return self._once(self.grid.single(("field of view", target.name, lon, lat), self.box, compute))

    def upsampled(self, factor: int) -> "SkyWindow":
        """Return a window of pixels ``factor`` times as small; calls on one grid share the grid of small pixels."""
        box = self.box
        return SkyWindow(self.grid.upsampled(factor), Box(*(n * factor for n in box)))

    def lonlat(self) -> NDArray[np.float64]:
        """Return the sky positions of the pixel centres by wcslib on the host, shape (2, ny, nx), deg; NaN off sky."""

        def compute(box: Box) -> NDArray[np.float64]:
            centres: NDArray[np.float64] = np.asarray(_by_rows(self.grid.lonlat, box, find_device("cpu"), n_number=2))
            centres.flags.writeable = False  # geometries share it
            return centres

        return np.asarray(self._once(self.grid.shared("lonlat", self.box, compute)))

    def numbers_on(self, other: "SkyWindow", device: str | Device | None = None) -> Array:
        """Find the pixels of another window that contain the pixel centres.

        Parameters
        ----------
        other : SkyWindow
        device : str or Device

        Returns
        -------
        numbers : array of int64, shape (ny, nx)
            Pixels are counted along the rows of the other window; outside it is the number after the last one.
        """
        target = find_device(device)
        n_x, n_y = other.box.nx, other.box.ny

        def numbers(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Array:
            if other.grid.frame != self.grid.frame:
                centres = SkyCoord(lon, lat, unit="deg", frame=self.grid.frame).transform_to(other.grid.frame).data
                lon, lat = centres.lon.deg, centres.lat.deg
            x, y = (np.floor(_ + 0.5) for _ in other.plane.from_sky(lon, lat))
            inside = (x >= 0) & (x < n_x) & (y >= 0) & (y < n_y)  # False for NaN too
            return constant(np.where(inside, y * n_x + x, n_x * n_y).astype(np.int64), target)

        def compute(box: Box) -> Array:
            # positions that cannot be kept are computed again for each block of rows
            if not self.grid.has_room(2, box):
                return _by_rows(lambda rows: numbers(*self.grid.lonlat(rows)), box, target)
            # those of all pixels, which later calls for other windows and devices use again
            whole = SkyWindow(self.grid, box).lonlat()
            return _by_rows(lambda rows: numbers(*np.asarray(box.cut(whole, rows))), box, target)

        return self.grid.shared(("numbers on", other, target.name), self.box, compute)

    def sky_to_pixel(self, lon: Array, lat: Array) -> tuple[Array, Array]:
        """Return the pixel coordinates on the window of sky positions.

        Parameters
        ----------
        lon, lat : arrays of float64 on any device, rad in the frame of the grid
        """
        x, y = self.grid.sky_to_pixel(lon, lat)
        x, y = x - float(self.box.x0), y - float(self.box.y0)
        return (on_turn(x, *self.turn) if self.turn is not None else x), y

    @cached_property
    def turn(self) -> tuple[float, float] | None:
        """Middle of the window and columns of a whole turn, if it reaches over the end of the turn of wcslib."""
        if not self.plane.reaches_over_seam:
            return None
        assert self.plane.period is not None
        return (self.box.nx - 1) / 2, self.plane.period
