"""The axis of names: observations, datasets, models."""

from collections.abc import Sequence
from typing import Any, NoReturn, Self

import astropy.units as u
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.errors import FormatError
from lightpool.fits import Header
from lightpool.maps.axes.axis_base import AxisBase, check_name
from lightpool.maps.axes.axis_format import axis_columns, in_order
from lightpool.maps.axes.table_columns import column_text

__all__ = ["LabelMapAxis"]


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
        self._labels = np.array(labels)
        if self._labels.ndim != 1:
            raise ValueError(f"LabelMapAxis {name!r} needs a sequence of labels, got {labels!r}")
        unique, count = np.unique(self._labels, return_counts=True)
        if np.any(count > 1):
            raise ValueError(
                f"LabelMapAxis {name!r} needs unique labels, but these repeat: {unique[count > 1].tolist()}"
            )
        self._labels.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._labels, self._name)

    @property
    def unit(self) -> Any:
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
        """Labels have no edges: a `ValueError`."""
        raise ValueError(f"LabelMapAxis {self.name!r} has no edges; axis.center gives its labels")

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

    def pix_to_coord(self, pix: ArrayLike) -> Any:
        """Labels at the nearest whole pixel coordinates."""
        return self._labels[np.round(np.asarray(pix)).astype(int)]

    def coord_to_idx(self, coord: ArrayLike, clip: bool = False) -> NDArray[np.int64]:
        """Bins of labels, shape of ``coord``; a label that is not on the axis is a `ValueError`."""
        is_equal = np.asarray(coord)[..., np.newaxis] == self._labels
        is_known = np.any(is_equal, axis=-1)
        if not np.all(is_known):
            missing = np.asarray(coord)[~is_known].tolist()
            raise ValueError(f"axis {self.name!r} has no label {missing}; its labels are {self._labels.tolist()}")
        return np.asarray(np.argmax(is_equal, axis=-1))

    def coord_to_pix(self, coord: ArrayLike) -> NDArray[np.float64]:
        """Pixel coordinates of labels."""
        return self.coord_to_idx(coord).astype(np.float64)

    def pix_to_idx(self, pix: ArrayLike, clip: bool = False) -> NDArray[Any]:
        """Pixel coordinates where they are inside [0, nbin), elsewhere -1, or the nearest bin with ``clip``."""
        pix = np.asarray(pix)
        if clip:
            return np.asarray(np.clip(pix, 0, self.nbin - 1))
        return np.asarray(np.where((pix < 0) | (pix >= self.nbin), -1, pix))

    def copy(self, **kwargs: Any) -> Self:
        """Axis with some of the constructor's arguments replaced."""
        arguments: dict[str, Any] = {"labels": self._labels, "name": self._name}
        return type(self)(**(arguments | kwargs))

    def rename(self, new_name: str) -> Self:
        """Axis with another name."""
        return self.copy(name=new_name)

    def slice(self, idx: Any) -> "LabelMapAxis":
        """Axis with some of the labels."""
        return type(self)(np.atleast_1d(self._labels[idx]), name=self.name)

    def squash(self) -> "LabelMapAxis":
        """Axis with one label, made of the first and the last one."""
        return type(self)([f"{self._labels[0]}...{self._labels[-1]}"], name=self.name)

    def concatenate(self, axis: "LabelMapAxis") -> "LabelMapAxis":
        """Axis with the labels of this and then of another axis of the same name."""
        if not isinstance(axis, LabelMapAxis):
            raise TypeError(f"a LabelMapAxis is needed, got {type(axis).__name__}")
        if self.name != axis.name:
            raise ValueError(f"axes to concatenate must have the same name, got {self.name!r} and {axis.name!r}")
        return type(self)(np.append(self._labels, axis.center), name=self.name)

    @classmethod
    def from_stack(cls, axes: "Sequence[LabelMapAxis]") -> "LabelMapAxis":
        """Axis with the labels of several axes, one after another."""
        stacked = axes[0]
        for axis in axes[1:]:
            stacked = stacked.concatenate(axis)
        return stacked

    def upsample(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Labels cannot be divided: a `TypeError`."""
        raise self._no_bins("upsampled")

    def downsample(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Labels cannot be merged: a `TypeError`."""
        raise self._no_bins("downsampled")

    def resample(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Labels cannot be merged: a `TypeError`."""
        raise self._no_bins("resampled")

    def pad(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Labels cannot be continued: a `TypeError`."""
        raise self._no_bins("padded")

    def _no_bins(self, what: str) -> TypeError:
        return TypeError(f"axis {self.name!r} has labels and no bins, so it cannot be {what}")

    def is_allclose(self, other: Any, **kwargs: Any) -> bool:
        """Whether another axis has the same name and labels."""
        if not isinstance(other, LabelMapAxis):
            raise TypeError(f"a LabelMapAxis cannot be compared with {other!r} of type {type(other).__name__}")
        return self.name.upper() == other.name.upper() and np.array_equal(self._labels, other._labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelMapAxis) and self.is_allclose(other)

    def __hash__(self) -> int:
        return hash((self.name.upper(), *self._labels.tolist()))

    def to_header(self, format: str = "gadf", idx: int = 0) -> Header:
        """FITS keywords of axis number ``idx``; format "gadf" only."""
        _check_format(format)
        return Header({f"AXCOLS{idx}": self.name.upper()})

    @classmethod
    def from_table(cls, table: Any, format: str = "gadf", idx: int = 0) -> Self:
        """Axis number ``idx`` (from 0) from a table of bins; format "gadf" only."""
        _check_format(format)
        columns = axis_columns(table, idx) or [""]
        labels = column_text(table, columns[0])
        if labels is None:
            raise FormatError(f"axis {idx} of the table has no column of text, but {columns}")
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
    def as_plot_edges(self) -> NDArray[Any]:
        """Bin numbers, half a bin to either side."""
        return np.arange(self.nbin + 1) - 0.5

    @property
    def as_plot_xerr(self) -> NDArray[np.float64]:
        """Half a bin for each."""
        return np.full(self.nbin, 0.5)

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
