"""Where the pixels of a map lie in the field of view of a pointing."""

from astropy.coordinates import SkyCoord, UnitSphericalRepresentation

from lightpool.arrays import Device, fov_lonlat
from lightpool.arrays.typing import Array
from lightpool.maps import Geom

__all__ = ["FieldOfView"]


class FieldOfView:
    """Pixel coordinates relative to one pointing, on one device.

    The geometries keep what they have computed, so the maps of one observation on the same pixels share it.
    """

    def __init__(self, pointing: SkyCoord, device: Device) -> None:
        self.pointing = pointing if pointing.frame.name == "icrs" else pointing.icrs
        self.device = device
        position = self.pointing.data.represent_as(UnitSphericalRepresentation)
        self._lonlat = {"icrs": (float(position.lon.rad), float(position.lat.rad))}

    def offset(self, geom: Geom) -> Array:
        """Angle between the pixel centres and the pointing; float64, shape of the image, unit rad."""
        if geom.frame not in self._lonlat:
            position = self.pointing.transform_to(geom.frame).spherical
            self._lonlat[geom.frame] = float(position.lon.rad), float(position.lat.rad)
        return geom.separation_array(*self._lonlat[geom.frame], self.device)

    def lonlat(self, geom: Geom) -> tuple[Array, Array]:
        """Field-of-view longitude and latitude, aligned with RA and Dec; float64, shape of the image, unit rad."""
        longitude, latitude = fov_lonlat(geom.offset_vectors(self.pointing, self.device))
        return longitude, latitude
