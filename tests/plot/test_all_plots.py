"""Every plot of the package: its axes and colour bars have labels, with units, and no label is cut off."""

import re

import matplotlib as mpl
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from lightpool.simulate import simulate_store

plt = pytest.importorskip("matplotlib.pyplot")

from drawings import ELSEWHERE, RECIPES, Drawings, public_plots  # noqa: E402  # they need Matplotlib

WITH_UNIT = re.compile(r"Energy|Offset|Exposure|rate|Area|radius|Lon\.|Lat\.|Rad max|Background \[|Time|livetime|theta")
"""Words of quantities that have a unit."""

WITHOUT_UNIT = re.compile(r"Relative|/ ?[Tt]rue|Energy - true")
"""Ratios of such quantities."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    store = simulate_store(tmp_path_factory.mktemp("plots") / "store", 3, ontime=400, background_kinds=["bkg_3d"])
    return Drawings(store, SkyCoord(83.633, 22.014, unit="deg"))


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def is_drawn(ax: Axes) -> bool:
    return ax.get_visible() and ax.axison and bool(ax.lines or ax.images or ax.collections or ax.patches)


def labels_of(ax: Axes) -> list[str]:
    """Labels of the two axes, without those of an all-sky map, whose ellipse has no room for them."""
    if hasattr(ax, "coords"):
        if "Elliptical" in type(ax.coords.frame).__name__:
            return []
        shown = [each for each in ax.coords if each.get_ticklabel_visible() or each.get_axislabel()]
        return [each.get_axislabel() for each in shown]
    if ax.get_label() == "<colorbar>":
        return [ax.get_ylabel() or ax.get_xlabel()]
    return [ax.get_xlabel() or shared_label(ax), ax.get_ylabel()]


def shared_label(ax: Axes) -> str:
    """Label of the abscissa of the panel below, if both share it; names need none."""
    below = [other.get_xlabel() for other in ax.get_shared_x_axes().get_siblings(ax)]
    is_named = any(re.search("[a-z]", text.get_text()) for text in ax.get_xticklabels())
    return next(filter(None, below), "names" if is_named else "")


def test_no_plot_of_a_public_class_is_missing_here():
    drawn = {name.partition(" (")[0] for name in RECIPES}
    assert public_plots() - drawn - set(ELSEWHERE) == set()
    assert not drawn & set(ELSEWHERE)


@pytest.mark.parametrize("name", RECIPES)
def test_all_axes_and_colour_bars_have_labels_with_units(drawings, name):
    figures = list(drawings.draw(name))
    assert figures
    for figure in figures:
        panels = [ax for ax in figure.axes if is_drawn(ax)]
        assert panels
        for ax in panels:
            for label in labels_of(ax):
                assert label, f"a label is missing in {ax.get_title()!r} of {name}"
                if WITH_UNIT.search(label) and not WITHOUT_UNIT.search(label):
                    assert "[" in label, f"{label!r} of {name} has no unit"


@pytest.mark.parametrize("name", RECIPES)
def test_no_label_is_cut_off_or_covers_another(drawings, name):
    for figure in drawings.draw(name):
        renderer = figure.canvas.get_renderer() if hasattr(figure.canvas, "get_renderer") else agg(figure)
        figure.draw(renderer)
        boxes = [box for ax in figure.axes if is_drawn(ax) for box in boxes_of(ax, renderer)]
        whole = figure.bbox.padded(2)
        for text, box in boxes:
            assert whole.x0 <= box.x0 <= box.x1 <= whole.x1, f"{text!r} is cut off in {name}"
            assert whole.y0 <= box.y0 <= box.y1 <= whole.y1, f"{text!r} is cut off in {name}"
        for number, (text, box) in enumerate(boxes):
            for other_text, other in boxes[:number]:
                assert not box.padded(-2).overlaps(other.padded(-2)), f"{text!r} covers {other_text!r} in {name}"


def agg(figure: Figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    return FigureCanvasAgg(figure).get_renderer()


def boxes_of(ax: Axes, renderer):
    """Titles and labels of axes with their places on the figure."""
    texts = [ax.title]
    texts += [] if hasattr(ax, "coords") else [ax.xaxis.label, ax.yaxis.label]
    for text in texts:
        if text.get_text() and text.get_visible():
            yield text.get_text(), text.get_window_extent(renderer)


@pytest.mark.parametrize("name", ["plot_theta_squared_table", "PSF.peek", "plot_significance", "SpectrumBase.peek"])
def test_nothing_is_invisible_on_a_dark_background(drawings, name):
    with mpl.rc_context(), mpl.style.context("dark_background"):
        for figure in drawings.draw(name):
            for ax in figure.axes:
                if hasattr(ax, "coords") or ax.get_label() == "<colorbar>":
                    continue
                for line in ax.lines:
                    assert not same_color(line.get_color(), ax.get_facecolor()), (
                        f"a line of {ax.get_ylabel()!r} in {name}"
                    )


def test_colours_of_curves_are_those_of_a_user_who_has_chosen_some(drawings):
    with mpl.rc_context({"axes.prop_cycle": mpl.cycler(color=["red", "lime"])}):
        ax = drawings.observation.psf.plot_containment_radius_vs_energy()
    assert same_color(ax.lines[0].get_color(), "red")
    plt.close("all")
    colors = [line.get_color() for line in drawings.observation.psf.plot_containment_radius_vs_energy().lines]
    assert colors == ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]


def test_plots_work_inside_given_axes_and_leave_their_place_alone(drawings):
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4))
    before = right.get_position().bounds
    assert drawings.observation.aeff.plot_energy_dependence(ax=left) is left
    assert drawings.observation.aeff.plot(ax=right, add_cbar=False) is right
    assert drawings.spectrum.counts.plot_hist(ax=left) is left
    assert plt.get_fignums() == [figure.number]
    assert np.allclose(right.get_position().bounds, before)
