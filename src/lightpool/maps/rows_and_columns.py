"""Values of maps with rows and columns, whatever pixels the maps have."""

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.kernels.lazy_counts import LazyCounts
from lightpool.maps.map_data import MapData

__all__ = ["as_images", "images_to_sum"]


def as_images(m: MapData) -> Array:
    """Return the values of a map with rows and columns; HEALPix pixels, which have none, are one row.

    Parameters
    ----------
    m : Map
    """
    return m.data[..., None, :] if m.geom.is_hpx else m.data


def images_to_sum(m: MapData) -> Array | LazyCounts:
    """Return the values of a map for sums in masks, see `as_images`; or counts of which nobody has read an array.

    Parameters
    ----------
    m : Map
    """
    return m.stored if isinstance(m.stored, LazyCounts) else as_images(m)
