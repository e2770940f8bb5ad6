"""Small plots of datasets for notebooks: counts on the sky, counts and background for each energy."""

from typing import TYPE_CHECKING

import numpy as np

from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.plot.map_previews import along_axis, sky_panel
from lightpool.plot.previews import Curves, Panel, draw
from lightpool.utils.html import Picture

if TYPE_CHECKING:
    from lightpool.datasets.dataset_card import ViewOfDataset
    from lightpool.maps import Map

__all__ = ["draw_dataset"]


def draw_dataset(dataset: "ViewOfDataset") -> list[Picture]:
    """Return a small plot of a dataset on the host, inside its safe mask; none if there is nothing to draw.

    Parameters
    ----------
    dataset : Dataset, with counts
    """
    mask = dataset.mask_safe
    if dataset.counts is None or not dataset.counts.geom.is_regular:
        return []
    named = {"counts": dataset.counts, "background": dataset.npred_background()}
    maps = {name: _inside(data, mask) for name, data in named.items() if data is not None}
    safe = "" if mask is None else "safe "
    panels: list[Panel] = []
    if not dataset.counts.geom.is_region:
        panels += sky_panel(maps["counts"], f"{safe}counts")
    axis = dataset.counts.geom.axes["energy"]
    if isinstance(axis, NodeAxis):
        curves = {name: along_axis(data, axis) for name, data in maps.items()}
        lines = [(name, curve.lines[0][1]) for name, curve in curves.items()]
        first = curves["counts"]
        panels.append(Curves(first.x, lines, f"{safe}sums".strip(), first.x_label, "", first.x_is_log))
    return draw(panels)


def _inside(data: "Map", mask: "Map | None") -> "Map":
    """Return a map that is zero outside of a mask, whatever its values are there."""
    if mask is None:
        return data
    values = np.where(np.asarray(mask.data), np.asarray(data.data), 0)
    masked: Map = type(data)(data.geom, data=values, unit=data.unit, device="cpu")
    return masked
