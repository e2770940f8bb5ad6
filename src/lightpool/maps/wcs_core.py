"""Maps with pixels on the sky: how they are made, and their files."""

from collections.abc import Sequence
from typing import Any, Self

from astropy.coordinates import SkyCoord
from numpy.typing import DTypeLike

from lightpool.arrays.devices.devices import Device
from lightpool.bridge import accepts_gammapy
from lightpool.fits import BinTableHDU, HDUList
from lightpool.maps.axes.axes import AxesLike
from lightpool.maps.core import Map
from lightpool.maps.fits_format import wcs_hdu_arguments, wcs_map_arguments, wcs_map_hdu, wcs_map_hdulist
from lightpool.maps.geoms.map_hdus import AnyHDU
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.map_kinds import kind_by_name
from lightpool.maps.wcs_header import NpixLike, SizeLike
from lightpool.typing import FrameLike, UnitLike

__all__ = ["WcsMap"]


class WcsMap(Map):
    """Base class of maps with pixels on the sky; `lightpool.maps.WcsNDMap` is the only one."""

    _geom: WcsGeom

    @property
    def geom(self) -> WcsGeom:
        """Geometry of the map."""
        return self._geom

    @classmethod
    @accepts_gammapy
    def create(  # type: ignore[override]
        cls,
        map_type: str = "wcs",
        npix: "NpixLike | None" = None,
        binsz: SizeLike = 0.1,
        width: "SizeLike | None" = None,
        proj: str = "CAR",
        frame: FrameLike = "icrs",
        refpix: Sequence[float] | None = None,
        axes: AxesLike = None,
        skydir: SkyCoord | tuple[float, float] | None = None,
        dtype: DTypeLike | None = None,
        meta: dict[str, Any] | None = None,
        unit: UnitLike = "",
        device: str | Device | None = None,
    ) -> "WcsMap":
        """Make an empty map.

        Parameters
        ----------
        map_type : ``wcs``
        npix, binsz, width, proj, frame, refpix, axes, skydir
            As in `WcsGeom.create`; pixels are 0.1 deg wide by default.
        dtype : str, optional
            By default that of the default precision.
        meta : dict, optional
        unit : str or Unit
        device : str or Device, optional
            By default the default device.
        """
        if map_type != "wcs":
            raise ValueError(f"Invalid map type: {map_type!r}; sparse maps are not supported, use 'wcs'")
        geom = WcsGeom.create(npix, binsz, proj, frame, refpix, axes, skydir, width)
        made: WcsMap = kind_by_name("wcs")(geom, dtype=dtype, meta=meta, unit=unit, device=device)
        return made

    @classmethod
    def from_hdulist(  # type: ignore[override]
        cls,
        hdu_list: HDUList,
        hdu: str | int | None = None,
        hdu_bands: str | int | None = None,
        format: str | None = None,
        device: str | Device | None = None,
    ) -> "WcsMap":
        """Make a map from HDUs.

        Parameters
        ----------
        hdu_list : HDUList
        hdu, hdu_bands, format, device
            As in `Map.read`.
        """
        return cls._from_hdulist(hdu_list, hdu=hdu, hdu_bands=hdu_bands, format=format, colname=None, device=device)

    @classmethod
    def _from_hdulist(
        cls,
        hdulist: HDUList,
        hdu: str | int | None,
        hdu_bands: str | int | None,
        format: str | None,
        colname: str | None,
        device: str | Device | None,
    ) -> Self:
        return cls(**wcs_map_arguments(hdulist, hdu, hdu_bands, format), device=device)

    @classmethod
    def from_hdu(
        cls,
        hdu: AnyHDU,
        hdu_bands: BinTableHDU | None = None,
        format: str | None = None,
        device: str | Device | None = None,
    ) -> Self:
        """Make a map from its HDU.

        Parameters
        ----------
        hdu : ImageHDU, PrimaryHDU, or BinTableHDU of sparse data
        hdu_bands : BinTableHDU, optional
            Table of the axes.
        format : str, optional
            As in `Map.read`; the layout is found from the name of the table by default.
        device : str or Device, optional
            By default the default device.
        """
        return cls(**wcs_hdu_arguments(hdu, hdu_bands, format), device=device)

    def to_hdu(self, hdu: str = "SKYMAP", hdu_bands: str | None = None, sparse: bool = False) -> AnyHDU:
        """Return the HDU of the data, with their unit and metadata.

        Parameters
        ----------
        hdu : str
            Name; ``PRIMARY`` makes it the first one of a file.
        hdu_bands : str, optional
            Name of the table of the axes, for the keyword BANDSHDU.
        sparse : bool
            Whether to write a table of the pixels that are not zero.
        """
        return wcs_map_hdu(self, hdu.upper(), hdu_bands=hdu_bands, sparse=sparse)

    def to_hdulist(
        self,
        hdu: str | None = None,
        hdu_bands: str | None = None,
        sparse: bool = False,
        format: str = "gadf",
    ) -> HDUList:
        """Return the HDUs of the map: the data and, with axes, a table of their bins.

        Parameters
        ----------
        hdu : str, optional
            Name of the data; by default ``PRIMARY``, or ``SKYMAP`` for sparse data.
        hdu_bands : str, optional
            Name of the table; by default the name of the data followed by ``_BANDS``.
        sparse : bool
            Whether to write a table of the pixels that are not zero.
        format : ``gadf``, or ``fgst-ccube``, ``fgst-template`` or ``fgst-bexpcube`` of the Fermi tools
            Counts in a table EBOUNDS, or values at the energies of a table ENERGIES.
        """
        return wcs_map_hdulist(self, hdu=hdu, hdu_bands=hdu_bands, sparse=sparse, format=format)
