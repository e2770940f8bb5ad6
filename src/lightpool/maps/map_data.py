"""What every map is: a geometry, an array on some device, a unit and a dictionary of metadata."""

import copy as copying
import html
import math
import threading
from functools import lru_cache
from typing import Any, ClassVar, Self

import array_api_compat
import astropy.units as u
import numpy as np

from lightpool.arrays.devices.array_types import Array, Namespace
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
from lightpool.errors import DeviceError, GeometryError
from lightpool.maps.deferred_quantity import read_meta

__all__ = ["MapData", "as_quantity", "unit_factor"]

_KEEP: Any = object()
_COMPUTED = threading.Lock()
_LESS = "take larger pixels (a larger binsz), a smaller width or fewer bins on the axes; or take another device"


@lru_cache(maxsize=256)
def _parsed_unit(text: str) -> u.UnitBase:
    return u.Unit(text)  # astropy parses a text anew each time


@lru_cache(maxsize=256)
def unit_factor(unit: Any, other: Any) -> float:
    """Find the number that turns values in one unit into values in another.

    Raises
    ------
    astropy.units.UnitConversionError
        If the units do not measure the same thing.
    """
    return float(u.Unit(unit).to(u.Unit(other)))


def as_quantity(values: Array, unit: Any) -> u.Quantity:
    """Array on the host with its unit.

    Raises
    ------
    DeviceError
        If the array lives on another device: a Quantity is a NumPy array, and nothing is copied in silence.
    """
    if not array_api_compat.is_numpy_array(values):
        raise DeviceError(
            f"a Quantity lives on the host, but these values are on device '{device_of(values)}'; "
            'copy the map there first with .to("cpu")'
        )
    return u.Quantity(values, unit, copy=None)


def _forward(values: Array) -> Array:
    """Copy a NumPy view that runs backwards: handed over by DLPack it ends the process inside PyTorch."""
    if array_api_compat.is_numpy_array(values) and min(values.strides, default=0) < 0:
        return values.copy()
    return values


def _dtype_name(dtype: Any) -> str:
    return DTYPES[get_default_precision()] if dtype is None else np.dtype(dtype).name


def _with_dtype(value: Any, dtype: Any) -> Any:
    """Number with the data type of a map that is made of it, if it is not whole; other values as they are."""
    return np.dtype(_dtype_name(dtype)).type(value) if isinstance(value, float) else value


