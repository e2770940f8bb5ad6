"""Values of a mask at the pixel centres of another image, in the fastest way that agrees with wcslib."""

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, device_of
from lightpool.errors import NoOverlapError
from lightpool.maps.geoms.mask_lookup import MaskLookup
from lightpool.maps.geoms.wcs_geom import WcsGeom

__all__ = ["mask_at_centers"]


def mask_at_centers(planes: Array, image: WcsGeom, new_image: WcsGeom, fill_value: bool) -> Array:
    """Return the values of a mask at the pixel centres of another image.

    Parameters
    ----------
    planes : array of bool, shape (..., ny, nx)
        The mask, on any device.
    image : WcsGeom
        Geometry of its images.
    new_image : WcsGeom
        Image at whose pixel centres the mask is evaluated.
    fill_value : bool
        Value outside the mask.

    Returns
    -------
    values : array of bool on the same device, shape (..., ny, nx) of the new image
    """
    if not (new_image.is_allsky or image.is_allsky) and image.is_aligned(new_image):
        return _on_same_pixels(planes, image, new_image, fill_value)
    if isinstance(planes, np.ndarray):
        window, mask_window = new_image.window, image.window
        lookup = window.grid.remembered(
            ("lookup", window.box, mask_window), lambda: MaskLookup.between(window, mask_window)
        )
        if lookup is not None:
            return lookup.values(planes, fill_value)
    xp, device = array_namespace(planes), device_of(planes)
    numbers = new_image.pixel_numbers_on(image, device)
    leading = planes.shape[:-2]
    # One more pixel, with the number that stands for all positions outside.
    outside = xp.full((*leading, 1), fill_value, dtype=planes.dtype, device=device.handle)
    values = xp.concat([xp.reshape(planes, (*leading, -1)), outside], axis=-1)
    values = xp.take(values, xp.reshape(numbers, (-1,)), axis=-1)
    return xp.reshape(values, (*leading, *numbers.shape))


def _on_same_pixels(planes: Array, image: WcsGeom, new_image: WcsGeom, fill_value: bool) -> Array:
    xp = array_namespace(planes)
    shape = (*planes.shape[:-2], *new_image.data_shape[-2:])
    values = xp.full(shape, fill_value, dtype=planes.dtype, device=device_of(planes).handle)
    try:
        parts = new_image.overlap_on(image)
    except NoOverlapError:
        return values
    # one part, or two where the new image lies across the seam of the other one
    for there, here in parts:
        values[(..., *here)] = planes[(..., *there)]
    return values
