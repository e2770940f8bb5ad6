"""Ways to damage a file. Each says whether the result is still valid, in which case other values may come of it."""

import gzip
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits

__all__ = ["DAMAGES", "Damaged", "damage"]

BLOCK, CARD = 2880, 80
_VALUE = re.compile(rb"(.{8})= *('(?:[^']|'')*'|[TF]|[+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)?)? *(?:/.*)?", re.DOTALL)
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|[PG]COUNT|TFIELDS|THEAP|T(FORM|DIM|SCAL|ZERO|NULL|BCOL|TYPE)\d+"
)
# What one keyword may hold in the place of another value.
_BAD_VALUES = [
    *["-1", "0", "1", "2", "3", "7", "999", "1000", "2147483647", "-2147483648", "9223372036854775807", "1E400"],
    *["99999999999999999999999", "1.5", "-1E30", "NaN", "inf", "T", "F", "", "(1)", "(1,2)", "(1.0,2.0)", "()", "$ 7"],
    *["'x'", "''", "'deg'", "'8P'", "'1PE(10)'", "'0E'", "'1D'", "'8A'", "'1Z'", "'9999999999D'", "'(2,3)'", "'(0)'"],
    *["'1QD(3)'", "'TeV", "'100 `'", "'\x1b[31m'", "'EVENTS'", "'POINT-LIKE'", "'../x'", "2 3", "1_0", "0x10", "- 4"],
]
_UNITS = [
    "",
    "deg",
    "rad",
    "TeV",
    "GeV",
    "s",
    "d",
    "m2",
    "cm2",
    "sr-1",
    "kg",
    "MeV-1 s-1 sr-1",
    "TeV TeV",
    "`",
    "?",
    "1e3",
]
_BAD_NUMBERS = [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e30, -1e30, 400.0, 95.0]

Rng = np.random.Generator


@dataclass(frozen=True)
class Damaged:
    """A damaged file.

    Attributes
    ----------
    content : bytes
    what : str, what was done
    is_valid : bool, whether the file is one that may be read with other values
    """

    content: bytes
    what: str
    is_valid: bool


def damage(kind: str, content: bytes, rng: Rng) -> Damaged:
    """Damage a plain FITS file in a random way of a kind, see `DAMAGES`."""
    return DAMAGES[kind](content, rng)


# -- headers


def _cards(content: bytes) -> list[int]:
    """First bytes of all cards, whatever HDU they belong to, END and blank ones left out."""
    found = []
    with fits.open(io.BytesIO(content), memmap=False) as hdus:
        for hdu in hdus:
            info = hdu.fileinfo()
            cards = range(info["hdrLoc"], info["datLoc"], CARD)
            found += [at for at in cards if content[at : at + 8].strip() not in (b"", b"END")]
    return found


def _pick(content: bytes, rng: Rng, pattern: str = "") -> int:
    """First byte of a card; half of the time one about the structure, or one whose keyword matches."""
    cards = _cards(content)
    names = [content[at : at + 8].decode().rstrip() for at in cards]
    if pattern:
        chosen = [at for at, name in zip(cards, names, strict=True) if re.fullmatch(pattern, name)]
    elif rng.random() < 0.5:
        chosen = [at for at, name in zip(cards, names, strict=True) if _STRUCTURE.fullmatch(name)]
    else:
        chosen = cards
    return int(rng.choice(chosen or cards))


def _kind_of_value(card: bytes) -> str:
    """Type of the value of a card, or "" if it has none that is valid."""
    match = _VALUE.fullmatch(card)
    if match is None or match[2] is None:
        return ""
    return {b"'": "text", b"T": "logical", b"F": "logical"}.get(match[2][:1]) or "number"


def _is_other_value(before: bytes, after: bytes) -> bool:
    """Whether a card is another legal value of the same keyword, one that has nothing to do with the structure."""
    is_clean = all(32 <= byte < 127 for byte in after)
    is_same = before[:8] == after[:8] and _kind_of_value(before) == _kind_of_value(after) != ""
    return is_clean and is_same and not _STRUCTURE.fullmatch(before[:8].decode().rstrip())


def _with_card(content: bytes, at: int, card: bytes) -> bytes:
    return content[:at] + card.ljust(CARD)[:CARD] + content[at + CARD :]


def bit_of_header(content: bytes, rng: Rng) -> Damaged:
    """Turn one bit of a card."""
    at, place, bit = _pick(content, rng), int(rng.integers(CARD)), int(rng.integers(8))
    before = content[at : at + CARD]
    after = before[:place] + bytes([before[place] ^ 1 << bit]) + before[place + 1 :]
    return Damaged(
        _with_card(content, at, after), f"{before.rstrip()!r} became {after.rstrip()!r}", _is_other_value(before, after)
    )


