"""Where Gammapy has its switch for progress bars; its other helpers are Gammapy's."""

from lightpool.names import show_public
from lightpool.utils import pbar

__all__ = ["pbar"]

show_public(__name__)
