"""Where Gammapy has maps with HEALPix pixels."""

from lightpool.maps.hpx_map import HpxMap

__all__ = ["HpxMap"]
