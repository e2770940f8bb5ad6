"""FITS files whose cards are changed as bytes, which astropy would not write."""

import io
from functools import lru_cache
from typing import Any

from astropy.io import fits

CARD, BLOCK = 80, 2880


def content_of(*hdus: Any) -> bytes:
    """Bytes of a file."""
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(stream)
    return stream.getvalue()


@lru_cache(maxsize=8)
def _headers(content: bytes) -> list[tuple[int, int]]:
    """First byte of the header and of the data of each HDU."""
    with fits.open(io.BytesIO(content)) as hdus:
        return [(hdu.fileinfo()["hdrLoc"], hdu.fileinfo()["datLoc"]) for hdu in hdus]


def with_card(content: bytes, hdu: int, key: str, value: str | None) -> bytes:
    """Bytes in which a keyword of an HDU has a value, as it is to stand in the card; None leaves the card out."""
    start, stop = _headers(content)[hdu]
    cards = [content[at : at + CARD] for at in range(start, stop, CARD)]
    name = key.ljust(8).encode()
    end = next(i for i, card in enumerate(cards) if card.strip() == b"END")
    place = next((i for i, card in enumerate(cards) if card.startswith(name)), end)
    new = [] if value is None else [(name + b"= " + value.rjust(20).encode("latin-1")).ljust(CARD)]
    kept = [*cards[:place], *new, *cards[place + (place < end) : end + 1]]
    header = b"".join(kept)
    return content[:start] + header.ljust(-(-len(header) // BLOCK) * BLOCK) + content[stop:]
