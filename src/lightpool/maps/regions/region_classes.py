"""The classes of the package ``regions``, which is loaded when the first of them is used.

Loading it takes a quarter of the time of ``import lightpool.makers`` (it also imports Matplotlib where that is
installed), and a reduction on a map without regions needs none of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regions import (
        CircleAnnulusPixelRegion,
        CircleAnnulusSkyRegion,
        CirclePixelRegion,
        CircleSkyRegion,
        CompoundPixelRegion,
        CompoundSkyRegion,
        EllipsePixelRegion,
        EllipseSkyRegion,
        PixCoord,
        PixelRegion,
        PointPixelRegion,
        PointSkyRegion,
        PolygonPixelRegion,
        PolygonSkyRegion,
        RectanglePixelRegion,
        RectangleSkyRegion,
        Region,
        RegionMeta,
        Regions,
        RegionVisual,
        SkyRegion,
    )

__all__ = [
    "CircleAnnulusPixelRegion",
    "CircleAnnulusSkyRegion",
    "CirclePixelRegion",
    "CircleSkyRegion",
    "CompoundPixelRegion",
    "CompoundSkyRegion",
    "EllipsePixelRegion",
    "EllipseSkyRegion",
    "PixCoord",
    "PixelRegion",
    "PointPixelRegion",
    "PointSkyRegion",
    "PolygonPixelRegion",
    "PolygonSkyRegion",
    "RectanglePixelRegion",
    "RectangleSkyRegion",
    "Region",
    "RegionMeta",
    "RegionVisual",
    "Regions",
    "SkyRegion",
]


def __getattr__(name: str) -> Any:
    import regions  # heavy, see above

    value = globals()[name] = getattr(regions, name)
    return value
