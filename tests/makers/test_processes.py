"""Work in processes of their own, whatever starts them: scripts without a guard, notebooks, the standard input."""

import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections import deque
from concurrent.futures import Future
from functools import partial

import pytest

import lightpool
from lightpool.errors import TransferError, WorkerDiedError
from lightpool.makers import DatasetsMaker
from lightpool.makers.core import Maker
from lightpool.makers.parallel import processes, worker_processes
from lightpool.makers.parallel.processes import in_processes
from lightpool.makers.parallel.worker_processes import WorkerProcess

SCRIPT = """
from functools import partial
from lightpool.errors import LightpoolError
from lightpool.makers import DatasetsMaker
from lightpool.makers.core import Maker
from lightpool.makers.parallel import processes
from lightpool.makers.parallel.processes import in_processes

print("begun", flush=True)
table = {"gain": 3}

class Cloud(ValueError):
    pass

class Doubling(Maker):
    tag = "Doubling"
    def run(self, dataset, observation=None):
        if dataset < 0:
            raise Cloud("too dark")
        return 2 * dataset + table["gain"]

chain = DatasetsMaker([Doubling(), Doubling()], n_jobs=2).makers
second = lambda offset, makers, value: makers[1].run(value + offset)
try:
    for result in in_processes(1, partial(second, 1), [(chain, 0), (chain, 1), (chain, -9)]):
        print(result)
except Cloud as error:
    print("Cloud", error)
"""
EXPECTED = ["begun", "5", "7", "Cloud too dark"]


def output_of(*arguments, text=None, folder=None):
    source = os.path.dirname(os.path.dirname(lightpool.__file__))
    environment = os.environ | {"PYTHONPATH": source}
    done = subprocess.run(
        [sys.executable, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_script_needs_no_guard_and_may_define_makers(tmp_path):
    pytest.importorskip("cloudpickle")
    (tmp_path / "reduce.py").write_text(SCRIPT)
    assert output_of("reduce.py", folder=tmp_path) == EXPECTED


def test_a_result_is_not_lost_to_a_later_failure(monkeypatch):
    jobs = deque([Future(), Future()])

    def finish_both(running, return_when):
        jobs[0].set_result(7)
        jobs[1].set_exception(ValueError("too dark"))
        return running, set()

    monkeypatch.setattr(processes, "wait", finish_both)
    assert processes._first_result(jobs) == 7
    with pytest.raises(ValueError, match="too dark"):
        processes._first_result(jobs)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["standard input", "command", "notebook", "module"])
def test_makers_may_be_defined_where_there_is_no_file(tmp_path, way):
    pytest.importorskip("cloudpickle")
    (tmp_path / "night.py").write_text(SCRIPT)
    notebook = f"import sys\ndel sys.modules['__main__'].__dict__['__file__']\nexec({SCRIPT!r})"
    (tmp_path / "cell.py").write_text(notebook)
    arguments, text = {
        "standard input": (["-"], SCRIPT),
        "command": (["-c", SCRIPT], None),
        "notebook": (["cell.py"], None),
        "module": (["-m", "night"], None),
    }[way]
    assert output_of(*arguments, text=text, folder=tmp_path) == EXPECTED


@pytest.mark.slow
def test_without_cloudpickle_the_cause_is_named(tmp_path):
    hidden = "import sys\nsys.modules['cloudpickle'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    (tmp_path / "night.py").write_text(
        "from lightpool.makers.parallel.processes import in_processes\ndef twice(x):\n    return 2 * x\n"
        "try:\n    list(in_processes(1, twice, [(1,)]))\nexcept TypeError as error:\n    print(error)\n"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import sitecustomize, runpy; " + (
        f"runpy.run_path({str(tmp_path / 'night.py')!r}, run_name='__main__')"
    )
    [line] = output_of("-c", code)
    assert "twice" in line
    assert "put it into a module" in line


class Locked(Maker):
    """Holds what no process can send to another."""

    tag = "Locked"

    def __init__(self):
        self.lock = threading.Lock()

    def run(self, dataset, observation=None):
        return dataset


