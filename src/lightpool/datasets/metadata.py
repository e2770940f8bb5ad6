"""Metadata of a dataset: who created it, from which observations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Self

import numpy as np
from astropy.table import Table
from astropy.time import Time

from lightpool.data.metadata import CreatorMetaData, MetaData, ObsInfoMetaData, PointingInfoMetaData
from lightpool.data.metadata_base import Check, HeaderMetaData, as_mapping, part_of
from lightpool.fits import BinTableHDU, table_in_file
from lightpool.typing import MetaValue

__all__ = ["CreatorMetaData", "MapDatasetMetaData", "read_meta_table"]


def _one_or_list(check: Check) -> Check:
    """Return the check of a value, or of each value in a list."""

    def check_all(value: object) -> object:
        return [check(each) for each in value] if isinstance(value, list | tuple) else check(value)

    return check_all


def _as_text(value: object) -> str:
    """Return a text, also of a number, as types of events may be."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"expected a text or a number, got {type(value).__name__}")


@dataclass
class MapDatasetMetaData(HeaderMetaData):
    """Metadata of a map dataset.

    Each value is checked when it is set; a part, as of ``obs_info``, may be a dict of its values.

    Attributes
    ----------
    creation : CreatorMetaData or None
    obs_info : ObsInfoMetaData or list of them, of the observations
    pointing : PointingInfoMetaData or list of them, of the observations
    event_type : str or list of str, types of the events
    optional : dict

    Notes
    -----
    As in Gammapy, a maker describes its observation, and a stack says only who created it. Lists are not written to
    files: what is written of the observations is the table ``dataset.meta_table``.

    Examples
    --------
    >>> from lightpool.datasets import MapDatasetMetaData
    >>> MapDatasetMetaData(obs_info={"obs_id": 23523, "telescope": "HESS"}).obs_info.telescope
    'HESS'
    """

    _tag: ClassVar[str] = "MapDataset"
    _checks: ClassVar[Mapping[str, Check]] = {
        "creation": part_of(CreatorMetaData),
        "obs_info": _one_or_list(part_of(ObsInfoMetaData)),
        "pointing": _one_or_list(part_of(PointingInfoMetaData)),
        "event_type": _one_or_list(_as_text),
        "optional": as_mapping,
    }

    creation: CreatorMetaData | None = field(default_factory=CreatorMetaData)
    obs_info: ObsInfoMetaData | list[ObsInfoMetaData] | None = None
    pointing: PointingInfoMetaData | list[PointingInfoMetaData] | None = None
    event_type: str | list[str] | None = None
    optional: dict[str, Any] | None = None

    @classmethod
    def created_at(cls, date: datetime) -> "MapDatasetMetaData":
        """Return the metadata of a dataset that was created at a time."""
        return cls(creation=CreatorMetaData(date=Time(date, scale="utc")))

    @classmethod
    def of_observation(cls, keywords: Mapping[str, MetaValue], date: datetime) -> "MapDatasetMetaData":
        """Return the metadata of a dataset that was made from one observation.

        Parameters
        ----------
        keywords : mapping
            A row of ``dataset.meta_table``: TELESCOP, OBS_ID, OBS_MODE, RA_PNT and so on.
        date : datetime, UTC, when it was created
        """
        meta = cls.created_at(date)
        meta.obs_info = [ObsInfoMetaData.from_header(keywords)]
        meta.pointing = [PointingInfoMetaData.from_header(keywords)]
        return meta

    def renewed(self) -> "MapDatasetMetaData":
        """Return a copy with the present time; a creator that is a program becomes this one, another one stays."""
        new = CreatorMetaData(origin=None if self.creation is None else self.creation.origin)
        creator = None if self.creation is None else self.creation.creator
        if creator is not None and not creator.startswith(("lightpool", "Gammapy")):
            new.creator = creator
        return replace(self, creation=new)

    def stack(self, other: "MapDatasetMetaData") -> "MapDatasetMetaData":
        """Return the metadata of a stack: who created the first of two datasets; all else may differ between them.

        Parameters
        ----------
        other : MapDatasetMetaData
        """
        return type(self)(creation=self.creation)

    @property
    def creation_header(self) -> dict[str, MetaValue]:
        """FITS keywords of the creator."""
        return {} if self.creation is None else self.creation.to_header()

    def _keywords(self) -> dict[str, MetaValue]:
        """Return the keywords of the primary header: of the creation, of one observation, of one type of events."""
        header = self.creation_header
        for part in (self.obs_info, self.pointing):
            if isinstance(part, ObsInfoMetaData | PointingInfoMetaData):
                header |= part.to_header()
        if isinstance(self.event_type, str):
            header["EVT_TYPE"] = self.event_type
        return header

    @classmethod
    def _of_keywords(cls, header: Mapping[str, Any]) -> Self:
        """Read the keywords that `to_header` returns."""
        parts: dict[str, Any] = {"creation": CreatorMetaData.from_header(header)}
        readers: dict[str, tuple[str, Callable[[Mapping[str, Any]], MetaData]]] = {
            "obs_info": ("OBS_ID", ObsInfoMetaData.from_header),
            "pointing": ("RA_PNT", PointingInfoMetaData.from_header),
        }
        parts |= {name: read(header) for name, (key, read) in readers.items() if key in header}
        return cls(**parts, event_type=header.get("EVT_TYPE"))


def read_meta_table(hdu: BinTableHDU) -> Table:
    """Read the table of the observations of a dataset from its HDU, ``META_TABLE``."""
    known = table_in_file(hdu)
    table = Table.read(hdu) if known is None else known.to_table()
    table.convert_bytestring_to_unicode()
    # Keywords of the HDU, such as EXTNAME, are not metadata of the observations.
    table.meta.clear()
    for column in table.itercols():
        # FITS is big-endian, a byte order that some libraries do not accept.
        if not column.dtype.isnative:
            table[column.name] = column.astype(column.dtype.newbyteorder("="))
    return table
