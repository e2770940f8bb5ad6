"""Where the pixels of a map lie in the field of view of a pointing."""

from typing import Any

from astropy.coordinates import SkyCoord

from lightpool.arrays import Device, fov_lonlat, fov_matrix, frame_matrix, rotate
from lightpool.arrays.typing import Array

__all__ = ["FieldOfView"]


class FieldOfView:
    """Pixel coordinates relative to one pointing on one device, made once for each image geometry.

    The maps of one observation share it, so that exposure, PSF and energy dispersion on the same pixels ask for
    the offsets once.
    """

    def __init__(self, pointing: SkyCoord, device: Device) -> None:
        self.pointing = pointing.icrs
        self.device = device
        self._offset: dict[Any, Array] = {}

    def offset(self, geom: Any) -> Array:
        """Angle between the pixel centres and the pointing; float64, shape of the image, unit rad."""
        image = geom.to_image()
        key = _image_key(image)
        if key not in self._offset:
            self._offset[key] = image.separation_array(self.pointing, self.device)
        return self._offset[key]

    def lonlat(self, geom: Any) -> tuple[Array, Array]:
        """Field-of-view longitude and latitude, aligned with RA and Dec; float64, shape of the image, unit rad."""
        to_icrs = frame_matrix(geom.frame, "icrs")
        to_fov = fov_matrix(self.pointing.ra.rad, self.pointing.dec.rad)
        return fov_lonlat(rotate(to_fov @ to_icrs, geom.directions(self.device)))
