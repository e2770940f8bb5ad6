"""Metadata of a dataset: who created it, from which observations."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from astropy.table import Table
from astropy.time import Time

from lightpool.data.metadata import CreatorMetaData, ObsInfoMetaData, PointingInfoMetaData
from lightpool.fits import BinTableHDU, Header
from lightpool.typing import MetaValue

__all__ = ["CreatorMetaData", "MapDatasetMetaData", "read_meta_table"]


@dataclass(frozen=True)
class MapDatasetMetaData:
    """Metadata of a map dataset.

    Attributes
    ----------
    creation : CreatorMetaData or None
    obs_info : ObsInfoMetaData or list of them, not written to files, as in Gammapy
    pointing : PointingInfoMetaData or list of them, not written to files, as in Gammapy
    event_type : str or list of str, types of the events
    optional : dict
    """

    creation: CreatorMetaData | None = field(default_factory=CreatorMetaData)
    obs_info: ObsInfoMetaData | list[ObsInfoMetaData] | None = None
    pointing: PointingInfoMetaData | list[PointingInfoMetaData] | None = None
    event_type: str | list[str] | None = None
    optional: dict[str, Any] | None = None

    @classmethod
    def created_at(cls, date: datetime) -> "MapDatasetMetaData":
        """Return the metadata of a dataset that was created at a time."""
        return cls(creation=CreatorMetaData(date=Time(date, scale="utc")))

    def renewed(self) -> "MapDatasetMetaData":
        """Return a copy with this program as its creator, and the present time."""
        origin = None if self.creation is None else self.creation.origin
        return replace(self, creation=CreatorMetaData(origin=origin))

    @property
    def creation_header(self) -> dict[str, MetaValue]:
        """FITS keywords of the creator."""
        return {} if self.creation is None else self.creation.to_header()

    def to_header(self) -> dict[str, MetaValue]:
        """Return the FITS keywords of the primary header."""
        header = self.creation_header
        if isinstance(self.event_type, str):
            header["EVT_TYPE"] = self.event_type
        return header

    @classmethod
    def from_header(cls, header: Header) -> "MapDatasetMetaData":
        """Read the keywords of `to_header`."""
        creation = CreatorMetaData(header.get("CREATOR"), header.get("CREATED"), header.get("ORIGIN"))
        return cls(creation=creation, event_type=header.get("EVT_TYPE"))


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
