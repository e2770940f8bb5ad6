"""Where Gammapy has energy dispersions."""

from lightpool.irf.reduced.edisp_kernel_map import EDispKernelMap
from lightpool.irf.reduced.edisp_map import EDispMap
from lightpool.irf.reduced.energy_dispersion import EDispKernel, EnergyDispersion2D
from lightpool.names import show_public

__all__ = ["EDispKernel", "EDispKernelMap", "EDispMap", "EnergyDispersion2D"]

show_public(__name__)
