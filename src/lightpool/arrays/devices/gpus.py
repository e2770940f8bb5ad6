"""The GPUs of a machine, distributed to processes: each process sees one, which is ``cuda`` there."""

import os
from collections.abc import Sequence

from lightpool.arrays.devices.libraries import cuda_devices, torch_devices
from lightpool.utils.threads import n_core

__all__ = ["PROCESSES_PER_GPU", "processes_for", "see_gpu", "visible_gpus"]

PROCESSES_PER_GPU = 8
"""Processes that share a GPU, at most, if their number is not chosen.

For a map of usual size the GPU computes for about a tenth of the time that the host needs for an observation, so fewer
leave it idle. Each takes some hundred megabytes of the device for its context, so many more leave less for arrays.
"""

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


def processes_for(gpus: Sequence[str]) -> int:
    """Return the number of processes that keep some GPUs busy: one for each core, within limits for each GPU.

    Parameters
    ----------
    gpus : sequence of str, see `visible_gpus`

    Returns
    -------
    n_process : int
        From one to `PROCESSES_PER_GPU` for each GPU; 1 without GPUs.
    """
    n_gpu = len(gpus)
    return min(max(n_core(), n_gpu), PROCESSES_PER_GPU * n_gpu) if n_gpu else 1


def see_gpu(gpu: str) -> None:
    """Let this process see one GPU only; call it before CUDA is first used in the process."""
    os.environ[_SHOWN] = gpu
