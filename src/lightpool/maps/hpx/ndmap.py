"""Where Gammapy has maps with HEALPix pixels."""

from lightpool.maps.hpx_map import HpxNDMap

__all__ = ["HpxNDMap"]
