"""Where Gammapy has maps with HEALPix pixels."""

from lightpool.maps.geoms.hpx_geom import HpxGeom

__all__ = ["HpxGeom"]
