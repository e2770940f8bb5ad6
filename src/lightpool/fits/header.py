"""A light reader of FITS headers, for the many headers between a user and the data.

`astropy.io.fits.Header` stays the public face of headers; this one only makes a dictionary, ten times as fast.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from astropy.io.fits import Card

from lightpool.errors import DamagedFileError

__all__ = ["BLOCK", "CardDict", "read_cards", "user_meta"]

BLOCK = 2880
_CARD = 80
_COMMENTARY = ("COMMENT", "HISTORY", "")
# Keywords that describe the layout of a table, not its content: as in astropy.table, they are no meta data.
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


@dataclass
class CardDict:
    """The cards of one header.

    Attributes
    ----------
    values : dict, keyword to value (bool, int, float, complex, str or None); of a repeated keyword the first one counts
    comments, history : list of str, the texts of COMMENT and HISTORY cards
    size : int, bytes up to the end of the header's last block
    """

    values: dict[str, Any] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    size: int = 0


def read_cards(buffer: bytes, start: int, source: str) -> CardDict:
    """Read the header that begins at byte ``start``.

    Raises
    ------
    FormatError
        If the buffer ends before the header does.
    """
    cards = CardDict()
    values, position, last = cards.values, start, ""
    while True:
        card = buffer[position : position + _CARD]
        if len(card) < _CARD:
            raise DamagedFileError(
                f"{source}: the header that begins at byte {start} has no END card before the file ends at byte "
                f"{len(buffer)}; the file is cut off, fetch it again"
            )
        position += _CARD
        kind, key, value = _read_card(card)
        if kind == "value":
            values.setdefault(key, value)
            last = key
        elif kind == "comment":
            (cards.history if key == "HISTORY" else cards.comments).append(value)
        elif kind == "continue":
            _continue_string(values, last, value)
        elif kind == "end":
            break
    cards.size = -(-(position - start) // BLOCK) * BLOCK
    return cards


@lru_cache(maxsize=4096)  # most cards of a file stand in the next one too
def _read_card(card: bytes) -> tuple[str, str, Any]:
    """Kind (value, comment, continue, end or other), keyword and value or text of one card."""
    text = card.decode("latin-1")
    key = text[:8].rstrip()
    if text[8:10] == "= " and key not in _COMMENTARY:
        return "value", key, _value(text[10:])
    if key in _COMMENTARY:
        return "comment", key, text[8:].rstrip()
    if key == "HIERARCH":
        parsed = Card.fromstring(text)
        return "value", parsed.keyword, parsed.value
    if key == "CONTINUE":
        return "continue", key, _string(text[8:].strip())
    return "end" if key == "END" else "other", key, None


def _value(text: str) -> Any:
    text = text.strip()
    if text[:1] == "'":
        return _string(text)
    text = text.partition("/")[0].rstrip()
    if text in ("T", "F"):
        return text == "T"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return _unusual_value(text)


def _unusual_value(text: str) -> Any:
    if not text:
        return None
    if text[0] == "(" and text[-1] == ")":
        real, _, imaginary = text[1:-1].partition(",")
        return complex(float(real), float(imaginary))
    try:
        return float(text.upper().replace("D", "E"))
    except ValueError:
        return text


def _string(text: str) -> str:
    end = text.find("'", 1)
    while end >= 0 and text[end + 1 : end + 2] == "'":
        end = text.find("'", end + 2)
    return text[1 : end if end >= 0 else None].replace("''", "'").rstrip()


def _continue_string(values: dict[str, Any], key: str, text: str) -> None:
    before = values.get(key)
    if isinstance(before, str) and before.endswith("&"):
        values[key] = before[:-1] + text


def user_meta(cards: CardDict) -> dict[str, Any]:
    """Keywords that describe the content, as `astropy.table.Table.read` puts them in ``meta``."""
    meta = {key: value for key, value in cards.values.items() if not _describes_layout(key)}
    if cards.comments:
        meta["comments"] = list(cards.comments)
    if cards.history:
        meta["HISTORY"] = list(cards.history)
    return meta


@lru_cache(maxsize=1024)
def _describes_layout(key: str) -> bool:
    return key in _STRUCTURE or _COLUMN_KEY.fullmatch(key) is not None
