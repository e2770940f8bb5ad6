"""Spectrum datasets, under the module name of Gammapy."""

from lightpool.datasets.spectrum_dataset import SpectrumDataset
from lightpool.datasets.spectrum_on_off import SpectrumDatasetOnOff

__all__ = ["SpectrumDataset", "SpectrumDatasetOnOff"]
