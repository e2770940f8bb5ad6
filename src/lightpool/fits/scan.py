"""Positions of the HDUs in a file, and warnings about their headers."""

import logging
from dataclasses import dataclass
from functools import partial

from lightpool.fits.header import BLOCK, CardDict, read_cards
from lightpool.fits.large_file import FileBytes
from lightpool.fits.layout import Layout, read_layout

__all__ = ["HduInfo", "scan"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HduInfo:
    """Position of an HDU in the file, and its header.

    Attributes
    ----------
    name : str, as written; the first is ``PRIMARY`` if it has none
    cards : CardDict
    layout : Layout
    start, data_start : int, first byte of the header and of the data
    where : str, the file and the HDU, for messages
    """

    name: str
    cards: CardDict
    layout: Layout
    start: int
    data_start: int
    where: str

    @property
    def kind(self) -> str:
        """``PRIMARY`` or the type of extension."""
        return self.layout.kind

    @property
    def data_end(self) -> int:
        """The byte after the last one of the data."""
        return self.data_start + self.layout.data_size

    @property
    def end(self) -> int:
        """The byte after the last one of the padding, where the next HDU begins."""
        return self.data_start + -(-self.layout.data_size // BLOCK) * BLOCK


def scan(buffer: FileBytes, source: str) -> list[HduInfo]:
    """Read the headers of all HDUs.

    Parameters
    ----------
    buffer : bytes or LargeFile
    source : str, the name of the file

    Raises
    ------
    FormatError
        If a header is cut off, too long, or wrong about the layout of its data.
    """
    hdus: list[HduInfo] = []
    start = 0
    # Bytes that do not begin like an extension are reported by `_warn_of_rest`.
    while start < len(buffer) and (start == 0 or buffer[start : start + 8] == b"XTENSION"):
        cards = read_cards(buffer, start, source)
        name = str(cards.values.get("EXTNAME", "PRIMARY" if start == 0 else "")).strip()
        where = f"{source}, HDU {name!r}" if name else f"{source}, HDU {len(hdus)}"
        is_first = start == 0
        layout = cards.once(("layout", is_first), partial(read_layout, cards, where, is_first=is_first))
        info = HduInfo(name, cards, layout, start, start + cards.size, where)
        _warn_of_header(info)
        _warn_of_padding(info, buffer)
        hdus.append(info)
        start = info.end
    _warn_of_rest(hdus[-1], buffer)
    return hdus


def _warn_of_header(info: HduInfo) -> None:
    cards = info.cards
    if cards.repeated:
        log.warning(
            f"{info.where}: {', '.join(cards.repeated)} occur more than once with different values; the first counts"
        )
    if cards.damaged:
        shown = ", ".join(repr(card.rstrip()) for card in cards.damaged[:3])
        log.warning(
            f"{info.where}: {len(cards.damaged)} cards are not as FITS allows and may be damaged: {shown}"
            f"{' ...' if len(cards.damaged) > 3 else ''}"
        )


def _warn_of_padding(info: HduInfo, buffer: FileBytes) -> None:
    """Warn of bytes after the data: rows beyond NAXIS2 would be lost without a message."""
    fill = b" " if info.kind == "TABLE" else b"\0"
    if info.data_end < info.end and buffer[info.data_end : info.end].strip(fill):
        log.warning(
            f"{info.where}: behind its data, which have {info.layout.data_size} bytes by its header, there is "
            "something else than padding; check NAXIS2 and its like, and whether the file is damaged"
        )


def _warn_of_rest(last: HduInfo, buffer: FileBytes) -> None:
    rest = buffer[last.end : last.end + BLOCK]
    if rest.strip(b"\0 "):
        log.warning(
            f"{last.where}: {len(buffer) - last.end} bytes behind it begin with {rest[:8]!r}, not with an HDU, and are "
            "not read; check NAXIS2 and its like, and whether the file is damaged"
        )
