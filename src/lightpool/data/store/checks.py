"""Checks of a data store: faults that would surface later, or not at all."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Thread
from typing import Protocol

from lightpool.data.files.file_cache import FILE_CACHE, CachedFile
from lightpool.data.files.hdu_location import HDULocation
from lightpool.data.obs_table import ObservationTable
from lightpool.data.store.conventions import Conventions, RunHeaders
from lightpool.data.store.hdu_checks import Finding, check_hdu, check_times, finding
from lightpool.data.store.hdu_index import HDUIndexTable, HDULookup, look_up
from lightpool.data.tables.gadf_tables import classify_hdus
from lightpool.data.tables.obs_ids import is_obs_id
from lightpool.errors import DamagedFileError, FormatError, MissingDataError
from lightpool.fits import Place
from lightpool.utils.pbar import tracked
from lightpool.utils.secret_texts import hide_secrets

__all__ = ["check_data_store"]

_OBS_COLUMNS = {"OBS_ID": "", "RA_PNT": "deg", "DEC_PNT": "deg", "TSTART": "s", "TSTOP": "s"}
_INDICES = {"obs_table": "obs-index", "hdu_table": "hdu-index", "consistency": "hdu-index"}
_NEEDED = ("events", "gti", "aeff", "edisp")
_NEEDED_UNLESS_POINTLIKE = ("psf", "bkg")

Findings = Iterator[Finding]


class IndexTables(Protocol):
    """What a check needs from a `~lightpool.data.DataStore`."""

    @property
    def hdu_table(self) -> HDUIndexTable: ...
    @property
    def obs_table(self) -> ObservationTable | None: ...


def check_data_store(
    store: IndexTables,
    checks: str | Sequence[str] = "all",
    *,
    obs_ids: Sequence[int] | None = None,
    n_worker: int = 1,
    time_limit: float | None = None,
    conventions: Conventions | None = None,
) -> Findings:
    """Yield a finding for each fault; each file is opened once. A file that cannot be read does not stop the check.

    Parameters
    ----------
    store : DataStore
    checks : "all", or list of "obs_table", "hdu_table", "consistency", "observations"
        The first three check the index tables alone; ``hdu_table`` also checks that the files and HDUs exist.
    obs_ids : sequence of int, optional
        Observations whose files are checked; all by default.
    n_worker : int, number of threads
    time_limit : float, optional
        Seconds for each observation; one that takes longer, such as on a file system that does not respond, is a
        finding, and the check continues with the others.
    conventions : Conventions, optional
        Gets the headers of each observation that is checked.

    Returns
    -------
    findings : iterator of dict
        With ``level`` (``error`` or ``warning``), ``code`` (the kind of fault, which does not change between versions)
        and ``msg``; and ``obs_id``, ``file`` and ``hdu``, where they apply.
    """
    known: dict[str, Callable[[IndexTables], Findings]] = {
        "obs_table": _check_obs_table,
        "hdu_table": _check_hdu_table,
        "consistency": _check_consistency,
    }
    wanted = [*known, "observations"] if checks == "all" else checks
    for name in wanted:
        if name not in known and name != "observations":
            raise ValueError(f"check {name!r} is not known; there are {', '.join([*known, 'observations'])}")
        if name in known:
            yield from _guarded(known[name](store), {"hdu": _INDICES[name]})
    if "hdu_table" in wanted or "observations" in wanted:
        try:
            lookup = look_up(store.hdu_table)
            numbers = sorted(lookup.rows) if obs_ids is None else list(obs_ids)
        except Exception as error:
            yield _failure(error) | {"hdu": "hdu-index"}
            return
        check = partial(
            _check_in_time, time_limit, lookup, with_content="observations" in wanted, conventions=conventions
        )
        with ThreadPoolExecutor(n_worker) as pool:
            each = pool.map(check, numbers) if n_worker > 1 else map(check, numbers)
            with tracked(each, "observations", len(numbers)) as items:
                for found in items:
                    yield from found


def _failure(error: Exception) -> Finding:
    """Return the finding about an error that no check expects."""
    return finding("check-failed", f"cannot be checked: {type(error).__name__}: {error}")


def _guarded(findings: Findings, where: Finding) -> Findings:
    """Yield the findings of a check, the last of which may be that the check failed."""
    try:
        yield from findings
    except Exception as error:  # any error that damaged files cause
        yield _failure(error) | where


def _check_in_time(
    limit: float | None,
    lookup: HDULookup,
    obs_id: int,
    *,
    with_content: bool,
    conventions: Conventions | None = None,
) -> list[Finding]:
    """Return the findings about an observation, of as many files as there was time for."""
    found: list[Finding] = []

    def work() -> None:
        findings = _guarded(_check_observation(lookup, obs_id, conventions, with_content=with_content), {})
        found.extend({**each, "obs_id": obs_id} for each in findings)

    if limit is None:
        work()
        return found
    thread = Thread(target=work, daemon=True)  # one that hangs is left behind, and ends with the program
    thread.start()
    thread.join(limit)
    if thread.is_alive():
        text = f"cannot be checked within {limit:g} s: a file system that does not respond, or a very large file"
        return [*found, finding("time-limit", text) | {"obs_id": obs_id}]
    return found


def _check_obs_table(store: IndexTables) -> Findings:
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


def _check_hdu_table(store: IndexTables) -> Findings:
    for key, value in (("HDUCLAS1", "INDEX"), ("HDUCLAS2", "HDU")):
        if store.hdu_table.meta.get(key) != value:
            text = f"Invalid header key. Must have {key}={value}"
            yield finding("index-class", text, "warning") | {"hdu": "hdu-index"}


def _check_consistency(store: IndexTables) -> Findings:
    if store.obs_table is None:
        return
    observed, listed = set(store.obs_table["OBS_ID"].tolist()), set(store.hdu_table["OBS_ID"].tolist())
    if observed != listed:
        text = f"Inconsistent OBS_ID in obs and HDU index tables: {sorted(observed ^ listed)}"
        yield finding("index-differs", text)


def _check_observation(
    lookup: HDULookup, obs_id: int, conventions: Conventions | None = None, *, with_content: bool
) -> Findings:
    locations = {}
    for kind, rows in lookup.rows[obs_id].items():
        names = {lookup.names[row] for row in rows}
        if len(names) > 1:
            level = "error" if kind in ("events", "gti") else "warning"
            yield finding("hdu-ambiguous", f"the index names {len(names)} HDUs of type {kind!r}", level)
        locations[kind] = lookup.location(rows[0])
    by_file: dict[Place, list[str]] = {}
    for kind, location in locations.items():
        by_file.setdefault(location.place, []).append(kind)
    is_pointlike, opened, known = False, dict[str, CachedFile](), set[str]()
    for path, kinds in by_file.items():
        cached = _opened(path)
        if not isinstance(cached, CachedFile):
            yield cached
            continue
        for kind in kinds:
            location = locations[kind]
            where = {"file": cached.file.source, "hdu": location.hdu_name}
            checked = _check_location(cached, location, kind, obs_id, with_content=with_content)
            for each in _guarded(checked, where):
                known.add(each["code"])
                yield each
            if location.hdu_name in cached.file:
                opened[kind] = cached
            if kind == "aeff":
                is_pointlike = _is_pointlike(cached, location.hdu_name)
    if conventions is not None:
        conventions.add(_headers(obs_id, opened, locations))
    if with_content and {"events", "gti"} <= set(opened):
        where = {"file": opened["gti"].file.source, "hdu": locations["gti"].hdu_name}
        hdus = [locations[kind].hdu_name for kind in ("events", "gti")]
        # The header of the good times may have led to the same finding.
        times = _guarded(_check_times(opened["events"], hdus[0], opened["gti"], hdus[1]), where)
        yield from (each | where for each in times if each["code"] not in known)
    for kind in _NEEDED if is_pointlike else (*_NEEDED, *_NEEDED_UNLESS_POINTLIKE):
        if kind not in locations:
            yield finding("hdu-not-listed", f"the index lists no {kind} of this observation")


def _headers(obs_id: int, opened: dict[str, CachedFile], locations: dict[str, HDULocation]) -> RunHeaders:
    """Return the headers of the HDUs that can be read, the events first."""
    headers = {}
    for kind in sorted(opened, key=lambda kind: kind != "events"):
        try:
            headers[kind] = opened[kind].file.values(locations[kind].hdu_name)
        except Exception:  # another finding is about this HDU
            continue
    n_same = 1
    for cached in {id(cached): cached for cached in opened.values()}.values():
        try:
            counts = Counter(kind for _, kind, _ in cached.get("classes of HDUs", partial(classify_hdus, cached.file)))
        except Exception:  # another finding is about this file
            continue
        n_same = max([n_same, *(number for kind, number in counts.items() if kind not in ("events", "gti"))])
    responses = {opened[kind].file.source for kind in headers if kind not in ("events", "gti", "pointing")}
    own = {opened["events"].file.source} if "events" in opened else set()
    classes = {kind: location.hdu_class for kind, location in locations.items()}
    return RunHeaders(obs_id, headers, classes, n_same, responses <= own)


def _check_times(events_file: CachedFile, events: str, gti_file: CachedFile, gti: str) -> Findings:
    yield from check_times(events_file, events, gti_file, gti)  # a generator runs inside `_guarded`, a call would not


def _is_pointlike(cached: CachedFile, hdu: str) -> bool:
    """Return whether an effective area is point-like, so that neither PSF nor background are needed."""
    try:
        return hdu in cached.file and str(cached.file.values(hdu).get("HDUCLAS3")).strip() == "POINT-LIKE"
    except Exception:  # another finding is about this HDU
        return False


def _opened(path: Place) -> CachedFile | Finding:
    """Return the file, or the finding that says why it cannot be opened."""
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
    except Exception as error:  # any error that a damaged file causes
        return _failure(error) | {"file": hide_secrets(str(path))}
    return finding(code, text) | {"file": hide_secrets(str(path))}


def _check_location(
    cached: CachedFile, location: HDULocation, kind: str, obs_id: int, *, with_content: bool
) -> Findings:
    file, hdu, hdu_class = cached.file, location.hdu_name, location.hdu_class.lower()
    where = {"file": file.source, "hdu": hdu}
    if hdu not in file:
        text = f"HDU not found: {hdu!r} of type {kind!r}; the file has {', '.join(file.names)}"
        yield finding("hdu-missing", text) | where
        return
    if not with_content:
        return
    # Files that observations share are checked once.
    for each in cached.get(("findings", hdu, hdu_class), lambda: check_hdu(cached, hdu, hdu_class)):
        yield each | where
    if kind == "events":
        number = file.values(hdu).get("OBS_ID")
        if number is not None and not is_obs_id(number, obs_id):
            yield finding("obs-id", f"the header says OBS_ID {number}, the index says {obs_id}", "warning") | where
