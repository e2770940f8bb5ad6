"""Reduce chunks on a Dask cluster. Settings and observation numbers are sent; sums are saved in the common folder."""

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Protocol, cast

from lightpool.arrays.devices.blas_threads import one_thread_each
from lightpool.arrays.devices.lost_contexts import lost_context
from lightpool.batch.execution.chunk import ChunkTask, fail_chunk, run_chunk
from lightpool.batch.execution.executors import ProcessExecutor, lost_gpu, time_limit
from lightpool.batch.execution.slurm import JobCluster, SlurmJobs, start_slurm
from lightpool.batch.storage.code_version import code_version, package_versions
from lightpool.batch.storage.folder import ChunkRecord
from lightpool.errors import ConfigError, VersionMismatchError, WorkerDiedError
from lightpool.makers.parallel.worker_processes import script_not_run_again
from lightpool.utils.optional_packages import require_package

__all__ = ["DaskExecutor", "dask_cluster"]

log = logging.getLogger(__name__)

_LATEST_WAIT = "60s"
_INTERVAL = "30s"
"""Time after which to look whether there are workers."""
_HELP = "valid clusters are tcp://HOST:PORT, tls://HOST:PORT, local:N, slurm:N and cuda"
_TLS_HELP = (
    "tls:// needs the certificates of the cluster: set distributed.comm.tls.ca-file, .client.cert and .client.key in "
    "the configuration of Dask, see docs/explanation/batch.md"
)


class Future(Protocol):
    """The part of `distributed.Future` that is used here: a result that will exist later."""

    def result(self) -> ChunkRecord:
        """Return the result, or raise the error of the task."""
        ...


class Client(Protocol):
    """The part of `distributed.Client` that is used here."""

    def submit(self, function: Callable[[ChunkTask], ChunkRecord], /, *args: ChunkTask, key: str, pure: bool) -> Future:
        """Send a task to a worker."""
        ...

    def cancel(self, futures: Sequence[Future], /) -> None:
        """Cancel tasks."""
        ...

    def run(self, function: Callable[[], dict[str, str]], /) -> dict[str, dict[str, str]]:
        """Call a function on each worker; returns the results by address of the worker."""
        ...

    def nthreads(self) -> Mapping[str, int]:
        """Return the number of threads by address of the worker."""
        ...


class Cluster(Protocol):
    """The part of a Dask cluster that is used here."""

    def close(self) -> None:
        """Stop the workers."""
        ...


