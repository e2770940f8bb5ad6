"""Connected-component labelling of pixels."""

from array_api_compat import is_cupy_namespace

from lightpool.arrays.cuda import connected as cuda_connected
from lightpool.arrays.devices.array_types import Array, Namespace
from lightpool.arrays.devices.devices import array_namespace, device_of, to_host
from lightpool.arrays.kernels.clipping import clip
from lightpool.arrays.kernels.histogram import sum_by_bin

__all__ = ["connected_labels", "connected_labels_plain", "select_connected"]

_N_STEP = 8  # between two checks of whether anything changed


def connected_labels(mask: Array) -> Array:
    """Number the groups of set pixels that touch at a side or a corner.

    Parameters
    ----------
    mask : array of bool, shape (ny, nx)

    Returns
    -------
    labels : array of int64, shape (ny, nx)
        All pixels of a group have the largest of their indices in the flattened image, plus one; 0 where the mask is
        not set.
    """
    xp = array_namespace(mask)
    if is_cupy_namespace(xp):
        return cuda_connected.connected_labels(mask)
    return connected_labels_plain(mask)


def connected_labels_plain(mask: Array) -> Array:
    """Label connected pixels with the array API standard alone: the reference implementation of `connected_labels`.

    Labels spread to all neighbours at once. Then each pixel takes the label of the pixel that its label names, so that
    the number of steps grows with the logarithm of the size of a group. After every few steps one number is read from
    the device: how many labels changed.
    """
    xp = array_namespace(mask)
    n_y, n_x = mask.shape
    device = device_of(mask)
    own = xp.reshape(xp.arange(1, n_y * n_x + 1, dtype=xp.int64, device=device.handle), (n_y, n_x))
    labels = xp.where(mask, own, xp.zeros_like(own))
    if n_y * n_x == 0:
        return labels
    while True:
        before = labels
        for _ in range(_N_STEP):
            labels = xp.where(mask, _largest_neighbour(labels, xp), labels)
            # Label n names pixel n - 1. Pixels without a label look up pixel 0; the mask drops what they find there.
            named = xp.take(xp.reshape(labels, (-1,)), xp.reshape(clip(labels - 1, 0), (-1,)))
            labels = xp.where(mask, xp.reshape(named, (n_y, n_x)), labels)
        if int(to_host(xp.count_nonzero(labels != before))) == 0:  # host: one number, whether a label changed
            return labels


def _largest_neighbour(labels: Array, xp: Namespace) -> Array:
    """Return the largest label of each pixel and its eight neighbours."""
    # Columns after rows reach the corners too. The outer rows and columns are repeated, so nothing wraps around.
    for axis in (0, 1):
        n = labels.shape[axis]
        first, rest = _part(labels, axis, 0, 1), _part(labels, axis, 1, n)
        last, front = _part(labels, axis, n - 1, n), _part(labels, axis, 0, n - 1)
        up, down = xp.concat([rest, last], axis=axis), xp.concat([first, front], axis=axis)
        labels = xp.maximum(labels, xp.maximum(up, down))
    return labels


def _part(x: Array, axis: int, start: int, stop: int) -> Array:
    return x[start:stop, :] if axis == 0 else x[:, start:stop]


def select_connected(candidates: Array, seeds: Array, min_size: int = 1) -> Array:
    """Keep the groups of candidates that contain a seed and are large enough.

    Parameters
    ----------
    candidates : array of bool, shape (ny, nx)
    seeds : array of bool, same shape
        Seeds that are no candidates are ignored.
    min_size : int
        Least number of pixels of a group.

    Returns
    -------
    selected : array of bool, same shape
    """
    xp = array_namespace(candidates, seeds)
    labels = xp.reshape(connected_labels(candidates), (-1,))
    n_bin = labels.shape[0] + 1
    size = sum_by_bin(labels, None, n_bin)
    n_seed = sum_by_bin(labels, xp.reshape(seeds, (-1,)), n_bin)
    is_good = (n_seed > 0.0) & (size > min_size - 0.5)  # whole numbers in float64: compare half way between two
    selected = xp.take(is_good, labels)
    return xp.reshape(selected, candidates.shape) & candidates  # label 0, of all other pixels, may hold seeds
