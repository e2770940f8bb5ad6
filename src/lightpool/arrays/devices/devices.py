"""Devices by name, and the two functions that copy between the host and a device.

A device is named ``cpu`` (NumPy), ``cuda`` or ``cuda:1`` (CuPy), ``torch`` or ``torch:cuda`` (PyTorch), or ``strict``
(array-api-strict, for tests). Arrays cross in `to_device` and `to_host` only, and `lightpool.arrays.devices.transfers`
counts them.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol, cast

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices import strict
from lightpool.arrays.devices.array_types import Array, CudaArray, CudaDevice, Handle, Namespace, Scalar
from lightpool.arrays.devices.libraries import available_devices, cuda_count, load_library, require_current_gpu
from lightpool.arrays.devices.strict import StrictArray, StrictLibrary
from lightpool.arrays.devices.transfers import report_to_device, report_to_host
from lightpool.errors import DeviceError

__all__ = [
    "Device",
    "array_namespace",
    "available_devices",
    "device_of",
    "find_device",
    "full_on",
    "get_default_device",
    "require_device",
    "require_known_name",
    "set_default_device",
    "to_device",
    "to_host",
    "use_device",
]


class TorchDevice(Protocol):
    """A device of PyTorch."""

    @property
    def type(self) -> str:
        """Kind of the device: ``cpu``, ``cuda``."""

    @property
    def index(self) -> int | None:
        """Number among the devices of this kind."""


class TorchArray(Array, Protocol):
    """An array of PyTorch, with what copies need beyond the standard."""

    @property
    def device(self) -> TorchDevice:
        """Device that holds the array."""

    def detach(self) -> "TorchArray":
        """Return the same values without the record of how they were computed."""

    def cpu(self) -> "TorchArray":
        """Copy the array to the host."""

    def numpy(self) -> NDArray[Any]:
        """Return the NumPy array that shares the memory of the array."""

    def copy_(self, src: Array, non_blocking: bool = False) -> object:
        """Copy the values of another array into this one."""


@dataclass(frozen=True)
class Device:
    """A device that holds arrays and computes with them. Two devices are equal when their names are.

    Attributes
    ----------
    name : str, as given to `find_device`, completed (``cuda`` is ``cuda:0``)
    xp : namespace of the array library, with the gaps filled by array-api-compat
    handle : the device as the library itself represents it, for its ``device=`` arguments
    """

    name: str
    xp: Namespace = field(compare=False, repr=False)
    handle: Handle = field(compare=False, repr=False)

    @property
    def is_host(self) -> bool:
        """Whether the arrays are NumPy's."""
        return self.name == "cpu"

    @property
    def is_cuda(self) -> bool:
        """Whether the arrays are CuPy's."""
        return self.name.startswith("cuda")

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Callable[[str], "Device"], tuple[str]]:
        return find_device, (self.name,)  # its namespace is a module, which no pickle holds


_default: Device | None = None
_NAMES = re.compile(r"cpu|cuda(:[0-9]+)?|torch(:.+)?|strict")
_scoped: ContextVar[Device | None] = ContextVar("lightpool_device", default=None)


def find_device(name: "str | Device | None" = None) -> Device:
    """Return the device of a name; None is the default device.

    Raises
    ------
    DeviceError
        If the name is not known, its library is not installed, there is no such GPU, or CuPy computes on another one.
    """
    if name is None:
        return get_default_device()
    if isinstance(name, Device):
        return name
    if not isinstance(name, str):
        raise TypeError(f"device must be a name such as 'cpu' or 'cuda', got {name!r} of type {type(name).__name__}")
    return _find_device(name.strip().lower())


def require_known_name(name: str) -> None:
    """Raise a DeviceError if a name is not that of a device on any machine."""
    if not _NAMES.fullmatch(name.strip().lower()):
        raise DeviceError(
            f"device {name!r} is not known; devices are 'cpu', 'cuda', 'cuda:N', 'torch', 'torch:cuda', 'torch:cuda:N' "
            f"and 'strict'. {_which_devices()}"
        )


