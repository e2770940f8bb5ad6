"""What a header says about the layout of its data is checked before anything uses it."""

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_cards import content_of, with_card

from lightpool.errors import DamagedFileError, FormatError
from lightpool.fits import FitsFile, header


@pytest.fixture(scope="module")
def content():
    """An image, a binary table with a column of variable length, and an ASCII table."""
    image = fits.ImageHDU(np.arange(6.0).reshape(2, 3), name="IMAGE")
    cells = np.array([np.arange(i, dtype="f4") for i in range(3)], dtype=object)
    columns = [
        fits.Column("A", "D", array=np.arange(3.0)),
        fits.Column("B", "6I", dim="(3,2)", array=np.arange(18, dtype="i2").reshape(3, 2, 3)),
        fits.Column("C", "PE()", array=cells),
        fits.Column("D", "J", null=-1, array=np.array([1, -1, 3], dtype="i4")),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    ascii_columns = [fits.Column("N", "A4", array=["a", "b"]), fits.Column("X", "E12.4", array=[1.5, 2.5])]
    return content_of(image, table, fits.TableHDU.from_columns(ascii_columns, name="LIST"))


def read_all(content):
    """Everything that a file holds, by both ways of reading."""
    file = FitsFile(content, "run.fits")
    found = {}
    for number, name in enumerate(file.names):
        dict(file.header(number))
        if file.hdu(number).layout.is_table:
            table = file.table(number)
            table.to_table()
            found[name] = {key: table.columns[key].tolist() for key in table.columns}
    _ = [(hdu.data, dict(hdu.header)) for hdu in file.hdulist]
    return found


NOT_WHOLE = ["-1", "1.0", "1E400", "-1E30", "NaN", "inf", "T", "'5'", "(1)", "(1.0,2.0)", "$ 7", "", "9" * 25, "1_0"]
WRONG = [
    *((hdu, key, value) for hdu in (0, 1, 2, 3) for key in ("BITPIX", "NAXIS") for value in NOT_WHOLE),
    *((hdu, key, value) for hdu in (1, 2) for key in ("NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT") for value in NOT_WHOLE),
    *((2, "TFIELDS", value) for value in (*NOT_WHOLE, "3", "5", "1000", "0")),
    *((2, "NAXIS1", value) for value in ("1", "31", "33", "0")),
    *(
        (2, "TFORM1", value)
        for value in ("'1Z'", "'8P'", "'d'", "''", "5", "T", "'2D'", "'1000000000000D'", "'-1D'", "'2PE'")
    ),
    *(
        (2, "TDIM2", value)
        for value in ("'(7)'", "'(3,3)'", "'(0,2)'", "'3,2'", "'()'", "'(3,-2)'", "'(1.5)'", "6", "'x'")
    ),
    *((2, "TSCAL1", value) for value in ("'x'", "0", "T", "(1,2)", "NaN", "inf", "1E400", "")),
    *((2, "TZERO4", value) for value in ("'x'", "T", "(1,2)", "NaN", "-inf")),
    *((2, "TNULL4", value) for value in ("'x'", "1.5", "T", "NaN")),
    *((2, key, value) for key in ("TTYPE1", "TUNIT1", "TDIM2") for value in ("5", "T", "1.5")),
    *((2, "THEAP", value) for value in ("-1", "5", "1.5", "'x'", "100000")),
    *((2, key, None) for key in ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "TFORM1")),
    *((0, "SIMPLE", value) for value in ("F", "1", "'T'")),
    *((2, "XTENSION", value) for value in ("5", "T")),
    *((1, "BITPIX", value) for value in ("7", "0", "-8", "128")),
    *((2, "BITPIX", value) for value in ("16", "-32")),
    *((3, "TBCOL1", value) for value in ("0", "-5", "100", "1.5", "'1'")),
    *((3, "TFORM2", value) for value in ("'E12'", "'X4'", "'F0.0'", "'D999.3'", "''", "12")),
    (1, "NAXIS", "1"),
    (1, "NAXIS", "3"),
    (1, "PCOUNT", "1"),
    (1, "GCOUNT", "2"),
]


