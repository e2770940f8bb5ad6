"""Where Gammapy has point spread functions as tables."""

from lightpool.irf.tables.psf_table import PSF3D

__all__ = ["PSF3D"]
