"""What all geometries have in common: non-spatial axes, and indices made of coordinates."""

import abc
import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import Device, find_device
from lightpool.attributes import KnownAttributes
from lightpool.maps.axes.axes import MapAxes
from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.maps.coord import MapCoord

if TYPE_CHECKING:
    from lightpool.maps.core import Map

__all__ = ["Geom", "pix_to_idx"]

INVALID = -1
"""Index of a coordinate outside the geometry."""

HostArray = np.ndarray[Any, Any]


def pix_to_idx(pix: Any, edge: float = 0.0) -> HostArray:
    """Nearest whole number of coordinates, -1 for NaN and infinity; whole numbers stay as they are.

    Within ``edge`` of the middle between two numbers it is the upper one: see `lightpool.arrays.kernels.events.EDGE`.
    """
    values = np.atleast_1d(np.asarray(pix))
    if np.issubdtype(values.dtype, np.integer):
        return values
    finite = np.isfinite(values)
    return np.where(finite, np.floor(np.where(finite, values, 0.0) + (0.5 + edge)), INVALID).astype(np.int64)


class Geom(KnownAttributes, abc.ABC):
    """Base class of the geometries: an image part, and any number of non-spatial axes."""

    is_region = False
    is_hpx = False
    is_regular = True
    _axes: MapAxes

    def __repr__(self) -> str:
        return self.__str__()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    @abc.abstractmethod
    def _with_axes(self, axes: Any) -> Self:
        """Make a geometry with the same image part and other axes."""

    @property
    @abc.abstractmethod
    def _npix_image(self) -> tuple[int, int]:
        """Number of pixels in longitude and latitude."""

    @property
    @abc.abstractmethod
    def wcs(self) -> WCS:
        """Longitude and latitude of the pixels; of a region, those of the pixels on which it is drawn."""

    @property
    @abc.abstractmethod
    def frame(self) -> str:
        """Name of the frame of the coordinates, ``icrs`` or ``galactic``."""

    @abc.abstractmethod
    def coord_to_pix(self, coords: Any) -> tuple[HostArray, ...]:
        """Pixel coordinates (lon, lat, axes...) of map coordinates."""

    @abc.abstractmethod
    def pix_to_coord(self, pix: Sequence[Any]) -> tuple[Any, ...]:
        """Map coordinates (lon, lat, axes...) of pixel coordinates."""

    @abc.abstractmethod
    def pix_to_idx(self, pix: Sequence[Any], clip: bool = False) -> tuple[HostArray, ...]:
        """Pixel indices of pixel coordinates, -1 outside the geometry unless clipped."""

    @abc.abstractmethod
    def get_coord(
        self, *, mode: str = "center", frame: str | None = None, sparse: bool = False, axis_name: str | None = None
    ) -> MapCoord:
        """Map coordinates of all bins."""

    @abc.abstractmethod
    def contains(self, coords: Any) -> HostArray:
        """Whether map coordinates lie in the geometry."""

    @abc.abstractmethod
    def solid_angle(self) -> u.Quantity:
        """Solid angle in sr."""

    @abc.abstractmethod
    def upsample(self, factor: int, axis_name: str) -> Self:
        """Geometry with bins of an axis ``factor`` times as small."""

    # What responses are evaluated at: the sky pixels, or the centre of a region as one pixel, on a device

    @abc.abstractmethod
    def directions(self, device: str | Device | None = None) -> Array:
        """Give the unit vectors of the pixels in the frame of the geometry, shape (3, ny, nx)."""

    @abc.abstractmethod
    def separation_array(self, lon: float, lat: float, device: str | Device | None = None) -> Array:
        """Angle to a position (rad, in the frame of the geometry) in rad, shape (ny, nx); not to be changed."""

    @abc.abstractmethod
    def offset_vectors(self, pointing: SkyCoord, device: str | Device | None = None) -> Array:
        """Give the unit vectors of the pixels in the field of view of a pointing, shape (3, ny, nx)."""

    @abc.abstractmethod
    def solid_angle_array(self, device: str | Device | None = None) -> Array:
        """Solid angle of the pixels in sr as a plain array, shape (ny, nx); not to be changed."""

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
        return (*self.axes.shape[::-1], *self._npix_image[::-1])

    @property
    def data_shape_axes(self) -> tuple[int, ...]:
        """Shape of the data with one pixel in longitude and latitude."""
        return (*self.axes.shape[::-1], 1, 1)

    @property
    def data_shape_image(self) -> tuple[int, ...]:
        """Shape of the data with one bin on each non-spatial axis."""
        return (1,) * len(self.axes) + self._npix_image[::-1]

    @property
    def shape_axes(self) -> tuple[int, ...]:
        """Number of bins of the non-spatial axes."""
        return tuple(self.axes.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions of the data."""
        return len(self.data_shape)

    def data_nbytes(self, dtype: Any = "float64") -> u.Quantity:
        """Memory that the data take, in MB."""
        return (float(np.prod(self.data_shape)) * np.dtype(dtype).itemsize * u.byte).to("MB")

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
        """Whether exactly one of the axes ``energy`` and ``energy_true`` is there."""
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
    def center_coord(self) -> tuple[Any, ...]:
        """Map coordinates of the centre, longitude first."""
        return self.pix_to_coord(self.center_pix)

    def coord_to_idx(self, coords: Any, clip: bool = False) -> tuple[HostArray, ...]:
        """Pixel indices of map coordinates.

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

    def pix_of_centers(self, geom: Any) -> tuple[HostArray, ...]:
        """Pixel coordinates of the bin centres of another geometry.

        Returns
        -------
        pix : tuple of arrays (lon, lat, axes...) that broadcast to the shape of the other geometry
        """
        return self.coord_to_pix(geom.get_coord(sparse=True))

    def contains_pix(self, pix: Sequence[Any]) -> HostArray:
        """Whether pixel coordinates lie in the geometry."""
        inside = [_ != INVALID for _ in self.pix_to_idx(pix)]
        return np.asarray(np.logical_and.reduce(np.broadcast_arrays(*inside)))

    def slice_by_idx(self, slices: Mapping[str, int | slice]) -> Self:
        """Slice non-spatial axes by name; an axis with a whole number is dropped."""
        return self._with_axes(self.axes.slice_by_idx(slices))

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Rename axes."""
        return self._with_axes(self.axes.rename_axes(names=names, new_names=new_names))

    def to_image(self) -> Self:
        """Geometry without the non-spatial axes."""
        return self._with_axes(None)

    def to_cube(self, axes: Sequence[Any]) -> Self:
        """Geometry with more axes, after those that are there."""
        return self._with_axes([*self.axes, *axes])

    def squash(self, axis_name: str) -> Self:
        """Geometry with an axis made one bin."""
        return self._with_axes(self.axes.squash(axis_name=axis_name))

    def drop(self, axis_name: str) -> Self:
        """Geometry without an axis."""
        return self._with_axes(self.axes.drop(axis_name=axis_name))

    def resample_axis(self, axis: Any) -> Self:
        """Geometry whose axis of that name is grouped to the bins of another axis."""
        return self._with_axes(self.axes.resample(axis=axis))

    def replace_axis(self, axis: Any) -> Self:
        """Geometry whose axis of that name is replaced."""
        return self._with_axes(self.axes.replace(axis=axis))

    def pad(self, pad_width: Any, axis_name: str | None = None) -> Self:
        """Geometry with more pixels at both ends.

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
    def _pad_spatial(self, pad_width: Any) -> Self: ...

    def energy_mask(
        self,
        energy_min: u.Quantity | None = None,
        energy_max: u.Quantity | None = None,
        round_to_edge: bool = False,
        device: str | Device | None = None,
    ) -> "Map":
        """Mask of the bins of the axis ``energy`` that lie wholly in an energy range.

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
        edge_min: Any = None,
        edge_max: Any = None,
        round_to_edge: bool = False,
        device: str | Device | None = None,
    ) -> "Map":
        """Mask of the bins of an axis that lie wholly in a range, see `energy_mask`."""
        from lightpool.maps.core import Map  # a map has a geometry, so the module of maps imports this one

        axis = self.axes[axis_name]
        edges = axis.edges
        low = edges[0] if edge_min is None else _in_unit_of(axis, edge_min)
        high = edges[-1] if edge_max is None else _in_unit_of(axis, edge_max)
        if round_to_edge:
            if not isinstance(axis, NodeAxis):
                raise TypeError(f"round_to_edge needs an axis of numbers, but {axis_name!r} is a {type(axis).__name__}")
            low, high = axis.round(u.Quantity([low, high]))
        inside = np.asarray((edges[:-1] >= low) & (edges[1:] <= high))
        shape = [1] * self.ndim
        shape[self.axes.index_data(axis_name)] = -1
        return Map.from_geom(self, data=full_data(self, inside.reshape(shape), device), unit="", device=device)


def _in_unit_of(axis: Any, edge: Any) -> u.Quantity:
    return axis.to_axis_unit(edge) if isinstance(axis, NodeAxis) else u.Quantity(edge)


def full_data(geom: Geom, values: HostArray, device: str | Device | None) -> Any:
    """Make data of a geometry, writable and on a device, from host values that broadcast to its shape."""
    place = find_device(device)
    on_device = constant(np.ascontiguousarray(values), place)
    return place.xp.asarray(place.xp.broadcast_to(on_device, geom.data_shape), copy=True)
