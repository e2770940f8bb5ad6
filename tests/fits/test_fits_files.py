"""Opening and writing files: what is read, and what is said when it cannot be."""

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import FitsFile, make_path, read_fits, write_fits


@pytest.fixture
def hdulist():
    header = fits.Header([("OBJECT", "Barnard's star"), ("EMPTY", None), ("LOGIC", True), ("WHOLE", -3)])
    header["REAL"] = 1.5e-3
    header["IMAG"] = 1 + 2j
    header["LONG"] = "a long text with 'quotes' " * 6
    header["HIERARCH a long name"] = 4
    header["HISTORY"] = "made by hand"
    table = fits.BinTableHDU.from_columns([fits.Column("A", "D", array=np.arange(4.0))], name="events", header=header)
    image = fits.ImageHDU(np.arange(6.0).reshape(2, 3), name="IMAGE")
    return fits.HDUList([fits.PrimaryHDU(), table, image])


def content_of(hdulist):
    stream = io.BytesIO()
    hdulist.writeto(stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
def test_a_file_is_read_back_as_written(tmp_path, hdulist, name):
    path = write_fits(hdulist, tmp_path / name)
    file = read_fits(path)
    assert file.names == ["PRIMARY", "EVENTS", "IMAGE"]
    assert file.table("Events").columns["A"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(file.hdulist["IMAGE"].data, hdulist["IMAGE"].data)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_light_header_reader_agrees_with_astropy(hdulist):
    file = FitsFile(content_of(hdulist))
    expected = file.hdulist["EVENTS"].header
    values = file.values("EVENTS")
    for key in expected:
        if key not in ("COMMENT", "HISTORY", ""):
            wanted = None if isinstance(expected[key], fits.card.Undefined) else expected[key]
            assert values[key] == wanted, key
            assert type(values[key]) is type(wanted), key
    assert file.header("EVENTS") == expected
    assert file.hdu("EVENTS").cards.history == ["made by hand"]


def test_of_a_repeated_keyword_the_first_one_counts():
    hdu = fits.PrimaryHDU()
    hdu.header.append(("TWICE", 1))
    hdu.header.append(("TWICE", 2))
    assert FitsFile(content_of(fits.HDUList([hdu]))).values(0)["TWICE"] == 1


def test_a_long_text_goes_on_in_the_next_cards():
    header = fits.Header([("LONG", "x" * 100 + " y'" * 30), ("SHORT", "z")])
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(header=header)]).writeto(content)
    assert FitsFile(content.getvalue()).values(0)["LONG"] == header["LONG"]
    assert FitsFile(content.getvalue()).values(0)["SHORT"] == "z"


def test_hdus_are_found_by_number_from_both_ends(hdulist):
    file = FitsFile(content_of(hdulist))
    assert file.hdu(1).name == file.hdu(-2).name == "EVENTS"
    assert "events" in file
    assert "GTI" not in file
    assert 3 not in file


def test_a_gzip_file_of_several_members_is_read_whole(tmp_path, hdulist):
    content = content_of(hdulist)
    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(content[:5000]) + gzip.compress(content[5000:]) + b"\0" * 10)
    assert read_fits(path).size == len(content)


def test_the_same_content_gives_the_same_bytes(tmp_path, hdulist):
    first = write_fits(hdulist, tmp_path / "a.fits.gz").read_bytes()
    assert first == write_fits(hdulist, tmp_path / "b.fits.gz").read_bytes()


@pytest.mark.parametrize("keep", [0.2, 0.9, 0.999])
def test_a_gzip_file_that_is_cut_off_is_refused(tmp_path, hdulist, keep):
    packed = gzip.compress(content_of(hdulist))
    path = tmp_path / "run.fits.gz"
    path.write_bytes(packed[: int(len(packed) * keep)])
    with pytest.raises(FormatError, match=r"run\.fits\.gz: the gzip data are cut off.*download the file again"):
        read_fits(path)