class MapData(KnownAttributes):
    """Geometry, data, unit and metadata of a map; base of `lightpool.maps.Map`.

    Parameters
    ----------
    geom : Geom
    data : array, Quantity or number, optional
        Values, of a shape that broadcasts to ``geom.data_shape``. An array on a device stays there, and one of the
        whole shape is not copied. A `LazyArray` of that shape is worked out when the values are asked for.
    dtype : str, optional
        Data type of an empty map, or of one that is made of a number; by default that of the default precision.
    meta : dict, optional
    unit : str or Unit
        Left out of account where the data are a Quantity.
    device : str or Device, optional
        Where the data live; by default where they are, and the default device for host data and empty maps.
    """

    geom_class: ClassVar[Any] = None
    _consumed = ("dtype",)
    _geom: Any
    _held: Array | LazyArray
    _unit: u.UnitBase
    _meta: dict[str, Any]

    def __init__(
        self,
        geom: Any,
        data: Any = None,
        dtype: Any = None,
        meta: dict[str, Any] | None = None,
        unit: Any = "",
        device: str | Device | None = None,
    ) -> None:
        self._keep(
            _geom=geom,
            _unit=_parsed_unit(unit) if isinstance(unit, str) else u.Unit(unit),
            _meta={} if meta is None else meta,
        )
        if isinstance(data, LazyArray) and data.shape == tuple(geom.data_shape):
            self._held = data
            return
        target = find_device(device)
        if data is None:
            self._held = self._empty_data(_dtype_name(dtype), target)
            return
        if isinstance(data, u.Quantity):
            self._unit = data.unit
            data = data.value
        stays = device is None and array_api_compat.is_array_api_obj(data)
        if stays and not array_api_compat.is_numpy_array(data):
            target = device_of(data)
        self._held = self._fitted(_with_dtype(data, dtype), target)

    def _empty_data(self, dtype: str, target: Device) -> Array | LazyArray:
        xp = target.xp
        self._require_memory(target, dtype=dtype)
        return xp.zeros(self._geom.data_shape, dtype=getattr(xp, dtype), device=target.handle)

    def _require_memory(self, target: Device, geom: Any = None, dtype: str | None = None) -> None:
        """Refuse a map that does not fit on a device; geometry and data type are those of this one by default."""
        geom = self._geom if geom is None else geom
        shape = tuple(geom.data_shape)
        if n_bytes_of(shape) <= UNCHECKED_BYTES:  # else the text would take longer than the map
            return
        n_bytes = n_bytes_of(shape, dtype_name(self._held) if dtype is None else dtype)
        what = f"a map with axes {geom.axes_names} and data of shape {shape}"
        require_memory(n_bytes, target, what=what, advice=_LESS)

    def _fitted(self, value: Any, target: Device) -> Array:
        """Make of the value an array of the shape of the geometry on a device."""
        shape = tuple(self._geom.data_shape)
        if np.isscalar(value):
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
        return xp.asarray(spread, copy=True)

    def _reshaped(self, array: Array, shape: tuple[int, ...]) -> Array:
        return array

    @property
    def geom(self) -> Any:
        """Geometry of the map."""
        return self._geom

    @property
    def _data(self) -> Array:
        held = self._held
        if not isinstance(held, LazyArray):
            return held
        self._require_memory(held.device)
        values = held.values()
        with _COMPUTED:  # of two threads that compute the same values, the first to finish counts
            if self._held is held:
                self._held = values
        return self._data

    @_data.setter
    def _data(self, values: Array) -> None:
        self._held = values

    @property
    def data(self) -> Array:
        """Values, an array of shape ``geom.data_shape`` on the device of the map.

        Other libraries take it without a copy by their ``from_dlpack``, see ``docs/interchange.md``.
        """
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if isinstance(value, u.Quantity):
            raise TypeError("map data must be an array without unit; assign the Quantity to map.quantity instead")
        on_device = array_api_compat.is_array_api_obj(value) and not array_api_compat.is_numpy_array(value)
        value = _with_dtype(value, dtype_name(self._data) if is_floating(self._data) else None)
        self._data = self._fitted(value, device_of(value) if on_device else self.device)

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the values."""
        return self._unit

    @property
    def quantity(self) -> u.Quantity:
        """Values with their unit; only on the host.

        Raises
        ------
        DeviceError
            If the map lives on another device.
        """
        return as_quantity(self._data, self._unit)

    @quantity.setter
    def quantity(self, value: Any) -> None:
        value = u.Quantity(value, copy=None)
        self._data = self._fitted(value.value, self.device)
        self._unit = value.unit

    @property
    def meta(self) -> dict[str, Any]:
        """Metadata; what waits on the device, such as the livetime of a stack, is read."""
        read_meta(self._meta)
        return self._meta

    @meta.setter
    def meta(self, meta: dict[str, Any]) -> None:
        self._meta = meta

    @property
    def unread_meta(self) -> dict[str, Any]:
        """Metadata as they are: what waits on the device is a `DeferredQuantity`."""
        return self._meta

    @property
    def is_mask(self) -> bool:
        """Whether the map holds True and False."""
        return is_bool(self._held)

    @property
    def device(self) -> Device:
        """Device that the data live on."""
        return self._held.device if isinstance(self._held, LazyArray) else device_of(self._held)

    @property
    def _xp(self) -> Namespace:
        return array_namespace(self._data)

    @property
    def precision(self) -> str:
        """How exact the values are, ``single`` (float32) or ``double``; the default one for masks."""
        return precision_of(self._held)

    def _in_own_type(self, values: Array) -> Array:
        """Floating-point values that were made of this map, as float32 if the map is; else as they are."""
        return as_dtype(values, "float32") if dtype_name(self._data) == "float32" and is_floating(values) else values

    def to(self, device: str | Device | None = None, precision: str | None = None) -> Self:
        """Map with its data on a device and in a precision; the map itself if nothing changes.

        Parameters
        ----------
        device : str or Device, optional
            By default where the map is.
        precision : ``single`` (float32) or ``double`` (float64), optional
            By default what the map has; masks and whole numbers stay what they are.
        """
        target = self.device if device is None else find_device(device)
        dtype = dtype_name(self._held)
        if precision is not None and is_floating(self._held):
            dtype = DTYPES[find_precision(precision)]
        if target == self.device and dtype == dtype_name(self._held):
            return self
        self._require_memory(target, dtype=dtype)
        meta = copying.deepcopy(self.meta)
        if isinstance(self._held, LazyArray) and self._held.is_zero:  # made there
            data: Any = lazy_zeros(self._held.shape, dtype, target)
        else:
            data = to_device(self._data, target, dtype=dtype)
        return type(self)(self._geom, data=data, unit=self._unit, meta=meta, device=target)

    def copy(self, **kwargs: Any) -> Self:
        """Copy of the map.

        Parameters
        ----------
        **kwargs : dict
            What differs in the copy: ``data``, ``unit``, ``meta`` or ``geom`` (of the same shape).
        """
        geom = kwargs.get("geom")
        if geom is not None and geom.data_shape != self._geom.data_shape:
            raise GeometryError(
                "Can't copy and change data size of the map. "
                f"Current shape {self._geom.data_shape}, requested shape {geom.data_shape}"
            )
        return self._init_copy(**kwargs)

    def outline(self, geom: Any = None) -> Self:
        """Map on the same device that has a geometry and a unit, but no values of its own.

        All are one NaN (0 or False where the type knows no NaN), which takes no memory and cannot be written to.

        Parameters
        ----------
        geom : Geom, optional
            That of the map by default.
        """
        geom = self._geom if geom is None else geom
        xp = self.device.xp
        value = xp.zeros((), dtype=self._held.dtype, device=self.device.handle)
        value = value + float("nan") if is_floating(value) else value
        data = xp.broadcast_to(value, tuple(geom.data_shape))
        return type(self)(geom, data=data, unit=self._unit, device=self.device)

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def _init_copy(
        self, *, geom: Any = None, data: Any = _KEEP, unit: Any = None, meta: dict[str, Any] | None = None
    ) -> Self:
        """Make a map on the same device; what is not given is copied, and ``data=None`` makes an empty map."""
        if data is _KEEP:
            self._require_memory(self.device)
            data = self._xp.asarray(self._data, copy=True)
        on_device = array_api_compat.is_array_api_obj(data) and not array_api_compat.is_numpy_array(data)
        return type(self)(
            self._geom if geom is None else geom,
            data=data,
            unit=self._unit if unit is None else unit,
            meta=copying.deepcopy(self._meta) if meta is None else meta,
            device=None if on_device else self.device,
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if not array_api_compat.is_numpy_array(self._data):
            raise DeviceError(
                f"NumPy reads from the host, but this map is on device '{self.device}'; "
                'copy it there first with .to("cpu")'
            )
        return np.array(self._data, dtype=dtype, copy=copy)

    def __getstate__(self) -> dict[str, Any]:
        # host: a pickle holds the values as NumPy keeps them, and the name of the device that they go back to
        read_meta(self._meta)
        # Of an outline one value is sent, which takes no memory here and there.
        held = self._data[(0,) * self._data.ndim] if _is_outline(self._data) else self._data
        return self.__dict__ | {"_held": np.asarray(to_host(held)), "_device": self.device.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        state["_held"] = to_device(state["_held"], state.pop("_device"))
        self.__dict__.update(state)
        shape = tuple(self._geom.data_shape)
        if tuple(self._held.shape) != shape:
            self._held = self._xp.broadcast_to(self._data, shape)

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}\n\n"
            f"\tgeom  : {type(self._geom).__name__} \n "
            f"\taxes  : {['lon', 'lat', *self._geom.axes.names]}\n"
            f"\tshape : {tuple(self._geom.data_shape[::-1])}\n"
            f"\tndim  : {self._geom.ndim}\n"
            f"\tunit  : {self._unit}\n"
            f"\tdtype : {dtype_name(self._held)}\n"
        )

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _is_outline(data: Array) -> bool:
    """Whether all elements are one in memory, see `outline`; not every library tells."""
    strides = data.stride() if hasattr(data, "stride") else getattr(data, "strides", (1,))
    return math.prod(data.shape) > 1 and not any(strides)
