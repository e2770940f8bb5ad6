"""Where Gammapy has its maps of excess and significance; flux points and flux maps are Gammapy's."""

from lightpool.makers import ExcessMapEstimator
from lightpool.names import show_public

__all__ = ["ExcessMapEstimator"]

show_public(__name__)
