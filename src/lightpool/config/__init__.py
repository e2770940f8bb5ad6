"""The settings of a reduction, as a file says them, and the objects that they ask for."""

from lightpool.config.settings import Settings

__all__ = ["Settings"]
