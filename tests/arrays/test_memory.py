"""Free memory, and the errors when there is not enough. What CUDA tells is told here by stand-ins of its libraries."""

import contextlib
import gc
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lightpool.arrays.devices import memory
from lightpool.arrays.devices.devices import Device, find_device, to_device, to_host
from lightpool.arrays.devices.memory import (
    format_bytes,
    free_memory,
    memory_errors,
    release_memory,
    require_memory,
    total_memory,
)
from lightpool.errors import LightpoolError, OutOfMemoryError

LARGE = 2**62


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose files under /proc and /sys a test writes."""
    monkeypatch.setattr(memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "cgroup")
    write(tmp_path / "proc/meminfo", "MemTotal: 9000 kB\nMemFree: 100 kB\nMemAvailable: 8000 kB\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_memory_of_the_host_is_what_the_system_has_available(machine):
    assert free_memory("cpu") == 8000 * 1024


def test_free_memory_of_this_machine_is_a_plausible_number(device):
    assert 2**20 < free_memory(device) < 2**50


def test_a_container_leaves_less_than_the_machine(machine):
    write(machine / "proc/self/cgroup", "0::/user/job\n")
    for name, limit in (("user", "5000000"), ("user/job", "max")):
        group = machine / "cgroup" / name
        write(group / "memory.max", f"{limit}\n")
        write(group / "memory.current", "2000000\n")
        write(group / "memory.stat", "anon 5\ninactive_file 500000\n")
    assert free_memory("cpu") == 5_000_000 - 2_000_000 + 500_000


def test_a_batch_job_in_a_group_of_version_1_leaves_less(machine):
    write(machine / "proc/self/cgroup", "4:memory:/job\n3:cpu:/other\n")
    group = machine / "cgroup/memory/job"
    write(group / "memory.limit_in_bytes", "3000000\n")
    write(group / "memory.usage_in_bytes", "3500000\n")
    write(group / "memory.stat", "total_inactive_file 0\n")
    assert free_memory("cpu") == 0


def test_a_group_that_cannot_be_read_is_left_out(machine):
    write(machine / "proc/self/cgroup", "4:memory:/job\n0::/\n")
    write(machine / "cgroup/memory/job/memory.limit_in_bytes", "unknown\n")
    assert free_memory("cpu") == 8000 * 1024


def test_a_system_without_proc_is_asked_otherwise_or_not_known(machine, monkeypatch):
    (machine / "proc/meminfo").unlink()
    monkeypatch.setattr(memory.os, "sysconf", {"SC_AVPHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert free_memory("cpu") == 40960

    def refuse(name):
        raise ValueError(name)

    monkeypatch.setattr(memory.os, "sysconf", refuse)
    assert free_memory("cpu") is None
    require_memory(LARGE, "cpu", what="a map", advice="take less")


@pytest.fixture
def cupy_device(monkeypatch):
    """A device of a CuPy with 1000 bytes free on the device, and 300 unused and 200 used in the pool."""
    calls = []
    pool = SimpleNamespace(
        limit=0,
        free_bytes=lambda: 300,
        used_bytes=lambda: 200,
        get_limit=lambda: pool.limit,
        free_all_blocks=lambda: calls.append("pool"),
    )
    plans = SimpleNamespace(get_size=lambda: 16, set_size=lambda size: calls.append(f"{size} plans"))
    cupy = SimpleNamespace(
        cuda=SimpleNamespace(runtime=SimpleNamespace(memGetInfo=lambda: (1000, 5000))),
        fft=SimpleNamespace(config=SimpleNamespace(get_plan_cache=lambda: plans)),
        get_default_memory_pool=lambda: pool,
        get_default_pinned_memory_pool=lambda: SimpleNamespace(free_all_blocks=lambda: calls.append("pinned")),
    )
    monkeypatch.setattr(memory, "import_module", {"cupy": cupy}.__getitem__)
    device = Device("cuda:0", cupy, contextlib.nullcontext())
    return SimpleNamespace(device=device, pool=pool, calls=calls)


def test_unused_blocks_of_the_pool_are_free(cupy_device):
    assert free_memory(cupy_device.device) == 1300
    cupy_device.pool.limit = 600
    assert free_memory(cupy_device.device) == 400
    cupy_device.pool.limit = 100
    assert free_memory(cupy_device.device) == 0


def test_a_device_has_as_much_memory_as_its_library_tells(cupy_device):
    assert total_memory(cupy_device.device) == 5000


def test_this_machine_has_more_memory_than_is_free(device):
    assert free_memory(device) <= total_memory(device)


def test_release_gives_back_pools_and_work_areas(cupy_device):
    release_memory(cupy_device.device)
    assert cupy_device.calls == ["0 plans", "16 plans", "pool", "pinned"]


@pytest.mark.parametrize(("share", "is_released"), [(0.1, False), (0.2, False), (0.3, True), (1.0, True)])
def test_unused_memory_is_kept_while_enough_is_free_for_others(cupy_device, share, is_released):
    release_memory(cupy_device.device, if_free_below=share)  # a fifth is free
    assert bool(cupy_device.calls) == is_released


def test_release_on_the_host_leaves_arrays_as_they_are(device):
    kept = to_device(np.full(1000, 7.0), find_device(device))
    release_memory(device)
    assert (to_host(kept) == 7.0).all()


@pytest.mark.parametrize("device", ["cpu", "torch", "strict"], indirect=True)
def test_an_error_says_what_is_asked_what_is_free_and_what_to_change(device, machine):
    with pytest.raises(OutOfMemoryError) as caught:
        require_memory(2**27, device, what="counts of shape (4, 2048, 2048)", advice="take larger pixels")
    text = str(caught.value)
    assert f"counts of shape (4, 2048, 2048) would take 134 MB on device '{device}', where 8.19 MB are free" in text
    assert "To need less, take larger pixels." in text
    assert isinstance(caught.value, MemoryError)
    assert isinstance(caught.value, LightpoolError)


def test_what_is_small_is_not_looked_up(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device: pytest.fail("looked up"))
    require_memory(2**26, "cpu", what="a map", advice="take less")


class OtherOutOfMemoryError(RuntimeError):
    """As the one of PyTorch, which is no MemoryError."""


OtherOutOfMemoryError.__name__ = "OutOfMemoryError"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 8 PiB"),
        OtherOutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 5 bytes"),
        RuntimeError("cudaErrorMemoryAllocation: out of memory"),
        RuntimeError("CUFFT_ALLOC_FAILED"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_errors_of_libraries_become_one(error):
    with (
        pytest.raises(OutOfMemoryError, match="PSF of observation 3 needs more memory than device 'cpu' has") as caught,
        memory_errors("cpu", what=lambda: "PSF of observation 3", advice="take less"),
    ):
        raise error
    assert caught.value.__cause__ is error
    assert str(error) in str(caught.value)


def test_the_error_of_each_library_is_known(device):
    xp = find_device(device).xp
    with pytest.raises(OutOfMemoryError), memory_errors(device, what="a map", advice="take less"):
        xp.ones(2**50, dtype=xp.float64, device=find_device(device).handle)


def test_other_errors_and_our_own_pass(device):
    with pytest.raises(RuntimeError, match=r"^not symmetric$"), memory_errors(device, what="a map", advice=""):
        raise RuntimeError("not symmetric")
    own = OutOfMemoryError("a map would take much")
    with pytest.raises(OutOfMemoryError) as caught, memory_errors(device, what="a dataset", advice=""):
        raise own
    assert caught.value is own


def test_bytes_are_written_with_three_digits():
    sizes = [0, 999, 1000, 999_600, 1_234_567, 48e9, 3e12]
    assert [format_bytes(n) for n in sizes] == ["0 B", "999 B", "1 kB", "1 MB", "1.23 MB", "48 GB", "3 TB"]


FAULTS = """
import resource
import numpy as np
from lightpool.arrays.devices.memory import keep_freed_memory
is_kept = {keep}
for number in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    a = np.ones(2**20)
    del a
