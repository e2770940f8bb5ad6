"""What all geometries have in common: non-spatial axes, and indices made of coordinates."""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import Device, find_device
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, accepts_gammapy
from lightpool.fits import BinTableHDU
from lightpool.maps.axes.axes import AxesLike, MapAxes
from lightpool.maps.axes.axes_format import AnyAxis
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.axes.axis_base import BinIndex
from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.maps.coord import CoordArray, MapCoord, MapCoordLike
from lightpool.maps.geoms.geom_card import geom_card
from lightpool.maps.map_kinds import make_map
from lightpool.maps.wcs_header import SizeLike
from lightpool.typing import QuantityLike
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = ["Geom", "pix_to_idx"]

INVALID = -1
"""Index of a coordinate outside the geometry."""

_Scalar = TypeVar("_Scalar", bound=np.generic)


def pix_to_idx(pix: ArrayLike, edge: float = 0.0) -> NDArray[np.int64]:
    """Return the pixel indices of pixel coordinates.

    Parameters
    ----------
    pix : array of float; whole numbers stay as they are
    edge : float
        Within this distance of the middle between two pixels the index is the upper one, see
        `lightpool.arrays.kernels.events.EDGE`.

    Returns
    -------
    idx : array of int64, at least one-dimensional; -1 for NaN and infinity
    """
    values = np.atleast_1d(np.asarray(pix))
    if np.issubdtype(values.dtype, np.integer):
        return values
    # NaN and infinity cannot become integers
    finite = np.isfinite(values)
    return np.where(finite, np.floor(np.where(finite, values, 0.0) + (0.5 + edge)), INVALID).astype(np.int64)