class DaskExecutor:
    """Reduces chunks on the workers of a Dask cluster, which must see the folders of the data and of the results.

    Parameters
    ----------
    client : distributed.Client
    jobs : SlurmJobs, optional
        Jobs that are its workers.
    """

    def __init__(self, client: Client, jobs: SlurmJobs | None = None) -> None:
        self._client, self._jobs = client, jobs
        self._n_quiet, self._next_warning = 0, 1

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Yield the record of each chunk as soon as it is finished; closing the generator cancels the others."""
        distributed = import_module("distributed")
        futures = {self._submitted(task, apart=time_limit(task.settings) is not None): task for task in tasks}
        apart = {task.key for task in tasks if time_limit(task.settings) is not None}
        waiting = _Completed(futures, self._watch)
        try:
            for future in waiting:
                task = futures[future]
                try:
                    record = future.result()
                except distributed.KilledWorker as error:
                    text = f"the workers of observations {task.obs_ids[0]} to {task.obs_ids[-1]} died: {error}"
                    if task.key not in apart:  # the observation to blame is found in a process that may die
                        log.warning("%s; trying again in processes apart from the workers", text)
                        apart.add(task.key)
                        again = self._submitted(task, apart=True)
                        futures[again] = task
                        waiting.add(again)
                        continue
                    record = fail_chunk(task, WorkerDiedError(text))
                except distributed.client.FutureCancelledError as error:
                    raise WorkerDiedError(f"the Dask cluster stopped before the work was finished: {error}") from error
                yield record
        finally:
            self._client.cancel(list(futures))

    def _watch(self) -> None:
        """Warn if there are no workers; raise an error if there will be none.

        Raises
        ------
        WorkerDiedError
            If all jobs of a cluster have ended.
        """
        if self._client.nthreads():
            self._n_quiet, self._next_warning = 0, 1
            return
        self._n_quiet += 1
        states = None if self._jobs is None else self._jobs.states()
        if self._jobs is not None and states is not None and not states and self._n_quiet > 1:
            numbers = ", ".join(self._jobs.job_ids) or "none was submitted"
            raise WorkerDiedError(
                f"no worker is left, and all jobs of SLURM have ended ({numbers}): their messages are in "
                "slurm-NUMBER.out here, unless the configuration names another place. Completed chunks are saved: use "
                "--resume"
            )
        if self._n_quiet == self._next_warning:
            self._next_warning *= 2
            jobs = "".join(f", job {job} is {state}" for job, state in (states or {}).items())
            log.warning("the cluster has no workers yet, or no more; waiting for one%s", jobs)

    def _submitted(self, task: ChunkTask, *, apart: bool) -> Future:
        do, key = (_run_apart, f"lightpool-apart-{task.key}") if apart else (_run_here, f"lightpool-{task.key}")
        return self._client.submit(do, task, key=key, pure=False)

    def require_same_code(self) -> None:
        """Check the versions of the present workers; those that join later check it with their first chunk.

        Raises
        ------
        VersionMismatchError
            If a worker has another version of lightpool or of its dependencies than this process.
        """
        here = _versions()
        try:
            found = self._client.run(_versions)
        except Exception as error:  # whatever a worker without this package, or with an older one, raises
            raise VersionMismatchError(
                f"a worker of the cluster cannot run lightpool {here['lightpool']}: {type(error).__name__}: {error}. "
                "Install it in the environment of the workers"
            ) from error
        for worker, its in found.items():
            if differ := [f"{name} {its.get(name)}, here {here[name]}" for name in here if its.get(name) != here[name]]:
                raise VersionMismatchError(
                    f"the worker {worker} has different versions than this process: {'; '.join(differ)}. "
                    "Results of two versions are never mixed: install the same versions everywhere"
                )


class _Completed:
    """Finished futures as they come, and a look at the workers every half minute.

    Parameters
    ----------
    futures : iterable of Future
    look : callable
    """

    def __init__(self, futures: Iterable[Future], look: Callable[[], None]) -> None:
        self._left, self._look = set(futures), look
        self._added: list[Future] = []

    def add(self, future: Future) -> None:
        """Wait for another one too."""
        self._left.add(future)
        self._added.append(future)

    def __iter__(self) -> Iterator[Future]:
        distributed = import_module("distributed")
        while self._left:
            finished = distributed.as_completed(list(self._left), timeout=_INTERVAL)
            self._added.clear()
            try:
                for future in finished:
                    self._left.discard(future)
                    yield future
                    if self._added:
                        finished.update(self._added)
                        self._added.clear()
            except TimeoutError:
                self._look()


def _versions() -> dict[str, str]:
    return {"lightpool": code_version(), **package_versions()}


def _run_here(task: ChunkTask) -> ChunkRecord:
    """Reduce a chunk in this worker; if an error of CUDA destroys its context, end the worker."""
    try:
        return run_chunk(task)
    except Exception as error:
        reason = lost_context(error)
        if reason is None:
            raise
    worker = import_module("distributed").get_worker()
    log.warning("the worker %s %s", worker.address, lost_gpu(reason))
    if worker.nanny is not None:
        os._exit(1)  # its nanny starts another one, and the scheduler repeats the task
    # Nobody would replace it, and its later chunks take this way too.
    return _run_apart(task)


def _run_apart(task: ChunkTask) -> ChunkRecord:
    """Reduce a chunk in a process started by the worker, so that it can die or be killed without the worker."""
    (record,) = ProcessExecutor(1).run([task])
    return record


@contextmanager
def dask_cluster(name: str) -> Iterator[DaskExecutor]:
    """Connect to a cluster, or start one for the duration of a ``with`` block.

    Parameters
    ----------
    name : str
        ``tcp://HOST:PORT`` or ``tls://HOST:PORT`` of a running scheduler, the latter with the certificates in Dask's
        configuration; ``local:N`` starts N processes here; ``slurm:N`` starts N jobs as configured for dask-jobqueue;
        ``cuda`` starts one worker for each GPU of this machine.

    Raises
    ------
    ConfigError
        If the name is unknown, a package is missing, or the scheduler does not answer.
    VersionMismatchError
        If its workers run a different version than this process.
    """
    kind, _, number = name.partition(":")
    is_address = kind in ("tcp", "tls")
    has_number = number.isdecimal() and int(number) > 0
    if (not is_address and kind not in _STARTERS) or (kind in ("local", "slurm") and not has_number):
        raise ConfigError(f"unknown cluster {name!r}; {_HELP}")
    distributed = require_package("distributed", extra="batch", purpose="a cluster")
    with one_thread_each(), script_not_run_again():
        try:
            cluster: str | Cluster = name if is_address else _STARTERS[kind](int(number or 1))
        except ValueError as error:  # ConfigError is one too
            raise ConfigError(f"cluster {name!r} cannot be started: {error}") from error
    try:
        try:
            client = distributed.Client(cluster, timeout=_LATEST_WAIT)
        except OSError as error:
            raise ConfigError(f"cluster {name!r} does not answer: {error}") from error
        except (RuntimeError, TypeError, ValueError) as error:
            help_ = f". {_TLS_HELP}" if kind == "tls" else ""
            raise ConfigError(f"cluster {name!r} cannot be used: {error}{help_}") from error
        with closing(client):
            package_log = logging.getLogger("lightpool")
            client.forward_logging(package_log.name, level=package_log.getEffectiveLevel())
            jobs = SlurmJobs(cast(JobCluster, cluster)) if kind == "slurm" else None
            executor = DaskExecutor(client, jobs)
            executor.require_same_code()
            yield executor
    finally:
        # A cluster that was only connected to continues to run.
        if not isinstance(cluster, str):
            cluster.close()


def _local(n_worker: int) -> Cluster:
    cluster: Cluster = require_package("distributed", extra="batch", purpose="a cluster").LocalCluster(
        n_workers=n_worker,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        preload=[run_chunk.__module__],  # a worker is ready when it has imported what it needs
    )
    return cluster


def _cuda(_: int) -> Cluster:
    cluster: Cluster = require_package("dask_cuda", extra="batch", purpose="a cluster").LocalCUDACluster()
    return cluster


_STARTERS: dict[str, Callable[[int], Cluster]] = {"local": _local, "slurm": start_slurm, "cuda": _cuda}
