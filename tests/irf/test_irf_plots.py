"""The pictures of response tables are drawn, with labels that say what they show."""

import astropy.units as u
import pytest
from irf_tables import ALL, aeff, bkg_2d, bkg_3d, edisp, psf, rad_max

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def canvas():
    backend = plt.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(backend)


@pytest.mark.parametrize("name", ["aeff", "edisp", "gauss_psf", "bkg_3d"])
def test_peek_draws_one_figure(name):
    ALL[name]().peek()
    assert len(plt.get_fignums()) == 1


def test_a_point_like_effective_area_has_no_curves_over_offset():
    aeff(is_pointlike=True).peek()
    assert [ax.get_xlabel()[:11] for ax in plt.gcf().axes[:2]] == ["True Energy", "True Energy"]


def test_axes_are_labelled_with_quantity_and_unit():
    ax = aeff().plot_energy_dependence(offset=[0.5, 1] * u.deg)
    assert "True Energy" in ax.get_xlabel()
    assert "Effective Area" in ax.get_ylabel()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["offset = 0.5 deg", "offset = 1.0 deg"]


def test_the_other_pictures():
    edisp().plot_bias(add_cbar=True)
    psf().plot_psf_vs_rad(ax=plt.figure().gca(), offset=[0, 1] * u.deg, energy_true=[1] * u.TeV)
    rad_max().plot_rad_max_vs_energy(ax=plt.figure().gca())
    assert bkg_3d().plot_at_energy([1, 2, 5, 9] * u.TeV).shape == (2, 3)
    assert bkg_2d().plot_at_energy(1 * u.TeV).shape == (1, 1)


def test_energies_are_written_in_the_unit_that_suits_them():
    ax = bkg_2d().plot_offset_dependence(energy=[0.02, 5] * u.TeV)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["energy = 20.0 GeV", "energy = 5.00 TeV"]


def test_a_response_at_one_offset_is_one_curve_and_one_point():
    point = aeff(is_pointlike=True).slice_by_idx({"offset": slice(0, 1)})
    assert len(point.plot_energy_dependence().lines) == 1
    lines = point.plot_offset_dependence(ax=plt.figure().gca(), energy=[5] * u.TeV).lines
    assert [line.get_marker() for line in lines] == ["o"]


def test_a_rate_that_falls_to_zero_does_not_take_all_of_the_height():
    bkg = bkg_2d()
    bkg = bkg.__class__(axes=bkg.axes, data=bkg.data.copy(), unit=bkg.unit)
    bkg.data[:, 1:] = 0
    low, high = bkg.plot_energy_dependence(offset=bkg.axes["offset"].center).get_ylim()
    assert bkg.data.max() < high < 10 * bkg.data.max()
    assert low > 1e-16 * high


def test_angles_and_ratios_are_labelled_once():
    assert edisp().plot_migration().get_xlabel() == "Energy / True Energy"
    ax = rad_max().plot_rad_max_vs_energy(ax=plt.figure().gca())
    plt.gcf().canvas.draw()
    assert not any("°" in text.get_text() for text in ax.get_yticklabels())