def value_of_header(content: bytes, rng: Rng) -> Damaged:
    """Give a keyword another value, of any type."""
    at = _pick(content, rng)
    before, value = content[at : at + CARD], str(rng.choice(_BAD_VALUES))
    after = before[:8] + b"= " + value.rjust(20).encode("latin-1")
    after = after.ljust(CARD)
    return Damaged(
        _with_card(content, at, after), f"{before.rstrip()!r} became {value}", _is_other_value(before, after)
    )


def number_of_header(content: bytes, rng: Rng) -> Damaged:
    """Change a number of the structure a little."""
    at = _pick(content, rng, r"NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|BITPIX|THEAP")
    before = content[at : at + CARD]
    match = _VALUE.fullmatch(before)
    number = int(match[2]) if match and match[2] else 0
    value = int(rng.choice([number - 1, number + 1, -number, number * 2, number // 2, number * 10**6, number + 8]))
    after = before[:8] + f"= {value:>20}".encode()
    return Damaged(_with_card(content, at, after), f"{before.rstrip()!r} became {value}", value == number)


def missing_card(content: bytes, rng: Rng) -> Damaged:
    """Leave out a card."""
    at = _pick(content, rng)
    end = content.index(b"END".ljust(CARD), at)
    card = content[at : at + CARD]
    rest = content[at + CARD : end + CARD] + b" " * CARD
    return Damaged(content[:at] + rest + content[end + CARD :], f"{card.rstrip()!r} is missing", False)


def doubled_card(content: bytes, rng: Rng) -> Damaged:
    """Put a card with another value before one of the same keyword."""
    at = _pick(content, rng)
    card, value = content[at : at + CARD], str(rng.choice(_BAD_VALUES))
    end = content.index(b"END".ljust(CARD), at)
    behind = content[end + CARD : end + 2 * CARD]
    if behind != b" " * CARD or card[:8].strip() in (b"SIMPLE", b"XTENSION"):  # no room, or no file of FITS any more
        return value_of_header(content, rng)
    new = (card[:8] + b"= " + value.rjust(20).encode("latin-1")).ljust(CARD)
    changed = content[:at] + new + content[at : end + CARD] + content[end + 2 * CARD :]
    return Damaged(changed, f"{card.rstrip()!r} follows the same keyword with {value}", False)


def reordered_cards(content: bytes, rng: Rng) -> Damaged:
    """Exchange two cards of a header."""
    at = _pick(content, rng)
    other = at + CARD * int(rng.integers(1, 6))
    first, second = content[at : at + CARD], content[other : other + CARD]
    if b"END" in (first[:3], second[:3]) or not second.strip() or b"XTENSION" in (first[:8], second[:8]):
        return value_of_header(content, rng)
    changed = _with_card(_with_card(content, at, second), other, first)
    return Damaged(changed, f"{first.rstrip()!r} and {second.rstrip()!r} have changed places", False)


def long_header(content: bytes, rng: Rng) -> Damaged:
    """Give a header very many cards."""
    at = _pick(content, rng)
    end = content.index(b"END".ljust(CARD), at)
    start = max(header for header in _headers(content) if header <= at)
    data = start + -(-(end + CARD - start) // BLOCK) * BLOCK
    n_card = int(rng.choice([100, 3000, 20000]))
    text = b"LONGTEXT= 'x&'".ljust(CARD) + (b"CONTINUE  '" + b"y" * 60 + b"&'").ljust(CARD) * n_card
    extra = text if rng.random() < 0.5 else b"HISTORY z".ljust(CARD) * n_card
    header = content[start:end] + extra + b"END".ljust(CARD)
    padded = header.ljust(-(-len(header) // BLOCK) * BLOCK)
    return Damaged(content[:start] + padded + content[data:], f"{n_card} more cards", False)


def _headers(content: bytes) -> list[int]:
    with fits.open(io.BytesIO(content), memmap=False) as hdus:
        return [hdu.fileinfo()["hdrLoc"] for hdu in hdus]


# -- data


def bit_of_data(content: bytes, rng: Rng) -> Damaged:
    """Turn one bit of the data: what is read is another number, and may be as good as the first."""
    with fits.open(io.BytesIO(content), memmap=False) as hdus:
        places = [(hdu.name, info["datLoc"], hdu.size) for hdu in hdus if (info := hdu.fileinfo()) and hdu.size]
    name, start, size = places[int(rng.integers(len(places)))]
    at = start + int(rng.integers(size))
    changed = bytearray(content)
    changed[at] ^= 1 << int(rng.integers(8))
    return Damaged(bytes(changed), f"a bit of byte {at - start} of the data of {name}", True)


def truncated(content: bytes, rng: Rng) -> Damaged:
    """Cut off the end."""
    n_kept = int(rng.integers(len(content)))
    if rng.random() < 0.3:
        n_kept -= n_kept % BLOCK
    return Damaged(content[:n_kept], f"cut off after {n_kept} of {len(content)} bytes", False)


def overwritten(content: bytes, rng: Rng) -> Damaged:
    """Write zeros, noise or text over some bytes."""
    size = int(rng.choice([1, 80, 2880, 10000]))
    at = int(rng.integers(max(len(content) - size, 1)))
    noise = [b"\0" * size, rng.bytes(size), b" " * size, b"\xff" * size][int(rng.integers(4))]
    # What lies over numbers may be numbers, so a result that differs is no proof of a fault.
    return Damaged(content[:at] + noise + content[at + size :], f"{size} bytes from {at} overwritten", True)


def rest_behind(content: bytes, rng: Rng) -> Damaged:
    """Put something behind the end."""
    extra = [b"\0" * 5000, rng.bytes(3000), b"XTENSION= 'BINTABLE'", content[:BLOCK], b"XTENSION" * 400]
    return Damaged(content + extra[int(rng.integers(len(extra)))], "something follows the last HDU", False)


# -- gzip


def gzip_stream(content: bytes, rng: Rng) -> Damaged:
    """Damage a compressed file: bits, length, members, what follows."""
    packed = bytearray(gzip.compress(content, 1))
    way = int(rng.integers(6))
    if way == 0:
        packed[int(rng.integers(len(packed)))] ^= 1 << int(rng.integers(8))
    elif way == 1:
        del packed[int(rng.integers(len(packed))) :]
    elif way == 2:
        packed += rng.bytes(100)
    elif way == 3:
        half = int(rng.integers(len(content)))
        packed = bytearray(
            gzip.compress(content[:half], 1) + gzip.compress(b"", 1) * 50 + gzip.compress(content[half:], 1)
        )
    elif way == 4:
        packed = bytearray(gzip.compress(bytes(packed), 1))
    else:
        packed[-8:] = rng.bytes(8)
    text = ["a bit of it", "its end", "100 bytes behind it", "52 members", "packed twice", "its checksum"][way]
    return Damaged(bytes(packed), f"gzip: {text}", False)


# -- tables

Columns = dict[str, list[Any]]  # name to [form, unit, values, dim]


def _with_table(content: bytes, rng: Rng, change: Callable[[str, Columns], tuple[str, bool]]) -> Damaged:
    """Write a file anew with the columns of one table changed."""
    with fits.open(io.BytesIO(content), memmap=False) as hdus:
        number = int(rng.integers(1, len(hdus)))
        old = hdus[number]
        columns: Columns = {
            column.name: [column.format, column.unit, np.array(old.data[column.name]), column.dim]
            for column in old.columns
        }
        what, is_valid = change(old.name, columns)
        made = [
            fits.Column(name, form, unit=unit, array=values, dim=dim)
            for name, (form, unit, values, dim) in columns.items()
        ]
        new = fits.BinTableHDU.from_columns(made, name=old.name)
        for card in old.header.cards:
            if card.keyword not in new.header and not re.fullmatch(r"T(TYPE|FORM|UNIT|DIM|NULL|DISP)\d+", card.keyword):
                new.header.append(card)
        hdus[number] = new
        stream = io.BytesIO()
        hdus.writeto(stream, output_verify="ignore")
    return Damaged(stream.getvalue(), f"{old.name}: {what}", is_valid)


def _any(columns: Columns, rng: Rng) -> str:
    return str(rng.choice(list(columns)))


def other_unit(content: bytes, rng: Rng) -> Damaged:
    """Give a column another unit, or none."""

    def change(_hdu: str, columns: Columns) -> tuple[str, bool]:
        name, unit = _any(columns, rng), str(rng.choice(_UNITS))
        before, columns[name][1] = columns[name][1], unit or None
        return f"the unit of {name}, {before!r}, became {unit!r}", _are_alike(before, unit)

    return _with_table(content, rng, change)


def _are_alike(before: str | None, after: str) -> bool:
    """Whether a unit is one of the same kind: the file may mean it."""
    import astropy.units as u

    try:
        return bool(u.Unit(before or "").is_equivalent(u.Unit(after))) and bool(after)
    except ValueError:
        return False


def other_order(content: bytes, rng: Rng) -> Damaged:
    """Exchange the order of the columns, which means nothing."""

    def change(_hdu: str, columns: Columns) -> tuple[str, bool]:
        names = [str(name) for name in rng.permutation(list(columns))]
        shuffled = {name: columns[name] for name in names}
        columns.clear()
        columns.update(shuffled)
        return f"the order {', '.join(names)}", False

    return _with_table(content, rng, change)


def other_type(content: bytes, rng: Rng) -> Damaged:
    """Store a column as another type."""

    def change(_hdu: str, columns: Columns) -> tuple[str, bool]:
        name = _any(columns, rng)
        form, _, values, _ = columns[name]
        if values.dtype.kind not in "iuf":
            columns[name] = ["D", None, np.arange(len(values), dtype=float), None]
            return f"the text {name} became numbers", True
        letter, kind = [("D", "f8"), ("E", "f4"), ("J", "i4"), ("K", "i8"), ("L", "?"), ("8A", "S8")][
            int(rng.integers(6))
        ]
        count = "".join(filter(str.isdigit, str(form)))
        with np.errstate(all="ignore"):
            columns[name][2] = np.zeros(values.shape[:1], "S8") if letter == "8A" else values.astype(kind)
        columns[name][0] = letter if letter == "8A" else f"{count}{letter}"
        if letter == "8A":
            columns[name][3] = None
        return f"{name} became {letter}", letter in "JK"

    return _with_table(content, rng, change)


def odd_value(content: bytes, rng: Rng) -> Damaged:
    """Put a number that makes no sense into a column."""

    def change(_hdu: str, columns: Columns) -> tuple[str, bool]:
        names = [name for name, column in columns.items() if column[2].dtype.kind == "f" and column[2].size]
        if not names:
            return "nothing", False
        name, value = str(rng.choice(names)), float(rng.choice(_BAD_NUMBERS))
        values = columns[name][2]
        place = int(rng.integers(values.size))
        values.reshape(-1)[place] = value
        # A finite number may be meant, except on an axis: there the ends of the bins would not meet.
        return f"value {place} of {name} became {value}", bool(np.isfinite(value)) and not name.endswith(("_LO", "_HI"))

    return _with_table(content, rng, change)


def spoiled_axis(content: bytes, rng: Rng) -> Damaged:
    """Exchange, repeat or turn round the values of an axis."""

    def change(_hdu: str, columns: Columns) -> tuple[str, bool]:
        names = [
            name for name in columns if name.endswith(("_LO", "_HI", "START", "STOP")) and columns[name][2].size > 1
        ]
        if not names:
            return "nothing", False
        name = str(rng.choice(names))
        values = columns[name][2].reshape(-1)
        way, place = int(rng.integers(3)), int(rng.integers(values.size - 1))
        if way == 0:
            values[[place, place + 1]] = values[[place + 1, place]]
        elif way == 1:
            values[place + 1] = values[place]
        else:
            values[:] = values[::-1].copy()
        return f"{name}: {['two exchanged', 'one repeated', 'turned round'][way]}", False

    return _with_table(content, rng, change)


def other_columns(content: bytes, rng: Rng) -> Damaged:
    """Leave out, rename or double a column, or leave out or double rows."""

    def change(_hdu: str, columns: Columns) -> tuple[str, bool]:
        name, way = _any(columns, rng), int(rng.integers(4))
        if way == 0:
            del columns[name]
            return f"{name} is missing", False
        if way == 1:
            columns[f"{name[:-1]}Q"] = columns.pop(name)
            return f"{name} has another name", False
        n_row = len(columns[name][2])
        keep = np.arange(0 if way == 2 else 2 * n_row) % max(n_row, 1)
        for column in columns.values():
            column[2] = column[2][keep]
        # Fewer or more rows of events and intervals are a valid table.
        return f"{len(keep)} rows in the place of {n_row}", True

    return _with_table(content, rng, change)


DAMAGES: dict[str, Callable[[bytes, Rng], Damaged]] = {
    function.__name__: function
    for function in (
        bit_of_header,
        value_of_header,
        number_of_header,
        missing_card,
        doubled_card,
        reordered_cards,
        long_header,
        bit_of_data,
        truncated,
        overwritten,
        rest_behind,
        gzip_stream,
        other_unit,
        other_order,
        other_type,
        odd_value,
        spoiled_axis,
        other_columns,
    )
}
