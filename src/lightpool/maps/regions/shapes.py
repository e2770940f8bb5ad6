"""Unions of ellipses, rectangles and annuli as plain numbers; region objects are made when somebody asks for them."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions.region_shapes import steps_to_north_of
from lightpool.maps.regions.shape_unions import DrawnUnion, ShapeUnion, parts_of_kind
from lightpool.maps.regions.sky_regions import RegionKind, Steps, kind_of, kinds_of_sky, steps_to_north
from lightpool.maps.wcs_header import frame_of_wcs

if TYPE_CHECKING:
    from regions import Region, SkyRegion

__all__ = ["DrawnShapes", "Shapes", "shape_contains"]

_Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shapes(ShapeUnion):
    """A union of ellipses, rectangles or annuli on the sky, all of one kind.

    Attributes
    ----------
    frame, lon, lat : see `ShapeUnion`
    lengths : array of float64, shape (n_length, n), arcsec
        In the order of ``kind.lengths``.
    angle : array of float64, shape (n,), deg
        From the axis of longitude; zeros for round shapes.
    like : SkyRegion of that kind, whose ``meta`` each region gets
    """

    lengths: _Floats
    angle: _Floats
    like: "SkyRegion"

    @classmethod
    def of(cls, region: "Region") -> Self | None:
        """Return the shapes of a union, of one kind and in one frame; None if there is anything else in it.

        Parameters
        ----------
        region : SkyRegion or PixelRegion
        """
        parts = parts_of_kind(region, kinds_of_sky())
        kind = kind_of(parts[0]) if parts else None
        # angles in other units would be rounded
        if kind is None or not (kind.is_round or all(kind.angle_of(_).unit == u.deg for _ in parts)):
            return None
        lon, lat = np.array([(_.center.data.lon.deg, _.center.data.lat.deg) for _ in parts]).T
        lengths = np.array([kind.lengths_of(_, "arcsec") for _ in parts]).T
        angle = np.array([0.0 if kind.is_round else float(kind.angle_of(_).value) for _ in parts])
        return cls(parts[0].center.frame.name, lon, lat, lengths, angle, parts[0])

    @classmethod
    def from_pixels(
        cls, x: _Floats, y: _Floats, lengths: tuple[float, ...], angle: _Floats, wcs: WCS, like: "SkyRegion"
    ) -> Self:
        """Return the shapes on the sky of shapes of one size on pixels, as `sky_regions.region_to_sky`.

        Parameters
        ----------
        x, y : arrays of float, shape (n,), pixel coordinates
        lengths : tuple of float, pixels
        angle : array of float, shape (n,), deg, from the x axis
        wcs : WCS
        like : SkyRegion, see above
        """
        lon, lat = wcs.wcs_pix2world(x, y, 0)
        _, _, dx, dy = steps_to_north_of(lon, lat, wcs)
        # a step is one arcsec long, so dx and dy are pixels per arcsec
        sizes = np.array(lengths)[:, None] / np.hypot(dx, dy)
        return cls(frame_of_wcs(wcs), lon, lat, sizes, angle - np.rad2deg(np.arctan2(dy, dx)) + 90.0, like)

    @property
    def kind(self) -> RegionKind:
        """Kind of all shapes."""
        kind = kind_of(self.like)
        assert kind is not None  # see `of`
        return kind

    @property
    def reach(self) -> _Floats:
        """Largest distance of the border of each shape from its centre, deg."""
        return np.array([self.kind.reach_of(lengths) for lengths in (self.lengths / 3600).T.tolist()])

    @property
    def numbers(self) -> Hashable:
        """Kind, centres, lengths and angles."""
        return self.kind, *(each.tobytes() for each in (self.lon, self.lat, self.lengths, self.angle))

    def regions(self) -> "list[SkyRegion]":
        """Return a region for each shape."""
        kind, centers = self.kind, SkyCoord(self.lon, self.lat, unit="deg", frame=self.frame)
        options = [{} if kind.is_round else {"angle": angle} for angle in Angle(self.angle, "deg")]
        return [
            kind.sky(center, *lengths, meta=self.like.meta.copy(), **more)
            for center, lengths, more in zip(centers, Angle(self.lengths, "arcsec").T, options, strict=True)
        ]

    def _steps_on(self, plane: Plane, lon: _Floats, lat: _Floats) -> Steps:
        if self.frame == frame_of_wcs(plane.wcs):
            return steps_to_north_of(lon, lat, plane.wcs)
        # angles count from the north of their own frame
        return steps_to_north(SkyCoord(self.lon, self.lat, unit="deg", frame=self.frame), plane.wcs)

    def _drawn_at(self, steps: Steps, is_drawn: NDArray[np.bool_]) -> "DrawnShapes":
        x, y, dx, dy = steps
        # the inverse of the rule in `from_pixels`
        angle = self.angle + np.rad2deg(np.arctan2(dy, dx)) - 90.0
        return DrawnShapes(self, x, y, is_drawn, self.lengths * np.hypot(dx, dy), angle)


@dataclass(frozen=True, eq=False)
class DrawnShapes(DrawnUnion):
    """Ellipses, rectangles or annuli on the pixels of a map.

    Attributes
    ----------
    union, x, y, is_drawn : see `DrawnUnion`
    lengths : array of float64, shape (n_length, n), pixels
    angle : array of float64, shape (n,), deg, from the x axis
    """

    lengths: _Floats
    angle: _Floats

    @property
    def reach(self) -> _Floats:
        """Largest distance of the border of each shape from its centre, pixels."""
        kind = cast(Shapes, self.union).kind
        return np.array([kind.reach_of(lengths) for lengths in self.lengths.T.tolist()])

    def contains(self, number: int, x: _Floats, y: _Floats) -> NDArray[np.bool_]:
        """Return whether positions lie in one of the shapes, see `DrawnUnion.contains`."""
        dx, dy = x - float(self.x[number]), y - float(self.y[number])
        kind, lengths = cast(Shapes, self.union).kind, tuple(self.lengths[:, number].tolist())
        return shape_contains(kind, lengths, float(self.angle[number]), dx, dy)


def shape_contains(
    kind: RegionKind, lengths: tuple[float, ...], angle: float, dx: _Floats, dy: _Floats
) -> NDArray[np.bool_]:
    """Return whether positions lie in an ellipse, a rectangle or an annulus; those on its border do not.

    Parameters
    ----------
    kind : RegionKind
    lengths : tuple of float, pixels, in the order of ``kind.lengths``
    angle : float, deg, from the x axis; of no importance to a round shape
    dx, dy : arrays of one shape, distances from its centre, pixels
    """
    if kind.is_round:
        distance = np.hypot(dx, dy)
        inner, outer = (distance < radius for radius in lengths)
        return np.asarray(inner ^ outer)
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    along, across = cos * dx + sin * dy, sin * dx - cos * dy
    half = len(lengths) // 2  # the widths come before the heights; of an annulus the inner one first
    inside = [
        (2 * along / width) ** 2 + (2 * across / height) ** 2 < 1.0
        if kind.is_elliptic
        else (np.abs(along) < width * 0.5) & (np.abs(across) < height * 0.5)
        for width, height in zip(lengths[:half], lengths[half:], strict=True)
    ]
    return np.asarray(inside[0] if half == 1 else inside[0] ^ inside[1])
