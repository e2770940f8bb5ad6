"""Map datasets, under the module name of Gammapy."""

from lightpool.datasets.created import create_empty_map_dataset_from_irfs, create_map_dataset_from_observation
from lightpool.datasets.geometries import (
    BINSZ_IRF_DEFAULT,
    MIGRA_AXIS_DEFAULT,
    RAD_AXIS_DEFAULT,
    RAD_MAX,
    create_map_dataset_geoms,
)
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.map_dataset_on_off import MapDatasetOnOff
from lightpool.names import show_public

__all__ = [
    "BINSZ_IRF_DEFAULT",
    "MIGRA_AXIS_DEFAULT",
    "RAD_AXIS_DEFAULT",
    "RAD_MAX",
    "MapDataset",
    "MapDatasetOnOff",
    "create_empty_map_dataset_from_irfs",
    "create_map_dataset_from_observation",
    "create_map_dataset_geoms",
]

show_public(__name__)
