"""The work that belongs to the settings of a batch."""

from typing import Any

from lightpool.arrays.devices.devices import Device
from lightpool.batch.execution.background_work import BackgroundWork
from lightpool.batch.execution.observation_sources import Sources
from lightpool.batch.execution.stack_work import StackWork
from lightpool.batch.execution.work import Work
from lightpool.config.background import BackgroundSettings
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.settings import Settings

__all__ = ["work_of"]


def work_of(settings: BatchSettings, device: Device, sources: Sources) -> Work[Any, Any, Any]:
    """Return the work of a batch, to be created where its device and its precision are the default ones.

    Parameters
    ----------
    settings : BatchSettings
    device : Device
    sources : Sources
    """
    if isinstance(settings, Settings):
        return StackWork(settings, device, sources.divisions)
    assert isinstance(settings, BackgroundSettings)  # there are no others
    return BackgroundWork(settings, device)
