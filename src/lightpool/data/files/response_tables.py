"""Response tables of files. Tables of equal content share their values and all that is derived from them.

Simulated runs, and runs of productions with few responses, have the same tables in each file.
"""

import logging
from collections.abc import Hashable, Mapping
from weakref import WeakValueDictionary

from lightpool.errors import FormatError
from lightpool.fits import FitsFile, TableData
from lightpool.irf import IRF, IRF_CLASSES, IRF_REGISTRY
from lightpool.irf.tables.gadf_format import keywords_of
from lightpool.irf.tables.hdu_classes import find_class
from lightpool.irf.tables.table_rules import n_not_finite, warn_of_holes

__all__ = ["copy_response", "read_response"]

log = logging.getLogger(__name__)

# Tables live as long as a file from which they were read is kept open: the cache of files bounds their memory.
_KNOWN: "WeakValueDictionary[Hashable, IRF]" = WeakValueDictionary()
_MEANING = ("HDUCLAS2", "HDUCLAS3", "FOVALIGN")


def read_response(file: FitsFile, hdu: str, kind: str, *, mirrored: bool = False) -> IRF:
    """Return the response table of an HDU; tables of equal content share their values.

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
        If the file has no such HDU.
    FormatError
        If its content is not what the class needs.
    """
    table = file.table(hdu)
    if mirrored and not _is_of_this_package(table.meta):
        table.meta["FOVALIGN"] = "REVERSE_LON_RADEC"
    key = (kind, _layout(table), file.data_hash(hdu))
    same = _KNOWN.get(key)
    irf = _read(table, kind) if same is None else copy_response(same)
    irf.meta = keywords_of(table)
    if same is not None:  # reading a table gives this warning already
        n_bad = irf.derived("not finite", lambda: n_not_finite(irf.data))
        warn_of_holes(n_bad, irf.axes.shape, f"{table.source}, HDU {table.name!r}")
    _KNOWN[key] = irf
    return irf


def _is_of_this_package(keywords: Mapping[str, object]) -> bool:
    """Return whether a background table was made by `BackgroundTableMaker`, whose alignment is what the file says.

    An index may name such a table beside events of the first H.E.S.S. data release.
    """
    return "BKGGROUP" in keywords


def copy_response(irf: IRF) -> IRF:
    """Return a copy that shares values and what was derived from them, with its own keywords and settings."""
    made = object.__new__(type(irf))
    made.__dict__.update(irf.__dict__)  # what `copy` does, in a fifth of the time
    made.meta, made.interp_kwargs = dict(irf.meta), irf.interp_kwargs.copy()
    return made


def _read(table: TableData, kind: str) -> IRF:
    named = _class_of(table, kind)
    irf = (_added_classes().get(named) or IRF_CLASSES[named]).from_table(table)
    for array in (irf.data, irf.data.base):  # base: the column of the file
        if array is not None:
            array.flags.writeable = False
    irf.derived("loaded", lambda: None)  # creates the store of derived values, which the copies then share
    return irf


def _added_classes() -> dict[str, type[IRF]]:
    """Return the classes that a user has added to `IRF_REGISTRY`, by their tags in small letters."""
    own = IRF_CLASSES.values()
    return {kind.tag.lower(): kind for kind in IRF_REGISTRY if issubclass(kind, IRF) and kind not in own}


def _class_of(table: TableData, named: str) -> str:
    """Return the class of the content of a table, whose kind must be the one that the index names."""
    where, found = f"{table.source}, HDU {table.name!r}", table.cards.once("class", lambda: find_class(table.header))
    if named in _added_classes():
        return named
    if named not in IRF_CLASSES:
        known = ", ".join(sorted(IRF_CLASSES))
        raise FormatError(f"{where}: HDU_CLASS is {named!r}, expected one of {known}")
    if found is None or found[1] == named:
        return named
    if named.split("_")[0] != found[0].split("_")[0]:
        raise FormatError(
            f"{where} is listed with the class {named!r}, but it holds a table of the class {found[1]!r}; correct "
            "HDU_CLASS or HDU_NAME in the index"
        )
    log.warning("%s is listed with the class %r, but it holds a table of the class %r", where, named, found[1])
    return found[1]


def _layout(table: TableData) -> Hashable:
    """Return everything in the header that determines the meaning of the bytes."""
    meta = table.meta
    cards = table.cards.once(
        "layout of a table", lambda: tuple((k, v) for k, v in table.header.items() if k not in meta)
    )
    return cards, *((key, meta.get(key)) for key in _MEANING)
