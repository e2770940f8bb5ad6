"""Making and changing `astropy.wcs.WCS` objects; they are never changed in place once a geometry holds them."""

import ast
import copy
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, BaseCoordinateFrame, SkyCoord
from astropy.wcs import WCS, Wcsprm
from astropy.wcs.utils import celestial_frame_to_wcs, proj_plane_pixel_scales, wcs_to_celestial_frame
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.projection_parameters import PROJECTION_CODES, Projection
from lightpool.errors import GeometryError
from lightpool.fits import Header
from lightpool.typing import AngleLike, FrameLike

__all__ = [
    "NpixLike",
    "SizeLike",
    "SkyDirLike",
    "all_sky_npix",
    "binsz_deg",
    "check_wcs",
    "column_period",
    "create_wcs",
    "frame_of_wcs",
    "header_npix",
    "lonlat_deg",
    "npix_pair",
    "pixel_scales_deg",
    "resampled_wcs",
    "same_wcs",
    "shifted_numbers",
    "shifted_wcs",
    "sky_projection",
    "wcs_of_header",
    "wcslib_to_pixel",
    "wcslib_to_sky",
    "width_deg",
    "world_to_pixel",
]

_SAME_EQUINOX = 1.0
"""Difference, in days, of equinoxes that are the same."""

Floats: TypeAlias = NDArray[np.float64]

NpixLike: TypeAlias = "int | NDArray[np.integer[Any]] | tuple[int | NDArray[np.integer[Any]], ...]"
"""Number of pixels, or a tuple (lon, lat) of two."""

SizeLike: TypeAlias = "AngleLike | NDArray[np.floating[Any]] | tuple[AngleLike, ...]"
"""An angle, or a tuple (lon, lat) of two; numbers are in deg."""

SkyDirLike: TypeAlias = "SkyCoord | tuple[AngleLike, AngleLike] | list[AngleLike] | None"
"""A position, or a pair (lon, lat) in the frame of the map, numbers in deg; None is (0, 0)."""


def npix_pair(npix: NpixLike, name: str = "npix") -> tuple[int, int]:
    """Read the number of pixels (lon, lat) from a whole number or a pair of them.

    Parameters
    ----------
    npix : int, or tuple (lon, lat) of int
    name : str, name of the argument, for the error message

    Raises
    ------
    GeometryError
        If these are not whole numbers from 0.
    """
    n_lon, n_lat = _pair(npix, name)
    if n_lon % 1 or n_lat % 1 or n_lon < 0 or n_lat < 0:
        raise GeometryError(f"{name} must be whole numbers from 0, got {npix!r}")
    return int(n_lon), int(n_lat)


def width_deg(width: SizeLike) -> tuple[float, float]:
    """Return a width (lon, lat) in deg from a number (deg), string, Quantity, or a sequence of two."""
    if isinstance(width, str):
        return _width_of_text(width)
    pair = tuple(width) if isinstance(width, (list, np.ndarray)) and np.shape(width) else width
    return _positive(pair, "width")


@lru_cache(maxsize=64)
def _width_of_text(text: str) -> tuple[float, float]:
    return _positive(text, "width")


def binsz_deg(binsz: SizeLike) -> tuple[float, float]:
    """Return a pixel size (lon, lat) in deg from a number (deg), string, Quantity, or a tuple of two."""
    pair = tuple(binsz) if isinstance(binsz, u.Quantity) and binsz.ndim else binsz
    return _positive(pair, "binsz")


def all_sky_npix(size: tuple[float, float]) -> tuple[int, int]:
    """Count the pixels (lon, lat) of a map of all the sky."""
    return int(np.rint(360.0 / size[0])), int(np.rint(180.0 / size[1]))


def _positive(value: SizeLike, name: str) -> tuple[float, float]:
    if isinstance(value, tuple):
        lon, lat = _pair(tuple(_degrees(_) for _ in value), name)
    else:
        lon, lat = _pair(_degrees(value), name)
    if not (lon > 0 and lat > 0 and np.isfinite(lon + lat)):
        raise GeometryError(f"{name} must be positive and finite, got {value!r}")
    return lon, lat


