"""Plan a reduction before anything runs: observations, chunks, targets, memory."""

import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import astropy.units as u
import numpy as np

from lightpool.arrays import use_precision
from lightpool.arrays.devices.memory import format_bytes
from lightpool.batch.groups import Division
from lightpool.batch.storage.stack_names import StackKey, StackNames
from lightpool.config.background import BackgroundSettings
from lightpool.config.batch_settings import BatchSettings, Observations
from lightpool.config.build import build_position, build_reduction, build_store
from lightpool.config.build_background import build_background_maker, build_table_maker
from lightpool.config.own_makers import own_code, require_own_code_as_imported
from lightpool.config.settings import Settings
from lightpool.config.targets import Target
from lightpool.data import DataStore, ObservationTable
from lightpool.errors import ConfigError, RemoteFileError
from lightpool.fits import read_text
from lightpool.fits.remote import REMOTE_CACHE
from lightpool.utils.html import ShownInNotebooks
from lightpool.utils.text import number_of

__all__ = ["Cost", "Plan", "make_plan"]


_SECONDS_A_RUN, _SECONDS_A_BIN = 0.02, 6e-8
"""Measured by benchmarks/growth.py; a rough estimate for other machines."""

_MAX_NAMES = 20
"""Number of group names that a plan lists."""


