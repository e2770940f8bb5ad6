"""Frames of the field of view: astropy frames around the pointing, whose longitude increases to the west or the left.

These are the frames of Gammapy's `gammapy.utils.coordinates`; what the reduction needs is computed on arrays instead.
"""

from typing import ClassVar

import astropy.units as u
import numpy as np
from astropy.coordinates import (
    ICRS,
    AltAz,
    Angle,
    BaseCoordinateFrame,
    CoordinateAttribute,
    DynamicMatrixTransform,
    EarthLocationAttribute,
    FunctionTransform,
    RepresentationMapping,
    SkyCoord,
    TimeAttribute,
    UnitSphericalRepresentation,
    frame_transform_graph,
)
from astropy.coordinates.matrix_utilities import rotation_matrix
from numpy.typing import NDArray

from lightpool.names import show_public

__all__ = ["FoVAltAzFrame", "FoVICRSFrame", "fov_to_sky", "sky_to_fov"]

_MIRROR = np.diag([1.0, -1.0, 1.0])  # the longitude changes its sign


class _FoVFrame(BaseCoordinateFrame):
    """Longitude ``fov_lon`` and latitude ``fov_lat`` around an origin, in (-180, 180] deg."""

    frame_specific_representation_info: ClassVar[dict[type, list[RepresentationMapping]]] = {
        UnitSphericalRepresentation: [
            RepresentationMapping("lon", "fov_lon"),
            RepresentationMapping("lat", "fov_lat"),
        ]
    }
    default_representation = UnitSphericalRepresentation
    origin: BaseCoordinateFrame

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        if self.has_data and isinstance(self.data, UnitSphericalRepresentation):
            self.data.lon.wrap_angle = Angle(180, unit=u.deg)


class FoVAltAzFrame(_FoVFrame):
    """Field of view aligned with altitude and azimuth.

    Attributes
    ----------
    origin : `astropy.coordinates.AltAz`, the pointing
    obstime : `astropy.time.Time`
    location : `astropy.coordinates.EarthLocation`
    """

    origin = CoordinateAttribute(default=None, frame=AltAz)
    obstime = TimeAttribute(default=None)
    location = EarthLocationAttribute(default=None)


class FoVICRSFrame(_FoVFrame):
    """Field of view aligned with right ascension and declination.

    Attributes
    ----------
    origin : `astropy.coordinates.ICRS`, the pointing
    """

    origin = CoordinateAttribute(default=None, frame=ICRS)


def _matrix_to(frame: _FoVFrame) -> NDArray[np.float64]:
    """Return the matrix from the frame of the origin to the field of view."""
    origin = frame.origin.represent_as(UnitSphericalRepresentation)
    matrix: NDArray[np.float64] = _MIRROR @ rotation_matrix(-origin.lat, "y") @ rotation_matrix(origin.lon, "z")
    return matrix


def _into(coordinate: BaseCoordinateFrame, frame: _FoVFrame) -> NDArray[np.float64]:
    return _matrix_to(frame)


def _out_of(coordinate: _FoVFrame, frame: BaseCoordinateFrame) -> NDArray[np.float64]:
    return np.swapaxes(_matrix_to(coordinate), -2, -1)  # the inverse of a rotation


def _between(coordinate: _FoVFrame, frame: _FoVFrame) -> _FoVFrame:
    """Convert between two fields of view, by the sky."""
    found: _FoVFrame = coordinate.transform_to(coordinate.origin).transform_to(frame.origin).transform_to(frame)
    return found


for _sky, _fov in ((AltAz, FoVAltAzFrame), (ICRS, FoVICRSFrame)):
    frame_transform_graph.transform(DynamicMatrixTransform, _sky, _fov)(_into)
    frame_transform_graph.transform(DynamicMatrixTransform, _fov, _sky)(_out_of)
    frame_transform_graph.transform(FunctionTransform, _fov, _fov)(_between)


def fov_to_sky(
    lon: u.Quantity, lat: u.Quantity, lon_pnt: u.Quantity, lat_pnt: u.Quantity
) -> tuple[u.Quantity, u.Quantity]:
    """Convert positions in the field of view to right ascension and declination.

    Parameters
    ----------
    lon, lat : `astropy.units.Quantity`, longitude and latitude in the field of view
    lon_pnt, lat_pnt : `astropy.units.Quantity`, right ascension and declination of the pointing
    """
    sky = SkyCoord(lon, lat, frame=FoVICRSFrame(origin=SkyCoord(lon_pnt, lat_pnt, frame="icrs"))).icrs
    return sky.ra, sky.dec


def sky_to_fov(
    lon: u.Quantity, lat: u.Quantity, lon_pnt: u.Quantity, lat_pnt: u.Quantity
) -> tuple[u.Quantity, u.Quantity]:
    """Convert right ascension and declination to positions in the field of view.

    Parameters
    ----------
    lon, lat : `astropy.units.Quantity`, right ascension and declination
    lon_pnt, lat_pnt : `astropy.units.Quantity`, right ascension and declination of the pointing
    """
    frame = FoVICRSFrame(origin=SkyCoord(lon_pnt, lat_pnt, frame="icrs"))
    fov = SkyCoord(lon, lat, frame="icrs").transform_to(frame)
    return fov.spherical.lon.wrap_at("180d"), fov.spherical.lat


show_public(__name__)  # Gammapy has this as a package: its modules are found in it
