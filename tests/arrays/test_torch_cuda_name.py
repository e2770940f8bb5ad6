"""A GPU of PyTorch that is named without its number, on a machine that need not have one."""

from types import SimpleNamespace

import pytest

from lightpool.arrays.devices import devices, memory


@pytest.mark.parametrize(("name", "number"), [("torch:cuda", 0), ("torch:cuda", 1), ("torch:cuda:1", 1)])
def test_a_gpu_without_its_number_gets_that_of_the_one_in_use(monkeypatch, name, number):
    cleared = []

    class Plans:
        """As in PyTorch, where a device without its number has no plans."""

        def __getitem__(self, handle):
            if handle.index is None:
                raise ValueError("Expected a torch.device with a specified index")
            return SimpleNamespace(clear=lambda: cleared.append(handle.index))

    torch = SimpleNamespace(
        empty=lambda size, device: SimpleNamespace(device=SimpleNamespace(type="cuda", index=number)),
        device=lambda name: SimpleNamespace(type="cuda", index=int(name[5:]) if name[5:] else None),
        backends=SimpleNamespace(cuda=SimpleNamespace(cufft_plan_cache=Plans())),
        cuda=SimpleNamespace(empty_cache=lambda: None, mem_get_info=lambda handle: (1, 2)),
    )
    monkeypatch.setattr(devices, "_loaded", lambda *args: torch)
    monkeypatch.setattr(devices, "_compat", lambda library: None)
    monkeypatch.setattr(memory, "import_module", lambda name: torch)
    device = devices._find_device.__wrapped__(name)
    assert device.name == f"torch:cuda:{number}"
    memory.release_memory(device)
    assert cleared == [number]