def _degrees(value: object) -> float | NDArray[np.float64]:
    if isinstance(value, (float, int)):
        return value
    if isinstance(value, u.Quantity):
        return value.to_value("deg")
    return _parsed_degrees(value) if isinstance(value, str) else Angle(value, "deg").deg


@lru_cache(maxsize=64)
def _parsed_degrees(text: str) -> float:
    return float(Angle(text, "deg").deg)


def _pair(value: object, name: str) -> tuple[float, float]:
    """Read two numbers from one or from a tuple of two; Gammapy takes a list or array for one value per plane."""
    parts = value if isinstance(value, tuple) else (value,)
    if len(parts) not in (1, 2) or any(np.size(_) != 1 for _ in parts):
        raise GeometryError(
            f"{name} must be one number or a tuple (lon, lat), got {value!r}; "
            "WcsGeom.create takes one value for each image plane"
        )
    numbers = [float(np.ravel(_)[0]) for _ in parts]
    return numbers[0], numbers[-1]


def lonlat_deg(skydir: SkyDirLike, frame: FrameLike) -> tuple[float, float]:
    """Return longitude and latitude in deg of a position.

    Parameters
    ----------
    skydir : SkyCoord, or a pair (lon, lat) in the frame of the map, numbers in deg; None is (0, 0)
    frame : frame of the map
    """
    if skydir is None:
        return 0.0, 0.0
    if isinstance(skydir, SkyCoord):
        if skydir.size != 1:
            raise GeometryError(f"expected one position, got {skydir.size}")
        lon, lat = _lonlat_in_frame(skydir, frame)
        return float(np.ravel(lon)[0]), float(np.ravel(lat)[0])
    if isinstance(skydir, (tuple, list)) and len(skydir) == 2:
        if isinstance(skydir[0], float) and isinstance(skydir[1], float):
            return skydir[0], skydir[1]
        return float(Angle(skydir[0], "deg").deg), float(Angle(skydir[1], "deg").deg)
    raise ValueError(f"skydir must be a SkyCoord or a (lon, lat) pair in deg, got {skydir!r}")


def _frame_object(frame: FrameLike) -> BaseCoordinateFrame:
    # the position does not matter
    return SkyCoord(np.nan, np.nan, frame=frame, unit="deg").frame


_named_frame = lru_cache(maxsize=16)(_frame_object)


def create_wcs(
    frame: FrameLike,
    proj: str,
    crval: Sequence[float],
    crpix: Sequence[float],
    cdelt: Sequence[float],
    npix: Sequence[int],
) -> WCS:
    """Make a celestial WCS with two axes.

    Parameters
    ----------
    frame : frame object of astropy, or its name
    proj : three-letter code of the projection
    crval : sky position of the reference pixel, deg
    crpix : reference pixel, counted from 1 as in FITS
    cdelt : pixel size, deg; the first is negative on maps with east to the left
    npix : number of pixels in x and y
    """
    if not (isinstance(proj, str) and len(proj) == 3):
        raise GeometryError(f"proj must be a three-letter code of a projection such as 'CAR' or 'TAN', got {proj!r}")
    try:
        frame_object = _named_frame(frame) if isinstance(frame, str) else _frame_object(frame)
    except ValueError as error:
        raise GeometryError(f"frame {frame!r} is not known, expected 'icrs' or 'galactic' ({error})") from error
    wcs = celestial_frame_to_wcs(frame_object, projection=proj)
    wcs.wcs.crpix = np.asarray(crpix)
    wcs.wcs.crval = np.asarray(crval)
    wcs.wcs.cdelt = np.asarray(cdelt)
    wcs.array_shape = npix[1], npix[0]
    wcs.wcs.datfix()
    try:
        wcs.wcs.set()
    except ValueError as error:  # the errors of wcslib are ValueErrors
        raise GeometryError(f"no WCS with projection {proj!r} and reference position {crval} deg: {error}") from error
    return wcs