print(is_kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a matter of glibc")
def test_freed_memory_is_used_again_even_where_the_environment_asks_to_give_it_back():
    def faults(keep):
        """Pages that the system handed out for an array of 8 MiB."""
        code, environment = FAULTS.format(keep=keep), os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}
        found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
        is_kept, number = found.split()
        return is_kept == b"True", int(number)

    is_kept, n_kept = faults("keep_freed_memory()")
    if not is_kept:
        pytest.skip("no glibc")
    _, n_given_back = faults("None")
    assert n_given_back > 0
    assert n_kept == 0


@pytest.mark.gpu
def test_plans_are_dropped_without_a_garbage_collection(monkeypatch):
    device = find_device("cuda")
    device.xp.fft.rfftn(device.xp.ones((8, 8)))
    plans = pytest.importorskip("cupy").fft.config.get_plan_cache()
    assert plans.get_curr_size() > 0
    monkeypatch.setattr(gc, "collect", lambda *args: pytest.fail("collected"))
    release_memory(device)
    assert plans.get_curr_size() == 0
    assert plans.get_size() == 16


@pytest.mark.gpu
def test_memory_of_a_gpu_goes_and_comes_back():
    device = find_device("cuda")
    release_memory(device)
    before = free_memory(device)
    values = device.xp.asarray(np.ones(2**24))
    assert before - free_memory(device) >= 2**27
    del values
    release_memory(device)
    assert abs(free_memory(device) - before) < 2**24
