"""The settings of a reduction, as a file says them, and the objects that they ask for."""

from lightpool.config.settings import Settings
from lightpool.names import show_public

__all__ = ["Settings"]

show_public(__name__)
