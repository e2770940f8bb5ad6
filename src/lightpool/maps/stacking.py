"""Adding maps to a map, in place."""

import abc
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.array_windows import LazyWindow
from lightpool.arrays.devices.devices import require_device
from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.kernels.accumulation import add_product
from lightpool.bridge import accepts_gammapy
from lightpool.maps.access import MapAccess
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.map_data import MapData, unit_factor
from lightpool.maps.operators import MapOperators, Operand

__all__ = ["MapStacking", "Windows"]

Windows: TypeAlias = list[tuple[tuple[Any, ...], tuple[Any, ...]]]
"""Indices of the pixels that two maps share, on the one and on the other.

There are two pairs if a cutout of an all-sky map lies across its seam, else one.
"""


class MapStacking(MapOperators, MapAccess):
    """Sums of maps, the basis of stacked datasets."""

    @accepts_gammapy
    def coadd(self, map_in: MapOperators, weights: Operand | None = None) -> None:
        """Add each pixel of another map to the pixel of this one that contains its centre.

        Parameters
        ----------
        map_in : Map, in an equivalent unit
        weights : Map or array, optional
            Factors for the other map.
        """
        other = map_in if weights is None else map_in * weights
        # -1 outside this map, where nothing is added
        index = self._geom.coord_to_idx(other.geom.get_coord(sparse=True))
        self.fill_by_idx(index, weights=other.to_unit(self._unit).data)

    @accepts_gammapy
    def stack(self, other: MapData, weights: MapData | None = None, nan_to_num: bool = True) -> None:
        """Add another map in place; masks are combined by a logical or.

        Parameters
        ----------
        other : Map
            On the same pixels or a cutout of them; for regions, a map with the same axes.
        weights : Map, optional
            Factors, such as a mask, on the pixels of the other map; axes with one bin are broadcast.
        nan_to_num : bool
            Whether to add zero where the other map is not finite.

        Raises
        ------
        GeometryError
            If the pixels differ.
        DeviceError
            If the maps are on different devices.
        """
        self.stack_product([other], weights, nan_to_num)

    def stack_product(
        self,
        maps: Sequence[MapData],
        weights: MapData | None = None,
        nan_to_num: bool = True,
        factors: Sequence[Array] = (),
    ) -> None:
        """Add the product of several maps in place, without computing it as a whole.

        Parameters
        ----------
        maps : sequence of Map
            The first has all axes of this map; in the others, axes with one bin are broadcast.
        weights, nan_to_num
            As in `stack`.
        factors : sequence of array
            Further factors that are the same for all pixels of an image: they have one row and one column.
        """
        geom, weights_geom = maps[0].geom, None if weights is None else weights.geom
        windows, total = self._windows_of(geom, weights_geom), self._array_to_change()
        parts = [*maps, *([] if weights is None else [weights])]
        for part in parts:
            require_device(self.device, part.device)
        # the unit of a product is the product of units; weights are plain factors, whose unit does not count
        unit = math.prod((values.unit for values in maps[1:]), start=maps[0].unit)
        factor = 1.0 if unit is self._unit else unit_factor(unit, self._unit)
        for parent, window in windows:
            first, *rest = (part.stored[window] for part in parts)
            # the first may be a `LazyArray`, which is computed and added part by part
            first = first.values() if isinstance(first, LazyWindow) else first
            product = [first, *(x.values() if isinstance(x, LazyArray) else x for x in rest), *factors]
            add_product(total, product if factor == 1 else [*product, factor], parent, nan_to_num=nan_to_num)

    @abc.abstractmethod
    def _windows_of(self, geom: Geom, weights_geom: Geom | None) -> Windows:
        """Return the indices of the pixels that this map shares with another geometry."""
