"""Plots show the numbers that they are made of."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from numpy.testing import assert_allclose

from lightpool.plot.overview import plot_overview, save_overview
from lightpool.plot.theta_squared import plot_theta_squared_table
from lightpool.simulate import PointSource
from lightpool.simulate.demo import reduce_demo

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def table():
    edges = np.linspace(0, 0.1, 6)
    columns = {"theta2_min": edges[:-1] * u.deg**2, "theta2_max": edges[1:] * u.deg**2}
    columns |= {"counts": [40, 12, 9, 8, 10], "counts_off": [16.0, 18, 20, 17, 21], "alpha": np.full(5, 0.5)}
    return Table(columns | {"sqrt_ts": [6.0, 0.9, -0.3, -0.1, 0.0]})


def test_theta_squared_plot_says_excess_and_background(table):
    top, bottom = plot_theta_squared_table(table)
    assert top.get_title() == "Excess 33 on a background of 46"
    points = bottom.containers[0].lines[0]
    assert_allclose(points.get_ydata(), table["sqrt_ts"])
    assert_allclose(points.get_xdata(), [0.01, 0.03, 0.05, 0.07, 0.09])


@pytest.mark.slow
def test_overview_has_four_images_on_the_sky(backend, crab_store):
    dataset = reduce_demo(crab_store, PointSource())
    figure = plot_overview(dataset, position=PointSource().position)
    titled = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title().split(",")[0] for axes in titled] == ["Counts", "Background", "Excess", "Exposure"]
    background = titled[1].images[0].get_array()
    assert_allclose(np.nansum(background), dataset.info_dict()["background"], rtol=1e-6)
    said = [text for axes in figure.axes for text in (axes.get_title(), axes.get_ylabel()) if r"m^{2}\,s" in text]
    assert said == [r"Exposure [$\mathrm{m^{2}\,s}$]"], (
        "the colour bar says the unit of the exposure, nothing else does"
    )


@pytest.mark.slow
def test_overview_is_written_without_a_display(crab_store, tmp_path):
    save_overview(reduce_demo(crab_store, PointSource()), tmp_path / "maps.png")
    assert (tmp_path / "maps.png").stat().st_size > 10_000
