"""A module that looks like CuPy to lightpool, made of NumPy; its arrays refuse to become NumPy arrays, as CuPy's do.

`installed` puts it in the place of CuPy. Functions that CuPy has not are missing here too. Names of all calls that
would start work on a GPU are kept in `calls`, and of those that would wait for it, in `waits`. Boolean masks as indices
wait as well, and are refused. So are NumPy arrays as operands, also those without dimensions, as in CuPy.
"""

import ctypes
import operator
import sys
from contextlib import contextmanager
from functools import wraps
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np

from cuda_on_host.raw_module import GUARD, RawModule

calls: list = []
waits: list = []


def _words(text):
    return text.split()


NOT_IN_CUPY = _words(
    """
    asmatrix block bmat character errstate frompyfunc geomspace histogram_bin_edges insert isnat matrix matvec
    memmap ndenumerate nditer spacing unstack vecdot vecmat nanpercentile nanquantile einsum_path
    """
)
WAITING = _words(
    """
    argsort argwhere bincount compress delete extract flatnonzero in1d intersect1d isin lexsort median nonzero partition
    percentile place quantile setdiff1d setxor1d sort union1d unique unique_all unique_counts unique_inverse
    unique_values cholesky eigh inv lstsq pinv qr solve svd
    """
)
VIEWS = _words(
    """
    reshape ravel broadcast_to broadcast_arrays transpose permute_dims moveaxis swapaxes squeeze expand_dims
    atleast_1d atleast_2d atleast_3d matrix_transpose split array_split flip shape ndim size empty empty_like
    """
)
NO_ARRAYS = _words(
    """
    dtype finfo iinfo issubdtype isdtype result_type can_cast promote_types broadcast_shapes isscalar
    """
)


class ndarray:  # noqa: N801
    """An array on the device."""

    __array_ufunc__ = None  # NumPy keeps its hands off

    def __init__(self, host):
        self._host = host

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def get(self):
        waits.append("get")
        return self._host.copy()

    device = property(lambda self: Device(0))
    dtype = property(lambda self: self._host.dtype)
    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._host.strides)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    flags = property(lambda self: self._host.flags)
    data = property(lambda self: MemoryPointer(self._host.__array_interface__["data"][0]))
    T = property(lambda self: ndarray(self._host.T))
    mT = property(lambda self: ndarray(self._host.mT))  # noqa: N815
    real = property(lambda self: ndarray(self._host.real))
    imag = property(lambda self: ndarray(self._host.imag))

    def __len__(self):
        return len(self._host)

    def __getitem__(self, index):
        _refuse_masks(index)
        found = self._host[_host(index)]
        if _picks(index):
            calls.append("getitem")
        return _device(found)

    def __setitem__(self, index, value):
        _refuse_masks(index)
        calls.append("setitem")
        self._host[_host(index)] = _host(value)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if not copy and self.dtype == dtype:
            return self
        calls.append("astype")
        return ndarray(self._host.astype(dtype))

    def copy(self, order="C"):
        calls.append("copy")
        return ndarray(self._host.copy())

    def reshape(self, *shape):
        return ndarray(self._host.reshape(*shape))

    def __bool__(self):
        waits.append("bool")
        return bool(self._host)

    def __float__(self):
        waits.append("float")
        return float(self._host)

    def __int__(self):
        waits.append("int")
        return int(self._host)

    def __repr__(self):
        return f"stand-in {self._host!r}"

    def check_guard(self, message):
        """Fail if something was written before or behind the memory that was made for a kernel."""
        root = self._host
        while isinstance(root.base, np.ndarray):
            root = root.base
        if root.dtype == np.uint8 and root.size >= 2 * GUARD and self._host is not root:
            assert (root[:GUARD] == 0xA5).all(), message
            assert (root[-GUARD:] == 0xA5).all(), message


def _picks(index):
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, ndarray | list) for part in parts)


def _refuse_masks(index):
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, ndarray) and part.dtype == bool:
            raise TypeError("a boolean mask as an index makes the host wait for the GPU; use `where`")


def _host(x):
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, tuple | list):
        return type(x)(map(_host, x))
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}: arrays on the host must be sent to the device first")
    return x


