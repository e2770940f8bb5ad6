"""Where Gammapy has maps of a region."""

from lightpool.maps.region_map import RegionNDMap

__all__ = ["RegionNDMap"]
