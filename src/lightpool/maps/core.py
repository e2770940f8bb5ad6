"""The map: data on a geometry, with a unit."""

from pathlib import Path
from typing import Any, ClassVar

from lightpool.arrays.devices import Device
from lightpool.arrays.promotion import apply_operator, as_dtype, dtype_name, is_floating
from lightpool.arrays.typing import Array
from lightpool.fits import HDUList, read_fits, write_fits
from lightpool.maps.fits_format import find_map_type, verify_checksums
from lightpool.maps.map_data import unit_factor
from lightpool.maps.operators import MapOperators
from lightpool.maps.reshaping import MapReshaping

__all__ = ["Map"]


class Map(MapOperators, MapReshaping):
    """Map on the sky with any number of further axes; `WcsNDMap` and `RegionNDMap` are the two kinds.

    `Map.create`, `Map.from_geom` and `Map.read` choose the kind.
    """

    _kinds: ClassVar[dict[str, type["Map"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.geom_class is not None:
            Map._kinds.setdefault("region" if cls.geom_class.is_region else "wcs", cls)

    @staticmethod
    def create(**kwargs: Any) -> Any:
        """Make an empty map.

        Parameters
        ----------
        map_type : ``wcs`` (default) or ``region``
        dtype : str, default ``float64``
        unit : str or Unit
        meta : dict
        device : str or Device, default the default device
        **kwargs : dict
            For ``wcs`` the arguments of `WcsGeom.create`: ``npix, binsz, width, proj, frame, refpix, axes, skydir``.
            For ``region`` those of `RegionGeom.create`: ``region, axes, wcs, binsz_wcs``, and ``data``.
        """
        map_type = kwargs.pop("map_type", "wcs")
        kind = Map._kind(map_type)
        values = {name: kwargs.pop(name) for name in ("dtype", "meta", "unit", "device", "data") if name in kwargs}
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
        dtype: Any = "float64",
        device: str | Device | None = None,
    ) -> Any:
        """Make a map of a geometry.

        Parameters
        ----------
        geom : Geom
        meta : dict, optional
        data : array, Quantity or number, optional
            An array on a device stays there; host data go to ``device``.
        unit : str or Unit
        dtype : str
            Data type of an empty map.
        device : str or Device, optional
            By default the default device.
        """
        for kind in Map._kinds.values():
            if isinstance(geom, kind.geom_class):
                return kind(geom, data=data, dtype=dtype, meta=meta, unit=unit, device=device)
        raise TypeError(f"expected a geometry of maps, got {type(geom).__name__}")

    def _from_geom(self, geom: Any, **kwargs: Any) -> Any:
        return Map.from_geom(geom, **kwargs)

    @staticmethod
    def read(
        filename: str | Path,
        hdu: str | int | None = None,
        hdu_bands: str | int | None = None,
        map_type: str = "auto",
        format: str | None = None,  # noqa: A002
        checksum: bool = False,
        device: str | Device | None = None,
    ) -> Any:
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
        hdulist = read_fits(filename).hdulist
        if checksum:
            verify_checksums(hdulist, filename)
        return Map.from_hdulist(hdulist, hdu, hdu_bands, map_type, format=format, device=device)

    @staticmethod
    def from_hdulist(
        hdulist: HDUList,
        hdu: str | int | None = None,
        hdu_bands: str | int | None = None,
        map_type: str = "auto",
        format: str | None = None,  # noqa: A002
        device: str | Device | None = None,
    ) -> Any:
        """Make a map from HDUs; arguments as in `read`."""
        if map_type == "auto":
            map_type = find_map_type(hdulist, hdu)
        return Map._kind(map_type)._from_hdulist(hdulist, hdu=hdu, hdu_bands=hdu_bands, format=format, device=device)

    @classmethod
    def _from_hdulist(cls, hdulist: HDUList, **kwargs: Any) -> Any:
        raise TypeError(f"{cls.__name__} has no FITS layout; use Map.from_hdulist")

    def to_hdulist(self, **kwargs: Any) -> HDUList:
        """HDUs of the map."""
        raise TypeError(f"{type(self).__name__} has no FITS layout")

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

    def _values_to_stack(self, other: Any, values: Array, weights: Array | None, nan_to_num: bool) -> Array:
        """Values of another map in the unit and type of this one, zero where not finite, times weights."""
        xp = self._xp
        factor = unit_factor(other.unit, self._unit)
        if factor != 1:
            values = apply_operator("multiply", values, factor)
        if nan_to_num and is_floating(values):
            values = xp.where(xp.isfinite(values), values, xp.zeros_like(values))
        if weights is not None:
            values = apply_operator("multiply", values, weights)
        return as_dtype(values, dtype_name(self._data))

    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """Draw the map; see the kinds of maps."""
        raise TypeError(f"{type(self).__name__} cannot be drawn")

    def plot_grid(self, figsize: Any = None, ncols: int = 3, **kwargs: Any) -> Any:
        """Draw one image for each bin of the axis.

        Parameters
        ----------
        figsize : pair of float, optional
        ncols : int
            Number of columns.
        **kwargs : dict, passed to `WcsNDMap.plot`

        Returns
        -------
        axes : array of matplotlib axes
        """
        from lightpool.plot.maps import plot_grid  # matplotlib is heavy and optional

        return plot_grid(self, figsize=figsize, ncols=ncols, **kwargs)
