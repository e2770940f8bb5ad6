"""Where Gammapy has background rates."""

from lightpool.irf.tables.background import Background2D, Background3D, BackgroundIRF

__all__ = ["Background2D", "Background3D", "BackgroundIRF"]
