"""One rule for the axes and columns of every class of response table."""

import logging

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from irf_tables import ALL, ENERGY_TRUE, OFFSET, RAD, aeff, bkg_2d, bkg_3d, edisp, gauss_psf, king_psf, psf
from numpy.testing import assert_array_equal

from lightpool.errors import FormatError, MissingColumnError, WrongUnitError
from lightpool.irf import (
    Background2D,
    Background3D,
    EDispKernel,
    EDispKernelMap,
    EffectiveAreaTable2D,
    EnergyDependentMultiGaussPSF,
    PSFKing,
    PSFMap,
    load_irf_dict_from_file,
)
from lightpool.irf.tables.layouts import LAYOUTS
from lightpool.irf.tables.table_rules import axes_of_table
from lightpool.maps import Map, MapAxes, MapAxis, WcsGeom

AXES = [(name, column[:-3]) for name, make in ALL.items() for column in make().to_table().colnames if "_LO" in column]
COLUMNS = [(name, rule) for name, make in ALL.items() for rule in LAYOUTS[make().tag].columns.values()]
COLUMN_IDS = [f"{name}-{rule.spellings[0]}" for name, rule in COLUMNS]


def swapped(low, high):
    return high, low


def with_first(value):
    def change(low, high):
        low = low.copy()
        low[0, 0] = value
        return low, high

    return change


def with_last(value):
    def change(low, high):
        high = high.copy()
        high[0, -1] = value
        return low, high

    return change


def descending(low, high):
    return high[:, ::-1], low[:, ::-1]


def with_gap(low, high):
    low = low.copy()
    low[0, -1] = 0.5 * (low[0, -1] + high[0, -1])
    return low, high


def overlapping(low, high):
    low = low.copy()
    low[0, -1] -= 0.5 * (high[0, -1] - low[0, -1])
    return low, high


def one_short(low, high):
    return low, high[:, :-1]


def repeated(low, high):
    low, high = low.copy(), high.copy()
    low[0, 1], high[0, 1] = low[0, 0], high[0, 0]
    return low, high


FAULTS = {
    "swapped": swapped,
    "not a number": with_first(np.nan),
    "infinite": with_last(np.inf),
    "descending": descending,
    "with a gap": with_gap,
    "overlapping": overlapping,
    "one upper edge short": one_short,
    "a bin twice": repeated,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("name", "stem"), AXES)
def test_bins_that_are_no_axis_are_refused_by_every_class(name, stem, fault):
    irf = ALL[name]()
    table = irf.to_table()
    unit = table[f"{stem}_LO"].unit
    edges = (np.asarray(table[f"{stem}_{end}"], dtype=float) for end in ("LO", "HI"))
    for end, values in zip(("LO", "HI"), FAULTS[fault](*edges), strict=True):
        table[f"{stem}_{end}"] = values * (unit or u.dimensionless_unscaled)
    with pytest.raises(FormatError, match=rf"axis .* in the columns {stem}_LO, {stem}_HI"):
        type(irf).from_table(table)


@pytest.mark.parametrize(
    ("name", "stem", "unit"),
    [(*axis, unit) for axis in AXES for unit in ("s", "", "m2") if axis[1] != "MIGRA" or unit],  # migra has no unit
)
def test_the_unit_of_an_axis_must_be_of_its_kind(name, stem, unit):
    irf = ALL[name]()
    table = irf.to_table()
    for end in ("LO", "HI"):
        table[f"{stem}_{end}"] = table[f"{stem}_{end}"].value * u.Unit(unit)
    with pytest.raises(WrongUnitError, match=rf"{stem}_LO.* has the unit '{unit}', expected"):
        type(irf).from_table(table)


@pytest.mark.parametrize(("name", "stem"), [(name, stem) for name, stem in AXES if not stem.startswith("DET")], ids=str)
def test_no_axis_begins_below_zero_and_no_energy_at_zero(name, stem):
    irf, table = ALL[name](), ALL[name]().to_table()
    unit = table[f"{stem}_LO"].unit or u.dimensionless_unscaled
    lowest = np.asarray(table[f"{stem}_LO"], dtype=float)
    lowest[0, 0] = 0 if stem == "ENERG" else -1e-3
    table[f"{stem}_LO"] = lowest * unit
    with pytest.raises(FormatError, match="begins at"):
        type(irf).from_table(table)


