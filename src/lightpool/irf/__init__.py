"""The instrument response: DL3 tables, and their projections on maps."""

from lightpool.irf.background import Background2D, Background3D, BackgroundIRF
from lightpool.irf.core import IRF
from lightpool.irf.edisp_kernel import EDispKernel
from lightpool.irf.edisp_kernel_map import EDispKernelMap
from lightpool.irf.edisp_map import EDispMap
from lightpool.irf.edisp_table import EnergyDispersion2D
from lightpool.irf.effective_area import EffectiveAreaTable2D
from lightpool.irf.fov import FoVAlignment
from lightpool.irf.io import IRF_CLASSES, load_irf_dict_from_file
from lightpool.irf.irf_map import IRFMap
from lightpool.irf.psf_kernel import PSFKernel
from lightpool.irf.psf_map import PSFMap, RecoPSFMap
from lightpool.irf.psf_parametric import EnergyDependentMultiGaussPSF, ParametricPSF, PSFKing
from lightpool.irf.psf_table import PSF3D
from lightpool.irf.rad_max import RadMax2D
from lightpool.names import show_public

__all__ = [
    "IRF",
    "IRF_CLASSES",
    "PSF3D",
    "Background2D",
    "Background3D",
    "BackgroundIRF",
    "EDispKernel",
    "EDispKernelMap",
    "EDispMap",
    "EffectiveAreaTable2D",
    "EnergyDependentMultiGaussPSF",
    "EnergyDispersion2D",
    "FoVAlignment",
    "IRFMap",
    "PSFKernel",
    "PSFKing",
    "PSFMap",
    "ParametricPSF",
    "RadMax2D",
    "RecoPSFMap",
    "load_irf_dict_from_file",
]

show_public(__name__)
