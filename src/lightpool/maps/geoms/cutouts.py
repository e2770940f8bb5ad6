"""Where a small image lies on a large one: rules of cutouts, in whole pixels."""

import math
import sys
from collections.abc import Sequence
from functools import lru_cache

from lightpool.errors import NoOverlapError, PartialOverlapError

__all__ = [
    "CUTOUT_MODES",
    "cutout_origin",
    "no_overlap_error",
    "overlap_parts",
    "overlap_slices",
    "partial_overlap_error",
    "trim_window",
]

CUTOUT_MODES = ("trim", "partial", "strict")

Slices = tuple[slice, slice]


def no_overlap_error(message: str) -> NoOverlapError:
    """Return the error of a cutout that lies outside the map.

    Parameters
    ----------
    message : str

    Notes
    -----
    It derives from the error of astropy, which Gammapy raises, if a script can know it: that module takes long to
    import, and the error is also raised and caught where maps are placed on others.
    """
    if "astropy.nddata" not in sys.modules:
        return NoOverlapError(message)
    from lightpool.maps.geoms import overlap_errors

    return overlap_errors.NoOverlapError(message)


def partial_overlap_error(message: str) -> PartialOverlapError:
    """Return the error of a cutout that lies partly outside the map, see `no_overlap_error`.

    Parameters
    ----------
    message : str
    """
    if "astropy.nddata" not in sys.modules:
        return PartialOverlapError(message)
    from lightpool.maps.geoms import overlap_errors

    return overlap_errors.PartialOverlapError(message)


def cutout_origin(position: Sequence[float], npix: Sequence[int]) -> tuple[int, int]:
    """Return the first pixel (x0, y0) of a window that is centred on a position.

    The position is rounded such that a window with an odd number of pixels is centred on the pixel that holds
    the position.

    Parameters
    ----------
    position : pixel coordinates (x, y)
    npix : number of pixels (x, y) of the window
    """
    if not all(math.isfinite(_) for _ in position):
        raise no_overlap_error(
            f"the position of the cutout does not project on the map, its pixel is {tuple(position)}"
        )
    # as `astropy.nddata.overlap_slices` rounds, by which Gammapy cuts
    x0, y0 = (math.ceil(pos - n / 2.0) for pos, n in zip(position, npix, strict=True))
    return x0, y0


def trim_window(
    origin: Sequence[int], npix: Sequence[int], parent_npix: Sequence[int], mode: str, *, is_closed: bool = False
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first pixel and the number of pixels of a cutout by the rule of its mode.

    Parameters
    ----------
    origin, npix : first pixel (x, y) and number of pixels (x, y) that were asked for
    parent_npix : number of pixels (x, y) of the parent
    mode : ``trim`` keeps the part on the parent, ``partial`` keeps all of the window, ``strict`` rejects a window
        that is not entirely on the parent
    is_closed : whether the parent spans exactly one turn of the sky along x, so that it has no border there

    Raises
    ------
    NoOverlapError
        If no pixel of the window is on the parent.
    GeometryError
        If the mode is ``strict`` and some pixels are not on the parent.
    """
    if mode not in CUTOUT_MODES:
        raise ValueError(f"mode must be one of {CUTOUT_MODES}, got {mode!r}")
    if is_closed:
        # A closed parent has no border along x: only y is trimmed. Columns beyond a turn are dropped at both ends.
        n_x = min(npix[0], parent_npix[0])
        (_, y0), (_, n_y) = trim_window((0, origin[1]), (1, npix[1]), parent_npix, mode)
        return (origin[0] + (npix[0] - n_x + 1) // 2, y0), (n_x, n_y)
    stop = [x0 + n for x0, n in zip(origin, npix, strict=True)]
    if any(end <= 0 or x0 >= n for x0, end, n in zip(origin, stop, parent_npix, strict=True)):
        raise no_overlap_error(
            f"the cutout, {_pixels(origin, stop)}, lies outside the map of {parent_npix[0]} x {parent_npix[1]} pixels"
        )
    inside = all(x0 >= 0 and end <= n for x0, end, n in zip(origin, stop, parent_npix, strict=True))
    if mode == "strict" and not inside:
        raise partial_overlap_error(
            f"the cutout, {_pixels(origin, stop)}, is only partly on the map of {parent_npix[0]} x {parent_npix[1]} "
            "pixels; modes 'trim' and 'partial' allow that"
        )
    if mode != "trim" or inside:
        return (origin[0], origin[1]), (npix[0], npix[1])
    first = [max(0, x0) for x0 in origin]
    size = [min(n, end) - x0 for x0, end, n in zip(first, stop, parent_npix, strict=True)]
    return (first[0], first[1]), (size[0], size[1])


def _pixels(origin: Sequence[int], stop: Sequence[int]) -> str:
    return f"pixels x {origin[0]} to {stop[0] - 1} and y {origin[1]} to {stop[1] - 1}"


def overlap_slices(origin: Sequence[int], npix: Sequence[int], parent_npix: Sequence[int]) -> tuple[Slices, Slices]:
    """Return slices (y, x) of the pixels that parent and cutout share, on the parent and on the cutout.

    Parameters
    ----------
    origin : pixel (x, y) of the parent that is the first one of the cutout
    npix, parent_npix : number of pixels (x, y) of the cutout and of the parent

    Raises
    ------
    NoOverlapError
        If they share none.
    """
    trim_window(origin, npix, parent_npix, "partial")  # raises the error where no pixel is shared
    parent, cutout = [], []
    for x0, n, n_parent in zip(origin, npix, parent_npix, strict=True):
        first, stop = max(0, x0), min(n_parent, x0 + n)
        parent.append(slice(first, stop))
        cutout.append(slice(first - x0, stop - x0))
    # collected as (x, y), returned as (y, x), in the order of the data
    return (parent[1], parent[0]), (cutout[1], cutout[0])


@lru_cache(maxsize=256)
def overlap_parts(
    origin: tuple[int, int], npix: tuple[int, int], parent_npix: tuple[int, int], period: int | None
) -> tuple[tuple[Slices, Slices], ...]:
    """Return slices as `overlap_slices` does of all pixels that parent and cutout share, also whole turns along x.

    Parameters
    ----------
    origin, npix, parent_npix : as for `overlap_slices`
    period : number of columns after which the sky repeats itself, if that is a whole one

    Returns
    -------
    parts : pairs of slices (y, x), on the parent and on the cutout

    Raises
    ------
    NoOverlapError
        If they share none.
    """
    if period is None:
        return (overlap_slices(origin, npix, parent_npix),)
    parts = []
    lowest = -((origin[0] + npix[0] - 1) // period)  # all turns that bring a column of the cutout onto the parent
    for turn in range(lowest, (parent_npix[0] - 1 - origin[0]) // period + 1):
        try:
            parts.append(overlap_slices((origin[0] + turn * period, origin[1]), npix, parent_npix))
        except NoOverlapError:
            continue
    # without a part this raises the error, with the window that was asked for
    return tuple(parts) or (overlap_slices(origin, npix, parent_npix),)