@lru_cache(maxsize=64)
def _find_device(name: str) -> Device:
    require_known_name(name)
    library, _, rest = name.partition(":")
    if library == "cpu":
        return Device("cpu", _compat("numpy"), "cpu")
    if library == "cuda":
        return _cuda_device(name, int(rest or 0))
    if library == "torch":
        return _torch_device(name, rest or "cpu")
    xp = cast(Namespace, _loaded(name, "strict"))
    strict.close_holes(xp)
    return Device("strict", xp, cast(StrictLibrary, xp).Device(strict.DEVICE_NAME))


def _cuda_device(name: str, number: int) -> Device:
    cupy = _loaded(name, "cuda")
    try:
        n_device = cuda_count(cupy)
    except DeviceError as error:
        raise DeviceError(f"device {name!r}: {error}. {_which_devices()}") from error
    if number >= n_device:
        raise DeviceError(f"device {name!r} asked for, but CUDA counts {n_device} device(s). {_which_devices()}")
    require_current_gpu(cupy, number)
    return Device(f"cuda:{number}", _compat("cupy"), cupy.cuda.Device(number))


def _torch_device(name: str, torch_name: str) -> Device:
    torch = _loaded(name, "torch")
    try:
        handle = torch.empty(0, device=torch_name).device  # with the number that ``torch:cuda`` leaves open
    except (RuntimeError, AssertionError) as error:  # AssertionError: a build of PyTorch without CUDA
        raise DeviceError(f"device {name!r} asked for, but PyTorch reports: {error}. {_which_devices()}") from error
    return Device(_torch_name(handle), _compat("torch"), handle)


def _torch_name(handle: TorchDevice) -> str:
    if handle.type == "cpu":
        return "torch"
    return f"torch:{handle.type}:{handle.index or 0}"


def _compat(library: str) -> Namespace:
    return cast(Namespace, import_module(f"array_api_compat.{library}"))


def _loaded(name: str, kind: str) -> ModuleType:
    try:
        return load_library(kind)
    except DeviceError as error:
        raise DeviceError(f"device {name!r}: {error}. {_which_devices()}") from error


def _which_devices() -> str:
    return f"Available devices: {', '.join(available_devices())}."


def get_default_device() -> Device:
    """Return the device of new maps: that of `use_device`, `set_default_device`, ``LIGHTPOOL_DEVICE``, or ``cpu``."""
    scoped = _scoped.get()
    if scoped is not None:
        return scoped
    if _default is not None:
        return _default
    return find_device(os.environ.get("LIGHTPOOL_DEVICE") or "cpu")


def set_default_device(name: str | Device | None) -> None:
    """Choose the device of new maps from now on; None returns to ``LIGHTPOOL_DEVICE`` or ``cpu``."""
    global _default
    _default = None if name is None else find_device(name)


@contextmanager
def use_device(name: str | Device) -> Iterator[Device]:
    """Choose the device of new maps inside a ``with`` block, in this thread or task only."""
    token = _scoped.set(find_device(name))
    try:
        yield get_default_device()
    finally:
        _scoped.reset(token)


def array_namespace(*arrays: object) -> Namespace:
    """Return the namespace of the library of arrays, with the gaps filled by array-api-compat; numbers are ignored.

    Raises
    ------
    TypeError
        If there is no array, or if they are of more than one library.
    """
    for x in arrays:
        if type(x) is not np.ndarray:
            return array_api_compat.array_namespace(*arrays)
    # What most calls want, in a fraction of the time.
    return _find_device("cpu").xp if arrays else array_api_compat.array_namespace()


