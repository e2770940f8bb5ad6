"""Reduce the observations of a chunk and add up the results. A worker needs only settings and observation numbers."""

import gc
import json
import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import lru_cache
from functools import partial as partial_call
from pathlib import Path
from typing import Any, TypeAlias

from lightpool.arrays import find_device, use_device, use_precision
from lightpool.arrays.devices.devices import Device
from lightpool.arrays.devices.lost_contexts import lost_context
from lightpool.arrays.devices.memory import release_memory
from lightpool.arrays.devices.staging import Uploads
from lightpool.batch.execution.current_observation import report_started
from lightpool.batch.execution.observation_sources import Sources, stamp_of
from lightpool.batch.execution.work_of_settings import work_of
from lightpool.batch.storage.code_version import version_for
from lightpool.batch.storage.outcomes import Outcome, Status, failed_outcome
from lightpool.batch.storage.partial import Partial
from lightpool.batch.storage.partial_of_settings import empty_partial
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.kinds import settings_from_dict
from lightpool.data import Observation
from lightpool.data.read_ahead import read_ahead
from lightpool.errors import OutOfMemoryError, ReductionError
from lightpool.fits import BinTableHDU

__all__ = ["Keep", "Reducer", "reduce_observations", "sources_of"]

log = logging.getLogger(__name__)

Keep: TypeAlias = Callable[[Outcome, Callable[[Path, Sequence[BinTableHDU]], list[Path]]], None]
"""Function that is called for each observation, besides adding it up, with its outcome and a function that writes its
results: see `Work.write`."""

_LEFT_FREE = 0.25
"""Share of the memory of a device that workers leave free for each other between two chunks."""

_Found: TypeAlias = Observation | Exception
"""An observation, or the error that explains why there is none."""


class Reducer:
    """Work on observations, ready to begin: everything that can fail is tied to its observation.

    Parameters
    ----------
    settings : BatchSettings
    device : str or Device, optional
        The device in the settings by default.
    """

    def __init__(self, settings: BatchSettings, device: str | Device | None = None) -> None:
        self.settings = settings
        self.device = find_device(settings.run.device if device is None else device)
        self.sources = Sources(settings)
        with use_device(self.device), use_precision(settings.run.precision):
            self.work = work_of(settings, self.device, self.sources)

    def reduce(self, obs_ids: Sequence[int], keep: Keep | None = None) -> tuple[Any, list[Outcome]]:
        """Reduce observations one after the other and add them up.

        If an observation fails for one target or group, it is not added to any.

        Parameters
        ----------
        obs_ids : sequence of int
        keep : callable, optional
            See `Keep`.

        Returns
        -------
        partial : Partial
            Sums of the observations.
        outcomes : list of Outcome

        Raises
        ------
        ReductionError
            If an observation fails and ``on_error`` is "raise".
        OutOfMemoryError
            If the device has not enough memory.
        """
        partial, done = self.work.empty(), []
        precision = use_precision(self.settings.run.precision)
        with use_device(self.device), precision, closing(self._observations(obs_ids)) as observations:
            for obs_id in obs_ids:
                report_started(obs_id)  # before waiting for it, because reading may hang
                done.append(self._reduce_one(partial, obs_id, next(observations), keep))
        report_started(None)
        # host: the summaries of all observations, in one transfer
        summaries = iter(self.work.summaries([pending for _, pending in done if pending is not None]))
        outcomes = [
            outcome if pending is None else replace(outcome, summaries=next(summaries)) for outcome, pending in done
        ]
        return partial, outcomes

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
            prepare=lambda observation: self.work.send_ahead(observation, uploads),
        )

    def _pinned(self, observation: _Found) -> _Found:
        if isinstance(observation, Observation):
            with suppress(OSError, ValueError):  # the error will be raised when the file is read
                self.sources.pin(observation)
        return observation

    def _reduce_one(self, partial: Partial, obs_id: int, observation: _Found, keep: Keep | None) -> tuple[Outcome, Any]:
        run = self.settings.run
        n_try = 1 + run.retries if run.on_error == "retry" else 1
        for number in range(1, n_try + 1):
            start = time.perf_counter()
            if number > 1:
                observation = self.sources.find_again(obs_id)
            outcome, pending, made = self._try(partial, obs_id, observation)
            seconds = time.perf_counter() - start
            outcome = replace(outcome, n_try=number, seconds=seconds, device=str(self.device))
            if outcome.status != "failed":
                break
            if n_try > 1:
                log.warning("observation %s, attempt %d of %d: %s", obs_id, number, n_try, outcome.error)
        if keep is not None and made is not None:
            keep(outcome, partial_call(self.work.write, made, obs_id))
        return outcome, pending

    def _try(self, partial: Partial, obs_id: int, observation: _Found) -> tuple[Outcome, Any, Any]:
        """Make everything of an observation and add it to the sums; nothing is added if any part of it fails.

        Returns
        -------
        outcome : Outcome
        pending, made
            See `Work`; None if it failed.
        """
        try:
            if isinstance(observation, Exception):
                raise observation
            made = self.work.make(self.sources, obs_id, observation)
            self._require_addable(partial, obs_id, made)
        except (Exception, SystemExit) as error:
            return self._failed(obs_id, error), None, None
        self.work.add(partial, made)
        status: Status = "empty" if self.work.is_empty(made) else "done"
        return Outcome(obs_id=obs_id, status=status), self.work.pending(made), made

    def _require_addable(self, partial: Partial, obs_id: int, made: Any) -> None:
        try:
            self.work.require_addable(partial, made)
        except Exception as error:
            raise ReductionError(obs_id, "stacking", error) from error

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


