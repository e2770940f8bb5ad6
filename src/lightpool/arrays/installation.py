"""State of this installation: versions, devices with their memory, what works, and what to install for the rest."""

import platform
import re
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import cast

import numpy as np

import lightpool
from lightpool.arrays.devices.array_types import CudaDevice
from lightpool.arrays.devices.cuda_driver import CudaDriver, cuda_driver
from lightpool.arrays.devices.devices import (
    Device,
    available_devices,
    find_device,
    get_default_device,
    to_device,
    to_host,
)
from lightpool.arrays.devices.libraries import cuda_count, load_library
from lightpool.arrays.devices.memory import format_bytes, free_memory, total_memory
from lightpool.arrays.devices.precision import get_default_precision
from lightpool.arrays.kernels.convolution import convolve_fft
from lightpool.arrays.kernels.histogram import sum_by_bin
from lightpool.errors import DeviceError
from lightpool.utils.optional_packages import install_command
from lightpool.utils.threads import n_core

__all__ = ["DeviceReport", "Installation", "describe_installation", "device_problem"]

_LIBRARIES = {"cuda": "CuPy", "torch": "PyTorch", "strict": "array-api-strict"}


@dataclass(frozen=True)
class DeviceReport:
    """A device and its state.

    Attributes
    ----------
    name : str
    library, hardware : str, in words
    memory_free, memory_total : int or None, in bytes; None where that is not known
    problem : str, from `device_problem`; empty if the device works
    """

    name: str
    library: str
    hardware: str
    memory_free: int | None
    memory_total: int | None
    problem: str

    def __str__(self) -> str:
        known = self.memory_free is not None and self.memory_total is not None
        memory = (
            f"{format_bytes(self.memory_free or 0)} of {format_bytes(self.memory_total or 0)} free" if known else ""
        )
        what = ", ".join(filter(None, (self.library, self.hardware)))
        return f"{self.name:14s}{memory:28s}{what}: {self.problem or 'works'}"


@dataclass(frozen=True)
class Installation:
    """Result of `describe_installation`; ``str()`` is for people, `to_dict` for programs.

    Attributes
    ----------
    version : str, of lightpool
    python, system : str
    default_device : str, its name, or why there is none
    default_precision : str, ``double`` or ``single``, or why it is neither
    devices : tuple of DeviceReport
    driver : CudaDriver or None
    missing : dict of str, what to do for devices and plots that are not available
    versions : dict of str, of the dependencies that are installed
    """

    version: str
    python: str
    system: str
    default_device: str
    default_precision: str
    devices: tuple[DeviceReport, ...]
    driver: CudaDriver | None
    missing: dict[str, str]
    versions: dict[str, str]

    def to_dict(self) -> dict[str, object]:
        """Return numbers, texts, lists and dictionaries, as in JSON."""
        return asdict(self)

    def __str__(self) -> str:
        driver = "none found"
        if self.driver is not None:
            gpus = ", ".join(self.driver.gpus) or "no GPU"
            driver = f"{self.driver.release or 'release not known'}, up to CUDA {self.driver.cuda_version}; {gpus}"
        lines = [
            f"lightpool {self.version}, Python {self.python}, {self.system}",
            f"default device: {self.default_device}",
            f"default precision: {self.default_precision}",
            f"NVIDIA driver: {driver}",
            "",
            "Devices",
            *(f"  {device}" for device in self.devices),
        ]
        if self.missing:
            lines += ["", "Not available", *(f"  {kind:14s}{advice}" for kind, advice in self.missing.items())]
        lines += ["", "Versions", *(f"  {name:18s}{version}" for name, version in self.versions.items())]
        return "\n".join(lines)


def describe_installation() -> Installation:
    """Describe this installation; each device is tested with a small calculation."""
    try:
        default = get_default_device().name
    except DeviceError as error:
        default = f"none: {error}"
    try:
        precision = get_default_precision()
    except ValueError as error:
        precision = f"none: {error}"
    names = available_devices()
    return Installation(
        version=lightpool.__version__,
        python=platform.python_version(),
        system=platform.platform(),
        default_device=default,
        default_precision=precision,
        devices=tuple(map(_report, names)),
        driver=cuda_driver(),
        missing=_missing(names),
        versions=_versions(),
    )


