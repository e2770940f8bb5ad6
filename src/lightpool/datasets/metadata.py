"""Metadata of a dataset: who created it, from which observations."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from astropy.table import Table

from lightpool import __version__
from lightpool.fits import BinTableHDU, Header

__all__ = ["CreatorMetaData", "MapDatasetMetaData", "read_meta_table"]


@dataclass(frozen=True)
class CreatorMetaData:
    """Who created a file, and when.

    Attributes
    ----------
    creator : str, name and version of the program
    date : str, UTC, ``YYYY-MM-DD hh:mm:ss.sss``
    origin : str, the organisation
    """

    creator: str | None = field(default_factory=lambda: f"lightpool {__version__}")
    date: str | None = field(default_factory=lambda: _now())
    origin: str | None = None

    def to_header(self) -> dict[str, str]:
        """Return the FITS keywords."""
        values = {"CREATOR": self.creator, "CREATED": self.date, "ORIGIN": self.origin}
        return {key: value for key, value in values.items() if value}

    @classmethod
    def from_header(cls, header: Header) -> "CreatorMetaData":
        """Read the keywords of `to_header`."""
        return cls(creator=header.get("CREATOR"), date=header.get("CREATED"), origin=header.get("ORIGIN"))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


@dataclass(frozen=True)
class MapDatasetMetaData:
    """Metadata of a map dataset.

    Attributes
    ----------
    creation : CreatorMetaData
    event_type : str or list of str, types of the events
    optional : dict
    """

    creation: CreatorMetaData = field(default_factory=CreatorMetaData)
    event_type: str | list[str] | None = None
    optional: dict[str, Any] | None = None

    def renewed(self) -> "MapDatasetMetaData":
        """Return a copy with this program as its creator, and the present time."""
        return replace(self, creation=replace(CreatorMetaData(), origin=self.creation.origin))

    def to_header(self) -> dict[str, str]:
        """Return the FITS keywords of the primary header."""
        header = self.creation.to_header()
        if isinstance(self.event_type, str):
            header["EVT_TYPE"] = self.event_type
        return header

    @classmethod
    def from_header(cls, header: Header) -> "MapDatasetMetaData":
        """Read the keywords of `to_header`."""
        return cls(creation=CreatorMetaData.from_header(header), event_type=header.get("EVT_TYPE"))


def read_meta_table(hdu: BinTableHDU) -> Table:
    """Read the table of the observations of a dataset from its HDU, ``META_TABLE``."""
    table = Table.read(hdu)
    table.convert_bytestring_to_unicode()
    # Keywords of the HDU, such as EXTNAME, are not metadata of the observations.
    table.meta.clear()
    for column in table.itercols():
        # FITS is big-endian, a byte order that some libraries do not accept.
        if not column.dtype.isnative:
            table[column.name] = column.astype(column.dtype.newbyteorder("="))
    return table