@pytest.mark.parametrize("unit", ["TeV s", "cm5", ""])
@pytest.mark.parametrize(("name", "rule"), COLUMNS, ids=COLUMN_IDS)
def test_the_unit_of_a_column_must_be_of_its_kind(name, rule, unit, caplog):
    irf, table = ALL[name](), ALL[name]().to_table()
    column = rule.spellings[0]
    table[column] = np.asarray(table[column]) * u.Unit(unit)
    if unit or rule.assumed is None:
        with pytest.raises(WrongUnitError, match=f"column '{column}'.*(expected|no unit)"):
            type(irf).from_table(table)
        return
    with caplog.at_level(logging.WARNING):
        assert type(irf).from_table(table) == irf
    assert (f"taken as {rule.assumed}" in caplog.text) == rule.warns


def test_a_width_or_an_area_is_never_taken_without_a_unit():
    needed = {rule.spellings[0] for _, rule in COLUMNS if rule.assumed is None}
    assert needed == {"EFFAREA", "SIGMA_1", "SIGMA_2", "SIGMA_3", "SIGMA", "RAD_MAX"}


@pytest.mark.parametrize("unit", [{}, {"sigma": "s"}, {"sigma": "deg", "gamma": "m"}])
def test_a_profile_in_memory_needs_the_same_units(unit):
    parameters = {"gamma": np.full((6, 4), 2.0), "sigma": np.full((6, 4), 0.1)}
    with pytest.raises(WrongUnitError, match="PSFKing, parameter"):
        PSFKing(axes=[ENERGY_TRUE, OFFSET], data=parameters, unit=unit)
    assert PSFKing(axes=[ENERGY_TRUE, OFFSET], data=parameters, unit={"sigma": "arcmin"}).unit["sigma"] == "arcmin"


def test_a_table_in_memory_follows_the_same_rules():
    with pytest.raises(WrongUnitError, match="EffectiveAreaTable2D has the unit 's'"):
        EffectiveAreaTable2D(axes=[ENERGY_TRUE, OFFSET], data=1.0, unit="s")
    backwards = MapAxis.from_edges([2.0, 1.0, 0.0] * u.deg, name="offset")
    with pytest.raises(FormatError, match=r"'offset'.*ascending"):
        EffectiveAreaTable2D(axes=[ENERGY_TRUE, backwards], data=1.0, unit="m2")
    with pytest.raises(WrongUnitError, match="'offset' has the unit 'TeV'"):
        EffectiveAreaTable2D(axes=[ENERGY_TRUE, ENERGY_TRUE.rename("offset")], data=1.0, unit="m2")


@pytest.mark.parametrize(("name", "rule"), COLUMNS, ids=COLUMN_IDS)
def test_values_must_have_the_shape_of_the_axes(name, rule):
    irf, table = ALL[name](), ALL[name]().to_table()
    column = rule.spellings[0]
    values = np.asarray(table[column])
    unit = table[column].unit or u.dimensionless_unscaled
    for wrong in (values[..., :-1], values[:, :-1], np.moveaxis(values, 1, 2) if values.ndim > 3 else values[..., 1:]):
        table[column] = wrong * unit
        with pytest.raises(FormatError, match=f"column '{column}'.*its shape is"):
            type(irf).from_table(table)


@pytest.mark.parametrize(("name", "rule"), COLUMNS, ids=COLUMN_IDS)
def test_values_that_are_not_finite_stay_and_are_reported(name, rule, caplog):
    irf, table = ALL[name](), ALL[name]().to_table()
    table[rule.spellings[0]][(0,) * table[rule.spellings[0]].ndim] = np.nan
    with caplog.at_level(logging.WARNING):
        type(irf).from_table(table)
    assert f"1 of {irf.data.size} values are not finite" in caplog.text


def test_the_exact_name_of_a_column_counts_and_one_of_several_spellings_is_no_guess():
    table = aeff().to_table()
    table["EffArea"] = 2 * table["EFFAREA"]
    table["energ_lo"] = 2 * table["ENERG_LO"]
    assert EffectiveAreaTable2D.from_table(table) == aeff()
    table.rename_column("EFFAREA", "effarea")
    with pytest.raises(FormatError, match=r"'effarea', 'EffArea' all match 'EFFAREA'"):
        EffectiveAreaTable2D.from_table(table)
    table.remove_columns(["EffArea", "energ_lo"])
    table.rename_columns(["ENERG_LO", "THETA_HI"], ["Energ_lo", "theta_hi"])
    assert EffectiveAreaTable2D.from_table(table) == aeff()


# --- the order of the values


def flat(table, values):
    """Table whose background has lost its TDIM."""
    written = table.to_table()
    unit = written["BKG"].unit
    written["BKG"] = np.reshape(values, (1, -1)) * unit
    return written


