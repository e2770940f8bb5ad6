"""Parts of the sky from which no events are taken for a background: masks, regions, catalogues, bright stars."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.arrays import Device, array_namespace, device_of, frame_matrix, lonlat, rotate, to_host, unit_vectors
from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.kernels.events import pixel_number
from lightpool.arrays.kernels.sky_shapes import in_any_circle
from lightpool.bridge import accepts_gammapy
from lightpool.data.tables.conditions import evaluate_condition
from lightpool.fits import match_name, name_of_place, place_of, read_fits, read_text, readable_path
from lightpool.makers.core import checked_angle, checked_mask
from lightpool.maps import HpxGeom, Map, WcsGeom
from lightpool.maps.regions.region_indicator import Cap, RegionIndicator
from lightpool.maps.regions.sky_regions import parse_regions
from lightpool.typing import AngleLike, PathInput, RegionLike
from lightpool.utils.html import ShownInNotebooks

__all__ = ["SkyExclusion"]

_RA = ("RA", "RAJ2000", "RA_ICRS", "_RAJ2000", "RAICRS")
_DEC = ("DEC", "DEJ2000", "DE_ICRS", "_DEJ2000", "DEICRS", "DECJ2000")
_FORMATS = {"ecsv": "ascii.ecsv", "csv": "ascii.csv", "vot": "votable", "xml": "votable"}
_MAGNITUDE = ("Vmag", "VMAG", "MAG", "MAGNITUDE", "Gmag", "Bmag")
_MANY = 200_000
"""Excluded pixels of a mask up to which their distances from a pointing are computed, to find those that are near."""

_PIXELS_AT_ONCE = 2**16
"""Pixels of a mask that are made together: few circles are near them."""


@dataclass(frozen=True, eq=False)
class _MaskedPixels:
    """A map whose False pixels are excluded, and where these are.

    Attributes
    ----------
    mask : Map of bool, an image
    vectors : array of float64, shape (3, n)
        Centres of the excluded pixels, in ICRS.
    size : float, rad
        Distance of a corner of a pixel from its centre, at most.
    """

    mask: Map
    vectors: HostFloats
    size: float
    _on_device: dict[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, mask: Map) -> "_MaskedPixels":
        geom: Any = mask.geom
        if geom.is_region or not geom.is_image:
            raise ValueError(
                f"an exclusion mask must be an image on the sky, got a map with the axes {geom.axes.names}"
                f"{' in a region' if geom.is_region else ''}; geom.to_image().region_mask(regions, inside=False) makes "
                "one"
            )
        kept = to_host(mask.data).astype(bool).reshape(-1)  # host: once for each mask
        directions = to_host(geom.directions("cpu")).reshape(3, -1)[:, ~kept]  # host: they are there
        if geom.is_hpx:
            size = 1.5 * float(np.sqrt(4 * np.pi / 12) / np.min(geom.nside))
        else:
            size = float(np.hypot(*geom.pixel_scales.to_value("rad")))
        found = directions[:, np.isfinite(directions[0])]
        return cls(mask, frame_matrix(geom.frame, "icrs") @ found, size)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_on_device": {}}

    def contains(self, vectors: Array) -> Array:
        """Return which directions in ICRS lie in pixels that are False; outside of the map nothing is excluded."""
        xp, device = array_namespace(vectors), device_of(vectors)
        geom: Any = self.mask.geom
        lon, lat = lonlat(rotate(frame_matrix("icrs", geom.frame), vectors))
        if isinstance(geom, HpxGeom):
            number = geom.sky.numbers_of(lon, lat, device)
        else:
            assert isinstance(geom, WcsGeom)
            n_y, n_x = geom.data_shape
            x, y = geom.sky_to_pix_array(lon, lat)
            columns, rows = pixel_number(x, n_x), pixel_number(y, n_y)
            number = xp.where((columns >= 0) & (rows >= 0), rows * n_x + columns, -1)
        inside = number >= 0
        kept = xp.take(self._data(device), xp.where(inside, number, 0))
        return inside & ~kept

    def _data(self, device: Device) -> Array:
        if device.name not in self._on_device:
            data = self.mask.to(device).data
            self._on_device[device.name] = array_namespace(data).reshape(data, (-1,))
        return self._on_device[device.name]

    def distances(self, direction: HostFloats, reach: float) -> list[tuple[float, float]]:
        """Return between which distances from a direction, up to ``reach``, there are excluded pixels; rad."""
        if self.vectors.shape[1] > _MANY:
            return [(0.0, reach)]
        angles = np.arccos(np.clip(direction @ self.vectors, -1.0, 1.0))
        angles = angles[angles < reach + self.size]
        return [] if not angles.size else [(float(angles.min()) - self.size, float(angles.max()) + self.size)]


@dataclass(frozen=True, eq=False)
class SkyExclusion(ShownInNotebooks):
    """A part of the sky, the union of masks, regions and circles: True where nothing is taken.

    Use `from_mask`, `from_regions`, `from_region_file`, `from_catalog` and `from_stars`, and unite them with ``|``. One
    function, `contains`, decides for events and for the exposure alike. Regions count by their shape on the sphere.

    Attributes
    ----------
    centers : array of float64, shape (3, n_circle), unit vectors in ICRS
    radii : array of float64, shape (n_circle,), rad
    regions : tuple of RegionIndicator, those that are no circles
    masks : tuple of masked pixels
    """

    centers: HostFloats = field(default_factory=lambda: np.zeros((3, 0)))
    radii: HostFloats = field(default_factory=lambda: np.zeros(0))
    regions: tuple[RegionIndicator, ...] = ()
    masks: tuple[_MaskedPixels, ...] = ()

    # -- constructors

    @classmethod
    @accepts_gammapy
    def from_mask(cls, mask: Map) -> "SkyExclusion":
        """Exclude the pixels of a map that are False, as in the exclusion masks of makers; nothing outside of the map.

        Parameters
        ----------
        mask : WcsNDMap or HpxNDMap of bool, an image
        """
        checked = checked_mask(mask)
        assert checked is not None  # it is given
        return cls(masks=(_MaskedPixels.of(checked),))

    @classmethod
    def from_regions(cls, regions: RegionLike) -> "SkyExclusion":
        """Exclude regions of the sky.

        Parameters
        ----------
        regions : SkyRegion, text in DS9 format, or a list of them
            Circles, ellipses, rectangles, rings, polygons, and combinations.

        Raises
        ------
        TypeError
            If one has no area, or is on pixels.
        """
        found = [RegionIndicator.of(region) for region in parse_regions(regions)]
        circles = [each.circle for each in found if each.circle is not None]
        others = tuple(each for each in found if each.circle is None)
        return cls._of_circles(circles, others)

    @classmethod
    def from_region_file(cls, filename: PathInput) -> "SkyExclusion":
        """Exclude the regions of a file in DS9 format (``.reg``).

        Parameters
        ----------
        filename : str or path-like
        """
        try:
            return cls.from_regions(read_text(filename))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{filename}: {error}") from error

    @classmethod
    def from_positions(cls, positions: SkyCoord, radius: AngleLike) -> "SkyExclusion":
        """Exclude a circle around each position.

        Parameters
        ----------
        positions : SkyCoord
        radius : Angle
            One for all, or one for each.
        """
        icrs = positions.icrs.reshape(-1) if positions.shape else positions.icrs.reshape((1,))
        radii = np.broadcast_to(checked_angle("radius", radius).rad, icrs.shape).astype(float)
        if not np.all(np.isfinite(radii) & (radii >= 0)):
            bad = np.flatnonzero(~(np.isfinite(radii) & (radii >= 0)))
            raise ValueError(
                f"radii of excluded circles must be angles of 0 or more, got {np.rad2deg(radii[bad[0]])} deg for "
                f"position {bad[0]}; remove those positions, or give one radius for all"
            )
        centers = unit_vectors(np.asarray(icrs.ra.rad), np.asarray(icrs.dec.rad))
        if not np.all(np.isfinite(centers)):
            raise ValueError("positions of excluded circles must be finite; remove the rows without a position")
        return cls(centers=centers, radii=radii)

    @classmethod
    def from_catalog(
        cls,
        catalog: "Table | PathInput",
        radius: AngleLike = "0.3 deg",
        *,
        radius_column: str | None = None,
        select: str | None = None,
    ) -> "SkyExclusion":
        """Exclude a circle around each source of a catalogue.

        Parameters
        ----------
        catalog : Table, or name of a file in FITS or another format that astropy knows from its ending
            Columns with the positions in ICRS (``RA, DEC`` or ``RAJ2000, DEJ2000``, ...), in deg if they have no unit.
        radius : Angle
            Radius of all circles, or the least one with ``radius_column``.
        radius_column : str, optional
            Column with a radius for each source, in deg if it has no unit. Sources without one get ``radius``.
        select : str, optional
            Condition on the columns, such as ``"FLUX > 1e-12"``; only these sources are excluded. Numbers are in the
            units of the columns.
        """
        table = _table_of(catalog)
        if select is not None:
            columns = {name: np.asarray(table[name]) for name in table.colnames if table[name].ndim == 1}
            table = table[evaluate_condition(select, columns, len(table))]
        radii = np.full(len(table), checked_angle("radius", radius).rad)
        if radius_column is not None:
            given = _angles(table, (radius_column,))
            radii = np.where(np.isfinite(given), np.maximum(given, radii), radii)
        return cls.from_positions(_positions(table), u.Quantity(radii, "rad"))

    @classmethod
    def from_stars(
        cls,
        stars: "Table | PathInput",
        magnitude_max: float = 5.0,
        radius: AngleLike = "0.3 deg",
        *,
        magnitude_column: str | None = None,
    ) -> "SkyExclusion":
        """Exclude a circle around each bright star.

        Parameters
        ----------
        stars : Table or name of a file, see `from_catalog`
            For example the Hipparcos catalogue of VizieR (I/239/hip_main).
        magnitude_max : float
            Only stars with this magnitude or brighter, that is a lower one, are excluded.
        radius : Angle
        magnitude_column : str, optional
            By default the first of ``Vmag, MAG, MAGNITUDE, Gmag, Bmag``.
        """
        table = _table_of(stars)
        names = _MAGNITUDE if magnitude_column is None else (magnitude_column,)
        magnitude = _floats(table[_column(table, names)])
        # NaN compares as False: a star of unknown magnitude is not a bright one.
        return cls.from_positions(_positions(table[magnitude <= magnitude_max]), radius)

    @classmethod
    def _of_circles(cls, circles: Sequence[Cap], others: tuple[RegionIndicator, ...] = ()) -> "SkyExclusion":
        centers = np.stack([each.center for each in circles], axis=1) if circles else np.zeros((3, 0))
        return cls(centers=centers, radii=np.array([each.radius for each in circles], dtype=float), regions=others)

    @classmethod
    def union(cls, exclusions: Iterable["SkyExclusion"]) -> "SkyExclusion":
        """Return what is in any of some exclusions; nothing if there are none."""
        parts = list(exclusions)
        return cls(
            centers=np.concatenate([np.zeros((3, 0)), *(each.centers for each in parts)], axis=1),
            radii=np.concatenate([np.zeros(0), *(each.radii for each in parts)]),
            regions=tuple(region for each in parts for region in each.regions),
            masks=tuple(mask for each in parts for mask in each.masks),
        )

    def __or__(self, other: "SkyExclusion") -> "SkyExclusion":
        return SkyExclusion.union([self, other])

    # -- what is excluded

    @property
    def is_empty(self) -> bool:
        """Whether nothing is excluded."""
        return not (self.radii.size or self.regions or self.masks)

    def contains(self, vectors: Array) -> Array:
        """Return which directions are excluded.

        Parameters
        ----------
        vectors : array of float64, shape (3, n), on any device
            Unit vectors in ICRS.

        Returns
        -------
        excluded : array of bool, shape (n,), on that device
        """
        excluded = in_any_circle(vectors, self.centers, self.radii)
        for region in self.regions:
            excluded = excluded | region.contains(vectors)
        for mask in self.masks:
            excluded = excluded | mask.contains(vectors)
        return excluded

    def contains_positions(self, positions: SkyCoord) -> NDArray[np.bool_]:
        """Return which positions are excluded, on the host.

        Parameters
        ----------
        positions : SkyCoord
        """
        icrs = positions.icrs
        vectors = unit_vectors(np.ravel(icrs.ra.rad), np.ravel(icrs.dec.rad))
        excluded = to_host(self.contains(vectors)).reshape(positions.shape)  # host: where the positions are
        return np.asarray(excluded, dtype=bool)

    def make_mask(self, geom: WcsGeom | HpxGeom, device: str | Device | None = None) -> Map:
        """Return a mask as makers take it: False in the pixels whose centres are excluded.

        Parameters
        ----------
        geom : WcsGeom or HpxGeom
            Its other axes are left out.
        device : str or Device, optional
            Where the mask is; the default device by default.

        Returns
        -------
        mask : WcsNDMap or HpxNDMap of bool, an image
        """
        image: Any = geom.to_image()
        vectors = frame_matrix(image.frame, "icrs") @ to_host(image.directions("cpu")).reshape(
            3, -1
        )  # host: made there
        excluded = np.zeros(vectors.shape[1], dtype=bool)
        on_sky = np.flatnonzero(np.isfinite(vectors[0]))
        for start in range(0, on_sky.size, _PIXELS_AT_ONCE):
            some = on_sky[start : start + _PIXELS_AT_ONCE]
            part = np.ascontiguousarray(vectors[:, some])
            excluded[some] = to_host(self._about(part).contains(part))  # host: where the directions are
        return Map.from_geom(image, data=~excluded.reshape(image.data_shape), device=device)

    def _about(self, vectors: HostFloats) -> "SkyExclusion":
        """Return what may exclude any of some directions: few of the sources of a catalogue of the whole sky."""
        center = vectors.sum(axis=1)
        length = float(np.linalg.norm(center))
        if length < 1e-6 * vectors.shape[1]:  # all around: no direction is in their middle
            return self
        reach = float(np.arccos(np.clip(np.min(center / length @ vectors), -1.0, 1.0)))
        return self.near(center / length, reach + 1e-6)[0]

    def near(self, direction: HostFloats, reach: float) -> "tuple[SkyExclusion, list[tuple[float, float]]]":
        """Return what may be excluded in a field of view, and at which distances from its centre.

        Parameters
        ----------
        direction : array of float64, shape (3,), unit vector in ICRS
        reach : float, rad
            Largest distance from the direction that matters.

        Returns
        -------
        near : SkyExclusion
        distances : list of (float, float), rad
            Ascending intervals that do not overlap.
        """
        away = np.arccos(np.clip(direction @ self.centers, -1.0, 1.0))
        some = away < reach + self.radii
        found = list(zip((away - self.radii)[some].tolist(), (away + self.radii)[some].tolist(), strict=True))
        regions = []
        for region in self.regions:
            distance = float(np.arccos(np.clip(direction @ region.cap.center, -1.0, 1.0)))
            if distance < reach + region.cap.radius:
                regions.append(region)
                found.append((distance - region.cap.radius, distance + region.cap.radius))
        masks = []
        for mask in self.masks:
            if between := mask.distances(direction, reach):
                masks.append(mask)
                found += between
        near = SkyExclusion(self.centers[:, some], self.radii[some], tuple(regions), tuple(masks))
        return near, _joined(found)


def _joined(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the union of some intervals, each a bit longer for the sake of rounding."""
    joined: list[tuple[float, float]] = []
    for low, high in sorted((low - 1e-6, high + 1e-6) for low, high in intervals):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _table_of(catalog: "Table | PathInput") -> Table:
    if isinstance(catalog, Table):
        return catalog
    place = place_of(catalog)
    name = name_of_place(place).lower()
    if name.removesuffix(".gz").endswith((".fits", ".fit")):
        # As in the indices of data stores, the first table counts; the primary HDU holds none.
        return read_fits(place).table(1).to_table()
    path = readable_path(place)
    # The name of the copy of a file at an address does not show its format.
    return Table.read(path, format=_FORMATS.get(name.rpartition(".")[2]))


def _column(table: Table, names: Sequence[str]) -> str:
    for name in names:
        if (found := match_name(name, table.colnames, "catalogue")) is not None:
            return found
    raise ValueError(f"the catalogue has no column {' or '.join(names)}; it has {', '.join(table.colnames)}")


def _floats(column: Any) -> NDArray[np.float64]:
    """Return a column as plain numbers, NaN where it is masked."""
    values = column.filled(np.nan) if hasattr(column, "filled") and column.dtype.kind == "f" else column
    return np.asarray(getattr(values, "value", values), dtype=float)


def _angles(table: Table, names: Sequence[str]) -> NDArray[np.float64]:
    """Return a column of angles in rad; those without a unit are in deg."""
    column = table[_column(table, names)]
    return np.asarray(_floats(column) * u.Unit(column.unit or "deg").to("rad"))


def _positions(table: Table) -> SkyCoord:
    if (name := match_name("SkyCoord", table.colnames, "catalogue")) is not None:
        found = table[name]
        assert isinstance(found, SkyCoord)  # that is what astropy makes of a column of this name
        return found
    return SkyCoord(_angles(table, _RA), _angles(table, _DEC), unit="rad", frame="icrs")
