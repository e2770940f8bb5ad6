"""Gammapy's `HDULocation.load`: small parts of observations from files that lightpool has read already.

Scripts ask each observation for its times and its pointing. For each of them Gammapy decompresses the whole file.
"""

from collections.abc import Callable, Mapping

import astropy.units as u
from gammapy.data import GTI as GammapyGTI  # noqa: N811 - a class
from gammapy.data import FixedPointingInfo as GammapyFixedPointingInfo
from gammapy.data import ObservationMetaData as GammapyObservationMetaData
from gammapy.utils.fits import HDULocation as GammapyHDULocation
from gammapy.utils.time import time_ref_from_dict

from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.fits import FitsFile
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, takes_over
from lightpool.typing import GammapyObject

__all__: list[str] = []


def _read_gti(file: FitsFile, hdu: str) -> GammapyGTI:
    table = file.table(hdu)
    # As `GTI.from_table_hdu` of Gammapy, which converts a column with a unit to that of the keyword.
    unit = u.Unit(table.meta.get("TIMEUNIT", "s"))
    start, stop = (u.Quantity(table.columns[name], table.units[name] or unit).to(unit) for name in ("START", "STOP"))
    return GammapyGTI.create(start, stop, time_ref_from_dict(dict(table.meta), format="mjd", scale="tt"))


def _header(file: FitsFile, hdu: str) -> Mapping[str, GammapyObject]:
    return dict(file.values(hdu))


_READERS: dict[str, Callable[[FitsFile, str], GammapyObject]] = {
    "gti": _read_gti,
    "pointing": lambda file, hdu: GammapyFixedPointingInfo.from_fits_header(_header(file, hdu)),
    "observation_metadata": lambda file, hdu: GammapyObservationMetaData.from_header(_header(file, hdu)),
}


# Not in the report, which is about makers; and all others are none of its business.
@takes_over(GammapyHDULocation, "load", relies_on=("path", "get_hdu"), is_listed=False)
def _load(location: GammapyHDULocation) -> Commit:
    read = _READERS.get(location.hdu_class)
    if read is None:
        raise NotTakenOverError(f"an HDU of class {location.hdu_class}")
    file = FILE_CACHE.open(location.path()).file
    found = read(file, location.hdu_name)
    return lambda: found
