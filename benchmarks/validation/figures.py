"""Figures of a validation."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm
from matplotlib.figure import Figure
from PIL import Image

from validation.running import BIN_EDGES, GOOD, STACK, Results, Row

STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
}
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of Okabe and Ito, which people with any kind of colour vision can tell apart."""
FILES = ("PHA", "BKG", "ARF", "RMF")
"""OGIP files, whose numbers are those of the datasets again."""
SHOWN = ("background", "exposure", "PSF", "energy dispersion")
BEYOND, MISSING = "#e69f00", "#f2f2f2"
WRONG = "#b2182b"


def write_figures(results: Results, folder: Path) -> dict[str, str]:
    """Write all figures for which there are data; returns their file names and descriptions.

    Parameters
    ----------
    results : Results
    folder : Path
        Must exist.
    """
    makers = {"overview.png": overview, "histograms.png": histograms, "runs.png": runs, "background.png": background}
    found = {}
    with mpl.rc_context(STYLE):
        for name, make in makers.items():
            made = make(results)
            if made is not None:
                figure, description = made
                _save(figure, folder / name)
                found[name] = description
    return found


def _save(figure: Figure, path: Path) -> None:
    """Write a picture of at most 256 colours, which takes a third of the bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _worst(rows: Sequence[Row]) -> float:
    values = [row.worst for row in rows if not np.isnan(row.worst)]
    return max(values, default=np.nan)


def overview(results: Results) -> tuple[Figure, str] | None:
    """Matrix of kinds of data and quantities, with the exponent of the worst deviation in each cell."""
    rows = [row for row in results.rows if row.quantity != "all" and not row.quantity.startswith(FILES)]
    if not rows:
        return None
    kinds = list(dict.fromkeys((row.kind, row.run == STACK) for row in rows))
    names = list(dict.fromkeys(row.quantity for row in sorted(rows, key=lambda row: _order(row.quantity))))
    figure = Figure(figsize=(7.0, 1.8 + 0.27 * len(kinds)))
    axes = figure.add_subplot()
    levels = np.arange(-18, -3, 2)
    cmap = ListedColormap(mpl.colormaps["GnBu"](np.linspace(0.12, 0.85, len(levels) - 1)))
    norm = BoundaryNorm(levels, cmap.N)
    for y, kind in enumerate(kinds):
        for x, name in enumerate(names):
            chosen = [row for row in rows if (row.kind, row.run == STACK) == kind and row.quantity == name]
            color, text = _cell(chosen, cmap, norm)
            axes.add_patch(mpl.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor="white", lw=1.5))
            dark = isinstance(color, str) and color == WRONG
            axes.text(x, y, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(kinds) - 0.5, -0.5))
    axes.set_xticks(range(len(names)), names, rotation=55, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(kinds)), [f"{kind}, stacks" if is_stack else kind for kind, is_stack in kinds])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    bar = figure.colorbar(mpl.cm.ScalarMappable(norm, cmap), ax=axes, shrink=0.8, pad=0.02)
    bar.set_label("log$_{10}$ of the worst deviation")
    bar.outline.set_visible(False)
    return figure, (
        "The worst deviation of each quantity in each kind of data, as the exponent of ten; an equals sign where all "
        "bins are bit-identical. Orange cells have bins beyond the tolerance that a known difference explains; red "
        "cells would have bins that nothing explains. Gammapy keeps stacks in float32."
    )


def _order(name: str) -> int:
    names = ("counts", "OFF counts", "safe mask", "background", "norm of the background", "tilt of the background",
             "background times norm", "acceptance", "OFF acceptance", "exposure", "PSF", "exposure of PSF",
             "energy dispersion",
             "exposure of energy dispersion", "livetime")  # fmt: skip
    return names.index(name) if name in names else len(names)


def _cell(rows: Sequence[Row], cmap: Any, norm: Any) -> tuple[Any, str]:
    if not rows:
        return MISSING, ""
    worst = _worst(rows)
    text = "=" if worst == 0 else "" if np.isnan(worst) else "NaN" if np.isinf(worst) else f"{round(np.log10(worst))}"
    if any(row.outcome not in GOOD for row in rows):
        return WRONG, text
    if any(row.outcome == "explained" for row in rows):
        return BEYOND, text
    return ("#e8f3ec" if worst == 0 or np.isnan(worst) else cmap(norm(np.log10(worst)))), text


def histograms(results: Results) -> tuple[Figure, str] | None:
    """Histograms of the deviations of all bins, of runs and of stacks."""
    kinds = [kind for kind, name, _ in results.histograms if name in SHOWN]
    if not kinds:
        return None
    kind = kinds[0]  # the first, as all bins of one kind are alike
    names = [name for name in SHOWN if (kind, name, False) in results.histograms]
    figure = Figure(figsize=(7.0, 4.6))
    for panel, name in enumerate(names):
        axes = figure.add_subplot(2, 2, panel + 1)
        lines = []
        for is_stack, color, label in ((False, COLORS[0], "runs"), (True, COLORS[1], "stacks")):
            key = kind, name, is_stack
            if key not in results.histograms or not results.histograms[key].sum():
                continue
            share = results.n_identical[key] / (results.n_identical[key] + results.histograms[key].sum())
            label += f", {100 * share:.1f} % bit-identical"
            axes.stairs(results.histograms[key][1:-1], BIN_EDGES[1:-1], fill=not is_stack, color=color,
                        alpha=1 if is_stack else 0.8, lw=1.4, label=label)  # fmt: skip
            lines.append((-5 if is_stack else -9, color))
        for exponent, color in lines:
            axes.axvline(exponent, color=color, ls="--", lw=1)
        axes.set(yscale="log", xlim=(-17, -4), title=name)
        axes.set_ylim(0.7, axes.get_ylim()[1] * 30)
        axes.legend(fontsize=7, loc="upper left", facecolor="white", edgecolor="none", framealpha=1)
        axes.set_xticks(range(-16, -3, 3), [f"$10^{{{exponent}}}$" for exponent in range(-16, -3, 3)])
        if panel >= len(names) - 2:
            axes.set_xlabel("deviation")
        if panel % 2 == 0:
            axes.set_ylabel("number of bins")
    return figure, (
        f"Deviations of all bins with a value, {kind}: single runs, and stacks, which Gammapy keeps in float32. "
        "Dashed lines are the tolerances."
    )


def runs(results: Results) -> tuple[Figure, str] | None:
    """Worst and median deviation of each map in each run of the kind with the most runs."""
    rows = [row for row in results.rows if row.quantity in SHOWN and row.run != STACK and not np.isnan(row.worst)]
    kinds = list(dict.fromkeys(row.kind for row in rows))
    if not kinds:
        return None
    kind = max(kinds, key=lambda each: len({row.run for row in rows if row.kind == each}))
    rows = [row for row in rows if row.kind == kind]
    labels = list(dict.fromkeys(row.run for row in rows))
    figure = Figure(figsize=(7.0, 3.4))
    axes = figure.add_subplot()
    for i, name in enumerate(SHOWN):
        chosen = {row.run: row for row in rows if row.quantity == name}
        x = [labels.index(run) + 0.15 * (i - 1.5) for run in chosen]
        axes.plot(x, [max(row.worst, 1e-18) for row in chosen.values()], "o", ms=4, color=COLORS[i],
                  label=name)  # fmt: skip
        axes.plot(x, [max(row.median, 1e-18) for row in chosen.values()], "o", ms=4, color=COLORS[i], mfc="white")
    axes.axhline(1e-9, color="black", ls="--", lw=1)
    axes.text(len(labels) - 0.5, 1.4e-9, "tolerance", ha="right", fontsize=8)
    axes.set(yscale="log", ylabel="deviation", xlabel="run", xlim=(-0.7, len(labels) - 0.3))
    axes.set_ylim(1e-17, max(1e-7, 3 * axes.get_ylim()[1]))
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
    axes.legend(frameon=False, ncols=4, loc="upper left", fontsize=8)
    return figure, f"{kind}: the worst (filled) and the median (open) deviation of the maps of each run."


def background(results: Results) -> tuple[Figure, str] | None:
    """Background of both packages and their deviation, where a known difference is seen."""
    picture = results.pictures.get("background")
    if picture is None:
        return None
    ours, theirs = picture["ours"], picture["theirs"]
    with np.errstate(invalid="ignore", divide="ignore"):
        deviations = np.abs(ours - theirs) / np.maximum(np.abs(ours), np.abs(theirs))
    plane = int(np.argmax((deviations > 1e-9).reshape(len(ours), -1).sum(axis=1)))
    figure = Figure(figsize=(7.0, 3.1))
    panels = figure.subplots(1, 3, sharey=True)
    half = [0.5 * picture["binsz"] * n_pixel for n_pixel in theirs.shape[:0:-1]]
    top = np.nanmax(ours[plane])
    counts = {"norm": LogNorm(1e-3 * top, top), "cmap": "viridis"}
    images = (
        ("Gammapy 2.1", theirs[plane], counts, "background per pixel"),
        ("lightpool", ours[plane], counts, "background per pixel"),
        (
            "deviation",
            np.clip(deviations[plane], 1e-16, None),
            {"norm": LogNorm(1e-16, 1), "cmap": "magma"},
            "deviation",
        ),
    )
    for axes, (title, data, options, label) in zip(panels, images, strict=True):
        shown = axes.imshow(data, origin="lower", extent=(half[0], -half[0], -half[1], half[1]), **options)
        axes.set(title=title, xlabel="offset in R.A. [deg]")
        for side in axes.spines.values():
            side.set_visible(True)
        figure.colorbar(shown, ax=axes, location="bottom", label=label, shrink=0.95, aspect=25)
    panels[0].set_ylabel("offset in Dec. [deg]")
    energies = picture["energies"][plane : plane + 2]
    return figure, (
        f"Background of run {picture['run']} at {energies[0]:.2g} to {energies[1]:.2g} TeV, where the table of the run "
        "has empty bins. Outside of the bins that a known difference explains both agree to rounding."
    )
