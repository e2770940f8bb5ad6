"""Chunks on a cluster of Dask workers. What travels is settings and observation numbers; sums go through the folder."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Any

from lightpool.arrays.devices.blas_threads import one_thread_each
from lightpool.batch.execution.chunk import ChunkTask, fail_chunk, run_chunk
from lightpool.batch.execution.executors import ProcessExecutor, time_limit
from lightpool.batch.storage.code_version import code_version, package_versions
from lightpool.batch.storage.folder import ChunkRecord
from lightpool.errors import ConfigError, VersionMismatchError, WorkerDiedError
from lightpool.makers.parallel.worker_processes import script_not_run_again
from lightpool.utils.optional_packages import require_package

__all__ = ["DaskExecutor", "dask_cluster"]

log = logging.getLogger(__name__)

_LATEST_WAIT = "60s"
_HELP = "clusters are tcp://HOST:PORT, tls://HOST:PORT, local:N, slurm:N and cuda"
_TLS_HELP = (
    "tls:// needs the certificates of the cluster: set distributed.comm.tls.ca-file, .client.cert and .client.key in "
    "the configuration of Dask, see docs/batch.md"
)


class DaskExecutor:
    """Does chunks on the workers of a Dask cluster, which must see the folders of the data and of the results.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Give the record of each chunk as soon as it is finished; closing the generator cancels the rest."""
        distributed = import_module("distributed")
        futures = {self._submitted(task, apart=time_limit(task.settings) is not None): task for task in tasks}
        apart = {task.key for task in tasks if time_limit(task.settings) is not None}
        finished = distributed.as_completed(futures)
        try:
            for future in finished:
                task = futures[future]
                try:
                    record: ChunkRecord = future.result()
                except distributed.KilledWorker as error:
                    text = f"the workers of observations {task.obs_ids[0]} to {task.obs_ids[-1]} died: {error}"
                    if task.key not in apart:  # the observation to blame is found in a process that may die
                        log.warning("%s; trying again in processes apart from the workers", text)
                        apart.add(task.key)
                        again = self._submitted(task, apart=True)
                        futures[again] = task
                        finished.add(again)
                        continue
                    record = fail_chunk(task, WorkerDiedError(text))
                except distributed.client.FutureCancelledError as error:
                    raise WorkerDiedError(f"the Dask cluster ended before its work was done: {error}") from error
                yield record
        finally:
            self._client.cancel(list(futures))

    def _submitted(self, task: ChunkTask, *, apart: bool) -> Any:
        do, key = (_run_apart, f"lightpool-apart-{task.key}") if apart else (run_chunk, f"lightpool-{task.key}")
        return self._client.submit(do, task, key=key, pure=False)

    def require_same_code(self) -> None:
        """Check the versions of the workers that are there; those that come later look at their first chunk.

        Raises
        ------
        VersionMismatchError
            If one has other code or other packages than this process.
        """
        here = _versions()
        try:
            found: dict[str, Any] = self._client.run(_versions)
        except Exception as error:  # whatever a worker without this package, or with an older one, raises
            raise VersionMismatchError(
                f"a worker of the cluster cannot run lightpool {here['lightpool']}: {type(error).__name__}: {error}. "
                "Install it in the environment of the workers"
            ) from error
        for worker, its in found.items():
            if differ := [f"{name} {its.get(name)}, here {here[name]}" for name in here if its.get(name) != here[name]]:
                raise VersionMismatchError(
                    f"the worker {worker} has other versions than this process: {'; '.join(differ)}. "
                    "Results of two versions are not mixed: install the same in both places"
                )


def _versions() -> dict[str, str]:
    return {"lightpool": code_version(), **package_versions()}


def _run_apart(task: ChunkTask) -> ChunkRecord:
    """Do a chunk in a process that the worker starts, so that it can die or be ended without the worker."""
    (record,) = ProcessExecutor(1).run([task])
    return record


@contextmanager
def dask_cluster(name: str) -> Iterator[DaskExecutor]:
    """Connect to a cluster, or start one for the time of a ``with`` block.

    Parameters
    ----------
    name : str
        ``tcp://HOST:PORT`` or ``tls://HOST:PORT`` of a scheduler that runs, the latter with the certificates of Dask's
        configuration; ``local:N`` starts N processes here; ``slurm:N`` starts N jobs as the configuration of
        dask-jobqueue says; ``cuda`` starts one worker for each GPU of this machine.

    Raises
    ------
    ConfigError
        If the name is not known, a package is missing, or the scheduler does not answer.
    VersionMismatchError
        If its workers have other code than this process.
    """
    kind, _, number = name.partition(":")
    is_address = kind in ("tcp", "tls")
    has_number = number.isdecimal() and int(number) > 0
    if (not is_address and kind not in _STARTERS) or (kind in ("local", "slurm") and not has_number):
        raise ConfigError(f"cluster {name!r} is not known; {_HELP}")
    distributed = require_package("distributed", extra="batch", purpose="a cluster")
    with one_thread_each(), script_not_run_again():
        try:
            cluster = name if is_address else _STARTERS[kind](int(number or 1))
        except ValueError as error:
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
            executor = DaskExecutor(client)
            executor.require_same_code()
            yield executor
    finally:
        if not isinstance(cluster, str):
            cluster.close()


def _local(n_worker: int) -> Any:
    return require_package("distributed", extra="batch", purpose="a cluster").LocalCluster(
        n_workers=n_worker,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        preload=[run_chunk.__module__],  # a worker is ready when it has imported what it needs
    )


def _slurm(n_job: int) -> Any:
    cluster = require_package("dask_jobqueue", extra="batch", purpose="a cluster").SLURMCluster()
    cluster.scale(jobs=n_job)
    return cluster


def _cuda(_: int) -> Any:
    return require_package("dask_cuda", extra="batch", purpose="a cluster").LocalCUDACluster()


_STARTERS: dict[str, Callable[[int], Any]] = {"local": _local, "slurm": _slurm, "cuda": _cuda}
