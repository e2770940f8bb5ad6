import json

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from lightpool.arrays import to_host
from lightpool.datasets import Datasets, SpectrumDatasetOnOff
from lightpool.datasets.formats.ogip import find_pha_files, ogip_filenames
from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import read_fits
from lightpool.irf import EDispMap

PARTS = ("", "_arf", "_bkg", "_rmf")


def values(data):
    return to_host(data.data).ravel().astype(float)


def cells(file, hdu, column):
    """Cells of a column, each as a flat array or text."""
    return [np.ravel(cell) for cell in file.hdulist[hdu].data[column]]


@pytest.fixture
def written(one, tmp_path):
    one.write(tmp_path / "pha_one.fits", format="ogip")
    return tmp_path / "pha_one.fits"


# --- round trip


def test_a_spectrum_survives_its_four_files(one, written, backend):
    assert sorted(path.name for path in written.parent.iterdir()) == sorted(f"pha_one{part}.fits" for part in PARTS)
    again = SpectrumDatasetOnOff.read(written)
    assert (again.name, again.device) == ("one", backend.device)
    for name in ("counts", "counts_off", "acceptance", "acceptance_off", "mask_safe"):
        np.testing.assert_array_equal(values(again.maps[name]), values(one.maps[name]))
    np.testing.assert_allclose(values(again.exposure), values(one.exposure), rtol=1e-15)
    assert again.exposure.unit == "m2 s"
    matrix = again.edisp.get_edisp_kernel().pdf_matrix
    np.testing.assert_allclose(matrix, one.edisp.get_edisp_kernel().pdf_matrix, rtol=1e-6)  # float32 in the file
    np.testing.assert_array_equal(values(again.edisp.exposure_map), values(again.exposure))
    assert again.gti.time_sum == one.gti.time_sum
    assert str(again) == str(one)


def test_the_files_are_named_after_the_pha_file():
    assert ogip_filenames("a/run.1.fits") == {
        "ANCRFILE": "run.1_arf.fits",
        "BACKFILE": "run.1_bkg.fits",
        "RESPFILE": "run.1_rmf.fits",
    }
    assert ogip_filenames("pha.fits.gz")["ANCRFILE"] == "pha_arf.fits.gz"


def test_the_keywords_are_those_of_the_standard(written):
    header = read_fits(written).header("SPECTRUM")
    expected = {
        "HDUCLASS": "OGIP",
        "HDUCLAS1": "SPECTRUM",
        "HDUCLAS2": "TOTAL",
        "HDUCLAS3": "COUNT",
        "HDUCLAS4": "TYPE:I",
        "HDUVERS": "1.2.1",
        "CHANTYPE": "PHA",
        "DETCHANS": 4,
        "EXPOSURE": 1000.0,
        "POISSERR": True,
        "GROUPING": 0,
        "AREASCAL": 1,
        "OBS_ID": "one",
        "ANCRFILE": "pha_one_arf.fits",
        "RESPFILE": "pha_one_rmf.fits",
        "BACKFILE": "pha_one_bkg.fits",
        "CORRFILE": "none",
        "CORRSCAL": 1.0,
        "SYS_ERR": 0,
        "TELESCOP": "HESS",
        "INSTRUME": "unknown",
        "FILTER": "None",
        "DATE-OBS": "2010-01-01T00:16:40.000",
        "TLMIN1": 0,
        "TLMAX1": 3,
    }
    assert {key: header[key] for key in expected} == expected
    off = read_fits(written.with_name("pha_one_bkg.fits")).header("SPECTRUM")
    assert (off["HDUCLAS2"], off["BACKFILE"]) == ("BKG", "none"), "a background has no background"


def test_bins_outside_the_safe_mask_have_a_bad_quality_and_set_the_thresholds(written):
    table = read_fits(written).table("SPECTRUM")
    np.testing.assert_array_equal(table.column("QUALITY"), [0, 0, 0, 1])
    assert table.column("QUALITY").dtype == np.int16
    area = read_fits(written.with_name("pha_one_arf.fits")).header("SPECRESP")
    assert (area["LO_THRES"], area["HI_THRES"]) == pytest.approx((1.0, 10**0.75))


def test_backscal_is_the_acceptance(written):
    on = read_fits(written).table("SPECTRUM")
    off = read_fits(written.with_name("pha_one_bkg.fits")).table("SPECTRUM")
    np.testing.assert_allclose(on.column("BACKSCAL") / off.column("BACKSCAL"), 0.2)
    np.testing.assert_array_equal(off.column("COUNTS"), [12, 4, 0, 3])
    assert off.column("COUNTS").dtype == np.int32


