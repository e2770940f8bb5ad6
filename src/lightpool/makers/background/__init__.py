"""Where Gammapy has the makers of the background."""

from lightpool.makers.background.fov import FoVBackgroundMaker
from lightpool.makers.background.phase import PhaseBackgroundMaker
from lightpool.makers.background.reflected import ReflectedRegionsBackgroundMaker
from lightpool.makers.background.ring import AdaptiveRingBackgroundMaker, RingBackgroundMaker
from lightpool.makers.region_finders import ReflectedRegionsFinder, RegionsFinder, WobbleRegionsFinder
from lightpool.names import show_public

__all__ = [
    "AdaptiveRingBackgroundMaker",
    "FoVBackgroundMaker",
    "PhaseBackgroundMaker",
    "ReflectedRegionsBackgroundMaker",
    "ReflectedRegionsFinder",
    "RegionsFinder",
    "RingBackgroundMaker",
    "WobbleRegionsFinder",
]

show_public(__name__)
