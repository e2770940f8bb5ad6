"""Where Gammapy has the base of response tables."""

from lightpool.irf.tables.fov_alignment import FoVAlignment
from lightpool.irf.tables.irf import IRF

__all__ = ["IRF", "FoVAlignment"]
