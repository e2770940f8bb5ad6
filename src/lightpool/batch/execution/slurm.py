"""Jobs of SLURM that are Dask workers: they are tried before they are submitted, and watched while they work."""

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Protocol

from lightpool.errors import ConfigError
from lightpool.utils.optional_packages import require_package

__all__ = ["JobCluster", "SlurmJobs", "start_slurm"]

log = logging.getLogger(__name__)

_HELP = (
    "what a job asks for stands in the configuration of dask-jobqueue, ~/.config/dask/jobqueue.yaml or the file that "
    "DASK_CONFIG names, see docs/how_to/slurm.md"
)
_LONGEST = 60
"""Seconds that a command of SLURM may take."""


class _Job(Protocol):
    job_id: str | None


class JobCluster(Protocol):
    """The part of `dask_jobqueue.SLURMCluster` that is used here."""

    workers: Mapping[object, _Job]

    def job_script(self) -> str:
        """Return the script of a job."""
        ...

    def scale(self, *, jobs: int) -> None:
        """Submit jobs, later and in another thread, where errors are only logged."""
        ...

    def close(self) -> None:
        """Stop the scheduler and cancel the jobs."""
        ...


def start_slurm(n_job: int) -> JobCluster:
    """Start a Dask scheduler here, and submit jobs that are its workers.

    Parameters
    ----------
    n_job : int

    Raises
    ------
    ConfigError
        If there is no SLURM, or it would refuse the jobs.
    """
    jobqueue = require_package("dask_jobqueue", extra="batch", purpose="a cluster")
    for program in ("sbatch", "squeue"):
        if shutil.which(program) is None:
            raise ConfigError(
                f"there is no program {program!r} here; --cluster slurm:N works where jobs of SLURM can be submitted"
            )
    try:
        cluster: JobCluster = jobqueue.SLURMCluster()
    except ValueError as error:
        raise ConfigError(f"{' '.join(str(error).split())}; {_HELP}") from error
    try:
        _try(cluster.job_script())
        cluster.scale(jobs=n_job)
    except BaseException:
        cluster.close()
        raise
    return cluster


def _try(script: str) -> None:
    """Ask SLURM whether it would accept a job, as dask-jobqueue only logs a refusal and waits for workers."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".sh") as file:
        file.write(script)
        file.flush()
        done = _run(["sbatch", "--test-only", file.name])
    if done.returncode:
        raise ConfigError(f"SLURM refuses the jobs: {' '.join(done.stderr.split())}; {_HELP}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


class SlurmJobs:
    """The jobs of a cluster, as `squeue` knows them.

    Parameters
    ----------
    cluster : JobCluster
    """

    def __init__(self, cluster: JobCluster) -> None:
        self._cluster = cluster

    @property
    def job_ids(self) -> list[str]:
        """Numbers of the submitted jobs."""
        return sorted(str(job.job_id) for job in self._cluster.workers.values() if job.job_id is not None)

    def states(self) -> dict[str, str] | None:
        """Return the state of each job that is waiting or running, with a reason; None if SLURM does not answer."""
        if not self.job_ids:
            return {}
        command = ["squeue", "--noheader", "--format=%i|%T|%r", f"--jobs={','.join(self.job_ids)}"]
        done = _run(command)
        # With all of them gone for some minutes, the numbers are unknown.
        if done.returncode and "Invalid job id" not in done.stderr:
            log.warning("squeue does not answer: %s", " ".join(done.stderr.split()))
            return None
        rows = [line.strip().split("|") for line in done.stdout.splitlines() if line.count("|") == 2]
        return {job: state if reason == "None" else f"{state} ({reason})" for job, state, reason in rows}