@pytest.mark.parametrize("make", [bkg_2d, bkg_3d])
@pytest.mark.parametrize("slowest", [False, True])
def test_a_background_without_tdim_is_refused_because_files_have_both_orders(make, slowest):
    table = make()
    with pytest.raises(FormatError, match=r"no TDIM.*either of the two orders.*add TDIM"):
        type(table).from_table(flat(table, table.data if slowest else table.data.T))


@given(n_energy=st.integers(1, 4), n_lon=st.integers(1, 4), n_lat=st.integers(1, 4), slowest=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_background_is_read_in_its_order_or_refused(n_energy, n_lon, n_lat, slowest):
    whole = bkg_3d()
    part = whole.slice_by_idx({"energy": slice(0, n_energy), "fov_lon": slice(0, n_lon), "fov_lat": slice(0, n_lat)})
    shape = part.data.shape
    wide = tuple(n for n in shape if n > 1)
    written = part.to_table()
    values = part.data if slowest else part.data.T
    written["BKG"] = values[np.newaxis] * part.unit
    if not (slowest and wide == wide[::-1] and len(wide) > 1):  # else taken in the order of the format, with a warning
        assert_array_equal(Background3D.from_table(written).data, part.data)
    if len(wide) > 1:
        with pytest.raises(FormatError, match="TDIM"):
            Background3D.from_table(flat(part, values))
    else:
        assert_array_equal(Background3D.from_table(flat(part, values)).data, part.data)


def test_other_tables_without_tdim_are_in_the_order_of_the_format(caplog):
    table = aeff().to_table()
    table["EFFAREA"] = np.reshape(table["EFFAREA"].value, (1, -1)) * u.m**2
    assert EffectiveAreaTable2D.from_table(table) == aeff()
    assert "no TDIM" in caplog.text


def test_tdim_may_leave_out_axes_of_one_bin():
    part = edisp().slice_by_idx({"offset": slice(1, 2)})
    table = part.to_table()
    table["MATRIX"] = table["MATRIX"][:, 0]
    assert type(part).from_table(table) == part
    one = bkg_2d().slice_by_idx({"offset": slice(0, 1)})
    table = one.to_table()
    table["BKG"] = one.data.reshape(1, -1) * one.unit
    assert Background2D.from_table(table) == one


# --- maps of responses and response files


def test_a_map_of_a_response_needs_the_units_of_its_kind(tmp_path):
    geom = WcsGeom.create(npix=3, axes=[RAD, ENERGY_TRUE])
    for unit in ("", "deg-1"):
        PSFMap(Map.from_geom(geom, unit=unit)).write(tmp_path / "psf.fits", overwrite=True)
        with pytest.raises(WrongUnitError, match=r"psf\.fits.*PSFMap.*'sr-1'"):
            PSFMap.read(tmp_path / "psf.fits")
    wrong = WcsGeom.create(npix=3, axes=[MapAxis.from_edges([0.0, 1.0, 2.0] * u.s, name="rad"), ENERGY_TRUE])
    PSFMap(Map.from_geom(wrong, unit="sr-1")).write(tmp_path / "psf.fits", overwrite=True)
    with pytest.raises(WrongUnitError, match="axis 'rad' has the unit 's'"):
        PSFMap.read(tmp_path / "psf.fits")
    exposure = Map.from_geom(geom.squash("rad"), unit="TeV")
    PSFMap(Map.from_geom(geom, unit="deg-2"), exposure).write(tmp_path / "psf.fits", overwrite=True)
    with pytest.raises(WrongUnitError, match=r"exposure.*'TeV'"):
        PSFMap.read(tmp_path / "psf.fits")
    energy = ENERGY_TRUE.rename("energy")
    kernel = EDispKernelMap(Map.from_geom(WcsGeom.create(npix=3, axes=[energy, ENERGY_TRUE]), unit="m2"))
    kernel.write(tmp_path / "edisp.fits")
    with pytest.raises(WrongUnitError, match=r"edisp\.fits.*expected no unit"):
        EDispKernelMap.read(tmp_path / "edisp.fits")


def test_a_response_file_with_a_value_that_is_not_finite_or_energies_without_a_unit_is_refused(tmp_path):
    kernel = EDispKernel.from_diagonal_response(ENERGY_TRUE, ENERGY_TRUE.rename("energy"))
    kernel.write(tmp_path / "rmf.fits")
    with fits.open(tmp_path / "rmf.fits") as hdus:
        hdus["MATRIX"].data["MATRIX"][0][0] = np.nan
        hdus.writeto(tmp_path / "nan.fits")
    with fits.open(tmp_path / "rmf.fits") as hdus:
        hdus["MATRIX"].columns["ENERG_LO"].unit = "s"
        hdus["MATRIX"].columns["ENERG_HI"].unit = "s"
        hdus.writeto(tmp_path / "unit.fits")
    with pytest.raises(FormatError, match=r"nan\.fits.*1 of .* not finite"):
        EDispKernel.read(tmp_path / "nan.fits")
    with pytest.raises(FormatError, match=r"unit\.fits.*'s'"):
        EDispKernel.read(tmp_path / "unit.fits")


# --- which class an HDU holds

WAYS = {
    "the format": {},
    "PSF for RPSF": {"HDUCLAS2": "PSF"},
    "small letters": {"HDUCLAS1": "response", "HDUCLAS2": "psf", "HDUCLAS4": "lower"},
    "no HDUCLAS4": {"HDUCLAS4": None},
    "no HDUCLAS2": {"HDUCLAS2": None},
    "an unknown HDUCLAS2": {"HDUCLAS2": "SOMETHING"},
    "an unknown HDUCLAS4": {"HDUCLAS4": "SOMETHING"},
    "no class at all": {"HDUCLAS1": None, "HDUCLAS2": None, "HDUCLAS3": None, "HDUCLAS4": None},
    "the class of another table": {"HDUCLAS2": "EDISP", "HDUCLAS4": "EDISP_2D"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ALL)
def test_a_response_is_found_whatever_its_keywords_call_it(name, way, tmp_path):
    irf = ALL[name]()
    hdu = irf.to_table_hdu()
    for key, value in WAYS[way].items():
        if value is None:
            del hdu.header[key]
        elif way == "PSF for RPSF" and not name.endswith("psf"):
            continue
        else:
            hdu.header[key] = hdu.header[key].lower() if value == "lower" else value
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "irf.fits")
    found = load_irf_dict_from_file(tmp_path / "irf.fits")
    assert list(found.values()) == [irf]


def test_old_files_have_the_class_in_the_second_keyword(tmp_path):
    for irf, old in ((king_psf(), "PSF_2D_KING"), (gauss_psf(), "PSF_2D_GAUSS"), (psf(), "PSF_2D_TABLE")):
        hdu = irf.to_table_hdu()
        hdu.header["HDUCLAS2"] = old
        del hdu.header["HDUCLAS4"]
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "irf.fits", overwrite=True)
        assert load_irf_dict_from_file(tmp_path / "irf.fits") == {"psf": irf}


