import astropy.units as u
import pytest
from astropy.time import Time

from lightpool.maps import LabelMapAxis, MapAxis, TimeMapAxis

pytest.importorskip("matplotlib")


@pytest.fixture
def ax():
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def test_an_energy_axis_is_drawn_on_its_scale_with_its_unit(ax):
    MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3).format_plot_xaxis(ax)
    assert ax.get_xscale() == "log"
    assert ax.get_xlim() == pytest.approx((1, 10))
    assert ax.get_xlabel() == r"Energy [$\mathrm{TeV}$]"


def test_a_plot_in_another_unit_keeps_it(ax):
    from astropy.visualization import quantity_support

    axis = MapAxis.from_bounds(0, 2, nbin=4, unit="deg", name="rad")
    with quantity_support():
        ax.plot([1] * u.TeV, [30] * u.arcmin, "o")
        axis.format_plot_yaxis(ax)
    assert ax.get_ylim() == pytest.approx((0, 120))
    assert ax.get_ylabel() == r"Source Offset [$\mathrm{{}^{\prime}}$]"


def test_labels_are_ticks(ax):
    LabelMapAxis(["crab", "vega"], name="source").format_plot_xaxis(ax)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["crab", "vega"]


def test_times_are_drawn_as_dates_or_days(ax):
    axis = TimeMapAxis.from_time_bounds(Time("2020-03-19"), Time("2020-03-20"), nbin=4)
    ax.plot(axis.as_plot_center, range(4))
    axis.format_plot_xaxis(ax)
    assert ax.get_xlabel() == "Time [iso]"
    axis.time_format = "mjd"
    axis.format_plot_xaxis(ax)
    assert ax.get_xlabel() == "Time [mjd]"


def test_labels_of_bins_are_their_centres_if_asked_for():
    axis = MapAxis.from_edges([1, 2, 3] * u.TeV, name="energy")
    assert axis.as_plot_labels == ["1.00e+00 TeV - 2.00e+00 TeV", "2.00e+00 TeV - 3.00e+00 TeV"]
    assert not axis.use_center_as_plot_labels
    axis.use_center_as_plot_labels = True
    assert axis.as_plot_labels == ["1.50e+00 TeV", "2.50e+00 TeV"]
    nodes = MapAxis.from_nodes([1, 2] * u.TeV, name="energy")
    assert nodes.use_center_as_plot_labels
    nodes.use_center_as_plot_labels = False
    assert nodes.as_plot_labels[0] == "5.00e-01 TeV - 1.50e+00 TeV"
