"""Connected-component labelling."""

import numpy as np

from lightpool.arrays.cuda.loader import contiguous, empty, grid_for, launch
from lightpool.arrays.devices.array_types import Array

__all__ = ["connected_labels"]


def connected_labels(mask: Array) -> Array:
    """Label groups, as `lightpool.arrays.kernels.connected_pixels.connected_labels`, without any read by the host."""
    mask = contiguous(mask)
    n_y, n_x = map(np.int64, mask.shape)
    parent, labels = (empty(mask.shape, "int64", mask) for _ in range(2))
    grid = grid_for(mask.size)
    # Each launch begins after the one before is done, as on any stream: `label` needs the finished trees.
    launch("connected", "plant", grid, [mask, np.int64(mask.size), parent], mask)
    launch("connected", "join", grid, [n_y, n_x, parent], mask)
    launch("connected", "label", grid, [parent, np.int64(mask.size), labels], mask)
    return labels
