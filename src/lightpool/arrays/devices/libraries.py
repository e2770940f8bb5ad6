"""The array libraries other than NumPy: importing them, the devices they find, and advice where that fails."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from lightpool.arrays.devices.cuda_driver import cuda_driver
from lightpool.errors import DeviceError
from lightpool.utils.optional_packages import install_command

__all__ = [
    "available_devices",
    "cuda_count",
    "cuda_devices",
    "how_to_install",
    "is_installed",
    "load_library",
    "require_current_gpu",
    "torch_devices",
]

_MODULES = {"cuda": "cupy", "torch": "torch", "strict": "array_api_strict"}


def how_to_install(kind: str) -> str:
    """Return the command that installs the library of ``cuda`` (one that fits the driver), ``torch`` or ``strict``."""
    if kind != "cuda":
        return install_command({"torch": "torch", "strict": "test"}[kind])
    driver = cuda_driver()
    if driver is None:
        return (
            f"no NVIDIA driver was found; on a machine with an NVIDIA GPU, run: {install_command('cuda13')} "
            "(or [cuda12] for drivers before CUDA 13)"
        )
    return install_command("cuda13" if driver.cuda >= (13, 0) else "cuda12")


def is_installed(kind: str) -> bool:
    """Return whether the library of ``cuda``, ``torch`` or ``strict`` is installed; it may still fail to import."""
    spec = find_spec(_MODULES[kind])
    return spec is not None and spec.origin is not None  # a folder that an uninstall left behind has no origin


def load_library(kind: str) -> ModuleType:
    """Import the module of CuPy (``cuda``), PyTorch (``torch``) or array-api-strict (``strict``).

    Raises
    ------
    DeviceError
        If it is not installed, or is installed but cannot be imported.
    """
    module = _MODULES[kind]
    if not is_installed(kind):
        raise DeviceError(f"the package {module!r} is not installed; {how_to_install(kind)}")
    try:
        return import_module(module)
    except Exception as error:  # a broken installation raises whatever its first broken part raises
        reason = (str(error).strip().splitlines() or [""])[0]
        raise DeviceError(
            f"the package {module!r} is installed, but does not load ({type(error).__name__}: {reason}); "
            f"uninstall it, then: {how_to_install(kind)}"
        ) from error


def cuda_count(cupy: ModuleType) -> int:
    """Return the number of devices that CuPy can use.

    Raises
    ------
    DeviceError
        If CUDA does not respond, with the reason and what to do.
    """
    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except RuntimeError as error:
        raise DeviceError(f"CUDA does not answer ({error}); {_what_is_wrong(cupy)}") from error


def require_current_gpu(cupy: ModuleType, number: int) -> None:
    """Check that a GPU is the one on which CuPy computes; with arrays on another one, it would compute across GPUs.

    Parameters
    ----------
    cupy : module
    number : int
        Number of the GPU.

    Raises
    ------
    DeviceError
        If it is not, with the ways to select it.
    """
    current = int(cupy.cuda.Device().id)
    if number != current:
        raise DeviceError(
            f"device 'cuda:{number}' asked for, but CuPy computes on GPU {current} and makes its arrays there: start "
            f"with CUDA_VISIBLE_DEVICES={number} in the environment, where that GPU is 'cuda', or call "
            f"cupy.cuda.Device({number}).use() first"
        )


def _what_is_wrong(cupy: ModuleType) -> str:
    driver, runtime = cuda_driver(), int(cupy.cuda.runtime.runtimeGetVersion())
    if driver is None:
        return "no NVIDIA driver is found: on a machine with an NVIDIA GPU, install its driver"
    # Minor version compatibility of CUDA: within a major version, newer releases run on older drivers.
    if driver.cuda[0] < runtime // 1000:
        return (
            f"CuPy is made for CUDA {runtime // 1000}, the driver knows CUDA {driver.cuda_version} only: "
            f"uninstall CuPy and {how_to_install('cuda')}, or install a newer driver"
        )
    return "the driver shows no GPU: see what nvidia-smi says, and whether CUDA_VISIBLE_DEVICES hides it"


def available_devices() -> list[str]:
    """Return the names of the devices that can be used on this machine, ``cpu`` first."""
    return ["cpu", *cuda_devices(), *torch_devices(), *_strict_devices()]


def cuda_devices() -> list[str]:
    """Return the names of the GPUs that CuPy finds."""
    try:
        return [f"cuda:{i}" for i in range(cuda_count(load_library("cuda")))]
    except DeviceError:
        return []


def torch_devices() -> list[str]:
    """Return the names of the devices of PyTorch: ``torch``, then its GPUs."""
    try:
        torch = load_library("torch")
    except DeviceError:
        return []
    return ["torch", *(f"torch:cuda:{i}" for i in range(torch.cuda.device_count()))]


def _strict_devices() -> list[str]:
    return ["strict"] if is_installed("strict") else []
