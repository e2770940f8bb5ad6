"""Response tables in GADF files, good and bad ones."""

import logging

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from irf_tables import ALL, OFFSET, aeff, bkg_2d, bkg_3d, edisp, king_psf, psf
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import HDUList, PrimaryHDU, read_fits
from lightpool.irf import (
    PSF3D,
    Background2D,
    Background3D,
    EffectiveAreaTable2D,
    EnergyDispersion2D,
    FoVAlignment,
    PSFKing,
    load_irf_dict_from_file,
)
from lightpool.maps import MapAxis


@pytest.mark.parametrize("suffix", ["fits", "fits.gz"])
@pytest.mark.parametrize("name", ALL)
def test_a_table_comes_back_from_a_file_as_it_was(name, suffix, tmp_path):
    table = ALL[name](is_pointlike=True, meta={"TELESCOP": "CTA"})
    table.write(tmp_path / f"irf.{suffix}")
    back = type(table).read(tmp_path / f"irf.{suffix}")
    assert back == table
    assert back.data.dtype == table.data.dtype
    assert back.data.dtype.isnative
    assert back.is_pointlike
    assert back.meta["TELESCOP"] == "CTA"
    assert [axis.interp for axis in back.axes] == [axis.interp for axis in table.axes]
    with pytest.raises(OSError, match="overwrite"):
        table.write(tmp_path / f"irf.{suffix}")


def test_a_table_is_written_with_checksums_if_they_are_asked_for(tmp_path):
    ALL["aeff"]().write(tmp_path / "aeff.fits", checksum=True)
    with fits.open(tmp_path / "aeff.fits", checksum=True) as hdus:
        assert all("DATASUM" in hdu.header for hdu in hdus)


@pytest.mark.parametrize("name", ALL)
def test_a_table_comes_back_from_an_astropy_table_and_from_hdus(name):
    table = ALL[name]()
    assert type(table).from_table(table.to_table()) == table
    assert type(table).from_hdulist(table.to_hdulist()) == table


def test_headers_follow_the_format():
    header = bkg_3d(fov_alignment="ALTAZ").to_table_hdu().header
    wanted = {
        "EXTNAME": "BACKGROUND",
        "HDUCLASS": "GADF",
        "HDUVERS": "0.2",
        "HDUCLAS1": "RESPONSE",
        "HDUCLAS2": "BKG",
        "HDUCLAS3": "FULL-ENCLOSURE",
        "HDUCLAS4": "BKG_3D",
        "FOVALIGN": "ALTAZ",
        "TTYPE1": "ENERG_LO",
        "TTYPE3": "DETX_LO",
    }
    assert {key: header[key] for key in wanted} == wanted
    assert [c.name for c in king_psf().to_table_hdu().columns][-2:] == ["GAMMA", "SIGMA"]


@pytest.mark.parametrize("alignment", list(FoVAlignment))
def test_the_alignment_of_the_field_of_view_is_kept(alignment):
    assert Background3D.from_table(bkg_3d(fov_alignment=alignment).to_table()).fov_alignment == alignment


def test_offsets_that_are_given_as_points_are_nodes():
    offset = MapAxis.from_nodes([0.0, 0.5, 1.0, 1.5] * u.deg, name="offset")
    table = EffectiveAreaTable2D(axes=[aeff().axes["energy_true"], offset], data=aeff().data, unit="m2").to_table()
    assert_array_equal(table["THETA_LO"], table["THETA_HI"])
    back = EffectiveAreaTable2D.from_table(table).axes["offset"]
    assert back.node_type == "center"
    assert_allclose(back.edges.value, [-0.25, 0.25, 0.75, 1.25, 1.75])


def test_columns_may_come_in_any_unit():
    table = aeff().to_table()
    for column, unit in {
        "ENERG_LO": "GeV",
        "ENERG_HI": "GeV",
        "THETA_LO": "rad",
        "THETA_HI": "arcmin",
        "EFFAREA": "cm2",
    }.items():
        table[column] = table[column].quantity.to(unit)
    back = EffectiveAreaTable2D.from_table(table)
    assert back.axes["energy_true"].unit == "GeV"
    assert back.unit == "cm2"
    place = {"energy_true": 1 * u.TeV, "offset": 0.7 * u.deg}
    assert_allclose(back.evaluate(**place).to_value("m2"), aeff().evaluate(**place).value, rtol=1e-12)