@pytest.mark.parametrize("format_", ["xspec", "ogip-sherpa"])
def test_xspec_and_sherpa_get_kev_and_cm2(one, tmp_path, format_):
    one.write(tmp_path / "pha.fits", format=format_)
    area = read_fits(tmp_path / "pha_arf.fits").table("SPECRESP")
    assert (area.units["ENERG_LO"], area.units["SPECRESP"]) == ("keV", "cm2")
    np.testing.assert_allclose(area.column("SPECRESP"), values(one.exposure) / 1000 * 1e4)
    assert read_fits(tmp_path / "pha.fits").table("EBOUNDS").units["E_MIN"] == "keV"
    assert read_fits(tmp_path / "pha_rmf.fits").table("EBOUNDS").units["E_MIN"] == "keV"
    again = SpectrumDatasetOnOff.read(tmp_path / "pha.fits")
    np.testing.assert_allclose(again.exposure.to("cpu").to_unit("m2 s").data, one.exposure.to("cpu").data, rtol=1e-12)
    assert again.counts.geom.axes["energy"].edges[0].to_value("TeV") == pytest.approx(1.0)


def test_predicted_counts_are_not_rounded(one, tmp_path):
    one.counts = one.npred()
    one.write(tmp_path / "pha.fits", format="ogip")
    again = SpectrumDatasetOnOff.read(tmp_path / "pha.fits")
    np.testing.assert_array_equal(values(again.counts), values(one.counts))


def test_without_off_counts_and_dispersion_there_are_two_files(one, tmp_path):
    one.counts_off, one.edisp = None, None
    one.write(tmp_path / "pha.fits", format="ogip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pha.fits", "pha_arf.fits"]
    header = read_fits(tmp_path / "pha.fits").header("SPECTRUM")
    assert (header["BACKFILE"], header["RESPFILE"], header["CORRFILE"]) == ("none", "none", "none")
    again = SpectrumDatasetOnOff.read(tmp_path / "pha.fits", name="other")
    assert (again.name, again.counts_off, again.edisp) == ("other", None, None)


def test_a_map_in_migra_is_written_as_a_matrix(one, tmp_path):
    one.edisp = EDispMap.from_diagonal_response(one.exposure.geom.axes["energy_true"])
    one.write(tmp_path / "pha.fits", format="ogip")
    matrix = SpectrumDatasetOnOff.read(tmp_path / "pha.fits").edisp.get_edisp_kernel().pdf_matrix
    assert matrix.shape == (6, 4)
    assert matrix.sum() > 3


# --- all runs


def test_all_runs_are_written_and_read_in_one_call(one, two, tmp_path):
    paths = Datasets([one, two]).to_ogip_files(tmp_path / "spectra")
    assert [path.name for path in paths] == ["pha_obsone.fits", "pha_obstwo.fits"]
    for given in (tmp_path / "spectra", paths):
        again = Datasets.from_ogip_files(given)
        assert again.names == ["one", "two"]
        assert list(again.info_table()["counts_off"]) == [16, 1]
    single = SpectrumDatasetOnOff.from_ogip_files(two.to_ogip_files(tmp_path))
    assert single.info_dict()["counts"] == 6


@pytest.mark.slow
def test_a_list_of_datasets_names_pha_files_too(one, two, tmp_path):
    datasets = Datasets([one, two])
    datasets.write(tmp_path / "all.yaml")
    for dataset in datasets:
        dataset.to_ogip_files(tmp_path, overwrite=True)  # under the names that the list holds
    again = Datasets.read(tmp_path / "all.yaml")
    assert again.names == ["one", "two"]
    np.testing.assert_array_equal(values(again["two"].counts_off), [5, 0, 0, 1])


@pytest.mark.slow
def test_the_layout_of_gammapy_keeps_all_maps(one, tmp_path):
    one.write(tmp_path / "one.fits")
    for lazy in (False, True):
        again = SpectrumDatasetOnOff.read(tmp_path / "one.fits", lazy=lazy)
        assert sorted(again.maps) == sorted(one.maps)
        assert str(again) == str(one)
    assert list(again.meta_table["OBS_ID"].ravel()) == [1]


# --- bad input


def test_nothing_is_overwritten_unasked(one, written):
    before = written.read_bytes()
    written.with_name("pha_one_arf.fits").unlink()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        one.write(written, format="ogip")
    assert not written.with_name("pha_one_arf.fits").exists()
    assert written.read_bytes() == before
    one.write(written, format="ogip", overwrite=True)


def test_a_dataset_without_livetime_is_not_written(one, tmp_path):
    one.exposure.meta.pop("livetime")
    with pytest.raises(ValueError, match="livetime"):
        one.write(tmp_path / "pha.fits", format="ogip")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format_", ["sherpa", ""])
def test_an_unknown_format_is_refused(one, written, format_):
    with pytest.raises(FormatError, match="ogip"):
        one.write(written, format=format_, overwrite=True)
    with pytest.raises(FormatError, match="ogip"):
        SpectrumDatasetOnOff.read(written, format=format_)


