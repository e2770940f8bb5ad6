import pytest

from lightpool.arrays.devices import gpus
from lightpool.arrays.devices.gpus import see_gpu, visible_gpus


@pytest.fixture
def machine(monkeypatch):
    """A machine on which CuPy counts three GPUs and PyTorch two."""
    monkeypatch.setattr(gpus, "cuda_devices", lambda: ["cuda:0", "cuda:1", "cuda:2"])
    monkeypatch.setattr(gpus, "torch_devices", lambda: ["torch", "torch:cuda:0", "torch:cuda:1"])


@pytest.mark.parametrize(
    ("device", "shown", "expected"),
    [
        ("cuda", None, ["0", "1", "2"]),
        ("cuda:0", "", ["0", "1", "2"]),
        ("torch:cuda", None, ["0", "1"]),
        ("cuda", "4, 2,7", ["4", "2", "7"]),
        ("torch:cuda:0", "GPU-8a,GPU-3c,-1,5", ["GPU-8a", "GPU-3c"]),
        ("cuda:1", None, []),  # that one was meant
        ("cpu", "0,1", []),
        ("torch", "0,1", []),
    ],
)
def test_gpus_have_the_names_that_the_environment_gives_them(machine, monkeypatch, device, shown, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert visible_gpus(device) == expected


def test_a_process_that_sees_one_gpu_shares_no_other(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    see_gpu("2")
    monkeypatch.setattr(gpus, "cuda_devices", lambda: ["cuda:0"])
    assert visible_gpus("cuda") == ["2"]
