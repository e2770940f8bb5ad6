"""Positions of the pixels of a map in the field of view of a pointing."""

import math
from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias

import astropy.units as u
from astropy.coordinates import SkyCoord, UnitSphericalRepresentation

from lightpool.arrays import Device, find_device, find_precision, fov_lonlat, fov_polar
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.precision import DTYPES
from lightpool.data import FixedPointingInfo, PointingMode
from lightpool.irf import IRF, FoVAlignment
from lightpool.maps import Geom, RegionGeom

__all__ = ["FieldOfView", "field_position", "require_tracking", "tracked_position"]


Position: TypeAlias = SkyCoord | tuple[float, float]
"""A position on the sky, or its right ascension and declination in deg."""


class FieldOfView:
    """Pixel coordinates relative to one pointing, on one device.

    The geometries keep what they have computed, so the maps of one observation on the same pixels share it.

    Parameters
    ----------
    pointing : SkyCoord or pair of float (right ascension, declination) in deg, or function that returns one of them
        A pair takes no object of astropy. The function, without arguments, is called when a position is asked for:
        responses on the sky do not depend on the pointing.
    device : Device
    precision : str, optional
        Of the maps that are made at these pixels, the default one if not given; coordinates are float64 in any.
    """

    def __init__(
        self, pointing: Position | Callable[[], Position], device: Device, precision: str | None = None
    ) -> None:
        self._given = pointing
        self.device = device
        self.precision = find_precision(precision)

    @cached_property
    def _position(self) -> Position:
        return self._given if isinstance(self._given, SkyCoord | tuple) else self._given()

    @cached_property
    def pointing(self) -> SkyCoord:
        """The pointing in ICRS."""
        pointing = self._position
        if isinstance(pointing, tuple):
            return SkyCoord(*pointing, unit="deg", frame="icrs")
        return pointing if pointing.frame.name == "icrs" else pointing.icrs

    @cached_property
    def _lonlat(self) -> dict[str, tuple[float, float]]:
        """Position of the pointing by frame: each frame of a geometry is transformed to once."""
        if isinstance(self._position, tuple):
            return {"icrs": (math.radians(self._position[0]), math.radians(self._position[1]))}
        position = self.pointing.data
        if type(position) is not UnitSphericalRepresentation:
            position = position.represent_as(UnitSphericalRepresentation)
        return {"icrs": (float(position.lon.to_value(u.rad)), float(position.lat.to_value(u.rad)))}

    @classmethod
    def of(
        cls,
        pointing: "SkyCoord | FixedPointingInfo | FieldOfView",
        device: Device | str | None = None,
        precision: str | None = None,
    ) -> "FieldOfView":
        """Return the field of view of a pointing; one that is given is returned itself.

        Parameters
        ----------
        pointing : SkyCoord, FixedPointingInfo or FieldOfView
        device, precision : of the maps, the default ones if not given

        Raises
        ------
        ValueError
            If the telescope does not track.
        """
        if isinstance(pointing, FieldOfView):
            return pointing
        if isinstance(pointing, FixedPointingInfo):
            return cls(tracked_position(pointing), find_device(device), precision)
        return cls(pointing, find_device(device), precision)

    @property
    def dtype(self) -> str:
        """Data type of the maps."""
        return DTYPES[self.precision]

    def offset(self, geom: Geom) -> Array:
        """Return the angle between the pixel centres and the pointing; float64, shape of the image, unit rad."""
        if geom.frame not in self._lonlat:
            position = self.pointing.transform_to(geom.frame).spherical
            self._lonlat[geom.frame] = float(position.lon.rad), float(position.lat.rad)
        return geom.separation_array(*self._lonlat[geom.frame], self.device)

    def lonlat(self, geom: Geom) -> tuple[Array, Array]:
        """Return field-of-view longitude and latitude, along RA and Dec; float64, shape of the image, unit rad."""
        position = self._position if isinstance(self._position, tuple) else self.pointing
        vectors = geom.offset_vectors(position, self.device)
        longitude, latitude = fov_lonlat(vectors)
        return longitude, latitude

    def positions(self, geom: Geom, field: tuple[str, ...], is_reversed: bool = False) -> dict[str, Array]:
        """Return the coordinates of the pixel centres that a response depends on; float64, unit rad.

        Parameters
        ----------
        geom : Geom
        field : tuple of str, their names, see `lightpool.irf.tables.irf.FIELD_AXES`
        is_reversed : bool, whether the longitude runs the other way, as in old H.E.S.S. files
        """
        found: dict[str, Array] = {}
        if "offset" in field:
            found["offset"] = self.offset(geom)
        if field == ("offset",):
            return found
        lon, lat = self.lonlat(geom)
        lon = -lon if is_reversed else lon
        found |= {"fov_lon": lon, "fov_lat": lat}
        if "rho" in field or "phi" in field:
            found["rho"], found["phi"] = fov_polar(lon, lat)
        return {name: found[name] for name in field}


def field_position(irf: IRF, pointing: SkyCoord, position: SkyCoord | None = None) -> dict[str, u.Quantity]:
    """Return the coordinates of one position that a response table depends on.

    Parameters
    ----------
    irf : IRF
    pointing : SkyCoord
    position : SkyCoord, by default the pointing
    """
    if irf.field_arguments == ("offset",):
        return {"offset": 0 * u.deg if position is None else position.separation(pointing)}
    view = FieldOfView(pointing, find_device("cpu"))
    geom = RegionGeom.create(pointing if position is None else position)
    found = view.positions(geom, irf.field_arguments, irf.fov_alignment == FoVAlignment.REVERSE_LON_RADEC)
    return {name: u.Quantity(x[0, 0], "rad") for name, x in found.items()}


def tracked_position(pointing: FixedPointingInfo) -> SkyCoord:
    """Return the position in ICRS of a telescope that follows the sky; errors as for `require_tracking`."""
    require_tracking(pointing)
    position = pointing.fixed_icrs
    assert position is not None  # it tracks
    return position


def require_tracking(pointing: FixedPointingInfo) -> None:
    """Check that a telescope follows the sky.

    Raises
    ------
    ValueError
        If its mode is not POINTING.
    """
    if pointing.mode is not PointingMode.POINTING:
        raise ValueError(
            f"the responses of an observation in {pointing.mode} mode cannot be projected; it must track: stack the "
            "datasets of lightpool.data.tracking_pieces(observation)"
        )
