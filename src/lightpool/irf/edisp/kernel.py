"""Where Gammapy has matrices of the energy dispersion."""

from lightpool.irf.reduced.energy_dispersion import EDispKernel

__all__ = ["EDispKernel"]
