"""Where Gammapy has parametric point spread functions."""

from lightpool.irf.tables.psf_parametric import EnergyDependentMultiGaussPSF, ParametricPSF, PSFKing

__all__ = ["EnergyDependentMultiGaussPSF", "PSFKing", "ParametricPSF"]