def test_true_energies_may_be_called_etrue_and_the_background_bgd():
    table = edisp().to_table()
    table.rename_columns(["ENERG_LO", "ENERG_HI"], ["ETRUE_LO", "ETRUE_HI"])
    assert EnergyDispersion2D.from_table(table) == edisp()
    table = bkg_3d().to_table()
    table.rename_column("BKG", "BGD")
    assert Background3D.from_table(table) == bkg_3d()


@pytest.mark.parametrize("table", [bkg_2d(), bkg_3d()], ids=["2d", "3d"])
def test_a_background_may_be_written_the_other_way_round_and_without_its_class(table):
    written = table.to_table()
    written["BKG"] = table.quantity[np.newaxis]
    del written.meta["HDUCLAS2"]
    back = type(table).from_table(written)
    assert back == table
    assert back.axes.names[0] == "energy"


@pytest.mark.parametrize("unit", ["", "counts per something"])
def test_a_background_of_unknown_unit_is_taken_as_the_format_has_it(unit, tmp_path, caplog):
    hdus = bkg_2d().to_hdulist()
    hdus[1].columns["BKG"].unit = unit or None
    hdus.writeto(tmp_path / "bkg.fits")
    assert Background2D.read(tmp_path / "bkg.fits") == bkg_2d()
    assert "taken as s-1 MeV-1 sr-1" in caplog.text


def test_a_background_whose_shape_does_not_tell_the_order_is_warned_about(caplog):
    axes = [bkg_2d().axes["energy"].slice(slice(0, 4)), OFFSET]
    table = Background2D(axes=axes, data=bkg_2d().data[:4], unit="s-1 MeV-1 sr-1")
    assert Background2D.from_table(table.to_table()) == table
    assert "order of its axes" in caplog.text


def _with(table, **changes):
    for column, value in changes.items():
        table[column] = value
    return table


def _without(table, *columns):
    table.remove_columns(list(columns))
    return table


@pytest.mark.parametrize(
    ("cls", "make", "message"),
    [
        (EffectiveAreaTable2D, lambda t: _without(t, "THETA_LO"), "no columns THETA_LO and THETA_HI.*ENERG_LO"),
        (EffectiveAreaTable2D, lambda t: _without(t, "EFFAREA"), "no column EFFAREA"),
        (EffectiveAreaTable2D, lambda t: _with(t, EFFAREA=t["EFFAREA"].value * u.s), "'EFFAREA'.*'s'.*'m2'"),
        (EffectiveAreaTable2D, lambda t: _with(t, EFFAREA=t["EFFAREA"].value), "'EFFAREA' has no unit"),
        (EffectiveAreaTable2D, lambda t: _with(t, THETA_LO=t["THETA_LO"].value * u.s), "axis 'offset'.*THETA_LO"),
        (EffectiveAreaTable2D, lambda t: _with(t, ENERG_LO=t["ENERG_LO"].value), "axis 'energy_true'.*ENERG_LO"),
        (EffectiveAreaTable2D, lambda t: _with(t, EFFAREA=np.ones((1, 3, 2)) * u.m**2), r"\(2, 3\).*\(6, 4\)"),
        (EffectiveAreaTable2D, lambda t: _with(t, EFFAREA=np.full((1, 4, 6), "x")), "numbers"),
        (
            EffectiveAreaTable2D,
            lambda t: Table([*(np.repeat(t[c], 2, axis=0) for c in t.colnames)], meta=t.meta),
            "one row",
        ),
        (PSF3D, lambda t: t, "no columns RAD_LO"),
    ],
)
def test_a_table_that_lacks_something_says_what_and_where(cls, make, message):
    table = aeff().to_table()
    table.meta["EXTNAME"] = "EFFECTIVE AREA"
    with pytest.raises(FormatError, match=message) as error:
        cls.from_table(make(table))
    assert "EFFECTIVE AREA" in str(error.value)


