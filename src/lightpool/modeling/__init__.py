"""Where Gammapy has parameters and models; fits, and parameters where Gammapy is installed, are Gammapy's.

Scripts take parameters from here for models of their own, which derive from Gammapy's.
"""

from lightpool import datasets
from lightpool.names import show_public

__all__ = ["Parameter", "Parameters"]

show_public(__name__, own={"Parameter": datasets.Parameter, "Parameters": datasets.Parameters})