@dataclass(frozen=True)
class Cost:
    """Estimated cost of a target.

    Attributes
    ----------
    shape : tuple of int
        Shape of the counts.
    n_bytes : int
        Memory of a worker: one stack, the maps of an observation, and the temporary arrays needed to compute them.
    stack_bytes : int
        Memory of each further stack.
    seconds : float
        Time per observation.
    """

    shape: tuple[int, ...]
    n_bytes: int
    stack_bytes: int
    seconds: float

    @classmethod
    def of(cls, target: Target) -> "Cost":
        """Estimate the cost of a target."""
        outline, maker = build_reduction(target)
        n_bytes = maker.estimate_memory(outline).n_bytes
        n_bin = min(math.prod(outline.data_shape), n_bytes // 8)
        seconds = _SECONDS_A_RUN + _SECONDS_A_BIN * n_bin
        return cls(outline.data_shape, n_bytes, outline.memory.n_bytes, seconds)


@dataclass(frozen=True)
class Plan(ShownInNotebooks):
    """What a reduction is going to do; ``str(plan)`` describes it.

    Attributes
    ----------
    settings : BatchSettings
    chunks : tuple of tuple of int
        Observations that are reduced and saved together.
    livetime : float or None, s
        Of all observations, if the observation index contains it.
    costs : tuple of Cost
        One per target.
    renamed : mapping of str to mapping of str to str
        For each division, the groups whose name differs from their value, with that value.
    """

    settings: BatchSettings
    chunks: tuple[tuple[int, ...], ...]
    livetime: float | None
    costs: tuple[Cost, ...]
    renamed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def obs_ids(self) -> tuple[int, ...]:
        """Observations in the order in which they are reduced."""
        return tuple(chain.from_iterable(self.chunks))

    def __str__(self) -> str:
        run = self.settings.run
        time = "" if self.livetime is None else f", {self.livetime / 3600:.1f} h of livetime"
        lines = [f"{number_of(len(self.obs_ids), 'observation')} of {self.settings.observations.datastore}{time}"]
        lines += [f"{number_of(len(self.chunks), 'chunk')} of up to {number_of(run.chunk_size, 'observation')}", ""]
        if isinstance(self.settings, Settings):
            lines += self._stack_lines(self.settings)
        elif isinstance(self.settings, BackgroundSettings):
            lines += _background_lines(self.settings)
        lines += [f"Device {run.device}, {run.precision} precision, on error: {run.on_error}"]
        return "\n".join([*lines, f"Results in {self.settings.output.folder}"])

    def _stack_lines(self, settings: Settings) -> Iterator[str]:
        yield "Targets"
        for target, cost in zip(settings.targets, self.costs, strict=True):
            # (n_x, n_y, n_energy): users name the sides of a map in this order.
            size = " x ".join(str(n) for n in cost.shape[::-1])
            yield f"  {target.name}: {target.kind} of {size} bins"
            yield f"    {', '.join(step.type for step in target.makers)}"
            size, more = format_bytes(cost.n_bytes), format_bytes(cost.stack_bytes)
            yield f"    {size} in each worker, {more} for each further group"
        if own := own_code(settings):
            yield from ("", "Code of your own makers")
            for name, version in own.items():
                yield f"  {name}: {sys.modules[name].__file__}, {version}"
        yield from ("", "Groups")
        for groups in settings.groups:
            yield f"  {groups.name}: by {groups.by}"
            yield from self._names_in(settings, groups.name)
        seconds = len(self.obs_ids) * sum(cost.seconds for cost in self.costs)
        yield from ("", f"About {seconds:.0f} s of work on one core of a small machine")

    def _names_in(self, settings: Settings, division: str) -> Iterator[str]:
        """Yield lines about the files of a division that cannot be named after their contents."""
        names = StackNames(settings)
        for target in settings.targets:
            name, plain = names.of(StackKey(target.name, division, "...")), f"{target.name}-{division}-..."
            if name not in (plain, target.name):
                yield f"    {name}: {target.name}, because its files could be confused with others"
        renamed = self.renamed.get(division, {})
        for label, text in list(renamed.items())[:_MAX_NAMES]:
            yield f"    {label}: {text!r}"
        if len(renamed) > _MAX_NAMES:
            yield f"    and {len(renamed) - _MAX_NAMES} others"


def _background_lines(settings: BackgroundSettings) -> Iterator[str]:
    maker = build_background_maker(settings)
    shape = " x ".join(f"{axis.nbin} {axis.name}" for axis in (maker.energy_axis, *maker.axes))
    yield "Background"
    yield f"  bins: {shape}, along {maker.fov_alignment}"
    yield f"  excluded regions and files: {len(settings.background.exclusion) or 'nothing'}"
    yield f"  groups: {', '.join(each.by for each in settings.groups) or 'none'}"
    yield f"  tables: {settings.output.tables}"
    if settings.output.store_out is not None:
        yield f"  index files in {settings.output.store_out}"
    yield ""


def _check_columns(settings: BackgroundSettings, store: DataStore) -> None:
    """Check that the columns by which runs are grouped exist, before the events are read."""
    table = store.obs_table
    # Those that are known of each run, whatever the index has.
    columns = {"ZEN_PNT", "AZ_PNT", "MJD_START", "ONTIME", "LIVETIME", *(table.colnames if table is not None else ())}
    for number, groups in enumerate(settings.groups):
        column = groups.build().column
        if column not in columns:
            raise ConfigError(
                f"groups.{number}: the observation index has no column {column!r}; it has {', '.join(sorted(columns))}"
            )


def _renamed(
    divisions: Sequence[Division], table: ObservationTable | None, wanted: Collection[int]
) -> dict[str, dict[str, str]]:
    """Return the names of the groups of the selected observations that differ from their values."""
    renamed: dict[str, dict[str, str]] = {}
    for division in divisions:
        if table is None or not division.labels:
            continue
        texts = [
            text for text, obs_id in zip(division.texts_in(table), table["OBS_ID"], strict=True) if obs_id in wanted
        ]
        renamed[division.name] = {division.labels[text]: text for text in texts if division.labels[text] != text}
    return renamed


def make_plan(settings: BatchSettings, previous: Sequence[Sequence[int]] = ()) -> Plan:
    """Select the observations and divide them into chunks. Only the index files of the data store are opened.

    The makers are built, which runs the code of those of the user.

    Parameters
    ----------
    settings : BatchSettings
    previous : sequence of sequences of int
        Chunks of a reduction that is resumed: they are kept, and new observations are appended.

    Raises
    ------
    ConfigError
        If an observation or column does not exist in the data store, no observation is selected, or a maker cannot be
        built.
    """
    require_own_code_as_imported(settings)
    REMOTE_CACHE.forget()  # a process that plans again wants to know what is there now
    store = _open(settings.observations)
    # Built first, because this checks their files and bins.
    groups = settings.groups if isinstance(settings, Settings) else []
    divisions = [Division(each, store.obs_table) for each in groups]
    if isinstance(settings, BackgroundSettings):
        build_background_maker(settings)
        build_table_maker(settings)
        _check_columns(settings, store)
    wanted = _selected(settings, store)
    for division in divisions:
        division.check(store.obs_table)
    is_wanted = set(wanted)
    # Former chunks keep their observations, so that their sums can be reused; new observations follow.
    kept = [[obs_id for obs_id in chunk if obs_id in is_wanted] for chunk in previous]
    known = set(chain.from_iterable(kept))
    new = [obs_id for obs_id in wanted if obs_id not in known]
    chunks = [chunk for chunk in kept if chunk]
    size = settings.run.chunk_size
    if chunks and len(chunks[-1]) < size:  # fill the last chunk, as if all observations had been there from the start
        n_free = size - len(chunks[-1])
        chunks[-1], new = chunks[-1] + new[:n_free], new[n_free:]
    chunks += [new[first : first + size] for first in range(0, len(new), size)]
    with use_precision(settings.run.precision):
        costs = tuple(map(_cost, settings.targets)) if isinstance(settings, Settings) else ()
    livetime = _livetime(store.obs_table, wanted)
    return Plan(settings, tuple(map(tuple, chunks)), livetime, costs, _renamed(divisions, store.obs_table, is_wanted))


def _cost(target: Target) -> Cost:
    try:
        return Cost.of(target)
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(f"target {target.name!r}: {error}") from error


def _open(asked: Observations) -> DataStore:
    try:
        return build_store(asked)
    except RemoteFileError:  # the settings may be right, and the server answer later
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(f"observations.datastore: {asked.datastore} cannot be opened: {error}") from error


def _selected(settings: BatchSettings, store: DataStore) -> list[int]:
    """Return the observation numbers in the order of the settings, each once."""
    asked = settings.observations
    listed = [int(obs_id) for obs_id in store.obs_ids]
    wanted = listed if asked.obs_ids is None else list(asked.obs_ids)
    if asked.obs_ids_file is not None:
        wanted = _numbers_in(asked.obs_ids_file)
    wanted = list(dict.fromkeys(wanted))
    if unknown := sorted(set(wanted) - set(listed)):
        raise ConfigError(
            f"observations: the data store {asked.datastore} does not contain {', '.join(map(str, unknown[:20]))}"
            f"{' ...' if len(unknown) > 20 else ''}; it has {len(listed)} observations"
        )
    if asked.select is not None or asked.cone is not None:
        allowed = set(_by_index(settings, store.obs_table))
        wanted = [obs_id for obs_id in wanted if obs_id in allowed]
    if not wanted:
        raise ConfigError(f"observations: none of the {len(listed)} observations in {asked.datastore} is selected")
    return wanted


def _numbers_in(path: str) -> list[int]:
    try:
        return [int(word) for word in read_text(path).split()]
    except RemoteFileError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(f"observations.obs_ids_file: {path} cannot be read: {error}") from error


def _by_index(settings: BatchSettings, table: ObservationTable | None) -> list[int]:
    asked = settings.observations
    if table is None:
        raise ConfigError(f"observations: select and cone need an observation index, which {asked.datastore} lacks")
    key = "select"
    try:
        if asked.select is not None:
            table = table.select_expression(asked.select)
        if asked.cone is not None:
            key = "cone"
            table = table.select_sky_circle(build_position(asked.cone), u.Quantity(asked.cone.radius))
    except (KeyError, ValueError) as error:
        raise ConfigError(f"observations.{key}: {error}") from error
    return [int(obs_id) for obs_id in table["OBS_ID"]]


def _livetime(table: ObservationTable | None, obs_ids: Sequence[int]) -> float | None:
    if table is None or "LIVETIME" not in table.colnames:
        return None
    rows = np.isin(np.asarray(table["OBS_ID"]), list(obs_ids))
    return float(np.nansum(np.asarray(table["LIVETIME"], dtype=float)[rows]))
