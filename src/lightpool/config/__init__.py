"""The settings of a reduction, as read from a file, and the objects that are built from them."""

from lightpool.config.settings import Settings
from lightpool.names import show_public

__all__ = ["Settings"]

show_public(__name__)
