"""Binned datasets, lists of them, and the models of their backgrounds."""

from lightpool.acceptance import install
from lightpool.datasets.dataset import Dataset
from lightpool.datasets.datasets import Datasets
from lightpool.datasets.geometries import create_map_dataset_geoms
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.map_dataset_on_off import MapDatasetOnOff
from lightpool.datasets.memory import MemoryEstimate, estimate_memory
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.datasets.models.background_models import DatasetModels, FoVBackgroundModel, Models
from lightpool.datasets.models.parameters import Parameter, Parameters
from lightpool.datasets.models.spectral_norms import PiecewiseNormSpectralModel, PowerLawNormSpectralModel
from lightpool.datasets.reading import read_dataset
from lightpool.datasets.spectrum_dataset import SpectrumDataset
from lightpool.datasets.spectrum_on_off import SpectrumDatasetOnOff
from lightpool.names import show_public

__all__ = [
    "Dataset",
    "DatasetModels",
    "Datasets",
    "FoVBackgroundModel",
    "MapDataset",
    "MapDatasetMetaData",
    "MapDatasetOnOff",
    "MemoryEstimate",
    "Models",
    "Parameter",
    "Parameters",
    "PiecewiseNormSpectralModel",
    "PowerLawNormSpectralModel",
    "SpectrumDataset",
    "SpectrumDatasetOnOff",
    "create_map_dataset_geoms",
    "estimate_memory",
    "read_dataset",
]

show_public(__name__)
install()