def device_of(x: Array) -> Device:
    """Return the device that holds an array."""
    if type(x) is np.ndarray or array_api_compat.is_numpy_array(x):
        return _find_device("cpu")
    if array_api_compat.is_cupy_array(x):
        return find_device(f"cuda:{cast(CudaArray, x).device.id}")
    if array_api_compat.is_torch_array(x):
        return find_device(_torch_name(cast(TorchArray, x).device))
    if _is_strict_array(x):
        return find_device("strict")
    raise TypeError(
        f"expected an array of NumPy, CuPy, PyTorch or array-api-strict, got {type(x).__name__}; "
        "an array of another library can be converted by numpy.from_dlpack, cupy.from_dlpack or torch.from_dlpack"
    )


def require_device(device: Device, other: Device) -> None:
    """Check that two objects of a calculation are on one device.

    Parameters
    ----------
    device, other : Device

    Raises
    ------
    DeviceError
        If they are not: there are no implicit copies.
    """
    if other != device:
        raise DeviceError(
            f"an object on device '{device}' is combined with one on '{other}'; copy one of them first, with "
            f'.to("{device}") or .to("{other}")'
        )


def _is_strict_array(x: object) -> bool:
    return type(x).__module__.partition(".")[0] == "array_api_strict"


def to_device(x: object, device: "str | Device | None" = None, *, dtype: str | np.dtype[Any] | None = None) -> Array:
    """Copy an array to a device, unless it is there already.

    Parameters
    ----------
    x : array on any device, or nested sequence of numbers; byte order is made native
    device : str, Device or None (the default device)
    dtype : str or NumPy data type, optional
        Name of a data type of the standard, such as ``float64``; that of ``x`` by default.
    """
    target = find_device(device)
    if target.is_host and type(x) is np.ndarray and x.dtype.isnative and dtype in (None, x.dtype):
        return x
    if not (array_api_compat.is_array_api_obj(x) and device_of(x) == target):
        array = _from_host(_native(to_host(x)), target)
    elif target.is_host:
        array = _native(cast("NDArray[Any]", x))
    else:
        array = x
    if dtype is None:
        return array
    return target.xp.astype(array, getattr(target.xp, np.dtype(dtype).name), copy=False)


def full_on(shape: tuple[int, ...], value: Scalar | np.generic, device: "str | Device | None" = None) -> Array:
    """Create an array filled with one number on a device, in the data type of NumPy for it, without a transfer.

    Parameters
    ----------
    shape : tuple of int
    value : number
    device : str, Device or None (the default device)
    """
    target, number = find_device(device), np.asarray(value)
    dtype = getattr(target.xp, number.dtype.name)
    return target.xp.full(shape, number.item(), dtype=dtype, device=target.handle)


def _native(x: NDArray[Any]) -> NDArray[Any]:
    """Convert to native byte order: CuPy and PyTorch know no other."""
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def _from_host(x: NDArray[Any], target: Device) -> Array:
    if target.is_host:
        return x
    report_to_device(x.nbytes)
    if target.name == "strict":
        return cast(StrictArray, target.xp.asarray(x)).to_device(target.handle)
    if target.name.startswith("cuda"):
        with cast(CudaDevice, target.handle):  # CuPy makes arrays on the current GPU
            return target.xp.asarray(x)
    return target.xp.asarray(np.array(x), device=target.handle)  # a copy: PyTorch would share read-only memory


def to_host(x: object) -> NDArray[Any]:
    """Copy an array to the host, as a NumPy array. No other function does this."""
    if not array_api_compat.is_array_api_obj(x) or array_api_compat.is_numpy_array(x):
        return np.asarray(x)
    values = _read_back(x)
    report_to_host(values.nbytes)
    return values


def _read_back(x: Array) -> NDArray[Any]:
    if array_api_compat.is_cupy_array(x):
        return np.asarray(cast(CudaArray, x).get())
    if array_api_compat.is_torch_array(x):
        return np.asarray(cast(TorchArray, x).detach().cpu().numpy())
    library, array = cast(StrictLibrary, array_namespace(x)), cast(StrictArray, x)
    return np.asarray(array.to_device(library.Device("CPU_DEVICE")))
