"""Checks of a data store: faults that would surface later, or not at all."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightpool.data.file_cache import FILE_CACHE, CachedFile
from lightpool.data.hdu_checks import Finding, check_hdu, check_times, finding
from lightpool.data.hdu_index import HDULookup, look_up
from lightpool.data.location import HDULocation
from lightpool.data.obs_ids import is_obs_id
from lightpool.errors import DamagedFileError, FormatError, MissingDataError
from lightpool.utils.pbar import progress_bar

if TYPE_CHECKING:
    from lightpool.data.data_store import DataStore

__all__ = ["check_data_store"]

_OBS_COLUMNS = {"OBS_ID": "", "RA_PNT": "deg", "DEC_PNT": "deg", "TSTART": "s", "TSTOP": "s"}
_NEEDED = ("events", "gti", "aeff", "edisp")
_NEEDED_UNLESS_POINTLIKE = ("psf", "bkg")

Findings = Iterator[Finding]


def check_data_store(
    store: "DataStore", checks: Any = "all", *, obs_ids: Sequence[int] | None = None, n_worker: int = 1
) -> Findings:
    """Give a finding for each fault; each file is opened once.

    Parameters
    ----------
    store : DataStore
    checks : "all", or list of "obs_table", "hdu_table", "consistency", "observations"
        The first three look at the indices alone; ``hdu_table`` also whether the files and HDUs are there.
    obs_ids : sequence of int, optional
        Observations whose files are looked at; all by default.
    n_worker : int, number of threads

    Returns
    -------
    findings : iterator of dict
        With ``level`` (``error`` or ``warning``), ``code`` (the kind of fault, which does not change between versions)
        and ``msg``; and ``obs_id``, ``file`` and ``hdu``, where they apply.
    """
    known: dict[str, Callable[[DataStore], Findings]] = {
        "obs_table": _check_obs_table,
        "hdu_table": _check_hdu_table,
        "consistency": _check_consistency,
    }
    wanted = [*known, "observations"] if checks == "all" else checks
    for name in wanted:
        if name not in known and name != "observations":
            raise ValueError(f"check {name!r} is not known; there are {', '.join([*known, 'observations'])}")
        if name in known:
            yield from known[name](store)
    if "hdu_table" in wanted or "observations" in wanted:
        lookup = look_up(store.hdu_table)
        numbers = sorted(lookup.rows) if obs_ids is None else list(obs_ids)
        check = partial(_check_observation, lookup, with_content="observations" in wanted)
        with ThreadPoolExecutor(n_worker) as pool:
            each = pool.map(check, numbers) if n_worker > 1 else map(check, numbers)
            for found in progress_bar(each, "observations", len(numbers)):
                yield from found


def _check_obs_table(store: "DataStore") -> Findings:
    table = store.obs_table
    if table is None:
        yield finding("index-missing", "There is no observation table", "warning") | {"hdu": "obs-index"}
        return
    for key, value in (("HDUCLAS1", "INDEX"), ("HDUCLAS2", "OBS")):
        if table.meta.get(key) != value:
            yield finding("index-class", f"{key} must be {value}", "warning") | {"hdu": "obs-index"}
    if len(table) == 0:
        yield finding("index-empty", "Observation table has zero rows") | {"hdu": "obs-index"}
    for name, unit in _OBS_COLUMNS.items():
        if name not in table.colnames:
            yield finding("column-missing", f"Missing table column: {name!r}", "warning") | {"hdu": "obs-index"}
        elif str(table[name].unit or "") != unit:
            text = f"Invalid unit for column: {name!r}: {str(table[name].unit or '')!r}, expected {unit!r}"
            yield finding("unit", text, "warning") | {"hdu": "obs-index"}


def _check_hdu_table(store: "DataStore") -> Findings:
    for key, value in (("HDUCLAS1", "INDEX"), ("HDUCLAS2", "HDU")):
        if store.hdu_table.meta.get(key) != value:
            text = f"Invalid header key. Must have {key}={value}"
            yield finding("index-class", text, "warning") | {"hdu": "hdu-index"}


def _check_consistency(store: "DataStore") -> Findings:
    if store.obs_table is None:
        return
    observed, listed = set(store.obs_table["OBS_ID"].tolist()), set(store.hdu_table["OBS_ID"].tolist())
    if observed != listed:
        text = f"Inconsistent OBS_ID in obs and HDU index tables: {sorted(observed ^ listed)}"
        yield finding("index-differs", text)


def _check_observation(lookup: HDULookup, obs_id: int, *, with_content: bool) -> list[Finding]:
    found: list[Finding] = []
    locations = {}
    for kind, rows in lookup.rows[obs_id].items():
        names = {lookup.names[row] for row in rows}
        if len(names) > 1:
            level = "error" if kind in ("events", "gti") else "warning"
            found.append(finding("hdu-ambiguous", f"the index names {len(names)} HDUs of type {kind!r}", level))
        locations[kind] = lookup.location(rows[0])
    by_file: dict[Path, list[str]] = {}
    for kind, location in locations.items():
        by_file.setdefault(location.path(), []).append(kind)
    is_pointlike, opened = False, {}
    for path, kinds in by_file.items():
        cached = _opened(path, found)
        if cached is None:
            continue
        for kind in kinds:
            location = locations[kind]
            if location.hdu_name in cached.file:
                opened[kind] = cached
            found += _check_location(cached, location, kind, obs_id, with_content=with_content)
            if kind == "aeff" and location.hdu_name in cached.file:
                is_pointlike = str(cached.file.values(location.hdu_name).get("HDUCLAS3")).strip() == "POINT-LIKE"
    if with_content and {"events", "gti"} <= set(opened):
        where = {"file": opened["gti"].file.source, "hdu": locations["gti"].hdu_name}
        known = {each["code"] for each in found}  # the header of the good times may have told the same
        times = check_times(opened["events"], locations["events"].hdu_name, opened["gti"], locations["gti"].hdu_name)
        found += [each | where for each in times if each["code"] not in known]
    for kind in _NEEDED if is_pointlike else (*_NEEDED, *_NEEDED_UNLESS_POINTLIKE):
        if kind not in locations:
            found.append(finding("hdu-not-listed", f"the index lists no {kind} of this observation"))
    return [{**each, "obs_id": obs_id} for each in found]


def _opened(path: Path, found: list[Finding]) -> CachedFile | None:
    """File, or None with a finding that says why it cannot be opened."""
    try:
        return FILE_CACHE.open(path)
    except MissingDataError as error:
        code, text = "file-missing", str(error)
    except DamagedFileError as error:
        code, text = "file-damaged", str(error)
    except FormatError as error:
        code, text = "not-fits", str(error)
    except OSError as error:
        code, text = "file-unreadable", f"{type(error).__name__}: {error}"
    found.append(finding(code, text) | {"file": str(path)})
    return None


def _check_location(
    cached: CachedFile, location: HDULocation, kind: str, obs_id: int, *, with_content: bool
) -> list[Finding]:
    file, hdu, hdu_class = cached.file, location.hdu_name, location.hdu_class.lower()
    where = {"file": file.source, "hdu": hdu}
    if hdu not in file:
        text = f"HDU not found: {hdu!r} of type {kind!r}; the file has {', '.join(file.names)}"
        return [finding("hdu-missing", text) | where]
    if not with_content:
        return []
    # Files that observations share are looked at once.
    found = list(cached.get(("findings", hdu, hdu_class), lambda: check_hdu(cached, hdu, hdu_class)))
    if kind == "events":
        number = file.values(hdu).get("OBS_ID")
        if number is not None and not is_obs_id(number, obs_id):
            found.append(finding("obs-id", f"the header says OBS_ID {number}, the index says {obs_id}", "warning"))
    return [each | where for each in found]
