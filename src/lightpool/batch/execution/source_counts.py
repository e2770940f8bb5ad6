"""The numbers at the source: sums in a circle of a map, or in the region of a spectrum, and theta-squared counts."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord

from lightpool.arrays import angular_separation, array_namespace, constant, full_on
from lightpool.arrays.devices.array_types import Array
from lightpool.config.build import build_position
from lightpool.config.targets import Target
from lightpool.datasets import MapDataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.errors import NoOverlapError
from lightpool.maps import WcsGeom

__all__ = ["SUMS", "Source", "background_of", "theta_squared_counts"]

RADIUS = Angle("0.1 deg")
"""Circle on a map that has no ``source`` in its settings."""

SUMS = ("counts", "background", "counts_off", "acceptance", "acceptance_off")
"""What `Source.sums` gives, in this order."""

THETA2_MAX, THETA2_BINS = 0.1, 20
"""Range, in deg2, and number of bins of theta-squared counts."""

HostArray = np.ndarray[Any, Any]
Slices = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Source:
    """Where the numbers of a target at its source are taken.

    Attributes
    ----------
    position : SkyCoord
    radius : Angle, of the circle; None for a region that is not a circle
    geom : WcsGeom, of the whole map, one image; None for the region of a spectrum, all of which counts
    window : slices (y, x) of the map around the circle; None if it lies outside the map
    inside : array of bool, shape of the window; the pixels whose centres are in the circle
    center : (y, x), the pixel of the map that holds the position
    has_theta_squared : whether events at the mirror position tell the background
    """

    position: SkyCoord
    radius: Angle | None
    geom: WcsGeom | None = None
    window: Slices | None = None
    inside: HostArray | None = None
    center: tuple[int, int] = (0, 0)
    has_theta_squared: bool = True

    @classmethod
    def of(cls, target: Target, geom: Any) -> Self:
        """Source of a target.

        Parameters
        ----------
        target : MapTarget or SpectrumTarget
            A map has its ``source``, by default a circle of 0.1 deg (and at least a pixel) around its centre.
        geom : WcsGeom or RegionGeom, of its counts
        """
        by_phase = any(step.type == "PhaseBackgroundMaker" for step in target.makers)
        if geom.is_region:
            radius = getattr(geom.region, "radius", None)
            return cls(geom.center_skydir, None if radius is None else Angle(radius), has_theta_squared=not by_phase)
        image, asked = geom.to_image(), target.source  # type: ignore[union-attr]  # only maps have pixels
        position = image.center_skydir if asked is None else build_position(asked)
        radius = RADIUS if asked is None else Angle(u.Quantity(asked.radius))
        radius = max(radius, 1.01 * Angle(image.pixel_scales.max()))
        options = {"geom": image, "has_theta_squared": not by_phase}
        try:
            part = image.cutout(position, width=2 * radius + 2 * image.pixel_scales.max())
        except NoOverlapError:
            return cls(position, radius, **options)
        inside = part.separation(position) <= radius
        x, y = image.coord_to_idx(position)
        center = int(np.ravel(y)[0]), int(np.ravel(x)[0])
        window = part.cutout_info["parent-slices"]
        return cls(position, radius, window=window, inside=np.asarray(inside), center=center, **options)

    @cached_property
    def lonlat(self) -> tuple[float, float]:
        """Position, ICRS, unit rad."""
        position = self.position.icrs
        return float(position.ra.rad), float(position.dec.rad)

    @property
    def theta2_max(self) -> float:
        """Upper end of theta-squared counts, deg2: a tenth, or twice the squared radius."""
        return THETA2_MAX if self.radius is None else max(THETA2_MAX, 2 * float(self.radius.deg) ** 2)

    def sums(self, dataset: MapDataset, background: Any) -> Array | None:
        """Sums inside the safe mask at the source, of all energies.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
            The whole map or a cutout of it.
        background : Map or None, see `background_of`

        Returns
        -------
        sums : array of float64, shape (5,), on the device of the dataset; None if the source is not on its map
            See `SUMS`; NaN for what the dataset does not have. OFF counts and their acceptance are those of the pixel
            of the source: neighbouring pixels of a map share their OFF events.
        """
        if self.geom is None:
            return _sums(dataset, background, (..., slice(None), slice(None)), None, (..., slice(None), slice(None)))
        found = self._on(dataset.counts.geom)
        if found is None:
            return None
        window, inside, center = found
        circle = constant(np.ascontiguousarray(inside), dataset.device)
        return _sums(dataset, background, (..., *window), circle, (..., *center))

    def _on(self, geom: WcsGeom) -> tuple[Slices, HostArray, Slices] | None:
        """Window, circle and pixel of the source on a cutout of the map."""
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
            low, high, shift = (
                max(wanted.start, parent.start),
                min(wanted.stop, parent.stop),
                cutout.start - parent.start,
            )
            if low >= high:
                return None
            window.append(slice(low + shift, high + shift))
            kept.append(slice(low - wanted.start, high - wanted.start))
            is_there = parent.start <= pixel < parent.stop
            center.append(slice(pixel + shift, pixel + shift + 1) if is_there else slice(0, 0))
        inside = self.inside[kept[0], kept[1]]
        return ((window[0], window[1]), inside, (center[0], center[1])) if inside.any() else None


def background_of(dataset: MapDataset) -> Any:
    """Background of a dataset: alpha times the OFF counts, or what its model gives; None if it has none."""
    if isinstance(dataset, OnOffDataset):  # its prediction is a fit to the ON counts too
        return dataset.background
    return None if dataset.background is None else dataset.npred_background()


def _sums(dataset: MapDataset, background: Any, window: Any, circle: Array | None, center: Any) -> Array:
    """Sums of `SUMS`: OFF counts and their acceptance at the centre, the others in the circle."""
    counts = dataset.counts.data
    xp = array_namespace(counts)
    safe = xp.ones_like(counts, dtype=xp.bool) if dataset.mask_safe is None else dataset.mask_safe.data

    def total(values: Any, part: Any, mask: Array | None = None) -> Array:
        if values is None:
            return full_on((1,), np.nan, dataset.device)
        kept = safe[part] if mask is None else safe[part] & mask
        data = values.data[part]
        return xp.reshape(xp.sum(xp.where(kept, data, xp.zeros_like(data)), dtype=xp.float64), (1,))

    off, on_acceptance, off_acceptance = (getattr(dataset, name, None) for name in SUMS[2:])
    parts = [total(each, window, circle) for each in (dataset.counts, background)] + [total(off, center)]
    return xp.concat([*parts, total(on_acceptance, window, circle), total(off_acceptance, center)])


def theta_squared_counts(
    source: Source, events: Any, pointing: tuple[float, float], energies: HostArray
) -> dict[str, Any] | None:
    """Count events over the squared angle from the source, and from its mirror image about the pointing.

    Parameters
    ----------
    source : Source
    events : EventList
    pointing : (lon, lat), ICRS, unit rad
    energies : array of float, shape (2,), unit TeV
        Events in ``[energies[0], energies[1])`` are taken.

    Returns
    -------
    counts : dict of ``max`` (deg2, where the last bin ends), ``counts`` and ``counts_off`` (lists of int); None where
        the two positions are too close for that
    """
    radius, (lon, lat) = float(np.sqrt(source.theta2_max)), source.lonlat
    if (
        not source.has_theta_squared
        or np.degrees(angular_separation(*map(np.float64, (lon, lat, *pointing)))) <= radius
    ):
        return None
    at, axis = _vector(lon, lat), _vector(*pointing)
    x, y, z = 2 * (at @ axis) * axis - at  # half a turn about the pointing
    mirror = np.arctan2(y, x), np.arcsin(np.clip(z, -1, 1))
    arrays, found = events.arrays, {}
    edges = np.linspace(0, source.theta2_max, THETA2_BINS + 1)
    for name, (center_lon, center_lat) in (("counts", (lon, lat)), ("counts_off", mirror)):
        near = np.flatnonzero(np.abs(arrays["lat"] - center_lat) <= np.radians(radius) * 1.001)  # a fraction of all
        energy = arrays["energy"][near]
        near = near[(energy >= energies[0]) & (energy < energies[1])]
        theta = np.degrees(angular_separation(center_lon, center_lat, arrays["lon"][near], arrays["lat"][near]))
        found[name] = np.histogram(theta**2, edges)[0].tolist()
    return {"max": source.theta2_max, **found}


def _vector(lon: float, lat: float) -> HostArray:
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
