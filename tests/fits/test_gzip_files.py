"""Compressed files: what they hold is read, up to a limit, and what is damaged or endless is refused."""

import gzip
import tracemalloc
import zlib
from itertools import pairwise

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_cards import content_of

from lightpool.errors import ConfigError, DamagedFileError, FormatError, OutOfMemoryError
from lightpool.fits import gzip_file, read_fits, write_fits
from lightpool.fits.gzip_file import MAX_FILE_VARIABLE, unpack_gzip


@pytest.fixture(autouse=True, scope="module", params=["isal", "zlib"])
def codec(request):
    """Let each test run with both, as on a machine where isal is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "zlib":
            patch.setattr(gzip_file, "isal_zlib", None)
            patch.setattr(gzip_file, "igzip", None)
        elif gzip_file.isal_zlib is None:
            pytest.skip("isal is not installed")
        yield request.param


CONTENT = content_of(fits.ImageHDU(np.random.default_rng(1).normal(size=300)))


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, len(CONTENT)), max_size=8),
    most_out=st.sampled_from([500, 2880, 2**26]),
    piece=st.integers(10, 5000),
)
def test_a_file_of_any_number_of_members_is_unpacked_in_any_steps(cuts, most_out, piece):
    ends = [0, *sorted(cuts), len(CONTENT)]
    packed = b"".join(gzip.compress(CONTENT[i:j], 1) for i, j in pairwise(ends))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip_file, "_MOST_OUT", most_out)
        patch.setattr(gzip_file, "_PIECE", piece)
        assert unpack_gzip(packed, "run.fits.gz") == CONTENT


@settings(max_examples=40, deadline=None)
@given(keep=st.integers(2, len(gzip.compress(CONTENT, 1)) - 1), piece=st.sampled_from([7, 2**15]))
def test_a_file_that_is_cut_off_anywhere_is_refused(keep, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip_file, "_PIECE", piece)
        patch.setattr(gzip_file, "_MOST_OUT", 1000)
        with pytest.raises(DamagedFileError, match=r"run\.fits\.gz: the gzip data are cut off"):
            unpack_gzip(gzip.compress(CONTENT, 1)[:keep], "run.fits.gz")


def test_something_behind_the_last_member_is_refused_but_zeros_are_padding():
    packed = gzip.compress(CONTENT, 1)
    assert unpack_gzip(packed + b"\0" * 512, "run.fits.gz") == CONTENT
    with pytest.raises(
        DamagedFileError, match=r"run\.fits\.gz: after \d+ bytes of gzip data there are 7 bytes of something"
    ):
        unpack_gzip(packed + b"garbage", "run.fits.gz")


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused_before_memory_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(gzip_file, "_UNCOUNTED", 2**20)
    monkeypatch.setattr(gzip_file, "_MOST_OUT", 2**18)
    monkeypatch.setenv(MAX_FILE_VARIABLE, "0.02")
    packer = zlib.compressobj(9, wbits=31)
    path = tmp_path / "run.fits.gz"
    path.write_bytes(packer.compress(CONTENT) + packer.compress(bytes(30 * 10**6)) + packer.flush())
    tracemalloc.start()
    try:
        with pytest.raises(
            FormatError, match=r"run\.fits\.gz has more than 20 MB when it is unpacked, which is the limit"
        ):
            read_fits(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * 10**6
    finally:
        tracemalloc.stop()
    monkeypatch.setenv(MAX_FILE_VARIABLE, "0.1")
    assert read_fits(path).size == len(CONTENT) + 30 * 10**6


def test_a_plain_file_over_the_limit_is_refused_too(tmp_path, monkeypatch):
    path = tmp_path / "run.fits"
    path.write_bytes(CONTENT)
    monkeypatch.setenv(MAX_FILE_VARIABLE, "0.001")
    assert read_fits(path).size == len(CONTENT)
    monkeypatch.setenv(MAX_FILE_VARIABLE, "0.000005")
    with pytest.raises(FormatError, match=rf"run\.fits has more than 5 kB .* set {MAX_FILE_VARIABLE}"):
        read_fits(path)


def test_a_file_that_does_not_fit_into_memory_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(gzip_file, "_UNCOUNTED", 1000)

    def refuse(n_bytes, device, *, what, advice):
        raise OutOfMemoryError(f"{what} {n_bytes}")

    monkeypatch.setattr(gzip_file, "require_memory", refuse)
    path = tmp_path / "run.fits.gz"
    path.write_bytes(gzip.compress(CONTENT, 1))
    with pytest.raises(OutOfMemoryError, match=rf"run\.fits\.gz, unpacked, {2 * len(CONTENT)}"):
        read_fits(path)


@pytest.mark.parametrize("text", ["much", "1e400", "nan"])
def test_a_limit_that_is_no_number_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setenv(MAX_FILE_VARIABLE, text)
    path = tmp_path / "run.fits"
    path.write_bytes(CONTENT)
    with pytest.raises(ConfigError, match=f"{MAX_FILE_VARIABLE} = '{text}', expected a number of GB"):
        read_fits(path)


def test_very_many_empty_members_take_no_work_that_grows_with_the_square():
    # Copying what is left over at each of them would take 10^10 bytes.
    assert unpack_gzip(gzip.compress(b"", 1) * 30000 + gzip.compress(CONTENT, 1), "run.fits.gz") == CONTENT


def outcome(packed):
    try:
        return unpack_gzip(packed, "run.fits.gz")
    except DamagedFileError as error:
        return str(error)


@settings(max_examples=200, deadline=None)
@given(
    position=st.one_of(st.integers(0, 12), st.integers(0, 300), st.integers(-8, -1)),
    bit=st.integers(0, 7),
    more=st.sampled_from([b"", b"\0", b"\x1f\x8b", b"more"]),
    keep=st.one_of(st.none(), st.integers(0, 300)),
)
def test_a_damaged_file_has_the_same_outcome_with_and_without_isal(position, bit, more, keep):
    packed = bytearray(gzip.compress(CONTENT[:2000], 1, mtime=0) + gzip.compress(CONTENT[2000:4000], 6, mtime=0))
    packed[position] ^= 1 << bit
    damaged = bytes(packed[:keep]) + more
    found = outcome(damaged)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip_file, "isal_zlib", None)
        assert outcome(damaged) == found


def test_a_written_file_has_no_time_and_no_name_and_astropy_reads_it(tmp_path):
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.arange(5000.0), name="VALUES")])
    first, second = (write_fits(hdus, tmp_path / name).read_bytes() for name in ("a.fits.gz", "b.fits.gz"))
    assert first == second
    assert first[3:8] == bytes(5)  # flags and time
    assert gzip.decompress(first) == unpack_gzip(first, "a.fits.gz")
    np.testing.assert_array_equal(fits.getdata(tmp_path / "a.fits.gz", "VALUES"), np.arange(5000.0))
