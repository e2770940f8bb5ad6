"""Objects converted to Gammapy and back, and scripts written for Gammapy that run on lightpool."""

from lightpool.gammapy.installation import require_gammapy

require_gammapy()

from lightpool.gammapy.conversion import from_gammapy, to_gammapy  # noqa: E402 - it imports Gammapy

__all__ = ["from_gammapy", "to_gammapy"]