@pytest.mark.slow
def test_a_maker_that_cannot_travel_is_named(empty, observations):
    with pytest.raises(TransferError, match=r"Locked cannot be sent to another process: TypeError: cannot pickle"):
        DatasetsMaker([Locked()], n_jobs=2).run(empty(), observations[:2])


def noisy(kind):
    if kind == "log":
        logging.getLogger("lightpool.test").warning("clouds over %s", "Gamsberg")
    elif kind == "warning":
        warnings.warn("moonlight", UserWarning, stacklevel=1)
    elif kind == "missing file":
        raise FileNotFoundError("no events")
    elif kind == "lock":
        return threading.Lock()
    elif kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return kind


@pytest.mark.slow
def test_what_a_process_says_arrives(caplog):
    with pytest.warns(UserWarning, match="moonlight"):
        assert list(in_processes(1, noisy, [("log",), ("warning",)])) == ["log", "warning"]
    assert "clouds over Gamsberg" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("missing file", FileNotFoundError, "no events"),
        ("lock", TransferError, "a result cannot come back"),
        ("killed", WorkerDiedError, "was killed by SIGKILL; the system does so when memory runs out"),
    ],
)
def test_what_fails_in_a_process_is_raised_here(kind, error, message):
    with pytest.raises(error, match=message):
        list(in_processes(1, partial(noisy), [(kind,)]))


def wait_for_ever(connection):
    connection.send(os.getpid())
    threading.Event().wait()


@pytest.mark.slow
def test_a_process_ends_when_the_one_that_started_it_is_killed():
    pytest.importorskip("cloudpickle")
    code = """
import os, signal
from lightpool.makers.parallel.worker_processes import WorkerProcess
def wait(connection):
    import threading
    connection.send("ready")
    threading.Event().wait()
print(WorkerProcess(wait).connection.recv(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    source = os.path.dirname(os.path.dirname(lightpool.__file__))
    done = subprocess.run(  # the output ends when the last process that holds it has ended
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": source},
    )
    assert (done.stdout, done.returncode) == ("ready\n", -signal.SIGKILL)


@pytest.mark.slow
def test_a_script_without_a_guard_may_start_a_local_cluster(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "cluster.py").write_text(
        "from lightpool.batch.execution.dask_cluster import dask_cluster\n"
        "with dask_cluster('local:1') as executor:\n    print(__file__, type(executor).__name__)\n"
    )
    assert output_of("cluster.py", folder=tmp_path) == [f"{tmp_path / 'cluster.py'} DaskExecutor"]


@pytest.mark.slow
def test_a_process_says_how_it_ended():
    worker = WorkerProcess(wait_for_ever)
    assert worker.connection.recv() == worker.pid
    assert worker.is_alive()
    worker.terminate()
    assert worker.how_it_ended() == "was killed by SIGTERM"
    assert worker.exitcode == -signal.SIGTERM


def fail_or_number(number):
    if number == 1:
        raise RuntimeError("cudaErrorLaunchFailure: unspecified launch failure")
    return os.getpid()


@pytest.mark.slow
def test_a_process_that_has_lost_its_gpu_is_replaced(monkeypatch):
    replaced, plain = [], processes._Processes._replaced

    def replace(self, worker):
        replaced.append(worker.pid)
        return plain(self, worker)

    monkeypatch.setattr(processes._Processes, "_replaced", replace)
    workers = processes._Processes(1, (), None)
    try:
        first = workers.result_of(fail_or_number, (0,))
        with pytest.raises(RuntimeError, match="cudaErrorLaunchFailure"):
            workers.result_of(fail_or_number, (1,))
        assert replaced == [first]
        assert workers.result_of(fail_or_number, (2,)) != first
    finally:
        workers.give_up()
        workers.end()


def test_on_windows_a_worker_reads_from_a_pipe_which_is_no_socket_there(monkeypatch):
    class PipeConnection:
        def __init__(self, handle):
            self.handle = handle

    monkeypatch.setattr("multiprocessing.connection.PipeConnection", PipeConnection, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    connection = worker_processes._connection(17)
    assert isinstance(connection, PipeConnection)
    assert connection.handle == 17
