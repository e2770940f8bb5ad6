"""Where Gammapy has images of the sky."""

from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.wcs_core import WcsMap
from lightpool.maps.wcs_map import WcsNDMap
from lightpool.names import show_public

__all__ = ["WcsGeom", "WcsMap", "WcsNDMap"]

show_public(__name__)
