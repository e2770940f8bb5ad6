"""The instrument response: DL3 tables, and their projections on maps."""

from lightpool.irf.io import IRF_CLASSES, IRF_REGISTRY, load_irf_dict_from_file
from lightpool.irf.reduced.asymmetric_tables import (
    PSF4D,
    EffectiveAreaTable3D,
    EffectiveAreaTablePolar,
    EnergyDispersion3D,
    EnergyDispersionPolar,
    PSFPolar,
)
from lightpool.irf.reduced.edisp_kernel_map import EDispKernelMap
from lightpool.irf.reduced.edisp_map import EDispMap
from lightpool.irf.reduced.energy_dispersion import EDispKernel, EnergyDispersion2D
from lightpool.irf.reduced.irf_map import IRFMap
from lightpool.irf.reduced.psf_kernel import PSFKernel
from lightpool.irf.reduced.psf_map import PSFMap
from lightpool.irf.reduced.reco_psf_map import RecoPSFMap
from lightpool.irf.tables.background import Background2D, Background3D, BackgroundIRF
from lightpool.irf.tables.effective_area import EffectiveAreaTable2D
from lightpool.irf.tables.fov_alignment import FoVAlignment
from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.psf_parametric import EnergyDependentMultiGaussPSF, ParametricPSF, PSFKing
from lightpool.irf.tables.psf_table import PSF3D
from lightpool.irf.tables.rad_max import RadMax2D
from lightpool.names import show_public

__all__ = [
    "IRF",
    "IRF_CLASSES",
    "IRF_REGISTRY",
    "PSF3D",
    "PSF4D",
    "Background2D",
    "Background3D",
    "BackgroundIRF",
    "EDispKernel",
    "EDispKernelMap",
    "EDispMap",
    "EffectiveAreaTable2D",
    "EffectiveAreaTable3D",
    "EffectiveAreaTablePolar",
    "EnergyDependentMultiGaussPSF",
    "EnergyDispersion2D",
    "EnergyDispersion3D",
    "EnergyDispersionPolar",
    "FoVAlignment",
    "IRFMap",
    "PSFKernel",
    "PSFKing",
    "PSFMap",
    "PSFPolar",
    "ParametricPSF",
    "RadMax2D",
    "RecoPSFMap",
    "load_irf_dict_from_file",
]

show_public(__name__)
