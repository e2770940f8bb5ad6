"""What every map is: a geometry, an array on some device, a unit and a dictionary of metadata."""

import copy as copying
import math
import threading
from collections.abc import Sequence
from typing import Any, Self, TypeAlias, TypedDict, TypeGuard, Unpack

import array_api_compat
import astropy.units as u
import numpy as np
from numpy.typing import DTypeLike, NDArray

from lightpool.arrays.devices.array_types import Array, Namespace, Scalar
from lightpool.arrays.devices.array_windows import ArrayWindows, LazyWindow, WindowParts, copied_window
from lightpool.arrays.devices.devices import (
    Device,
    array_namespace,
    device_of,
    find_device,
    full_on,
    to_device,
    to_host,
)
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name, is_bool, is_floating
from lightpool.arrays.devices.lazy_array import LazyArray, lazy_zeros
from lightpool.arrays.devices.memory import UNCHECKED_BYTES, n_bytes_of, require_memory
from lightpool.arrays.devices.precision import DTYPES, find_precision, get_default_precision, precision_of
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, accepted
from lightpool.errors import DeviceError, GeometryError
from lightpool.maps.deferred_quantity import read_meta
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.map_card import map_card
from lightpool.maps.map_kinds import map_class
from lightpool.maps.units import as_quantity, parsed_unit
from lightpool.typing import QuantityLike, UnitLike
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = ["MapData", "MapParts", "Values", "is_off_host"]

Values: TypeAlias = Array | u.Quantity | Scalar | np.generic | Sequence[object]
"""Values of a map, with or without a unit: an array on any device, a number or nested lists."""


class MapParts(TypedDict, total=False):
    """What `MapData.copy` can replace."""

    geom: Geom
    data: Values | LazyArray | None
    unit: UnitLike
    meta: dict[str, Any]


class _Copied:
    """Stands for the data of the map that is copied, since None stands for an empty map."""


_COPIED = _Copied()
_STORED = threading.Lock()  # held only while an array is stored, or noted as shared, never while one is computed
_LESS = "take larger pixels (a larger binsz), a smaller width or fewer bins on the axes; or take another device"


_GEOMS: dict[type[Any], bool] = {}


def _is_geom(kind: type[Any]) -> bool:
    """Return whether a class is one of geometries, remembered: to check an abstract class takes long."""
    known = _GEOMS.get(kind)
    return _GEOMS.setdefault(kind, issubclass(kind, Geom)) if known is None else known


def is_off_host(value: object) -> TypeGuard[Array]:
    """Return whether a value is an array of another library than NumPy, which need not be on the host."""
    return array_api_compat.is_array_api_obj(value) and not array_api_compat.is_numpy_array(value)


def _forward(values: Array) -> Array:
    """Copy a NumPy view with a negative stride: through DLPack, it would crash PyTorch."""
    if isinstance(values, np.ndarray) and min(values.strides, default=0) < 0:
        return values.copy()
    return values


def _dtype_name(dtype: DTypeLike | None) -> str:
    return DTYPES[get_default_precision()] if dtype is None else np.dtype(dtype).name


def _with_dtype(value: Values | LazyArray, dtype: DTypeLike | None) -> Values | LazyArray:
    """Return a float in the data type of the map that is filled with it, and any other value unchanged."""
    return np.dtype(_dtype_name(dtype)).type(value) if isinstance(value, float) else value


