"""Excess and significance of HEALPix pixels, which are joined until they are about as large as a circle."""

import math
from typing import TypeAlias

import numpy as np
from astropy.coordinates import Angle

from lightpool.arrays import to_host
from lightpool.batch.execution.source_counts import background_of
from lightpool.datasets import MapDataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.maps import HpxGeom, HpxNDMap, Map, WcsNDMap
from lightpool.stats import CashCountsStatistic

__all__ = ["SkyMap", "excess_of_pixels"]

SkyMap: TypeAlias = WcsNDMap | HpxNDMap


def excess_of_pixels(dataset: MapDataset, radius: Angle) -> tuple[HpxNDMap | None, HpxNDMap | None, str]:
    """Return images of significance and excess, and a note about their pixels; None without a background.

    Parameters
    ----------
    dataset : MapDataset
        On a HpxGeom, on the host.
    radius : Angle
        Pixels are joined by fours until they are nearest to the area of a circle of this radius.
    """
    background = background_of(dataset)
    if background is None or isinstance(dataset, OnOffDataset):
        return None, None, ""
    counts = dataset.required("counts")
    geom = counts.geom
    assert isinstance(geom, HpxGeom)  # see above
    factor = _factor(int(geom.nside[0]), float(radius.rad))
    joined = _joined(counts, dataset.mask_safe, factor)
    # host: the dataset was read from a file, and is drawn
    on, mu = (to_host(each.data) for each in (joined, _joined(background, dataset.mask_safe, factor)))
    known = mu > 0
    if not known.any():
        return None, None, ""
    significance = to_host(CashCountsStatistic(on, np.where(known, mu, 1.0)).sqrt_ts)
    size = Angle(np.sqrt(joined.geom.solid_angle()[0].value), "rad").to("deg")
    note = f"in pixels of {size:.3g} (nside {joined.geom.nside[0]}), safe energies"
    sqrt_ts, excess = (joined.copy(data=np.where(known, values, np.nan)) for values in (significance, on - mu))
    return sqrt_ts, excess, note


def _factor(nside: int, radius: float) -> int:
    """Return into one of how many pixels along each side they are joined; the radius is in rad."""
    n_joined = math.pi * radius**2 / (math.pi / 3.0 / nside**2)
    factor = 1
    # at the factor nearest to the area, twice it would be more than twice too large
    while nside % (2 * factor) == 0 and (2 * factor) ** 2 <= 2.0 * n_joined:
        factor *= 2
    return factor


def _joined(values: Map, safe: Map | None, factor: int) -> HpxNDMap:
    if safe is not None:
        values = values * safe
    image = values.reduce_over_axes().downsample(factor, preserve_counts=True)
    assert isinstance(image, HpxNDMap)  # the caller's dataset has these
    return image
