"""Where Gammapy has the geometry of images."""

from lightpool.maps.geoms.wcs_geom import WcsGeom

__all__ = ["WcsGeom"]
