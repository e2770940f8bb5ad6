"""The maps of a dataset that is cut, padded, sliced or rebinned.

Each function takes a dataset and returns its new maps by name; `MapDataset` makes a dataset of them.
"""

from collections.abc import Iterable
from typing import TypeAlias, TypedDict

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.datasets.base import DatasetBase, DatasetPart
from lightpool.datasets.geometries import pixels_of
from lightpool.irf import EDispKernelMap, IRFMap
from lightpool.maps import MapAxis
from lightpool.typing import AngleLike, QuantityLike

__all__ = [
    "Maps",
    "Window",
    "cutout",
    "downsample",
    "energy_slice",
    "outline",
    "pad",
    "resample_energy_axis",
    "slice_by_idx",
]

Maps: TypeAlias = dict[str, DatasetPart]
"""Maps and responses by name."""


class Window(TypedDict, total=False):
    """Arguments of `cutout`."""

    position: SkyCoord | tuple[float, float]
    width: "AngleLike"
    mode: str


def cutout(dataset: DatasetBase, position: SkyCoord, width: "AngleLike", mode: str) -> Maps:
    """Cut a window out of every map; at least 3 pixels of the responses, so that they can be interpolated.

    Parameters
    ----------
    dataset : DatasetBase
    position : SkyCoord, centre of the window
    width : Quantity, str or pair of them
    mode : {"trim", "partial", "strict"}
    """
    return {name: data.cutout(position=position, width=width, mode=mode) for name, data in _maps(dataset).items()}


def outline(dataset: DatasetBase, window: Window) -> Maps:
    """Return maps without values, of every map or of its window.

    Parameters
    ----------
    dataset : DatasetBase
    window : dict, arguments of `cutout`, or empty
    """
    maps = _maps(dataset)
    return {
        name: data.outline(**window)
        if isinstance(data, IRFMap)
        else data.outline(pixels_of(data).cutout(**window) if window and not data.geom.is_region else None)
        for name, data in maps.items()
    }


def pad(dataset: DatasetBase, pad_width: int | tuple[int, int], mode: str) -> Maps:
    """Widen the maps; the responses are copied.

    Parameters
    ----------
    dataset : DatasetBase
    pad_width : int or pair of int, pixels at each side
    mode : str, see `Map.pad`
    """
    return {
        name: data.copy() if isinstance(data, IRFMap) else data.pad(pad_width=pad_width, mode=mode)
        for name, data in _maps(dataset).items()
    }


def slice_by_idx(dataset: DatasetBase, slices: dict[str, slice | int]) -> Maps:
    """Select bins of axes; maps without an axis keep all their bins.

    Parameters
    ----------
    dataset : DatasetBase
    slices : dict of axis name to slice or int

    Raises
    ------
    ValueError
        If no map has an axis of such a name.
    """
    maps, axes = _maps(dataset), _axis_names(dataset, slices)
    return {
        name: data.slice_by_idx({axis: part for axis, part in slices.items() if axis in axes[name]})
        for name, data in maps.items()
    }


def energy_slice(
    axis: MapAxis, energy_min: "QuantityLike | None" = None, energy_max: "QuantityLike | None" = None
) -> slice:
    """Return the bins of an energy axis between two energies, which are moved to the nearest edges.

    Parameters
    ----------
    axis : MapAxis
    energy_min, energy_max : Quantity or str; the ends of the axis by default

    Raises
    ------
    ValueError
        If no bin lies between them.
    """
    bounds = [axis.bounds[i] if edge is None else u.Quantity(edge) for i, edge in enumerate((energy_min, energy_max))]
    table = axis.group_table(edges=u.Quantity(bounds))
    # The types are padded with blanks to equal length, as in Gammapy.
    groups = [row for row in table if row["bin_type"].strip() == "normal"]
    if not groups:
        raise ValueError(
            f"no bin of axis {axis.name!r} ({axis.edges[0]:.3g} to {axis.edges[-1]:.3g}) lies between "
            f"{bounds[0]:.3g} and {bounds[1]:.3g}"
        )
    return slice(int(groups[0]["idx_min"]), int(groups[0]["idx_max"]) + 1)


def downsample(dataset: DatasetBase, factor: int, axis_name: str | None) -> Maps:
    """Merge pixels, or bins of an axis; counts and background are summed inside the safe mask.

    The responses keep their pixels and follow only along an axis. Along the true energy the exposure is averaged, and
    the responses are averaged with the weight of their exposure. Maps without the axis keep all their bins.

    Parameters
    ----------
    dataset : DatasetBase
    factor : int, how many pixels or bins are joined
    axis_name : str, axis whose bins are joined; None joins pixels

    Raises
    ------
    ValueError
        If no map has an axis of such a name.
    """
    maps, axes = _maps(dataset), _axis_names(dataset, () if axis_name is None else (axis_name,))
    new: Maps = {}
    for name, data in maps.items():
        follows = not isinstance(data, IRFMap) if axis_name is None else axis_name in axes[name]
        if not follows:
            new[name] = data.copy()
        elif isinstance(data, IRFMap):
            # The safe mask has reconstructed energies; bins of true energy are weighted with the exposure alone.
            weights = dataset.mask_safe_edisp if name == "edisp" and axis_name == "energy" else None
            new[name] = data.downsample(factor, axis_name, weights=weights)
        elif name in ("counts", "background"):
            new[name] = data.downsample(
                factor=factor, preserve_counts=True, axis_name=axis_name, weights=dataset.mask_safe
            )
        else:
            new[name] = data.downsample(factor=factor, preserve_counts=False, axis_name=axis_name)
    return new


def resample_energy_axis(dataset: DatasetBase, energy_axis: MapAxis) -> Maps:
    """Merge bins of reconstructed energy; counts and background are summed inside the safe mask.

    Parameters
    ----------
    dataset : DatasetBase
    energy_axis : MapAxis, whose edges are among those of the dataset
    """
    maps = _maps(dataset)
    new: Maps = {name: maps[name] for name in ("exposure", "psf", "edisp") if name in maps}
    for name, data in maps.items():
        if isinstance(data, IRFMap):
            continue
        if name in ("counts", "background"):
            new[name] = data.resample_axis(axis=energy_axis, weights=dataset.mask_safe)
        elif name in ("mask_safe", "mask_fit"):
            # As in Gammapy, a joined bin is safe if any of its bins is; counts outside the mask are not in its sum.
            new[name] = data.resample_axis(axis=energy_axis, ufunc=np.logical_or)
    if isinstance(dataset.edisp, EDispKernelMap):
        new["edisp"] = dataset.edisp.resample_energy_axis(energy_axis=energy_axis, weights=dataset.mask_safe_edisp)
    return new


def _maps(dataset: DatasetBase) -> Maps:
    """Choose the maps to carry over; the background of an on-off dataset is computed, not stored."""
    return {name: data for name, data in dataset.maps.items() if name != "background" or dataset.stat_type == "cash"}


def _axis_names(dataset: DatasetBase, wanted: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of the axes of each map, once every wanted axis is found in one of them."""
    axes = {name: data.geom.axes.names for name, data in _maps(dataset).items()}
    known = list(dict.fromkeys(axis for names in axes.values() for axis in names))
    for name in wanted:
        if name not in known:
            raise ValueError(f"no map of dataset {dataset.name!r} has an axis {name!r}; their axes are {known}")
    return axes
