"""Every array test runs on NumPy, PyTorch, array-api-strict's ``device1`` and, with ``-m gpu``, on CuPy.

Without a GPU the last one is replaced by ``cuda on host``: a stand-in for CuPy, whose kernels a C++ compiler makes.
"""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.utils import iers
from cuda_on_host import cupy_stand_in
from cuda_on_host.raw_module import COMPILER

from lightpool.arrays.devices import blocks
from lightpool.arrays.devices.devices import Device, find_device, to_device, use_device
from lightpool.errors import DeviceError
from lightpool.simulate import PointSource, simulate_store

iers.conf.auto_download = False  # no test waits for the network
ON_CI = bool(os.environ.get("CI"))
# What CI need not have: hardware, programs that are no Python packages, and combinations that take minutes.
ACCEPTED_SKIPS = re.compile(
    "no nvcc|import .cupy.|NVRTC does not answer|JAX has no GPU|no glibc|a matter of glibc|this PyTorch sees a GPU"
    "|none of the browsers|needs the program|no openssl|Sherpa is not installed|kernels on the host take minutes"
    "|for Gammapy before version 2"  # .ci/nightly has other versions
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    """On CI a skipped test fails: a package or the reference data are missing there, and nobody would notice."""
    report = yield
    return _refuse_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[Any]:
    """On CI a module that is skipped as a whole fails too."""
    report = yield
    return _refuse_skip(report)


def _refuse_skip(report: Any) -> Any:
    if ON_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not ACCEPTED_SKIPS.search(reason):
            report.outcome = "failed"
            report.longrepr = f"on CI nothing may be skipped: {reason}"
    return report


DEVICES = [
    "cpu",
    "torch",
    "strict",
    pytest.param("cuda on host", marks=pytest.mark.slow),  # tests of the kernels themselves are in the default run too
    pytest.param("cuda", marks=pytest.mark.gpu),
]


@dataclass(frozen=True)
class Backend:
    """One array library on one device; a stand-in for CuPy if there is no GPU."""

    device: Device
    is_stand_in: bool = False

    @property
    def xp(self) -> Any:
        return self.device.xp

    def array(self, values: Any, dtype: Any = None) -> Any:
        return to_device(np.asarray(values, dtype=dtype), self.device)


@pytest.fixture(params=DEVICES)
def backend(request: pytest.FixtureRequest) -> Any:
    """An array library; ``strict`` stands in for a GPU: its arrays refuse NumPy and refuse host arrays."""
    with on_host_or_nothing(request.param):
        device = device_or_skip(request.param.removesuffix(" on host"))
        with use_device(device):
            yield Backend(device, is_stand_in=request.param.endswith(" on host"))


def on_host_or_nothing(name: str) -> AbstractContextManager[Any]:
    """The stand-in for CuPy, whose kernels run on the host, if it is asked for; skipped without a compiler."""
    if name != "cuda on host":
        return nullcontext()
    if COMPILER is None:
        pytest.skip("no C++ compiler (g++ or clang++) runs CUDA kernels on the host")
    return cupy_stand_in.installed()


def device_or_skip(name: str) -> Device:
    """Device of a name; a test without its library is skipped."""
    try:
        return find_device(name)
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Any:
    """Name of a device on which a test does its whole job."""
    with on_host_or_nothing(request.param):
        device = device_or_skip(request.param.removesuffix(" on host"))
        with use_device(device):
            yield device.name


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it to have work arrays made in the smallest blocks from then on, as if next to no memory were free."""

    def make_blocks_tiny() -> None:
        monkeypatch.setattr(blocks, "UNCHECKED_BYTES", 0)
        monkeypatch.setattr(blocks, "MOST_BYTES", 1)

    return make_blocks_tiny


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the public data and the results of Gammapy 2.1, see the README, "Reference tests"."""
    folder = Path(os.environ.get("LIGHTPOOL_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "reference" / "figures.json").is_file():
        pytest.skip(f"no reference data in {folder}; set LIGHTPOOL_SHARED")
    return folder


@pytest.fixture(scope="session")
def crab_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six simulated runs on the Crab nebula that have each kind of PSF and of background table."""
    return simulate_store(tmp_path_factory.mktemp("crab"), 6, seed=1)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four simulated runs on a field without a source."""
    return simulate_store(tmp_path_factory.mktemp("empty"), 4, source=PointSource(norm=0.0), seed=2)
