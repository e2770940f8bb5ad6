"""Which known difference explains a deviation: the rows of docs/differences.md, under conditions that can fail.

While lightpool reduces a run it announces where its numbers differ from those of Gammapy on purpose
(`lightpool.utils.deviations`). An announcement alone explains nothing: each explanation here names the quantities that
it is about, and computes in which bins it can hold. A deviation in any other bin is not explained.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lightpool.arrays import to_host
from validation.measuring import TOLERANCES, Comparison, Numbers

DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"
BACKGROUNDS = ("background", "background times norm", "acceptance")
OFF_MAPS = ("OFF counts", "acceptance", "OFF acceptance")
MOST_NOISE = 1e-3
"""Counts in a ring that the transforms of Gammapy may add, in float32; whole numbers are found by rounding."""


@dataclass
class Context:
    """What is known about one dataset: the numbers of both packages, what was announced, where tables are empty."""

    ours: Mapping[str, Numbers] = field(default_factory=dict)
    theirs: Mapping[str, Numbers] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)
    near_empty: Any = None
    """Planes of energy in which the background table has empty bins, or that reach beyond it."""
    has_background_map: bool = False
    """Whether the observation has its background as a map on the sky."""
    energies: Any = None
    """Edges of the planes in TeV."""

    def of(self, name: str) -> tuple[Any, Any]:
        return self.ours[name].values, self.theirs[name].values


@dataclass(frozen=True)
class Explanation:
    """A row of docs/differences.md.

    Attributes
    ----------
    row : str
        Beginning of the first cell of the row, without marks of code.
    quantities : tuple of str
        What it is about.
    holds : callable
        Gets the context, the name of the quantity and where it deviates; returns the bins that are explained.
    announced : str
        Announcement without which it does not hold; empty if it is not announced.
    """

    row: str
    quantities: tuple[str, ...]
    holds: Callable[[Context, str, Any], Any]
    announced: str = ""


def _near_empty_bins(context: Context, name: str, beyond: Any) -> Any:
    planes = np.zeros(len(beyond), bool) if context.near_empty is None else context.near_empty
    return beyond & planes.reshape(-1, *[1] * (beyond.ndim - 1))


def _float32_counts(context: Context, name: str, beyond: Any) -> Any:
    """Gammapy divides counts by the solid angle in float32, and multiplies again: two roundings."""
    ours, theirs = context.of(name)
    return (
        beyond & context.has_background_map & (np.abs(ours - theirs) <= 2 * np.finfo(np.float32).eps * np.abs(theirs))
    )


def _whole_numbers(context: Context, name: str, beyond: Any) -> Any:
    ours, theirs = context.of(name)
    is_close = np.abs(ours - theirs) <= np.maximum(MOST_NOISE, np.finfo(np.float32).eps * np.abs(theirs))
    return beyond & is_close & (ours == np.round(theirs))


def _no_ring_is_enough(context: Context, name: str, beyond: Any) -> Any:
    """Gammapy has NaN in the OFF maps, and keeps the pixel; here it is masked."""
    is_nan = np.isnan(context.theirs["OFF counts"].values)
    return beyond & is_nan & ~context.ours["safe mask"].values


def _ratio_of_noise(context: Context, name: str, beyond: Any) -> Any:
    """A stack has the OFF acceptance of the mean alpha: in Gammapy noise over noise where there are no OFF counts."""
    ours, theirs = context.of("OFF counts")
    return beyond & (ours == 0) & (theirs != 0) & (np.abs(theirs) <= MOST_NOISE)


def _transforms_in_float32(context: Context, name: str, beyond: Any) -> Any:
    ours, theirs = context.of(name)
    return beyond & (np.abs(ours - theirs) <= TOLERANCES["float32"] * np.abs(theirs))


def _no_off_counts(context: Context, name: str, beyond: Any) -> Any:
    """Gammapy forgets the OFF phases."""
    has_none = context.ours["OFF counts"].values.reshape(beyond.shape) == 0
    return beyond & has_none & (context.theirs["OFF acceptance"].values.reshape(beyond.shape) == 0)


def _no_acceptance(context: Context, name: str, beyond: Any) -> Any:
    """Noise of the transforms decides in Gammapy; here the pixel is masked."""
    has_none = context.ours["OFF acceptance"].values == 0
    return beyond & has_none


def _better_fit(context: Context, name: str, beyond: Any) -> Any:
    """Norm and tilt differ by less than 0.03 standard deviations; tests/reference compares the likelihoods."""
    ours, theirs = context.of(name)
    error = context.theirs[name].error
    if error is None:  # the product with the background: norm and tilt are judged by themselves
        return beyond & (np.abs(ours - theirs) <= 0.01 * np.abs(theirs))
    return beyond & (np.abs(ours - theirs) <= 0.03 * error)


EXPLANATIONS: Sequence[Explanation] = (
    Explanation(
        "background in the outer half bin of a table in which the bin further in is empty",
        BACKGROUNDS,
        _near_empty_bins,
        "background beyond the outer nodes of a table with empty bins",
    ),
    Explanation(
        "background of an energy bin with an edge beyond the table",
        BACKGROUNDS,
        _near_empty_bins,
        "background of a bin with an edge beyond the table, or in an empty part of it",
    ),
    Explanation("background given as a map of counts in float32, as of HAWC", ("background",), _float32_counts),
    Explanation("sums in rings, OFF counts of RingBackgroundMaker", ("OFF counts",), _whole_numbers),
    Explanation("sums in rings, OFF counts of RingBackgroundMaker", ("OFF acceptance",), _ratio_of_noise),
    Explanation("sums in rings, OFF counts of RingBackgroundMaker", ("OFF acceptance",), _transforms_in_float32),
    Explanation(
        "sums in rings, OFF counts of RingBackgroundMaker",
        ("safe mask", "OFF acceptance"),
        _no_acceptance,
        "safe pixels whose ring has no acceptance",
    ),
    Explanation(
        "AdaptiveRingBackgroundMaker, pixels for which no ring is large enough",
        (*OFF_MAPS, "safe mask"),
        _no_ring_is_enough,
        "pixels for which no ring is large enough",
    ),
    Explanation(
        "PhaseBackgroundMaker, energies without OFF counts",
        ("OFF acceptance", "BKG BACKSCAL"),
        _no_off_counts,
        "OFF phases without counts in a spectrum",
    ),
    Explanation(
        'FoVBackgroundMaker("fit")',
        ("norm of the background", "tilt of the background", "background times norm"),
        _better_fit,
        "fit of the field-of-view background",
    ),
)


def explained(name: str, comparison: Comparison, context: Context) -> tuple[list[str], Any]:
    """Return the rows that explain a deviation, and the bins that none of them explains.

    Parameters
    ----------
    name : str
        Of the quantity.
    comparison : Comparison
    context : Context
    """
    rows: list[str] = []
    left = comparison.is_beyond.copy()
    for explanation in EXPLANATIONS:
        if name not in explanation.quantities:
            continue
        if explanation.announced and explanation.announced not in context.announced:
            continue
        holds = explanation.holds(context, name, comparison.is_beyond)
        if (holds & left).any():
            rows.append(explanation.row)
            left &= ~holds
    return list(dict.fromkeys(rows)), left


def planes_near_empty_bins(observation: Any, dataset: Any) -> Any:
    """Planes of energy that reach beyond the background table of a run, or next to bins of it that are zero.

    A table is interpolated in the logarithm between the centres of its bins, so that an empty bin matters as far as the
    centres of its neighbours.

    Parameters
    ----------
    observation : Observation
        Of lightpool.
    dataset : MapDataset
    """
    edges = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
    table = getattr(observation, "bkg", None)
    if table is None or not hasattr(table, "axes"):
        return np.zeros(len(edges) - 1, bool)
    axis = table.axes["energy"]
    nodes, limits = axis.center.to_value("TeV"), axis.edges.to_value("TeV")
    values = to_host(table.data)
    is_empty = (values == 0).reshape(len(values), -1).any(axis=1)
    near = (edges[:-1] < limits[0] * (1 - 1e-9)) | (edges[1:] > limits[-1] * (1 + 1e-9))
    for node in np.flatnonzero(is_empty):
        low = nodes[node - 1] if node > 0 else 0.0
        high = nodes[node + 1] if node + 1 < len(nodes) else np.inf
        near |= (edges[1:] > low) & (edges[:-1] < high)
    return near


@dataclass(frozen=True)
class DocumentedRow:
    """A row of docs/differences.md: what each package does, and the heading of its section."""

    title: str
    gammapy: str
    lightpool: str
    anchor: str


def documented(row: str) -> DocumentedRow:
    """Find a row in docs/differences.md.

    Parameters
    ----------
    row : str
        Beginning of its first cell, without marks of code.

    Raises
    ------
    LookupError
        If there is no such row.
    """
    heading = ""
    for line in DIFFERENCES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) >= 3 and cells[0].replace("`", "").startswith(row):
            anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            return DocumentedRow(cells[0], cells[1], cells[2], anchor)
    raise LookupError(f"docs/differences.md has no row that begins with {row!r}")
