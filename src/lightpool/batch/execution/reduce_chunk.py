"""Reduce the observations of a chunk and stack them. A worker needs only the settings and the observation numbers."""

import gc
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from astropy.coordinates import angular_separation

from lightpool.arrays import find_device, use_device, use_precision
from lightpool.arrays.devices.devices import Device
from lightpool.arrays.devices.lost_contexts import lost_context
from lightpool.arrays.devices.memory import release_memory
from lightpool.arrays.devices.staging import Uploads
from lightpool.batch.execution.current_observation import report_started
from lightpool.batch.execution.observation_sources import Sources, stamp_of
from lightpool.batch.execution.observation_summary import PendingSummary, start_texts
from lightpool.batch.execution.source_counts import Source
from lightpool.batch.storage.outcomes import DatasetSummary, Outcome, failed_outcome
from lightpool.batch.storage.partial_stack import PartialStack
from lightpool.batch.storage.stack_names import StackKey, StackNames
from lightpool.config.build import build_reduction, build_theta_squared
from lightpool.config.settings import Settings
from lightpool.config.targets import Target
from lightpool.data import Observation
from lightpool.data.read_ahead import read_ahead
from lightpool.datasets import MapDataset
from lightpool.errors import OutOfMemoryError, ReductionError
from lightpool.irf import IRF
from lightpool.makers import DatasetsMaker, ThetaSquaredTable
from lightpool.makers.energy_thresholds import recorded_thresholds
from lightpool.maps import Geom, HpxGeom

__all__ = ["Reducer", "reduce_observations", "sources_of"]

log = logging.getLogger(__name__)

Keep: TypeAlias = Callable[[Outcome, StackKey, int, MapDataset], None]
"""Function that is called for each dataset, besides stacking it, with the outcome, the first stack, the number of the
dataset among those of the observation in this stack, from 1, and the dataset."""

_LEFT_FREE = 0.25
"""Share of the memory of a device that workers leave free for each other between two chunks."""

_Found: TypeAlias = Observation | Exception
"""An observation, or the error that explains why there is none."""

_Summaries: TypeAlias = list[tuple[list[StackKey], PendingSummary]]
_Made: TypeAlias = list[tuple[list[StackKey], MapDataset]]


@dataclass(frozen=True)
class _Job:
    """A target with its empty dataset and its makers."""

    name: str
    center: tuple[float, float]  # rad, ICRS
    radius: float  # deg, of a circle around the target
    half_cutout: float | None  # deg, half the diagonal of a cutout
    reference: MapDataset
    maker: DatasetsMaker
    source: Source
    theta_squared: ThetaSquaredTable | None = None

    @classmethod
    def of(cls, target: Target) -> "_Job":
        reference, maker = build_reduction(target)
        geom = reference.required("counts").geom
        radius = _radius_of(geom)
        width = maker.cutout_width
        half_cutout = None if width is None or geom.is_region else float(np.hypot(*np.broadcast_to(width.deg, 2))) / 2
        source = Source.of(target, geom)
        center = geom.center_skydir.icrs
        lonlat = float(center.ra.rad), float(center.dec.rad)
        counter = build_theta_squared(target)
        return cls(target.name, lonlat, radius, half_cutout, reference, maker, source, counter)

    def offset(self, observation: Observation) -> float:
        """Return the angle in deg between the pointing and the centre of the target."""
        lon, lat = map(math.radians, observation.pointing_degrees)
        return math.degrees(angular_separation(lon, lat, *self.center))

    def is_reached(self, observation: Observation, offset: float) -> bool:
        """Return whether the target may be in the field of view, comparing circles around both."""
        reach = self.half_cutout
        if reach is None:
            table = observation.aeff
            # A map on the sky, and a table in other coordinates of the field of view, have no offset.
            axis = table.axes["offset"] if isinstance(table, IRF) and "offset" in table.axes.names else None
            reach = np.inf if axis is None else float(axis.edges.to_value("deg").max())
        return bool(offset <= self.radius + reach)


def _radius_of(geom: Geom) -> float:
    """Return the radius in deg of a circle around the centre that contains a map with all of its pixels."""
    if isinstance(geom, HpxGeom):
        # 1.5 sides of a square of its area: a pixel reaches as far from its centre at most
        pixel = math.degrees(math.sqrt(float(geom.solid_angle().max().value)))
        return min(180.0, float(geom.width.to_value("deg")) / 2 + 1.5 * pixel)
    # half of the diagonal, so that no observation that reaches a corner is left out
    return float(np.hypot(*np.ravel(geom.width.to_value("deg")))) / 2