class Geom(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks, abc.ABC):
    """Base class of the geometries: an image part, and any number of non-spatial axes."""

    is_region: ClassVar[bool] = False
    is_hpx = False
    is_regular = True
    _axes: MapAxes

    def __repr__(self) -> str:
        return self.__str__()

    def html_card(self) -> Card:
        """Return what notebooks show of the geometry."""
        return geom_card(self)

    @abc.abstractmethod
    def _with_axes(self, axes: AxesLike) -> Self:
        """Make a geometry with the same image part and other axes."""

    @property
    @abc.abstractmethod
    def npix_image(self) -> tuple[int, int]:
        """Number of pixels in longitude and latitude, two whole numbers."""

    @property
    @abc.abstractmethod
    def wcs(self) -> WCS:
        """Pixels on the sky; they must not be changed."""

    @property
    @abc.abstractmethod
    def center_skydir(self) -> SkyCoord:
        """Sky position of the centre."""

    @property
    @abc.abstractmethod
    def width(self) -> u.Quantity:
        """Width and height."""

    @property
    @abc.abstractmethod
    def frame(self) -> str:
        """Name of the frame of the coordinates, ``icrs`` or ``galactic``."""

    @abc.abstractmethod
    def coord_to_pix(self, coords: MapCoordLike) -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates (lon, lat, axes...) of map coordinates, see `MapCoord.create`."""

    @abc.abstractmethod
    def pix_to_coord(self, pix: Sequence[ArrayLike]) -> tuple[CoordArray, ...]:
        """Return the map coordinates (lon, lat, axes...) of pixel coordinates."""

    @abc.abstractmethod
    def pix_to_idx(self, pix: Sequence[ArrayLike], clip: bool = False) -> tuple[NDArray[np.int64], ...]:
        """Return the pixel indices of pixel coordinates.

        Parameters
        ----------
        pix : sequence of arrays (lon, lat, axes...)
        clip : bool, whether coordinates outside get the index of the nearest pixel instead of -1
        """

    @abc.abstractmethod
    def get_coord(
        self, *, mode: str = "center", frame: str | None = None, sparse: bool = False, axis_name: str | None = None
    ) -> MapCoord:
        """Return the map coordinates of all bins.

        Parameters
        ----------
        mode : ``center`` or ``edges``
            Whether to take centres, or edges on the axes of ``axis_name``.
        frame : str
            Frame of the coordinates; that of the geometry by default.
        sparse : bool
            Whether arrays keep length 1 on the dimensions that they do not depend on.
        axis_name : str
        """

    @abc.abstractmethod
    def contains(self, coords: MapCoordLike) -> NDArray[np.bool_]:
        """Return whether map coordinates lie in the geometry."""

    @abc.abstractmethod
    def separation(self, center: SkyCoord, /) -> Angle:
        """Return the angle between a position and the pixel centres, or the centre of the region."""

    @abc.abstractmethod
    def solid_angle(self) -> u.Quantity:
        """Return the solid angle in sr."""

    @abc.abstractmethod
    def bin_volume(self) -> u.Quantity:
        """Return the solid angle times the bin widths of the non-spatial axes."""

    def copy(self, *, axes: AxesLike = None) -> Self:
        """Return a copy.

        Parameters
        ----------
        axes : list of MapAxis, in place of those of the geometry
        """
        return self._with_axes(self._axes if axes is None else axes)

    @abc.abstractmethod
    def get_idx(self) -> tuple[NDArray[np.int64], ...]:
        """Return the indices (lon, lat, axes...) of all pixels and bins."""

    @abc.abstractmethod
    def crop(self, crop_width: int | tuple[int, int]) -> Self:
        """Return a geometry with fewer pixels at each border.

        Parameters
        ----------
        crop_width : int, or pair (lon, lat)
        """

    def to_bands_hdu(self, hdu_bands: str | None = None, format: str = "gadf") -> BinTableHDU:
        """Return a table HDU of the non-spatial axes.

        Parameters
        ----------
        hdu_bands : str, name of the HDU
        format : str, see `MapAxes.to_table_hdu`
        """
        return self.axes.to_table_hdu(format=format, hdu_bands=hdu_bands)

    def downsample(self, factor: int, axis_name: str) -> Self:
        """Return a geometry with larger bins.

        Parameters
        ----------
        factor : int, how many times as large
        axis_name : str
        """
        return self._with_axes(self.axes.downsample(factor=factor, axis_name=axis_name))

    def upsample(self, factor: int, axis_name: str) -> Self:
        """Return a geometry with smaller bins.

        Parameters
        ----------
        factor : int, how many times as small
        axis_name : str
        """
        return self._with_axes(self.axes.upsample(factor=factor, axis_name=axis_name))

    @abc.abstractmethod
    def to_binsz(self, binsz: SizeLike) -> Self:
        """Return a geometry of the same width with another pixel size; that of a region stays as it is."""

    # The directions at which responses are evaluated: the sky pixels, or the centre of a region as one pixel

    @abc.abstractmethod
    def directions(self, device: str | Device | None = None) -> Array:
        """Return the unit vectors of the pixels in the frame of the geometry, shape (3, ny, nx)."""

    @abc.abstractmethod
    def separation_array(self, lon: float, lat: float, device: str | Device | None = None) -> Array:
        """Return the angle between the pixels and a position.

        Parameters
        ----------
        lon, lat : float, rad in the frame of the geometry
        device : str or Device, by default the default device

        Returns
        -------
        separation : array of float64, shape (ny, nx), rad; do not change it
        """

    @abc.abstractmethod
    def offset_vectors(self, pointing: SkyCoord | tuple[float, float], device: str | Device | None = None) -> Array:
        """Return the unit vectors of the pixels in the field of view of a pointing.

        Parameters
        ----------
        pointing : SkyCoord, or a pair of float (right ascension, declination) in deg
        device : str or Device, by default the default device

        Returns
        -------
        vectors : array of float64, shape (3, ny, nx), see `lightpool.arrays.fov_matrix`
        """

    @abc.abstractmethod
    def solid_angle_array(self, device: str | Device | None = None) -> Array:
        """Return the solid angle of the pixels in sr as a plain array, shape (ny, nx); do not change it."""

    @property
    def axes(self) -> MapAxes:
        """Non-spatial axes."""
        return self._axes

    @property
    def axes_names(self) -> list[str]:
        """Names of all axes, longitude and latitude first."""
        return ["lon", "lat", *self.axes.names]

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the data: axes in reversed order, then latitude, longitude."""
        shape: tuple[int, ...] | None = self.__dict__.get("_data_shape")
        if shape is None:
            shape = (*self.axes.shape[::-1], *self.npix_image[::-1])
            self._keep(_data_shape=shape)
        return shape

    @property
    def data_shape_axes(self) -> tuple[int, ...]:
        """Shape of the data with one pixel in longitude and latitude."""
        return (*self.axes.shape[::-1], 1, 1)

    @property
    def data_shape_image(self) -> tuple[int, ...]:
        """Shape of the data with one bin on each non-spatial axis."""
        return (1,) * len(self.axes) + self.npix_image[::-1]

    @property
    def n_image_dims(self) -> int:
        """Number of dimensions of the data that belong to the image: rows and columns, or HEALPix pixels."""
        return len(self.data_shape) - len(self.axes)

    @property
    def shape_axes(self) -> tuple[int, ...]:
        """Number of bins of the non-spatial axes."""
        return tuple(self.axes.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions of the data."""
        return len(self.data_shape)

    def data_nbytes(self, dtype: DTypeLike = "float64") -> u.Quantity:
        """Return the memory that the data take, in MB."""
        return u.Quantity(float(np.prod(self.data_shape)) * np.dtype(dtype).itemsize, "byte").to("MB")

    @property
    def is_allsky(self) -> bool:
        """Whether the image part shows all the sky."""
        return False

    @property
    def is_image(self) -> bool:
        """Whether there are no non-spatial axes."""
        return len(self.axes) == 0

    @property
    def is_flat(self) -> bool:
        """Whether all non-spatial axes have one bin."""
        return all(axis.nbin == 1 for axis in self.axes)

    @property
    def has_energy_axis(self) -> bool:
        """Whether the geometry has exactly one of the axes ``energy`` and ``energy_true``."""
        return ("energy" in self.axes.names) ^ ("energy_true" in self.axes.names)

    @property
    def as_energy_true(self) -> Self:
        """Geometry whose axis ``energy`` is called ``energy_true``."""
        return self.rename_axes(names="energy", new_names="energy_true")

    @property
    def center_pix(self) -> tuple[float, ...]:
        """Pixel coordinates of the centre, longitude first."""
        return tuple((n - 1.0) / 2.0 for n in self.data_shape[::-1])

    @property
    def center_coord(self) -> tuple[CoordArray, ...]:
        """Map coordinates of the centre, longitude first."""
        return self.pix_to_coord(self.center_pix)

    def coord_to_idx(self, coords: MapCoordLike, clip: bool = False) -> tuple[NDArray[np.int64], ...]:
        """Return the pixel indices of map coordinates.

        Parameters
        ----------
        coords : tuple, dict, MapCoord or SkyCoord
            Coordinates in each dimension, as for `MapCoord.create`.
        clip : bool
            Whether coordinates outside get the index of the nearest pixel; otherwise they get -1.

        Returns
        -------
        idx : tuple of int arrays, longitude first
        """
        return self.pix_to_idx(self.coord_to_pix(coords), clip=clip)

    def data_index(self, idx: Sequence[ArrayLike]) -> tuple[NDArray[np.int64], ...]:
        """Return the indices in the data, the last dimension first, of pixel indices; others for HEALPix pixels."""
        return tuple(np.asarray(_, dtype=np.int64) for _ in idx)

    def pix_of_centers(self, geom: "Geom") -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates, on this geometry, of the bin centres of another one.

        Returns
        -------
        pix : tuple of arrays (lon, lat, axes...) that broadcast to the shape of the other geometry
        """
        return self.coord_to_pix(geom.get_coord(sparse=True))

    def contains_pix(self, pix: Sequence[ArrayLike]) -> NDArray[np.bool_]:
        """Return whether pixel coordinates lie in the geometry."""
        inside = [_ != INVALID for _ in self.pix_to_idx(pix)]
        return np.asarray(np.logical_and.reduce(np.broadcast_arrays(*inside)))

    def slice_by_idx(self, slices: Mapping[str, BinIndex]) -> Self:
        """Slice non-spatial axes by name; an axis with a whole number is dropped."""
        return self._with_axes(self.axes.slice_by_idx(slices))

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Return a geometry with some axes renamed.

        Parameters
        ----------
        names, new_names : one name each, or sequences of the same length
        """
        return self._with_axes(self.axes.rename_axes(names=names, new_names=new_names))

    def to_image(self) -> Self:
        """Return a geometry without the non-spatial axes."""
        return self._once("image", lambda: self._with_axes(None))

    def image_at(self, index: Sequence[int]) -> Self:
        """Return the geometry of one image plane.

        Parameters
        ----------
        index : indices of the axes
        """
        if self.is_regular:
            return self.to_image()
        return self.slice_by_idx({name: int(i) for name, i in zip(self.axes.names, index, strict=True)})

    def _once(self, change: str, make: Callable[[], Self]) -> Self:
        """Return a geometry that was made of this one before again: neither is ever changed."""
        others: dict[str, Self] = self.__dict__.setdefault("_others", {})
        known = others.get(change)
        return others.setdefault(change, make()) if known is None else known

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_others"}

    @accepts_gammapy
    def to_cube(self, axes: Sequence[AnyAxis]) -> Self:
        """Return a geometry with more axes, after the present ones."""
        if isinstance(axes, MapAxes) and self.is_image:
            return self._with_axes(axes)
        return self._with_axes([*self.axes, *axes])

    def squash(self, axis_name: str) -> Self:
        """Return a geometry with one bin on an axis."""
        return self._once(f"squash {axis_name}", lambda: self._with_axes(self.axes.squash(axis_name=axis_name)))

    def drop(self, axis_name: str) -> Self:
        """Return a geometry without an axis."""
        return self._once(f"drop {axis_name}", lambda: self._with_axes(self.axes.drop(axis_name=axis_name)))

    @accepts_gammapy
    def resample_axis(self, axis: MapAxis) -> Self:
        """Return a geometry whose axis of that name is grouped to the bins of another axis."""
        return self._with_axes(self.axes.resample(axis=axis))

    @accepts_gammapy
    def replace_axis(self, axis: AnyAxis) -> Self:
        """Return a geometry whose axis of that name is replaced."""
        return self._with_axes(self.axes.replace(axis=axis))

    def pad(self, pad_width: int | tuple[int, int], axis_name: str | None = None) -> Self:
        """Return a geometry with more pixels at both ends.

        Parameters
        ----------
        pad_width : int, or pair (lon, lat) for the image; for an axis int or pair (low end, high end)
        axis_name : str
            Axis to pad; the image by default.
        """
        if axis_name is None:
            return self._pad_spatial(pad_width)
        return self._with_axes(self.axes.pad(axis_name=axis_name, pad_width=pad_width))

    @abc.abstractmethod
    def _pad_spatial(self, pad_width: int | tuple[int, int]) -> Self: ...

    # Masks. They are maps, of a class that this module cannot name: see `lightpool.maps.map_kinds`

    def energy_mask(
        self,
        energy_min: "QuantityLike | None" = None,
        energy_max: "QuantityLike | None" = None,
        round_to_edge: bool = False,
        device: str | Device | None = None,
    ) -> Any:
        """Return a mask of the bins of the axis ``energy`` that lie entirely in an energy range.

        Parameters
        ----------
        energy_min, energy_max : Quantity
            Range; the ends of the axis by default.
        round_to_edge : bool
            Whether to move the range to the nearest edges of the axis first.
        device : str or Device
            Where the mask is made; the default device by default.

        Returns
        -------
        mask : Map of bool on this geometry
        """
        return self.create_mask("energy", energy_min, energy_max, round_to_edge=round_to_edge, device=device)

    def create_mask(
        self,
        axis_name: str,
        edge_min: "QuantityLike | None" = None,
        edge_max: "QuantityLike | None" = None,
        round_to_edge: bool = False,
        device: str | Device | None = None,
    ) -> Any:
        """Return a mask of the bins of an axis that lie entirely in a range.

        Parameters
        ----------
        axis_name : str
        edge_min, edge_max : Quantity
            Range; the ends of the axis by default.
        round_to_edge, device : see `energy_mask`

        Returns
        -------
        mask : Map of bool on this geometry
        """
        axis = self.axes[axis_name]
        edges = axis.edges
        low = edges[0] if edge_min is None else _in_unit_of(axis, edge_min)
        high = edges[-1] if edge_max is None else _in_unit_of(axis, edge_max)
        if round_to_edge:
            if not isinstance(axis, NodeAxis):
                raise TypeError(f"round_to_edge needs an axis of numbers, but {axis_name!r} is a {type(axis).__name__}")
            low, high = axis.round(u.Quantity([low, high]))
        if isinstance(axis, NodeAxis):  # plain numbers in its unit are compared in a fraction of the time
            inside = (axis.edges_value[:-1] >= low.value) & (axis.edges_value[1:] <= high.value)
        else:
            inside = np.asarray((edges[:-1] >= low) & (edges[1:] <= high))
        # such as (n, 1, 1), which broadcasts to the shape of the data
        shape = [1] * len(self.data_shape)
        shape[self.axes.index_data(axis_name)] = -1
        return make_map(self, full_data(self, inside.reshape(shape), device), device)


def _in_unit_of(axis: AnyAxis, edge: QuantityLike) -> u.Quantity:
    # an edge in another unit must stay the edge after its conversion
    return axis.to_axis_unit(edge) if isinstance(axis, NodeAxis) else u.Quantity(edge)


def full_data(geom: Geom, values: NDArray[_Scalar], device: str | Device | None) -> Array:
    """Make data of a geometry, writable and on a device, from host values.

    Parameters
    ----------
    geom : Geom
    values : array that broadcasts to the shape of the data
    device : str or Device, None for the default device
    """
    target = find_device(device)
    on_device = constant(np.ascontiguousarray(values), target)
    # a copy: bins of a broadcast array share memory, and so would change together
    return target.xp.asarray(target.xp.broadcast_to(on_device, geom.data_shape), copy=True)