def test_an_error_in_a_file_names_the_file_and_the_hdu(tmp_path):
    hdus = aeff().to_hdulist()
    hdus[1].columns["EFFAREA"].unit = "furlong"
    hdus.writeto(tmp_path / "aeff.fits")
    with pytest.raises(FormatError, match=r"aeff\.fits.*EFFECTIVE AREA.*EFFAREA.*furlong"):
        EffectiveAreaTable2D.read(tmp_path / "aeff.fits")
    with pytest.raises(MissingDataError, match="ENERGY DISPERSION"):
        EnergyDispersion2D.read(tmp_path / "aeff.fits")
    with pytest.raises(MissingDataError, match="nothing"):
        EffectiveAreaTable2D.read(tmp_path / "nothing.fits")
    with pytest.raises(ValueError, match="gadf-dl3"):
        EffectiveAreaTable2D.read(tmp_path / "aeff.fits", format="ogip")


def test_an_unknown_alignment_is_an_error():
    table = bkg_3d().to_table()
    table.meta["FOVALIGN"] = "SIDEWAYS"
    with pytest.raises(FormatError, match=r"SIDEWAYS.*ALTAZ, RADEC, REVERSE_LON_RADEC"):
        Background3D.from_table(table)


def test_empty_widths_of_a_parametric_psf_become_one_as_files_write_zero_for_them():
    table = king_psf().to_table()
    table["SIGMA"][0, 0, 0] = 0
    assert PSFKing.from_table(table).data["sigma"][0, 0] == 1


def test_single_precision_stays(tmp_path):
    table = psf()
    table.data = table.data.astype(np.float32)
    table.write(tmp_path / "psf.fits")
    assert PSF3D.read(tmp_path / "psf.fits").data.dtype == np.float32


@pytest.mark.parametrize("keyword", ["HDUCLAS1", "HDUCLAS2", "HDUCLAS4"])
@pytest.mark.parametrize("value", ["x", 0, True, None])
def test_one_wrong_keyword_does_not_hide_a_response(tmp_path, keyword, value):
    hdus = [table.to_table_hdu() for table in (aeff(), edisp(), psf(), bkg_3d())]
    for hdu in hdus:
        hdu.header[keyword] = value
    HDUList([PrimaryHDU(), *hdus]).writeto(tmp_path / "irfs.fits")
    assert list(load_irf_dict_from_file(tmp_path / "irfs.fits")) == ["aeff", "edisp", "psf", "bkg"]


def test_all_responses_of_a_file_are_found_and_doubles_and_strangers_are_left_out(tmp_path, caplog):
    hdus = [table.to_table_hdu() for table in (aeff(), edisp(), psf(), bkg_3d(), king_psf())]
    hdus[0].header["HDUCLAS4"] = "2D"  # as in the first CTA data challenge
    stranger = fits.BinTableHDU.from_columns([fits.Column("A", "E")], name="OTHER")
    stranger.header["HDUCLAS1"] = "RESPONSE"
    HDUList([PrimaryHDU(), *hdus, stranger]).writeto(tmp_path / "irfs.fits")
    with caplog.at_level(logging.WARNING):
        found = load_irf_dict_from_file(tmp_path / "irfs.fits")
    assert {kind: type(table).__name__ for kind, table in found.items()} == {
        "aeff": "EffectiveAreaTable2D",
        "edisp": "EnergyDispersion2D",
        "psf": "PSF3D",
        "bkg": "Background3D",
    }
    assert "more than one HDU of type psf" in caplog.text
    assert "'OTHER'" in caplog.text
    assert load_irf_dict_from_file(read_fits(tmp_path / "irfs.fits")).keys() == found.keys()


def test_point_like_responses_without_a_table_of_the_cut_get_that_of_their_keyword(tmp_path):
    aeff(is_pointlike=True, meta={"RAD_MAX": 0.2}).write(tmp_path / "irfs.fits")
    assert load_irf_dict_from_file(tmp_path / "irfs.fits")["rad_max"].is_fixed_rad_max