def check_wcs(wcs: WCS) -> None:
    """Reject a WCS that is not a plain celestial one with longitude first.

    Raises
    ------
    GeometryError
    """
    if wcs.naxis != 2 or wcs.wcs.lng != 0 or wcs.wcs.lat != 1:
        raise GeometryError(
            f"expected a WCS of two axes, longitude then latitude, got {list(wcs.wcs.ctype)}; "
            "WCS.celestial or WCS.sub picks and orders them"
        )
    if wcs.has_distortion:
        raise GeometryError("a WCS with distortion terms (SIP, lookup tables) is not supported")


def frame_of_wcs(wcs: WCS) -> str:
    """Return the name of the frame, ``icrs`` or ``galactic`` in most cases.

    Raises
    ------
    GeometryError
        If there is no celestial frame, or its equinox is not that of the frame of this name.
    """
    header = wcs.wcs
    if header.lng >= 0 and header.lat >= 0:
        # these two without the frame object, which takes ten times as long
        if header.radesys == "ICRS":
            return "icrs"
        if not header.radesys and [str(header.ctype[i])[:4] for i in (header.lng, header.lat)] == ["GLON", "GLAT"]:
            return "galactic"
    try:
        frame = wcs_to_celestial_frame(wcs)
    except ValueError as error:
        raise GeometryError(f"the WCS with axes {list(wcs.wcs.ctype)} has no celestial frame: {error}") from error
    _require_known_equinox(frame)
    return str(frame.name)


def _require_known_equinox(frame: BaseCoordinateFrame) -> None:
    """Refuse frames that their name does not determine: from 1975 to 2000 the sky has moved by a third of a degree."""
    equinox, known = getattr(frame, "equinox", None), getattr(type(frame)(), "equinox", None)
    if equinox is not None and known is not None and abs(float(equinox.jd - known.jd)) > _SAME_EQUINOX:
        raise GeometryError(
            f"the WCS has the frame {frame.name} with the equinox {equinox} (RADESYS, EQUINOX), and maps in "
            f"{frame.name} have {known}; correct these keywords if they are wrong, or reproject the map to ICRS"
        )


def sky_projection(wcs: WCS) -> Projection | None:
    """Return the projection of a WCS as array code; None if its code or its PV parameters are not among ours."""
    # CTYPE holds four characters, a hyphen and the code (FITS standard 4.0, section 8.2)
    code = str(wcs.wcs.ctype[0])[5:]
    if code not in PROJECTION_CODES or wcs.wcs.get_pv():
        return None
    wcs.wcs.set()  # fills in lonpole and latpole
    # CD, or CDELT times PC: headers have one or the other
    (lon_lon, lon_lat), (lat_lon, lat_lat) = wcs.pixel_scale_matrix.tolist()
    (x_ref, y_ref), (lon_ref, lat_ref) = wcs.wcs.crpix.tolist(), wcs.wcs.crval.tolist()
    return Projection(
        code=code,
        crpix=(x_ref, y_ref),
        crval=(lon_ref, lat_ref),
        cd=((lon_lon, lon_lat), (lat_lon, lat_lat)),
        lonpole=float(wcs.wcs.lonpole),
        latpole=float(wcs.wcs.latpole),
    )


_PERIODIC = ("CAR", "MER", "CEA")
"""Projections in which the sky repeats itself along the native longitude."""


def column_period(wcs: WCS) -> float | None:
    """Return the number of columns, not always whole, after which the sky repeats itself; None if it does not.

    It does on cylindrical projections whose rows follow the native longitude.
    """
    (xx, xy), (yx, _) = wcs.pixel_scale_matrix.tolist()
    if str(wcs.wcs.ctype[0])[5:] not in _PERIODIC or xy != 0 or yx != 0:
        return None
    return float(abs(360.0 / xx))


