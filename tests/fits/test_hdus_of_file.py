"""HDUs of a file have the values that astropy reads, whether these are taken from the bytes of the file or not."""

import gc

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lightpool.fits import column_names_of_hdu, detached, image_values, read_fits, table_in_file
from lightpool.fits.hdus_of_file import _BYTES

TYPES = ["u1", "i2", "i4", "i8", "f4", "f8"]
RNG = np.random.default_rng(3)


@pytest.fixture
def path(tmp_path):
    """A file of an empty primary HDU, an image of each type, images that are scaled, and tables."""
    hdus = [fits.PrimaryHDU()]
    for number, dtype in enumerate(TYPES):
        values = RNG.uniform(0, 100, (2, 3, 5)).astype(dtype)
        hdus.append(fits.ImageHDU(values, name=f"image_{number}"))
    hdus.append(fits.ImageHDU(np.arange(6, dtype="u2").reshape(2, 3), name="unsigned"))
    scaled = fits.ImageHDU(np.arange(6, dtype="i2"), name="scaled")
    scaled.header["BSCALE"], scaled.header["BZERO"] = 0.5, 3.0
    hdus.append(scaled)
    blank = fits.ImageHDU(np.arange(6, dtype="i2"), name="blank")
    blank.header["BLANK"] = 3
    hdus.append(blank)
    table = Table({"E_MIN": [1.0, 2.0], "NAME": ["a", "bc"], "N": [3, 4]})
    table["E_MIN"].unit = "TeV"
    hdus.append(fits.BinTableHDU(table, name="bins"))
    hdus.append(fits.BinTableHDU(Table({"other": [5.0]}), name="bins", ver=2))
    fits.HDUList(hdus).writeto(tmp_path / "all.fits")
    return tmp_path / "all.fits"


def test_images_have_the_values_that_astropy_reads_in_the_byte_order_of_the_machine(path):
    with fits.open(path, memmap=False) as expected:
        for ours, theirs in zip(read_fits(path).hdulist, expected, strict=True):
            if theirs.is_image and theirs.data is not None:
                values = image_values(ours)
                np.testing.assert_array_equal(values, theirs.data, err_msg=theirs.name)
                assert values.dtype == theirs.data.dtype.newbyteorder("=")
                assert values.dtype.isnative
                assert values.flags.writeable
                assert values.flags.owndata


def test_values_of_a_primary_image_and_of_a_mask_are_read(tmp_path):
    values = np.array([[0, 1, 0], [2, 0, 1]])
    fits.PrimaryHDU(values).writeto(tmp_path / "primary.fits")
    hdu = read_fits(tmp_path / "primary.fits").hdulist[0]
    np.testing.assert_array_equal(image_values(hdu, bool), values.astype(bool))
    np.testing.assert_array_equal(image_values(hdu), values)


def test_an_image_that_was_changed_has_its_new_values(path):
    hdulist = read_fits(path).hdulist
    loaded, replaced = hdulist["image_4"], hdulist["image_5"]
    loaded.data += 1  # in place
    replaced.data = np.zeros(4)
    np.testing.assert_array_equal(image_values(loaded), fits.getdata(path, "image_4") + 1)
    np.testing.assert_array_equal(image_values(replaced), np.zeros(4))


def test_a_table_is_read_from_the_bytes_until_its_columns_or_data_are_used(path):
    table = table_in_file(read_fits(path).hdulist["bins"])
    np.testing.assert_array_equal(table.columns["E_MIN"], [1, 2])
    assert list(table.columns["NAME"]) == ["a", "bc"]
    assert table.unit("E_MIN") == "TeV"
    assert column_names_of_hdu(read_fits(path).hdulist["bins"]) == ["E_MIN", "NAME", "N"]
    hdu = read_fits(path).hdulist["bins"]
    hdu.columns.del_col("N")
    assert table_in_file(hdu) is None
    assert column_names_of_hdu(hdu) == ["E_MIN", "NAME"]
    other = read_fits(path).hdulist["bins"]
    other.data["E_MIN"] = 7
    assert table_in_file(other) is None
    assert table_in_file(detached(read_fits(path).hdulist["bins"])) is None
    assert table_in_file(fits.BinTableHDU(Table({"a": [1]}))) is None


def test_an_image_is_no_table_and_an_hdu_that_is_detached_has_the_values_of_astropy(path):
    hdu = read_fits(path).hdulist["image_4"]
    assert table_in_file(hdu) is None
    np.testing.assert_array_equal(image_values(detached(hdu)), fits.getdata(path, "image_4"))


@pytest.mark.parametrize(
    "key",
    ["image_2", " IMAGE_2 ", "Primary", "bins", ("bins", 2), ("BINS", 1), 3, -1, "", "no such", ("bins", 3), "bin"],
)
def test_hdus_are_found_where_astropy_finds_them(path, key):
    ours = read_fits(path).hdulist
    with fits.open(path) as theirs:
        assert (key in ours) == (key in theirs)
        try:
            place = theirs.index_of(key)
        except KeyError:
            with pytest.raises(KeyError):
                ours.index_of(key)
            return
        assert ours.index_of(key) == place
        assert ours[key].name == theirs[key].name


def test_the_first_hdu_is_found_by_its_name_too(tmp_path):
    first = fits.PrimaryHDU(np.zeros(3))
    first.header["EXTNAME"] = "counts"
    fits.HDUList([first, fits.ImageHDU(np.ones(3), name="counts")]).writeto(tmp_path / "named.fits")
    hdulist = read_fits(tmp_path / "named.fits").hdulist
    assert (hdulist.index_of("COUNTS"), hdulist.index_of("PRIMARY")) == (0, 0)


@pytest.mark.slow
def test_what_is_known_of_the_bytes_ends_with_the_hdus(path):
    gc.collect()
    before = len(_BYTES)
    hdulist = read_fits(path).hdulist
    assert len(_BYTES) == before + len(hdulist)
    del hdulist
    gc.collect()
    assert len(_BYTES) == before


def test_hdus_can_be_written_again(path, tmp_path):
    hdulist = read_fits(path).hdulist
    hdulist.writeto(tmp_path / "again.fits")
    again = read_fits(tmp_path / "again.fits")
    assert again.names == read_fits(path).names
    np.testing.assert_array_equal(image_values(again.hdulist["image_5"]), fits.getdata(path, "image_5"))
