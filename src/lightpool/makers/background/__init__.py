"""Where Gammapy has the makers of the background."""

from lightpool.makers.fov import FoVBackgroundMaker
from lightpool.makers.phase import PhaseBackgroundMaker
from lightpool.makers.reflected import ReflectedRegionsBackgroundMaker
from lightpool.makers.region_finders import ReflectedRegionsFinder, RegionsFinder, WobbleRegionsFinder
from lightpool.makers.ring import AdaptiveRingBackgroundMaker, RingBackgroundMaker
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