def test_other_files_are_refused(written):
    with pytest.raises(FormatError, match=r"pha_one_arf.fits holds the effective area.*the PHA file that names"):
        SpectrumDatasetOnOff.read(written.with_name("pha_one_arf.fits"))


def test_a_missing_part_is_named(written):
    written.with_name("pha_one_bkg.fits").unlink()
    with pytest.raises(MissingDataError, match=r"pha_one_bkg\.fits.*BACKFILE"):
        SpectrumDatasetOnOff.read(written)


def test_a_folder_without_pha_files_is_named(tmp_path):
    with pytest.raises(MissingDataError, match="no PHA file"):
        find_pha_files(tmp_path)


def test_only_spectra_with_off_counts_have_ogip_files(one, tmp_path):
    with pytest.raises(TypeError, match="known"):
        Datasets([one.to_spectrum_dataset(name="known")]).to_ogip_files(tmp_path)


def test_keywords_stand_for_columns_that_a_file_lacks(written):
    hdulist = read_fits(written).hdulist
    table = hdulist["SPECTRUM"]
    for column in ("QUALITY", "BACKSCAL"):
        table.columns.del_col(column)
    table.header["BACKSCAL"], table.header["BACKFILE"], table.header["RESPFILE"] = 0.5, "NONE", ""
    hdulist.writeto(written, overwrite=True)
    again = SpectrumDatasetOnOff.read(written)
    np.testing.assert_array_equal(values(again.acceptance), 0.5)
    np.testing.assert_array_equal(values(again.mask_safe), 1)
    assert (again.counts_off, again.edisp) == (None, None)


# --- Gammapy's files


@pytest.mark.slow
@pytest.mark.reference
def test_the_files_are_those_of_gammapy_value_by_value(shared, tmp_path):
    folder = shared / "reference" / "spectra"
    for path in find_pha_files(folder):
        SpectrumDatasetOnOff.read(path).write(tmp_path / path.name, format="ogip")
        for part in PARTS:
            name = path.name.replace(".fits", f"{part}.fits")
            ours, theirs = read_fits(tmp_path / name), read_fits(folder / name)
            assert ours.names == theirs.names
            for hdu in theirs.names[1:]:
                for column in theirs.hdulist[hdu].columns.names:
                    for cell, expected in zip(cells(ours, hdu, column), cells(theirs, hdu, column), strict=True):
                        if expected.dtype.kind == "U":
                            assert list(cell) == list(expected)
                        else:
                            np.testing.assert_allclose(cell, expected, rtol=1e-12, err_msg=f"{name} {hdu} {column}")


@pytest.mark.reference
def test_gammapys_files_give_gammapys_figures(shared):
    figures = json.loads((shared / "reference" / "figures.json").read_text())
    runs = Datasets.from_ogip_files(shared / "reference" / "spectra")
    for dataset in [*runs, runs.stack_reduce(name="stacked")]:
        expected, found = figures[f"spectrum-{dataset.name.removeprefix('obs-')}"], dataset.info_dict()
        for key in found:
            if key not in ("name", "stat_type"):
                value = expected[key]["value"] if isinstance(expected[key], dict) else expected[key]
                np.testing.assert_allclose(u.Quantity(found[key]).value, value, rtol=1e-6, err_msg=key)
        for name in ("counts", "counts_off", "background", "exposure", "acceptance_off"):
            per_plane = expected[f"{name}.sum_per_plane"]
            data = getattr(dataset, name)
            np.testing.assert_allclose(values(data), per_plane, rtol=1e-6, err_msg=name)


# --- grouped channels


def test_grouped_channels_are_joined_if_asked_for(one, written, caplog):
    columns = fits.getdata(written, "SPECTRUM").columns
    with fits.open(written, mode="update") as hdulist:
        header = hdulist["SPECTRUM"].header
        grouping = fits.Column("GROUPING", "I", array=np.array([1, -1, 1, -1]))
        hdulist["SPECTRUM"] = fits.BinTableHDU.from_columns([*columns, grouping], header=header, name="SPECTRUM")
    plain = SpectrumDatasetOnOff.read(written)
    np.testing.assert_array_equal(values(plain.counts), [7, 5, 2, 0])
    assert "groups channels; they are read one by one, grouped=True joins them" in caplog.text
    joined = SpectrumDatasetOnOff.read(written, grouped=True)
    assert joined.name == "one"
    np.testing.assert_allclose(joined.counts.geom.axes["energy"].edges_value, one.geom.axes["energy"].edges_value[::2])
    np.testing.assert_array_equal(values(joined.counts), [12, 2])
    np.testing.assert_array_equal(values(joined.counts_off), [16, 0])  # the last channel is of bad quality
    np.testing.assert_allclose(values(joined.background)[0], values(one.background)[:2].sum())


def test_files_without_groups_are_the_same_either_way(one, written, caplog):
    assert str(SpectrumDatasetOnOff.read(written, grouped=True)) == str(SpectrumDatasetOnOff.read(written))
    assert not caplog.text
