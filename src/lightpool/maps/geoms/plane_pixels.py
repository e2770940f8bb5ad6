"""The pixels of geometries whose image planes differ: one size and one number of pixels for each bin of the axes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias, cast

import numpy as np
from astropy.coordinates import Angle
from astropy.units import Quantity
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from lightpool.errors import GeometryError
from lightpool.fits import BinTableHDU, Column
from lightpool.maps.axes.axis_base import BinIndex
from lightpool.maps.wcs_header import create_wcs
from lightpool.typing import FrameLike

__all__ = ["PlanePixels", "differs_by_plane", "is_pair"]

_Ints: TypeAlias = NDArray[np.int64]
_Floats: TypeAlias = NDArray[np.float64]


def is_pair(width: object) -> bool:
    """Return whether a width is a list or array (lon, lat); as in Gammapy, it is not one value for each plane."""
    return isinstance(width, list | np.ndarray) and np.shape(width) == (2,)


def differs_by_plane(value: object) -> bool:
    """Return whether an argument such as ``binsz`` holds one value for each plane, as a list or array.

    A tuple is a pair (lon, lat), of which each may be a list or array; a Quantity of two is a pair too.
    """
    parts = value if isinstance(value, tuple) else (value,)
    is_quantity_pair = isinstance(value, Quantity) and value.size == 2
    return not is_quantity_pair and any(np.size(cast(ArrayLike, part)) > 1 for part in parts)


def _values(value: object, shape: tuple[int, ...], name: str, read: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Return two arrays (lon, lat) of the shape of the axes."""
    parts = value if isinstance(value, tuple) else (value, value)
    if len(parts) not in (1, 2):
        raise GeometryError(f"{name} must be a value or a tuple (lon, lat), got {value!r}")
    arrays = [np.asarray(read(part)) for part in parts]
    for array in arrays:
        if array.size > 1 and array.shape != shape:
            raise GeometryError(
                f"{name} must have one value, or one for each of the {shape} bins of the axes, got {value!r}"
            )
        if not (np.all(np.isfinite(array)) and np.all(array > 0)):
            raise GeometryError(f"{name} must be positive and finite, got {value!r}")
    lon, lat = (np.broadcast_to(array.reshape(shape if array.size > 1 else ()), shape).copy() for array in arrays)
    return lon, lat


