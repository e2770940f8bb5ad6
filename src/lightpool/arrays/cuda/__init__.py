"""CUDA kernels for what the plain array code does in many small launches, and the functions that launch them.

The sources are beside this file. A function here takes CuPy arrays and does what its plain twin elsewhere in `arrays`
or `irf` does; the public function there chooses. Nothing of CuPy is imported before the first launch.
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