def shifted_wcs(wcs: WCS, x0: float, y0: float, npix: Sequence[int]) -> WCS:
    """Return the WCS of a window on the pixels of another one.

    Parameters
    ----------
    wcs : WCS
    x0, y0 : float, pixel of ``wcs`` that is the first one of the window
    npix : number of pixels (x, y) of the window
    """
    shifted = wcs.deepcopy()
    # the sky stays where it is: only the numbers of the pixels change
    shifted.wcs.crpix = wcs.wcs.crpix - np.array([x0, y0], dtype=float)
    shifted.array_shape = npix[1], npix[0]
    return shifted


def shifted_numbers(numbers: Wcsprm, x0: float, y0: float) -> Wcsprm:
    """Return the numbers of the WCS of a window, see `shifted_wcs`.

    Parameters
    ----------
    numbers : Wcsprm, ``wcs`` of a WCS
    x0, y0 : float, pixel that is the first one of the window
    """
    shifted = copy.copy(numbers)
    shifted.crpix = numbers.crpix - np.array([x0, y0], dtype=float)
    return shifted


def resampled_wcs(wcs: WCS, factor: float, npix: Sequence[int]) -> WCS:
    """Return the WCS of larger or smaller pixels with the same lower left corner.

    Parameters
    ----------
    wcs : WCS
    factor : float, how many times as large the pixels are
    npix : number of pixels (x, y)
    """
    resampled = wcs.deepcopy()
    if wcs.wcs.has_cd():
        resampled.wcs.cd = wcs.wcs.cd * factor
    else:
        resampled.wcs.cdelt = wcs.wcs.cdelt * factor
    # FITS pixels count from 1, so the lower left corner is at 0.5 before and after
    resampled.wcs.crpix = (wcs.wcs.crpix - 0.5) / factor + 0.5
    resampled.array_shape = npix[1], npix[0]
    return resampled


def same_wcs(wcs: WCS, other: WCS, tolerance: float, *, any_origin: bool = False) -> bool:
    """Return whether two WCS have the same projection and, within a relative tolerance, the same numbers.

    Parameters
    ----------
    wcs, other : WCS
    tolerance : float
    any_origin : bool
        Whether the reference pixels may differ by whole numbers, as those of a map and its cutouts do.

    Notes
    -----
    Unlike the comparison of wcslib, it does not matter how the matrix from pixels to degrees is written.
    """
    if list(wcs.wcs.ctype) != list(other.wcs.ctype) or wcs.wcs.get_pv() != other.wcs.get_pv():
        return False
    wcs.wcs.set()
    other.wcs.set()  # both fill in the poles
    # the size of a pixel: a relative tolerance alone would fail for the zeros off the diagonal
    scale = max(np.abs(wcs.pixel_scale_matrix).max(), np.abs(other.pixel_scale_matrix).max())
    shift = wcs.wcs.crpix - other.wcs.crpix
    if any_origin:
        same_origin = np.allclose(shift, np.rint(shift), rtol=0, atol=tolerance)
    else:
        same_origin = np.allclose(wcs.wcs.crpix, other.wcs.crpix, rtol=tolerance, atol=tolerance)
    pole, other_pole = [(_.wcs.lonpole, _.wcs.latpole) for _ in (wcs, other)]
    return bool(
        same_origin
        and np.allclose(wcs.pixel_scale_matrix, other.pixel_scale_matrix, rtol=tolerance, atol=tolerance * scale)
        and np.allclose(wcs.wcs.crval, other.wcs.crval, rtol=tolerance, atol=tolerance * scale)
        and np.allclose(pole, other_pole, rtol=tolerance, atol=tolerance)
    )


def pixel_scales_deg(wcs: WCS) -> NDArray[np.float64]:
    """Return the pixel sizes in x and y at the reference pixel, deg."""
    return np.asarray(proj_plane_pixel_scales(wcs))