def _device(x):
    if isinstance(x, np.ndarray | np.generic):
        return ndarray(np.asarray(x))
    return tuple(map(_device, x)) if isinstance(x, tuple | list) else x


def _function(name, plain):
    @wraps(plain)
    def function(*args, **kwargs):
        if name not in VIEWS:
            calls.append(name)
        if name in WAITING or (name == "where" and len(args) == 1):
            waits.append(name)
        kwargs.pop("stream", None)
        with np.errstate(all="ignore"):
            return _device(plain(*map(_host, args), **{key: _host(value) for key, value in kwargs.items()}))

    return function


def _binary(name):
    plain = getattr(operator, name)

    def forward(self, other):
        calls.append(name)
        with np.errstate(all="ignore"):
            result = plain(self._host, _host(other))
        if name.startswith("i") and name not in ("invert",):
            self._host = result
            return self
        return _device(result)

    def backward(self, other):
        calls.append(name)
        with np.errstate(all="ignore"):
            return _device(plain(_host(other), self._host))

    return forward, backward


for _name in [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and_",
    "or_",
    "xor",
    "lshift",
    "rshift",
]:
    _forward, _backward = _binary(_name)
    _bare = _name.rstrip("_")
    setattr(ndarray, f"__{_bare}__", _forward)
    setattr(ndarray, f"__r{_bare}__", _backward)
    setattr(ndarray, f"__i{_bare}__", _binary(f"i{_bare}")[0])
for _name in ["lt", "le", "gt", "ge", "eq", "ne"]:
    setattr(ndarray, f"__{_name}__", _binary(_name)[0])
ndarray.__hash__ = None


def _unary(name):
    plain = getattr(operator, name)

    def apply(self):
        calls.append(name)
        return ndarray(plain(self._host))

    return apply


for _name in ["neg", "pos", "abs", "invert"]:
    setattr(ndarray, f"__{_name}__", _unary(_name))


def _guarded(shape, dtype, fill):
    """Array between guards; what is not filled holds numbers that nobody takes for results."""
    dtype = np.dtype(float if dtype is None else dtype)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    n_byte = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.full(n_byte + 2 * GUARD, 0xA5, dtype=np.uint8)
    if fill is not None:
        memory[GUARD : GUARD + n_byte] = fill
    return ndarray(memory[GUARD : GUARD + n_byte].view(dtype).reshape(shape))


def empty(shape, dtype=None, order="C"):
    return _guarded(shape, dtype, None)


def zeros(shape, dtype=None, order="C"):
    calls.append("zeros")
    return _guarded(shape, dtype, 0)


def array(obj, dtype=None, copy=True, order="K"):
    if isinstance(obj, ndarray) and not copy and dtype in (None, obj.dtype):
        return obj
    calls.append("array")
    host = obj._host if isinstance(obj, ndarray) else np.asarray(obj)
    if not host.dtype.isnative:
        raise ValueError(f"Unsupported dtype {host.dtype}")
    return ndarray(np.array(host, dtype=dtype))


def asarray(obj, dtype=None, order=None):
    return array(obj, dtype=dtype, copy=False)


def ascontiguousarray(obj, dtype=None):
    if obj.flags.c_contiguous and dtype in (None, obj.dtype):
        return obj
    calls.append("ascontiguousarray")
    return ndarray(np.ascontiguousarray(obj._host, dtype=dtype))


class CUDARuntimeError(RuntimeError):
    """The error of a call of the CUDA runtime, with the text that CuPy gives it."""

    TEXTS = {  # noqa: RUF012
        2: "cudaErrorMemoryAllocation: out of memory",
        98: "cudaErrorInvalidDeviceFunction: invalid device function",
        214: "cudaErrorECCUncorrectable: uncorrectable ECC error encountered",
        700: "cudaErrorIllegalAddress: an illegal memory access was encountered",
        719: "cudaErrorLaunchFailure: unspecified launch failure",
    }

    def __init__(self, status, infos=None):
        self.status, self._infos = status, infos
        super().__init__(self.TEXTS[status])

    def __reduce__(self):
        return type(self), (self.status, self._infos)


class Device:
    """The only GPU."""

    def __init__(self, number=0):
        self.id = 0 if number is None or isinstance(number, Device) else int(number)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)


