"""Where Gammapy has parameters and models of the background; models of sources and fits are Gammapy's."""

from lightpool.datasets import Parameter, Parameters
from lightpool.names import show_public

__all__ = ["Parameter", "Parameters"]

show_public(__name__)
