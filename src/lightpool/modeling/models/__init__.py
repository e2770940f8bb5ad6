"""Where Gammapy has the models of the background."""

from lightpool.datasets import (
    DatasetModels,
    FoVBackgroundModel,
    Models,
    PiecewiseNormSpectralModel,
    PowerLawNormSpectralModel,
)
from lightpool.names import show_public

__all__ = ["DatasetModels", "FoVBackgroundModel", "Models", "PiecewiseNormSpectralModel", "PowerLawNormSpectralModel"]

show_public(__name__)
