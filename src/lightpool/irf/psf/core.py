"""Where Gammapy has the base of point spread functions."""

from lightpool.irf.tables.psf_table import PSF

__all__ = ["PSF"]
