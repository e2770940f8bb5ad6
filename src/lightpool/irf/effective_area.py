"""Where Gammapy has the effective area."""

from lightpool.irf.tables.effective_area import EffectiveAreaTable2D

__all__ = ["EffectiveAreaTable2D"]
