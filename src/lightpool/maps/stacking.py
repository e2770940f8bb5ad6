"""Adding maps to a map, in place."""

import abc
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import astropy.units as u

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.array_windows import LazyWindow
from lightpool.arrays.devices.devices import require_device
from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.kernels.accumulation import add_product
from lightpool.bridge import accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.maps.access import MapAccess
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.map_data import MapData
from lightpool.maps.operators import MapOperators, Operand
from lightpool.maps.units import unit_factor

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
        windows, factor = self.require_stackable(maps, weights)
        total = self._array_to_change()
        parts = [*maps, *([] if weights is None else [weights])]
        for parent, window in windows:
            first, *rest = (part.stored[window] for part in parts)
            # the first may be a `LazyArray`, which is computed and added part by part
            first = first.values() if isinstance(first, LazyWindow) else first
            product = [first, *(x.values() if isinstance(x, LazyArray) else x for x in rest), *factors]
            add_product(total, product if factor == 1 else [*product, factor], parent, nan_to_num=nan_to_num)

    def require_stackable(
        self, maps: Sequence[MapData], weights: MapData | None = None, unit: u.UnitBase | None = None
    ) -> tuple[Windows, float]:
        """Refuse what cannot be added to this map, before anything is changed.

        Parameters
        ----------
        maps, weights
            As in `stack_product`.
        unit : Unit, optional
            Of the sum, by default that of this map.

        Returns
        -------
        windows : list of pairs of indices
            The pixels that are shared.
        factor : float
            Converts the product to the unit of the sum.

        Raises
        ------
        GeometryError
            If pixels, axes or shapes differ.
        DeviceError
            If the maps are on different devices.
        astropy.units.UnitConversionError
            If the units are not equivalent.
        """
        geom, weights_geom = maps[0].geom, None if weights is None else weights.geom
        windows = self._windows_of(geom, weights_geom)
        for part in (*maps, *([] if weights is None else [weights])):
            require_device(self.device, part.device)
            _require_shape(self._geom, geom, part.geom)
        # the unit of a product is the product of units; weights are plain factors, whose unit does not count
        product = math.prod((values.unit for values in maps[1:]), start=maps[0].unit)
        expected = self._unit if unit is None else unit
        return windows, 1.0 if product is expected else unit_factor(product, expected)

    @abc.abstractmethod
    def _windows_of(self, geom: Geom, weights_geom: Geom | None) -> Windows:
        """Return the indices of the pixels that this map shares with another geometry."""


def _require_shape(total: Geom, first: Geom, part: Geom) -> None:
    """Require that the data of a factor broadcast to the planes of a sum, and have the pixels of the first factor."""
    n_sky = 1 if total.is_hpx else 2
    planes, pixels = tuple(part.data_shape)[:-n_sky], tuple(part.data_shape)[-n_sky:]
    expected = tuple(total.data_shape)[:-n_sky]
    is_broadcast = len(planes) <= len(expected) and all(
        n in (1, n_total) for n, n_total in zip(planes[::-1], expected[::-1], strict=False)
    )
    if not is_broadcast or pixels != tuple(first.data_shape)[-n_sky:]:
        raise GeometryError(
            f"expected {expected} planes, or one in place of several, of {tuple(first.data_shape)[-n_sky:]} pixels to "
            f"stack, got {planes} of {pixels}, with the axes {part.axes.names} on {total.axes.names}; give the maps "
            "and their weights the same axes and pixels"
        )
    if part is first or part.axes is first.axes:
        return
    for axis in part.axes:
        if axis.nbin > 1 and axis.name in first.axes.names and axis != first.axes[axis.name]:
            raise GeometryError(
                f"a map and its weights have different axes {axis.name!r}:\n{axis}\non\n{first.axes[axis.name]}\n"
                "make the weights on the geometry of the map"
            )
