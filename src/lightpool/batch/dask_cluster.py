"""Chunks on a cluster of Dask workers. What travels is settings and observation numbers; sums go through the folder."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Any

from lightpool.arrays.optional_packages import require_package
from lightpool.arrays.threads import one_thread_each
from lightpool.batch.chunk import ChunkTask, fail_chunk, run_chunk
from lightpool.batch.folder import ChunkRecord
from lightpool.errors import ConfigError, WorkerDiedError
from lightpool.makers.workers import script_not_run_again

__all__ = ["DaskExecutor", "dask_cluster"]

_LATEST_WAIT = "60s"
_HELP = "clusters are tcp://HOST:PORT, local:N, slurm:N and cuda"


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
        futures = {
            self._client.submit(run_chunk, task, key=f"lightpool-{task.key}", pure=False): task for task in tasks
        }
        try:
            for future in distributed.as_completed(futures):
                try:
                    record: ChunkRecord = future.result()
                except distributed.KilledWorker as error:
                    task = futures[future]
                    text = f"the workers of observations {task.obs_ids[0]} to {task.obs_ids[-1]} died: {error}"
                    record = fail_chunk(task, WorkerDiedError(text))
                except distributed.client.FutureCancelledError as error:
                    raise WorkerDiedError(f"the Dask cluster ended before its work was done: {error}") from error
                yield record
        finally:
            self._client.cancel(list(futures))


@contextmanager
def dask_cluster(name: str) -> Iterator[DaskExecutor]:
    """Connect to a cluster, or start one for the time of a ``with`` block.

    Parameters
    ----------
    name : str
        ``tcp://HOST:PORT`` of a scheduler that runs; ``local:N`` starts N processes here; ``slurm:N`` starts N jobs as
        the configuration of dask-jobqueue says; ``cuda`` starts one worker for each GPU of this machine.

    Raises
    ------
    ConfigError
        If the name is not known, a package is missing, or the scheduler does not answer.
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
        with closing(client):
            log = logging.getLogger("lightpool")
            client.forward_logging(log.name, level=log.getEffectiveLevel())
            yield DaskExecutor(client)
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
