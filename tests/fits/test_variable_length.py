"""Columns of variable length: against what was stored, and against astropy where it reads them rightly."""

import struct

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_cards import BLOCK, content_of, with_card

from lightpool.errors import FormatError
from lightpool.fits import FitsFile

# Letter to the NumPy type in the file, and the numbers of bytes of a value.
STORED = {"B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16"}
SCALED = {
    "signed bytes": ("B", {"TZERO2": "-128"}, "i1", lambda raw: (raw.astype("i2") - 128).astype("i1")),
    "unsigned shorts": ("I", {"TZERO2": "32768"}, "u2", lambda raw: (raw.astype("i4") + 2**15).astype("u2")),
    "unsigned ints": ("J", {"TZERO2": "2147483648"}, "u4", lambda raw: (raw.astype("i8") + 2**31).astype("u4")),
    "unsigned longs": ("K", {"TZERO2": "9223372036854775808"}, "u8", lambda raw: raw.astype("u8") ^ np.uint64(2**63)),
    "scaled": ("I", {"TSCAL2": "0.25", "TZERO2": "-3.0"}, "f8", lambda raw: raw * 0.25 - 3),
    "scaled floats": ("E", {"TSCAL2": "2.0"}, "f8", lambda raw: raw.astype("f8") * 2),
    "scaled complex": ("C", {"TSCAL2": "2.0", "TZERO2": "1.0"}, "c16", lambda raw: raw.astype("c16") * 2 + 1),
}


def table_of(cells, letter, pointer="P", gap=0, overlap=False, cards=None):
    """File with a column before, one of variable length, and one behind, made from bytes by the standard.

    ``gap`` bytes lie between the rows and the heap (THEAP) and between the cells; with ``overlap`` equal cells share
    their place.
    """
    heap, places = bytearray(), {}
    rows = b""
    for number, cell in enumerate(cells):
        data = cell.tobytes()
        known = places.get(data) if overlap else None
        if known is None:
            heap += b"\x5a" * gap
            known = places[data] = len(heap)
            heap += data
        rows += struct.pack(">B", number % 256) + struct.pack(">ii" if pointer == "P" else ">qq", len(cell), known)
        rows += struct.pack(">d", number / 3)
    width = 9 + struct.calcsize(">ii" if pointer == "P" else ">qq")
    keys = {"XTENSION": "'BINTABLE'", "BITPIX": 8, "NAXIS": 2, "NAXIS1": width, "NAXIS2": len(cells)}
    keys |= {"PCOUNT": gap + len(heap), "GCOUNT": 1, "TFIELDS": 3, "TTYPE1": "'BEFORE'", "TFORM1": "'B'"}
    keys |= {"TTYPE2": "'X'", "TFORM2": f"'1{pointer}{letter}'", "TTYPE3": "'AFTER'", "TFORM3": "'D'"}
    keys |= {"THEAP": width * len(cells) + gap, "EXTNAME": "'T'"} | (cards or {})
    header = "".join(f"{key:<8}= {value!s:>20}".ljust(80) for key, value in keys.items()) + "END".ljust(80)
    data = rows + b"\xa5" * gap + bytes(heap)
    header = header.ljust(-(-len(header) // BLOCK) * BLOCK)
    return content_of() + header.encode() + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def cells_strategy(letter):
    dtype = np.dtype(STORED[letter])
    size = dtype.itemsize
    whole = st.binary(max_size=5 * size).map(lambda data: data[: len(data) // size * size])
    return st.lists(whole.map(lambda data: np.frombuffer(data, dtype)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    letter=st.sampled_from(sorted(STORED)),
    pointer=st.sampled_from("PQ"),
    gap=st.sampled_from([0, 7, 5000]),
    overlap=st.booleans(),
)
def test_cells_are_read_as_they_were_stored_and_as_astropy_reads_them(data, letter, pointer, gap, overlap):
    cells = data.draw(cells_strategy(letter))
    content = table_of(cells, letter, pointer, gap, overlap)
    table = FitsFile(content).table("T")
    values = table.columns["X"]
    assert values.shape == (len(cells),)
    assert values.dtype == object
    expected = fits.HDUList.fromstring(content)["T"].data
    for got, stored, wanted in zip(values, cells, expected["X"] if len(cells) else (), strict=True):
        assert got.dtype.isnative
        np.testing.assert_array_equal(got, stored)
        np.testing.assert_array_equal(got, wanted)
    assert table.columns["BEFORE"].tolist() == [number % 256 for number in range(len(cells))]
    assert table.columns["AFTER"].tolist() == [number / 3 for number in range(len(cells))]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(SCALED)), pointer=st.sampled_from("PQ"))
def test_every_row_of_a_scaled_column_is_scaled(data, kind, pointer):
    letter, cards, dtype, scaled = SCALED[kind]
    cells = data.draw(cells_strategy(letter))
    values = FitsFile(table_of(cells, letter, pointer, cards=cards)).table("T").columns["X"]
    for got, stored in zip(values, cells, strict=True):
        assert got.dtype == dtype
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(got, scaled(stored))


def test_logical_values_bits_and_text_of_variable_length():
    flags = [np.array([b"T", b"F", b"T"]), np.zeros(0, "S1"), np.array([b"F"])]
    values = FitsFile(table_of(flags, "L")).table("T").columns["X"]
    assert [cell.tolist() for cell in values] == [[True, False, True], [], [False]]
    text = [np.frombuffer(b"Crab", "S1"), np.zeros(0, "S1"), np.frombuffer(b"caf\xe9", "S1")]
    values = FitsFile(table_of(text, "A")).table("T").columns["X"]
    assert ["".join(cell) for cell in values] == ["Crab", "", "caf\xe9"]
    # The number of a descriptor counts bits, of which the last byte may hold fewer than eight.
    content = table_of([np.array([0b10110000, 0b01000000], "u1")], "X")
    descriptor = struct.pack(">ii", 2, 0)
    content = content.replace(b"\0" + descriptor, b"\0" + struct.pack(">ii", 10, 0))
    assert FitsFile(content).table("T").columns["X"][0].tolist() == [1, 0, 1, 1, 0, 0, 0, 0, 0, 1]


def test_a_column_without_descriptors_has_empty_cells():
    content = with_card(table_of([np.zeros(0, ">f4")] * 2, "E"), 1, "TFORM2", "'0PE'")
    content = with_card(with_card(content, 1, "NAXIS1", "9"), 1, "THEAP", "18")
    assert [cell.tolist() for cell in FitsFile(content).table("T").columns["X"]] == [[], []]


@pytest.mark.parametrize(("count", "first"), [(-1, 0), (3, -4), (4, 0), (1, 12), (2**31 - 1, 0), (3, 2**31 - 1)])
def test_a_cell_outside_the_heap_is_refused_with_its_row(count, first):
    content = table_of([np.zeros(0, ">f4"), np.arange(3, dtype=">f4")], "E")
    content = content.replace(struct.pack(">Bii", 1, 3, 0), struct.pack(">Bii", 1, count, first))
    with pytest.raises(
        FormatError, match=r"run\.fits, HDU 'T', column 'X': row 1 says .* of the heap, which has 12 bytes"
    ):
        FitsFile(content, "run.fits").table("T")


def test_an_empty_cell_may_lie_anywhere():
    content = table_of([np.arange(3, dtype=">f4"), np.zeros(0, ">f4")], "E")
    content = content.replace(struct.pack(">Bii", 1, 0, 12), struct.pack(">Bii", 1, 0, 999999))
    assert FitsFile(content).table("T").columns["X"][1].tolist() == []
