"""Where Gammapy has point spread functions."""

from lightpool.irf.reduced.psf_kernel import PSFKernel
from lightpool.irf.reduced.psf_map import PSFMap
from lightpool.irf.reduced.reco_psf_map import RecoPSFMap
from lightpool.irf.tables.psf_parametric import EnergyDependentMultiGaussPSF, ParametricPSF, PSFKing
from lightpool.irf.tables.psf_table import PSF3D
from lightpool.names import show_public

__all__ = ["PSF3D", "EnergyDependentMultiGaussPSF", "PSFKernel", "PSFKing", "PSFMap", "ParametricPSF", "RecoPSFMap"]

show_public(__name__)
