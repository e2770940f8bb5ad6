"""Map datasets, under the module name of Gammapy."""

from lightpool.datasets.geometries import create_map_dataset_geoms
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.map_dataset_on_off import MapDatasetOnOff
from lightpool.names import show_public

__all__ = ["MapDataset", "MapDatasetOnOff", "create_map_dataset_geoms"]

show_public(__name__)
