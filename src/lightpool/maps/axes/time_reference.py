"""The reference time of a time axis, as FITS keywords."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.time import Time

from lightpool.fits import read_time_reference

__all__ = ["time_ref_from_dict", "time_ref_to_dict"]

_JD_OF_MJD_ZERO = 2400000.5


def time_ref_from_dict(meta: Mapping[str, Any], scale: str = "tt") -> Time:
    """Return the reference time of a header.

    Parameters
    ----------
    meta : mapping of keyword to value, see `lightpool.fits.read_time_reference`
    scale : str, the scale if there is no TIMESYS
    """
    day, fraction, name = read_time_reference(meta, "time axis", scale)
    return Time(day, fraction, format="mjd", scale=name)


def time_ref_to_dict(time: Time, scale: str = "tt") -> dict[str, int | float | str]:
    """Return the keywords of a reference time, its fraction of a day kept to a nanosecond.

    Parameters
    ----------
    time : Time
    scale : str, the scale of the keywords
    """
    time = getattr(Time(time), scale)
    whole = int(np.floor(time.mjd))
    # from both floats of Time: MJD in one is rounded to about a microsecond
    fraction = float((time.jd1 - _JD_OF_MJD_ZERO - whole) + time.jd2)
    return {"MJDREFI": whole, "MJDREFF": fraction, "TIMESYS": scale}
