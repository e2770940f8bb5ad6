"""A fast reader of FITS headers.

Users get headers as `astropy.io.fits.Header`. Internally a header is a dictionary, which is read ten times as fast.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar, cast

from astropy.io.fits import Card, VerifyError

from lightpool.errors import DamagedFileError, FormatError
from lightpool.fits.large_file import FileBytes

__all__ = ["BLOCK", "INTEGER", "NUMBER", "CardDict", "read_cards", "to_float"]

# FITS standard 4.0, 3.1: blocks of 36 cards of 80 characters.
BLOCK = 2880
MAX_HEADER_BYTES = 2**24
"""16 MiB: 209 715 cards. The longest headers of real files, full of HISTORY, have some thousands."""

MAX_TEXT_CARDS = 10000
"""Of one text: astropy, which reads the headers of maps, takes a time that grows with the square."""

_CARD = 80
_END = b"END".ljust(_CARD)
# Headers that are kept, because many tables of one production have the same.
_MOST_KEPT, _MOST_KEPT_BYTES = 64, 2**16
_KNOWN: "OrderedDict[bytes, CardDict]" = OrderedDict()
_LOCK = threading.Lock()
_KEYWORD = re.compile(r"[A-Z0-9_-]+")
_NUMBER = r"[+-]? ?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[EDed][+-]?[0-9]+)?"
INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(_NUMBER)
_COMPLEX = re.compile(rf"\( *({_NUMBER}) *, *({_NUMBER}) *\)")
_COMMENTARY = ("COMMENT", "HISTORY", "")
# Keywords that describe the layout of a table, not its content: as in astropy.table, they are not metadata.
_STRUCTURE = {
    "XTENSION",
    "SIMPLE",
    "EXTEND",
    "BITPIX",
    "NAXIS",
    "NAXIS1",
    "NAXIS2",
    "PCOUNT",
    "GCOUNT",
    "TFIELDS",
    "THEAP",
}
_COLUMN_KEY = re.compile(
    r"(TTYPE|TFORM|TUNIT|TNULL|TSCAL|TZERO|TDISP|TBCOL|TDIM|TCTYP|TCUNI|TCRPX|TCRVL|TCDLT|TRPOS)[0-9]+"
)


T = TypeVar("T")
CardValue: TypeAlias = bool | int | float | complex | str | None
"""Value of a card; None if the card has no value."""


@dataclass
class CardDict:
    """The cards of one header.

    Attributes
    ----------
    values : dict, keyword to value (bool, int, float, complex, str or None); of a repeated keyword the first one
        counts. A value that FITS does not allow stays a text.
    comments, history : list of str, the texts of COMMENT and HISTORY cards
    size : int, bytes up to the end of the header's last block
    repeated : list of str, keywords that occur with different values
    invalid : dict of keyword to byte, the cards whose values are not written as FITS does, counted from the first card
    damaged : list of str, cards with characters that FITS does not allow, or without the sign of a value
    made : dict, see `once`

    Notes
    -----
    Files whose headers have the same text share one object: nothing of it may be changed.
    """

    values: dict[str, Any] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    size: int = 0
    repeated: list[str] = field(default_factory=list)
    invalid: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    made: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def add(self, key: str, value: CardValue) -> None:
        """Store the value of a keyword, unless the keyword has one already.

        Parameters
        ----------
        key : str
        value : bool, int, float, complex, str or None
        """
        first = self.values.setdefault(key, value)
        if first is not value and first != value and key not in self.repeated:
            self.repeated.append(key)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what follows from the text of the header alone, created for the first file that has it.

        Parameters
        ----------
        key : hashable, names what is created
        make : function without arguments; what it returns is shared by all files with this header and must not change
        """
        if key not in self.made:
            self.made[key] = make()
        return cast(T, self.made[key])

    def user_meta(self) -> dict[str, Any]:
        """Return the keywords that describe the content, as `astropy.table.Table.read` puts them in ``meta``."""
        meta = dict(self.once("meta", lambda: {k: v for k, v in self.values.items() if not _describes_layout(k)}))
        if self.comments:
            meta["comments"] = list(self.comments)
        if self.history:
            meta["HISTORY"] = list(self.history)
        return meta


def read_cards(buffer: FileBytes, start: int, source: str) -> CardDict:
    """Read a header.

    Parameters
    ----------
    buffer : bytes or LargeFile
    start : int, the byte at which the header begins
    source : str, the name of the file, which begins the message of an error

    Raises
    ------
    FormatError
        If the buffer ends before the header does, or the header or a text in it is too long.
    """
    # What is read follows from the bytes before the first END card, wherever it may end.
    end = buffer.find(_END, start, start + min(_MOST_KEPT_BYTES, MAX_HEADER_BYTES))
    if end < 0 or (end - start) % _CARD:
        return _parse_cards(buffer, start, source)
    text = buffer[start:end]
    with _LOCK:
        known = _KNOWN.get(text)
        if known is not None:
            _KNOWN.move_to_end(text)
            return known
    cards = _parse_cards(buffer, start, source)
    with _LOCK:
        _KNOWN[text] = cards
        while len(_KNOWN) > _MOST_KEPT:
            _KNOWN.popitem(last=False)
    return cards


