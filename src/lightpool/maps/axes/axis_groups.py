"""Which bins of an axis lie between coarser edges."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.typing import QuantityLike

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["group_edges", "group_table"]


def group_edges(axis: NodeAxis, edges: QuantityLike) -> NDArray[np.float64]:
    """Return the pixel coordinates of the edges of an axis that are nearest to other edges, each once, sorted.

    Parameters
    ----------
    axis : NodeAxis, made of edges
    edges : Quantity, or array of float in the unit of the axis

    Raises
    ------
    ValueError
        If the axis is not made of edges, or fewer than two of its edges are met.
    """
    if axis.node_type != "edges":
        raise ValueError(f"only an axis made of edges can be grouped, but {axis.name!r} is made of centres")
    # edges beyond the axis become its ends, which count once
    pix = np.clip(axis.coord_to_pix(edges), -0.5, axis.nbin - 0.5)
    nearest = np.unique(np.round(pix + 0.5) - 0.5)
    if len(nearest) < 2:
        raise ValueError(
            f"no bin of axis {axis.name!r}, which reaches from {axis.edges[0]} to {axis.edges[-1]}, lies between "
            f"the edges {edges}"
        )
    return np.asarray(nearest)


def group_table(axis: NodeAxis, edges: QuantityLike) -> "Table":
    """Return a table of groups of bins, see `MapAxis.group_table`.

    Parameters
    ----------
    axis : NodeAxis, made of edges
    edges : Quantity, or array of float in the unit of the axis
    """
    from astropy.table import Table

    pix = group_edges(axis, edges)
    n_group = len(pix) - 1
    kinds = ["normal   "] * n_group  # as long as "underflow", as Gammapy writes it
    if pix[0] > -0.5:
        pix = np.insert(pix, 0, -0.5)
        kinds.insert(0, "underflow")
    if pix[-1] < axis.nbin - 0.5:
        pix = np.append(pix, axis.nbin - 0.5)
        kinds.append("overflow")
    values = axis.pix_to_coord(pix)
    # the bin that begins at each edge: edges have the pixel coordinates -0.5, 0.5, ...
    first = (pix + 0.5).astype(int)
    return Table(
        {
            "group_idx": np.arange(len(kinds)),
            f"{axis.name}_min": values[:-1],
            f"{axis.name}_max": values[1:],
            "idx_min": first[:-1],
            "idx_max": first[1:] - 1,
            "bin_type": kinds,
        }
    )
