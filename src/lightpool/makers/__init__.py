"""The reduction steps: each takes a dataset and an observation and gives a dataset."""

from lightpool.makers.core import Maker
from lightpool.makers.fov import FoVBackgroundMaker
from lightpool.makers.map import MapDatasetMaker
from lightpool.makers.reduce import DatasetsMaker
from lightpool.makers.safe import SafeMaskMaker

__all__ = ["DatasetsMaker", "FoVBackgroundMaker", "Maker", "MapDatasetMaker", "SafeMaskMaker"]
