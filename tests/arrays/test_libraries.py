"""Array libraries that are missing, broken, or do not fit the driver are answered with what to do."""

import contextlib
import ctypes
import importlib
import re
import sys

import pytest

from lightpool.arrays import available_devices, find_device
from lightpool.arrays.devices import devices, libraries
from lightpool.arrays.devices.cuda_driver import CudaDriver, cuda_driver
from lightpool.errors import DeviceError
from lightpool.utils.optional_packages import install_command


class FakeDriver:
    """A driver library of CUDA 13.0 with two GPUs; the functions write to the addresses that they are given."""

    def __init__(self, version=13000, init=0):
        self.version, self.init = version, init

    def cuDriverGetVersion(self, address):  # noqa: N802
        address._obj.value = self.version
        return 0

    def cuInit(self, flags):  # noqa: N802
        return self.init

    def cuDeviceGetCount(self, address):  # noqa: N802
        address._obj.value = 2
        return 0

    def cuDeviceGet(self, address, number):  # noqa: N802
        address._obj.value = number
        return 0

    def cuDeviceGetName(self, name, length, handle):  # noqa: N802
        name.value = f"NVIDIA H{handle.value}00".encode()
        return 0


@pytest.fixture
def fresh(monkeypatch):
    """Nothing of the machine is remembered before or after."""
    cuda_driver.cache_clear()
    devices._find_device.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    cuda_driver.cache_clear()
    devices._find_device.cache_clear()


@pytest.fixture
def hide(fresh):
    """Make Python forget that it has loaded a module, until the end of the test."""
    hidden = {}
    for name in ("cupy", "torch"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)  # whole, before one hides the other: half a PyTorch cannot be loaded again

    def forget(name):
        hidden[name] = sys.modules.pop(name, None)

    yield forget
    for name, module in hidden.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


@pytest.fixture
def make_package(fresh, hide, tmp_path):
    """Put a module in the way of an array library."""

    def make(name, code):
        hide(name)
        (tmp_path / f"{name}.py").write_text(code)
        fresh.syspath_prepend(tmp_path)

    return make


def use_driver(monkeypatch, driver):
    monkeypatch.setattr(libraries, "cuda_driver", lambda: driver)


CUDA_WITHOUT_ANSWER = """
from types import SimpleNamespace

def getDeviceCount():
    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version")

cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=getDeviceCount, runtimeGetVersion=lambda: 13020))
"""


@pytest.mark.parametrize(
    ("version", "extra"),
    [((13, 1), "cuda13]'"), ((13, 0), "cuda13]'"), ((12, 9), "cuda12]'"), (None, r"cuda13\]' \(or")],
)
def test_the_command_that_installs_cupy_fits_the_driver(fresh, version, extra):
    use_driver(fresh, version and CudaDriver("580.65.06", version, ()))
    fresh.setattr(libraries, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=rf"'cuda': .*'cupy' is not installed; .*pip install .*\[{extra}") as caught:
        find_device("cuda")
    assert "Available devices: cpu." in str(caught.value)


@pytest.mark.parametrize(("name", "extra"), [("torch", "torch"), ("torch:cuda", "torch"), ("strict", "test")])
def test_a_library_that_is_not_installed_comes_with_the_command_that_does(fresh, name, extra):
    fresh.setattr(libraries, "find_spec", lambda name: None)
    assert available_devices() == ["cpu"]
    with pytest.raises(DeviceError, match=f"'{name}': .*{re.escape(install_command(extra))}"):
        find_device(name)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import library_that_is_nowhere", "ModuleNotFoundError: No module named 'library_that_is_nowhere'"),
        ("raise OSError('libtorch_cpu.so: cannot open\\nand so on')", r"OSError: libtorch_cpu.so: cannot open\)"),
        ("raise ImportError", r"ImportError: \)"),
    ],
)
def test_a_broken_installation_says_what_breaks_and_is_no_device(make_package, code, reason):
    for module, name in (("cupy", "cuda"), ("torch", "torch")):
        make_package(module, code)
        with pytest.raises(DeviceError, match=rf"'{module}' is installed, but does not load \({reason}"):
            find_device(name)
    assert not [name for name in available_devices() if name.startswith(("cuda", "torch"))]


def test_a_folder_that_an_uninstall_left_behind_is_not_a_library(fresh, hide, tmp_path):
    hide("cupy")
    (tmp_path / "cupy" / "__pycache__").mkdir(parents=True)
    fresh.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(DeviceError, match="'cupy' is not installed"):
        libraries.load_library("cuda")


@pytest.mark.parametrize(
    ("driver", "advice"),
    [
        (None, "no NVIDIA driver is found: on a machine with an NVIDIA GPU, install its driver"),
        (CudaDriver("550.1", (12, 4), ()), r"made for CUDA 13, the driver knows CUDA 12.4 only: .*\[cuda12\]"),
        (CudaDriver("580.1", (13, 0), ()), "shows no GPU: .*CUDA_VISIBLE_DEVICES"),
    ],
)
def test_cupy_without_an_answer_of_cuda_says_what_may_be_wrong(make_package, fresh, driver, advice):
    make_package("cupy", CUDA_WITHOUT_ANSWER)
    use_driver(fresh, driver)
    assert "cuda:0" not in available_devices()
    with pytest.raises(DeviceError, match=rf"'cuda:1': CUDA does not answer \(cudaErrorInsufficient.*; .*{advice}"):
        find_device("cuda:1")


def test_the_driver_tells_its_version_and_its_gpus(fresh, tmp_path):
    fresh.setattr(ctypes, "CDLL", lambda name: FakeDriver())
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Release Build\n")
    fresh.setattr(sys.modules["lightpool.arrays.devices.cuda_driver"], "_KERNEL_MODULE", tmp_path / "version")
    driver = cuda_driver()
    assert driver == CudaDriver("580.65.06", (13, 0), ("NVIDIA H000", "NVIDIA H100"))
    assert driver.cuda_version == "13.0"


def test_a_driver_that_does_not_start_shows_no_gpus(fresh, tmp_path):
    fresh.setattr(ctypes, "CDLL", lambda name: FakeDriver(version=12040, init=100))
    fresh.setattr(sys.modules["lightpool.arrays.devices.cuda_driver"], "_KERNEL_MODULE", tmp_path / "nothing")
    assert cuda_driver() == CudaDriver("", (12, 4), ())


def test_without_a_driver_there_is_none(fresh):
    fresh.setattr(ctypes, "CDLL", lambda name: FakeDriver(version=0))
    assert cuda_driver() is None
