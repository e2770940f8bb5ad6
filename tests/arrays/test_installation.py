"""``lightpool info`` looks at what is there and ends with no error, whatever is broken."""

import json
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import lightpool
from lightpool.arrays import installation
from lightpool.arrays.devices.cuda_driver import CudaDriver
from lightpool.arrays.devices.devices import available_devices
from lightpool.arrays.installation import describe_installation, device_problem
from lightpool.cli import main
from lightpool.utils.optional_packages import install_command


@pytest.fixture
def info():
    return lambda *args: CliRunner().invoke(main, ["info", *args])


def test_every_device_of_this_machine_works_and_has_memory(info):
    done = info()
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith(f"lightpool {lightpool.__version__}, Python {sys.version.split()[0]}")
    devices = lines[lines.index("Devices") + 1 :][: len(available_devices())]
    assert [line.split()[0] for line in devices] == available_devices()
    for line in devices:
        assert line.endswith(": works")
        assert "B free" in line


def test_the_same_as_json_is_plain_numbers_and_texts(info):
    found = json.loads(info("--json").output)
    assert [device["name"] for device in found["devices"]] == available_devices()
    for device in found["devices"]:
        assert 0 < device["memory_free"] <= device["memory_total"]
        assert device["problem"] == ""
    assert found["default_device"] == lightpool.get_default_device().name
    assert found["default_precision"] == "double"
    assert found["version"] == lightpool.__version__
    assert set(found["missing"]).isdisjoint(name.partition(":")[0] for name in available_devices())


def test_versions_are_those_of_the_packages_that_lightpool_asks_for(monkeypatch):
    monkeypatch.setattr(
        installation.metadata,
        "requires",
        lambda name: ["numpy>=2.0", "no_such_package; extra == 'x'", "lightpool[test]"],
    )
    numpy = sys.modules["numpy"]
    assert describe_installation().versions == {"numpy": numpy.__version__}

    def not_installed(name):
        raise installation.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(installation.metadata, "requires", not_installed)
    assert describe_installation().versions == {}


def test_what_is_not_there_comes_with_the_command_that_installs_it(info, monkeypatch):
    monkeypatch.setattr("lightpool.arrays.devices.libraries.find_spec", lambda name: None)
    monkeypatch.setattr(
        "lightpool.arrays.devices.libraries.cuda_driver", lambda: CudaDriver("550.1", (12, 4), ("NVIDIA A100",))
    )
    monkeypatch.setattr(installation, "cuda_driver", lambda: CudaDriver("550.1", (12, 4), ("NVIDIA A100",)))
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    output = info().output
    assert "NVIDIA driver: 550.1, up to CUDA 12.4; NVIDIA A100" in output
    assert f"'cupy' is not installed; {install_command('cuda12')}" in output
    for extra in ("torch", "test", "plot"):
        assert install_command(extra) in output
    assert describe_installation().devices[1:] == ()


def test_pytorch_without_cuda_beside_a_gpu_says_where_builds_with_it_are(monkeypatch):
    pytest.importorskip("torch")
    if "torch:cuda:0" in available_devices():
        pytest.skip("this PyTorch sees a GPU")
    monkeypatch.setattr(installation, "cuda_driver", lambda: CudaDriver("", (13, 0), ()))
    found = describe_installation()
    assert "pytorch.org" in found.missing["torch:cuda"]
    assert "release not known, up to CUDA 13.0; no GPU" in str(found)


def test_a_default_device_that_is_not_there_is_told(info, monkeypatch):
    monkeypatch.setenv("LIGHTPOOL_DEVICE", "gpu")
    done = info()
    assert done.exit_code == 0, done.output
    assert "default device: none: device 'gpu' is not known" in done.output
    monkeypatch.setenv("LIGHTPOOL_PRECISION", "half")
    assert "default precision: none: precision must be" in info().output


def test_a_device_that_is_counted_but_does_not_answer_is_told(info, monkeypatch):
    monkeypatch.setattr(installation, "available_devices", lambda: ["cpu", "cuda:99"])
    done = info()
    assert done.exit_code == 0, done.output
    assert "cuda:99" in done.output
    assert ": DeviceError: device 'cuda:99': " in done.output


def test_a_device_whose_library_lacks_a_part_says_which_work_fails(backend, monkeypatch):
    assert device_problem(backend.device) == ""
    assert device_problem(backend.device.name) == ""

    def broken(*args, **kwargs):
        raise ImportError("libcufft.so.12: cannot open shared object file\nTry to install it")

    monkeypatch.setattr(installation, "convolve_fft", broken)
    assert device_problem(backend.device) == "ImportError: libcufft.so.12: cannot open shared object file"


def test_wrong_numbers_of_a_device_are_noticed(monkeypatch):
    monkeypatch.setattr(installation, "sum_by_bin", lambda index, weights, n_bin: 2 * index)
    assert device_problem("cpu") == "wrong results of binning"


def test_gpus_are_named_with_library_memory_and_capability(monkeypatch):
    properties = SimpleNamespace(name="NVIDIA H200", major=9, minor=0)
    torch = SimpleNamespace(
        __version__="2.13.0",
        version=SimpleNamespace(cuda="13.0"),
        cuda=SimpleNamespace(get_device_properties=lambda handle: properties),
    )
    runtime = SimpleNamespace(
        getDeviceProperties=lambda number: {"name": b"NVIDIA H200", "major": 9, "minor": 0},
        runtimeGetVersion=lambda: 13020,
    )
    cupy = SimpleNamespace(__version__="14.2.0", cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setattr(installation, "load_library", {"torch": torch, "cuda": cupy}.__getitem__)
    handle = SimpleNamespace(id=0)
    for name, library in (("cuda:0", "CuPy 14.2.0 with CUDA 13.2"), ("torch:cuda:0", "PyTorch 2.13.0 with CUDA 13.0")):
        device = installation.Device(name, None, handle)
        assert installation._in_words(device) == (library, "NVIDIA H200, compute capability 9.0")
