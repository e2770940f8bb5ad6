"""The position around which the cutout of an observation is made."""

import math

from astropy.coordinates import SkyCoord

from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.maps import Geom, WcsGeom
from lightpool.maps.wcs_header import lonlat_deg, wcslib_to_pixel, width_deg
from lightpool.typing import AngleLike

__all__ = ["cutout_position"]

TIED = 1e-8
"""Part of a pixel within which rounding decides with which pixel a cutout begins."""


def cutout_position(dataset: MapDataset, observation: Observation, width: AngleLike) -> SkyCoord | tuple[float, float]:
    """Return the pointing of an observation, or its angles in deg where they are in the frame of the maps.

    Gammapy's DatasetsMaker takes the pointing at the middle of the observation in Galactic coordinates, and the cutout
    takes it to the frame of the map. The rounding of that, 1e-13 deg, matters where the pointing is as close to the
    centres of two windows, such as 0.5 deg from the centre of a map with pixels of 0.2 deg: then the position goes the
    same way here, which takes longer.

    Parameters
    ----------
    dataset : MapDataset
        From which is cut.
    observation : Observation
    width : Quantity or str
        Of the cutout.
    """
    is_icrs = dataset.geom.frame == "icrs"
    pointing = observation.given_pointing if is_icrs else observation.pointing_radec
    lonlat = lonlat_deg(pointing, dataset.geom.frame)
    geoms = [dataset.geom, *(response.geom for response in (dataset.psf, dataset.edisp) if response is not None)]
    if any(_is_tied(geom, lonlat, width) for geom in geoms):
        return observation.get_pointing_icrs(observation.tmid).galactic
    return pointing


def _is_tied(geom: Geom, lonlat: tuple[float, float], width: AngleLike) -> bool:
    if not isinstance(geom, WcsGeom):
        return False
    position = wcslib_to_pixel(geom.wcs.wcs, *lonlat)
    for pixel, size, scale in zip(position, width_deg(width), geom.window.grid.scales, strict=True):
        begin = float(pixel) - round(size / scale) / 2.0
        if math.isfinite(begin) and abs(begin - round(begin)) < TIED:
            return True
    return False
