"""Counts at the source: sums in a circle of a map, or in the region of a spectrum, and theta-squared counts."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeAlias

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import angular_separation, array_namespace, constant, full_on
from lightpool.arrays.devices.array_types import Array, Index
from lightpool.batch.storage.outcomes import ThetaSquaredCounts
from lightpool.config.build import build_position
from lightpool.config.targets import MapTarget, Target
from lightpool.data import EventList
from lightpool.datasets import MapDataset
from lightpool.datasets.geometries import pixels_of
from lightpool.datasets.on_off import OnOffDataset
from lightpool.errors import NoOverlapError
from lightpool.maps import Map, RegionGeom, WcsGeom

__all__ = ["SUMS", "Source", "background_of", "theta_squared_counts"]

RADIUS = Angle("0.1 deg")
"""Radius of the circle on a map that has no ``source`` in its settings."""

SUMS = ("counts", "background", "counts_off", "acceptance", "acceptance_off")
"""What `Source.sums` returns, in this order."""

THETA2_MAX, THETA2_BINS = 0.1, 20
"""Range, in deg2, and number of bins of theta-squared counts."""

Slices: TypeAlias = tuple[slice, slice]

_Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Source:
    """The region of a target in which the counts at its source are summed.

    Attributes
    ----------
    position : SkyCoord
    radius : Angle or None
        Radius of the circle; None for a region that is not a circle.
    geom : WcsGeom or None
        Image geometry of the whole map; None for the region of a spectrum, which is used as a whole.
    window : (slice, slice) or None
        Slices (y, x) of the map around the circle; None if it lies outside the map.
    inside : array of bool, shape of the window
        Pixels whose centres are in the circle.
    center : (int, int)
        Pixel (y, x) of the map at the position.
    has_theta_squared : bool
        Whether the events at the mirror position are an estimate of the background.
    """

    position: SkyCoord
    radius: Angle | None
    geom: WcsGeom | None = None
    window: Slices | None = None
    inside: _Mask | None = None
    center: tuple[int, int] = (0, 0)
    has_theta_squared: bool = True

    @classmethod
    def of(cls, target: Target, geom: WcsGeom | RegionGeom) -> Self:
        """Return the source of a target.

        Parameters
        ----------
        target : MapTarget or SpectrumTarget
            A map has a ``source``, by default a circle of 0.1 deg (and at least a pixel) around its centre.
        geom : WcsGeom or RegionGeom
            Geometry of its counts.
        """
        # OFF events of a pulsar are selected by phase, at the same position: a mirror position says nothing of them.
        by_phase = any(step.type == "PhaseBackgroundMaker" for step in target.makers)
        if isinstance(geom, RegionGeom):
            found = getattr(geom.region, "radius", None)
            return cls(geom.center_skydir, None if found is None else Angle(found), has_theta_squared=not by_phase)
        image, wanted = geom.to_image(), target.source if isinstance(target, MapTarget) else None
        position = image.center_skydir if wanted is None else build_position(wanted)
        radius = RADIUS if wanted is None else Angle(u.Quantity(wanted.radius))
        # At least a pixel, with one per cent for rounding, so that the circle contains a pixel centre.
        radius = Angle(max(radius, 1.01 * Angle(image.pixel_scales.max())))
        try:
            part = image.cutout(position, width=2 * radius + 2 * image.pixel_scales.max())
        except NoOverlapError:
            return cls(position, radius, geom=image, has_theta_squared=not by_phase)
        assert part.cutout_info is not None  # cutouts have it
        x, y = image.coord_to_idx(position)
        return cls(
            position,
            radius,
            geom=image,
            window=part.cutout_info["parent-slices"],
            inside=np.asarray(part.separation(position) <= radius),
            center=(int(np.ravel(y)[0]), int(np.ravel(x)[0])),
            has_theta_squared=not by_phase,
        )

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
        if self.geom is None:
            return _sums(dataset, background, (..., slice(None), slice(None)), None, (..., slice(None), slice(None)))
        found = self._on(pixels_of(dataset.required("counts")))
        if found is None:
            return None
        window, inside, center = found
        circle = constant(np.ascontiguousarray(inside), dataset.device)
        return _sums(dataset, background, (..., *window), circle, (..., *center))

    def _on(self, geom: WcsGeom) -> tuple[Slices, _Mask, Slices] | None:
        """Return window, circle and pixel of the source on a cutout of the map; None if they do not overlap."""
        if self.window is None or self.inside is None or self.geom is None:
            return None
        try:
            shared = geom.cutout_slices(self.geom)
        except NoOverlapError:
            return None
        window, kept, center = [], [], []
        for wanted, pixel, parent, cutout in zip(
            self.window, self.center, shared["parent-slices"], shared["cutout-slices"], strict=True
        ):
            # A pixel of the whole map plus this shift is the same pixel of the cutout.
            low, high, shift = (
                max(wanted.start, parent.start),
                min(wanted.stop, parent.stop),
                cutout.start - parent.start,
            )
            if low >= high:
                return None
            window.append(slice(low + shift, high + shift))
            kept.append(slice(low - wanted.start, high - wanted.start))
            is_on_cutout = parent.start <= pixel < parent.stop
            # An empty slice, which sums to zero, if the cutout does not contain the pixel of the source.
            center.append(slice(pixel + shift, pixel + shift + 1) if is_on_cutout else slice(0, 0))
        inside = self.inside[kept[0], kept[1]]
        return ((window[0], window[1]), inside, (center[0], center[1])) if inside.any() else None


def background_of(dataset: MapDataset) -> Map | None:
    """Return the background of a dataset: alpha times the OFF counts, or the prediction of its model; None without one.

    The predicted background of an ON-OFF dataset is not used: it is a fit to the ON counts too.
    """
    background: Map | None = dataset.background
    if isinstance(dataset, OnOffDataset) or background is None:
        return background
    return dataset.npred_background()


def _sums(dataset: MapDataset, background: Map | None, window: Index, circle: Array | None, center: Index) -> Array:
    """Compute the sums of `SUMS`: OFF counts and their acceptance at the centre, the others in the circle."""
    counts = dataset.required("counts").data
    xp = array_namespace(counts)
    safe = xp.ones_like(counts, dtype=xp.bool) if dataset.mask_safe is None else dataset.mask_safe.data

    def total(values: Map | None, part: Index, mask: Array | None = None) -> Array:
        if values is None:
            return full_on((1,), np.nan, dataset.device)
        kept = safe[part] if mask is None else safe[part] & mask
        data = values.data[part]
        return xp.reshape(xp.sum(xp.where(kept, data, xp.zeros_like(data)), dtype=xp.float64), (1,))

    off, on_acceptance, off_acceptance = (getattr(dataset, name, None) for name in SUMS[2:])
    parts = [total(each, window, circle) for each in (dataset.counts, background)] + [total(off, center)]
    return xp.concat([*parts, total(on_acceptance, window, circle), total(off_acceptance, center)])


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
        counts: list[int] = np.histogram(theta**2, edges)[0].tolist()
        return counts

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
