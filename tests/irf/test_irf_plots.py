"""The pictures of response tables are drawn, with labels that say what they show."""

import astropy.units as u
import numpy as np
import pytest
from irf_tables import ALL, ENERGY_TRUE, FOV_LAT, FOV_LON, MIGRA, RAD, aeff, bkg_2d, bkg_3d, edisp, psf, rad_max
from numpy.testing import assert_allclose

from lightpool.irf import (
    PSF4D,
    EffectiveAreaTable3D,
    EffectiveAreaTablePolar,
    EnergyDispersion3D,
    EnergyDispersionPolar,
    PSFPolar,
)
from lightpool.maps import MapAxis

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def canvas():
    backend = plt.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(backend)


@pytest.mark.slow
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


def test_the_other_pictures_of_tables_are_drawn():
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


RHO = MapAxis.from_edges([0, 0.5, 1, 2, 2.5] * u.deg, name="rho")
PHI = MapAxis.from_edges([0, 90, 180, 270, 360] * u.deg, name="phi")
ASYMMETRIC = {
    EffectiveAreaTable3D: ("m2", FOV_LON, FOV_LAT),
    EffectiveAreaTablePolar: ("m2", RHO, PHI),
    EnergyDispersion3D: ("", MIGRA, FOV_LON, FOV_LAT),
    EnergyDispersionPolar: ("", MIGRA, RHO, PHI),
    PSF4D: ("sr-1", FOV_LON, FOV_LAT, RAD),
    PSFPolar: ("sr-1", RHO, PHI, RAD),
}


def asymmetric(kind):
    """A table with more on the side of positive longitude."""
    unit, *others = ASYMMETRIC[kind]
    axes = [ENERGY_TRUE, *others]
    coords = dict(
        zip(
            (axis.name for axis in axes), np.meshgrid(*[axis.center_value for axis in axes], indexing="ij"), strict=True
        )
    )
    lon = coords["fov_lon"] if "fov_lon" in coords else coords["rho"] * np.sin(np.deg2rad(coords["phi"]))
    return kind(axes, data=10.0 + lon + coords["energy_true"], unit=unit)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ASYMMETRIC, ids=lambda kind: kind.tag)
def test_a_table_that_depends_on_the_direction_is_drawn_with_labels(kind):
    asymmetric(kind).peek()
    plt.gcf().canvas.draw()
    panels = [ax for ax in plt.gcf().axes if ax.get_xlabel()]
    assert len(panels) == 3
    assert all("[" in ax.get_xlabel() or "/" in ax.get_xlabel() for ax in panels)
    assert all(ax.get_ylabel() for ax in plt.gcf().axes)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [EffectiveAreaTable3D, EffectiveAreaTablePolar], ids=lambda kind: kind.tag)
def test_curves_are_those_of_four_directions(kind):
    ax = asymmetric(kind).plot_energy_dependence(offset=[0, 1.5] * u.deg)
    lines = {line.get_label(): line.get_ydata(orig=False) - ENERGY_TRUE.center_value for line in ax.lines}
    assert list(lines) == [
        "offset = 0.0 deg",
        *(f"offset = 1.5 deg {side}" for side in ("+lon", "+lat", "-lon", "-lat")),
    ]
    expected = {"+lon": 11.5, "+lat": 10.0, "-lon": 8.5, "-lat": 10.0}
    if kind is EffectiveAreaTablePolar:  # between the centres of four bins of angles the sine is that of 45 degrees
        expected = {side: 10 + (value - 10) * np.sqrt(0.5) for side, value in expected.items()}
    assert list(lines) == ["offset = 0.0 deg", *(f"offset = 1.5 deg {side}" for side in expected)]
    for side, value in expected.items():
        assert_allclose(lines[f"offset = 1.5 deg {side}"], value)


@pytest.mark.parametrize("kind", [EffectiveAreaTable3D, EffectiveAreaTablePolar], ids=lambda kind: kind.tag)
def test_images_of_the_field_of_view_have_the_longitude_to_the_right(kind):
    axes = asymmetric(kind).plot_at_energy(["1 TeV", "10 TeV"])
    assert [ax.get_title() for ax in axes.flat] == ["1.00 TeV", "10.0 TeV"]
    (mesh,) = axes[0, 0].collections
    corners = mesh.get_coordinates()
    middle = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    values = np.reshape(mesh.get_array(), middle.shape[:2])
    right, left = (values[sign * middle[..., 0] > 0.5].mean() for sign in (1, -1))
    assert right > left + 1
    assert axes[0, 0].get_xlabel().startswith("FoV Lon. [")


def test_the_text_about_a_psf_names_the_directions():
    text = asymmetric(PSF4D).info(offset=1 * u.deg)
    assert "fov_lon" in text
    assert "95.00 containment radius at offset = 1.0 deg towards -lat and energy_true =  1.0 TeV" in text
    assert "towards" not in psf().info()


def test_energies_may_be_texts():
    assert bkg_3d().plot_at_energy(["1 TeV", "500 GeV"]).shape == (1, 2)
