"""Where Gammapy has energy dispersions as tables."""

from lightpool.irf.reduced.energy_dispersion import EnergyDispersion2D

__all__ = ["EnergyDispersion2D"]
