"""Where Gammapy has the base of geometries."""

from lightpool.maps.geoms.geom import Geom

__all__ = ["Geom"]
