"""Coordinates on the sky and along the axes of a map, by name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, TypeAlias, cast

import array_api_compat
import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.attributes import KnownAttributes
from lightpool.errors import DeviceError
from lightpool.typing import CoordsLike, FrameLike
from lightpool.utils.html import ShownInNotebooks

__all__ = ["CoordArray", "MapCoord", "MapCoordLike", "SkyAngle", "skycoord_to_lonlat"]

SkyAngle: TypeAlias = u.Quantity | NDArray[np.float64]
"""Longitudes or latitudes; plain numbers are in deg."""

CoordArray: TypeAlias = u.Quantity | NDArray[Any] | Time
"""Coordinates: quantities, plain numbers in the unit of their axis, labels, or times."""

MapCoordLike: TypeAlias = "MapCoord | SkyCoord | CoordsLike"
"""Coordinates as `MapCoord.create` takes them."""


def skycoord_to_lonlat(
    skycoord: SkyCoord, frame: "FrameLike | None" = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Return longitude and latitude in deg, and the name of their frame.

    Parameters
    ----------
    skycoord : SkyCoord
    frame : frame or str, to which the positions are transformed first; by default they keep their own
    """
    if frame:
        skycoord = skycoord.transform_to(frame)
    return skycoord.data.lon.deg, skycoord.data.lat.deg, skycoord.frame.name


