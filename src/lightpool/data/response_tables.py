"""Response tables of files. Those of equal content are one table, with all that was derived from it.

Simulated runs, and runs of productions with few responses, come with the same tables in each file.
"""

import logging
from collections.abc import Hashable
from copy import copy
from weakref import WeakValueDictionary

import numpy as np

from lightpool.errors import FormatError
from lightpool.fits import FitsFile, TableData
from lightpool.irf import IRF, IRF_CLASSES

__all__ = ["copy_response", "read_response"]

log = logging.getLogger(__name__)

# Tables live as long as a file from which they were read is kept open: the cache of files bounds their memory.
_KNOWN: "WeakValueDictionary[Hashable, IRF]" = WeakValueDictionary()
_MEANING = ("HDUCLAS2", "HDUCLAS3", "FOVALIGN")


def read_response(file: FitsFile, hdu: str, kind: str, *, mirrored: bool = False) -> IRF:
    """Response table of an HDU, which `copy_response` makes copies of that share its values.

    Values that are not finite stay in the table, with a warning.

    Parameters
    ----------
    file : FitsFile
    hdu : str
    kind : str, HDU_CLASS of GADF in small letters
    mirrored : bool, whether the field of view is mirrored in longitude although the file does not say so

    Raises
    ------
    MissingDataError
        If there is no such HDU.
    FormatError
        If its content is not what the class needs.
    """
    table = file.table(hdu)
    if kind not in IRF_CLASSES:
        known = ", ".join(sorted(IRF_CLASSES))
        raise FormatError(f"{table.source}, HDU {table.name!r}: HDU_CLASS is {kind!r}, expected one of {known}")
    if mirrored:
        table.meta["FOVALIGN"] = "REVERSE_LON_RADEC"
    key = (kind, _layout(table), file.data_hash(hdu))
    same = _KNOWN.get(key)
    irf = _read(table, kind) if same is None else copy_response(same)
    irf.meta = dict(table.meta)
    if n_bad := irf.derived("not finite", lambda: _n_not_finite(irf)):
        log.warning(
            f"{table.source}, HDU {table.name!r}: {n_bad} of {irf.data.size} values are not finite; the response is "
            "zero as far as they are interpolated, a background is filled in between its neighbours in energy"
        )
    _KNOWN[key] = irf
    return irf


def copy_response(irf: IRF) -> IRF:
    """Copy that shares values and what was derived from them; its keywords and settings are its own."""
    made = copy(irf)
    made.meta, made.interp_kwargs = dict(irf.meta), dict(irf.interp_kwargs)
    return made


def _read(table: TableData, kind: str) -> IRF:
    irf = IRF_CLASSES[kind].from_table(table)
    for array in (irf.data, irf.data.base):  # base: the column of the file
        if array is not None:
            array.flags.writeable = False
    irf.derived("loaded", lambda: None)  # opens the store of derived values, which the copies then share
    return irf


def _n_not_finite(irf: IRF) -> int:
    """Bins in which a value is not finite; parametric tables have several values in a bin."""
    columns = [irf.data[name] for name in irf.data.dtype.names or [...]]
    with np.errstate(over="ignore", invalid="ignore"):
        if all(np.isfinite(column.sum()) for column in columns):  # far faster than a look at each
            return 0
    return int(np.count_nonzero(~np.logical_and.reduce([np.isfinite(column) for column in columns])))


def _layout(table: TableData) -> Hashable:
    """All that the header says about the meaning of the bytes."""
    meta = table.meta
    cards = [(key, value) for key, value in table.header.items() if key not in meta]
    return (*cards, *((key, meta.get(key)) for key in _MEANING))
