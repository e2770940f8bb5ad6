"""Where Gammapy has maps of the PSF."""

from lightpool.irf.reduced.psf_map import PSF_MAX_OVERSAMPLING, RAD_AXIS_DEFAULT, PSFMap
from lightpool.irf.reduced.reco_psf_map import RecoPSFMap

__all__ = ["PSF_MAX_OVERSAMPLING", "RAD_AXIS_DEFAULT", "PSFMap", "RecoPSFMap"]
