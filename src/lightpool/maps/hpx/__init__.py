"""Where Gammapy has maps with HEALPix pixels."""

from lightpool.maps.geoms.hpx_geom import HpxGeom
from lightpool.maps.hpx_map import HpxMap, HpxNDMap
from lightpool.names import show_public

__all__ = ["HpxGeom", "HpxMap", "HpxNDMap"]

show_public(__name__)