class MapData(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """Geometry, data, unit and metadata of a map; base of `lightpool.maps.Map`.

    Parameters
    ----------
    geom : Geom
        Geometry of the map.
    data : array, Quantity or number, optional
        Values, of a shape that broadcasts to ``geom.data_shape``. An array stays on its device, and one of the full
        shape is not copied. A `LazyArray` of that shape is computed when the values are first used.
    dtype : str, optional
        Data type of an empty map, or of one filled with a number; by default that of the default precision.
    meta : dict, optional
        Metadata.
    unit : str or Unit
        Ignored if the data are a Quantity.
    device : str or Device, optional
        Device of the data; by default that of the array, and the default device for host data and empty maps.
    """

    _consumed = ("dtype",)
    _geom: Geom
    _stored: Array | LazyArray
    _is_shared: bool = True
    """Whether somebody else may hold the array, and change it without this map noticing."""
    _windows: ArrayWindows | None = None
    """Cutouts of the array that were not copied yet."""
    _unit: u.UnitBase
    _meta: dict[str, Any]

    def __init__(
        self,
        geom: Geom,
        data: Values | LazyArray | None = None,
        dtype: DTypeLike | None = None,
        meta: dict[str, Any] | None = None,
        unit: UnitLike = "",
        device: str | Device | None = None,
    ) -> None:
        geom = geom if _is_geom(type(geom)) else accepted(geom)
        self._keep(
            _geom=geom,
            _unit=unit if isinstance(unit, u.UnitBase) else parsed_unit(unit),
            _meta={} if meta is None else meta,
        )
        if isinstance(data, LazyArray) and data.shape == tuple(geom.data_shape):
            self._keep(_stored=data, _is_shared=False)
            return
        target = find_device(device)
        if data is None:
            self._keep(_stored=self._empty_data(_dtype_name(dtype), target), _is_shared=False)
            return
        if isinstance(data, u.Quantity):
            self._unit = data.unit
            data = data.value
        # NumPy arrays have no device of their own: they go to the default device
        if device is None and is_off_host(data):
            target = device_of(data)
        self._stored = self._fitted(_with_dtype(data, dtype), target)

    def _empty_data(self, dtype: str, target: Device) -> Array | LazyArray:
        xp = target.xp
        self._require_memory(target, dtype=dtype)
        return xp.zeros(self._geom.data_shape, dtype=getattr(xp, dtype), device=target.handle)

    def _require_memory(self, target: Device, geom: Geom | None = None, dtype: str | None = None) -> None:
        """Raise OutOfMemoryError if a map does not fit on a device; by default one with the shape and type of this."""
        geom = self._geom if geom is None else geom
        shape = tuple(geom.data_shape)
        if n_bytes_of(shape) <= UNCHECKED_BYTES:  # for small maps, composing the message would take longest
            return
        n_bytes = n_bytes_of(shape, dtype_name(self._stored) if dtype is None else dtype)
        what = f"a map with axes {geom.axes_names} and data of shape {shape}"
        require_memory(n_bytes, target, what=what, advice=_LESS)

    def _fitted(self, value: Values | LazyArray, target: Device) -> Array:
        """Return a value as an array on a device that has the shape of the geometry."""
        shape = tuple(self._geom.data_shape)
        if isinstance(value, int | float | np.generic):
            array = full_on(shape, value, target)
        else:
            array = self._reshaped(_forward(to_device(value, target)), shape)
        if tuple(array.shape) == shape:
            return array
        xp = array_namespace(array)
        try:
            spread = xp.broadcast_to(array, shape)
        except (ValueError, RuntimeError, IndexError) as error:
            raise GeometryError(
                f"Input shape {tuple(array.shape)} is not compatible with shape from geometry {shape}; "
                f"the axes of the geometry are {self._geom.axes_names}"
            ) from error
        # a copy: bins of a broadcast array share memory, and so would change together
        return xp.asarray(spread, copy=True)

    def _reshaped(self, array: Array, shape: tuple[int, ...]) -> Array:
        return array

    @property
    def geom(self) -> Geom:
        """Geometry of the map."""
        return self._geom

    @property
    def stored(self) -> Array | LazyArray:
        """Values as they are stored: an array, or a `LazyArray` that is not computed before `data` is used.

        What is only added to another map need not be computed as a whole, see `Map.stack_product`.
        """
        return self._stored

    @property
    def data(self) -> Array:
        """Values, an array of shape ``geom.data_shape`` on the device of the map.

        Other libraries use it without a copy through their ``from_dlpack``, see ``docs/explanation/interchange.md``.
        """
        values = self._array()
        if not self._is_shared:
            with _STORED:
                windows = self._windows
                self._keep(_windows=None, _is_shared=True)
            # whoever gets the array may change it
            if windows is not None:
                windows.copy_now()
        return values

    @data.setter
    def data(self, value: Values) -> None:
        if isinstance(value, u.Quantity):
            raise TypeError("map data must be an array without unit; assign the Quantity to map.quantity instead")
        target = device_of(value) if is_off_host(value) else self.device
        self._replace(self._fitted(_with_dtype(value, self._dtype_of_numbers()), target))

    def _array(self) -> Array:
        """Return the values for methods of this class, which neither change them nor hand them out."""
        stored = self._stored
        if not isinstance(stored, LazyArray):
            return stored
        self._require_memory(stored.device)
        values = stored.values()
        with _STORED:  # if two threads compute the same values, both use those that were ready first
            if self._stored is stored:
                self._stored = values
        return self._array()

    def _array_to_change(self) -> Array:
        """Return the values for a method that changes them in place; cutouts are copied before."""
        values, windows = self._array(), self._windows
        if windows is not None:
            windows.copy_now()
        return values

    def _replace(self, values: Array) -> None:
        """Store another array in place of the present one, which stays as it is."""
        with _STORED:
            windows = self._windows
            self._keep(_stored=values, _windows=None, _is_shared=True)
        # an array that nobody else needs must not be kept for a cutout
        if windows is not None:
            windows.copy_now()

    def _window(self, geom: Geom, parts: WindowParts) -> Array | LazyArray:
        """Return the values of a cutout; they are copied later, if nobody else can change those of this map.

        Parameters
        ----------
        geom : Geom, of the cutout
        parts : indices of the pixels that they share; the cutout is zero elsewhere
        """
        stored, shape, device = self._stored, tuple(geom.data_shape), self.device
        if isinstance(stored, LazyArray) and stored.is_zero:
            return lazy_zeros(shape, dtype_name(stored), device)
        with _STORED:
            stored = self._stored
            if not (self._is_shared or isinstance(stored, LazyArray)):
                if self._windows is None:
                    self._windows = ArrayWindows(stored, device)
                return self._windows.window(shape, parts)
        return copied_window(stored, shape, parts, device)

    def _dtype_of_numbers(self) -> str | None:
        """Return the data type that a float takes when it fills this map: that of the map if it is floating-point."""
        return dtype_name(self._stored) if is_floating(self._stored) else None

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the values."""
        return self._unit

    @property
    def quantity(self) -> u.Quantity:
        """Values with their unit; for maps on the host.

        Raises
        ------
        DeviceError
            If the map is on another device.
        """
        return as_quantity(self.data, self._unit)

    @quantity.setter
    def quantity(self, value: QuantityLike) -> None:
        quantity = u.Quantity(value, copy=None)
        self._replace(self._fitted(quantity.value, self.device))
        self._unit = quantity.unit

    @property
    def meta(self) -> dict[str, Any]:
        """Metadata; values still pending on the device, such as the livetime of a stack, are read."""
        read_meta(self._meta)
        return self._meta

    @meta.setter
    def meta(self, meta: dict[str, Any]) -> None:
        self._meta = meta

    @property
    def unread_meta(self) -> dict[str, Any]:
        """Metadata as stored: a value still pending on the device is a ``DeferredQuantity``."""
        return self._meta

    @property
    def is_mask(self) -> bool:
        """Whether the map holds True and False."""
        return is_bool(self._stored)

    @property
    def device(self) -> Device:
        """Device of the data."""
        return self._stored.device if isinstance(self._stored, LazyArray) else device_of(self._stored)

    @property
    def _xp(self) -> Namespace:
        return array_namespace(self._array())

    @property
    def precision(self) -> str:
        """Precision of the values, ``single`` (float32) or ``double``; for masks, the default precision."""
        return precision_of(self._stored)

    def _in_own_type(self, values: Array) -> Array:
        """Return floating-point values computed from this map as float32 if the map is float32."""
        return as_dtype(values, "float32") if dtype_name(self._stored) == "float32" and is_floating(values) else values

    def to(self, device: str | Device | None = None, precision: str | None = None) -> Self:
        """Return the map on a device and in a precision; the map itself if nothing changes.

        Parameters
        ----------
        device : str or Device, optional
            By default the device of the map.
        precision : ``single`` (float32) or ``double`` (float64), optional
            By default that of the map; masks and integers keep their type.
        """
        target = self.device if device is None else find_device(device)
        dtype = dtype_name(self._stored)
        if precision is not None and is_floating(self._stored):
            dtype = DTYPES[find_precision(precision)]
        if target == self.device and dtype == dtype_name(self._stored):
            return self
        self._require_memory(target, dtype=dtype)
        # not `unread_meta`: values that are pending on the former device are read here
        meta = copying.deepcopy(self.meta)
        if isinstance(self._stored, LazyArray) and self._stored.is_zero:  # nothing to copy
            data: Array | LazyArray = lazy_zeros(self._stored.shape, dtype, target)
        else:
            data = to_device(self.data, target, dtype=dtype)
        return type(self)(self._geom, data=data, unit=self._unit, meta=meta, device=target)

    def copy(self, **kwargs: Unpack[MapParts]) -> Self:
        """Return a copy of the map.

        Parameters
        ----------
        **kwargs : dict
            What to replace in the copy: ``data``, ``unit``, ``meta`` or ``geom`` (of the same shape).
        """
        geom = kwargs.get("geom")
        if geom is not None and geom.data_shape != self._geom.data_shape:
            raise GeometryError(
                "Can't copy and change data size of the map. "
                f"Current shape {self._geom.data_shape}, requested shape {geom.data_shape}"
            )
        return self._init_copy(**kwargs)

    def outline(self, geom: Geom | None = None) -> Self:
        """Return a map on the same device that has a geometry and a unit, but no values of its own.

        All pixels share one NaN (0 or False for integers and masks), which takes no memory and cannot be written to.

        Parameters
        ----------
        geom : Geom, optional
            By default that of the map.
        """
        geom = self._geom if geom is None else geom
        xp = self.device.xp
        value = xp.zeros((), dtype=self._stored.dtype, device=self.device.handle)
        # integers and masks have no NaN
        value = value + float("nan") if is_floating(value) else value
        data = xp.broadcast_to(value, tuple(geom.data_shape))
        return type(self)(geom, data=data, unit=self._unit, device=self.device)

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def _init_copy(
        self,
        *,
        geom: Geom | None = None,
        data: Values | LazyArray | _Copied | None = _COPIED,
        unit: "UnitLike | None" = None,
        meta: dict[str, Any] | None = None,
    ) -> Self:
        """Make a map on the same device; what is not given is copied, and ``data=None`` makes an empty map."""
        if isinstance(data, _Copied):
            self._require_memory(self.device)
            return self._made_of(self._copied_values(), geom, unit, meta)
        kind: type[Self] = type(self)
        if geom is not None and (geom.is_region, geom.is_hpx) != (self._geom.is_region, self._geom.is_hpx):
            kind = map_class(geom)  # such as the values of an image in a region
        return kind(
            self._geom if geom is None else geom,
            data=data,
            unit=self._unit if unit is None else unit,
            meta=self._copied_meta() if meta is None else meta,
            device=None if is_off_host(data) else self.device,  # arrays of other libraries stay on their device
        )

    def _copied_meta(self) -> dict[str, Any]:
        return copying.deepcopy(self._meta) if self._meta else {}

    def _copied_values(self) -> Array | LazyArray:
        stored = self._stored
        if isinstance(stored, LazyWindow) or (isinstance(stored, LazyArray) and stored.is_zero):
            return stored  # no array yet: each map makes its own
        return self._xp.asarray(self._array(), copy=True)

    def _made_of(
        self,
        values: Array | LazyArray,
        geom: Geom | None = None,
        unit: "UnitLike | None" = None,
        meta: dict[str, Any] | None = None,
    ) -> Self:
        """Make a map of new values that nobody else holds, on the device of this map."""
        new = self._init_copy(geom=geom, data=values, unit=unit, meta=meta)
        new._is_shared = False
        return new

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if not array_api_compat.is_numpy_array(self.data):
            raise DeviceError(
                f"NumPy needs arrays on the host, but this map is on device '{self.device}'; "
                'copy it there first with .to("cpu")'
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def __getstate__(self) -> dict[str, Any]:
        # host: a pickle holds the values as a NumPy array, and the name of the device to restore them on
        read_meta(self._meta)
        # All pixels of an outline share one value: pickle only that.
        values = self._array()
        values = values[(0,) * values.ndim] if _is_outline(values) else values
        state = self.__dict__ | {"_stored": np.asarray(to_host(values)), "_device": self.device.name}
        return {name: value for name, value in state.items() if name not in ("_windows", "_is_shared")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        state["_stored"] = to_device(state["_stored"], state.pop("_device"))
        self.__dict__.update(state)
        shape = tuple(self._geom.data_shape)
        if tuple(self._stored.shape) != shape:
            # an outline, of which one value was pickled
            self._stored = self._xp.broadcast_to(self.data, shape)

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}\n\n"
            f"\tgeom  : {type(self._geom).__name__} \n "
            f"\taxes  : {self._geom.axes_names}\n"
            f"\tshape : {tuple(self._geom.data_shape[::-1])}\n"
            f"\tndim  : {self._geom.ndim}\n"
            f"\tunit  : {self._unit}\n"
            f"\tdtype : {dtype_name(self._stored)}\n"
        )

    def __repr__(self) -> str:
        return str(self)

    def html_card(self) -> Card:
        """Return what notebooks show of the map."""
        return map_card(self)


def _is_outline(data: Array) -> bool:
    """Return whether all pixels share one value in memory, see `MapData.outline`; not all libraries know."""
    strides = data.stride() if hasattr(data, "stride") else getattr(data, "strides", (1,))
    return math.prod(data.shape) > 1 and not any(strides)
