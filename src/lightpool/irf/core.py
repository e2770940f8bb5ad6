"""Where Gammapy has the bases of response tables and maps."""

from lightpool.irf.reduced.irf_map import IRFMap
from lightpool.irf.tables.fov_alignment import FoVAlignment
from lightpool.irf.tables.irf import IRF

__all__ = ["IRF", "FoVAlignment", "IRFMap"]
