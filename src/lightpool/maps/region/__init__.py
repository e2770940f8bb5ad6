"""Where Gammapy has maps of a region."""

from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.region_map import RegionNDMap
from lightpool.names import show_public

__all__ = ["RegionGeom", "RegionNDMap"]

show_public(__name__)
