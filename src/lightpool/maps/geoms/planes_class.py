"""The class of geometries whose planes differ: it builds on `WcsGeom`, which finds it here to make one of them."""

from typing import Protocol

from astropy.wcs import WCS

from lightpool.maps.axes.axes import AxesLike
from lightpool.maps.geoms.plane_pixels import PlanePixels
from lightpool.maps.geoms.sky_pixel_geom import SkyPixelGeom

__all__ = ["PlanesGeom", "planes_geom", "register_planes_geom"]

_PLANES_GEOM: "list[type[PlanesGeom]]" = []


class PlanesGeom(Protocol):
    """The class of geometries whose planes differ, which builds on `WcsGeom`."""

    @classmethod
    def from_planes(cls, wcs: WCS, planes: PlanePixels, axes: AxesLike) -> SkyPixelGeom:
        """Make a geometry of the pixels of its planes.

        Parameters
        ----------
        wcs : WCS of the first plane
        planes : PlanePixels
        axes : list of MapAxis, non-spatial axes
        """


def register_planes_geom(kind: type[PlanesGeom]) -> None:
    """Set the class that `WcsGeom.create` makes where planes differ."""
    _PLANES_GEOM[:] = [kind]


def planes_geom() -> type[PlanesGeom]:
    """Return the class of geometries whose planes differ."""
    return _PLANES_GEOM[0]