class MemoryPointer:
    def __init__(self, address):
        self.ptr = address

    def __add__(self, n_byte):
        return MemoryPointer(self.ptr + n_byte)

    def copy_from_host_async(self, address, n_byte, stream=None):
        ctypes.memmove(self.ptr, address, n_byte)


class Stream:
    """A queue in which everything is done at once."""

    def __init__(self, non_blocking=False):
        self.ptr = 1

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def wait_event(self, event):
        pass

    def synchronize(self):
        pass


class Event:
    done = True

    def __init__(self, block=False, disable_timing=False):
        pass

    def record(self, stream=None):
        pass

    def synchronize(self):
        pass


def _module(name, **members):
    module = ModuleType(name)
    vars(module).update(members)
    return module


def _functions(plain):
    found = {}
    for name in dir(plain):
        member = getattr(plain, name)
        if name.startswith("_") or name in NOT_IN_CUPY:
            continue
        if isinstance(member, type) or name in NO_ARRAYS or not callable(member):
            if not isinstance(member, ModuleType):
                found[name] = member
        else:
            found[name] = _function(name, member)
    return found


def _make():
    runtime = SimpleNamespace(
        getDeviceCount=lambda: 1, CUDARuntimeError=CUDARuntimeError, memGetInfo=lambda: (2**34, 2**34)
    )
    runtime.streamPerThread, stream = 2, Stream()
    cuda = _module("cupy.cuda", Device=Device, Stream=Stream, Event=Event, runtime=runtime)
    cuda.get_current_stream, cuda.__path__ = lambda: stream, []
    cupyx = _module("cupyx", empty_pinned=np.empty)
    place = _module("cupy.cuda.device", Device=Device)
    linalg = _module("cupy.linalg", **_functions(np.linalg), annotations=None)
    fft = _module("cupy.fft", **_functions(np.fft))
    own = {name: globals()[name] for name in ("ndarray", "empty", "zeros", "array", "asarray", "ascontiguousarray")}
    module = _module("cupy", **(_functions(np) | own), cuda=cuda, linalg=linalg, fft=fft, RawModule=RawModule)
    pool = SimpleNamespace(
        free_bytes=lambda: 0, free_all_blocks=lambda: None, used_bytes=lambda: 0, get_limit=lambda: 0
    )
    module.get_default_memory_pool = module.get_default_pinned_memory_pool = lambda: pool
    # No `clear_plan_cache`: it collects the garbage of the whole process.
    plans = SimpleNamespace(get_size=lambda: 16, set_size=lambda size: None)
    fft.config = SimpleNamespace(get_plan_cache=lambda: plans)
    module.__version__, module.__path__ = "0", []
    module.__spec__ = ModuleSpec("cupy", None, origin="stand-in")
    return {
        "cupy": module,
        "cupyx": cupyx,
        "cupy.cuda": cuda,
        "cupy.cuda.device": place,
        "cupy.linalg": linalg,
        "cupy.fft": fft,
    }


_MODULES = _make()
_OF_COMPAT: dict = {}
_PREFIXES = ("cupy", "cupyx", "array_api_compat.cupy")


def _taken_out():
    names = [name for name in sys.modules if any(name == p or name.startswith(f"{p}.") for p in _PREFIXES)]
    return {name: sys.modules.pop(name) for name in names}


@contextmanager
def installed():
    """Let lightpool find the stand-in where it looks for CuPy."""
    import array_api_compat

    from lightpool.arrays.cuda import loader
    from lightpool.arrays.devices import devices, staging, streams

    def forget():
        devices._find_device.cache_clear()
        staging._lane_to.cache_clear()
        streams.find_streams.cache_clear()
        streams._computing.clear()
        loader._module.cache_clear()
        loader._kernel.cache_clear()

    before, attribute = _taken_out(), vars(array_api_compat).pop("cupy", None)
    sys.modules.update(_MODULES | _OF_COMPAT)
    if _OF_COMPAT:
        array_api_compat.cupy = _OF_COMPAT["array_api_compat.cupy"]
    forget()
    try:
        yield _MODULES["cupy"]
    finally:
        _OF_COMPAT.update({k: v for k, v in _taken_out().items() if k.startswith("array_api_compat")})
        vars(array_api_compat).pop("cupy", None)
        if attribute is not None:
            array_api_compat.cupy = attribute
        sys.modules.update(before)
        forget()
