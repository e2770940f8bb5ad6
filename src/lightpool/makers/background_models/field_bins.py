"""Bins of the field of view, and points in them at which an exclusion is evaluated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import Device, array_namespace, bin_index, fov_lonlat, to_device
from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.irf import FoVAlignment
from lightpool.maps import MapAxis

__all__ = ["FieldBins", "FieldPoints"]

_LEAST_AROUND = 12  # points on the innermost circle about the pointing
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, eq=False)
class FieldPoints:
    """Points that cover the bins of a field of view, in the order of their distance from the pointing.

    Attributes
    ----------
    vectors : array of float64, shape (3, n)
        Unit vectors in the field of view: along the pointing, in the direction of increasing longitude, and up.
    offset : array of float64, shape (n,), rad
    number : array of int64, shape (n,), of the bin
    share : array of float64, shape (n,), sr
        Solid angle for which a point stands; the sum of those of a bin is its solid angle.
    spacing : float, rad
        Distance of neighbouring points.
    """

    vectors: HostFloats
    offset: HostFloats
    number: NDArray[np.int64]
    share: HostFloats
    spacing: float
    _on_device: dict[str, tuple[Array, Array, Array]] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_on_device": {}}

    def on(self, device: Device) -> tuple[Array, Array, Array]:
        """Return vectors, numbers and shares on a device; they are copied once."""
        if device.name not in self._on_device:
            parts = (self.vectors, self.number, self.share)
            self._on_device[device.name] = (
                to_device(parts[0], device),
                to_device(parts[1], device),
                to_device(parts[2], device),
            )
        return self._on_device[device.name]

    def between(self, low: float, high: float) -> slice:
        """Return which points are at distances from ``low`` to ``high``, rad, from the pointing."""
        start, stop = np.searchsorted(self.offset, [low, high])
        return slice(int(start), int(stop))


@dataclass(frozen=True, eq=False)
class FieldBins:
    """Bins in the field of view: rings of offset, or rectangles in longitude and latitude about the pointing.

    Attributes
    ----------
    axes : tuple of MapAxis
        ``offset``, or ``fov_lon`` and ``fov_lat``, in deg.
    alignment : FoVAlignment
        ALTAZ or RADEC; of rings, which have no direction, RADEC.
    """

    axes: tuple[MapAxis, ...]
    alignment: FoVAlignment = FoVAlignment.RADEC
    _points: dict[int, FieldPoints] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, axes: Sequence[MapAxis], alignment: FoVAlignment | str = FoVAlignment.RADEC) -> Self:
        """Check the axes.

        Parameters
        ----------
        axes : sequence of MapAxis
        alignment : FoVAlignment or str

        Raises
        ------
        ValueError
            If the axes are others, have no angles, or are not in the field of view.
        """
        names = [axis.name for axis in axes]
        if names not in (["offset"], ["fov_lon", "fov_lat"]):
            raise ValueError(
                f"got axes {names} of the field of view, expected ['offset'] for a radial model, or "
                "['fov_lon', 'fov_lat']"
            )
        for axis in axes:
            if not axis.unit.is_equivalent("deg"):
                raise ValueError(f"axis {axis.name!r} must be in deg or another unit of angle, got {str(axis.unit)!r}")
        known = FoVAlignment(alignment)
        if known is FoVAlignment.REVERSE_LON_RADEC:
            raise ValueError("fov_alignment must be 'ALTAZ' or 'RADEC'; REVERSE_LON_RADEC marks old files only")
        edges = [axis.edges.to_value("deg") for axis in axes]
        if len(axes) == 1 and not (edges[0][0] >= 0 and edges[0][-1] <= 90):
            raise ValueError(f"offsets must be between 0 and 90 deg, got edges {edges[0]}")
        if len(axes) == 2 and not all(edge[0] >= -60 and edge[-1] <= 60 for edge in edges):
            raise ValueError(f"coordinates in the field of view must be between -60 and 60 deg, got edges {edges}")
        return cls(tuple(axes), FoVAlignment.RADEC if len(axes) == 1 else known)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_points": {}}

    @property
    def is_radial(self) -> bool:
        """Whether the bins are rings."""
        return len(self.axes) == 1

    @property
    def turns(self) -> bool:
        """Whether the bins turn against the sky."""
        return self.alignment is FoVAlignment.ALTAZ

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins along each axis."""
        return tuple(axis.nbin for axis in self.axes)

    @property
    def n_bin(self) -> int:
        """Number of bins."""
        return math.prod(self.shape)

    @property
    def edges(self) -> list[HostFloats]:
        """Edges of each axis, rad."""
        return [axis.edges.to_value("rad") for axis in self.axes]

    @property
    def reach(self) -> float:
        """Largest distance of a bin from the pointing, rad."""
        if self.is_radial:
            return float(self.edges[0][-1])
        lon, lat = (float(np.abs(edges).max()) for edges in self.edges)
        return math.acos(math.cos(lon) * math.cos(lat))

    @property
    def solid_angle(self) -> HostFloats:
        """Solid angle of each bin, shape `shape`, sr."""
        if self.is_radial:
            return np.asarray(2 * np.pi * np.diff(-np.cos(self.edges[0])))
        lon, lat = self.edges
        return np.asarray(np.diff(lon)[:, np.newaxis] * np.diff(np.sin(lat)))

    @property
    def width(self) -> float:
        """Width of the narrowest bin, rad."""
        return float(min(np.diff(edges).min() for edges in self.edges))

    def find(self, vectors: Array) -> Array:
        """Return the number of the bin of each direction, -1 outside.

        Parameters
        ----------
        vectors : array of float64, shape (3, n), in the field of view
        """
        xp = array_namespace(vectors)
        if self.is_radial:
            across = xp.hypot(vectors[1, ...], vectors[2, ...])
            return bin_index(xp.atan2(across, vectors[0, ...]), self.edges[0])
        lon, lat = fov_lonlat(vectors)
        column, row = bin_index(lon, self.edges[0]), bin_index(lat, self.edges[1])
        return xp.where((column >= 0) & (row >= 0), column * self.shape[1] + row, -1)

    def points(self, oversampling: int) -> FieldPoints:
        """Return points in all bins.

        Parameters
        ----------
        oversampling : int
            Number of points along each side of a bin; of rings, across them, and as dense around.
        """
        if oversampling not in self._points:
            make = self._points_in_rings if self.is_radial else self._points_in_rectangles
            vectors, number, share, spacing = make(oversampling)
            offset = np.arctan2(np.hypot(vectors[1], vectors[2]), vectors[0])
            order = np.argsort(offset, kind="stable")
            self._points[oversampling] = FieldPoints(
                np.ascontiguousarray(vectors[:, order]), offset[order], number[order], share[order], spacing
            )
        return self._points[oversampling]

    def _points_in_rings(self, oversampling: int) -> tuple[HostFloats, NDArray[np.int64], HostFloats, float]:
        edges = _finer(np.cos(self.edges[0]), oversampling)  # rings of equal solid angle within a bin
        cosine = (edges[1:] + edges[:-1]) / 2
        offset, widths = np.arccos(cosine), np.abs(np.diff(np.arccos(edges)))
        around = np.maximum(np.ceil(2 * np.pi * np.sin(offset) / widths), _LEAST_AROUND).astype(np.int64)
        ring = np.repeat(np.arange(len(offset)), around)
        first = np.concatenate([[0], np.cumsum(around)[:-1]])
        # Each ring begins at another angle, so that the points do not line up.
        turn = (np.arange(len(ring)) - first[ring] + _GOLDEN * ring % 1.0) / around[ring]
        sine, angle = np.sin(offset)[ring], 2 * np.pi * turn
        vectors = np.stack([cosine[ring], sine * np.sin(angle), sine * np.cos(angle)])
        share = (2 * np.pi * -np.diff(edges) / around)[ring]
        return vectors, ring // oversampling, share, float(widths.max())

    def _points_in_rectangles(self, oversampling: int) -> tuple[HostFloats, NDArray[np.int64], HostFloats, float]:
        lon, sine = _finer(self.edges[0], oversampling), _finer(np.sin(self.edges[1]), oversampling)
        x, z = np.meshgrid((lon[1:] + lon[:-1]) / 2, (sine[1:] + sine[:-1]) / 2, indexing="ij")
        cosine = np.sqrt(1 - z**2)
        # The longitude in the field of view runs against that of the sky, see `fov_lonlat`.
        vectors = np.stack([cosine * np.cos(x), -cosine * np.sin(x), z]).reshape(3, -1)
        columns, rows = (np.arange(n * oversampling) // oversampling for n in self.shape)
        number = (columns[:, np.newaxis] * self.shape[1] + rows).reshape(-1)
        share = (np.diff(lon)[:, np.newaxis] * np.diff(sine)).reshape(-1)
        return vectors, number, share, float(max(np.diff(lon).max(), np.diff(np.arcsin(sine)).max()))


def _finer(edges: HostFloats, factor: int) -> HostFloats:
    """Return the edges of bins that are cut into equal parts."""
    parts = np.arange(factor) / factor
    inner = edges[:-1, np.newaxis] + np.diff(edges)[:, np.newaxis] * parts
    return np.append(inner.reshape(-1), edges[-1])
