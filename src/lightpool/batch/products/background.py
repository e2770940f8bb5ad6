"""Background models as the results of a batch: sums, tables of groups and of runs, and index files that name them.

::

    FOLDER/sums.fits                 counts and exposure of all runs, see `BackgroundSums`
    FOLDER/bkg-GROUP.fits            table of each group
    FOLDER/groups.ecsv               one row for each group
    FOLDER/runs.ecsv                 one row for each run, with its norm
    FOLDER/observations/bkg-RUN.fits tables of single runs, if requested
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import Column, Table
from numpy.typing import NDArray

from lightpool.batch.products.store_out import NewTable, refuse_foreign_index, write_store
from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.outcomes import Outcome
from lightpool.batch.storage.partial_sums import PartialSums
from lightpool.batch.storage.provenance import Provenance
from lightpool.batch.storage.stack_names import labels_of
from lightpool.config.background import BackgroundSettings
from lightpool.config.build import build_store
from lightpool.config.build_background import build_table_maker
from lightpool.data import ObservationTable
from lightpool.errors import ConfigError
from lightpool.fits import FileKind
from lightpool.makers import BackgroundModel, BackgroundModels, BackgroundSums

__all__ = ["BackgroundProduct", "with_index_rows"]

log = logging.getLogger(__name__)

_TABLES = ("sums.fits", "groups.ecsv", "runs.ecsv")


class BackgroundProduct:
    """Sums, tables and index files; see `Product`.

    Parameters
    ----------
    settings : BackgroundSettings
    """

    def __init__(self, settings: BackgroundSettings) -> None:
        self._settings = settings
        self._ending = ".fits.gz" if settings.output.compress else ".fits"

    def existing(self, folder: BatchFolder) -> Iterator[Path]:
        """Yield existing files whose names may be those of results.

        Parameters
        ----------
        folder : BatchFolder
        """
        yield from (path for name in _TABLES if (path := folder.path / name).exists())
        for inside in (folder.path, folder.observations):
            yield from sorted(inside.glob(f"bkg-*{self._ending}"))

    def may_hold(self, kind: FileKind) -> bool:
        """Return whether a file may hold sums or a background table.

        Parameters
        ----------
        kind : FileKind
        """
        return kind in (FileKind.IRF, FileKind.BACKGROUND_SUMS)

    def require_usable(self) -> None:
        """Check, before anything is done, that index files replace none that other programs wrote."""
        if self._settings.output.store_out is not None:
            refuse_foreign_index(Path(self._settings.output.store_out))

    def write_beside(
        self, folder: BatchFolder, outcomes: Sequence[Outcome], sums: PartialSums | None
    ) -> dict[str, str]:
        """Write nothing: all tables are results.

        Parameters
        ----------
        folder : BatchFolder
        outcomes : sequence of Outcome
        sums : PartialSums or None
        """
        return {}

    def write(
        self, folder: BatchFolder, provenance: Provenance, sums: PartialSums | None, single: Mapping[str, str]
    ) -> list[list[Path]]:
        """Write the sums, the tables of groups and runs, and the index files.

        Parameters
        ----------
        folder : BatchFolder
        provenance : Provenance
        sums : PartialSums or None
        single : mapping of str to str
        """
        found = None if sums is None else sums.sums
        if found is None:
            log.warning("no background model is written: no run could be summed")
            return []
        store = build_store(self._settings.observations)
        runs = with_index_rows(found, store.obs_table)
        models = self._models(runs)
        sums_file = folder.path_inside("sums.fits")
        runs.write(sums_file, overwrite=True)
        group_files = self._write_groups(folder, models)
        norms = models.run_norms(runs, interpolate_zenith=self._settings.tables.interpolate_zenith)
        run_files = self._write_runs(folder, models, runs)
        summary = folder.write_table("groups.ecsv", _groups_table(models, norms, group_files))
        listed = folder.write_table("runs.ecsv", _runs_table(runs, norms, run_files))
        if self._settings.output.store_out is not None:
            of_groups = {model.name: NewTable(path, model.table.tag) for model, path in group_files}
            new = dict(run_files) if self._has_run_tables else _by_group(norms, of_groups)
            obs_ids = [outcome.obs_id for outcome in provenance.outcomes]
            keep = self._settings.output.without_model == "keep"
            write_store(store, Path(self._settings.output.store_out), obs_ids, new, keep_old=keep)
        tables = [path for _, path in group_files]
        return [
            [sums_file],
            [summary],
            [listed, *(each.path for each in run_files.values())],
            *([each] for each in tables),
        ]

    @property
    def _has_run_tables(self) -> bool:
        return self._settings.output.tables != "groups"

    def _models(self, runs: BackgroundSums) -> BackgroundModels:
        try:
            return build_table_maker(self._settings).run(runs, [each.build() for each in self._settings.groups])
        except ValueError as error:
            raise ConfigError(
                f"groups and tables cannot be made of the sums, which are saved: {error}. Change the settings, then "
                "use --resume"
            ) from error

    def _write_groups(self, folder: BatchFolder, models: BackgroundModels) -> list[tuple[BackgroundModel, Path]]:
        """Write the table of each group."""
        # Without groups there is one, whose name is reserved for stacks of all observations.
        labels = labels_of(model.name for model in models) | {"all": "all"}
        written = []
        for model in models:
            path = folder.path_inside(f"bkg-{labels[model.name]}{self._ending}")
            model.write(path, overwrite=True)
            written.append((model, path))
        return written

    def _write_runs(self, folder: BatchFolder, models: BackgroundModels, runs: BackgroundSums) -> dict[int, NewTable]:
        """Write the tables of single runs, if they are requested, and return their files by observation number."""
        written: dict[int, NewTable] = {}
        if not self._has_run_tables:
            return written
        interpolate = self._settings.tables.interpolate_zenith
        folder.observations.mkdir(parents=True, exist_ok=True)
        for place, obs_id in enumerate(runs.obs_ids.tolist()):
            if self._settings.output.tables == "normalised_runs":
                model = models.of_run(runs, place, interpolate_zenith=interpolate)
            else:
                row = {name: values[place] for name, values in runs.runs.items()}
                model = models.model_of(row, interpolate_zenith=interpolate)
            if model is not None:
                path = folder.path_inside(f"observations/bkg-{obs_id}{self._ending}")
                model.write(path, overwrite=True)
                written[obs_id] = NewTable(path, model.table.tag)
        return written


def with_index_rows(sums: BackgroundSums, table: ObservationTable | None) -> BackgroundSums:
    """Return sums whose runs have the columns of the observation index too, by which they can be grouped.

    Parameters
    ----------
    sums : BackgroundSums
    table : ObservationTable or None
        What is known of the runs themselves, such as the mean zenith angle, replaces its columns.
    """
    if table is None:
        return sums
    row_of = {int(obs_id): row for row, obs_id in enumerate(table["OBS_ID"])}
    places = np.array([row_of.get(int(obs_id), -1) for obs_id in sums.obs_ids], dtype=np.int64)
    columns: dict[str, NDArray[np.generic]] = {}
    for name in table.colnames:
        column = table[name]
        if column.ndim != 1 or column.dtype.kind not in "biufSU" or name in sums.runs:
            continue
        columns[name] = _taken(column, places)
    return replace(sums, runs={**columns, **sums.runs})


def _taken(column: Column, places: NDArray[np.int64]) -> NDArray[np.generic]:
    """Return the values of a column at some rows; no text or NaN where it is masked or there is no row."""
    missing = (places < 0) | np.asarray(getattr(column, "mask", np.zeros(len(column), bool)))[places]
    values = np.asarray(column)[places]
    if values.dtype.kind in "SU":
        texts = np.char.strip(np.char.decode(values, errors="replace") if values.dtype.kind == "S" else values)
        return np.where(missing, "", texts)
    return np.where(missing, np.nan, values.astype(float)) if missing.any() else values


def _groups_table(models: BackgroundModels, norms: Table, files: list[tuple[BackgroundModel, Path]]) -> Table:
    """Return the summary of the groups with their files, and mean and scatter of the norms of their runs."""
    table = models.summary()
    group, norm = np.asarray(norms["GROUP"]), np.asarray(norms["NORM"], dtype=float)
    of_group = [norm[(group == model.name) & np.isfinite(norm)] for model in models]
    table["LIVETIME"] = u.Quantity([model.livetime / 3600 for model in models], "h")
    table["NORM_MEAN"] = [each.mean() if each.size else np.nan for each in of_group]
    table["NORM_STD"] = [each.std() if each.size else np.nan for each in of_group]
    table["FILE"] = [path.name for _, path in files]
    table["OBS_IDS"] = [", ".join(map(str, model.obs_ids)) for model in models]
    return table


def _runs_table(runs: BackgroundSums, norms: Table, files: Mapping[int, NewTable]) -> Table:
    """Return one row for each run: what it is, its group and its norm."""
    table = norms.copy()
    for name, unit in (("ONTIME", "s"), ("LIVETIME", "s"), ("ZEN_PNT", "deg"), ("AZ_PNT", "deg"), ("MJD_START", "d")):
        table[name] = u.Quantity(np.asarray(runs.runs[name], dtype=float), unit)
    table["COUNTS_EXCLUDED"] = runs.run_counts(excluded=True)
    table["REMAINING"] = runs.exposure.sum(axis=1) / runs.full_exposure.sum(axis=1)
    table["FILE"] = [f"observations/{files[each].path.name}" if each in files else "" for each in runs.obs_ids.tolist()]
    return table


def _by_group(norms: Table, files: Mapping[str, NewTable]) -> dict[int, NewTable]:
    pairs = zip(norms["OBS_ID"], norms["GROUP"], strict=True)
    return {int(obs_id): files[str(group)] for obs_id, group in pairs if str(group) in files}
