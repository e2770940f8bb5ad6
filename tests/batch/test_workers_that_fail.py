"""One observation that kills its worker, or never ends, takes no other observation with it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_reductions import bits_of

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution import dask_cluster, executors
from lightpool.batch.execution.chunk import ChunkTask, run_chunk
from lightpool.batch.execution.executors import ProcessExecutor, lost_gpu
from lightpool.batch.execution.failed_chunks import begin, died, hung, survived
from lightpool.batch.execution.reduce_chunk import reduce_observations
from lightpool.batch.storage.folder import BatchFolder
from lightpool.errors import ReductionError, TimeLimitError, WorkerDiedError
from lightpool.makers import DatasetsMaker

SITE = """
import builtins, os, signal, sys, time

if any("spawn_main" in word for word in sys.orig_argv):
    _open = builtins.open
    def trap(file, *args, **options):
        if "run_000003" in str(file):
            {what}
        return _open(file, *args, **options)
    builtins.open = trap
"""
"""What a worker runs at its start: reading run 3 is a trap. A child cannot be reached in another way."""


ILLEGAL_ADDRESS = (
    "type('CUDARuntimeError', (RuntimeError,), {})('cudaErrorIllegalAddress: an illegal memory access was encountered')"
)
"""The error of CuPy, whose class a worker of this test need not have."""
LOSE_GPU_IN_RUN_3 = (
    "from lightpool.makers import MapDatasetMaker as Maker; run = Maker.run; Maker.run = lambda self, dataset, found: "
    f"(_ for _ in ()).throw({ILLEGAL_ADDRESS}) if found.obs_id == 3 else run(self, dataset, found)"
)


def simulated(obs_ids=(1, 2, 3, 4), **run):
    settings = {"run": {"on_error": "skip", "retries": 2} | run}
    return ChunkTask(0, "key", tuple(obs_ids), settings, "version")


def do(task, fatal, n_chance=0):
    """Do a chunk with workers that die of some observations; gives what was tried, and the last task."""
    tried, waiting, n_left = [], [begin(task)], [n_chance]
    while waiting:
        job = waiting.pop(0)
        alive = set(job.task.obs_ids) - set(job.task.given_up)
        tried.append((sorted(alive), job.is_trial))
        assert len(tried) < 50
        if alive & set(fatal) or n_left[0] > 0:
            n_left[0] -= 1
            waiting[:0] = died(job, "was killed by SIGKILL")
        elif job.is_trial:
            waiting[:0] = survived(job)
        else:
            return tried, job.task
    raise AssertionError("the chunk was lost")


@pytest.mark.parametrize("fatal", [(), (1,), (4,), (2, 3), (1, 2, 3, 4)])
@pytest.mark.parametrize("n_obs", [1, 2, 4, 7])
def test_the_observations_that_kill_are_found_and_no_others(fatal, n_obs):
    obs_ids = tuple(range(1, n_obs + 1))
    tried, last = do(simulated(obs_ids), fatal)
    assert set(last.given_up) == set(fatal) & set(obs_ids)
    assert last.obs_ids == obs_ids, "the order stays"
    assert all(isinstance(error, WorkerDiedError) for error in last.given_up.values())
    assert not tried[-1][1], "what counts is done as a whole"


def test_a_worker_that_is_killed_by_chance_costs_nothing():
    tried, last = do(simulated(), (), n_chance=1)
    assert tried == [([1, 2, 3, 4], False)] * 2
    assert last.given_up == {}


def test_a_chunk_that_dies_as_a_whole_alone_is_given_up_in_the_end():
    job, waiting, n = begin(simulated()), [], 0
    waiting = [job]
    while waiting and n < 50:
        n += 1
        job = waiting.pop(0)
        alive = [obs_id for obs_id in job.task.obs_ids if obs_id not in job.task.given_up]
        if len(alive) == 4:
            waiting[:0] = died(job, "was killed by SIGKILL")
        elif job.is_trial:
            waiting[:0] = survived(job)
    assert set(job.task.given_up) == {1, 2, 3, 4}
    assert "is there enough memory?" in str(job.task.given_up[1])


def test_a_worker_that_dies_of_nothing_is_an_error():
    job = begin(ChunkTask(0, "key", (1,), simulated().settings, "", given_up={1: ValueError("bad")}))
    assert died(job, "ended with exit code 1") == [job]
    with pytest.raises(WorkerDiedError, match="ended with exit code 1"):
        died(job, "ended with exit code 1")


def test_what_hangs_is_named_and_tried_as_often_as_the_settings_say():
    (job,) = hung(begin(simulated()), 3, "10 s")
    assert set(job.task.given_up) == {3}
    assert isinstance(job.task.given_up[3], TimeLimitError)
    first = begin(simulated(on_error="retry", retries=1))
    assert hung(first, 3, "10 s") == [first]
    (job,) = hung(first, 3, "10 s")
    assert set(job.task.given_up) == {3}
    with pytest.raises(ReductionError, match="observation 3: reducing failed with TimeLimitError: it took longer than"):
        hung(begin(simulated(on_error="raise")), 3, "10 s")


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """Let workers do something when they open run 3."""

    def make(what):
        site = tmp_path / "site"
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(SITE.format(what=what))
        monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    return make


def outcomes_of(result):
    return {outcome.obs_id: outcome.status for outcome in result.outcomes}


def without_run_3(settings_of):
    """Bits of a reduction that run 3 has failed in, for another reason."""
    reference = settings_of("reference", observations={"obs_ids": [1, 2, 4]}, run={"chunk_size": 4})
    return bits_of(run_batch(make_plan(reference)).folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        ("os._exit(7)", "ended with exit code 7"),
        ("import ctypes; ctypes.string_at(0)", "was killed by SIGSEGV"),
        (LOSE_GPU_IN_RUN_3, lost_gpu("cudaErrorIllegalAddress: an illegal memory access was encountered")),
    ],
)
def test_a_run_that_kills_its_worker_is_left_out_and_named(settings_of, trap, what, how):
    trap(what)
    settings = settings_of(observations={"obs_ids": [1, 2, 3, 4]}, run={"chunk_size": 4})
    result = run_batch(make_plan(settings), ProcessExecutor(2))
    assert outcomes_of(result) == {1: "done", 2: "done", 3: "failed", 4: "done"}
    assert f"the worker of observation 3 {how}, 2 times" in result.outcomes[2].error
    assert bits_of(result.folder) == without_run_3(settings_of)


@pytest.mark.slow
def test_a_program_that_loses_its_gpu_lets_a_process_go_on(settings_of, monkeypatch, caplog):
    given = []

    def broken(task):
        given.append(task.obs_ids)
        if len(given) == 2:
            raise ReductionError(2, "MapDatasetMaker", eval(ILLEGAL_ADDRESS))
        return run_chunk(task)

    monkeypatch.setattr(executors, "run_chunk", broken)
    settings = settings_of(observations={"obs_ids": [1, 2, 3]}, run={"chunk_size": 1})
    result = run_batch(make_plan(settings))
    assert outcomes_of(result) == {1: "done", 2: "done", 3: "done"}
    assert given == [(1,), (2,)], "the others are done elsewhere"
    assert "lost its GPU" in caplog.text
    assert not list(BatchFolder(Path(settings.output.folder)).chunks.glob("*.begun"))


def test_a_run_after_which_cuda_is_lost_is_no_mere_failure(settings_of, monkeypatch):
    def broken(self, *args, **kwargs):
        raise eval(ILLEGAL_ADDRESS)

    monkeypatch.setattr(DatasetsMaker, "make_dataset", broken)
    with pytest.raises(ReductionError, match="cudaErrorIllegalAddress"):
        reduce_observations(settings_of(run={"on_error": "retry"}), [1, 2])


@pytest.mark.parametrize("nanny", ["tcp://127.0.0.1:1", None])
def test_a_dask_worker_that_loses_its_gpu_ends_if_it_is_replaced(monkeypatch, nanny):
    distributed = pytest.importorskip("distributed")
    ended = []

    def broken(task):
        raise eval(ILLEGAL_ADDRESS)

    def end(code):
        ended.append(code)
        raise SystemExit

    monkeypatch.setattr(dask_cluster, "run_chunk", broken)
    monkeypatch.setattr(dask_cluster, "_run_apart", lambda task: "record")
    monkeypatch.setattr(dask_cluster.os, "_exit", end)
    monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace(nanny=nanny, address="tcp://here"))
    with pytest.raises(SystemExit) if nanny else nullcontext():
        assert dask_cluster._run_here(simulated()) == "record"
    assert ended == ([1] if nanny else [])


@pytest.mark.slow
def test_a_run_that_never_ends_is_left_out_and_named(settings_of, trap):
    """Without workers too: a process of its own does the work then, as nothing else can be ended."""
    trap("time.sleep(3600)")
    run = {"chunk_size": 4, "observation_timeout": "20 s"}
    result = run_batch(make_plan(settings_of(observations={"obs_ids": [1, 2, 3, 4]}, run=run)))
    assert outcomes_of(result) == {1: "done", 2: "done", 3: "failed", 4: "done"}
    assert result.outcomes[2].error == "TimeLimitError: it took longer than the limit of 20 s (run.observation_timeout)"
    assert bits_of(result.folder) == without_run_3(settings_of)


@pytest.mark.slow
def test_a_run_that_kills_the_program_itself_is_found_by_a_resume(settings_of, trap, tmp_path):
    trap("os.kill(os.getpid(), 9)")
    settings = settings_of(observations={"obs_ids": [1, 2, 3, 4]}, run={"chunk_size": 4})
    (tmp_path / "crab.yaml").write_text(settings.to_yaml())
    code = "import sys; sys.orig_argv.append('worker_processes.spawn_main'); exec(open(sys.argv[1]).read()); " + (
        "from lightpool.batch import make_plan, run_batch; from lightpool.config import Settings; "
        "run_batch(make_plan(Settings.read(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "site" / "sitecustomize.py"), str(tmp_path / "crab.yaml")]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    result = run_batch(plan_to_resume(settings), resume=True)
    assert outcomes_of(result) == {1: "done", 2: "done", 3: "failed", 4: "done"}
    assert not list(BatchFolder(Path(settings.output.folder)).chunks.glob("*.begun"))


@pytest.mark.slow
def test_a_worker_that_stands_still_is_ended_with_the_work(settings_of):
    """A process that was stopped takes no SIGTERM."""

    def stop(record):
        os.kill(executor.started[-1].process.pid, signal.SIGSTOP)
        raise KeyboardInterrupt

    class Watched(ProcessExecutor):
        started = []  # noqa: RUF012

        def _start(self, gpu):
            self.started.append(super()._start(gpu))
            return self.started[-1]

    executor = Watched(2)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_batch(make_plan(settings_of(run={"chunk_size": 1})), executor, progress=stop)
    assert not any(worker.process.is_alive() for worker in executor.started), time.monotonic() - begun
