"""Values of HEALPix pixels on images of square pixels, and interpolated between pixels, on the device of the map."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import cast

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device
from lightpool.arrays.devices.dtypes import as_dtype, is_floating
from lightpool.arrays.kernels.histogram import sum_by_bin
from lightpool.arrays.kernels.scales import scale_values, unscale_values
from lightpool.maps.coord import MapCoord
from lightpool.maps.geoms.hpx_geom import HpxGeom
from lightpool.maps.geoms.hpx_host import pixels_at
from lightpool.maps.geoms.wcs_geom import WcsGeom

__all__ = ["HpxToWcsMapping", "interpolate_hpx", "values_of_places"]

Index = NDArray[np.int64]


def values_of_places(data: Array, places: Index, outside: float) -> Array:
    """Return values of pixels in all planes.

    Parameters
    ----------
    data : array, shape (..., n_pix)
    places : array of int64 on the host: place of a pixel in the data, -1 for none
        Of one dimension for the pixels of all planes, or of two, (n_plane, n), with planes in the order of the data.
    outside : value where there is no pixel

    Returns
    -------
    values : array, shape (..., n)
    """
    xp, target = array_namespace(data), device_of(data)
    lead, n_pix, n = data.shape[:-1], data.shape[-1], places.shape[-1]
    if not n_pix:
        return xp.full((*lead, n), outside, dtype=data.dtype, device=target.handle)
    exists = to_device(places >= 0, target)
    within = np.where(places >= 0, places, 0)
    if places.ndim == 1:
        values = xp.take(data, to_device(within, target), axis=-1)
        return xp.where(exists, values, outside)
    flat = (within + n_pix * np.arange(places.shape[0])[:, None]).reshape(-1)
    values = xp.take(xp.reshape(data, (-1,)), to_device(flat, target))
    return xp.reshape(xp.where(xp.reshape(exists, (-1,)), values, outside), (*lead, n))


@dataclass(frozen=True, eq=False)
class HpxToWcsMapping:
    """Which HEALPix pixel contains the centre of each pixel of an image.

    Attributes
    ----------
    hpx : HpxGeom
    wcs : WcsGeom, an image
    ipix : array of int64, numbers of HEALPix pixels on all the sky; -1 off the sky
        Shape (n,) with the pixels of the image along its rows; (n_plane, n) if planes have different nside.
    """

    hpx: HpxGeom
    wcs: WcsGeom
    ipix: Index

    @classmethod
    def create(cls, hpx: HpxGeom, wcs: WcsGeom) -> "HpxToWcsMapping":
        """Find the pixels.

        Parameters
        ----------
        hpx : HpxGeom
        wcs : WcsGeom, whose axes do not matter
        """
        image = wcs.to_image()
        coords = image.get_coord(frame=hpx.frame)
        lon, lat = (np.deg2rad(np.asarray(_, dtype=float)).reshape(-1) for _ in (coords.lon, coords.lat))
        nside = hpx.pixels.nside
        found = [pixels_at(lon, lat, n, nest=hpx.nest) for n in nside.tolist()]
        return cls(hpx, image, found[0] if nside.size == 1 else np.stack(found))

    @cached_property
    def lmap(self) -> Index:
        """Place of the pixels in the data of a map, -1 for those that it does not have.

        Shape (n,) if all planes have the same pixels, else (n_plane, n), with planes in the order of the data.
        """
        if self.hpx.is_regular:
            return self.hpx.pixels.to_local(self.ipix, np.zeros(1, dtype=np.int64))
        # planes are numbered with the last axis first, data with the first axis last
        order = np.arange(self.hpx.pixels.n_plane).reshape(self.hpx.axes.shape).T.reshape(-1)
        ipix = np.broadcast_to(self.ipix, (order.size, self.ipix.shape[-1]))
        ipix = ipix if self.ipix.ndim == 1 else self.ipix[order]
        return self.hpx.pixels.to_local(ipix, order[:, None])

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether there is a pixel of the map."""
        return self.lmap >= 0

    @cached_property
    def n_shared(self) -> NDArray[np.float64]:
        """How many pixels of the image lie in the same HEALPix pixel, shape of `lmap`."""

        def count(places: Index) -> NDArray[np.float64]:
            _, inverse, counts = np.unique(places, return_inverse=True, return_counts=True)
            return counts[np.reshape(inverse, places.shape)].astype(float)

        lmap = self.lmap
        return count(lmap) if lmap.ndim == 1 else np.stack([count(plane) for plane in lmap])

    @property
    def mult_val(self) -> NDArray[np.float64]:
        """Part of the content of a HEALPix pixel that each pixel of the image gets, if that is divided among them."""
        return 1.0 / self.n_shared

    @property
    def npix(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of pixels of the image in longitude and latitude."""
        return self.wcs.npix

    def to_image(self, data: Array, normalize: bool, fill_nan: bool) -> Array:
        """Return values on the image.

        Parameters
        ----------
        data : array, shape (..., n_pix), of a map of the HEALPix geometry
        normalize : bool
            Whether the content of a pixel is divided among those of the image, or each has its value.
        fill_nan : bool
            Whether pixels of the image that are in no HEALPix pixel are NaN, or zero.

        Returns
        -------
        values : array of float, shape (..., ny, nx)
        """
        xp, target = array_namespace(data), device_of(data)
        values = values_of_places(data if is_floating(data) else as_dtype(data, "float64"), self.lmap, 0.0)
        lead = values.shape[:-1]
        if normalize:
            share = to_device(self.mult_val, target)
            values = as_dtype(values, "float64") * (
                share if share.ndim == 1 else xp.reshape(share, (*lead, share.shape[-1]))
            )
        if fill_nan:
            valid = to_device(self.valid, target)
            valid = valid if valid.ndim == 1 else xp.reshape(valid, (*lead, valid.shape[-1]))
            values = xp.where(valid, values, float("nan"))
        return xp.reshape(values, (*lead, *self.wcs.data_shape[-2:]))

    def from_image(self, data: Array, n_pix: int) -> Array:
        """Return the sums of the values of an image in each HEALPix pixel.

        Parameters
        ----------
        data : array, shape (..., ny, nx), of a map of the image
        n_pix : int, length of the last dimension of the data of the HEALPix map

        Returns
        -------
        sums : array of float64, shape (..., n_pix)
        """
        xp, target = array_namespace(data), device_of(data)
        lead = data.shape[:-2]
        planes = xp.reshape(data, (-1, self.ipix.shape[-1]))
        # one number for each pixel of each plane; -1 is counted nowhere
        lmap = np.broadcast_to(self.lmap, planes.shape)
        flat = np.where(lmap < 0, -1, lmap + n_pix * np.arange(planes.shape[0])[:, None])
        sums = sum_by_bin(
            to_device(np.ascontiguousarray(flat), target), as_dtype(planes, "float64"), planes.shape[0] * n_pix
        )
        return xp.reshape(sums, (*lead, n_pix))


def interpolate_hpx(
    geom: HpxGeom, data: Array, coords: MapCoord, fill_value: float, values_scale: str = "lin"
) -> Array:
    """Interpolate between pixels, linearly on the sky and, between the centres of bins, on the scales of the axes.

    Parameters
    ----------
    geom : HpxGeom
    data : array, shape (..., n_pix); values that are not finite count as zero
    coords : MapCoord, in the frame of the geometry
    fill_value : float, at positions in no pixel of the geometry
    values_scale : ``lin``, ``log`` or ``sqrt``

    Returns
    -------
    values : array of float64, shape of the coordinates
    """
    xp, target = array_namespace(data), device_of(data)
    values = as_dtype(data, "float64")
    values = xp.reshape(scale_values(xp.where(xp.isfinite(values), values, 0.0), values_scale), (-1,))
    coords = coords.broadcasted
    pix = [np.asarray(p, dtype=float) for p in geom.axes.coord_to_pix(coords)]
    corners = [_corners(p, n) for p, n in zip(pix, geom.axes.shape, strict=True)]
    total: Array | None = None
    finite = np.isfinite(np.asarray(coords.lon, dtype=float)) & np.isfinite(np.asarray(coords.lat, dtype=float))
    known = finite.copy()
    for chosen in product(*corners):
        bins = [index for index, _ in chosen]
        places, weights = geom.interp_weights(coords, bins)
        local = places[0]
        known = known & (local >= 0).all(axis=0)
        flat = _flat_index(local, bins, geom)
        factor = weights * np.prod([part for _, part in chosen], axis=0) if chosen else weights
        factor = np.where(local >= 0, factor, 0.0)
        # flattened: not all libraries take by an index of several dimensions
        taken = xp.reshape(xp.take(values, to_device(flat.reshape(-1), target)), flat.shape)
        part = xp.sum(taken * to_device(factor, target), axis=0)
        total = part if total is None else total + part
    result = unscale_values(cast(Array, total), values_scale)
    return xp.where(to_device(known, target), result, float(fill_value))


def _corners(pix: NDArray[np.float64], n_bin: int) -> list[tuple[Index, NDArray[np.float64]]]:
    """Return the bins between whose centres coordinates lie, and their weights; extrapolates beyond the outer ones."""
    if n_bin == 1:
        return [(np.zeros(pix.shape, dtype=np.int64), np.where(np.isfinite(pix), 1.0, np.nan))]
    lower = np.clip(np.floor(np.where(np.isfinite(pix), pix, 0.0)), 0, n_bin - 2).astype(np.int64)
    return [(lower, 1.0 - (pix - lower)), (lower + 1, pix - lower)]


def _flat_index(local: Index, bins: Sequence[Index], geom: HpxGeom) -> Index:
    """Return the index in the flattened data of places in bins."""
    flat: Index | int = 0
    for index, n in zip(reversed(bins), reversed(geom.axes.shape), strict=True):
        flat = flat * n + index
    return np.asarray(flat * geom.data_shape[-1] + np.maximum(local, 0))
