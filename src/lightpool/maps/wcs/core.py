"""Where Gammapy has the base class of images of the sky."""

from lightpool.maps.wcs_core import WcsMap

__all__ = ["WcsMap"]
