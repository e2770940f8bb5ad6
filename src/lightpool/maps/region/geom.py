"""Where Gammapy has the geometry of a region."""

from lightpool.maps.geoms.region_geom import RegionGeom

__all__ = ["RegionGeom"]
