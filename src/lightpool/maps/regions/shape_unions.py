"""Unions of shapes with a centre as plain numbers; region objects are made when somebody asks for them."""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, cast

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.region_shapes import are_drawn_well, steps_to_north_of
from lightpool.maps.regions.sky_regions import Steps
from lightpool.maps.wcs_header import frame_of_wcs
from lightpool.utils.remembered import Remembered

if TYPE_CHECKING:
    from regions import Region, SkyRegion

__all__ = ["DrawnUnion", "ShapeUnion", "drawn_once", "parts_of_kind"]

_MARGIN = 1.2
"""Shapes that are drawn on pixels are up to 2 % wider on the sky than their size; this is far on the safe side."""


@dataclass(frozen=True, eq=False)
class DrawnUnion(ABC):
    """Shapes on the pixels of a map.

    Attributes
    ----------
    union : the shapes on the sky
    x, y : arrays of float64, shape (n,), pixel coordinates of their centres
    is_drawn : array of bool, shape (n,)
        Whether each one has its shape on the pixels; for the others, the shape on the sphere decides what is inside.
    """

    union: "ShapeUnion"
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    is_drawn: NDArray[np.bool_]

    @property
    @abstractmethod
    def reach(self) -> NDArray[np.float64]:
        """Largest distance of the border of each shape from its centre, pixels."""

    @abstractmethod
    def contains(self, number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether positions lie in one of the shapes.

        Parameters
        ----------
        number : int, of the shape
        x, y : arrays of one shape, pixel coordinates
        """


@dataclass(frozen=True, eq=False)
class ShapeUnion(ABC):
    """A union of shapes of one kind on the sky.

    Attributes
    ----------
    frame : str, name of the frame of the centres
    lon, lat : arrays of float64, shape (n,), deg
        Centres.
    """

    frame: str
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.lon)

    @property
    @abstractmethod
    def reach(self) -> NDArray[np.float64]:
        """Largest distance of the border of each shape from its centre, deg."""

    @property
    @abstractmethod
    def numbers(self) -> Hashable:
        """All that the shapes are determined by, besides the frame."""

    @abstractmethod
    def regions(self) -> "list[SkyRegion]":
        """Return a region for each shape."""

    def one_region(self) -> "SkyRegion":
        """Return one region, the union of all shapes; there must be one at least."""
        # nested to the left: a union of n regions is n - 1 levels deep
        return reduce(lambda one, other: cast("SkyRegion", one.union(other)), self.regions())

    def may_hold(self, frame: str, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int64] | None:
        """Return the positions that may lie in a shape: those in a box around all of them.

        Parameters
        ----------
        frame : str, name of the frame of the positions
        lon, lat : arrays of float, deg

        Returns
        -------
        rows : array of int, shape (n,)
            None if that is not known, or would not help: in other frames, for large shapes, and near a pole.
        """
        if self.frame != frame or np.ndim(lon) != 1:
            return None
        reach = _MARGIN * self.reach + 0.01
        highest = float(np.max(np.abs(self.lat) + reach))
        if not highest < 80 or not np.max(reach) < 10:
            return None
        rows = np.flatnonzero((lat >= np.min(self.lat - reach)) & (lat <= np.max(self.lat + reach)))
        width, middle = reach / np.cos(np.deg2rad(highest)), self.lon[0]
        east, centers = ((_ - middle + 180) % 360 - 180 for _ in (lon[rows], self.lon))
        low, high = np.min(centers - width), np.max(centers + width)
        # beyond half a turn, the box would reach around the sky
        return rows[(east >= low) & (east <= high)] if low > -180 and high < 180 else None

    def drawn(self, plane: Plane, *, torn_only: bool = False) -> DrawnUnion:
        """Return the shapes on the pixels of a map.

        Parameters
        ----------
        plane : Plane
        torn_only : whether every shape that is not torn counts as drawn well
        """
        frame, lon, lat = frame_of_wcs(plane.wcs), self.lon, self.lat
        if frame != self.frame:
            centers = SkyCoord(lon, lat, unit="deg", frame=self.frame).transform_to(frame).data
            lon, lat = centers.lon.deg, centers.lat.deg
        steps = self._steps_on(plane, lon, lat)
        is_drawn = are_drawn_well(lon, lat, self.reach, plane, torn_only=torn_only, steps=steps)
        x, y, dx, dy = steps
        return self._drawn_at((plane.wrapped(x), y, dx, dy), is_drawn)

    def _steps_on(self, plane: Plane, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Steps:
        """Return the pixels of the centres, whose positions in the frame of a plane are given, and steps from there."""
        return steps_to_north_of(lon, lat, plane.wcs)

    @abstractmethod
    def _drawn_at(self, steps: Steps, is_drawn: NDArray[np.bool_]) -> DrawnUnion:
        """Return the shapes on pixels, from the pixels of their centres and steps of one arcsec to the north."""


_DRAWN = Remembered[DrawnUnion](64)


def drawn_once(union: ShapeUnion, plane: Plane) -> DrawnUnion:
    """Return `ShapeUnion.drawn`, computed once for equal shapes on equal pixels: all runs have the region of a source.

    Parameters
    ----------
    union : ShapeUnion
    plane : Plane without a number of columns
    """
    projection = plane.projection
    if projection is None:
        return union.drawn(plane)
    header = plane.whole_wcs.wcs
    key = (type(union), union.frame, union.numbers, projection, header.ctype[0], header.radesys)
    return _DRAWN.get(key, lambda: union.drawn(plane))


def parts_of_kind(region: "Region", kinds: "tuple[type[SkyRegion], ...]") -> "list[SkyRegion]":
    """Return the parts of a union that are all of one kind and in one frame; empty if there is anything else in it.

    Parameters
    ----------
    region : SkyRegion or PixelRegion
    kinds : tuple of classes of sky regions with a centre
    """
    parts: list[SkyRegion] = []
    # a stack, not recursion: a union of n shapes is n - 1 levels deep
    waiting: list[SkyRegion] = [cast("SkyRegion", region)]
    while waiting:
        part = waiting.pop()
        included = part.meta.get("include", True)
        if included and isinstance(part, region_classes.CompoundSkyRegion) and part.operator.__name__ == "or_":
            waiting += [part.region1, part.region2]
        elif included and isinstance(part, kinds):
            parts.append(part)
        else:
            return []
    frame, kind = parts[0].center.frame.name, type(parts[0])
    # the names of other frames do not tell whether their equinoxes are equal
    is_known = frame in ("icrs", "galactic")
    return parts if is_known and all(type(_) is kind and _.center.frame.name == frame for _ in parts) else []
