"""Where Gammapy has images of the PSF."""

from lightpool.irf.reduced.psf_kernel import PSFKernel

__all__ = ["PSFKernel"]
