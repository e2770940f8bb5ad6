"""Several maps of one geometry, by name."""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, Self

from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, accepts_gammapy
from lightpool.fits import HDUList, PrimaryHDU, parsing, read_fits, require_kind, write_fits
from lightpool.maps.core import Map
from lightpool.maps.fits_format import MAP_KINDS
from lightpool.maps.geoms.geom import Geom
from lightpool.typing import PathInput
from lightpool.utils.html import Card, Html, Section, ShownInNotebooks, listed, nested
from lightpool.utils.text import number_of

__all__ = ["Maps"]


class Maps(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks, MutableMapping[str, Map]):
    """Dictionary of maps of one geometry.

    Parameters
    ----------
    **kwargs : Map
    """

    def __init__(self, **kwargs: Map) -> None:
        self._geom: Geom | None = None
        self._data: dict[str, Map] = {}
        for key, value in kwargs.items():
            self[key] = value

    @property
    def geom(self) -> Geom | None:
        """Geometry of the maps, None if there are none."""
        return self._geom

    @accepts_gammapy
    def __setitem__(self, key: str, value: Map) -> None:
        if value is not None:
            if not isinstance(value, Map):
                raise TypeError(f"Maps can only contain Map objects, got {type(value).__name__} for {key!r}")
            self._geom = value.geom
        self._data[key] = value

    def __getattr__(self, name: str) -> Map:
        """Return a map by its name, as an attribute too: results of an estimator have them in Gammapy."""
        if name.startswith("_") or name not in self._data:
            raise AttributeError(f"{type(self).__name__} has no attribute and no map {name!r}", name=name, obj=self)
        return self._data[name]

    def __getitem__(self, key: str) -> Map:
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

    def html_card(self) -> Card:
        """Return what notebooks show of the maps."""

        def each() -> Html:
            return listed([*self.items()], lambda _, item: nested(item[1].html_card, item[0]))

        geom, n_map = self._geom, len(self)
        words = number_of(n_map, "map")
        shared = Section("Geometry", lambda: Html("") if geom is None else nested(geom.html_card))
        return Card(type(self).__name__, "", [words], [Section("Maps", each, ", ".join(self), is_open=True), shared])

    @classmethod
    @accepts_gammapy
    def from_geom(cls, geom: Geom, names: Sequence[str], kwargs_list: Sequence[dict[str, Any]] | None = None) -> Self:
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
        """Return the HDUs of the maps; reads their data to the host.

        Parameters
        ----------
        hdu_bands : str, optional
            Name of the table of the bins, which the maps share; with None each map has its own.
        """
        hdus = [PrimaryHDU()]
        for key, m in self.items():
            # [1:]: without the primary HDU of each map
            hdus += m.to_hdulist(hdu=key, hdu_bands=hdu_bands)[1:]
        return HDUList(hdus)

    @classmethod
    def from_hdulist(cls, hdulist: HDUList, hdu_bands: str | None = "BANDS") -> Self:
        """Make maps from the images and HEALPix tables in HDUs, with their names in lower case.

        Parameters
        ----------
        hdulist : HDUList
        hdu_bands : str, optional
            Name of the table of the bins; None if each map has its own.
        """
        maps = cls()
        for hdu in hdulist:
            is_image = hdu.is_image and hdu.header.get("NAXIS", 0) > 0
            if is_image or hdu.header.get("PIXTYPE") == "HEALPIX":
                name = hdu.name.lower()
                bands = hdu_bands if hdu_bands is not None and hdu_bands in hdulist else None
                maps[name] = Map.from_hdulist(hdulist, hdu=name, hdu_bands=bands)
        return maps

    @classmethod
    def read(cls, filename: PathInput, checksum: bool = False) -> Self:
        """Read maps from a FITS file, with their names in lower case.

        Parameters
        ----------
        filename : str or Path
        checksum : bool
            Whether to verify the checksums in the file.
        """
        file = read_fits(filename, in_pieces=True)
        require_kind(file, "Maps.read", *MAP_KINDS, takes_unknown=True)
        with parsing(filename):
            hdulist = file.hdulist
            if checksum:
                file.verify_checksums()
            return cls.from_hdulist(hdulist)

    def write(self, filename: PathInput, overwrite: bool = False, checksum: bool = False) -> None:
        """Write the maps to a FITS file; reads their data to the host.

        Parameters
        ----------
        filename : str or Path
        overwrite : bool
        checksum : bool
            Whether to write checksums.
        """
        write_fits(self.to_hdulist(), filename, overwrite=overwrite, checksum=checksum)
