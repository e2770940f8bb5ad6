"""The table reader against astropy.io.fits, the slow and thorough twin."""

import io
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpool.errors import FormatError
from lightpool.fits import FitsFile, parse_unit
from lightpool.utils.on_demand import Deferred, DeferredMapping

N = 5
RNG = np.random.default_rng(7)

COLUMNS = {
    "logical": fits.Column("X", "L", array=np.array([True, False, True, True, False])),
    "bits": fits.Column("X", "11X", array=RNG.integers(0, 2, (N, 11)).astype(bool)),
    "byte": fits.Column("X", "B", array=np.arange(N, dtype="u1")),
    "short": fits.Column("X", "I", array=np.array([-3, 0, 5, 32767, -32768], dtype="i2")),
    "int": fits.Column("X", "J", array=np.array([-3, 0, 5, 2**31 - 1, -(2**31)], dtype="i4")),
    "long": fits.Column("X", "K", array=np.array([-3, 0, 5, 2**62, -(2**62)], dtype="i8")),
    "float": fits.Column("X", "E", array=RNG.normal(size=N).astype("f4")),
    "double": fits.Column("X", "D", array=RNG.normal(size=N)),
    "complex": fits.Column("X", "C", array=(RNG.normal(size=N) + 1j).astype("c8")),
    "double complex": fits.Column("X", "M", array=RNG.normal(size=N) + 2j),
    "text": fits.Column("X", "8A", array=np.array(["a", "bcd", "", "blanks  ", "12345678"])),
    "vector": fits.Column("X", "4E", array=RNG.normal(size=(N, 4)).astype("f4")),
    "cube": fits.Column("X", "24D", dim="(4,3,2)", array=RNG.normal(size=(N, 2, 3, 4))),
    "empty vector": fits.Column("X", "0E", array=np.zeros((N, 0), "f4")),
    "variable": fits.Column("X", "PE()", array=np.array([np.arange(i, dtype="f4") for i in range(N)], dtype=object)),
}


# Stored values and scaling keywords.
SCALED = {
    "signed byte": ("B", np.array([0, 127, 128, 129, 255], "u1"), {"TZERO2": -128}),
    "unsigned short": ("I", np.array([-(2**15), -1, 0, 1, 2**15 - 1], "i2"), {"TZERO2": 2**15}),
    "unsigned int": ("J", np.array([-(2**31), -1, 0, 1, 2**31 - 1], "i4"), {"TZERO2": 2**31}),
    "unsigned long": ("K", np.array([-(2**63), -1, 0, 1, 2**63 - 1], "i8"), {"TZERO2": 2**63}),
    "scaled short": ("I", np.array([-3, 0, 5, 32767, -32768], "i2"), {"TSCAL2": 0.5, "TZERO2": 10.0}),
    "shifted short": ("I", np.array([-3, 0, 5, 32767, -32768], "i2"), {"TZERO2": 1.0}),
    "scaled float": ("E", np.array([1, 2, 3, 4, 5], "f4"), {"TSCAL2": 2.0}),
    "scaled vector": ("2I", np.arange(10, dtype="i2").reshape(5, 2), {"TSCAL2": 0.25, "TZERO2": -1.0}),
}


def written(*columns, **kwargs):
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="T", **kwargs)]).writeto(stream)
    return stream.getvalue()


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_reads_as_with_astropy(kind):
    # A neighbour on both sides: a wrong offset in the row would show.
    before = fits.Column("BEFORE", "B", array=np.arange(N, dtype="u1"))
    after = fits.Column("AFTER", "D", array=np.arange(N) / 3)
    content = written(before, COLUMNS[kind], after)
    table = FitsFile(content).table("T")
    expected = fits.HDUList.fromstring(content)["T"].data
    assert list(table.columns) == ["BEFORE", "X", "AFTER"]
    for name in table.columns:
        values, wanted = table.columns[name], np.asarray(expected[name])
        assert values.dtype.isnative
        assert values.dtype.kind == wanted.dtype.kind
        assert values.shape == wanted.shape
        if values.dtype.kind == "O":
            for got, row in zip(values, wanted, strict=True):
                np.testing.assert_array_equal(got, row)
                assert got.dtype.isnative
        else:
            np.testing.assert_array_equal(values, wanted)


@pytest.mark.parametrize("kind", SCALED)
def test_a_scaled_column_reads_as_with_astropy(kind):
    form, stored, keywords = SCALED[kind]
    content = written(fits.Column("A", "B", array=np.arange(N, dtype="u1")), fits.Column("X", form, array=stored))
    cards = "".join(fits.Card(key, value).image for key, value in keywords.items()).encode()
    end = content.index(b"END" + b" " * 77, 2880)
    content = content[:end] + cards + content[end : end + 80] + content[end + 80 + len(cards) :]
    values, expected = FitsFile(content).table(1).columns["X"], fits.open(io.BytesIO(content))[1].data["X"]
    assert values.dtype.isnative
    assert values.dtype.kind == ("i" if kind == "signed byte" else expected.dtype.kind)
    np.testing.assert_array_equal(values, expected)


