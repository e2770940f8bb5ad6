"""The masks of a dataset: together, as images, as its responses need them, and the energies that they leave."""

from typing import Any

import astropy.units as u
import numpy as np

from lightpool.arrays import array_namespace, to_device, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.maps import Map

__all__ = ["DatasetMasks", "energy_range"]


class DatasetMasks:
    """What a dataset knows from its masks ``mask_safe`` and ``mask_fit``; base of `MapDataset`."""

    mask_safe: Any
    mask_fit: Any
    psf: Any
    edisp: Any
    device: Any
    _geom: Any

    @property
    def mask(self) -> Any:
        """Bins that both masks keep, None if there is no mask."""
        if self.mask_safe is not None and self.mask_fit is not None:
            return self.mask_safe & self.mask_fit
        return self.mask_fit if self.mask_safe is None else self.mask_safe

    @property
    def mask_safe_image(self) -> Any:
        """Pixels with a safe bin."""
        return None if self.mask_safe is None else self.mask_safe.reduce_over_axes(func=np.logical_or)

    @property
    def mask_fit_image(self) -> Any:
        """Pixels with a bin to be fitted."""
        return None if self.mask_fit is None else self.mask_fit.reduce_over_axes(func=np.logical_or)

    @property
    def mask_image(self) -> Any:
        """Pixels with a bin that both masks keep; all if there is no mask."""
        if self.mask is not None:
            return self.mask.reduce_over_axes(func=np.logical_or)
        image = self._geom.to_image()
        return Map.from_geom(image, data=np.ones(image.data_shape, dtype=bool), device=self.device)

    @property
    def mask_safe_psf(self) -> Any:
        """Safe mask in the pixels of the PSF map."""
        if self.mask_safe is None or self.psf is None:
            return None
        geom = self.psf.geom.squash(self.psf.energy_name).squash("rad")
        return self.mask_safe_image.interp_to_geom(geom.to_image()).to_cube(geom.axes)

    @property
    def mask_safe_edisp(self) -> Any:
        """Safe mask in the pixels of the energy dispersion map, and in its reconstructed energies if it has them."""
        if self.mask_safe is None or self.edisp is None:
            return None
        if self.mask_safe.geom.is_region:
            return self.mask_safe
        geom = self.edisp.geom.squash("energy_true")
        if "migra" in geom.axes.names:
            geom = geom.squash("migra")
            return self.mask_safe_image.interp_to_geom(geom.to_image(), fill_value=None).to_cube(geom.axes)
        # Extrapolated in space only: the pixels of the two maps differ, but outside the energies nothing is safe.
        geom_same_axes = geom.to_image().to_cube(self.mask_safe.geom.axes)
        return self.mask_safe.interp_to_geom(geom_same_axes, fill_value=None).interp_to_geom(geom)

    @property
    def energy_range(self) -> tuple[Map, Map]:
        """Lowest and highest energy per pixel inside both masks, NaN where there is none."""
        return energy_range(self._geom, self.mask, self.device)

    @property
    def energy_range_safe(self) -> tuple[Map, Map]:
        """Lowest and highest energy per pixel inside the safe mask."""
        return energy_range(self._geom, self.mask_safe, self.device)

    @property
    def energy_range_fit(self) -> tuple[Map, Map]:
        """Lowest and highest energy per pixel inside the fit mask."""
        return energy_range(self._geom, self.mask_fit, self.device)

    @property
    def energy_range_total(self) -> tuple[u.Quantity, u.Quantity]:
        """Lowest and highest energy of all pixels, read from the device."""
        low, high = self.energy_range
        both = to_host(array_namespace(low.data).stack([low.data, high.data]))  # host: two quantities
        return np.nanmin(both[0]) * low.unit, np.nanmax(both[1]) * high.unit


def energy_range(geom: Any, mask: Map | None, device: Any) -> tuple[Map, Map]:
    """Lowest and highest energy that a mask leaves in each pixel, NaN where it leaves none.

    Parameters
    ----------
    geom : geometry with an axis ``energy``
    mask : Map of bool on this geometry; None leaves all bins
    device : where the maps are made if there is no mask

    Returns
    -------
    energy_min, energy_max : Maps without the axis ``energy``, in its unit
    """
    axis = geom.axes["energy"]
    flat = geom.drop("energy")
    if mask is None:
        values = [np.full(flat.data_shape, edge) for edge in (axis.edges_value[0], axis.edges_value[-1])]
    else:
        edges = to_device(axis.edges_value, mask.device)
        values = list(_edges_of_range(mask.data, edges, geom.axes.index_data("energy")))
    low, high = (Map.from_geom(flat, data=data, unit=axis.unit, device=device) for data in values)
    return low, high


def _edges_of_range(mask: Array, edges: Array, axis: int) -> tuple[Array, Array]:
    """Lower edge of the first and upper edge of the last bin that is True along an axis, NaN if none is."""
    xp = array_namespace(mask, edges)
    kept = xp.astype(mask, xp.int64)
    found = xp.any(mask, axis=axis)
    first = xp.argmax(kept, axis=axis)
    last = mask.shape[axis] - xp.argmax(xp.flip(kept, axis=axis), axis=axis)
    nan = xp.full_like(edges[0], np.nan)

    def edge(index: Array) -> Array:
        return xp.where(found, xp.reshape(xp.take(edges, xp.reshape(index, (-1,)), axis=0), index.shape), nan)

    return edge(first), edge(last)