@dataclass(frozen=True, eq=False)
class PlanePixels:
    """Number and size of the pixels of each image plane; all planes are centred on the reference position of one WCS.

    Attributes
    ----------
    npix : pair (lon, lat) of arrays of int, shape (n of the first axis, n of the second axis, ...)
    size : pair (lon, lat) of arrays of float, of that shape, deg
    """

    npix: tuple[_Ints, _Ints]
    size: tuple[_Floats, _Floats]

    @classmethod
    def from_arguments(cls, npix: object, binsz: object, width: object, shape: tuple[int, ...]) -> Self:
        """Read the arguments of `WcsGeom.create`, of which at least one differs by plane.

        Parameters
        ----------
        npix, binsz, width : see `WcsGeom.create`
        shape : number of bins of the axes
        """
        size = _values(binsz, shape, "binsz", lambda part: Angle(part, "deg").deg)
        if npix is not None:
            n_lon, n_lat = _values(npix, shape, "npix", np.asarray)
            if np.any(n_lon % 1) or np.any(n_lat % 1):
                raise GeometryError(f"npix must be whole numbers, got {npix!r}")
        else:
            wide = (360.0, 180.0) if width is None else width
            wide = tuple(cast("Sequence[Any]", wide)) if is_pair(wide) else wide
            widths = _values(wide, shape, "width", lambda part: Angle(part, "deg").deg)
            n_lon, n_lat = (np.rint(w / s) for w, s in zip(widths, size, strict=True))
        if np.any(n_lon < 1) or np.any(n_lat < 1):
            raise GeometryError(f"a plane of the map would have no pixel: width {width!r} with pixels of {binsz!r} deg")
        return cls((n_lon.astype(np.int64), n_lat.astype(np.int64)), size)

    @classmethod
    def from_table(cls, hdu: BinTableHDU, shape: tuple[int, ...]) -> Self:
        """Read the columns NPIX and CDELT of a table of bins.

        Parameters
        ----------
        hdu : BinTableHDU
        shape : number of bins of the axes
        """
        npix, size = (np.asarray(hdu.data[name]).reshape((*shape, 2)) for name in ("NPIX", "CDELT"))
        n_lon, n_lat = npix[..., 0].astype(np.int64), npix[..., 1].astype(np.int64)
        return cls((n_lon, n_lat), (size[..., 0].astype(np.float64), size[..., 1].astype(np.float64)))

    def first_wcs(self, frame: FrameLike, proj: str, crval: Sequence[float]) -> WCS:
        """Make a WCS with the pixels of the first plane.

        Parameters
        ----------
        frame, proj, crval : see `lightpool.maps.wcs_header.create_wcs`
        """
        (n_lon, n_lat), (lon, lat) = ([float(_.flat[0]) for _ in pair] for pair in (self.npix, self.size))
        # negative: longitude grows to the left
        return create_wcs(frame, proj, crval, ((n_lon + 1) / 2, (n_lat + 1) / 2), (-lon, lat), (int(n_lon), int(n_lat)))

    @property
    def columns(self) -> list[Column]:
        """Columns NPIX, CDELT and CRPIX of a table of bins."""
        values = {"NPIX": self.npix, "CDELT": self.size, "CRPIX": self.crpix}
        arrays = {name: np.stack([np.ravel(_) for _ in pair], axis=-1) for name, pair in values.items()}
        return [Column(name, "2J" if name == "NPIX" else "2D", array=array) for name, array in arrays.items()]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins of the axes."""
        return self.npix[0].shape

    @property
    def most(self) -> tuple[int, int]:
        """Number of pixels (lon, lat) of the array that holds all planes."""
        return int(self.npix[0].max()), int(self.npix[1].max())

    @property
    def crpix(self) -> tuple[_Floats, _Floats]:
        """Reference pixels, counted from 1: the middles of the planes."""
        return (self.npix[0] + 1) / 2.0, (self.npix[1] + 1) / 2.0

    # --- coordinates

    def of(self, index: Sequence[NDArray[Any]]) -> "PlanePixels":
        """Return the pixels at indices of the axes, arrays that broadcast with each other; clipped."""
        inside = tuple(np.clip(i, 0, n - 1) for i, n in zip(index, self.shape, strict=True))
        n_lon, n_lat = (_[inside] for _ in self.npix)
        lon, lat = (_[inside] for _ in self.size)
        return PlanePixels((n_lon, n_lat), (lon, lat))

    def to_reference(self, x: ArrayLike, y: ArrayLike, wcs: WCS) -> tuple[_Floats, _Floats]:
        """Return pixel coordinates of a WCS for those on the planes.

        Parameters
        ----------
        x, y : arrays of float that broadcast with `npix`
        wcs : WCS
        """
        found = [
            (np.asarray(values) - (crpix - 1)) * (size / scale) + (reference - 1)
            for values, crpix, size, scale, reference in zip((x, y), *self._terms(wcs), strict=True)
        ]
        return found[0], found[1]

    def from_reference(self, x: ArrayLike, y: ArrayLike, wcs: WCS) -> tuple[_Floats, _Floats]:
        """Return pixel coordinates on the planes for those of a WCS.

        Parameters
        ----------
        x, y : arrays of float that broadcast with `npix`
        wcs : WCS
        """
        found = [
            (np.asarray(values) - (reference - 1)) / (size / scale) + (crpix - 1)
            for values, crpix, size, scale, reference in zip((x, y), *self._terms(wcs), strict=True)
        ]
        return found[0], found[1]

    def _terms(self, wcs: WCS) -> tuple[Any, ...]:
        return self.crpix, self.size, np.abs(wcs.wcs.cdelt).tolist(), wcs.wcs.crpix.tolist()

    def wcs_of(self, index: tuple[int, ...], wcs: WCS) -> WCS:
        """Return the WCS of one plane.

        Parameters
        ----------
        index : indices of the axes
        wcs : WCS of the geometry
        """
        plane = self.of([np.asarray(i) for i in index])
        found = wcs.deepcopy()
        size = np.array([float(_) for _ in plane.size])
        found.wcs.cdelt = np.sign(wcs.wcs.cdelt) * size
        found.wcs.crpix = np.array([float(_) for _ in plane.crpix])
        found.array_shape = int(plane.npix[1]), int(plane.npix[0])
        return found

    # --- other pixels from these

    def grown(self, more_lon: int, more_lat: int) -> Self:
        """Return planes with more pixels, or fewer if negative, at each border.

        Parameters
        ----------
        more_lon, more_lat : int
        """
        n_lon, n_lat = self.npix[0] + 2 * more_lon, self.npix[1] + 2 * more_lat
        if np.any(n_lon < 1) or np.any(n_lat < 1):
            raise GeometryError(f"cropping {(-more_lon, -more_lat)} pixels leaves none of {self.npix} in some planes")
        return type(self)((n_lon, n_lat), self.size)

    def scaled(self, factor: float) -> Self:
        """Return planes whose pixels are larger by a factor, and as many fewer."""
        npix = [_ / factor for _ in self.npix]
        if any(np.any(_ % 1) for _ in npix):
            raise GeometryError(f"{self.npix} pixels are not a multiple of factor {factor!r}; pad the map before")
        n_lon, n_lat = (_.astype(np.int64) for _ in npix)
        return type(self)((n_lon, n_lat), (self.size[0] * factor, self.size[1] * factor))

    def sliced(self, names: Sequence[str], slices: Mapping[str, BinIndex]) -> Self:
        """Return the planes of some bins of the axes.

        Parameters
        ----------
        names : names of the axes
        slices : slice or whole number for each of some axes
        """
        index = tuple(slices.get(name, slice(None)) for name in names)
        n_lon, n_lat = (np.asarray(_[index]) for _ in self.npix)
        lon, lat = (np.asarray(_[index]) for _ in self.size)
        return type(self)((n_lon, n_lat), (lon, lat))

    def repeated(self, shape: tuple[int, ...]) -> Self:
        """Return the planes for further axes, after the present ones."""
        inner = self.shape + (1,) * len(shape)
        n_lon, n_lat = (np.broadcast_to(_.reshape(inner), self.shape + shape) for _ in self.npix)
        lon, lat = (np.broadcast_to(_.reshape(inner), self.shape + shape) for _ in self.size)
        return type(self)((n_lon, n_lat), (lon, lat))

    def is_allclose(self, other: "PlanePixels", tolerance: float = 1e-6) -> bool:
        """Return whether other planes have as many pixels of, within a relative tolerance, the same size.

        Parameters
        ----------
        other : PlanePixels
        tolerance : float
        """
        return all(np.array_equal(a, b) for a, b in zip(self.npix, other.npix, strict=True)) and all(
            np.allclose(a, b, rtol=tolerance, atol=0) for a, b in zip(self.size, other.size, strict=True)
        )
