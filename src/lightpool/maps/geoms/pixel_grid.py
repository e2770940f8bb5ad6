"""The pixels on the sky, and what is computed once per pixel: directions, solid angles, separations.

A `PixelGrid` is a plane of pixels without a border, a WCS. A `lightpool.maps.geoms.sky_window.SkyWindow` is a rectangle
of whole pixels on it: the image of a map. All maps that are cut out of one, padded or cropped, lie on its grid
and share its arrays.
"""

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, array_namespace, device_of, to_device, to_host
from lightpool.arrays.kernels.projections import pixel_directions, pixel_to_sky, sky_to_pixel
from lightpool.arrays.kernels.sphere import unit_vectors
from lightpool.arrays.projection_parameters import Projection
from lightpool.errors import GeometryError
from lightpool.maps.geoms.pixel_store import Box, PixelStore
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.wcs_header import (
    check_wcs,
    frame_of_wcs,
    pixel_scales_deg,
    resampled_wcs,
    same_wcs,
)
from lightpool.utils.remembered import Remembered

__all__ = ["Box", "PixelGrid", "PixelStore"]

MAX_FILLED_PIXELS = 2**22  # 2048 x 2048
"""Maximum size of a map that is computed as a whole for the sake of its cutouts."""

MAX_REMEMBERED = 64
"""Number of results that a grid remembers: windows with their geometries, and where they lie on those of masks."""

MAX_KINDS = 64
"""Number of kinds of arrays for which a grid remembers how many pixels were requested."""

_Found = TypeVar("_Found")