def _parse_cards(buffer: FileBytes, start: int, source: str) -> CardDict:
    cards = CardDict()
    values, position, stop = cards.values, start, start + MAX_HEADER_BYTES
    long_key, long_text = "", list[str]()  # a text that may go on in the next card
    while True:
        card = buffer[position : position + _CARD]
        if len(card) < _CARD or position >= stop:
            raise _endless(start, len(buffer), source, is_cut=position < stop)
        position += _CARD
        kind, key, value, is_legal = _read_card(card)
        if kind == "value" and is_legal and not long_text and key not in values:  # nearly all cards
            values[key] = value
            continue
        if not is_legal:
            cards.damaged.append(card.decode("latin-1"))
        # FITS standard 4.0, 4.2.1.2: an ampersand at the end announces a CONTINUE card.
        if kind == "continue" and long_text and long_text[-1].endswith("&"):
            long_text[-1] = long_text[-1][:-1]
            long_text.append(value)
            if len(long_text) > MAX_TEXT_CARDS:
                raise FormatError(
                    f"{source}: the text of {long_key} goes on for more than {MAX_TEXT_CARDS} cards, the limit; "
                    "the file is damaged, or its header holds what belongs in a table"
                )
            continue
        if long_text:
            cards.add(long_key, "".join(long_text))
            long_text = []
        if kind == "long":
            long_key, long_text = key, [value]
        elif kind == "comment":
            (cards.history if key == "HISTORY" else cards.comments).append(value)
        elif kind in ("value", "invalid"):
            cards.add(key, value)
            if kind == "invalid":
                cards.invalid.setdefault(key, position - _CARD - start)
        elif kind == "end":
            break
    # Rounded up to whole blocks.
    cards.size = -(-(position - start) // BLOCK) * BLOCK
    return cards


def _endless(start: int, size: int, source: str, *, is_cut: bool) -> FormatError:
    where = f"{source}: the header that begins at byte {start} has no END card"
    if is_cut:
        return DamagedFileError(f"{where} before the file ends at byte {size}; the file is cut off, download it again")
    return FormatError(
        f"{where} in its first {MAX_HEADER_BYTES // _CARD} cards, which is the limit; the file is damaged, or its "
        "header holds what belongs in a table"
    )


@lru_cache(maxsize=4096)  # most cards of a file stand in the next one too
def _read_card(card: bytes) -> tuple[str, str, Any, bool]:
    """Return kind, keyword and value of a card, and whether FITS allows it.

    The kinds are value, long, invalid, comment, continue, end and other; the value of the text kinds is ``str``.
    """
    # Latin-1 has a character for each byte, so damaged cards can be read and shown too.
    text = card.decode("latin-1")
    key, is_legal = text[:8].rstrip(), card.isascii() and text.isprintable()
    # FITS standard 4.0, 4.1.2.2: this mark in bytes 9 and 10 shows that the card has a value.
    if text[8:10] == "= " and key not in _COMMENTARY:
        value, is_valid = _value(text[10:])
        is_long = isinstance(value, str) and value.endswith("&")
        kind = ("long" if is_long else "value") if is_valid else "invalid"
        return kind, key, value, is_legal and _KEYWORD.fullmatch(key) is not None
    if key in _COMMENTARY:
        return "comment", key, text[8:].rstrip(), is_legal
    if key == "HIERARCH":
        return _hierarch(text, is_legal)
    if key == "CONTINUE":
        more = text[8:].strip(" ")
        return ("continue" if more[:1] == "'" else "other"), key, _string(more)[0], is_legal
    return "end" if key == "END" else "other", key, None, is_legal and key == "END"


def _hierarch(text: str, is_legal: bool) -> tuple[str, str, CardValue, bool]:
    """Read a card of ESO's convention for long keywords."""
    try:
        card = Card.fromstring(text)
        value = card.value
        return "long" if isinstance(value, str) and value.endswith("&") else "value", card.keyword, value, is_legal
    except (VerifyError, ValueError):
        key, _, value = text[8:].partition("=")
        return "invalid", key.strip(), value.strip(), is_legal


def _value(text: str) -> tuple[CardValue, bool]:
    """Return the value of a card, and whether FITS allows the way it is written; other values remain text."""
    text = text.strip(" ")  # other white space is no blank of FITS
    if text[:1] == "'":
        return _string(text)
    text = text.partition("/")[0].rstrip(" ")
    if text in ("T", "F"):
        return text == "T", True
    if INTEGER.fullmatch(text):
        return int(text), True
    if NUMBER.fullmatch(text):
        return to_float(text), True
    if match := _COMPLEX.fullmatch(text):
        return complex(to_float(match[1]), to_float(match[2])), True
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(text), False  # FITS has no such values; some programs write them all the same
    return (text, False) if text else (None, True)


def to_float(text: str) -> float:
    """Convert a number that `NUMBER` matches; its exponent may begin with a D."""
    return float(text.upper().replace("D", "E").replace(" ", ""))


def _string(text: str) -> tuple[str, bool]:
    # FITS standard 4.0, 4.2.1.1: two quotes stand for one, and blanks at the end do not count.
    end = text.find("'", 1)
    while end >= 0 and text[end + 1 : end + 2] == "'":
        end = text.find("'", end + 2)
    is_valid = end >= 0 and text[end + 1 :].lstrip(" ")[:1] in ("", "/")
    return text[1 : end if end >= 0 else None].replace("''", "'").rstrip(), is_valid


@lru_cache(maxsize=1024)
def _describes_layout(key: str) -> bool:
    return key in _STRUCTURE or _COLUMN_KEY.fullmatch(key) is not None
