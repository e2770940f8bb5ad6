"""The reduction steps: each takes a dataset and an observation and returns a dataset."""

from lightpool.makers.background.exclusion_finder import ExclusionMaskFinder, FoundExclusion
from lightpool.makers.background.fov import FoVBackgroundMaker
from lightpool.makers.background.off_runs import OffRunsBackgroundMaker
from lightpool.makers.background.phase import PhaseBackgroundMaker
from lightpool.makers.background.reflected import ReflectedRegionsBackgroundMaker
from lightpool.makers.background.ring import AdaptiveRingBackgroundMaker, RingBackgroundMaker
from lightpool.makers.background_models.exclusion import SkyExclusion
from lightpool.makers.background_models.groups import GroupRunsBy
from lightpool.makers.background_models.maker import BackgroundModelMaker
from lightpool.makers.background_models.model import BackgroundModel
from lightpool.makers.background_models.sums import BackgroundSums
from lightpool.makers.background_models.tables import BackgroundModels, BackgroundTableMaker
from lightpool.makers.core import Maker
from lightpool.makers.excess import ExcessMapEstimator
from lightpool.makers.map import MapDatasetMaker
from lightpool.makers.rad_max import make_counts_off_rad_max, make_counts_rad_max
from lightpool.makers.reduce import DatasetsMaker
from lightpool.makers.region_finders import ReflectedRegionsFinder, RegionsFinder, WobbleRegionsFinder
from lightpool.makers.safe import SafeMaskMaker
from lightpool.makers.spectrum import SpectrumDatasetMaker
from lightpool.makers.theta_squared import ThetaSquaredTable, make_theta_squared_table
from lightpool.names import show_public
from lightpool.utils.registry import Registry

MAKER_REGISTRY = Registry(
    [
        ReflectedRegionsBackgroundMaker,
        AdaptiveRingBackgroundMaker,
        FoVBackgroundMaker,
        PhaseBackgroundMaker,
        RingBackgroundMaker,
        SpectrumDatasetMaker,
        MapDatasetMaker,
        SafeMaskMaker,
        DatasetsMaker,
        OffRunsBackgroundMaker,
    ]
)
"""Classes of makers, by their tags."""

__all__ = [
    "MAKER_REGISTRY",
    "AdaptiveRingBackgroundMaker",
    "BackgroundModel",
    "BackgroundModelMaker",
    "BackgroundModels",
    "BackgroundSums",
    "BackgroundTableMaker",
    "DatasetsMaker",
    "ExcessMapEstimator",
    "ExclusionMaskFinder",
    "FoVBackgroundMaker",
    "FoundExclusion",
    "GroupRunsBy",
    "Maker",
    "MapDatasetMaker",
    "OffRunsBackgroundMaker",
    "PhaseBackgroundMaker",
    "ReflectedRegionsBackgroundMaker",
    "ReflectedRegionsFinder",
    "RegionsFinder",
    "RingBackgroundMaker",
    "SafeMaskMaker",
    "SkyExclusion",
    "SpectrumDatasetMaker",
    "ThetaSquaredTable",
    "WobbleRegionsFinder",
    "make_counts_off_rad_max",
    "make_counts_rad_max",
    "make_theta_squared_table",
]

show_public(__name__)
