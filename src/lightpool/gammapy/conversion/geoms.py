"""Geometries: pixels on the sky, and regions.

The objects of astropy and regions that describe them are shared: the WCS, and the region. Neither must be changed.
"""

import numpy as np
from gammapy.maps import HpxGeom as GammapyHpxGeom
from gammapy.maps import RegionGeom as GammapyRegionGeom
from gammapy.maps import WcsGeom as GammapyWcsGeom

from lightpool.gammapy.conversion.axes import axes_to_gammapy, some_axes_from_gammapy
from lightpool.gammapy.conversion.internals import internal
from lightpool.gammapy.conversion.kinds import require_class
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.twins import Twins
from lightpool.maps import HpxGeom, PlanesWcsGeom, RegionGeom, WcsGeom
from lightpool.maps.geoms.hpx_regions import EXPLICIT
from lightpool.maps.geoms.plane_pixels import PlanePixels
from lightpool.typing import GammapyObject

__all__ = [
    "hpx_geom_from_gammapy",
    "hpx_geom_to_gammapy",
    "region_geom_from_gammapy",
    "region_geom_to_gammapy",
    "wcs_geom_from_gammapy",
    "wcs_geom_to_gammapy",
]

_TWINS: Twins[GammapyObject] = Twins()


@to_gammapy.register
def wcs_geom_to_gammapy(geom: WcsGeom) -> GammapyWcsGeom:
    """Return a geometry of sky pixels as one of Gammapy.

    Gammapy has nothing that corresponds to ``cutout_info``, so it is not there; converted back, it is.
    """
    found = _TWINS.get(geom)
    if found is not None:
        return found
    if isinstance(geom, PlanesWcsGeom):
        planes = geom.planes
        return GammapyWcsGeom(geom.wcs, planes.npix, cdelt=planes.size, axes=axes_to_gammapy(geom.axes))
    twin = GammapyWcsGeom(geom.wcs, geom.npix_image, cdelt=geom.cdelt, axes=axes_to_gammapy(geom.axes))
    # a spare for `cutout_info`, and for what was computed for its pixels
    return _TWINS.put_pair(geom, twin, geom.copy())


@from_gammapy.register(GammapyWcsGeom)
def wcs_geom_from_gammapy(geom: GammapyWcsGeom) -> WcsGeom:
    """Return a geometry of sky pixels of Gammapy as one of lightpool.

    Raises
    ------
    GeometryError
        If the WCS is one that lightpool does not know.
    """
    found: WcsGeom | None = _TWINS.get(geom)
    if found is not None:
        return found
    require_class(geom, GammapyWcsGeom)
    # Gammapy has no public name for the pixel size that the geometry was made with
    npix, cdelt = geom.npix, internal(geom, "_cdelt")
    if any(np.size(_) != 1 for _ in (*npix, *cdelt)):
        axes = some_axes_from_gammapy(geom.axes)
        shape = tuple(axis.nbin for axis in axes)
        spread = [np.broadcast_to(_, shape) for _ in (*npix, *cdelt)]
        return PlanesWcsGeom.from_planes(geom.wcs, PlanePixels((spread[0], spread[1]), (spread[2], spread[3])), axes)
    n_lon, n_lat = (int(np.ravel(_)[0]) for _ in npix)
    size = tuple(float(np.ravel(_)[0]) for _ in cdelt)
    twin = WcsGeom(geom.wcs, (n_lon, n_lat), cdelt=size, axes=some_axes_from_gammapy(geom.axes))
    _TWINS.put_pair(geom, twin)
    return twin


@to_gammapy.register
def region_geom_to_gammapy(geom: RegionGeom) -> GammapyRegionGeom:
    """Return a geometry of a region as one of Gammapy."""
    found = _TWINS.get(geom)
    # `union` changes the region of a geometry in place
    if found is not None and found.region is geom.region:
        return found
    # with a WCS, the pixel size has no effect
    return _TWINS.put_pair(geom, GammapyRegionGeom(geom.region, axes=axes_to_gammapy(geom.axes), wcs=geom.wcs))


@from_gammapy.register(GammapyRegionGeom)
def region_geom_from_gammapy(geom: GammapyRegionGeom) -> RegionGeom:
    """Return a geometry of a region of Gammapy as one of lightpool."""
    found: RegionGeom | None = _TWINS.get(geom)
    if found is not None and found.region is geom.region:
        return found
    require_class(geom, GammapyRegionGeom)
    axes = some_axes_from_gammapy(geom.axes)
    twin = RegionGeom(geom.region, axes=axes, wcs=geom.wcs)
    _TWINS.put_pair(geom, twin)
    return twin


@to_gammapy.register
def hpx_geom_to_gammapy(geom: HpxGeom) -> GammapyHpxGeom:
    """Return a geometry of HEALPix pixels as one of Gammapy, which needs healpy for it.

    Raises
    ------
    ImportError
        If healpy is not installed.
    """
    found = _TWINS.get(geom)
    if found is not None:
        return found
    region: object = geom.region
    if geom.region == EXPLICIT:
        region = tuple(np.asarray(index, dtype=int) for index in geom.get_idx(flat=True))
    nside = int(geom.nside[0]) if geom.nside.size == 1 else geom.nside
    try:
        twin = GammapyHpxGeom(nside, geom.nest, frame=geom.frame, region=region, axes=axes_to_gammapy(geom.axes))
    except ImportError as error:
        raise ImportError(
            f"HEALPix geometries of Gammapy need the package healpy ({error}); install it, or convert a map of square "
            "pixels, which HpxNDMap.to_wcs() makes"
        ) from error
    return _TWINS.put_pair(geom, twin)


@from_gammapy.register(GammapyHpxGeom)
def hpx_geom_from_gammapy(geom: GammapyHpxGeom) -> HpxGeom:
    """Return a geometry of HEALPix pixels of Gammapy as one of lightpool."""
    found: HpxGeom | None = _TWINS.get(geom)
    if found is not None:
        return found
    require_class(geom, GammapyHpxGeom)
    region = geom.region
    if region == EXPLICIT:
        region = tuple(geom.get_idx(flat=True))
    nside = int(geom.nside[0]) if geom.nside.size == 1 else geom.nside
    axes = some_axes_from_gammapy(geom.axes)
    twin = HpxGeom(nside, bool(geom.nest), frame=geom.frame, region=region, axes=axes)
    _TWINS.put_pair(geom, twin)
    return twin