def test_a_damaged_gzip_file_is_refused(tmp_path, hdulist):
    packed = bytearray(gzip.compress(content_of(hdulist)))
    packed[-6] ^= 0xFF  # in the checksum
    path = tmp_path / "run.fits.gz"
    path.write_bytes(packed)
    with pytest.raises(FormatError, match=r"run\.fits\.gz: the gzip data are damaged"):
        read_fits(path)


def test_a_plain_file_that_is_cut_off_is_refused_where_data_are_missing(tmp_path, hdulist):
    path = tmp_path / "run.fits"
    content = content_of(fits.HDUList([hdulist[0], hdulist[1]]))
    path.write_bytes(content[: len(content) - 2880 + 16])
    file = read_fits(path)
    with pytest.raises(FormatError, match="HDU 'EVENTS' is cut off: its header promises 32 bytes of data, 16 are"):
        file.table("EVENTS")
    with pytest.raises(MissingDataError, match="The file is cut off"):
        file.table("GTI")


def test_a_header_without_an_end_is_refused(hdulist):
    with pytest.raises(FormatError, match="has no END card"):
        FitsFile(content_of(hdulist)[:3000])


def test_missing_padding_at_the_end_is_no_fault(hdulist):
    content = content_of(fits.HDUList([hdulist[0], hdulist[1]]))
    assert FitsFile(content[: len(content) - 2880 + 32]).table(1).columns["A"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("content", "message"), [(b"", "is empty"), (b"<html>not found", "begins with b'<html>no'")])
def test_what_is_no_fits_file_is_refused(tmp_path, content, message):
    path = tmp_path / "run.fits"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=rf"run\.fits is not a FITS file: it {message}"):
        read_fits(path)


def test_a_missing_hdu_names_those_there_are(hdulist):
    with pytest.raises(MissingDataError, match=r"run\.fits: no HDU 'GTI'; it has PRIMARY, EVENTS, IMAGE"):
        FitsFile(content_of(hdulist), "run.fits").table("GTI")


def test_an_image_is_no_table(hdulist):
    with pytest.raises(FormatError, match="HDU 'IMAGE' is of type IMAGE, expected a table"):
        FitsFile(content_of(hdulist)).table("IMAGE")


def test_a_missing_file_says_what_is_wrong_with_the_path(tmp_path, monkeypatch):
    monkeypatch.delenv("LIGHTPOOL_NOWHERE", raising=False)
    with pytest.raises(MissingDataError, match="environment variable LIGHTPOOL_NOWHERE is not set"):
        read_fits("$LIGHTPOOL_NOWHERE/run.fits")
    with pytest.raises(MissingDataError, match="check the file name"):
        read_fits(tmp_path / "run.fits")
    with pytest.raises(MissingDataError, match="does not exist either"):
        read_fits(tmp_path / "folder" / "run.fits")
    with pytest.raises(FormatError, match="is a folder"):
        read_fits(tmp_path)


def test_paths_expand_variables_and_home(monkeypatch):
    monkeypatch.setenv("LIGHTPOOL_TEST_DATA", "/data")
    assert make_path("$LIGHTPOOL_TEST_DATA/a") == Path("/data/a")
    assert make_path("${LIGHTPOOL_TEST_DATA}/a") == Path("/data/a")
    assert make_path("~/a") == Path.home() / "a"
    assert make_path(None) is None


def test_a_file_is_replaced_only_when_asked(tmp_path, hdulist):
    path = write_fits(hdulist, tmp_path / "a.fits")
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        write_fits(hdulist, path)
    write_fits(hdulist, path, overwrite=True)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, hdulist, monkeypatch):
    path = write_fits(hdulist, tmp_path / "a.fits")
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_fits(fits.HDUList([fits.PrimaryHDU()]), path, overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]


def test_writing_into_a_missing_folder_says_so(tmp_path, hdulist):
    with pytest.raises(MissingDataError, match="cannot write"):
        write_fits(hdulist, tmp_path / "nowhere" / "a.fits")


def test_a_checksum_is_written_when_asked(tmp_path, hdulist):
    path = write_fits(hdulist, tmp_path / "a.fits.gz", checksum=True)
    assert read_fits(path).hdulist["EVENTS"].verify_checksum() == 1
