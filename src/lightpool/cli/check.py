"""The command that checks a data store."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lightpool.cli.options import AnyPlace, run_numbers
from lightpool.cli.output import say

if TYPE_CHECKING:
    from lightpool.data import DataStore
    from lightpool.fits import Place

__all__ = ["check"]


@click.command()
@click.argument("store", type=AnyPlace(file_okay=False))
@click.option("--runs", help="Observation numbers, such as 1,2,5, or a file with them; all by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("-n", "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of threads.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds per run. [default: no limit]")
@click.option("--hdu-index", help="File of the HDU index, in STORE. [default: hdu-index.fits.gz]")
@click.option("--obs-index", help="File of the observation index, in STORE. [default: obs-index.fits.gz]")
@click.option("--index-hdu", type=click.IntRange(min=1), help="Number of the HDU index in its file, if it has several.")
def check(
    store: "Place",
    runs: str | None,
    as_json: bool,
    workers: int,
    timeout: float | None,
    hdu_index: str | None,
    obs_index: str | None,
    index_hdu: int | None,
) -> None:
    """Check the index files and observations of the data store in the folder STORE, or at this address.

    Errors are faults that prevent the reduction of an observation or make its results wrong; other faults are warnings.
    Notes say who wrote the files, by which conventions, and which of them are not those of the format GADF.

    Exit codes: 0 no errors; 1 the store cannot be opened; 2 wrong arguments; 4 errors were found.
    """
    import json

    from lightpool.cli.console import ExitCode, ended_by_errors
    from lightpool.utils.text import number_of

    with ended_by_errors(), _quiet():
        from lightpool.data.store.checks import check_data_store
        from lightpool.data.store.conventions import Conventions
        from lightpool.errors import FormatError, LightpoolError

        try:
            opened = _opened(store, hdu_index, obs_index, index_hdu)
        except (LightpoolError, OSError):
            raise
        except Exception as error:  # damaged files can cause any error
            raise FormatError(f"the data store {store} cannot be opened: {type(error).__name__}: {error}") from error
        obs_ids = run_numbers(opened, runs)
        conventions = Conventions()
        findings = list(
            check_data_store(opened, obs_ids=obs_ids, n_worker=workers, time_limit=timeout, conventions=conventions)
        )
        findings += conventions.findings()
    n_error, n_warning = (sum(found["level"] == level for found in findings) for level in ("error", "warning"))
    if as_json:
        say(json.dumps(findings, indent=1))
    else:
        for found in findings:
            say(_line(found, store))
        counts = number_of(n_error, "error"), number_of(n_warning, "warning")
        say(f"{number_of(len(obs_ids), 'run')} checked, {', '.join(counts)}")
    sys.exit(ExitCode.DAMAGED if n_error else ExitCode.OK)


def _opened(store: "Place", hdu_index: str | None, obs_index: str | None, number: int | None) -> "DataStore":
    """Open a data store; a file may have several HDU indices, as that of HAWC has one for each kind of event."""
    from lightpool.data import DataStore, HDUIndexTable, ObservationTable
    from lightpool.fits import place_below, place_exists

    if number is None:
        return DataStore.from_dir(store, hdu_index, obs_index)
    place = place_below(store, hdu_index or DataStore.DEFAULT_HDU_TABLE)
    table = HDUIndexTable.read(place, hdu=number)
    place = place_below(store, obs_index or DataStore.DEFAULT_OBS_TABLE)
    return DataStore(table, ObservationTable.read(place) if place_exists(place) else None)


def _line(found: Mapping[str, str | int], store: "Place") -> str:
    """One finding: observation, level, code, file and HDU, message."""
    if found["level"] == "note":
        return f"{'store':>8}  {'note':<7}  {found['code']:<15}  {found['msg']}"
    location = ""
    if "file" in found:
        location = str(found["file"]).removeprefix(f"{str(store).rstrip('/')}/")
    if "hdu" in found:
        location += f"[{found['hdu']}]"
    return f"{found.get('obs_id', 'index'):>8}  {found['level']:<7}  {found['code']:<15}  {location}: {found['msg']}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings while files are read: the findings contain them."""
    import logging

    log = logging.getLogger("lightpool")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
