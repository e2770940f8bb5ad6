"""Products of a map with a map of a region, along an axis that both have."""

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, require_device
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.errors import GeometryError
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.map_data import MapData

__all__ = ["dot_product"]


def _common_axis(geom: Geom, other: Geom) -> str:
    """Return the name of the only axis that two geometries share."""
    common = [name for name in geom.axes.names if name in other.axes.names]
    if not common:
        raise GeometryError(
            f"Map geometries have no axis in common: {geom.axes.names}, {other.axes.names}. Cannot apply dot product."
        )
    if len(common) > 1:
        raise GeometryError(
            f"Map geometries have more than one axis in common: {common}. Cannot apply dot product; rename_axes helps."
        )
    if geom.axes[common[0]] != other.axes[common[0]]:
        raise GeometryError(f"Axes {common[0]} are not equal. Cannot apply dot product.")
    return common[0]


def dot_product(m: MapData, other: MapData) -> tuple[Geom, Array]:
    """Sum the product of two maps along the axis that both have, see `lightpool.maps.Map.dot`.

    Parameters
    ----------
    m : Map
    other : RegionNDMap

    Returns
    -------
    geom : Geom, where the further axes of the other map take the place of the common one
    data : array
    """
    if not other.geom.is_region:
        raise TypeError(f"Dot product can be applied to a RegionNDMap. Got {type(other)} instead.")
    require_device(m.device, other.device)
    name = _common_axis(m.geom, other.geom)
    axes, others = m.geom.axes, other.geom.axes
    position, dimension = axes.index(name), axes.index_data(name)
    # without the pixel of the region; the sum is taken in float64
    factors = as_dtype(other.data[..., 0, 0], "float64")
    xp = array_namespace(factors)
    data = xp.tensordot(as_dtype(m.data, "float64"), factors, axes=((dimension,), (others.index_data(name),)))
    # now the axes of the other map are the last dimensions; they belong where the common axis was
    n_new = len(others) - 1
    order = list(range(data.ndim - n_new))
    order[dimension:dimension] = range(data.ndim - n_new, data.ndim)
    rest = axes.drop(name)
    geom = m.geom.to_image().to_cube([*rest[:position], *others.drop(name), *rest[position:]])
    return geom, xp.permute_dims(data, tuple(order))
