"""What a map dataset becomes when it is cut, padded, sliced or rebinned.

Each function takes a dataset and gives its new maps by name; `MapDataset` makes a dataset of them.
"""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from lightpool.irf import EDispKernelMap
from lightpool.maps import MapAxis

if TYPE_CHECKING:
    from lightpool.datasets.map_dataset import MapDataset

__all__ = ["cutout", "downsample", "energy_slice", "outline", "pad", "resample_energy_axis", "slice_by_idx"]

_IRF_NAMES = ("psf", "edisp")


def cutout(dataset: "MapDataset", position: Any, width: Any, mode: str) -> dict[str, Any]:
    """Window of every map; at least 3 pixels of the IRF maps, so that they can be interpolated."""
    return {name: data.cutout(position=position, width=width, mode=mode) for name, data in _maps(dataset).items()}


def outline(dataset: "MapDataset", window: dict[str, Any]) -> dict[str, Any]:
    """Maps without values, of every map or of its window: arguments of `cutout`, or none."""
    maps = _maps(dataset)
    return {
        name: data.outline(**window)
        if name in _IRF_NAMES
        else data.outline(data.geom.cutout(**window) if window else None)
        for name, data in maps.items()
    }


def pad(dataset: "MapDataset", pad_width: Any, mode: str) -> dict[str, Any]:
    """Wider maps; the IRF maps are copied."""
    return {
        name: data.copy() if name in _IRF_NAMES else data.pad(pad_width=pad_width, mode=mode)
        for name, data in _maps(dataset).items()
    }


def slice_by_idx(dataset: "MapDataset", slices: dict[str, Any]) -> dict[str, Any]:
    """Bins of axes; maps without an axis keep all their bins.

    Raises
    ------
    ValueError
        If no map has an axis of such a name.
    """
    maps = _maps(dataset)
    axes = {name: data.geom.axes.names for name, data in maps.items()}
    known = list(dict.fromkeys(axis for names in axes.values() for axis in names))
    unknown = [axis for axis in slices if axis not in known]
    if unknown:
        raise ValueError(f"no map of dataset {dataset.name!r} has an axis {unknown[0]!r}; their axes are {known}")
    return {
        name: data.slice_by_idx({axis: part for axis, part in slices.items() if axis in axes[name]})
        for name, data in maps.items()
    }


def energy_slice(axis: MapAxis, energy_min: Any, energy_max: Any) -> slice:
    """Bins of an energy axis between two energies, which are moved to the nearest edges.

    Raises
    ------
    ValueError
        If no bin lies between them.
    """
    bounds = [axis.bounds[i] if edge is None else u.Quantity(edge) for i, edge in enumerate((energy_min, energy_max))]
    groups = axis.group_table(edges=u.Quantity(bounds))
    groups = [row for row in groups if row["bin_type"].strip() == "normal"]
    if not groups:
        raise ValueError(
            f"no bin of axis {axis.name!r} ({axis.edges[0]:.3g} to {axis.edges[-1]:.3g}) lies between "
            f"{bounds[0]:.3g} and {bounds[1]:.3g}"
        )
    return slice(int(groups[0]["idx_min"]), int(groups[0]["idx_max"]) + 1)


def downsample(dataset: "MapDataset", factor: int, axis_name: str | None) -> dict[str, Any]:
    """Larger pixels, or larger bins of an axis; counts and background are summed inside the safe mask.

    The IRF maps keep their pixels and follow only along an axis. Along the true energy the exposure is averaged, and
    the IRF maps are averaged with the weight of their exposure. Maps without the axis keep all their bins.

    Raises
    ------
    ValueError
        If no map has an axis of such a name.
    """
    maps = _maps(dataset)
    axes = {name: data.geom.axes.names for name, data in maps.items()}
    known = list(dict.fromkeys(axis for names in axes.values() for axis in names))
    if axis_name is not None and axis_name not in known:
        raise ValueError(f"no map of dataset {dataset.name!r} has an axis {axis_name!r}; their axes are {known}")
    new: dict[str, Any] = {}
    for name, data in maps.items():
        follows = name not in _IRF_NAMES if axis_name is None else axis_name in axes[name]
        if not follows:
            new[name] = data.copy()
        elif name in _IRF_NAMES:
            weights = dataset.mask_safe_edisp if name == "edisp" and axis_name == "energy" else None
            new[name] = data.downsample(factor, axis_name, weights=weights)
        elif name in ("counts", "background"):
            new[name] = data.downsample(
                factor=factor, preserve_counts=True, axis_name=axis_name, weights=dataset.mask_safe
            )
        else:
            new[name] = data.downsample(factor=factor, preserve_counts=False, axis_name=axis_name)
    return new


def resample_energy_axis(dataset: "MapDataset", energy_axis: MapAxis) -> dict[str, Any]:
    """Wider bins of reconstructed energy; counts and background are summed inside the safe mask."""
    maps = _maps(dataset)
    new: dict[str, Any] = {name: maps[name] for name in ("exposure", "psf", "edisp") if name in maps}
    for name in ("counts", "background"):
        if name in maps:
            new[name] = maps[name].resample_axis(axis=energy_axis, weights=dataset.mask_safe)
    for name in ("mask_safe", "mask_fit"):
        if name in maps:
            new[name] = maps[name].resample_axis(axis=energy_axis, ufunc=np.logical_or)
    if isinstance(dataset.edisp, EDispKernelMap):
        new["edisp"] = dataset.edisp.resample_energy_axis(energy_axis=energy_axis, weights=dataset.mask_safe_edisp)
    return new


def _maps(dataset: "MapDataset") -> dict[str, Any]:
    """Choose the maps to carry over; the background of an on-off dataset is worked out, not stored."""
    return {name: data for name, data in dataset.maps.items() if name != "background" or dataset.stat_type == "cash"}
