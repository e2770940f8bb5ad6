"""Counts of point-like data, whose directional cut (``RAD_MAX``) depends on energy and offset.

Source of the format: GADF 0.3, "Point-like IRFs" and ``RAD_MAX_2D``.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, cast

import astropy.units as u
import numpy as np

from lightpool.arrays import Device
from lightpool.bridge import accepts_gammapy
from lightpool.irf import RadMax2D
from lightpool.maps import Map, RegionGeom
from lightpool.maps.regions.sky_regions import compound_region_to_regions, region_center

if TYPE_CHECKING:
    from lightpool.data import EventList
    from lightpool.typing import OneRegion

__all__ = [
    "are_regions_overlapping_rad_max",
    "is_rad_max_compatible_region_geom",
    "make_counts_off_rad_max",
    "make_counts_rad_max",
]


@accepts_gammapy
def make_counts_rad_max(
    geom: RegionGeom,
    rad_max: RadMax2D | None,
    events: "EventList",
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Count the events inside the cut around a point.

    Parameters
    ----------
    geom : RegionGeom
        A point, or several, around each of which events are counted.
    rad_max : RadMax2D
        Evaluated at the nodes nearest to the energy of each event and to the offset of the point. Events outside its
        axes do not count.
    events : EventList
    device : Device or str, optional
        Device of the map, by default the current default device.
    precision : {"double", "single"}, optional
        Precision of the map, by default the current default precision.

    Returns
    -------
    counts : RegionNDMap
    """
    if not geom.is_all_point_sky_regions:
        raise ValueError(
            f"a cut that depends on energy needs point regions, got {geom.region!r}; use PointSkyRegion, or leave "
            "`rad_max` out of the observation for a region of one size"
        )
    if rad_max is None:
        raise ValueError(
            "a point region takes its size from the table RAD_MAX_2D, or the keyword RAD_MAX, of point-like responses, "
            "and this observation has neither; use a CircleSkyRegion"
        )
    counts = Map.from_geom(geom, dtype=precision, device=device)
    # One by one: all points fill the same bins, and the table is evaluated at the offset of each.
    for point in compound_region_to_regions(geom.region):
        counts.fill_events(events.select_rad_max(rad_max=rad_max, position=region_center(cast("OneRegion", point))))
    return counts


@accepts_gammapy
def make_counts_off_rad_max(
    geom_off: RegionGeom,
    rad_max: RadMax2D | None,
    events: "EventList",
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Count the events inside the cut around each of several points.

    An event inside the cut of two points counts twice; `are_regions_overlapping_rad_max` finds out whether that can
    happen.

    Parameters
    ----------
    geom_off : RegionGeom
        One or more points.
    rad_max, events, device, precision : see `make_counts_rad_max`
    """
    return make_counts_rad_max(geom_off, rad_max, events, device=device, precision=precision)


def are_regions_overlapping_rad_max(
    regions: "Sequence[OneRegion]",
    rad_max: RadMax2D,
    offset: u.Quantity,
    e_min: u.Quantity,
    e_max: u.Quantity,
    method: str = "nearest",
) -> bool:
    """Return whether two points are closer to each other than twice the cut at any energy in a range.

    Parameters
    ----------
    regions : list of PointSkyRegion
    rad_max : RadMax2D
    offset : Quantity
        Offset of the points from the pointing.
    e_min, e_max : Quantity
        Range of reconstructed energies.
    method : {"nearest", "linear"}
        Interpolation of the cut in offset; events are cut at the nearest node.
    """
    centers = [region_center(region) for region in regions]
    separations = [one.separation(other).deg for one, other in combinations(centers, 2)]
    axis = rad_max.axes["energy"]
    in_range = (axis.edges[1:] >= e_min) & (axis.edges[:-1] <= e_max)  # bins partly inside count too
    radii = rad_max.evaluate(method=method, offset=offset).to_value("deg").ravel()[in_range]
    return bool(radii.size and separations and min(separations) < 2 * radii.max())


def is_rad_max_compatible_region_geom(rad_max: RadMax2D, geom: RegionGeom, rtol: float = 1e-3) -> bool:
    """Return whether a region suits the cut of point-like data: a point, or a circle with the radius of a fixed cut.

    Parameters
    ----------
    rad_max : RadMax2D
    geom : RegionGeom
    rtol : float
        Relative tolerance of the radius.

    Raises
    ------
    ValueError
        If it is a circle of another radius.
    """
    if geom.is_all_point_sky_regions:
        return True
    radius = getattr(geom.region, "radius", None)
    if radius is None or not rad_max.is_fixed_rad_max:
        return False
    # All values of a fixed cut are equal.
    cut = u.Quantity(np.ravel(rad_max.quantity)[0])
    if not u.isclose(radius, cut, rtol=rtol):
        raise ValueError(
            "a circle for these point-like responses must have the radius of their directional cut, "
            f"RAD_MAX = {cut:.4g}, got {radius.to('deg'):.4g}; use that radius, or a PointSkyRegion"
        )
    return True
