"""Counts at the source: sums in a circle of a map, or in the region of a spectrum, and theta-squared counts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import angular_separation, array_namespace, constant, full_on
from lightpool.arrays.devices.array_types import Array
from lightpool.batch.execution.source_pixels import WHOLE, CirclePixels, PixelsInData, circle_on
from lightpool.batch.storage.outcomes import ThetaSquaredCounts
from lightpool.config.build import build_position
from lightpool.config.targets import HealpixTarget, SpectrumTarget, Target
from lightpool.data import EventList
from lightpool.datasets import MapDataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.maps import HpxGeom, Map, RegionGeom, WcsGeom

__all__ = ["RADIUS", "SUMS", "Source", "background_of", "theta_squared_counts"]

RADIUS = Angle("0.1 deg")
"""Radius of the circle on a map that has no ``source`` in its settings."""

SUMS = ("counts", "background", "counts_off", "acceptance", "acceptance_off")
"""What `Source.sums` returns, in this order."""

THETA2_MAX, THETA2_BINS = 0.1, 20
"""Range, in deg2, and number of bins of theta-squared counts."""


@dataclass(frozen=True, eq=False)
class Source:
    """The region of a target in which the counts at its source are summed.

    Attributes
    ----------
    position : SkyCoord
    radius : Angle or None
        Radius of the circle; None for a region that is not a circle.
    is_region : bool
        Whether it is the region of a spectrum, which is used as a whole.
    pixels : SquareCircle, HpxCircle or None
        Pixels of the map in the circle; None for a region, and for a circle outside the map.
    has_theta_squared : bool
        Whether the events at the mirror position are an estimate of the background.
    """

    position: SkyCoord
    radius: Angle | None
    is_region: bool = False
    pixels: CirclePixels | None = None
    has_theta_squared: bool = True

    @classmethod
    def of(cls, target: Target, geom: WcsGeom | HpxGeom | RegionGeom) -> Self:
        """Return the source of a target.

        Parameters
        ----------
        target : Target
            A map has a ``source``, by default a circle of 0.1 deg (and at least a pixel) around its centre.
        geom : WcsGeom, HpxGeom or RegionGeom
            Geometry of its counts.
        """
        # OFF events of a pulsar are selected by phase, at the same position: a mirror position says nothing of them.
        by_phase = any(step.type == "PhaseBackgroundMaker" for step in target.makers)
        if isinstance(geom, RegionGeom) or isinstance(target, SpectrumTarget):
            found = getattr(cast(RegionGeom, geom).region, "radius", None)
            radius = None if found is None else Angle(found)
            return cls(geom.center_skydir, radius, is_region=True, has_theta_squared=not by_phase)
        image = geom.to_image()
        wanted = target.source
        if wanted is None:
            # all the sky and a region have no centre of their own
            position = build_position(target.center) if isinstance(target, HealpixTarget) else image.center_skydir
            radius = RADIUS
        else:
            position, radius = build_position(wanted), Angle(u.Quantity(wanted.radius))
        # At least a pixel, with one per cent for rounding, so that the circle contains a pixel centre.
        radius = Angle(max(radius, 1.01 * Angle(_pixel_size(image))))
        return cls(position, radius, pixels=circle_on(image, position, radius), has_theta_squared=not by_phase)

    @cached_property
    def lonlat(self) -> tuple[float, float]:
        """Position in ICRS, unit rad."""
        position = self.position.icrs
        return float(position.ra.rad), float(position.dec.rad)

    @property
    def theta2_max(self) -> float:
        """Upper edge of theta-squared counts, deg2: 0.1, or twice the squared radius if that is more."""
        return THETA2_MAX if self.radius is None else max(THETA2_MAX, 2 * float(self.radius.deg) ** 2)

    def sums(self, dataset: MapDataset, background: Map | None) -> Array | None:
        """Sum the counts at the source inside the safe mask, over all energies.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
            The whole map or a cutout of it.
        background : Map or None
            See `background_of`.

        Returns
        -------
        sums : array of float64, shape (5,), on the device of the dataset; None if the source is not on its map
            See `SUMS`; NaN for what the dataset does not have. OFF counts and their acceptance are those of the pixel
            of the source, not summed over the circle: neighbouring pixels of a map share their OFF events.
        """
        if self.is_region:
            return _sums(dataset, background, WHOLE)
        if self.pixels is None:
            return None
        # the type of the geometry is that of the whole map
        found = self.pixels.on(cast(Any, dataset.required("counts").geom))
        return None if found is None else _sums(dataset, background, found)


def _pixel_size(image: WcsGeom | HpxGeom) -> u.Quantity:
    """Return the larger side of the pixels, or the side of a square of the area of a HEALPix pixel."""
    if isinstance(image, HpxGeom):
        return u.Quantity(np.sqrt(image.solid_angle().to_value("deg2").max()), "deg")
    return u.Quantity(image.pixel_scales.max())


def background_of(dataset: MapDataset) -> Map | None:
    """Return the background of a dataset: alpha times the OFF counts, or the prediction of its model; None without one.

    The predicted background of an ON-OFF dataset is not used: it is a fit to the ON counts too.
    """
    background: Map | None = dataset.background
    if isinstance(dataset, OnOffDataset) or background is None:
        return background
    return dataset.npred_background()


def _sums(dataset: MapDataset, background: Map | None, part: PixelsInData) -> Array:
    """Compute the sums of `SUMS`: OFF counts and their acceptance at the centre, the others in the circle."""
    counts = dataset.required("counts").data
    xp = array_namespace(counts)
    safe = xp.ones_like(counts, dtype=xp.bool) if dataset.mask_safe is None else dataset.mask_safe.data
    in_circle = part.in_circle(safe)
    if part.inside is not None:
        in_circle = in_circle & constant(np.ascontiguousarray(part.inside), dataset.device)

    def total(values: Map | None, select: Callable[[Array], Array], kept: Array) -> Array:
        if values is None:
            return full_on((1,), np.nan, dataset.device)
        data = select(values.data)
        return xp.reshape(xp.sum(xp.where(kept, data, xp.zeros_like(data)), dtype=xp.float64), (1,))

    circle, center = (part.in_circle, in_circle), (part.at_center, part.at_center(safe))
    off, on_acceptance, off_acceptance = (getattr(dataset, name, None) for name in SUMS[2:])
    parts = [total(each, *circle) for each in (dataset.counts, background)] + [total(off, *center)]
    return xp.concat([*parts, total(on_acceptance, *circle), total(off_acceptance, *center)])


def theta_squared_counts(
    source: Source, events: EventList, pointing: tuple[float, float], energies: NDArray[np.float64]
) -> ThetaSquaredCounts | None:
    """Histogram the squared angle of events from the source, and from its mirror position about the pointing.

    Parameters
    ----------
    source : Source
    events : EventList
    pointing : (lon, lat)
        ICRS, unit rad.
    energies : array of float, shape (2,), unit TeV
        Events in ``[energies[0], energies[1])`` are used.

    Returns
    -------
    counts : ThetaSquaredCounts or None
        ``max`` (deg2, upper edge of the last bin), ``counts`` and ``counts_off`` (lists of int); None if the two
        positions are so close that their circles overlap.
    """
    radius, (lon, lat) = float(np.sqrt(source.theta2_max)), source.lonlat
    # The mirror position is twice this angle away, so two circles of this radius overlap.
    if not source.has_theta_squared or _angle(lon, lat, *map(np.float64, pointing)) <= radius:
        return None
    at, axis = _vector(lon, lat), _vector(*pointing)
    x, y, z = 2 * (at @ axis) * axis - at  # half a turn about the pointing
    # Rounding may leave |z| slightly above 1, for which arcsin is NaN.
    mirror = float(np.arctan2(y, x)), float(np.arcsin(np.clip(z, -1, 1)))
    edges = np.linspace(0, source.theta2_max, THETA2_BINS + 1)

    def histogram(center_lon: float, center_lat: float) -> list[int]:
        arrays = events.arrays
        # A band of latitude contains all events within the radius, and is much faster to select than a circle.
        # The factor 1.001 allows for rounding; the histogram cuts at the exact radius.
        near = np.flatnonzero(np.abs(arrays["lat"] - center_lat) <= np.radians(radius) * 1.001)
        energy = arrays["energy"][near]
        near = near[(energy >= energies[0]) & (energy < energies[1])]
        theta = _angle(center_lon, center_lat, arrays["lon"][near], arrays["lat"][near])
        # what `np.histogram` does with edges, in half of the time
        squares = np.sort(theta**2)
        below = [*squares.searchsorted(edges[:-1]).tolist(), int(squares.searchsorted(edges[-1], side="right"))]
        return [stop - start for start, stop in pairwise(below)]

    return {"max": source.theta2_max, "counts": histogram(lon, lat), "counts_off": histogram(*mirror)}


def _angle(
    lon: float, lat: float, lons: NDArray[np.float64] | np.float64, lats: NDArray[np.float64] | np.float64
) -> NDArray[np.float64]:
    """Compute the angles in deg between a position and others, all in rad."""
    angles: NDArray[np.float64] = np.degrees(
        np.asarray(angular_separation(np.float64(lon), np.float64(lat), lons, lats))
    )
    return angles


def _vector(lon: float, lat: float) -> NDArray[np.float64]:
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