def test_columns_have_units_and_meta_as_the_astropy_table():
    column = fits.Column("ENERGY", "E", unit="TeV", array=np.ones(3))
    header = fits.Header([("TELESCOP", "HESS"), ("DEADC", 0.5)])
    header["COMMENT"] = "one"
    header["COMMENT"] = "two"
    content = written(column, header=header)
    table = FitsFile(content).table(1)
    expected = Table.read(io.BytesIO(content))
    assert table.meta == dict(expected.meta)
    assert table.unit("ENERGY") == "TeV"
    assert table.to_table()["ENERGY"].unit == expected["ENERGY"].unit
    assert len(table) == 3


def test_an_integer_null_is_masked_in_the_table_and_kept_in_the_column():
    content = written(fits.Column("N", "J", null=-99, array=np.array([1, -99, 3], dtype="i4")), fits.Column("D", "D"))
    table = FitsFile(content).table(1)
    assert list(table.masks) == ["N"]
    assert table.columns["N"].tolist() == [1, -99, 3]
    assert table.to_table()["N"].mask.tolist() == [False, True, False]


def test_a_text_ends_at_its_first_nul():
    content = written(fits.Column("X", "4A", array=np.array([b"ab", b"cd"])))
    content = content.replace(b"ab\0\0cd\0\0", b"a\0b\0cd  ")
    assert FitsFile(content).table(1).columns["X"].tolist() == ["a", "cd"]


def test_a_text_keeps_what_is_not_ascii_and_blanks_inside_and_before():
    content = written(fits.Column("X", "6A", array=np.array([b" a b", b"caf\xe9  ", b"", b"      "])))
    values = FitsFile(content).table(1).columns["X"]
    assert values.tolist() == [" a b", "caf\u00e9", "", ""]


def test_texts_in_several_dimensions_read_as_with_astropy():
    names = np.array([[["ab", "c"], ["", "defg"], ["h ", "i"]]] * 2)
    content = written(fits.Column("X", "24A", dim="(4,2,3)", array=names), fits.Column("Y", "J", array=np.arange(2)))
    values = FitsFile(content).table(1).columns["X"]
    np.testing.assert_array_equal(values, fits.open(io.BytesIO(content))[1].data["X"])


def test_a_column_is_found_in_upper_and_lower_case():
    table = FitsFile(written(fits.Column("Energy", "D", array=np.ones(2)))).table(1)
    assert table.column("ENERGY").tolist() == [1, 1]


def test_a_missing_column_names_the_file_and_those_there_are():
    table = FitsFile(written(fits.Column("RA", "D", array=np.ones(2))), "run.fits").table("T")
    with pytest.raises(FormatError, match=r"run\.fits, HDU 'T': no column 'DEC'; it has RA"):
        table.column("DEC")


def test_columns_that_do_not_fit_into_a_row_are_refused():
    content = written(fits.Column("RA", "D", array=np.ones(2))).replace(b"TFORM1  = 'D ", b"TFORM1  = '9D")
    with pytest.raises(FormatError, match=r"72 bytes a row .*but NAXIS1 = 8"):
        FitsFile(content).table(1)


def test_an_unknown_column_form_is_refused():
    content = written(fits.Column("RA", "D", array=np.ones(2))).replace(b"TFORM1  = 'D ", b"TFORM1  = '?D")
    with pytest.raises(FormatError, match=r"column 'RA' has TFORM1 = '\?D'"):
        FitsFile(content).table(1)


def test_a_table_without_rows_has_its_columns():
    table = FitsFile(written(fits.Column("RA", "D", array=np.zeros(0)), fits.Column("N", "3A"))).table(1)
    assert len(table) == 0
    assert table.columns["RA"].shape == (0,)


def test_a_table_can_be_pickled():
    table = FitsFile(written(COLUMNS["cube"])).table(1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(table)).columns["X"], table.columns["X"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("sr^-1", "sr-1"), ("1/s/MeV/sr", "s-1 MeV-1 sr-1"), ("1/(cm2 s)", "cm-2 s-1"), ("degree", "deg"), ("", "")],
)
def test_units_of_many_spellings_are_known(text, expected):
    assert parse_unit(text, "here") == parse_unit(expected, "there")


def test_an_unknown_unit_is_named():
    with pytest.raises(FormatError, match=r"run\.fits: unit 'Tev' is not known"):
        parse_unit("Tev", "run.fits")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["B", "I", "J", "K", "E", "D", "3E", "2A", "5X", "L"]), min_size=1, max_size=6),
    st.integers(0, 4),
)
def test_any_mix_of_columns_reads_as_with_astropy(forms, n_row):
    hdu = fits.BinTableHDU.from_columns([fits.Column(f"C{i}", form) for i, form in enumerate(forms)], nrows=n_row)
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(stream)
    content = bytearray(stream.getvalue())
    size = hdu.header["NAXIS1"] * n_row
    start = len(content) - -(-size // 2880) * 2880
    content[start : start + size] = np.random.default_rng(len(forms)).integers(33, 126, size, dtype="u1").tobytes()
    table = FitsFile(bytes(content)).table(1)
    expected = fits.HDUList.fromstring(bytes(content))[1].data
    for name in table.columns:
        np.testing.assert_array_equal(table.columns[name], np.asarray(expected[name]))


def test_threads_that_ask_for_a_column_at_the_same_time_get_one_array():
    both_are_in = threading.Barrier(2, timeout=10)

    def convert():
        both_are_in.wait()
        return np.arange(N)

    columns = DeferredMapping({"X": Deferred(convert)})
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: columns["X"], range(2))
    assert first is second
    assert columns["X"] is first
