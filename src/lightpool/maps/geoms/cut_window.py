"""Windows that maps are cut out at, each with the geometries that have it."""

from dataclasses import dataclass, field
from typing import TypeVar

from lightpool.maps.geoms.cutouts import Slices
from lightpool.maps.geoms.sky_pixel_geom import SkyPixelGeom
from lightpool.maps.geoms.sky_window import SkyWindow

__all__ = ["CutWindow", "named_slices"]

_MAX_GEOMS = 16
"""Number of geometries on one window that are kept: those of the maps of a dataset, and of its images."""

_Geom = TypeVar("_Geom", bound=SkyPixelGeom)


@dataclass(frozen=True)
class CutWindow:
    """A window of a map, and the geometries that have it: the maps of a dataset are cut out one after the other.

    Attributes
    ----------
    window : SkyWindow
    info : slices on the map, see `WcsGeom.cutout_info`
    geoms : list of WcsGeom
    """

    window: SkyWindow
    info: dict[str, Slices] | None
    geoms: list[SkyPixelGeom] = field(default_factory=list)

    def of(self, geom: _Geom) -> _Geom:
        """Return the geometry of the window of a map; maps of equal geometry share it."""
        for known in self.geoms:
            if known.axes is geom.axes and known.cdelt == geom.cdelt and type(known) is type(geom):
                return known
        made = geom.on_window(self.window, self.info)
        self.geoms.append(made)
        del self.geoms[:-_MAX_GEOMS]
        return made


def named_slices(parent: Slices, cutout: Slices) -> dict[str, Slices]:
    """Return slices under the names that Gammapy gives them.

    Parameters
    ----------
    parent, cutout : slices (y, x) on the map that was cut, and on the cutout
    """
    return {"parent-slices": parent, "cutout-slices": cutout}
