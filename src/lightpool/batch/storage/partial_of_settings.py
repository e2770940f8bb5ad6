"""The sums that belong to the settings of a batch."""

from pathlib import Path

from lightpool.batch.storage.partial import Partial
from lightpool.batch.storage.partial_stack import PartialStack
from lightpool.batch.storage.partial_sums import PartialSums
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.settings import Settings

__all__ = ["empty_partial", "load_partial"]


def empty_partial(settings: BatchSettings) -> Partial:
    """Return sums of no observation, on the host.

    Parameters
    ----------
    settings : BatchSettings
    """
    return PartialStack(settings) if isinstance(settings, Settings) else PartialSums()


def load_partial(path: Path, settings: BatchSettings) -> Partial:
    """Read a file that `Partial.save` wrote with the same settings.

    Parameters
    ----------
    path : Path
    settings : BatchSettings
    """
    return PartialStack.load(path, settings) if isinstance(settings, Settings) else PartialSums.load(path)
