"""The results that belong to the settings of a batch."""

from lightpool.batch.products.background import BackgroundProduct
from lightpool.batch.products.product import Product
from lightpool.batch.products.stacks import StackProduct
from lightpool.config.background import BackgroundSettings
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.settings import Settings

__all__ = ["product_of"]


def product_of(settings: BatchSettings) -> Product:
    """Return what a batch writes.

    Parameters
    ----------
    settings : BatchSettings
    """
    if isinstance(settings, Settings):
        return StackProduct(settings)
    assert isinstance(settings, BackgroundSettings)  # there are no others
    return BackgroundProduct(settings)
