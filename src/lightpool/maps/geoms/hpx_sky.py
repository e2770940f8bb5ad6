"""The image part of a HEALPix geometry whose planes all have the same pixels: directions and angles, on devices."""

from dataclasses import dataclass
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import Device, array_namespace, full_on
from lightpool.arrays.kernels.healpix import lonlat_to_pix, pix_to_lonlat
from lightpool.arrays.kernels.sphere import angular_separation, fov_matrix, frame_matrix, rotate, unit_vectors
from lightpool.maps.geoms.hpx_host import Pixels, centers_of
from lightpool.maps.geoms.hpx_pixels import HpxPixels
from lightpool.maps.geoms.hpx_regions import EXPLICIT, HpxRegion, region_of_disc
from lightpool.utils.remembered import Remembered

__all__ = ["HpxCutout", "HpxSky"]

_N_CUTOUTS = 2  # of each map: those of two pointings between which observations alternate


@dataclass(frozen=True)
class HpxCutout:
    """A part of the pixels of a map.

    Attributes
    ----------
    sky : HpxSky, the pixels
    region : str, as of `~lightpool.maps.HpxGeom`
    places : array of int64, where the pixels are in the data of the map; -1 for those that it does not have
    """

    sky: "HpxSky"
    region: str
    places: Pixels


