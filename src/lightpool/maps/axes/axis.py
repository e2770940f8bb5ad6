"""The axis of numbers: bins of energy, offset, migra or any other quantity."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self, TypeAlias, TypedDict, Unpack

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.fits import BinTableHDU, Header
from lightpool.maps.axes import axis_format, axis_groups
from lightpool.maps.axes.axis_base import BinIndex, Tolerances
from lightpool.maps.axes.axis_cards import node_axis_card
from lightpool.maps.axes.axis_nodes import (
    INTERPOLATIONS,
    NODE_TYPES,
    check_choice,
    check_energy_name,
    check_energy_unit,
    energy_bounds,
    pad_widths,
    spaced_nodes,
)
from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.maps.axes.table_columns import AnyTable, read_table
from lightpool.typing import QuantityLike, UnitLike
from lightpool.utils.html import Card

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["MapAxis", "MapAxisOptions"]


class NodeOptions(TypedDict, total=False):
    """Arguments of `MapAxis` besides the nodes and their type."""

    interp: str
    name: str
    unit: UnitLike
    boundary_type: str


class MapAxisOptions(NodeOptions, total=False):
    """Arguments of `MapAxis` besides the nodes."""

    node_type: str


class MapAxisArguments(MapAxisOptions, total=False):
    """All arguments of `MapAxis`."""

    nodes: QuantityLike


_Nodes: TypeAlias = u.Quantity | NDArray[np.generic] | Sequence[u.Quantity | str | float]


class MapAxis(NodeAxis):
    """Bins along one quantity, with the rule that turns values into pixel coordinates and back.

    Bin centres have the pixel coordinates 0, 1, 2...; the edges lie half a pixel to either side. Between the nodes
    the pixel coordinate is linear in the value, its logarithm or its square root. An axis is a value: it never
    changes, and its arrays cannot be written to.

    Parameters
    ----------
    nodes : sequence of float or Quantity, shape (n_node,)
        Bin edges or bin centres, sorted.
    interp : {"lin", "log", "sqrt"}, or "linear" for "lin"
        Scale on which pixel coordinates are linear.
    name : str
    node_type : {"edges", "center"}
        What the nodes are: edges where map values are integrals over bins, centres where they belong to a point.
    unit : str or Unit
        Unit of nodes that carry none.
    boundary_type : {"monotonic", "periodic"}
        "periodic" wraps values into the range of the axis; with ``interp="lin"`` only.
    """

    _centers_as_labels: bool | None = None

    # --- constructors

    @classmethod
    def from_bounds(cls, lo_bnd: float, hi_bnd: float, nbin: int, **kwargs: Unpack[MapAxisOptions]) -> Self:
        """Make an axis with a number of bins between two bounds, equal on its scale.

        Parameters
        ----------
        lo_bnd, hi_bnd : float
            First and last edge, or first and last centre with ``node_type="center"``.
        nbin : int
        **kwargs : dict, other arguments of `MapAxis`
        """
        interp = check_choice(kwargs.setdefault("interp", "lin"), INTERPOLATIONS, "interp")
        node_type = check_choice(kwargs.setdefault("node_type", "edges"), NODE_TYPES, "node_type")
        n_node = int(nbin) + (node_type == "edges")
        if int(nbin) < 1:
            raise ValueError(f"an axis needs at least one bin, got nbin={nbin}")
        return cls(spaced_nodes(lo_bnd, hi_bnd, n_node, interp), **kwargs)

    @classmethod
    def from_energy_bounds(
        cls,
        energy_min: QuantityLike,
        energy_max: QuantityLike,
        nbin: int,
        unit: "UnitLike | None" = None,
        per_decade: bool = False,
        name: str | None = None,
        node_type: str = "edges",
        strict_bounds: bool = True,
    ) -> Self:
        """Make an energy axis with a number of equal logarithmic bins.

        Parameters
        ----------
        energy_min, energy_max : Quantity, str such as "1 TeV", or float with ``unit``
        nbin : int
        unit : unit of the axis; that of ``energy_max`` by default
        per_decade : whether ``nbin`` counts the bins of a factor of ten
        name : "energy" (default) or "energy_true"
        node_type : {"edges", "center"}
        strict_bounds : bool
            With ``per_decade``: keep ``energy_max`` and make the bins a little narrower (True), or keep the bins per
            decade and lower ``energy_max`` (False).
        """
        lower, upper, nbin, unit = energy_bounds(energy_min, energy_max, nbin, unit, per_decade, strict_bounds)
        name = check_energy_name(name)
        return cls.from_bounds(lower, upper, nbin=nbin, unit=unit, interp="log", name=name, node_type=node_type)

    @classmethod
    def from_energy_edges(
        cls, energy_edges: QuantityLike, unit: "UnitLike | None" = None, name: str | None = None, interp: str = "log"
    ) -> Self:
        """Make an energy axis from edges.

        Parameters
        ----------
        energy_edges : Quantity, or sequence of float with ``unit``
        unit : Unit or str
        name : "energy" (default) or "energy_true"
        interp : {"log", "lin", "sqrt"}
        """
        edges = u.Quantity(energy_edges, unit)
        check_energy_unit(edges, "MapAxis.from_energy_edges")
        return cls.from_edges(edges, interp=interp, name=check_energy_name(name))

    @classmethod
    def from_nodes(cls, nodes: _Nodes, **kwargs: Unpack[NodeOptions]) -> Self:
        """Make an axis from bin centres; the edges lie half-way between them on its scale.

        Parameters
        ----------
        nodes : Quantity, or sequence of float or Quantity
        **kwargs : dict, other arguments of `MapAxis`
        """
        if len(nodes) < 1:
            raise ValueError(f"an axis needs at least one node, got {nodes!r}")
        return cls(nodes, node_type="center", **kwargs)

    @classmethod
    def from_edges(cls, edges: _Nodes, **kwargs: Unpack[NodeOptions]) -> Self:
        """Make an axis from bin edges, of which there is one more than bins.

        Parameters
        ----------
        edges : Quantity, or sequence of float or Quantity
        **kwargs : dict, other arguments of `MapAxis`
        """
        if len(edges) < 2:
            raise ValueError(f"an axis needs at least two edges, got {edges!r}")
        return cls(edges, node_type="edges", **kwargs)

    @classmethod
    def from_stack(cls, axes: "Sequence[MapAxis]") -> "MapAxis":
        """Make an axis with the bins of several axes, one after another, see `concatenate`."""
        stacked = axes[0]
        for axis in axes[1:]:
            stacked = stacked.concatenate(axis)
        return stacked

    def copy(self, **kwargs: Unpack[MapAxisArguments]) -> Self:
        """Return an axis with some of the constructor's arguments replaced."""
        arguments: MapAxisArguments = {
            "nodes": self._nodes,
            "interp": self._interp,
            "name": self._name,
            "node_type": self._node_type,
            "unit": self._unit,
            "boundary_type": self._boundary_type,
        }
        axis = type(self)(**(arguments | kwargs))
        return self._with_same_edges(axis) if set(kwargs) <= {"name"} else axis

    def rename(self, new_name: str) -> Self:
        """Return an axis with another name."""
        return self.copy(name=new_name)

    def to_node_type(self, node_type: str) -> "MapAxis":
        """Return an axis with the same bins whose nodes are of the other type."""
        if check_choice(node_type, NODE_TYPES, "node_type") == self.node_type:
            return self
        nodes = self.center if node_type == "center" else self.edges
        return self._with_nodes(nodes, node_type)

    def _with_nodes(self, nodes: u.Quantity | NDArray[np.float64], node_type: str | None = None) -> "MapAxis":
        node_type = self.node_type if node_type is None else node_type
        return type(self)(nodes, interp=self.interp, name=self.name, node_type=node_type, unit=self.unit)

    # --- other bins from these

    def slice(self, idx: BinIndex) -> "MapAxis":
        """Return an axis with some of the bins.

        Parameters
        ----------
        idx : slice or int
            Bins to keep. Bins given by edges must stay neighbours, so their slice has no step.
        """
        index = np.atleast_1d(np.arange(self.nbin)[idx])
        if index.size == 0:
            raise ValueError(f"{idx} selects none of the {self.nbin} bins of axis {self.name!r}")
        if np.array_equal(index, np.arange(self.nbin)):
            return self
        if self.node_type == "edges":
            if np.any(np.diff(index) != 1):
                raise ValueError(f"axis {self.name!r} has bins with common edges, so {idx} cannot leave some out")
            # n bins have n + 1 edges
            index = np.append(index, index[-1] + 1)
        return self._with_nodes(self._nodes[index])

    def squash(self) -> "MapAxis":
        """Return an axis with one bin that reaches over all bins of this one."""
        return self._squashed

    @cached_property
    def _squashed(self) -> "MapAxis":
        lower, upper = self.edges_value[0], self.edges_value[-1]
        return type(self).from_bounds(lower, upper, nbin=1, interp=self.interp, name=self.name, unit=self.unit)

    def pad(self, pad_width: int | tuple[int, int]) -> "MapAxis":
        """Return an axis with more bins at both ends; a tuple says how many at the lower and the upper end."""
        low, high = pad_widths(pad_width)
        if self.node_type == "edges":
            return self._with_nodes(self.pix_to_coord(np.arange(-low, self.nbin + high + 1) - 0.5))
        return self._with_nodes(self.pix_to_coord(np.arange(-low, self.nbin + high)))

    def concatenate(self, axis: "MapAxis") -> "MapAxis":
        """Return an axis with the bins of this and then of another axis of the same name, scale and node type.

        Raises
        ------
        ValueError
            If the axes do not fit, or the edges of the other do not begin where those of this one end.
        """
        for what in ("node_type", "name", "interp"):
            mine, its = getattr(self, what), getattr(axis, what)
            if mine != its:
                raise ValueError(f"axes to concatenate must have the same {what}, got {mine!r} and {its!r}")
        if self.node_type == "center":
            return self._with_nodes(np.append(self.center, axis.center))
        gap = axis.edges[0].to_value(self.unit) - self.edges_value[-1]
        if abs(gap) > 1e-6 * abs(self.edges_value[-1] - self.edges_value[-2]):
            raise ValueError(
                f"axes to concatenate must touch, but {self.name!r} ends at {self.edges[-1]} "
                f"and the next one begins at {axis.edges[0]}"
            )
        # the common edge counts once
        return self._with_nodes(np.append(self.edges, axis.edges[1:]))

    def upsample(self, factor: int) -> "MapAxis":
        """Return an axis with ``factor`` bins in place of each; centres: ``factor`` steps in place of each step."""
        pix = self.coord_to_pix(self.edges if self.node_type == "edges" else self.center)
        n_node = int((len(self._nodes) - 1) * factor) + 1
        return self._with_nodes(self.pix_to_coord(np.linspace(pix.min(), pix.max(), n_node)))

    def downsample(self, factor: int, strict: bool = True) -> "MapAxis":
        """Return an axis with one bin in place of ``factor``; of centres, each ``factor``-th is kept.

        Parameters
        ----------
        factor : int
        strict : bool
            Whether bins that remain at the end are an error; else they become one last, smaller bin.
        """
        nodes = self.edges if self.node_type == "edges" else self.center
        n_rest = (len(nodes) - 1) % factor
        if n_rest and strict:
            raise ValueError(
                f"axis {self.name!r} has {len(nodes) - 1} steps between {self.node_type}, which {factor} does not "
                "divide; choose another factor or strict=False"
            )
        coarse = nodes[::factor]
        # the last node stays the end of the axis
        return self._with_nodes(np.append(coarse, nodes[-1]) if n_rest else coarse)

    def resample(self, axis: "MapAxis") -> "MapAxis":
        """Return an axis whose edges are those of this one that are nearest to the edges of another, coarser one."""
        edges = axis_groups.group_edges(self, axis.edges)
        return type(self).from_edges(self.pix_to_coord(edges), interp=axis.interp, name=axis.name)

    def group_table(self, edges: QuantityLike) -> "Table":
        """Return a table of the groups of bins that lie between coarser edges, with those left over at either end.

        Parameters
        ----------
        edges : Quantity, or array of float in the unit of the axis

        Returns
        -------
        groups : Table with columns group_idx, {name}_min, {name}_max, idx_min, idx_max (inclusive), bin_type
        """
        return axis_groups.group_table(self, edges)

    # --- comparison

    def is_aligned(self, other: "MapAxis", atol: float = 2e-2) -> bool:
        """Return whether centres of either axis fall on centres of the other, on the same scale.

        Parameters
        ----------
        other : MapAxis
        atol : float, how far from a centre counts as on it, in bins
        """
        pix = np.append(self.coord_to_pix(other.center), other.coord_to_pix(self.center))
        return bool(np.allclose(np.round(pix) - pix, 0, atol=atol)) and self.interp == other.interp

    def is_allclose(self, other: object, **kwargs: Unpack[Tolerances]) -> bool:
        """Return whether another axis has the same name, kind and, up to tolerances, edges.

        Parameters
        ----------
        other : MapAxis
        **kwargs : ``rtol`` and ``atol`` of `numpy.allclose`
        """
        if not isinstance(other, MapAxis):
            raise TypeError(f"a MapAxis cannot be compared with {other!r} of type {type(other).__name__}")
        if self is other:
            return True
        if self._kind != other._kind or not self.unit.is_equivalent(other.unit):
            return False
        mine, its = self.edges_value, other.edges.to_value(self.unit)
        return np.array_equal(mine, its) or bool(np.allclose(mine, its, **kwargs))

    @property
    def _kind(self) -> tuple[str | int, ...]:
        # as in Gammapy, names that differ in case alone are equal
        return self.name.upper(), self.nbin, self._node_type, self._interp, self._boundary_type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MapAxis) and self.is_allclose(other, rtol=1e-6, atol=1e-6)

    def __hash__(self) -> int:
        return hash(self._kind)  # equality has a tolerance, so the edges must stay out

    # --- tables and text

    def to_header(self, format: str = "ogip", idx: int = 0) -> Header:
        """Return the FITS keywords of the axis.

        Parameters
        ----------
        format : {"ogip", "ogip-sherpa", "gadf", "fgst-ccube", "fgst-template"}
        idx : int, number of the axis in the format "gadf"
        """
        return axis_format.axis_header(self, format, idx)

    def to_table(self, format: str = "ogip") -> "Table":
        """Return a table of the bins.

        The formats are "ogip", "ogip-sherpa", "ogip-arf", "ogip-arf-sherpa", "gadf-dl3", "gadf-sed" and "gtpsf".
        """
        return axis_format.axis_table(self, format)

    def to_table_hdu(self, format: str = "ogip") -> BinTableHDU:
        """Return a FITS table of the bins, with its keywords in the formats "ogip" and "ogip-sherpa"."""
        return axis_format.axis_table_hdu(self, format)

    @classmethod
    def from_table(cls, table: AnyTable, format: str = "ogip", idx: int = 0, column_prefix: str = "") -> Self:
        """Read an axis from a table.

        Parameters
        ----------
        table : Table or `lightpool.fits.TableData`
        format : {"ogip", "ogip-sherpa", "ogip-arf", "gadf", "gadf-dl3", "fgst-ccube", "fgst-template",
            "fgst-bexpcube", "gtpsf", "gadf-sed-energy", "gadf-sed-norm", "gadf-sed-counts", "profile"}
        idx : number of the axis, from 0, in the format "gadf"
        column_prefix : stem of the column names in the format "gadf-dl3", such as "ENERG"
        """
        return cls(**axis_format.axis_arguments(table, format, idx, column_prefix))

    @classmethod
    def from_table_hdu(cls, hdu: BinTableHDU, format: str = "ogip", idx: int = 0) -> Self:
        """Read an axis from a FITS table.

        Parameters
        ----------
        hdu : BinTableHDU
        format, idx : see `from_table`
        """
        return cls.from_table(read_table(hdu), format=format, idx=idx)

    @property
    def use_center_as_plot_labels(self) -> bool:
        """Whether `as_plot_labels` are the centres of the bins; by default they are if the nodes are centres.

        It can be set; copies go back to the default.
        """
        chosen = self._centers_as_labels
        return self.node_type == "center" if chosen is None else chosen

    @use_center_as_plot_labels.setter
    def use_center_as_plot_labels(self, value: bool) -> None:
        self._centers_as_labels = bool(value)

    @property
    def as_plot_labels(self) -> list[str]:
        """Text for each bin: its centre or its edges, see `use_center_as_plot_labels`."""
        if self.use_center_as_plot_labels:
            return [f"{value:.2e}" for value in self.center]
        return [f"{lower:.2e} - {upper:.2e}" for lower, upper in self.iter_by_edges]

    @property
    def as_plot_edges(self) -> u.Quantity:
        """Bin edges, as `edges`."""
        return self.edges

    @property
    def as_plot_center(self) -> u.Quantity:
        """Bin centres, as `center`."""
        return self.center

    @property
    def as_plot_xerr(self) -> tuple[u.Quantity, u.Quantity]:
        """Distances from the centres to the lower and the upper edges, for error bars."""
        return self.center - self.edges_min, self.edges_max - self.center

    @property
    def as_plot_scale(self) -> str:
        """Name of the scale in matplotlib."""
        return "log" if self.interp == "log" else "linear"

    def html_card(self) -> Card:
        """Return what notebooks show of the axis."""
        return node_axis_card(self)

    def __repr__(self) -> str:
        nodes = self.edges if self.node_type == "edges" else self.center
        rows = {
            "name": self.name,
            "unit": repr(str(self.unit)),
            "nbins": str(self.nbin),
            "node type": self.node_type,
            f"{self.node_type} min": f"{nodes.min():.1e}",
            f"{self.node_type} max": f"{nodes.max():.1e}",
            "interp": self.interp,
        }
        return "MapAxis\n\n" + "".join(f"\t{key:<10s} : {text:<10s}\n" for key, text in rows.items())
