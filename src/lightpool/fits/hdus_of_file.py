"""The HDUs of a file as astropy objects, whose values are taken from the bytes that are in memory already.

astropy copies the values of an image twice, and to find an HDU by its name it reads the headers of those before it.
Of a dataset with many maps, both take longer than the rest of reading it.
"""

import math
from dataclasses import dataclass
from typing import Any, Self, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from astropy.io import fits
from numpy.typing import DTypeLike, NDArray

from lightpool.fits.ascii_table import check_ascii_table, read_ascii_table
from lightpool.fits.columns import name_of_column
from lightpool.fits.large_file import FileBytes
from lightpool.fits.layout import structure_text
from lightpool.fits.scan import HduInfo
from lightpool.fits.table import TableData, read_columns

__all__ = ["BytesOfHdu", "HDUsOfFile", "column_names_of_hdu", "detached", "image_values", "table_in_file"]

_AnyHDU: TypeAlias = fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU

_SCALING = ("BSCALE", "BZERO", "BLANK")
"""Images with one of these are left to astropy (FITS standard 4.0, 4.4.2.5)."""

_TYPES_IN_FILE = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""Type of the values of an image by BITPIX (FITS standard 4.0, 4.4.1.1)."""


@dataclass(frozen=True)
class BytesOfHdu:
    """Where the bytes of an HDU are.

    Attributes
    ----------
    buffer : bytes or LargeFile, the whole file
    info : HduInfo
    source : str, the name of the file, for messages
    """

    buffer: FileBytes
    info: HduInfo
    source: str

    def table(self) -> TableData:
        """Return the table of the HDU, which must be one and be complete."""
        info = self.info
        if info.kind == "BINTABLE":
            buffer, start = self.buffer, info.data_start
            if not isinstance(buffer, bytes):
                buffer, start = buffer[info.data_start : info.data_end], 0
            columns, masks = read_columns(buffer, start, info.cards, info.layout, info.where)
        else:
            check_ascii_table(info.cards.values, info.layout, info.where)
            columns, masks = read_ascii_table(self.buffer[info.start : info.end], info.where), {}
        units = dict.fromkeys(columns, "")
        units |= info.cards.once("units", self._units)
        header = dict(info.cards.values)
        return TableData(columns, units, header, masks, info.name, self.source, info.layout.shape[1], info.cards)

    def _units(self) -> dict[str, str]:
        """Return the units that the header of a table gives, by the names of its columns."""
        header, where, units = self.info.cards.values, self.info.where, dict[str, str]()
        for i in range(1, self.info.layout.n_field + 1):
            unit = structure_text(header, f"TUNIT{i}", where, "")
            if unit:
                units[name_of_column(header, i, where)] = unit
        return units

    def image(self) -> NDArray[Any] | None:
        """Return the values of an image, in the byte order of the file if it is in memory; None if astropy has to."""
        layout, values = self.info.layout, self.info.cards.values
        bitpix = int(values["BITPIX"])
        # Random groups have more values than the sides of the array say.
        is_plain = math.prod(layout.shape) * abs(bitpix) == 8 * layout.data_size and len(layout.shape) > 0
        if layout.kind not in ("PRIMARY", "IMAGE") or not is_plain or any(key in values for key in _SCALING):
            return None
        place = _TYPES_IN_FILE[bitpix], math.prod(layout.shape), self.info.data_start
        flat = np.frombuffer(self.buffer, *place) if isinstance(self.buffer, bytes) else self.buffer.numbers(*place)
        return flat.reshape(layout.shape[::-1])


# The bytes know nothing of the HDUs, so that both are freed as soon as nobody needs them.
_BYTES: "WeakKeyDictionary[_AnyHDU, BytesOfHdu]" = WeakKeyDictionary()


class HDUsOfFile(fits.HDUList):
    """The HDUs of a file. None may be added, removed or renamed: the places of names are remembered."""

    _places: dict[str, int] | None = None

    @classmethod
    def linked(cls, hdulist: fits.HDUList, parts: list[BytesOfHdu]) -> Self:
        """Make a list of HDUs that know their bytes.

        Parameters
        ----------
        hdulist : HDUList
        parts : list of BytesOfHdu, one for each HDU
        """
        hdus = cls(list(hdulist))
        hdus._places = {"PRIMARY": 0}
        for number, part in enumerate(parts):
            hdus._places.setdefault(part.info.name.upper(), number)
        _BYTES.update(zip(hdus, parts, strict=True))
        return hdus

    def index_of(self, key: Any) -> int:
        """Return the number of an HDU by its name, as `astropy.io.fits.HDUList.index_of`."""
        if self._places is None or not isinstance(key, str):
            return super().index_of(key)
        try:
            return self._places[key.strip().upper()]
        except KeyError:
            raise KeyError(f"Extension {key!r} not found.") from None


def _unchanged(hdu: _AnyHDU) -> BytesOfHdu | None:
    """Return the bytes of an HDU of a file; None if it has another origin, or its data or columns were used."""
    # astropy keeps the data and the columns of an HDU under these names once they are loaded or set
    return None if "data" in vars(hdu) or "columns" in vars(hdu) else _BYTES.get(hdu)


def detached(hdu: _AnyHDU) -> _AnyHDU:
    """Return an HDU that users may change: from now on astropy gives its values.

    Parameters
    ----------
    hdu : HDU of a file
    """
    _BYTES.pop(hdu, None)
    return hdu


def image_values(hdu: _AnyHDU, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return a copy of the values of an image.

    Parameters
    ----------
    hdu : PrimaryHDU or ImageHDU
    dtype : by default that in the file, in the byte order of this machine
    """
    source = _unchanged(hdu)
    found = None if source is None else source.image()
    values = np.asarray(hdu.data) if found is None else found
    is_own = found is not None and values.flags.writeable  # read from disk a moment ago
    return values.astype(values.dtype.newbyteorder("=") if dtype is None else dtype, copy=not is_own)


def table_in_file(hdu: fits.BinTableHDU) -> TableData | None:
    """Return the table of an HDU as plain arrays; None if it does not come from a file.

    Parameters
    ----------
    hdu : BinTableHDU
    """
    source = _unchanged(hdu)
    return source.table() if source is not None and source.info.layout.is_table else None


def column_names_of_hdu(hdu: fits.BinTableHDU) -> list[str]:
    """Return the names of the columns of a table.

    Parameters
    ----------
    hdu : BinTableHDU
    """
    source = _unchanged(hdu)
    if source is None or not source.info.layout.is_table:
        return list(hdu.columns.names)
    header, where = source.info.cards.values, source.info.where
    return [name_of_column(header, i, where) for i in range(1, source.info.layout.n_field + 1)]
