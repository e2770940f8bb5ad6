"""Masks of a dataset: as images, in the pixels of its responses, and the energies that they keep."""

import astropy.units as u
import numpy as np

from lightpool.arrays import Device, array_namespace, to_device, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.datasets.geometries import SkyGeom
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap
from lightpool.maps import Map

__all__ = ["all_true", "any_over_axes", "energy_range", "mask_on_edisp", "mask_on_psf", "total_range"]


def all_true(geom: SkyGeom, device: Device) -> Map:
    """Return a mask that keeps all bins.

    Parameters
    ----------
    geom : Geom
    device : Device
    """
    xp = device.xp
    data = xp.ones(tuple(geom.data_shape), dtype=xp.bool, device=device.handle)
    return Map.from_geom(geom, data=data, device=device)


def any_over_axes(mask: Map | None) -> Map | None:
    """Return the image of the pixels in which a mask keeps any bin; None without a mask."""
    return None if mask is None else mask.reduce_over_axes(func=np.logical_or)


def mask_on_psf(mask_safe: Map | None, psf: PSFMap | None) -> Map | None:
    """Return a safe mask in the pixels of a PSF map.

    Parameters
    ----------
    mask_safe : Map or None
    psf : PSFMap or None
    """
    image = any_over_axes(mask_safe)
    if image is None or psf is None:
        return None
    # One bin for all energies: a mask of reconstructed energies says nothing of single true energies.
    geom = psf.geom.squash(psf.energy_name).squash("rad")
    return image.interp_to_geom(geom.to_image()).to_cube(geom.axes)


def mask_on_edisp(mask_safe: Map | None, edisp: EDispKernelMap | EDispMap | None) -> Map | None:
    """Return a safe mask in the pixels of an energy dispersion map, and in its reconstructed energies if it has them.

    Parameters
    ----------
    mask_safe : Map or None
    edisp : EDispKernelMap, EDispMap or None
    """
    if mask_safe is None or edisp is None:
        return None
    if mask_safe.geom.is_region:
        return mask_safe
    geom = edisp.geom.squash("energy_true")
    if "migra" in geom.axes.names:
        geom = geom.squash("migra")
        image = mask_safe.reduce_over_axes(func=np.logical_or)
        return image.interp_to_geom(geom.to_image(), fill_value=None).to_cube(geom.axes)
    if not mask_safe.geom.is_regular:
        mask_safe = _on_image_pixels(mask_safe)
    # Extrapolated in space only: the pixels of the two maps differ, but outside the energies nothing is safe.
    geom_same_axes = geom.to_image().to_cube(mask_safe.geom.axes)
    return mask_safe.interp_to_geom(geom_same_axes, fill_value=None).interp_to_geom(geom)


def _on_image_pixels(mask: Map) -> Map:
    """Return a mask whose planes have pixels of their own on those of its image."""
    geom = mask.geom.to_image().to_cube(mask.geom.axes)
    data = as_dtype(mask.get_by_coord(geom.get_coord(), fill_value=0.0), "bool")
    return Map.from_geom(geom, data=data, device=mask.device)


def energy_range(geom: SkyGeom, mask: Map | None, device: Device) -> tuple[Map, Map]:
    """Return the lowest and highest energy that a mask keeps in each pixel, NaN where it keeps none.

    Parameters
    ----------
    geom : geometry with an axis ``energy``
        If its image planes have pixels of their own, the maps have those of ``to_image``.
    mask : Map of bool on this geometry; None keeps all bins
    device : Device of the maps if there is no mask

    Returns
    -------
    energy_min, energy_max : Maps without the axis ``energy``, in its unit
    """
    if mask is not None and not geom.is_regular:
        mask = _on_image_pixels(mask)
        geom = mask.geom
    axis = geom.axes["energy"]
    flat = geom.drop("energy")
    low: Array
    high: Array
    if mask is None:
        low, high = (np.full(flat.data_shape, edge) for edge in (axis.edges_value[0], axis.edges_value[-1]))
    else:
        edges = to_device(axis.edges_value, mask.device)
        low, high = _edges_of_range(mask.data, edges, geom.axes.index_data("energy"))
    return (
        Map.from_geom(flat, data=low, unit=axis.unit, device=device),
        Map.from_geom(flat, data=high, unit=axis.unit, device=device),
    )


def total_range(low: Map, high: Map) -> tuple[u.Quantity, u.Quantity]:
    """Return the lowest and highest energy of all pixels, read from the device in one transfer.

    Parameters
    ----------
    low, high : Map, of `energy_range`
    """
    both = to_host(array_namespace(low.data).stack([low.data, high.data]))  # host: two quantities
    return np.nanmin(both[0]) * low.unit, np.nanmax(both[1]) * high.unit


def _edges_of_range(mask: Array, edges: Array, axis: int) -> tuple[Array, Array]:
    """Return the lower edge of the first and the upper edge of the last True bin along an axis; NaN if none is True."""
    xp = array_namespace(mask, edges)
    # The array API standard defines argmax for numbers, not for bool; of equal values it returns the first.
    kept = xp.astype(mask, xp.int64)
    found = xp.any(mask, axis=axis)
    first = xp.argmax(kept, axis=axis)
    last = mask.shape[axis] - xp.argmax(xp.flip(kept, axis=axis), axis=axis)
    nan = xp.full_like(edges[0], np.nan)

    def edge(index: Array) -> Array:
        # The standard has `take` for indices of one dimension only.
        return xp.where(found, xp.reshape(xp.take(edges, xp.reshape(index, (-1,)), axis=0), index.shape), nan)

    return edge(first), edge(last)
