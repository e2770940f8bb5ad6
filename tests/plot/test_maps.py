import subprocess
import sys

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.maps import LabelMapAxis, Map, MapAxis, RegionNDMap, WcsGeom
from lightpool.utils.optional_packages import install_command

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")
energy_text = pytest.importorskip("lightpool.plot.maps").energy_text

ENERGY = MapAxis.from_energy_edges([1, 2, 4, 8, 16] * u.TeV)
GEOM = WcsGeom.create(npix=(6, 4), binsz=0.1, skydir=SkyCoord(83.63, 22.01, unit="deg"), axes=[ENERGY])
VALUES = np.arange(96.0).reshape(4, 4, 6)


@pytest.fixture(autouse=True)
def fresh_figure():
    plt.figure()
    yield
    plt.close("all")


@pytest.fixture
def counts(backend):
    return Map.from_geom(GEOM, data=VALUES.copy(), unit="s")


def test_an_image_is_drawn_on_the_sky(counts):
    ax = counts.sum_over_axes().plot(stretch="sqrt", add_cbar=True, vmax=300)
    assert_array_equal(ax.images[0].get_array(), VALUES.sum(axis=0))
    assert ax.images[0].norm.vmax == 300
    assert ax.coords[0].get_axislabel() == "Right Ascension"
    assert ax.figure.axes[1].get_ylabel() == r"Data [$\mathrm{s}$]"
    ax.figure.canvas.draw()


def test_an_image_goes_on_the_axes_and_the_figure_that_were_given(counts):
    image = counts.slice_by_idx({"energy": 0})
    ax = plt.subplot(projection=GEOM.wcs)
    assert image.plot(ax=ax, cmap="viridis") is ax
    fig = matplotlib.figure.Figure()
    drawn = image.plot(fig=fig, add_cbar=True, kwargs_colorbar={"label": "counts"}, axes_loc={"size": "3%"})
    assert drawn.figure is fig
    assert fig.axes[1].get_ylabel() == "counts"


def test_a_title_after_a_plot_with_a_color_bar_is_that_of_the_image(counts):
    ax = counts.sum_over_axes().plot(add_cbar=True)
    plt.title("Counts")
    assert plt.gca() is ax
    assert [panel.get_title() for panel in ax.figure.axes] == ["Counts", ""]


def test_galactic_maps_and_all_sky_maps_are_labelled(backend):
    galactic = Map.create(npix=5, frame="galactic", skydir=SkyCoord(0, 0, unit="deg", frame="galactic"))
    assert galactic.plot().coords[1].get_axislabel() == "Galactic Latitude"
    plt.figure()
    ax = Map.create(binsz=20, proj="AIT", frame="galactic").plot()
    assert "galactic coords" in [text.get_text() for text in ax.texts]
    ax.figure.canvas.draw()


def test_masks_are_black_and_white_or_a_shade(counts):
    mask = (counts.copy(unit="") > 40).slice_by_idx({"energy": 1})
    ax = mask.plot()
    assert ax.images[0].cmap.name == "mask"
    assert (ax.images[0].norm.vmin, ax.images[0].norm.vmax) == (0, 1)
    n_before = len(ax.collections)
    mask.plot_mask(ax=ax)
    assert len(ax.collections) > n_before
    with pytest.raises(ValueError, match="boolean"):
        counts.sum_over_axes().plot_mask()


def test_an_image_without_numbers_is_drawn(backend):
    assert Map.from_geom(GEOM.to_image(), data=np.nan).plot() is not None


def test_a_cube_is_drawn_plane_by_plane(counts):
    with pytest.raises(TypeError, match="plot_grid"):
        counts.plot()
    axes = counts.plot_grid(ncols=3, stretch="sqrt")
    assert axes.shape == (2, 3)
    assert axes[0, 1].get_title() == "Energy 2.00 TeV - 4.00 TeV"
    assert [ax.get_visible() for ax in axes.flat] == [True] * 4 + [False] * 2
    plt.gcf().canvas.draw()


def test_a_grid_names_labels(backend):
    axes = Map.from_geom(GEOM.to_image().to_cube([LabelMapAxis(["on", "off"], "region")])).plot_grid()
    assert axes[0, 1].get_title() == "Region off"
    with pytest.raises(ValueError, match="one non spatial axis"):
        Map.from_geom(GEOM.to_image()).plot_grid()


@pytest.mark.parametrize(
    ("energy", "text"),
    [("1 TeV", "1.00 TeV"), ("12.6 GeV", "12.6 GeV"), ("300 TeV", "300 TeV"), ("1500 GeV", "1.50 TeV")],
)
def test_energies_are_written_in_the_unit_that_suits_them(energy, text):
    assert energy_text(u.Quantity(energy)) == text


def test_spectra_are_drawn_as_points_and_as_histograms(counts):
    spectrum = counts.get_spectrum()
    ax = spectrum.plot()
    assert_allclose(np.asarray(ax.containers[0].lines[0].get_ydata()), VALUES.sum(axis=(1, 2)))
    assert ax.get_yscale() == "log"
    spectrum.plot_hist(ax=plt.figure().add_subplot())
    plt.gcf().canvas.draw()


def test_each_bin_of_another_axis_gets_a_line(backend):
    phase = MapAxis.from_edges([0, 0.5, 1], name="phase")
    m = RegionNDMap.create("icrs;circle(83.63, 22.01, 0.5)", axes=[ENERGY, phase])
    m.data = np.arange(1.0, 9.0).reshape(2, 4, 1, 1)
    ax = m.plot(axis_name="energy", yerr=np.ones((2, 4, 1, 1)))
    assert_allclose(ax.containers[1].lines[0].get_ydata(), [5, 6, 7, 8])
    with pytest.raises(ValueError, match="axis_name"):
        m.plot()
    with pytest.raises(ValueError, match="one axis"):
        m.plot_hist()


def test_the_energies_of_a_mask_are_shaded(counts):
    spectrum = counts.get_spectrum().copy(unit="")
    mask = (spectrum > 500) & (spectrum < 2000)
    ax = mask.plot_mask()
    assert len(ax.patches) == 1
    with pytest.raises(ValueError, match="not a mask"):
        spectrum.plot_mask()


@pytest.mark.slow
def test_without_matplotlib_the_extra_is_named():
    code = (
        "import importlib.util as i; find = i.find_spec\n"
        "i.find_spec = lambda name, *a: None if name == 'matplotlib' else find(name, *a)\n"
        "import sys; assert 'matplotlib' not in sys.modules\n"
        "from lightpool.maps import Map\n"
        "try: Map.create(npix=3).plot()\n"
        "except ImportError as error: print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert install_command("plot") in result.stdout
