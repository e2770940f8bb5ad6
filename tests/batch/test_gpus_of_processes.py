"""Processes take the GPUs of a machine in turn, and each sees its own alone."""

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path

import pytest

from lightpool.arrays.devices.gpus import processes_for
from lightpool.batch import make_plan, run_batch
from lightpool.batch.execution import executors
from lightpool.batch.execution.executors import ProcessExecutor, SerialExecutor
from lightpool.cli import batch as cli_batch
from lightpool.makers.parallel.processes import in_processes

SHOWN = "CUDA_VISIBLE_DEVICES"


def seen(folder, n_process):
    """What this process sees, as soon as so many processes have begun."""
    Path(folder, str(os.getpid())).touch()
    stop = time.monotonic() + 60
    while len(os.listdir(folder)) < n_process and time.monotonic() < stop:
        time.sleep(0.01)
    return os.environ.get(SHOWN)


@pytest.mark.slow
@pytest.mark.parametrize(("gpus", "expected"), [(["5", "GPU-7a"], {"5", "GPU-7a"}), (["3"], {"3"}), ([], {"0,1"})])
def test_processes_of_a_maker_take_them_in_turn(tmp_path, monkeypatch, gpus, expected):
    monkeypatch.setenv(SHOWN, "0,1")
    assert set(in_processes(2, seen, 2 * [(str(tmp_path), 2)], gpus)) == expected
    assert os.environ[SHOWN] == "0,1"


@pytest.mark.slow
def test_workers_of_a_batch_take_them_in_turn(settings_of, monkeypatch):
    started, plain = [], ProcessExecutor._start

    def start(self, gpu):
        worker = plain(self, gpu)
        started.append(gpu)
        if len(started) == 1:
            worker.process.kill()  # its successor takes its place
        return worker

    monkeypatch.setattr(ProcessExecutor, "_start", start)
    settings = settings_of(observations={"obs_ids": [1, 2, 3]}, run={"chunk_size": 1})
    result = run_batch(make_plan(settings), ProcessExecutor(3, ["5", "7"]))
    assert [outcome.status for outcome in result.outcomes] == ["done", "done", "done"]
    assert started == ["5", "7", "5", "5"]


def answer_of_worker(gpu):
    """What a worker sees when it is given a task; in a process of its own, because a worker changes its own."""
    mine, its = Pipe()

    def ask():
        mine.send(("a task", False))
        while (answer := mine.recv())[0] != "done":
            pass
        mine.close()
        return answer[1]

    def end(code):
        raise SystemExit(code)

    executors.run_chunk = lambda task: os.environ[SHOWN]
    executors.os._exit = end  # a worker ends so when nobody wants more of it; here the answer is to be sent first
    with ThreadPoolExecutor(1) as another, suppress(SystemExit):
        answer = another.submit(ask)
        executors._work(its, gpu, logging.WARNING)
    return answer.result()


@pytest.mark.slow
@pytest.mark.parametrize(("gpu", "expected"), [("7", "7"), (None, "0,1")])
def test_a_worker_sees_its_own_before_it_begins(monkeypatch, gpu, expected):
    monkeypatch.setenv(SHOWN, "0,1")
    assert list(in_processes(1, answer_of_worker, [(gpu,)])) == [expected]


@pytest.mark.parametrize(
    ("n_core", "gpus", "expected"),
    [(1, ["0"], 1), (4, ["0"], 4), (16, ["0"], 8), (2, ["0", "1", "2"], 3), (12, ["0", "1"], 12), (64, ["0", "1"], 16)],
)
def test_processes_share_a_gpu_as_long_as_there_are_cores(monkeypatch, n_core, gpus, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(n_core)), raising=False)
    assert processes_for(gpus) == expected
    assert processes_for([]) == 1


@pytest.mark.parametrize(
    ("n_worker", "gpus", "expected"),
    [(None, ["0"], 6), (None, ["0", "1"], 6), (1, ["0", "1"], 1), (3, ["0"], 3)],
)
def test_without_a_number_there_is_one_worker_for_each_core(monkeypatch, n_worker, gpus, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr("lightpool.arrays.devices.gpus.visible_gpus", lambda device: gpus if device == "cuda" else [])
    with cli_batch._executor(None, n_worker, "cuda") as executor:
        if expected == 1:
            assert isinstance(executor, SerialExecutor)
        else:
            assert (executor.n_worker, executor.gpus) == (expected, gpus)
    with cli_batch._executor(None, n_worker, "cpu") as executor:
        assert isinstance(executor, ProcessExecutor if (n_worker or 1) > 1 else SerialExecutor)