def test_a_table_that_lacks_a_column_of_its_class_is_not_left_out(tmp_path):
    hdu = gauss_psf().to_table_hdu()
    columns = [column for column in hdu.columns if column.name != "SIGMA_2"]
    fits.BinTableHDU.from_columns(columns, header=hdu.header, name=hdu.name).writeto(tmp_path / "irf.fits")
    with pytest.raises(MissingColumnError, match="SIGMA_2"):
        load_irf_dict_from_file(tmp_path / "irf.fits")


def test_the_psfs_of_the_ctao_production_files_are_found(shared):
    for path in sorted((shared / "data" / "cta-caldb").glob("*.fits.gz")):
        found = load_irf_dict_from_file(path)
        assert sorted(found) == ["aeff", "bkg", "edisp", "psf"]
        assert isinstance(found["psf"], EnergyDependentMultiGaussPSF)
        radius = found["psf"].containment_radius(0.68, energy_true=1 * u.TeV, offset=1 * u.deg)
        assert 0.02 * u.deg < radius < 0.2 * u.deg


def test_axes_that_were_checked_hold_only_for_the_same_axes_in_the_same_order():
    point = MapAxis.from_nodes([0.5], name="offset", unit="deg")
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
    swapped_edges = MapAxis.from_edges([3.0, 4.0], name="offset", unit="m")
    names = ["energy_true", "offset"]
    assert axes_of_table([energy, OFFSET], names, "table") is axes_of_table(MapAxes([energy, OFFSET]), names, "table")
    assert axes_of_table([energy, OFFSET], names, "table")["offset"] is OFFSET
    assert axes_of_table(iter([energy, OFFSET]), names, "table")["offset"] is OFFSET
    assert axes_of_table([energy, point], names, "table")["offset"] is not point
    for _ in range(2):  # what was refused is not kept
        with pytest.raises(ValueError, match="in this order"):
            axes_of_table([OFFSET, energy], names, "table")
        with pytest.raises(WrongUnitError, match="offset"):
            axes_of_table([energy, swapped_edges], names, "table")
    for number in range(300):  # and very many are not all kept
        other = MapAxis.from_edges([0, number + 1], name="offset", unit="deg")
        assert axes_of_table([energy, other], names, "table")["offset"] is other
