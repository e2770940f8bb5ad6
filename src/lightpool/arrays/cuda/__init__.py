"""CUDA kernels for what array code does in many small launches, and the functions that launch them.

The sources are in this folder. A function here takes CuPy arrays and does what its reference implementation in
``lightpool.arrays.kernels`` or ``lightpool.irf.projection`` does; the public function there selects it. CuPy is
imported at the first launch.
"""

from lightpool.names import show_public

__all__ = [
    "accumulation",
    "binning",
    "connected",
    "directions",
    "events",
    "interpolation",
    "loader",
    "reductions",
    "responses",
    "structs",
]

show_public(__name__)
