"""The map: data on a geometry, with a unit."""

import abc
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, find_device, require_device
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.devices.precision import DTYPES, find_precision
from lightpool.arrays.kernels.accumulation import add_product
from lightpool.fits import HDUList, parsing, read_fits, require_kind, write_fits
from lightpool.maps.event_counts import event_counts
from lightpool.maps.fits_format import MAP_KINDS, find_map_type, verify_checksums
from lightpool.maps.map_data import unit_factor
from lightpool.maps.operators import MapOperators
from lightpool.maps.reshaping import MapReshaping

__all__ = ["Map"]


class Map(MapOperators, MapReshaping, abc.ABC):
    """Map on the sky with any number of further axes; `WcsNDMap` and `RegionNDMap` are the two kinds.

    `Map.create`, `Map.from_geom` and `Map.read` choose the kind.
    """

    _kinds: ClassVar[dict[str, type["Map"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.geom_class is not None:
            Map._kinds.setdefault("region" if cls.geom_class.is_region else "wcs", cls)

    @staticmethod
    def create(**kwargs: Any) -> "Map":
        """Make an empty map.

        Parameters
        ----------
        map_type : ``wcs`` (default) or ``region``
        dtype : str, optional
            Data type of an empty map, by default that of the default precision: float64.
        unit : str or Unit
        meta : dict
        device : str or Device, default the default device
        **kwargs : dict
            For ``wcs`` the arguments of `WcsGeom.create`: ``npix, binsz, width, proj, frame, refpix, axes, skydir``;
            pixels are 0.1 deg wide by default.
            For ``region`` those of `RegionGeom.create`: ``region, axes, wcs, binsz_wcs``, and ``data``.
        """
        map_type = kwargs.pop("map_type", "wcs")
        kind = Map._kind(map_type)
        values = {name: kwargs.pop(name) for name in ("dtype", "meta", "unit", "device", "data") if name in kwargs}
        if not kind.geom_class.is_region:
            kwargs.setdefault("binsz", 0.1)  # as in Gammapy, whose geometries have another default than its maps
        return kind(kind.geom_class.create(**kwargs), **values)

    @staticmethod
    def _kind(map_type: str) -> type["Map"]:
        if map_type not in Map._kinds:
            raise ValueError(f"Unrecognized map type: {map_type!r}; it must be one of {sorted(Map._kinds)}")
        return Map._kinds[map_type]

    @staticmethod
    def from_geom(
        geom: Any,
        meta: dict[str, Any] | None = None,
        data: Any = None,
        unit: Any = "",
        dtype: Any = None,
        device: str | Device | None = None,
    ) -> "Map":
        """Make a map of a geometry.

        Parameters
        ----------
        geom : Geom
        meta : dict, optional
        data : array, Quantity or number, optional
            An array on a device stays there; host data go to ``device``.
        unit : str or Unit
        dtype : str, optional
            Data type of an empty map, or of one that is made of a number; by default that of the default precision.
        device : str or Device, optional
            By default the default device.
        """
        for kind in Map._kinds.values():
            if isinstance(geom, kind.geom_class):
                return kind(geom, data=data, dtype=dtype, meta=meta, unit=unit, device=device)
        raise TypeError(f"expected a geometry of maps, got {type(geom).__name__}")

    @staticmethod
    def from_events(geom: Any, events: Any, device: str | Device | None = None, precision: str | None = None) -> "Map":
        """Make a counts map of events.

        Parameters
        ----------
        geom : Geom
        events : EventList
        device, precision : where the map is made and how exact, the default ones if not given
        """
        precision = find_precision(precision)
        if geom.is_allsky:  # its pixels off the sky are NaN, not zero
            counts = Map.from_geom(geom, dtype=precision, device=device)
            counts.fill_events(events)
            return counts
        target = find_device(device)
        counts = event_counts(events, geom, target)
        return Map.from_geom(geom, data=as_dtype(counts, DTYPES[precision]), device=target)

    def _from_geom(self, geom: Any, **kwargs: Any) -> "Map":
        return Map.from_geom(geom, **kwargs)

    @staticmethod
    def read(
        filename: str | Path,
        hdu: str | int | None = None,
        hdu_bands: str | int | None = None,
        map_type: str = "auto",
        format: str | None = None,
        checksum: bool = False,
        device: str | Device | None = None,
    ) -> "Map":
        """Read a map from a FITS file.

        Parameters
        ----------
        filename : str or Path
        hdu : str or int, optional
            HDU of the data; by default the first one with data.
        hdu_bands : str or int, optional
            HDU of the axes; by default the one that the data name.
        map_type : ``auto``, ``wcs`` or ``region``
        format : str, optional
            Layout; by default told by the HDUs.
        checksum : bool
            Whether to check the checksums in the file.
        device : str or Device, optional
        """
        file = read_fits(filename)
        if hdu is None:
            require_kind(file, "Map.read", *MAP_KINDS, takes_unknown=True)
        with parsing(filename):
            hdulist = file.hdulist
            if checksum:
                verify_checksums(hdulist, filename)
            return Map.from_hdulist(hdulist, hdu, hdu_bands, map_type, format=format, device=device)

    @staticmethod
    def from_hdulist(
        hdulist: HDUList,
        hdu: str | int | None = None,
        hdu_bands: str | int | None = None,
        map_type: str = "auto",
        format: str | None = None,
        device: str | Device | None = None,
    ) -> "Map":
        """Make a map from HDUs; arguments as in `read`."""
        if map_type == "auto":
            map_type = find_map_type(hdulist, hdu)
        return Map._kind(map_type)._from_hdulist(hdulist, hdu=hdu, hdu_bands=hdu_bands, format=format, device=device)

    @classmethod
    @abc.abstractmethod
    def _from_hdulist(cls, hdulist: HDUList, **kwargs: Any) -> "Map":
        """Map in an HDU."""

    @abc.abstractmethod
    def to_hdulist(self, *, hdu: str | None = None, hdu_bands: str | None = None, format: str = "gadf") -> HDUList:
        """HDUs of the map."""

    def write(self, filename: str | Path, overwrite: bool = False, checksum: bool = False, **kwargs: Any) -> None:
        """Write the map to a FITS file; reads the data from their device.

        Parameters
        ----------
        filename : str or Path
        overwrite : bool
        checksum : bool
            Whether to write checksums.
        **kwargs : dict, passed to `to_hdulist`
        """
        write_fits(self.to_hdulist(**kwargs), filename, overwrite=overwrite, checksum=checksum)

    def stack(self, other: Any, weights: Any = None, nan_to_num: bool = True) -> None:
        """Add another map in place; masks are united.

        Parameters
        ----------
        other : Map, of the same pixels or of a cutout of them; of regions, one with the same axes
        weights : Map, optional
            Factors, such as a mask, on the pixels of the other map; axes of one bin spread.
        nan_to_num : bool
            Whether to add zero where the other map is not finite.

        Raises
        ------
        GeometryError
            If the pixels are not the same.
        DeviceError
            If the maps do not live on one device.
        """
        self.stack_product([other], weights, nan_to_num)

    def stack_product(
        self, maps: Sequence[Any], weights: Any = None, nan_to_num: bool = True, factors: Sequence[Array] = ()
    ) -> None:
        """Add the product of some maps in place, without making it as a whole.

        Parameters
        ----------
        maps : sequence of Map, of which the first has all axes of this one; the others may have one bin in place
        weights, nan_to_num : see `stack`
        factors : further arrays, one number for all pixels of an image plane: they have one bin in place of its rows
            and columns
        """
        geom, weights_geom = maps[0].geom, None if weights is None else weights.geom
        windows = self._windows_of(geom, weights_geom)
        parts = [*maps, *([] if weights is None else [weights])]
        for part in parts:
            require_device(self.device, part.device)
        factor = unit_factor(math.prod((values.unit for values in maps[1:]), start=maps[0].unit), self._unit)
        for parent, window in windows:
            first, *rest = (part._held[window] for part in parts)
            product = [first, *(x.values() if isinstance(x, LazyArray) else x for x in rest), *factors]
            add_product(self._data, product if factor == 1 else [*product, factor], parent, nan_to_num=nan_to_num)

    @abc.abstractmethod
    def _windows_of(self, geom: Any, weights_geom: Any) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """Indices, on this map and on another geometry, of the pixels that they share; a pair for each end."""

    @abc.abstractmethod
    def cutout(self, position: Any, width: Any, mode: str = "trim", odd_npix: bool = False, min_npix: int = 1) -> Self:
        """Copy of a part of the map."""

    @abc.abstractmethod
    def downsample(
        self, factor: int | None, preserve_counts: bool = True, axis_name: str | None = None, weights: Any = None
    ) -> Self:
        """Map with bins put together."""

    @abc.abstractmethod
    def upsample(
        self, factor: int | None, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None
    ) -> Self:
        """Map with bins cut into several."""

    @abc.abstractmethod
    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the map."""

    @abc.abstractmethod
    def plot_mask(self, ax: Any = None, **kwargs: Any) -> Any:
        """Shade a mask."""