class MapCoord(KnownAttributes, ShownInNotebooks):
    """Longitude, latitude and any number of other coordinates, whose arrays broadcast with each other. On the host.

    Parameters
    ----------
    data : dict of name to array or Quantity
        Has "lon" and "lat" (plain numbers are deg) first.
    frame : {"icrs", "galactic"}, optional
        Frame of "lon" and "lat"; by default that of the geometry it will be used with.
    match_by_name : bool
        Whether coordinates find their axes by name, or else by their order.
    """

    _consumed = ("data",)

    def __init__(self, data: Mapping[str, object], frame: str | None = None, match_by_name: bool = True) -> None:
        if "lon" not in data or "lat" not in data:
            raise ValueError(f"coordinates need the names 'lon' and 'lat', got {list(data)}")
        self._data = {name: _host_array(values, name) for name, values in data.items()}
        self._frame = frame
        self._match_by_name = match_by_name

    @classmethod
    def create(
        cls, data: MapCoordLike, frame: str | None = None, axis_names: Sequence[str] | None = None
    ) -> "MapCoord":
        """Make coordinates from what users write.

        Parameters
        ----------
        data : MapCoord, dict with "lon" and "lat" or with "skycoord", SkyCoord, or tuple that begins with lon, lat
            (deg) or with a SkyCoord
        frame : {"icrs", "galactic"}, optional
            Sky coordinates with a frame of their own are transformed to this one.
        axis_names : names of what follows the sky coordinates in a tuple; by default axis0, axis1...
        """
        if isinstance(data, cls):
            return data if data.frame is None or frame == data.frame else data.to_frame(frame)
        if isinstance(data, SkyCoord):
            data = (data,)
        if isinstance(data, Mapping):
            return cls._from_dict(data, frame)
        if isinstance(data, list | tuple):
            return cls._from_tuple(tuple(data), frame, axis_names)
        raise TypeError(f"coordinates are a dict, a tuple, a SkyCoord or a MapCoord, got {type(data).__name__}")

    @classmethod
    def _from_dict(cls, data: Mapping[str, object], frame: str | None) -> "MapCoord":
        if "lon" in data and "lat" in data:
            return cls(data, frame=frame)
        if "skycoord" not in data:
            raise ValueError(f"coordinates need 'lon' and 'lat', or 'skycoord', got {list(data)}")
        lon, lat, frame = skycoord_to_lonlat(cast(SkyCoord, data["skycoord"]), frame=frame)
        others = {name: values for name, values in data.items() if name != "skycoord"}
        return cls({"lon": lon, "lat": lat} | others, frame=frame)

    @classmethod
    def _from_tuple(cls, data: tuple[object, ...], frame: str | None, names: Sequence[str] | None) -> "MapCoord":
        if data and isinstance(data[0], SkyCoord):
            lon, lat, frame = skycoord_to_lonlat(data[0], frame=frame)
            data = (lon, lat, *data[1:])
        if len(data) < 2:
            raise ValueError(f"a tuple of coordinates begins with lon and lat, or with a SkyCoord, got {data!r}")
        names = [f"axis{number}" for number in range(len(data) - 2)] if names is None else names
        others = dict(zip(names, data[2:], strict=False))
        return cls({"lon": data[0], "lat": data[1]} | others, frame=frame, match_by_name=False)

    # --- what it is

    def __getitem__(self, key: str | int) -> CoordArray:
        return self._data[key] if isinstance(key, str) else list(self._data.values())[key]

    def __setitem__(self, key: str, value: object) -> None:
        self._data[key] = _host_array(value, key)

    def __iter__(self) -> Iterator[CoordArray]:
        return iter(self._data.values())

    @property
    def ndim(self) -> int:
        """Number of coordinates."""
        return len(self._data)

    @property
    def axis_names(self) -> list[str]:
        """Names of the coordinates."""
        return list(self._data)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the coordinates after broadcasting."""
        return np.broadcast_shapes(*(np.shape(values) for values in self))

    @property
    def size(self) -> int:
        """Number of points."""
        return int(np.prod(self.shape))

    @property
    def lon(self) -> SkyAngle:
        """Longitude, in deg if it is a plain array."""
        return cast(SkyAngle, self._data["lon"])

    @property
    def lat(self) -> SkyAngle:
        """Latitude, in deg if it is a plain array."""
        return cast(SkyAngle, self._data["lat"])

    @property
    def theta(self) -> NDArray[np.float64]:
        """Angle from the pole, rad."""
        return np.asarray(np.pi / 2.0 - u.Quantity(self.lat, "deg", copy=None).to_value("rad"))

    @property
    def phi(self) -> NDArray[np.float64]:
        """Longitude, rad."""
        return np.asarray(u.Quantity(self.lon, "deg", copy=None).to_value("rad"))

    @property
    def frame(self) -> str | None:
        """Frame of longitude and latitude, None if it is not given."""
        return self._frame

    @property
    def match_by_name(self) -> bool:
        """Whether coordinates find their axes by name, or else by their order."""
        return self._match_by_name

    @property
    def skycoord(self) -> SkyCoord:
        """Longitude and latitude as SkyCoord."""
        return SkyCoord(self.lon, self.lat, unit="deg", frame=self.frame)

    # --- other coordinates from these

    def to_frame(self, frame: str | None) -> "MapCoord":
        """Return coordinates with longitude and latitude in another frame."""
        if frame == self.frame:
            return self.copy()
        lon, lat, frame = skycoord_to_lonlat(self.skycoord, frame=frame)
        sky: dict[str, CoordArray] = {
            name: u.Quantity(values, "deg") if isinstance(self._data[name], u.Quantity) else values
            for name, values in (("lon", lon), ("lat", lat))  # with or without a unit, as they were before
        }
        return self._with_data(self._data | sky, frame)

    def apply_mask(self, mask: NDArray[np.bool_]) -> "MapCoord":
        """Return the coordinates where a mask of their common shape is True, each broadcast to this shape first."""
        data = self._data
        if any(np.shape(values) != np.shape(mask) for values in data.values()):
            # a mask of the full shape does not select from arrays with dimensions of length 1
            data = self.broadcasted._data
        return self._with_data({name: values[mask] for name, values in data.items()}, self.frame)

    @property
    def flat(self) -> "MapCoord":
        """Coordinates in one dimension, without those whose longitude is not finite."""
        coords = self.broadcasted
        return coords.apply_mask(np.isfinite(coords.lon))

    @property
    def broadcasted(self) -> "MapCoord":
        """Coordinates that all have the full shape."""
        arrays = cast("list[NDArray[Any]]", list(self._data.values()))  # quantities and times are broadcast, too
        values = np.broadcast_arrays(*arrays, subok=True)
        return self._with_data(dict(zip(self._data, values, strict=True)), self.frame)

    def copy(self) -> "MapCoord":
        """Return coordinates with arrays of their own."""
        return self._with_data({name: values.copy() for name, values in self._data.items()}, self.frame)

    def _with_data(self, data: Mapping[str, CoordArray], frame: str | None) -> Self:
        return type(self)(data, frame, self._match_by_name)

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}\n\n"
            f"\taxes     : {self.axis_names}\n"
            f"\tshape    : {self.shape[::-1]}\n"
            f"\tndim     : {self.ndim}\n"
            f"\tframe : {self.frame}\n"
        )

    __repr__ = __str__


def _host_array(values: object, name: str) -> CoordArray:
    if array_api_compat.is_array_api_obj(values) and not isinstance(values, np.ndarray | np.generic):
        raise DeviceError(
            f"coordinate {name!r} is an array of {type(values).__module__}, but a MapCoord lives on the host; "
            "read it back with lightpool.arrays.to_host"
        )
    if isinstance(values, Time):  # which numpy cannot hold
        return values if values.shape else values.reshape((1,))
    return np.atleast_1d(cast("NDArray[Any]", values))
