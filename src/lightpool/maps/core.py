"""The map: data on a geometry, with a unit."""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypedDict, Unpack, cast

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lightpool.arrays.devices.devices import Device, find_device, to_host
from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.devices.precision import DTYPES, find_precision
from lightpool.bridge import accepted, accepts_gammapy
from lightpool.fits import HDUList, parsing, read_fits, require_kind, write_fits
from lightpool.maps.access import Interpolation
from lightpool.maps.axes.axes_format import AnyAxis
from lightpool.maps.coord import MapCoord
from lightpool.maps.event_counts import Events, counts_of_map
from lightpool.maps.fits_format import MAP_KINDS, find_map_type
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.map_data import MapData, Values
from lightpool.maps.map_kinds import kind_by_name, map_class, register_kind
from lightpool.maps.operators import Operand
from lightpool.maps.products import dot_product
from lightpool.maps.reprojection import reprojected, reprojected_images
from lightpool.maps.reshaping import MapReshaping
from lightpool.maps.sampling import RandomStateLike, sampled_coords
from lightpool.maps.stacking import MapStacking
from lightpool.typing import AngleLike, Axes, FrameLike, PathInput, RegionLike, UnitLike

__all__ = ["Map", "MapOptions"]


class MapOptions(TypedDict, total=False):
    """Arguments of `Map.create`."""

    map_type: str
    dtype: DTypeLike | None
    unit: UnitLike
    meta: dict[str, Any] | None
    device: str | Device | None
    data: Values | None
    axes: Sequence[AnyAxis] | None
    npix: int | tuple[int, int] | None
    binsz: "AngleLike | tuple[AngleLike, AngleLike]"
    nside: ArrayLike | None
    nest: bool
    width: "AngleLike | tuple[AngleLike, AngleLike] | None"
    proj: str
    frame: FrameLike
    refpix: Sequence[float] | None
    skydir: SkyCoord | tuple[float, float] | None
    region: RegionLike
    wcs: WCS | None
    binsz_wcs: AngleLike


