"""The GPUs of a machine, distributed to processes: each process sees one, which is ``cuda`` there."""

import os

from lightpool.arrays.devices.libraries import cuda_devices, torch_devices

__all__ = ["see_gpu", "visible_gpus"]

_SHOWN = "CUDA_VISIBLE_DEVICES"


def visible_gpus(device: str) -> list[str]:
    """Return the names of the GPUs that processes can share if each works on a device of this name.

    Parameters
    ----------
    device : str
        ``cuda`` or ``torch:cuda``, with or without the number 0, which both of them mean.

    Returns
    -------
    gpus : list of str, as in the variable CUDA_VISIBLE_DEVICES
        Empty for other devices, also for a GPU that was selected by its number.
    """
    device = device.strip().lower()  # as `find_device` takes it
    if device in ("cuda", "cuda:0"):
        n_gpu = len(cuda_devices())
    elif device in ("torch:cuda", "torch:cuda:0"):
        n_gpu = len(torch_devices()[1:])  # the first one is the CPU
    else:
        return []
    shown = os.environ.get(_SHOWN, "")
    return [name.strip() for name in shown.split(",")][:n_gpu] if shown else [str(number) for number in range(n_gpu)]


def see_gpu(gpu: str) -> None:
    """Let this process see one GPU only; call it before CUDA is first used in the process."""
    os.environ[_SHOWN] = gpu
