"""Announcements of differences from Gammapy that depend on a geometry or on a table, not on one step of a maker.

Each function is called before its maker changes anything, and does nothing unless somebody listens, see
`lightpool.utils.deviations`.
"""

from collections.abc import Iterable

import numpy as np

from lightpool.arrays import array_namespace, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.datasets import MapDataset
from lightpool.irf import IRF
from lightpool.irf.tables.table_rules import is_widened
from lightpool.maps import Geom, Map, MapAxis, RegionGeom, WcsGeom
from lightpool.utils.deviations import deviates, deviations_are_heard

__all__ = [
    "announce_of_dataset",
    "announce_of_points",
    "announce_of_small_mask",
    "announce_of_tables",
    "any_of",
]


def announce_of_dataset(dataset: MapDataset) -> None:
    """Announce what the geometry of a dataset makes different in every maker."""
    if not deviations_are_heard() or dataset.counts is None:
        return
    geom = dataset.counts.geom
    if isinstance(geom, RegionGeom):
        if geom.region is not None and not geom.is_drawn:
            deviates("region that its pixels do not show in its shape")
    elif isinstance(geom, WcsGeom):
        plane = geom.window.plane
        if plane.reaches_over_seam or plane.has_repeats:
            deviates("map over the seam of its projection")
    if any(isinstance(axis, MapAxis) and axis.edges_value[0] > axis.edges_value[-1] for axis in geom.axes):
        deviates("energies in descending order")


def announce_of_points(geom: Geom) -> None:
    """Announce an ON region of several points, whose events Gammapy does not cut."""
    if isinstance(geom, RegionGeom) and geom.is_all_point_sky_regions and not hasattr(geom.region, "center"):
        deviates("ON region of several points")


def announce_of_tables(tables: Iterable[IRF]) -> None:
    """Announce tables at one offset without a width, which Gammapy takes for zero beside it."""
    if deviations_are_heard() and any(
        is_widened(axis) for table in tables for axis in table.axes if isinstance(axis, MapAxis)
    ):
        deviates("response at one offset without a width")


def announce_of_small_mask(mask: Map | None, geom: WcsGeom) -> None:
    """Announce an exclusion mask that does not have all pixels of a map.

    Parameters
    ----------
    mask : Map or None
    geom : WcsGeom
    """
    if mask is None or not deviations_are_heard() or mask.geom == geom:
        return
    coords = geom.to_image().get_coord()
    on_sky = np.isfinite(coords.skycoord.data.lon.deg)
    if not np.all(mask.geom.to_image().contains(coords)[on_sky]):
        deviates("exclusion mask smaller than the map, in rings")


def any_of(condition: Array) -> bool:
    """Return whether a condition holds in any bin; reads one number from the device, so only where somebody listens."""
    return bool(to_host(array_namespace(condition).any(condition)))  # host: for an announcement