def reduce_observations(
    settings: BatchSettings, obs_ids: Sequence[int], keep: Keep | None = None
) -> tuple[Any, list[Outcome]]:
    """Reduce observations on the device in the settings, and return their sums on the host.

    If the device runs out of memory, unused memory is released and each half of the observations is reduced separately;
    a half that still does not fit is reduced on the CPU if ``cpu_fallback`` is set, and fails otherwise.

    Parameters
    ----------
    settings : BatchSettings
    obs_ids : sequence of int
    keep : callable, optional
        See `Reducer.reduce`.
    """
    done = _reduce_if_it_fits(settings, settings.run.device, obs_ids, keep)
    if isinstance(done, str):
        log.warning("observations %s to %s: %s; trying again with halves", obs_ids[0], obs_ids[-1], done)
        middle = max(1, len(obs_ids) // 2)
        partial, outcomes = empty_partial(settings), []
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
    settings: BatchSettings, device: str, obs_ids: Sequence[int], keep: Keep | None
) -> tuple[Any, list[Outcome]] | str:
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


def _reduce_half(settings: BatchSettings, obs_ids: Sequence[int], keep: Keep | None) -> tuple[Any, list[Outcome]]:
    done = (
        _reduce_if_it_fits(settings, settings.run.device, obs_ids, keep) if obs_ids else (empty_partial(settings), [])
    )
    if not isinstance(done, str):
        return done
    if settings.run.cpu_fallback and not find_device(settings.run.device).is_host:
        log.warning("observations %s to %s are reduced on the CPU: %s", obs_ids[0], obs_ids[-1], done)
        return _reducer(settings, "cpu").reduce(obs_ids, keep)
    error = OutOfMemoryError(done)
    if settings.run.on_error == "raise":
        raise error
    return empty_partial(settings), [failed_outcome(ReductionError(obs_id, "reducing", error)) for obs_id in obs_ids]


def sources_of(settings: BatchSettings) -> Sources:
    """Return the input sources of the cached reducer of some settings."""
    return _reducer(settings, settings.run.device).sources


def _reducer(settings: BatchSettings, device: str) -> Reducer:
    """Return the reducer of all chunks of a worker, a new one if index, masks or makers of the user have changed."""
    return _reducer_of(settings.to_json(), device, stamp_of(settings), version_for(settings))


# Two: one for the device of the settings, and one for the CPU, to which a chunk falls back.
@lru_cache(maxsize=2)
def _reducer_of(settings: str, device: str, stamp: tuple[tuple[str | int, ...], ...], version: str) -> Reducer:
    # The version is that of modules of the user, which may be imported again in a session that lives on.
    return Reducer(settings_from_dict(json.loads(settings)), device)
