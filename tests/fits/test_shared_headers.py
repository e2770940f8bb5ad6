"""Headers of the same text are read once; what a caller does with one of them does not reach another file."""

import numpy as np
from astropy.io import fits
from raw_cards import content_of

from lightpool.fits.header import read_cards
from lightpool.fits.reader import FitsFile


def table_hdu(values, unit="TeV", form="D"):
    columns = [
        fits.Column("ENERGY", form, unit, array=np.asarray(values)),
        fits.Column("N", "J", null=-1, array=[1, -1]),
    ]
    return fits.BinTableHDU.from_columns(columns, name="EVENTS")


def file_of(*args, **kwargs):
    return FitsFile(content_of(table_hdu(*args, **kwargs)), "run.fits")


def test_files_with_the_same_header_share_it_and_have_their_own_values():
    first, second = file_of([1.0, 2.0]), file_of([3.0, 4.0])
    assert first.hdu("EVENTS").cards is second.hdu("EVENTS").cards
    np.testing.assert_array_equal(first.table("EVENTS").columns["ENERGY"], [1.0, 2.0])
    np.testing.assert_array_equal(second.table("EVENTS").columns["ENERGY"], [3.0, 4.0])
    np.testing.assert_array_equal(second.table("EVENTS").masks["N"], [False, True])


def test_a_header_that_differs_in_one_card_is_another_one():
    assert file_of([1.0, 2.0], unit="GeV").table("EVENTS").units["ENERGY"] == "GeV"
    assert file_of([1.0, 2.0], unit="TeV").table("EVENTS").units["ENERGY"] == "TeV"
    np.testing.assert_array_equal(file_of([1.5, 2.5], form="E").table("EVENTS").columns["ENERGY"], [1.5, 2.5])
    np.testing.assert_array_equal(file_of([1.5, 2.5]).table("EVENTS").columns["ENERGY"], [1.5, 2.5])


def test_changes_of_what_was_handed_out_do_not_reach_other_files():
    file = file_of([1.0, 2.0])
    file.values("EVENTS")["EXTNAME"] = "OTHER"
    table = file.table("EVENTS")
    table.meta["EXTNAME"] = table.header["TTYPE1"] = "OTHER"
    table.units["ENERGY"] = "m"
    for again in (file, file_of([1.0, 2.0])):
        assert again.values("EVENTS")["EXTNAME"] == "EVENTS"
        assert again.table("EVENTS").meta["EXTNAME"] == "EVENTS"
        assert again.table("EVENTS").header["TTYPE1"] == "ENERGY"
        assert again.table("EVENTS").units["ENERGY"] == "TeV"


def test_a_text_that_looks_like_the_end_does_not_end_a_header():
    header = fits.Header([("SIMPLE", True), ("NOTE", "WEEKEND"), ("AFTER", 5)]).tostring(padding=True).encode()
    text = header.replace(b"WEEKEND'" + b" ", b"WEEKEND" + b" " * 2, 1)
    cut = text.index(b"WEEKEND") + 7
    text = text[:cut] + b" " * (160 - cut % 80) + text[cut + 160 - cut % 80 :]
    cards = read_cards(text, 0, "run.fits")
    assert cards.size == len(text)
    padded = b"COMMENT ".ljust(77) + b"END" + b"".ljust(80) + header
    assert read_cards(padded, 0, "run.fits").values["AFTER"] == 5