class Map(MapStacking, MapReshaping, abc.ABC):
    """Map of the sky with any number of further axes; `WcsNDMap`, `HpxNDMap` and `RegionNDMap` are the kinds.

    `Map.create`, `Map.from_geom` and `Map.read` choose the kind.
    """

    tag = "map"
    geom_class: ClassVar[type[Any]]
    """Class of the geometry, of each kind."""

    @property
    def geom(self) -> WcsGeom | RegionGeom:
        """Geometry of the map."""
        return cast("WcsGeom | RegionGeom", self._geom)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # only classes that state it themselves, not those derived from one that does
        if "geom_class" in vars(cls):
            register_kind("region" if cls.geom_class.is_region else "hpx" if cls.geom_class.is_hpx else "wcs", cls)

    @staticmethod
    @accepts_gammapy
    def create(**kwargs: Unpack[MapOptions]) -> "Map":
        """Make an empty map.

        Parameters
        ----------
        map_type : ``wcs`` (default), ``hpx`` or ``region``
        dtype : str, optional
            Data type, by default that of the default precision: float64.
        unit : str or Unit
        meta : dict
        device : str or Device
            By default the default device.
        **kwargs : dict
            For ``wcs`` the arguments of `WcsGeom.create`: ``npix, binsz, width, proj, frame, refpix, axes, skydir``;
            pixels are 0.1 deg wide by default.
            For ``hpx`` those of `HpxGeom.create`: ``nside, binsz, nest, frame, region, axes, skydir, width``.
            For ``region`` those of `RegionGeom.create`: ``region, axes, wcs, binsz_wcs``, and ``data``.
        """
        options: dict[str, Any] = {**kwargs}
        kind: type[Map] = kind_by_name(options.pop("map_type", "wcs"))
        values = {name: options.pop(name) for name in ("dtype", "meta", "unit", "device", "data") if name in options}
        if not (kind.geom_class.is_region or kind.geom_class.is_hpx):
            options.setdefault("binsz", 0.1)  # as in Gammapy, where the default of geometries differs from that of maps
        return kind(kind.geom_class.create(**options), **values)

    @staticmethod
    def from_geom(
        geom: Geom,
        meta: dict[str, Any] | None = None,
        data: Values | LazyArray | None = None,
        unit: UnitLike = "",
        dtype: DTypeLike | None = None,
        device: str | Device | None = None,
    ) -> "Map":
        """Make a map of a geometry.

        Parameters
        ----------
        geom : Geom
        meta : dict, optional
        data : array, Quantity or number, optional
            An array stays on its device; host data are copied to ``device``.
        unit : str or Unit
        dtype : str, optional
            Data type of an empty map, or of one filled with a number; by default that of the default precision.
        device : str or Device, optional
            By default the default device.
        """
        geom = accepted(geom)
        made: Map = map_class(geom)(geom, data=data, dtype=dtype, meta=meta, unit=unit, device=device)
        return made

    @staticmethod
    @accepts_gammapy
    def from_events(
        geom: Geom, events: Events, device: str | Device | None = None, precision: str | None = None
    ) -> "Map":
        """Make a counts map from events.

        Parameters
        ----------
        geom : Geom
        events : EventList
        device : str or Device, optional
            By default the default device.
        precision : ``single`` or ``double``, optional
            By default the default precision.
        """
        precision = find_precision(precision)
        if geom.is_allsky:  # its pixels off the sky are NaN, not zero
            m = Map.from_geom(geom, dtype=precision, device=device)
            m.fill_events(events)
            return m
        target = find_device(device)
        return Map.from_geom(geom, data=counts_of_map(events, geom, target, DTYPES[precision]), device=target)

    @staticmethod
    def read(
        filename: PathInput,
        hdu: str | int | None = None,
        hdu_bands: str | int | None = None,
        map_type: str = "auto",
        format: str | None = None,
        colname: str | None = None,
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
            HDU of the axes; by default the one that is named in the header of the data.
        map_type : ``auto``, ``wcs``, ``hpx`` or ``region``
        format : str, optional
            Layout; by default it is found from the HDUs. With ``fgst-bexpcube``, values without a unit are an exposure
            of the Fermi tools, in cm2 s.
        colname : str, optional
            Column of a HEALPix table; without effect for other maps.
        checksum : bool
            Whether to verify the checksums in the file.
        device : str or Device, optional
            By default the default device.
        """
        file = read_fits(filename, in_pieces=True)
        if hdu is None:
            # with a named HDU the kind of the file does not matter: it may hold other tables as well
            require_kind(file, "Map.read", *MAP_KINDS, takes_unknown=True)
        with parsing(filename):
            hdulist = file.hdulist
            if checksum:
                file.verify_checksums()
            return Map.from_hdulist(hdulist, hdu, hdu_bands, map_type, format, colname, device=device)

    @staticmethod
    def from_hdulist(
        hdulist: HDUList,
        hdu: str | int | None = None,
        hdu_bands: str | int | None = None,
        map_type: str = "auto",
        format: str | None = None,
        colname: str | None = None,
        device: str | Device | None = None,
    ) -> "Map":
        """Make a map from HDUs.

        Parameters
        ----------
        hdulist : HDUList
        hdu, hdu_bands, map_type, format, colname, device
            As in `read`.
        """
        if map_type == "auto":
            map_type = find_map_type(hdulist, hdu)
        kind: type[Map] = kind_by_name(map_type)
        return kind._from_hdulist(hdulist, hdu=hdu, hdu_bands=hdu_bands, format=format, colname=colname, device=device)

    @classmethod
    @abc.abstractmethod
    def _from_hdulist(
        cls,
        hdulist: HDUList,
        hdu: str | int | None,
        hdu_bands: str | int | None,
        format: str | None,
        colname: str | None,
        device: str | Device | None,
    ) -> "Map":
        """Make the map in an HDU."""

    @abc.abstractmethod
    def to_hdulist(self, *, hdu: str | None = None, hdu_bands: str | None = None, format: str = "gadf") -> HDUList:
        """Return the HDUs of the map.

        Parameters
        ----------
        hdu : str, optional
            Name of the data.
        hdu_bands : str, optional
            Name of the table of the axes.
        format : ``gadf``
        """

    def write(self, filename: PathInput, overwrite: bool = False, checksum: bool = False, **kwargs: object) -> None:
        """Write the map to a FITS file; reads the data to the host.

        Parameters
        ----------
        filename : str or Path
        overwrite : bool
        checksum : bool
            Whether to write checksums.
        **kwargs : dict, passed to `to_hdulist`
        """
        options: dict[str, Any] = kwargs
        write_fits(self.to_hdulist(**options), filename, overwrite=overwrite, checksum=checksum)

    def interp_to_geom(
        self,
        geom: Geom,
        preserve_counts: bool = False,
        fill_value: float | None = 0,
        **kwargs: Unpack[Interpolation],
    ) -> "Map":
        """Return a map of another geometry with the values of this one at its pixel centres.

        For a mask, that is the value of the pixel that contains the pixel centre; if ``fill_value`` is None, each new
        pixel that touches a True one is True.

        Parameters
        ----------
        geom : Geom
        preserve_counts : bool
            Whether the values are per pixel, like counts, and must be scaled by the solid angles.
        fill_value : number, optional
            Value outside this map; None extrapolates.
        **kwargs : ``method`` and ``values_scale`` of `interp_by_pix`
        """
        self._require_memory(self.device, geom)
        values = self._values_on_geom(geom, preserve_counts, fill_value, **kwargs)
        return Map.from_geom(geom, data=values, unit=self._unit, device=self.device)

    def reproject_to_geom(self, geom: Geom, preserve_counts: bool = False, precision_factor: int = 10) -> "Map":
        """Return a map of another geometry to which small parts of the pixels of this one are added.

        Unlike `interp_to_geom`, which reads the values at the pixel centres, it takes all pixels into account.

        Parameters
        ----------
        geom : Geom
            An image, to which the axes of the map are added, or one with axes of the same names.
        preserve_counts : bool
            Whether the values are per pixel, like counts, or like a flux.
        precision_factor : int
            How many times as small as the new pixels the parts are at most.
        """
        return reprojected(self, geom if isinstance(geom, Geom) else accepted(geom), preserve_counts, precision_factor)

    def reproject_by_image(self, geom: Geom, preserve_counts: bool = False, precision_factor: int = 10) -> "Map":
        """Return a map of another geometry; it needs memory for the parts of the pixels of one image at a time.

        Parameters
        ----------
        geom : Geom without axes
        preserve_counts, precision_factor
            As in `reproject_to_geom`.
        """
        geom = geom if isinstance(geom, Geom) else accepted(geom)
        data = reprojected_images(self, geom, preserve_counts, precision_factor)
        return Map.from_geom(geom.to_cube(list(self._geom.axes)), data=data, unit=self._unit, device=self.device)

    @accepts_gammapy
    def dot(self, other: MapData) -> Self:
        """Return the sum of the products with the map of a region along the axis that both have.

        Parameters
        ----------
        other : RegionNDMap
            Its other axes take the place of the common one.
        """
        geom, data = dot_product(self, other)
        return self._init_copy(geom=geom, data=self._in_own_type(data), unit=self._unit * other.unit)

    def __matmul__(self, other: MapData) -> Self:
        return self.dot(other)

    def sample_coord(self, n_events: int, random_state: RandomStateLike = 0) -> MapCoord:
        """Draw random coordinates, distributed as the values; reads the map to the host.

        Parameters
        ----------
        n_events : int
        random_state : int, ``random-seed``, ``global-rng`` or `numpy.random.RandomState`
            The same seed draws the same coordinates as in Gammapy.
        """
        values = to_host(self.data)  # host: coordinates are on the host
        return sampled_coords(values, self._geom, n_events, random_state)

    def mask_nearest_position(self, position: SkyCoord) -> SkyCoord:
        """Return the position of the True pixel nearest to a sky position; reads the mask to the host."""
        if not self._geom.is_image:
            raise ValueError("Method only supported for 2D images")
        coords = self._geom.get_coord().skycoord
        separation = coords.separation(position)
        separation[~to_host(self.data)] = np.inf  # host: the answer is a SkyCoord
        return coords.flatten()[np.argmin(separation)]

    def plot_grid(
        self, figsize: tuple[float, float] | None = None, ncols: int = 3, **kwargs: object
    ) -> NDArray[np.object_]:
        """Plot an image for each bin of the axis; reads the data to the host.

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

    def plot_interactive(self, rc_params: Mapping[str, object] | None = None, **kwargs: object) -> None:
        """Plot an image with a slider for each axis, in a notebook; needs ipywidgets.

        Parameters
        ----------
        rc_params : dict, optional
            Settings of matplotlib.
        **kwargs : dict, passed to `WcsNDMap.plot`
        """
        from lightpool.plot.interactive import plot_interactive  # matplotlib is heavy and optional

        plot_interactive(self, rc_params, **kwargs)

    @abc.abstractmethod
    def crop(self, crop_width: "int | tuple[int, int] | AngleLike") -> Self:
        """Return the map without some pixels at its borders, see `WcsNDMap.crop`.

        Parameters
        ----------
        crop_width : int, angle, or pair of int
        """

    @abc.abstractmethod
    def cutout(
        self,
        position: SkyCoord,
        width: "AngleLike | tuple[AngleLike, AngleLike]",
        mode: str = "trim",
        odd_npix: bool = False,
        min_npix: int = 1,
    ) -> Self:
        """Return a copy of a part of the map, see `WcsNDMap.cutout`.

        Parameters
        ----------
        position : SkyCoord
            Centre.
        width : angle, or pair of them
        mode : ``trim``, ``partial`` or ``strict``
        odd_npix : bool
        min_npix : int
        """

    @abc.abstractmethod
    def downsample(
        self,
        factor: int | None,
        preserve_counts: bool = True,
        axis_name: str | None = None,
        weights: Operand | None = None,
    ) -> Self:
        """Return a map with wider pixels or bins.

        Parameters
        ----------
        factor : int
            How many pixels or bins are merged into one.
        preserve_counts : bool
            Whether to sum the values (counts) or to average them (rates).
        axis_name : str, optional
        weights : Map or array, optional
            Factors.
        """

    @abc.abstractmethod
    def upsample(
        self, factor: int | None, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None
    ) -> Self:
        """Return a map with narrower pixels or bins.

        Parameters
        ----------
        factor : int
            Into how many pixels or bins each is divided.
        order : int
            0 repeats the values, 1 interpolates between them.
        preserve_counts : bool
            Whether to share the values among the parts (counts) or to keep them (rates).
        axis_name : str, optional
        """

    @abc.abstractmethod
    def to_region_nd_map(
        self,
        region: "RegionLike | None" = None,
        func: Callable[..., object] = np.nansum,
        weights: "Map | None" = None,
        method: str = "nearest",
    ) -> "Map":
        """Return the values in a region as a `RegionNDMap`, see `WcsNDMap.to_region_nd_map`.

        Parameters
        ----------
        region : SkyRegion or SkyCoord, optional
            By default the whole map.
        func : NumPy function that reduces the pixels to one value
        weights : Map, optional
            Factors.
        method : ``nearest`` or ``linear``
        """

    @abc.abstractmethod
    def get_spectrum(
        self,
        region: "RegionLike | None" = None,
        func: Callable[..., object] = np.nansum,
        weights: "Map | None" = None,
    ) -> "Map":
        """Return the spectrum in a region as a `RegionNDMap`, see `WcsNDMap.get_spectrum`.

        Parameters
        ----------
        region : SkyRegion or SkyCoord, optional
            By default the whole map.
        func : NumPy function that reduces the pixels to one value
        weights : Map, optional
            Factors.
        """

    @abc.abstractmethod
    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Axes:
        """Plot the map.

        Parameters
        ----------
        ax : matplotlib axes, optional
        **kwargs : dict, passed to matplotlib
        """

    @abc.abstractmethod
    def plot_mask(self, ax: "Axes | None" = None, **kwargs: object) -> Axes:
        """Plot a mask as a shaded area.

        Parameters
        ----------
        ax : matplotlib axes, optional
        **kwargs : dict, passed to matplotlib
        """
