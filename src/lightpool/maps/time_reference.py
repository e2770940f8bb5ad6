"""The FITS keywords of a reference time: MJDREFI, MJDREFF, TIMESYS."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.time import Time

from lightpool.errors import FormatError

__all__ = ["time_ref_from_dict", "time_ref_to_dict"]

_JD_OF_MJD_ZERO = 2400000.5


def time_ref_from_dict(meta: Mapping[str, Any], scale: str = "tt") -> Time:
    """Read the reference time of a header.

    Parameters
    ----------
    meta : mapping with MJDREFI and MJDREFF (numbers, or text that is a number) and, if it has it, TIMESYS
    scale : scale if there is no TIMESYS

    Raises
    ------
    FormatError
        If a keyword is missing or not a number.
    """
    try:
        whole, fraction = float(meta["MJDREFI"]), float(meta["MJDREFF"])
    except KeyError as error:
        raise FormatError(f"the header has no keyword {error}, so its times count from an unknown moment") from error
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"MJDREFI={meta['MJDREFI']!r} and MJDREFF={meta['MJDREFF']!r} in the header must be numbers"
        ) from error
    return Time(whole, fraction, format="mjd", scale=str(meta.get("TIMESYS", scale)).strip().lower())


def time_ref_to_dict(time: Time, scale: str = "tt") -> dict[str, Any]:
    """Keywords of a reference time, its fraction of a day kept to a nanosecond."""
    time = getattr(Time(time), scale)
    whole = int(np.floor(time.mjd))
    fraction = float((time.jd1 - _JD_OF_MJD_ZERO - whole) + time.jd2)
    return {"MJDREFI": whole, "MJDREFF": fraction, "TIMESYS": scale}