class Reducer:
    """Empty datasets and makers of all targets, ready to reduce observations.

    Parameters
    ----------
    settings : Settings
    device : str or Device, optional
        The device in the settings by default.
    """

    def __init__(self, settings: Settings, device: str | Device | None = None) -> None:
        self.settings = settings
        self.device = find_device(settings.run.device if device is None else device)
        self.sources = Sources(settings)
        self._names = StackNames(settings)
        with use_device(self.device), use_precision(settings.run.precision):
            self._jobs = [_Job.of(target) for target in settings.targets]
        self._references = {job.name: job.reference for job in self._jobs}

    def reduce(self, obs_ids: Sequence[int], keep: Keep | None = None) -> tuple[PartialStack, list[Outcome]]:
        """Reduce observations one after the other and stack them.

        If an observation fails for one target or group, it is not added to any.

        Parameters
        ----------
        obs_ids : sequence of int
        keep : callable, optional
            See `Keep`; called for each dataset.

        Raises
        ------
        ReductionError
            If an observation fails and ``on_error`` is "raise".
        OutOfMemoryError
            If the device has not enough memory.
        """
        partial, done = PartialStack(self.settings, self.device, self._references), []
        precision = use_precision(self.settings.run.precision)
        with use_device(self.device), precision, closing(self._observations(obs_ids)) as observations:
            for obs_id in obs_ids:
                report_started(obs_id)  # before waiting for it, because reading may hang
                done.append(self._reduce_one(partial, obs_id, next(observations), keep))
        report_started(None)
        starts = iter(start_texts([each for _, summaries in done for _, each in summaries]))
        # host: the summaries of all observations, in one transfer
        outcomes = [
            replace(outcome, summaries=[self._summary(keys, each, next(starts)) for keys, each in summaries])
            for outcome, summaries in done
        ]
        return partial, outcomes

    def _summary(self, keys: Sequence[StackKey], pending: PendingSummary, start: str) -> DatasetSummary:
        """Return the summary of a dataset, with its first stack and the names of all its stacks."""
        target, division, group = keys[0]
        stacks = [self._names.of(key) for key in keys]
        return {"target": target, "division": division, "group": group, "stacks": stacks, **pending.to_dict(start)}

    def _observations(self, obs_ids: Sequence[int]) -> Generator[_Found, None, None]:
        found = (self.sources.find(obs_id) for obs_id in obs_ids)
        depth = self.settings.run.read_ahead
        if not depth:
            return (self._pinned(observation) for observation in found)
        uploads = Uploads(self.device)
        return read_ahead(
            found,
            depth=depth,
            before=self.sources.pin,
            prepare=lambda observation: self._send_ahead(observation, uploads),
        )

    def _pinned(self, observation: _Found) -> _Found:
        if isinstance(observation, Observation):
            with suppress(OSError, ValueError):  # the error will be raised when the file is read
                self.sources.pin(observation)
        return observation

    def _send_ahead(self, observation: Observation, uploads: Uploads) -> None:
        # Only what is counted is sent: parts of observations have event lists of their own.
        if all(division.divides_events for division in self.sources.divisions):
            return
        for job in self._jobs:
            job.maker.send_ahead(job.reference, observation, uploads)

    def _reduce_one(
        self, partial: PartialStack, obs_id: int, observation: _Found, keep: Keep | None
    ) -> tuple[Outcome, _Summaries]:
        run = self.settings.run
        n_try = 1 + run.retries if run.on_error == "retry" else 1
        for number in range(1, n_try + 1):
            start = time.perf_counter()
            if number > 1:
                observation = self.sources.find_again(obs_id)
            outcome, summaries, made = self._try(partial, obs_id, observation)
            seconds = time.perf_counter() - start
            outcome = replace(outcome, n_try=number, seconds=seconds, device=str(self.device))
            if outcome.status != "failed":
                break
            if n_try > 1:
                log.warning("observation %s, attempt %d of %d: %s", obs_id, number, n_try, outcome.error)
        if keep is not None:
            seen: Counter[StackKey] = Counter()
            for keys, dataset in made:
                seen[keys[0]] += 1
                keep(outcome, keys[0], seen[keys[0]], dataset)
        return outcome, summaries

    def _try(self, partial: PartialStack, obs_id: int, observation: _Found) -> tuple[Outcome, _Summaries, _Made]:
        """Reduce an observation and add it to its stacks; nothing is added if any part of it fails."""
        made: _Made = []
        summaries: _Summaries = []
        try:
            if isinstance(observation, Exception):
                raise observation
            row = self.sources.row(obs_id)
            for job, part, keys in self._parts(observation):
                name = self._names.of_observation(observation.obs_id, keys[0])
                with recorded_thresholds() as thresholds:
                    dataset = job.maker.make_dataset(job.reference, part, name=name)
                if dataset is not None:
                    made.append((keys, dataset))
                    summaries.append(
                        (keys, PendingSummary.of(dataset, part, row, job.source, thresholds, job.theta_squared))
                    )
        except (Exception, SystemExit) as error:
            return self._failed(obs_id, error), [], []
        for keys, dataset in made:
            for key in keys:
                partial.add(key, dataset)
        return Outcome(obs_id=obs_id, status="done" if made else "empty"), summaries, made

    def _failed(self, obs_id: int, error: BaseException) -> Outcome:
        """Return the outcome of a failed observation; raise if memory is short, CUDA is lost, or on_error is raise."""
        failure = error if isinstance(error, ReductionError) else ReductionError(obs_id, "reading", error)
        cause: BaseException = failure.args[2]
        try:
            if isinstance(cause, OutOfMemoryError):
                raise cause from error
            # A destroyed context takes the sums of the chunk with it: the chunk is done again by another process.
            if self.settings.run.on_error == "raise" or lost_context(cause) is not None:
                raise failure from cause
            return failed_outcome(failure)
        finally:  # the traceback refers to this frame: this cycle would keep the arrays of the attempt in memory
            del failure, cause, error

    def _parts(self, observation: Observation) -> Iterator[tuple[_Job, Observation, list[StackKey]]]:
        """Yield the parts of an observation that are reduced separately, each with its target and its stacks."""
        row = self.sources.row(observation.obs_id)
        for job in self._jobs:
            # By identity: a part that several divisions share is reduced once.
            groups: dict[int, tuple[Observation, list[StackKey]]] = {}
            offset = job.offset(observation)
            if not job.is_reached(observation, offset):
                continue
            for division in self.sources.divisions:
                for part in division.parts(observation, {**row, "OFFSET": offset}):
                    _, keys = groups.setdefault(id(part.observation), (part.observation, []))
                    keys.append(StackKey(job.name, division.name, part.group))
            for part_observation, keys in groups.values():
                yield job, part_observation, keys


