"""Arithmetic, comparison and logic of maps."""

from typing import Self, TypeAlias, TypedDict, Unpack, cast

import astropy.units as u
import numpy as np

from lightpool.arrays.devices.array_types import Array, Scalar
from lightpool.arrays.devices.devices import device_of, full_on, require_device, to_device, to_host
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, is_bool
from lightpool.bridge import accepted
from lightpool.errors import GeometryError
from lightpool.maps.map_data import MapData, Values, is_off_host
from lightpool.maps.units import unit_factor
from lightpool.typing import UnitLike

__all__ = ["MapOperators", "Operand"]

Operand: TypeAlias = MapData | Values
"""What a map can be combined with: a map of the same geometry, a number, a Quantity or an array."""


class Tolerances(TypedDict, total=False):
    """Tolerances of `numpy.allclose`."""

    rtol: float
    atol: float
    equal_nan: bool


class MapOperators(MapData):
    """Operators between maps of one geometry, and between a map and a number, a Quantity or an array.

    Products and quotients combine the units; sums, differences and comparisons convert the other operand to the unit
    of this map. The result of a comparison is a mask without unit.
    """

    def _other_values(self, other: Operand) -> tuple[Array | Scalar, u.UnitBase]:
        """Return the values of the other operand, on the device of this map, and their unit."""
        other = accepted(other)
        if isinstance(other, MapData):
            # shapes that broadcast are not enough: pixels must be the same
            if self._geom != other.geom:
                raise GeometryError(
                    "Map Arithmetic: Inconsistent geometries. Left and right are\n"
                    f"{self._geom}\n{other.geom}\nuse `interp_to_geom` or `cutout` to convert one to the other"
                )
            require_device(self.device, other.device)
            return other.data, other.unit
        if isinstance(other, np.number | np.bool_):  # it has no device of its own, but a data type, which counts
            number = np.asarray(other) if self.device.is_host else full_on((), other, self.device)
            return number, u.dimensionless_unscaled
        if is_off_host(other):
            require_device(self.device, device_of(other))
            return other, u.dimensionless_unscaled
        quantity = u.Quantity(other, copy=None)
        if quantity.isscalar:
            return quantity.value.item(), quantity.unit
        return to_device(quantity.value, self.device), quantity.unit

    def _calculated(self, name: str, other: Operand) -> tuple[Array, u.UnitBase]:
        values, unit = self._other_values(other)
        if name == "multiply":
            return apply_operator(name, self.data, values), self._unit * unit
        if name == "divide":
            return apply_operator(name, self.data, values), self._unit / unit
        factor = unit_factor(unit, self._unit)
        if factor != 1:
            values = values * factor if isinstance(values, int | float) else apply_operator("multiply", values, factor)
        data = self.data
        if name in ("add", "subtract"):  # True counts as 1; the union of masks is ``|``
            data = as_dtype(data, "float64") if is_bool(data) else data
        return apply_operator(name, data, values), self._unit

    def _arithmetic(self, name: str, other: Operand) -> Self:
        data, unit = self._calculated(name, other)
        return self._init_copy(data=data, unit=unit)

    def _arithmetic_in_place(self, name: str, other: Operand) -> Self:
        values, self._unit = self._calculated(name, other)
        self._replace(values)
        return self

    def _comparison(self, name: str, other: object) -> Self:
        data, _ = self._calculated(name, cast(Operand, other))  # `__eq__` must accept anything
        return self._init_copy(data=data, unit="")

    def _logical(self, name: str, other: Operand) -> Array:
        values = other if isinstance(other, bool) else self._other_values(other)[0]
        return apply_operator(name, self.data, values)

    def _logic(self, name: str, other: Operand) -> Self:
        return self._init_copy(data=self._logical(name, other))

    def _logic_in_place(self, name: str, other: Operand) -> Self:
        self._replace(self._logical(name, other))
        return self

    def __add__(self, other: Operand) -> Self:
        return self._arithmetic("add", other)

    def __iadd__(self, other: Operand) -> Self:
        return self._arithmetic_in_place("add", other)

    def __sub__(self, other: Operand) -> Self:
        return self._arithmetic("subtract", other)

    def __isub__(self, other: Operand) -> Self:
        return self._arithmetic_in_place("subtract", other)

    def __mul__(self, other: Operand) -> Self:
        return self._arithmetic("multiply", other)

    def __imul__(self, other: Operand) -> Self:
        return self._arithmetic_in_place("multiply", other)

    def __truediv__(self, other: Operand) -> Self:
        return self._arithmetic("divide", other)

    def __itruediv__(self, other: Operand) -> Self:
        return self._arithmetic_in_place("divide", other)

    def __lt__(self, other: Operand) -> Self:
        return self._comparison("less", other)

    def __le__(self, other: Operand) -> Self:
        return self._comparison("less_equal", other)

    def __gt__(self, other: Operand) -> Self:
        return self._comparison("greater", other)

    def __ge__(self, other: Operand) -> Self:
        return self._comparison("greater_equal", other)

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self._comparison("equal", other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return self._comparison("not_equal", other)

    def __and__(self, other: Operand) -> Self:
        return self._logic("logical_and", other)

    def __or__(self, other: Operand) -> Self:
        return self._logic("logical_or", other)

    def __xor__(self, other: Operand) -> Self:
        return self._logic("logical_xor", other)

    def __iand__(self, other: Operand) -> Self:
        return self._logic_in_place("logical_and", other)

    def __ior__(self, other: Operand) -> Self:
        return self._logic_in_place("logical_or", other)

    def __ixor__(self, other: Operand) -> Self:
        return self._logic_in_place("logical_xor", other)

    def __invert__(self) -> Self:
        return self._init_copy(data=~as_dtype(self.data, "bool"))

    __hash__ = None  # type: ignore[assignment]

    def to_unit(self, unit: UnitLike) -> Self:
        """Return the map with its values converted to another unit."""
        factor = unit_factor(self._unit, unit)
        return self._init_copy(data=apply_operator("multiply", self.data, factor), unit=unit)

    def is_allclose(
        self, other: MapData, rtol_axes: float = 1e-3, atol_axes: float = 1e-6, **kwargs: Unpack[Tolerances]
    ) -> bool:
        """Return whether another map of the same kind has the same axes and values; reads both maps to the host.

        Parameters
        ----------
        other : Map
        rtol_axes, atol_axes : float
            Tolerances for the axes.
        **kwargs : ``rtol``, ``atol`` and ``equal_nan`` of `numpy.allclose`, for the values
        """
        if not isinstance(other, type(self)):
            raise TypeError(f"Cannot compare {type(self)} and {type(other)}")
        if tuple(self.data.shape) != tuple(other.data.shape):
            return False
        if not self._geom.axes.is_allclose(other.geom.axes, rtol=rtol_axes, atol=atol_axes):
            return False
        # the values may have different units: `numpy.allclose` converts quantities
        mine = u.Quantity(to_host(self.data), self._unit, copy=None)  # host: the answer is a Python bool
        return bool(np.allclose(mine, u.Quantity(to_host(other.data), other.unit, copy=None), **kwargs))
