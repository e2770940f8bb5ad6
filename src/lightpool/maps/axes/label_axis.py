"""The axis of names: observations, datasets, models."""

from collections.abc import Sequence
from typing import Any, NoReturn, Self, TypedDict, Unpack

import astropy.units as u
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.errors import FormatError
from lightpool.fits import Header
from lightpool.maps.axes.axis_base import AxisBase, AxisCoord, BinIndex, check_name
from lightpool.maps.axes.axis_cards import label_axis_card
from lightpool.maps.axes.axis_format import axis_columns, in_order
from lightpool.maps.axes.table_columns import AnyTable, column_text
from lightpool.utils.html import Card

__all__ = ["LabelMapAxis"]


class LabelAxisArguments(TypedDict, total=False):
    """Arguments of `LabelMapAxis`."""

    labels: Sequence[str] | NDArray[np.str_]
    name: str


class LabelMapAxis(AxisBase):
    """Bins that have a name each and no extent.

    Parameters
    ----------
    labels : sequence of str, unique
    name : str
    """

    node_type = "label"

    _consumed = ("labels",)

    def __init__(self, labels: Sequence[str] | NDArray[np.str_], name: str = "") -> None:
        self._name = check_name(name)
        self._labels: NDArray[np.str_] = np.array(labels)
        if self._labels.ndim != 1:
            raise ValueError(f"LabelMapAxis {name!r} needs a sequence of labels, got {labels!r}")
        unique, count = np.unique(self._labels, return_counts=True)
        if np.any(count > 1):
            raise ValueError(
                f"LabelMapAxis {name!r} needs unique labels, but these repeat: {unique[count > 1].tolist()}"
            )
        self._labels.flags.writeable = False

    def __reduce__(self) -> tuple[type["LabelMapAxis"], tuple[object, ...]]:
        return type(self), (self._labels, self._name)

    @property
    def unit(self) -> u.UnitBase:
        """Dimensionless: labels have no unit."""
        return u.Unit("")

    @property
    def nbin(self) -> int:
        """Number of labels."""
        return len(self._labels)

    @property
    def center(self) -> NDArray[np.str_]:
        """The labels, shape (nbin,)."""
        return self._labels

    @property
    def edges(self) -> NoReturn:
        """Raise `ValueError`: labels have no edges."""
        raise ValueError(f"LabelMapAxis {self.name!r} has no edges; axis.center has its labels")

    @property
    def edges_min(self) -> NDArray[np.str_]:
        """The labels, shape (nbin,)."""
        return self._labels

    @property
    def edges_max(self) -> NDArray[np.str_]:
        """The labels, shape (nbin,)."""
        return self._labels

    @property
    def bin_width(self) -> NDArray[np.float64]:
        """Ones, shape (nbin,)."""
        return np.ones(self.nbin)

    def pix_to_coord(self, pix: ArrayLike) -> NDArray[np.str_]:
        """Return the labels at the nearest whole pixel coordinates."""
        nearest: NDArray[np.int64] = np.round(np.asarray(pix)).astype(int)
        return self._labels[nearest]

    def coord_to_idx(self, coord: AxisCoord, clip: bool = False, **kwargs: object) -> NDArray[np.int64]:
        """Return the bins of labels.

        Parameters
        ----------
        coord : array of str
        clip, **kwargs : without effect, arguments of `MapAxis.coord_to_idx`

        Returns
        -------
        index : array of int64, shape of ``coord``

        Raises
        ------
        ValueError
            If a label is not on the axis.
        """
        # shape (..., nbin)
        is_equal = np.asarray(coord)[..., np.newaxis] == self._labels
        is_known = np.any(is_equal, axis=-1)
        if not np.all(is_known):
            missing = np.asarray(coord)[~is_known].tolist()
            raise ValueError(f"axis {self.name!r} has no label {missing}; its labels are {self._labels.tolist()}")
        return np.asarray(np.argmax(is_equal, axis=-1))

    def coord_to_pix(self, coord: AxisCoord) -> NDArray[np.float64]:
        """Return the pixel coordinates of labels."""
        return self.coord_to_idx(coord).astype(np.float64)

    def pix_to_idx(self, pix: ArrayLike, clip: bool = False) -> NDArray[Any]:
        """Return pixel coordinates where they are inside [0, nbin), and -1 elsewhere.

        Parameters
        ----------
        pix : array of int or float
        clip : whether coordinates outside become those of the nearest bin instead of -1
        """
        pix = np.asarray(pix)
        if clip:
            return np.asarray(np.clip(pix, 0, self.nbin - 1))
        return np.asarray(np.where((pix < 0) | (pix >= self.nbin), -1, pix))

    def copy(self, **kwargs: Unpack[LabelAxisArguments]) -> Self:
        """Return an axis with some of the constructor's arguments replaced."""
        arguments: LabelAxisArguments = {"labels": self._labels, "name": self._name}
        return type(self)(**(arguments | kwargs))

    def rename(self, new_name: str) -> Self:
        """Return an axis with another name."""
        return self.copy(name=new_name)

    def slice(self, idx: BinIndex) -> "LabelMapAxis":
        """Return an axis with some of the labels."""
        return type(self)(np.atleast_1d(self._labels[idx]), name=self.name)

    def squash(self) -> "LabelMapAxis":
        """Return an axis with one label, made of the first and the last one."""
        return type(self)([f"{self._labels[0]}...{self._labels[-1]}"], name=self.name)

    def concatenate(self, axis: "LabelMapAxis") -> "LabelMapAxis":
        """Return an axis with the labels of this and then of another axis of the same name."""
        if not isinstance(axis, LabelMapAxis):
            raise TypeError(f"a LabelMapAxis is needed, got {type(axis).__name__}")
        if self.name != axis.name:
            raise ValueError(f"axes to concatenate must have the same name, got {self.name!r} and {axis.name!r}")
        return type(self)(np.append(self._labels, axis.center), name=self.name)

    @classmethod
    def from_stack(cls, axes: "Sequence[LabelMapAxis]") -> "LabelMapAxis":
        """Make an axis with the labels of several axes, one after another."""
        stacked = axes[0]
        for axis in axes[1:]:
            stacked = stacked.concatenate(axis)
        return stacked

    def upsample(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise `TypeError`: labels have no bins that could be changed.

        Parameters
        ----------
        *args, **kwargs : as for `MapAxis.upsample`
        """
        raise self._no_bins("upsampled")

    def downsample(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise `TypeError`: labels have no bins that could be changed.

        Parameters
        ----------
        *args, **kwargs : as for `MapAxis.downsample`
        """
        raise self._no_bins("downsampled")

    def resample(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise `TypeError`: labels have no bins that could be changed.

        Parameters
        ----------
        *args, **kwargs : as for `MapAxis.resample`
        """
        raise self._no_bins("resampled")

    def pad(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise `TypeError`: labels have no bins that could be changed.

        Parameters
        ----------
        *args, **kwargs : as for `MapAxis.pad`
        """
        raise self._no_bins("padded")

    def _no_bins(self, what: str) -> TypeError:
        return TypeError(f"axis {self.name!r} has labels and no bins, so it cannot be {what}")

    def is_allclose(self, other: object, **kwargs: object) -> bool:
        """Return whether another axis has the same name and labels.

        Parameters
        ----------
        other : LabelMapAxis
        **kwargs : tolerances, without effect
        """
        if not isinstance(other, LabelMapAxis):
            raise TypeError(f"a LabelMapAxis cannot be compared with {other!r} of type {type(other).__name__}")
        return self.name.upper() == other.name.upper() and np.array_equal(self._labels, other._labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelMapAxis) and self.is_allclose(other)

    def __hash__(self) -> int:
        return hash((self.name.upper(), *self._labels.tolist()))

    def to_header(self, format: str = "gadf", idx: int = 0) -> Header:
        """Return the FITS keywords of the axis.

        Parameters
        ----------
        format : {"gadf"}
        idx : int, number of the axis
        """
        _check_format(format)
        return Header({f"AXCOLS{idx}": self.name.upper()})

    @classmethod
    def from_table(cls, table: AnyTable, format: str = "gadf", idx: int = 0) -> Self:
        """Read an axis from a table of bins.

        Parameters
        ----------
        table : Table or TableData
        format : {"gadf"}
        idx : int, number of the axis, from 0
        """
        _check_format(format)
        columns = axis_columns(table, idx) or [""]
        labels = column_text(table, columns[0])
        if labels is None:
            raise FormatError(f"axis {idx} of the table has no column of text, but {columns}")
        # with several axes in the table, each label occurs several times; FITS names are in upper case
        return cls(in_order(labels), name=columns[0].lower())

    @property
    def as_plot_labels(self) -> list[str]:
        """The labels."""
        return [str(label) for label in self._labels]

    @property
    def as_plot_center(self) -> NDArray[np.int64]:
        """Bin numbers."""
        return np.arange(self.nbin)

    @property
    def as_plot_edges(self) -> NDArray[np.float64]:
        """Bin numbers, half a bin to either side."""
        return np.arange(self.nbin + 1, dtype=np.float64) - 0.5

    @property
    def as_plot_xerr(self) -> NDArray[np.float64]:
        """Half a bin for each."""
        return np.full(self.nbin, 0.5)

    def html_card(self) -> Card:
        """Return what notebooks show of the axis."""
        return label_axis_card(self)

    def __repr__(self) -> str:
        rows = {
            "name": self.name,
            "nbins": str(self.nbin),
            "node type": self.node_type,
            "labels": str(self._labels.tolist()),
        }
        text = "LabelMapAxis\n------------\n\n"
        return text + "".join(f"  {key:<10s} : {value:<10s}\n" for key, value in rows.items())


def _check_format(layout: str) -> None:
    if layout != "gadf":
        raise ValueError(f"a label axis knows only the format 'gadf', got {layout!r}")