def wcslib_to_pixel(numbers: Wcsprm, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
    """Return the pixel coordinates, counted from 0, of sky positions in deg, as `WCS.wcs_world2pix` does.

    For a few positions, the checks of that method take ten times as long as wcslib.

    Parameters
    ----------
    numbers : Wcsprm, ``wcs`` of a WCS
    lon, lat : arrays of float that broadcast, deg in the frame of the WCS
    """
    pairs, shape = _pairs(lon, lat)
    return _unpaired(numbers.s2p(pairs, 0)["pixcrd"], shape) if len(pairs) else (np.zeros(shape), np.zeros(shape))


def wcslib_to_sky(numbers: Wcsprm, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return the sky positions, in deg, of pixel coordinates counted from 0, as `WCS.wcs_pix2world` does.

    Parameters
    ----------
    numbers : Wcsprm, ``wcs`` of a WCS
    x, y : arrays of float that broadcast
    """
    pairs, shape = _pairs(x, y)
    return _unpaired(numbers.p2s(pairs, 0)["world"], shape) if len(pairs) else (np.zeros(shape), np.zeros(shape))


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[Floats, tuple[int, ...]]:
    """Return an array of pairs of numbers, shape (n, 2), and the shape to which the numbers broadcast."""
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    shape = np.broadcast_shapes(one.shape, other.shape)
    pairs = np.empty((*shape, 2))
    pairs[..., 0], pairs[..., 1] = one, other
    return pairs.reshape(-1, 2), shape


def _unpaired(pairs: Floats, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    return pairs[:, 0].reshape(shape), pairs[:, 1].reshape(shape)


def world_to_pixel(wcs: WCS, skycoord: SkyCoord, frame: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pixel coordinates, counted from 0, of sky positions in any frame.

    Parameters
    ----------
    wcs : WCS
    skycoord : SkyCoord
    frame : str, frame of the WCS
    """
    return wcslib_to_pixel(wcs.wcs, *_lonlat_in_frame(skycoord, frame))


def _lonlat_in_frame(skycoord: SkyCoord, frame: FrameLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitude and latitude in deg; a transformation costs half a millisecond, also one to the same frame."""
    if not (isinstance(frame, str) and frame in ("icrs", "galactic") and skycoord.frame.name == frame):
        skycoord = skycoord.transform_to(frame)
    return skycoord.data.lon.deg, skycoord.data.lat.deg


def header_npix(header: Header | Mapping[str, Any]) -> tuple[int, int]:
    """Read the number of pixels in x and y from WCSSHAPE (sparse maps have it), else from NAXIS1 and NAXIS2."""
    if "WCSSHAPE" in header:
        text = header["WCSSHAPE"]
        try:
            # such as '(250,250,11)'; only literals are evaluated, no code
            shape = ast.literal_eval(text)
            return int(shape[0]), int(shape[1])
        except (ValueError, SyntaxError, TypeError, IndexError) as error:
            raise GeometryError(f"keyword WCSSHAPE holds {text!r}, expected such as '(250,250,11)'") from error
    if "NAXIS1" not in header or "NAXIS2" not in header:
        raise GeometryError(
            "the header has neither WCSSHAPE nor NAXIS1 and NAXIS2: it does not say the number of pixels"
        )
    return int(header["NAXIS1"]), int(header["NAXIS2"])


_NOT_OF_WCS = re.compile(
    r"NAXIS[3-9]|NAXIS\d\d|(?:AXCOLS|INTERP)\d*|EXTNAME|BANDSHDU|META|BUNIT|WCSSHAPE|CONTINUE|CREATOR|CREATED|ORIGIN"
)
"""Keywords of maps that do not matter for the two axes of the sky, and differ between the maps of a dataset."""


def wcs_of_header(header: Header | Mapping[str, Any]) -> WCS:
    """Return the celestial WCS of a header.

    Parameters
    ----------
    header : Header or mapping of keyword to value
    """
    if not isinstance(header, Header):
        return WCS(cast(Header, header), naxis=2).sub(2)
    cards = tuple([text for text in map(str, header.cards) if not _NOT_OF_WCS.fullmatch(text[:8].rstrip())])
    return _wcs_of_cards(cards).deepcopy()


# The maps of a dataset, and of many datasets, have the same few.
@lru_cache(maxsize=32)
def _wcs_of_cards(cards: tuple[str, ...]) -> WCS:
    return WCS(Header.fromstring("".join(cards)), naxis=2).sub(2)