def _report(name: str) -> DeviceReport:
    try:
        device = find_device(name)
        library, hardware = _in_words(device)
        free, total = free_memory(device), total_memory(device)
    except Exception as error:  # a device that does not respond is reported, and so are the others
        return DeviceReport(name, "", "", None, None, _first_line(error))
    return DeviceReport(name, library, hardware, free, total, device_problem(device))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _in_words(device: Device) -> tuple[str, str]:
    """Return the library with its version, and the hardware."""
    if device.is_host:
        return f"NumPy {np.__version__}", f"{n_core()} core(s)"
    kind = device.name.partition(":")[0]
    module = load_library(kind)
    library = f"{_LIBRARIES[kind]} {module.__version__}"
    if kind == "cuda":
        properties = module.cuda.runtime.getDeviceProperties(cast(CudaDevice, device.handle).id)
        capability = f"{properties['major']}.{properties['minor']}"
        built = module.cuda.runtime.runtimeGetVersion()
        library += f" with CUDA {built // 1000}.{built % 1000 // 10}"
        return library, f"{properties['name'].decode()}, compute capability {capability}"
    if device.name.startswith("torch:cuda"):
        properties = module.cuda.get_device_properties(device.handle)
        library += f" with CUDA {module.version.cuda}"
        return library, f"{properties.name}, compute capability {properties.major}.{properties.minor}"
    if kind == "strict":
        return library, "a stand-in for a GPU in tests"
    return library, f"{module.get_num_threads()} thread(s)"


def device_problem(device: str | Device) -> str:
    """Test a device with a small calculation of each kind: binning, products, transforms.

    A library may load and count devices, and still lack what its compiler or its Fourier transforms need.

    Returns
    -------
    problem : str
        What fails; empty if the results are those of NumPy.
    """
    try:
        target = find_device(device)
        index = to_device(np.asarray([3, 0, 2, 2]), target)
        counts = sum_by_bin(index, None, 4)
        values = np.asarray([[0.5, 2.0, 1.0], [0.0, 4.0, 3.0]])
        on_device = to_device(values, target)
        product = on_device @ target.xp.permute_dims(on_device, (1, 0))
        smooth = convolve_fft(on_device, to_device(np.ones((1, 3)), target))
        results = [to_host(x) for x in (counts, product, smooth)]
    except Exception as error:  # a report of what fails must not fail itself
        return _first_line(error)
    expected = [[1, 0, 2, 1], values @ values.T, [[2.5, 3.5, 3.0], [4.0, 7.0, 7.0]]]
    wrong = [not np.allclose(x, y) for x, y in zip(results, expected, strict=True)]
    names = [name for name, bad in zip(("binning", "products", "transforms"), wrong, strict=True) if bad]
    return f"wrong results of {', '.join(names)}" if names else ""


def _missing(names: list[str]) -> dict[str, str]:
    """Return what to do for each kind of device that is not available, and for plots."""
    missing = {}
    for kind in _LIBRARIES:
        if any(name.partition(":")[0] == kind for name in names):
            continue
        try:
            library = load_library(kind)
            if kind == "cuda":
                cuda_count(library)
        except DeviceError as error:
            missing[kind] = str(error)
    if "torch" in names and "torch:cuda:0" not in names and cuda_driver() is not None:
        missing["torch:cuda"] = (
            "this PyTorch sees no GPU; https://pytorch.org/get-started/locally lists those with CUDA"
        )
    if find_spec("matplotlib") is None:
        missing["plots"] = install_command("plot")
    return missing


def _versions() -> dict[str, str]:
    """Return the versions of the installed packages that lightpool and its extras require."""
    try:
        requirements = metadata.requires("lightpool") or []
    except metadata.PackageNotFoundError:  # a checkout that is not installed
        return {}
    versions = {}
    for requirement in requirements:
        found = re.match(r"[\w.-]+", requirement)
        if found is None or found[0] == "lightpool":
            continue
        try:
            versions[found[0]] = metadata.version(found[0])
        except metadata.PackageNotFoundError:
            continue
    return dict(sorted(versions.items()))
