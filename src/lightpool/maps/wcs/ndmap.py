"""Where Gammapy has images of the sky."""

from lightpool.maps.wcs_map import WcsNDMap

__all__ = ["WcsNDMap"]
