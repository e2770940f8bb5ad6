"""Files that are read in pieces have the content of files that are read as a whole."""

import os
import pickle

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lightpool.errors import DamagedFileError, FormatError
from lightpool.fits import image_values, large_file, read_fits, reader, table_in_file
from lightpool.fits.large_file import LargeFile, StreamOfLargeFile
from lightpool.maps import Map, MapAxis, WcsGeom

pytestmark = pytest.mark.skipif(not hasattr(os, "preadv"), reason="the system cannot read from any position")
RNG = np.random.default_rng(5)
LARGE = 2**20


@pytest.fixture(autouse=True)
def files_of_a_mebibyte_are_large(monkeypatch):
    """Take files for large that a test can write in no time."""
    monkeypatch.setattr(large_file, "LARGE", LARGE)
    monkeypatch.setattr(reader, "LARGE", LARGE)


@pytest.fixture
def path(tmp_path):
    """A large file: images of all types, one of them scaled, and a small table."""
    hdus = [fits.PrimaryHDU(RNG.normal(size=(3, 7)))]
    hdus += [fits.ImageHDU(RNG.uniform(0, 99, (5, 20_001)).astype(f), name=f) for f in ("u1", "i2", "i4", "i8", "f4")]
    hdus.append(fits.ImageHDU(np.arange(6, dtype="u2"), name="unsigned"))
    hdus.append(fits.BinTableHDU(Table({"E_MIN": [1.0, 2.0], "NAME": ["a", "bc"]}), name="bins"))
    fits.HDUList(hdus).writeto(tmp_path / "all.fits", checksum=True)
    assert (tmp_path / "all.fits").stat().st_size > LARGE
    return tmp_path / "all.fits"


def test_slices_and_places_of_texts_are_those_of_the_bytes(path):
    content, large = path.read_bytes(), LargeFile.opened(path, "file")
    assert len(large) == len(content)
    n_byte = len(content)
    for part in (slice(0, 10), slice(5, 5), slice(7, 3), slice(n_byte - 4, n_byte + 9), slice(-6, None), slice(None)):
        assert large[part] == content[part]
    for text, start, stop in ((b"END", 0, 2880), (b"SIMPLE", 1, 2880), (b"EXTNAME", 3000, n_byte), (b"END", 0, 2)):
        assert large.find(text, start, stop) == content.find(text, start, stop)
    assert pickle.loads(pickle.dumps(large)) == content


def test_a_stream_reads_as_one_of_bytes(path):
    stream, expected = StreamOfLargeFile(LargeFile.opened(path, "file")), path.open("rb")
    with stream, expected:
        for offset, whence, n_byte in ((0, 0, 10), (5, 1, 3), (-7, 2, 20), (2880, 0, 0), (100, 0, 9000)):
            assert stream.seek(offset, whence) == expected.seek(offset, whence)
            assert stream.read(n_byte) == expected.read(n_byte)
            assert stream.tell() == expected.tell()


def test_images_tables_and_checksums_are_those_of_the_whole_file(path):
    pieces, whole = read_fits(path, in_pieces=True), read_fits(path)
    assert isinstance(pieces._buffer, LargeFile)
    assert pieces.names == whole.names
    for number, (ours, theirs) in enumerate(zip(pieces.hdulist, fits.open(path), strict=True)):
        assert pieces.checksum_fault(number) == ""
        assert pieces.data_hash(number) == whole.data_hash(number)
        assert pieces.header(number) == whole.header(number)
        if theirs.is_image:
            values = image_values(ours)
            np.testing.assert_array_equal(values, theirs.data)
            assert values.dtype.isnative
            assert values.flags.writeable
            np.testing.assert_array_equal(image_values(ours, bool), theirs.data.astype(bool))
        else:
            table = table_in_file(ours)
            assert list(table.columns["NAME"]) == ["a", "bc"]
            np.testing.assert_array_equal(table.columns["E_MIN"], [1, 2])
            assert list(Table.read(ours)["NAME"]) == ["a", "bc"]


def test_small_and_compressed_files_and_those_of_large_tables_are_read_as_a_whole(tmp_path):
    fits.PrimaryHDU(np.zeros(5)).writeto(tmp_path / "small.fits")
    fits.PrimaryHDU(RNG.normal(size=2**18)).writeto(tmp_path / "packed.fits.gz")
    fits.BinTableHDU(Table({"a": np.arange(2**18)})).writeto(tmp_path / "table.fits")
    for name in ("small.fits", "packed.fits.gz", "table.fits"):
        assert isinstance(read_fits(tmp_path / name, in_pieces=True)._buffer, bytes)
    np.testing.assert_array_equal(
        read_fits(tmp_path / "table.fits", in_pieces=True).table(1).columns["a"], np.arange(2**18)
    )


def test_a_file_that_is_cut_off_or_changed_while_it_is_read_is_an_error(path):
    hdulist = read_fits(path, in_pieces=True).hdulist
    content = path.read_bytes()
    path.write_bytes(content[:-5000])
    with pytest.raises(DamagedFileError, match=r"all\.fits: the file was changed while it was read"):
        image_values(hdulist["i8"])
    with pytest.raises(FormatError, match="cut off"):
        _ = read_fits(path, in_pieces=True).hdulist


def test_a_file_that_is_replaced_while_it_is_read_gives_what_it_had(path, tmp_path):
    expected = fits.getdata(path, "i8")
    hdulist = read_fits(path, in_pieces=True).hdulist
    fits.PrimaryHDU(np.zeros(3)).writeto(tmp_path / "new.fits")
    (tmp_path / "new.fits").replace(path)
    np.testing.assert_array_equal(image_values(hdulist["i8"]), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_a_large_map_is_read_as_it_was_written(tmp_path, dtype):
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=5)
    geom = WcsGeom.create(npix=(300, 250), binsz=0.02, axes=[energy])
    values = RNG.uniform(0, 1e6, geom.data_shape).astype(dtype)
    Map.from_geom(geom, data=values, unit="m2 s").write(tmp_path / "map.fits")
    assert (tmp_path / "map.fits").stat().st_size > LARGE
    again = Map.read(tmp_path / "map.fits")
    np.testing.assert_array_equal(again.data, values)
    assert again.data.dtype == dtype
    assert again.geom == geom
    assert again.unit == "m2 s"
