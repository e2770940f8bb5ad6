"""What notebooks show of axes."""

from collections.abc import Sequence
from typing import Protocol

import astropy.units as u
import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.utils.html import MAX_ROWS, Card, Html, Section, fields, grid, nested
from lightpool.utils.text import number_of

__all__ = ["axes_card", "axes_table", "label_axis_card", "node_axis_card", "range_text", "time_axis_card"]

_N_DIGIT, _MOST_DIGITS = 5, 17
"""Digits of a number, and as many as tell any two apart."""


class AxisToShow(Protocol):
    """What all axes have in common."""

    @property
    def name(self) -> str:
        """Name."""

    @property
    def nbin(self) -> int:
        """Number of bins."""

    @property
    def node_type(self) -> str:
        """Kind of nodes."""

    def html_card(self) -> Card:
        """Return what notebooks show."""
        ...


class NodesToShow(AxisToShow, Protocol):
    """A `MapAxis`."""

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the coordinate."""

    @property
    def interp(self) -> str:
        """Scale."""

    @property
    def boundary_type(self) -> str:
        """Whether values are wrapped."""

    @property
    def edges(self) -> u.Quantity:
        """Edges."""

    @property
    def center(self) -> u.Quantity:
        """Centres."""


class IntervalsToShow(AxisToShow, Protocol):
    """A `TimeMapAxis`."""

    @property
    def reference_time(self) -> Time:
        """Time from which the edges count."""

    @property
    def time_min(self) -> Time:
        """Starts."""

    @property
    def time_max(self) -> Time:
        """Ends."""

    @property
    def bin_width(self) -> u.Quantity:
        """Lengths."""


class LabelsToShow(AxisToShow, Protocol):
    """A `LabelMapAxis`."""

    @property
    def center(self) -> NDArray[np.str_]:
        """The labels."""


def range_text(values: u.Quantity) -> str:
    """Return the first and last of sorted values: ``0.1 to 10 TeV``."""
    numbers = values.value
    if not numbers.size:
        return "empty"
    first, last = _distinct_texts(numbers[[0, -1]])
    return f"{first} to {last} {values.unit}".strip()


def _distinct_texts(numbers: NDArray[np.float64]) -> list[str]:
    """Return numbers with five digits, or with as many more as tell them apart, such as those of dates."""
    n_different = len(set(numbers.tolist()))
    for n_digit in range(_N_DIGIT, _MOST_DIGITS + 1):
        texts = [f"{number:.{n_digit}g}" for number in numbers]
        if len(set(texts)) >= n_different:
            break
    return texts


def node_axis_card(axis: NodesToShow) -> Card:
    """Return the card of a `MapAxis`."""
    nodes = axis.edges if axis.node_type == "edges" else axis.center
    numbers = nodes.value
    lowest, highest = _distinct_texts(np.asarray([numbers.min(), numbers.max()]))
    rows = {
        "unit": str(axis.unit) or "none",
        "bins": axis.nbin,
        "node type": axis.node_type,
        f"{axis.node_type} min": f"{lowest} {axis.unit}".strip(),
        f"{axis.node_type} max": f"{highest} {axis.unit}".strip(),
        "interpolation": axis.interp,
        "boundary": None if axis.boundary_type == "monotonic" else axis.boundary_type,
    }
    kind = "edges" if axis.node_type == "edges" else "centres"
    return Card(
        "MapAxis",
        axis.name,
        [_bins(axis.nbin), range_text(nodes), axis.interp],
        [
            Section("Properties", lambda: fields(rows), is_open=True),
            Section(kind.capitalize(), lambda: _listed(numbers), f"{len(numbers)} {kind} {_in_unit(axis.unit)}"),
        ],
    )


def _listed(numbers: NDArray[np.float64]) -> str:
    """Return numbers in a line; of many, the first and the last ones."""
    half = MAX_ROWS // 2
    if len(numbers) <= MAX_ROWS:
        return ", ".join(_distinct_texts(numbers))
    texts = _distinct_texts(np.concatenate([numbers[:half], numbers[-half:]]))
    return ", ".join([*texts[:half], "…", *texts[half:]])


def _bins(n_bin: int) -> str:
    return number_of(n_bin, "bin")


def _in_unit(unit: u.UnitBase) -> str:
    return f"in {unit}" if str(unit) else ""


def time_axis_card(axis: IntervalsToShow) -> Card:
    """Return the card of a `TimeMapAxis`."""

    def intervals() -> Html:
        start, stop, width = axis.time_min, axis.time_max, axis.bin_width
        shown = range(min(axis.nbin, MAX_ROWS))
        rows = [(start[i].iso, stop[i].iso, f"{width[i]:.5g}") for i in shown]
        return grid(("start", "stop", "length"), rows, axis.nbin)

    reference = axis.reference_time
    rows = {
        "bins": axis.nbin,
        "reference time": reference.iso,
        "scale": reference.scale,
        "time min.": lambda: axis.time_min.min().iso,
        "time max.": lambda: axis.time_max.max().iso,
        "total time": lambda: f"{np.sum(axis.bin_width):.5g}",
    }
    return Card(
        "TimeMapAxis",
        axis.name,
        [_bins(axis.nbin), f"{reference.scale} since {reference.iso}"],
        [Section("Properties", lambda: fields(rows), is_open=True), Section("Intervals", intervals)],
    )


def label_axis_card(axis: LabelsToShow) -> Card:
    """Return the card of a `LabelMapAxis`."""

    def labels() -> Html:
        return grid(("bin", "label"), list(enumerate(axis.center[:MAX_ROWS].tolist())), axis.nbin)

    return Card("LabelMapAxis", axis.name, [_bins(axis.nbin)], [Section("Labels", labels, is_open=axis.nbin <= 5)])


def axes_card(axes: Sequence[AxisToShow], title: str) -> Card:
    """Return the card of several axes.

    Parameters
    ----------
    axes : sequence of axes
    title : str
    """
    return Card(title, "", [axes_in_a_line(axes) or "no axes"], [Section("Axes", lambda: axes_table(axes), "", True)])


def axes_in_a_line(axes: Sequence[AxisToShow]) -> str:
    """Return names and numbers of bins: ``energy 4, rad 66``."""
    return ", ".join(f"{axis.name} {axis.nbin}" for axis in axes)


def axes_table(axes: Sequence[AxisToShow]) -> Html:
    """Return one line for each axis, which can be opened; empty without axes."""
    return Html("".join(nested(axis.html_card) for axis in axes))
