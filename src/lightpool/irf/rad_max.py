"""Where Gammapy has directional cuts."""

from lightpool.irf.tables.rad_max import RadMax2D

__all__ = ["RadMax2D"]