class HpxSky:
    """Pixels of one plane in a frame. Geometries that differ in their axes share it, and what was computed on it.

    Parameters
    ----------
    pixels : HpxPixels of one plane
    frame : str
    """

    def __init__(self, pixels: HpxPixels, frame: str) -> None:
        self.pixels = pixels
        self.frame = frame
        self.nside = int(pixels.nside[0])
        self._known: dict[tuple[object, ...], Array] = {}
        self._parent: tuple[ref[HpxSky], Pixels] | None = None
        self._cutouts = Remembered[HpxCutout](_N_CUTOUTS)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_known", "_cutouts", "_parent")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _known={}, _parent=None, _cutouts=Remembered[HpxCutout](_N_CUTOUTS))

    def cutout(self, lon: float, lat: float, radius: float, mode: str) -> HpxCutout:
        """Return the pixels of a disc, found once for all maps of a dataset and for observations with one pointing.

        Parameters
        ----------
        lon, lat, radius : float, deg
            A disc that contains no pixel centre has the pixels that it touches.
        mode : ``trim`` (pixels that the map does not have are left out) or another one (they are kept)
        """
        return self._cutouts.get((lon, lat, radius, mode == "trim"), lambda: self._cut(lon, lat, radius, mode))

    def _cut(self, lon: float, lat: float, radius: float, mode: str) -> HpxCutout:
        region = region_of_disc(lon, lat, radius)
        nest = self.pixels.nest
        pix = HpxRegion.parse(region).pixels(self.nside, nest=nest)
        if not pix.size:
            region = region.replace("DISK(", "DISK_INC(").replace(")", ",4)")
            pix = HpxRegion.parse(region).pixels(self.nside, nest=nest)
        places = self.places_of(pix)
        if mode == "trim" and not (places >= 0).all():
            pix, places, region = pix[places >= 0], places[places >= 0], EXPLICIT
        return HpxCutout(HpxSky(HpxPixels(self.pixels.nside, nest, (pix,), 1), self.frame), region, places)

    def places_of(self, pix: Pixels) -> Pixels:
        """Return where pixels are in the data; -1 for those that are not.

        Parameters
        ----------
        pix : array of int64, numbers of pixels in the scheme of this object
        """
        return self.pixels.to_local(pix, np.zeros(1, dtype=np.int64))

    def places_in(self, parent: "HpxSky") -> Pixels:
        """Return where the pixels are in the data of other ones of the same grid; -1 for those that are not.

        Parameters
        ----------
        parent : HpxSky, for example that from which this one was cut
        """
        known = self._parent
        if known is not None and known[0]() is parent:
            return known[1]
        places = parent.places_of(self.pixels.of_plane(0))
        self._parent = (ref(parent), places)
        return places

    @property
    def n_pix(self) -> int:
        """Number of pixels."""
        return int(self.pixels.n_pix[0])

    @property
    def solid_angle(self) -> float:
        """Solid angle of each pixel, sr."""
        return 4.0 * np.pi / (12.0 * self.nside**2)

    def lonlat(self) -> NDArray[np.float64]:
        """Return the positions of the pixel centres on the host, shape (2, n_pix), rad."""
        return centers_of(self.pixels.of_plane(0), self.nside, nest=self.pixels.nest)

    def lonlat_array(self, device: Device) -> Array:
        """Return the positions of the pixel centres, shape (2, n_pix), rad; do not change them."""
        return self._once(("lonlat", device.name), lambda: self._make_lonlat(device))

    def _make_lonlat(self, device: Device) -> Array:
        xp = device.xp
        if self.pixels.lists is None:
            pix = xp.arange(self.n_pix, dtype=xp.int64, device=device.handle)
        else:
            pix = constant(self.pixels.of_plane(0), device)
        return xp.stack(pix_to_lonlat(pix, self.nside, nest=self.pixels.nest))

    def directions(self, device: Device) -> Array:
        """Return the unit vectors of the pixel centres, shape (3, n_pix); do not change them."""

        def make() -> Array:
            position = self.lonlat_array(device)
            return unit_vectors(position[0, :], position[1, :])

        return self._once(("directions", device.name), make)

    def separation(self, lon: float, lat: float, device: Device) -> Array:
        """Return the angle between the pixel centres and a position, shape (n_pix,), rad; do not change it.

        Parameters
        ----------
        lon, lat : float, rad
        device : Device
        """

        def make() -> Array:
            position = self.lonlat_array(device)
            return angular_separation(position[0, :], position[1, :], lon, lat)

        return self._latest("separation", (device.name, lon, lat), make)

    def field_of_view(self, lon: float, lat: float, device: Device) -> Array:
        """Return the unit vectors of the pixel centres in the field of view of a pointing, shape (3, n_pix).

        Parameters
        ----------
        lon, lat : float, pointing in ICRS, rad
        device : Device
        """

        def make() -> Array:
            return rotate(fov_matrix(lon, lat) @ frame_matrix(self.frame, "icrs"), self.directions(device))

        return self._latest("field of view", (device.name, lon, lat), make)

    def solid_angles(self, device: Device) -> Array:
        """Return the solid angle of the pixels, shape (n_pix,), sr."""
        return full_on((self.n_pix,), self.solid_angle, device)

    def numbers_of(self, lon: Array, lat: Array, device: Device) -> Array:
        """Return where positions are in the data; -1 for those that are in no pixel.

        Parameters
        ----------
        lon, lat : array of float64 on the device, rad
        device : Device
        """
        pix = lonlat_to_pix(lon, lat, self.nside, nest=self.pixels.nest)
        if self.pixels.lists is None:
            return pix
        xp = array_namespace(pix)
        known = self.pixels.of_plane(0)
        if not known.size:
            return xp.full_like(pix, -1)
        numbers = constant(known, device)
        found = xp.searchsorted(numbers, pix)
        found = xp.where(found >= known.size, known.size - 1, found)
        return xp.astype(xp.where(xp.take(numbers, found) == pix, found, -1), xp.int64)

    def _once(self, key: tuple[object, ...], make: Any) -> Array:
        known = self._known.get(key)
        return self._known.setdefault(key, make()) if known is None else known

    def _latest(self, kind: str, key: tuple[object, ...], make: Any) -> Array:
        """Keep the latest result of a kind: the maps of one observation need it one after the other."""
        known = self._known.get((kind, *key))
        if known is None:
            known = make()
            for old in [each for each in self._known if each[0] == kind]:
                self._known.pop(old, None)
            self._known[(kind, *key)] = known
        return known
