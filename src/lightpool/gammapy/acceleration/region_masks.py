"""Gammapy's `WcsGeom.region_mask`: the mask of a geometry with axes is that of its image, repeated.

Gammapy computes the same image once for each bin of the axes. The image itself stays its own work.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from gammapy.maps import Map as GammapyMap
from gammapy.maps import WcsGeom as GammapyWcsGeom

from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, takes_over
from lightpool.maps.regions import region_classes

if TYPE_CHECKING:
    from lightpool.typing import OneRegion

__all__: list[str] = []

_RELIED_ON = ("get_idx", "get_pix", "pix_to_coord", "to_image", "is_regular", "is_image", "data_shape")


# Not in the report, which is about makers.
@takes_over(GammapyWcsGeom, "region_mask", relies_on=_RELIED_ON, runs_others=True, is_listed=False)
def _region_mask(geom: GammapyWcsGeom, regions: "Sequence[OneRegion] | OneRegion", inside: bool = True) -> Commit:
    if geom.is_image or not geom.is_regular:
        raise NotTakenOverError("a geometry without axes, or with pixels of its own for each bin")
    given = list(regions) if isinstance(regions, list | tuple) else [regions]
    # Gammapy evaluates a model for points, and parses text.
    area, point = region_classes.SkyRegion, region_classes.PointSkyRegion
    if not given or not all(isinstance(each, area) and not isinstance(each, point) for each in given):
        raise NotTakenOverError("regions of other kinds than areas on the sky")

    def commit() -> GammapyMap:
        image = geom.to_image().region_mask(regions, inside=inside)
        return GammapyMap.from_geom(geom, data=np.broadcast_to(image.data, geom.data_shape).copy())

    return commit