class PixelGrid:
    """A plane of sky pixels without a border, and what was computed for boxes on it.

    Parameters
    ----------
    wcs : WCS with longitude and latitude; it is kept and must not be changed afterwards
    npix : number of pixels (x, y) of the map that the grid was made for; they are the box ``extent``
    """

    def __init__(self, wcs: WCS, npix: tuple[int, int]) -> None:
        check_wcs(wcs)
        self.wcs = wcs
        self.frame = frame_of_wcs(wcs)
        self.extent = Box(0, 0, *npix)
        self._forget()

    def _forget(self) -> None:
        self._store = PixelStore()
        self._n_asked: dict[Hashable, int] = {}
        self._upsampled: dict[int, PixelGrid] = {}
        self.straight = Box(0, 0, 0, 0)
        """Pixels that are known to be computed as in Gammapy, see `SkyWindow.solid_angle`."""
        # weak keys: the grids that this one was compared with are not kept alive by it
        self._aligned: WeakKeyDictionary[PixelGrid, dict[float, bool]] = WeakKeyDictionary()
        # One tuple, so that another thread never sees a key with the result of another one. It keeps the key alive, so
        # no new object at the same address is taken for it.
        self._latest: tuple[object, tuple[Hashable, ...], object] = (None, (), None)
        self._remembered = Remembered[object](MAX_REMEMBERED)

    @cached_property
    def projection(self) -> Projection | None:
        """The projection as array code; None when it is not one of ours: then wcslib works on the host."""
        return self.plane.projection

    @cached_property
    def scales_deg(self) -> NDArray[np.float64]:
        """Pixel sizes in x and y at the reference pixel."""
        return pixel_scales_deg(self.wcs)

    @cached_property
    def scales(self) -> tuple[float, float]:
        """Pixel sizes in x and y at the reference pixel, deg, as plain numbers."""
        x, y = self.scales_deg.tolist()
        return x, y

    @cached_property
    def plane(self) -> Plane:
        """Its pixels, without a border."""
        return Plane(self.wcs)

    def pixel_to_sky(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the sky positions of pixel coordinates.

        Parameters
        ----------
        x, y : arrays of float64 on any device

        Returns
        -------
        lon, lat : arrays of float64 on that device, rad in the frame of the grid
        """
        if self.projection is not None:
            if self.plane.period is not None:
                # onto the turn that wcslib knows, as `Plane.to_sky` does
                x = x - self.plane.period * array_namespace(x).round((x - self.plane.zero) / self.plane.period)
            return pixel_to_sky(self.projection, x, y)
        lon, lat = self.plane.to_sky(*np.broadcast_arrays(to_host(x), to_host(y)))  # host: wcslib
        return to_device(np.deg2rad(lon), device_of(x)), to_device(np.deg2rad(lat), device_of(x))

    def sky_to_pixel(self, lon: Array, lat: Array) -> tuple[Array, Array]:
        """Return the pixel coordinates of sky positions.

        Parameters
        ----------
        lon, lat : arrays of float64 on any device, rad in the frame of the grid

        Returns
        -------
        x, y : arrays of float64 on that device
        """
        if self.projection is not None:
            return sky_to_pixel(self.projection, lon, lat)
        x, y = self.wcs.wcs_world2pix(np.rad2deg(to_host(lon)), np.rad2deg(to_host(lat)), 0)  # host: wcslib
        return to_device(np.asarray(x), device_of(lon)), to_device(np.asarray(y), device_of(lon))

    def directions(self, box: Box, device: Device, *, corners: bool = False) -> Array:
        """Return the unit vectors of the pixels of a box in the frame of the grid.

        Parameters
        ----------
        box : Box
        device : Device
        corners : whether to take the corners of the pixels instead of their centres

        Returns
        -------
        vectors : array of float64, shape (3, ny, nx), or (3, ny + 1, nx + 1) for corners
        """
        half, more = (0.5, 1) if corners else (0.0, 0)
        if self.projection is None:
            y, x = np.mgrid[: box.ny + more, : box.nx + more].astype(float)
            x, y = x + (box.x0 - half), y + (box.y0 - half)
            return unit_vectors(*self.pixel_to_sky(to_device(x, device), to_device(y, device)))
        x_ref, y_ref = self.projection.crpix
        parts, n_column = [], box.nx + more
        # Columns beyond the turn of wcslib show the sky again: there the reference pixel is moved by whole turns.
        turns = np.zeros(n_column)
        if self.plane.period is not None:
            turns = np.round((np.arange(box.x0, box.x0 + n_column) - half - self.plane.zero) / self.plane.period)
        for turn in np.unique(turns).tolist():
            columns = np.flatnonzero(turns == turn)
            shift = half + (self.plane.period or 0.0) * turn
            moved = replace(self.projection, crpix=(x_ref + shift, y_ref + half))
            first = box.y0, box.x0 + int(columns[0])
            parts.append(pixel_directions(moved, (box.ny + more, columns.size), device, first=first))
        # (3, ny, nx), joined along the columns
        return parts[0] if len(parts) == 1 else array_namespace(parts[0]).concat(parts, axis=-1)

    def lonlat(self, box: Box) -> NDArray[np.float64]:
        """Return the sky positions of the pixel centres of a box on the host, by wcslib, shape (2, ny, nx), deg."""
        y, x = np.mgrid[box.y0 : box.y0 + box.ny, box.x0 : box.x0 + box.nx].astype(float)
        return np.stack(self.plane.to_sky(x, y))

    def has_room(self, n_number: int, box: Box) -> bool:
        """Return whether an array on a box can be kept.

        Parameters
        ----------
        n_number : int, number of floats for each pixel
        box : Box
        """
        # float64: 8 bytes each
        return self._store.has_room(8 * n_number * box.n_pixel)

    def is_aligned(self, other: "PixelGrid", tolerance: float) -> bool:
        """Return whether the pixels are those of another grid, counted from another first pixel.

        Parameters
        ----------
        other : PixelGrid
        tolerance : float, see `lightpool.maps.wcs_header.same_wcs`
        """
        if self is other:
            return True
        known = self._aligned.setdefault(other, {})
        if tolerance not in known:
            known[tolerance] = self.frame == other.frame and same_wcs(self.wcs, other.wcs, tolerance, any_origin=True)
        return known[tolerance]

    def latest(self, key: object, kind: tuple[Hashable, ...], make: Callable[[], _Found]) -> _Found:
        """Return the latest result again if it was made for the same object and of the same kind, else a new one.

        The maps of a dataset are cut around one position, one after the other.

        Parameters
        ----------
        key : object, compared by identity
        kind : hashable, what was made for it
        make : function that makes the result
        """
        known_key, known_kind, found = self._latest
        if known_key is not key or known_kind != kind:
            found = make()
            self._latest = key, kind, found
        return cast(_Found, found)

    def remembered(self, key: Hashable, make: Callable[[], _Found]) -> _Found:
        """Return one of the last results again if it was made under an equal key, else a new one.

        Simulated runs have few pointings, in turn.

        Parameters
        ----------
        key : hashable, all that the result depends on
        make : function that makes the result
        """
        return cast(_Found, self._remembered.get(key, make))

    def upsampled(self, factor: int) -> "PixelGrid":
        """Return a grid of pixels that are ``factor`` times as small."""
        if factor != int(factor) or factor < 1:
            raise GeometryError(f"factor must be a whole number from 1, got {factor!r}")
        if factor not in self._upsampled:
            npix = self.extent.nx * int(factor), self.extent.ny * int(factor)
            self._upsampled[factor] = PixelGrid(resampled_wcs(self.wcs, 1.0 / factor, npix), npix)
        return self._upsampled[factor]

    def shared(self, kind: Hashable, box: Box, compute: Callable[[Box], Array]) -> Array:
        """Return an array on a box, computed once; when that pays, on more than the box, for other boxes.

        The extent is filled when the boxes in it that were asked for add up to it, or one is a quarter of it. A box
        that reaches over the border is joined to the last one when the strips around that are no more than the box.

        Parameters
        ----------
        kind : hashable, what the array holds
        box : Box
        compute : function that makes the array on a box
        """
        found = self._store.get(kind, box)
        if found is not None:
            return found
        if not self.extent.holds(box):
            target, values = self._joined(kind, box, compute)
        else:
            target = box
            if self.extent.n_pixel <= MAX_FILLED_PIXELS:
                self._n_asked[kind] = self._n_asked.pop(kind, 0) + box.n_pixel  # the latest at the end
                while len(self._n_asked) > MAX_KINDS:
                    self._n_asked.pop(next(iter(self._n_asked)))
                if max(self._n_asked[kind], 4 * box.n_pixel) >= self.extent.n_pixel:
                    target = self.extent
            values = compute(target)
        self._store.put(kind, target, values)
        return target.cut(values, box)

    def _joined(self, kind: Hashable, box: Box, compute: Callable[[Box], Array]) -> tuple[Box, Array]:
        latest = self._store.latest(kind)
        if latest is not None:
            old, values = latest
            outer = box.around(old)
            # the strips to compute are no more than the box alone would be
            if outer.n_pixel - old.n_pixel <= box.n_pixel:
                return outer, old.grown(values, outer, compute)
        return box, compute(box)

    def single(self, kind: Hashable, box: Box, compute: Callable[[Box], Array]) -> Array:
        """Return an array on a box, computed once, which boxes outside it have no use for.

        Parameters
        ----------
        kind, box, compute : see `shared`
        """
        found = self._store.get(kind, box)
        if found is None:
            found = compute(box)
            self._store.put(kind, box, found)
        return found

    def __getstate__(self) -> dict[str, Any]:
        # A WCS is pickled as the text of a FITS header, which rounds: its numbers are pickled next to it.
        # a WCS has either CD, or PC with CDELT, not both (FITS standard 4.0, section 8.1)
        names = ("crpix", "crval", "cd") if self.wcs.wcs.has_cd() else ("crpix", "crval", "cdelt", "pc")
        numbers = {name: np.array(getattr(self.wcs.wcs, name)) for name in names}
        return {"wcs": self.wcs, "frame": self.frame, "extent": self.extent, "numbers": numbers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.pop("numbers").items():
            setattr(state["wcs"].wcs, name, value)
        self.__dict__.update(state)
        self._forget()
