"""Several maps of one geometry, by name."""

import html
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Self

from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.attributes import KnownAttributes
from lightpool.fits import HDUList, PrimaryHDU, parsing, read_fits, require_kind, write_fits
from lightpool.maps.core import Map
from lightpool.maps.fits_format import MAP_KINDS, verify_checksums

__all__ = ["Maps"]


class Maps(KnownAttributes, MutableMapping[str, Any]):
    """Dictionary of maps of one geometry.

    Parameters
    ----------
    **kwargs : Map
    """

    def __init__(self, **kwargs: Any) -> None:
        self._geom: Any = None
        self._data: dict[str, Any] = {}
        for key, value in kwargs.items():
            self[key] = value

    @property
    def geom(self) -> Any:
        """Geometry of the maps."""
        return self._geom

    def __setitem__(self, key: str, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Map):
                raise TypeError(f"Maps can only contain Map objects, got {type(value).__name__} for {key!r}")
            self._geom = value.geom
        self._data[key] = value

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __delitem__(self, key: str) -> None:
        del self._data[key]

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._data})"

    def __str__(self) -> str:
        name = type(self).__name__
        text = f"{name}\n{'-' * len(name)}\n\n{self._geom!r}\n"
        for key, value in self.items():
            text += f"{key} \n\t unit\t : {value.unit} \n\t dtype\t : {dtype_name(value.data)}\n\n"
        return text

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    @classmethod
    def from_geom(cls, geom: Any, names: Sequence[str], kwargs_list: Sequence[dict[str, Any]] | None = None) -> Self:
        """Make empty maps of one geometry.

        Parameters
        ----------
        geom : Geom
        names : sequence of str
        kwargs_list : sequence of dict, optional
            Arguments of `Map.from_geom` for each map.
        """
        options: Sequence[dict[str, Any]] = [{}] * len(names) if kwargs_list is None else kwargs_list
        return cls(**{name: Map.from_geom(geom, **kwargs) for name, kwargs in zip(names, options, strict=True)})

    def to_hdulist(self, hdu_bands: str | None = "BANDS") -> HDUList:
        """HDUs of the maps; reads their data.

        Parameters
        ----------
        hdu_bands : str, optional
            Name of the table of the bins, which the maps share; None gives each map its own.
        """
        hdus = [PrimaryHDU()]
        for key, m in self.items():
            hdus += m.to_hdulist(hdu=key, hdu_bands=hdu_bands)[1:]
        return HDUList(hdus)

    @classmethod
    def from_hdulist(cls, hdulist: HDUList, hdu_bands: str | None = "BANDS") -> Self:
        """Make maps from the images in HDUs; their names become lower-case.

        Parameters
        ----------
        hdulist : HDUList
        hdu_bands : str, optional
            Name of the table of the bins; None where each map has its own.
        """
        maps = cls()
        for hdu in hdulist:
            if hdu.is_image and hdu.header.get("NAXIS", 0) > 0:
                name = hdu.name.lower()
                bands = hdu_bands if hdu_bands is not None and hdu_bands in hdulist else None
                maps[name] = Map.from_hdulist(hdulist, hdu=name, hdu_bands=bands)
        return maps

    @classmethod
    def read(cls, filename: str | Path, checksum: bool = False) -> Self:
        """Read maps from a FITS file; their names become lower-case."""
        file = read_fits(filename)
        require_kind(file, "Maps.read", *MAP_KINDS, takes_unknown=True)
        with parsing(filename):
            hdulist = file.hdulist
            if checksum:
                verify_checksums(hdulist, filename)
            return cls.from_hdulist(hdulist)

    def write(self, filename: str | Path, overwrite: bool = False, checksum: bool = False) -> None:
        """Write maps to a FITS file."""
        write_fits(self.to_hdulist(), filename, overwrite=overwrite, checksum=checksum)
