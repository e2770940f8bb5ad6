"""Binned datasets, lists of them, and the models of their backgrounds."""

from lightpool.acceptance import install
from lightpool.datasets.created import create_empty_map_dataset_from_irfs, create_map_dataset_from_observation
from lightpool.datasets.dataset import DATASET_REGISTRY, Dataset
from lightpool.datasets.datasets import Datasets
from lightpool.datasets.energy_dispersion import apply_edisp
from lightpool.datasets.fit_masks import set_and_restore_mask_fit
from lightpool.datasets.geometries import create_map_dataset_geoms
from lightpool.datasets.io import OGIPDatasetReader, OGIPDatasetWriter
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.map_dataset_on_off import MapDatasetOnOff
from lightpool.datasets.memory import MemoryEstimate, estimate_memory
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.datasets.models.background_model import FoVBackgroundModel
from lightpool.datasets.models.model_lists import DatasetModels, Models
from lightpool.datasets.models.parameters import Parameter, Parameters
from lightpool.datasets.models.spectral_norms import PiecewiseNormSpectralModel, PowerLawNormSpectralModel
from lightpool.datasets.reading import read_dataset
from lightpool.datasets.spectrum_dataset import SpectrumDataset
from lightpool.datasets.spectrum_on_off import SpectrumDatasetOnOff
from lightpool.datasets.splitting import split_dataset
from lightpool.names import show_public

__all__ = [
    "DATASET_REGISTRY",
    "Dataset",
    "DatasetModels",
    "Datasets",
    "FoVBackgroundModel",
    "MapDataset",
    "MapDatasetMetaData",
    "MapDatasetOnOff",
    "MemoryEstimate",
    "Models",
    "OGIPDatasetReader",
    "OGIPDatasetWriter",
    "Parameter",
    "Parameters",
    "PiecewiseNormSpectralModel",
    "PowerLawNormSpectralModel",
    "SpectrumDataset",
    "SpectrumDatasetOnOff",
    "apply_edisp",
    "create_empty_map_dataset_from_irfs",
    "create_map_dataset_from_observation",
    "create_map_dataset_geoms",
    "estimate_memory",
    "read_dataset",
    "set_and_restore_mask_fit",
    "split_dataset",
]

show_public(__name__)
install()