def reduce_observations(
    settings: Settings, obs_ids: Sequence[int], keep: Keep | None = None
) -> tuple[PartialStack, list[Outcome]]:
    """Reduce observations on the device in the settings, and return their stacks on the host.

    If the device runs out of memory, unused memory is released and each half of the observations is reduced separately;
    a half that still does not fit is reduced on the CPU if ``cpu_fallback`` is set, and fails otherwise.

    Parameters
    ----------
    settings : Settings
    obs_ids : sequence of int
    keep : callable, optional
        See `Reducer.reduce`.
    """
    done = _reduce_if_it_fits(settings, settings.run.device, obs_ids, keep)
    if isinstance(done, str):
        log.warning("observations %s to %s: %s; trying again with halves", obs_ids[0], obs_ids[-1], done)
        middle = max(1, len(obs_ids) // 2)
        partial, outcomes = PartialStack(settings), []
        for half in (obs_ids[:middle], obs_ids[middle:]):
            part, some = _reduce_half(settings, half, keep)
            partial.merge(part)
            outcomes += some
    else:
        partial, outcomes = done
    on_host = partial.to("cpu")
    # Unused memory stays in the pools for the next chunk, unless other processes may need it.
    release_memory(settings.run.device, if_free_below=_LEFT_FREE)
    return on_host, outcomes


def _reduce_if_it_fits(
    settings: Settings, device: str, obs_ids: Sequence[int], keep: Keep | None
) -> tuple[PartialStack, list[Outcome]] | str:
    """Reduce observations, or return the message of the out-of-memory error.

    The error itself is dropped: its traceback refers to the arrays of the attempt, which would stay in memory while the
    error is handled.
    """
    try:
        return _reducer(settings, device).reduce(obs_ids, keep)
    except OutOfMemoryError as error:
        reason = str(error)
    # Cycles through the traceback may still hold arrays, whose memory could not be released.
    gc.collect()
    release_memory(device)
    return reason


def _reduce_half(settings: Settings, obs_ids: Sequence[int], keep: Keep | None) -> tuple[PartialStack, list[Outcome]]:
    done = _reduce_if_it_fits(settings, settings.run.device, obs_ids, keep) if obs_ids else (PartialStack(settings), [])
    if not isinstance(done, str):
        return done
    if settings.run.cpu_fallback and not find_device(settings.run.device).is_host:
        log.warning("observations %s to %s are reduced on the CPU: %s", obs_ids[0], obs_ids[-1], done)
        return _reducer(settings, "cpu").reduce(obs_ids, keep)
    error = OutOfMemoryError(done)
    if settings.run.on_error == "raise":
        raise error
    return PartialStack(settings), [failed_outcome(ReductionError(obs_id, "reducing", error)) for obs_id in obs_ids]


def sources_of(settings: Settings) -> Sources:
    """Return the input sources of the cached reducer of some settings."""
    return _reducer(settings, settings.run.device).sources


def _reducer(settings: Settings, device: str) -> Reducer:
    """Return the reducer of all chunks of a worker, a new one if index or masks have changed."""
    return _reducer_of(settings.to_json(), device, stamp_of(settings))


# Two: one for the device of the settings, and one for the CPU, to which a chunk falls back.
@lru_cache(maxsize=2)
def _reducer_of(settings: str, device: str, stamp: tuple[tuple[str | int, ...], ...]) -> Reducer:
    return Reducer(Settings.from_dict(json.loads(settings)), device)