@pytest.mark.parametrize(("hdu", "key", "value"), WRONG)
def test_a_card_about_the_layout_that_is_wrong_is_refused_by_name(content, hdu, key, value):
    with pytest.raises(FormatError, match=rf"run\.fits, HDU '(PRIMARY|IMAGE|EVENTS|LIST)': .*({key[:5]}|TFORM)"):
        read_all(with_card(content, hdu, key, value))


def test_the_file_that_the_cards_are_changed_of_is_read(content):
    found = read_all(content)
    assert found["EVENTS"]["D"] == [1, -1, 3]
    assert found["EVENTS"]["B"] == np.arange(18).reshape(3, 2, 3).tolist()
    assert found["LIST"] == {"N": ["a", "b"], "X": [1.5, 2.5]}


def outcome_of_reading(content):
    """Message of the error, if there is one of the package."""
    try:
        read_all(content)
    except FormatError as error:
        return str(error)
    return "run.fits is read"


VALUES = st.one_of(
    st.sampled_from(NOT_WHOLE),
    st.integers(-10, 2**63).map(str),
    st.from_regex(r"'[0-9]{0,3}[LXBIJKAEDCMPQ]{1,2}(\([0-9]*\))?'", fullmatch=True),
    st.from_regex(r"'\([0-9]{1,2}(,[0-9]{1,2}){0,3}\)'", fullmatch=True),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(data=st.data(), value=VALUES)
def test_whatever_stands_in_a_card_the_file_is_read_or_refused_by_name(content, data, value):
    hdu = data.draw(st.integers(0, 3))
    with fits.open(io.BytesIO(content)) as hdus:
        keys = [key for key in hdus[hdu].header if key not in ("COMMENT", "HISTORY", "")]
    changed = with_card(content, hdu, data.draw(st.sampled_from(keys)), value)
    assert "run.fits" in outcome_of_reading(changed)


def test_a_negative_number_of_rows_does_not_lead_to_the_same_header_again(content):
    changed = with_card(with_card(content, 2, "NAXIS1", "1"), 2, "NAXIS2", "-2880")
    with pytest.raises(FormatError, match="HDU 'EVENTS': NAXIS2 = -2880"):
        FitsFile(changed, "run.fits")


def test_a_keyword_of_the_layout_with_two_values_is_refused_and_another_one_is_told(content, caplog):
    twice = content.replace(b"NAXIS2  =                    3", b"NAXIS1  =                    3")
    with pytest.raises(FormatError, match="NAXIS1 occurs twice with different values"):
        FitsFile(twice, "run.fits")
    doubled = with_card(with_card(content, 2, "OBJECT", "'Crab'"), 2, "OBJECU", "'Vela'").replace(b"OBJECU", b"OBJECT")
    assert FitsFile(doubled, "run.fits").values("EVENTS")["OBJECT"] == "Crab"
    assert "run.fits, HDU 'EVENTS': OBJECT occur more than once" in caplog.text


def test_a_card_that_is_damaged_is_told(content, caplog):
    damaged = with_card(content, 2, "DEADC", "0.9").replace(b"DEADC   = ", b"DEaDC   = ")
    assert "DEADC" not in FitsFile(damaged, "run.fits").values("EVENTS")
    assert "run.fits, HDU 'EVENTS': 1 cards are not as FITS allows and may be damaged: 'DEaDC   = " in caplog.text


@pytest.mark.parametrize("value", ["(1)", "$ 7", "NaN", "1_0", "'open", "2 3", "\xb5"])
def test_a_value_that_is_none_of_fits_stays_a_text_where_nobody_needs_it(content, value):
    file = FitsFile(with_card(content, 2, "OBJECT", value), "run.fits")
    assert isinstance(file.values("EVENTS")["OBJECT"], str | float)
    assert isinstance(file.header("EVENTS")["OBJECT"], str)
    assert isinstance(file.hdulist["EVENTS"].header["OBJECT"], str)


def test_rows_behind_the_last_one_are_told(content, caplog):
    table = content_of(fits.BinTableHDU.from_columns([fits.Column("A", "D", array=np.arange(1.0, 4))], name="T"))
    assert len(FitsFile(with_card(table, 1, "NAXIS2", "2"), "run.fits").table("T")) == 2
    assert (
        "HDU 'T': behind its data, which have 16 bytes by its header, there is something else than padding"
        in caplog.text
    )
    FitsFile(content + b"XTENSIOM" * 360, "run.fits")
    assert "HDU 'LIST': 2880 bytes behind it begin with b'XTENSIOM', not with an HDU" in caplog.text


def test_a_table_without_bytes_that_claims_very_many_rows_is_refused():
    empty = content_of(fits.BinTableHDU.from_columns([fits.Column("A", "E", array=np.zeros(3))]))
    empty = with_card(with_card(empty, 1, "TFORM1", "'0A'"), 1, "NAXIS1", "0")
    assert FitsFile(empty).table(1).columns["A"].tolist() == ["", "", ""]
    with pytest.raises(FormatError, match="NAXIS2 = 1000000000000000 rows without a byte"):
        FitsFile(with_card(empty, 1, "NAXIS2", "1000000000000000")).table(1)


def test_a_header_has_a_limit(content, monkeypatch):
    monkeypatch.setattr(header, "MAX_HEADER_BYTES", 800)
    with pytest.raises(FormatError, match="has no END card in its first 10 cards, which is the limit"):
        FitsFile(content, "run.fits")


def with_long_text(content, n_card):
    """File whose table has a text that goes on for many cards."""
    start = content.index(b"END".ljust(80), content.index(b"'EVENTS"))
    more = b"LONGTEXT= 'x&'".ljust(80) + (b"CONTINUE  '" + b"y" * 60 + b"&'").ljust(80) * n_card
    begin = content.rindex(b"XTENSION", 0, start)
    old_end = begin + -(-(start + 80 - begin) // 2880) * 2880
    longer = content[begin:start] + more + b"END".ljust(80)
    return content[:begin] + longer.ljust(-(-len(longer) // 2880) * 2880) + content[old_end:]


def test_a_text_of_many_cards_is_read_and_one_of_very_many_refused(content):
    file = FitsFile(with_long_text(content, 9000))
    assert len(file.values("EVENTS")["LONGTEXT"]) == 1 + 60 * 9000 + 1  # the last & stands for nothing
    assert file.table("EVENTS").columns["D"].tolist() == [1, -1, 3]
    with pytest.raises(FormatError, match=r"run\.fits: the text of LONGTEXT goes on for more than 10000 cards"):
        FitsFile(with_long_text(content, 10001), "run.fits")


def test_no_part_of_a_file_that_is_cut_off_is_given_to_astropy(content):
    file = FitsFile(content[: -2880 - 100], "run.fits")
    assert file.table("EVENTS").columns["D"].tolist() == [1, -1, 3]
    with pytest.raises(DamagedFileError, match=r"run\.fits: HDU 'LIST' is cut off"):
        _ = file.hdulist


def test_groups_have_their_own_size():
    keys = {"SIMPLE": "T", "BITPIX": -32, "NAXIS": 3, "NAXIS1": 0, "NAXIS2": 40, "NAXIS3": 30, "GROUPS": "T"}
    cards = [f"{key:<8}= {value:>20}".ljust(80) for key, value in (keys | {"PCOUNT": 1, "GCOUNT": 2}).items()]
    header = "".join([*cards, "END"]).ljust(2880).encode()
    data = bytes(4 * 2 * (1 + 40 * 30)).ljust(4 * 2880, b"\0")
    following = content_of(fits.ImageHDU(np.ones(3), name="NEXT"))[2880:]
    assert FitsFile(header + data + following).names == ["PRIMARY", "NEXT"]


def test_a_column_without_a_name_is_read_but_not_by_astropy(content):
    file = FitsFile(with_card(content, 2, "TTYPE1", None), "run.fits")
    assert list(file.table("EVENTS").columns) == ["col1", "B", "C", "D"]
    with pytest.raises(FormatError, match=r"run\.fits, HDU 'EVENTS': TTYPE1 is missing: column 1 has no name"):
        _ = file.hdulist
