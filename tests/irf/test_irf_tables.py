"""Response tables on the host: construction, evaluation, and what makes new tables of them."""

import astropy.units as u
import numpy as np
import pytest
from irf_tables import (
    ALL,
    ENERGY_TRUE,
    FOV_LAT,
    FOV_LON,
    MIGRA,
    OFFSET,
    aeff,
    bkg_2d,
    bkg_3d,
    edisp,
    gauss_psf,
    psf,
    rad_max,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import RegularGridInterpolator

from lightpool.irf import (
    Background2D,
    Background3D,
    EffectiveAreaTable2D,
    EnergyDependentMultiGaussPSF,
    EnergyDispersion2D,
    FoVAlignment,
    PSFKing,
    RadMax2D,
)
from lightpool.maps import MapAxis


def twin_evaluate(irf, log_values=False, **coords):
    """Interpolate with scipy, and set to zero outside the edges."""
    points = [np.broadcast_to(coords[a.name].to_value(a.unit), np.broadcast_shapes(*(c.shape for c in coords.values())))
              for a in irf.axes]  # fmt: skip
    scale = [np.log if a.interp == "log" else np.asarray for a in irf.axes]
    nodes = [f(a.center.value) for f, a in zip(scale, irf.axes, strict=True)]
    data = np.log(irf.data) if log_values else irf.data
    interpolator = RegularGridInterpolator(nodes, data, bounds_error=False, fill_value=None)
    values = interpolator(np.stack([f(p) for f, p in zip(scale, points, strict=True)], axis=-1))
    values = np.exp(values) if log_values else np.maximum(values, 0)
    inside = [(p >= a.edges.value[0]) & (p <= a.edges.value[-1]) for p, a in zip(points, irf.axes, strict=True)]
    return values, inside


LOWER, UPPER = ENERGY_TRUE.edges_value[[0, -1]]
ENERGIES = np.array([0.05, LOWER, 0.2, 3.0, 60.0, UPPER, 101.0])[:, None] * u.TeV
OFFSETS = np.array([-0.1, 0.0, 0.1, 0.6, 1.9, 2.3, 2.5, 2.6]) * u.deg


def test_effective_area_is_interpolated_in_log_energy_extrapolated_in_the_outer_half_bins_and_zero_outside():
    values, inside = twin_evaluate(aeff(), energy_true=ENERGIES, offset=OFFSETS)
    result = aeff().evaluate(energy_true=ENERGIES, offset=OFFSETS)
    assert result.unit == "m2"
    assert_allclose(result.value, np.where(np.all(inside, axis=0), values, 0), rtol=1e-12)
    assert result[1, 2] > 0, "the lower edge belongs to the axis"
    assert result[5, 2] > 0, "the upper edge does too"


def test_background_is_interpolated_in_its_logarithm():
    energy, lon, lat = np.array([0.3, 4.0])[:, None] * u.TeV, [-2.4, 0.3] * u.deg, [1.9, -0.7] * u.deg
    values, _ = twin_evaluate(bkg_3d(), log_values=True, energy=energy, fov_lon=lon, fov_lat=lat)
    assert_allclose(bkg_3d().evaluate(energy=energy, fov_lon=lon, fov_lat=lat).value, values, rtol=1e-12)


def test_energy_dispersion_is_extrapolated_outside_its_energies_or_migra_but_not_outside_both():
    migra = np.array([0.1, 0.25, 1.0, 2.9, 3.5])[:, None, None] * u.one
    values, inside = twin_evaluate(edisp(), energy_true=ENERGIES, offset=OFFSETS, migra=migra)
    energy, m, offset = inside
    expected = np.where((energy | m) & offset, values, 0)
    assert_allclose(edisp().evaluate(energy_true=ENERGIES, offset=OFFSETS, migra=migra).value, expected, atol=1e-14)


def test_nearest_takes_the_value_of_the_nearest_bin():
    table = aeff()
    assert table.evaluate(method="nearest", energy_true=1.5 * u.TeV, offset=1.3 * u.deg).value == table.data[2, 2]


def test_coordinates_that_are_not_given_are_the_bin_centres():
    table = aeff()
    assert_allclose(table.evaluate().value, table.data, rtol=1e-12)
    assert table.evaluate(offset=0.3 * u.deg).shape == (6, 1)
    assert table.evaluate(energy_true=1 * u.TeV, offset=0.3 * u.deg).shape == ()


def test_an_axis_of_one_bin_is_constant():
    table = aeff().slice_by_idx({"offset": slice(1, 2)})
    values = table.evaluate(energy_true=1 * u.TeV, offset=[0.4, 0.5, 0.9, 1.1] * u.deg)
    assert_allclose(values.value / values[1].value, [0, 1, 1, 0])


def test_a_value_that_is_not_a_number_becomes_zero_where_it_is_used():
    table = aeff()
    table.data[2, 1] = np.nan
    energy = table.axes["energy_true"].center[2]
    values = table.evaluate(energy_true=energy, offset=[0.3, 0.6, 1.0, 1.6] * u.deg)
    assert_array_equal(values > 0, [False, False, False, True])


def test_unknown_coordinates_are_named():
    with pytest.raises(ValueError, match=r"\['energy'\].*\['energy_true', 'offset'\]"):
        aeff().evaluate(energy=1 * u.TeV)


def test_data_must_have_the_shape_of_the_axes_and_a_unit_of_the_kind():
    with pytest.raises(ValueError, match=r"\(3,\).*\(6, 4\)"):
        EffectiveAreaTable2D(axes=[ENERGY_TRUE, OFFSET], data=np.ones(3), unit="m2")
    with pytest.raises(ValueError, match="TeV"):
        EffectiveAreaTable2D(axes=[ENERGY_TRUE, OFFSET], data=np.ones((6, 4)) * u.TeV)
    with pytest.raises(TypeError, match="quantity"):
        aeff().data = np.ones((6, 4)) * u.m**2
    with pytest.raises(ValueError, match="sigma"):
        PSFKing(axes=[ENERGY_TRUE, OFFSET], data={"gamma": np.ones((6, 4))})
    with pytest.raises(ValueError, match="energy_true"):
        EffectiveAreaTable2D(axes=[OFFSET, ENERGY_TRUE], data=0, unit="m2")


def test_scalar_data_fill_the_table_and_other_units_convert():
    table = EffectiveAreaTable2D(axes=[ENERGY_TRUE, OFFSET], data=1e4, unit="cm2")
    assert_array_equal(table.to_unit("m2").data, np.ones((6, 4)))
    assert table.to_unit("m2").unit == "m2"


def test_integral_of_a_density_over_its_axis():
    table = edisp()
    expected = np.cumsum(table.data * np.diff(MIGRA.edges.value)[:, None], axis=1)
    assert_allclose(table.cumsum("migra").data, expected)
    table.normalize()
    upper = MIGRA.edges[-1]
    assert_allclose(table.integral("migra", migra=upper, offset=OFFSET.center, energy_true=1 * u.TeV).value, 1)


@pytest.mark.parametrize("as_grid", [False, True])
def test_the_integral_of_a_power_law_between_energies_is_exact(as_grid):
    axes = bkg_2d().axes
    rate = axes["energy"].center_value[:, np.newaxis] ** -2.5 * [4.0, 3, 2, 1]
    bkg = Background2D(axes=axes, data=rate, unit="s-1 TeV-1 sr-1")
    energy = [1, 2, 7] * u.TeV
    offset = axes["offset"].center
    expected = np.diff(energy.value**-1.5)[:, np.newaxis] / -1.5 * [4.0, 3, 2, 1]
    if as_grid:
        found = bkg.integrate_log_log("energy", energy=energy[:, np.newaxis], offset=offset)
    else:
        found = [bkg.integrate_log_log("energy", energy=energy, offset=value) for value in offset]
        expected = expected.T
    assert_allclose(u.Quantity(found).to_value("s-1 sr-1"), expected, rtol=1e-10)


def test_containment_of_a_table_and_of_a_formula_agree():
    formula = gauss_psf()
    table = formula.to_psf3d(rad=np.linspace(0, 1.5, 1001) * u.deg)
    place = {"energy_true": ENERGY_TRUE.center[2], "offset": OFFSET.center[1]}
    rad = [0.05, 0.1, 0.3] * u.deg
    assert_allclose(table.containment(rad=rad, **place), formula.containment(rad=rad, **place), rtol=2e-3)
    radius = formula.containment_radius(fraction=[0.5, 0.68], **place)
    assert_allclose(formula.containment(rad=radius, **place), [0.5, 0.68], atol=3e-3)


def test_empty_bins_are_interpolated_between_valid_ones_and_the_table_stays_as_it_is():
    table = bkg_3d()
    full = table.data.copy()
    table.data[1:3, 0, 0] = 0
    table.data[2, 1, 1] = np.nan
    table.data[0, 2, 2] = 0
    before = table.data.copy()
    filled = table.interp_missing_data("energy")
    assert_array_equal(table.data, before)
    step = (full[3, 0, 0] / full[0, 0, 0]) ** (1 / 3)
    assert_allclose(filled.data[1:3, 0, 0], full[0, 0, 0] * step ** np.array([1, 2]), rtol=1e-12)
    assert_allclose(filled.data[2, 1, 1], np.sqrt(full[1, 1, 1] * full[3, 1, 1]), rtol=1e-12)
    assert filled.data[0, 2, 2] == 0, "nothing below it to interpolate from"


@pytest.mark.parametrize("axis_name", ["energy", "fov_lon"])
def test_filling_agrees_with_a_loop_over_bins(axis_name):
    rng = np.random.default_rng(1)
    data = (rng.uniform(1, 2, (5, 5, 4)) * (rng.random((5, 5, 4)) > 0.5)).astype(np.float32)
    table = Background3D(axes=bkg_3d().axes, data=data, unit="s-1 MeV-1 sr-1")
    axis = table.axes.index(axis_name)
    expected = np.moveaxis(data.copy(), axis, 0)
    for place in np.ndindex(5, *expected.shape[1:]):
        column = np.moveaxis(data, axis, 0)[:, *place[1:]]
        good = np.flatnonzero(column)
        if column[place[0]] == 0 and good.size:
            value = np.interp(place[0], good, np.log(column[good]), left=-np.inf, right=-np.inf)
            expected[place] = np.exp(value)
    result = table.interp_missing_data(axis_name).data
    assert result.dtype == np.float32
    assert_allclose(np.moveaxis(result, axis, 0), expected, rtol=1e-6)


def test_padding_repeats_the_outer_bins_and_keeps_everything_else():
    table = bkg_2d(meta={"A": 1}, fov_alignment="ALTAZ", is_pointlike=True)
    padded = table.pad(1, axis_name="offset", mode="edge")
    assert padded.data.shape == (5, 6)
    assert table.data.shape == (5, 4)
    assert_array_equal(padded.data[:, 1:-1], table.data)
    assert_array_equal(padded.data[:, 0], table.data[:, 0])
    assert (padded.meta, padded.fov_alignment, padded.is_pointlike) == ({"A": 1}, FoVAlignment.ALTAZ, True)
    assert padded.interp_kwargs["values_scale"] == "log"


def test_slices_keep_all_axes():
    part = psf().slice_by_idx({"energy_true": slice(2, 4)})
    assert part.data.shape == (2, 4, 10)
    assert_allclose(part.axes["energy_true"].edges.value, ENERGY_TRUE.edges.value[2:5])
    with pytest.raises(ValueError, match="slice"):
        psf().slice_by_idx({"energy_true": 2})
    with pytest.raises(ValueError, match="there is no axis 'energy'"):
        psf().slice_by_idx({"energy": slice(2, 4)})


@pytest.mark.parametrize("name", ALL)
def test_a_table_equals_its_like_and_shows_its_axes(name):
    table = ALL[name]()
    assert table == ALL[name]()
    assert "axes" in str(table)
    assert table.axes.names[0] in table._repr_html_()
    assert table != ENERGY_TRUE
    with pytest.raises(TypeError, match="compare"):
        table.is_allclose(3)


def test_background_in_offset_and_in_the_plane_convert_into_each_other():
    plane = bkg_2d().to_3d()
    assert plane.axes.names == ["energy", "fov_lon", "fov_lat"]
    assert plane.data.shape == (5, 8, 8)
    assert_allclose(plane.data[:, 4, 4], bkg_2d().evaluate(offset=np.hypot(0.25, 0.25) * u.deg).value[:, 0], rtol=1e-4)
    line = bkg_3d().to_2d()
    assert_allclose(line.axes["offset"].edges.value, FOV_LON.edges.value[2:])
    assert_array_equal(line.data, bkg_3d().data[:, 2:, FOV_LAT.coord_to_idx(0 * u.deg)[0]])


def test_gaussian_energy_dispersion_is_normalised_with_the_bias_and_width_asked_for():
    migra = MapAxis.from_bounds(0, 3, nbin=300, name="migra")
    table = EnergyDispersion2D.from_gauss(ENERGY_TRUE, migra, OFFSET, bias=0.1, sigma=np.linspace(0.1, 0.2, 6))
    center, width = migra.center.value, migra.bin_width.value
    density = table.data[3, :, 0]
    mean = np.sum(center * density * width)
    assert_allclose(np.sum(density * width), 1, rtol=1e-4)
    assert_allclose(mean, 1.1, rtol=1e-3)
    assert_allclose(np.sqrt(np.sum((center - mean) ** 2 * density * width)), 0.16, rtol=1e-2)


def test_effective_area_of_a_formula():
    table = EffectiveAreaTable2D.from_parametrization(instrument="HESS")
    energy = table.axes["energy_true"].center[50].to_value("MeV")
    assert_allclose(table.data[50, 0], 6.85e9 * energy**-0.0891 * np.exp(-5e5 / energy))
    with pytest.raises(ValueError, match="MAGIC"):
        EffectiveAreaTable2D.from_parametrization(instrument="MAGIC")


def test_a_fixed_directional_cut_comes_from_a_keyword():
    table = RadMax2D.from_irf(aeff(is_pointlike=True, meta={"RAD_MAX": 0.11}))
    assert table.is_fixed_rad_max
    assert not rad_max().is_fixed_rad_max
    assert_array_equal(table.evaluate(energy=[1, 1e5] * u.TeV, offset=[1, 20] * u.deg).to_value("deg"), 0.11)
    with pytest.raises(ValueError, match="point-like"):
        RadMax2D.from_irf(aeff())
    with pytest.raises(ValueError, match="no keyword RAD_MAX"):
        RadMax2D.from_irf(aeff(is_pointlike=True))
    with pytest.raises(ValueError, match="'wide'"):
        RadMax2D.from_irf(aeff(is_pointlike=True, meta={"RAD_MAX": "wide"}))


def test_a_parametric_psf_has_neither_a_unit_nor_a_norm_of_its_own():
    formula = gauss_psf()
    for call in (
        formula.normalize,
        lambda: formula.to_unit("deg-2"),
        lambda: formula.evaluate(energy_true=1, offset=0),
    ):
        with pytest.raises((NotImplementedError, TypeError, ValueError), match=r"psf3d|rad"):
            call()
    assert isinstance(formula, EnergyDependentMultiGaussPSF)
    assert "containment radius" in formula.info()


def test_what_is_derived_from_a_table_is_forgotten_when_its_values_change_even_in_place():
    table, calls = aeff(), []
    for _ in range(2):
        table.derived("key", lambda: calls.append(1))
    assert len(calls) == 1
    table.data[0, 0] *= 2
    table.derived("key", lambda: calls.append(1))
    assert len(calls) == 2
    for i in range(100):
        table.derived(i, lambda: None)
    assert len(table._derived) <= 32


def test_points_of_a_background_are_integrated_each_between_its_energies():
    bkg = bkg_2d()
    energy, offset = [[1.0, 2.0], [10.0, 20.0]] * u.TeV, [[0.2, 0.6]] * u.deg
    found = bkg.integrate_log_log(axis_name="energy", energy=energy, offset=offset)
    assert found.shape == (1, 2)
    for number in range(2):
        one = bkg.integrate_log_log(axis_name="energy", energy=energy[:, number], offset=offset[0, number])
        assert_allclose(found[0, number].value, one[0].value, rtol=1e-12)
