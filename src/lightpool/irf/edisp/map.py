"""Where Gammapy has maps of the energy dispersion."""

from lightpool.irf.reduced.edisp_kernel_map import EDispKernelMap
from lightpool.irf.reduced.edisp_map import EDispMap

__all__ = ["EDispKernelMap", "EDispMap"]
