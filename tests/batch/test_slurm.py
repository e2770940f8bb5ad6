"""Jobs of SLURM, for which small programs stand in that run them on this machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_reductions import MAP, bits_of

from lightpool.batch import make_plan, run_batch
from lightpool.batch.execution import dask_cluster as cluster_module
from lightpool.batch.execution.dask_cluster import DaskExecutor, dask_cluster
from lightpool.batch.execution.slurm import SlurmJobs
from lightpool.errors import ConfigError, WorkerDiedError

pytest.importorskip("dask_jobqueue")
if sys.platform == "win32":
    pytest.skip("SLURM has no Windows", allow_module_level=True)

PROGRAMS = {
    "sbatch": """
        if [ "$1" = --test-only ]; then
            if [ -e "$JOBS/refuses" ]; then echo "sbatch: error: no such partition" >&2; exit 1; fi
            exit 0
        fi
        number=1
        until mkdir "$JOBS/$number" 2> /dev/null; do number=$(( number + 1 )); done
        cp "$1" "$JOBS/$number.sh"  # which is removed when this program ends
        if [ -e "$JOBS/waits" ]; then echo 'exec sleep 600' > "$JOBS/$number.sh"; fi
        bash "$JOBS/$number.sh" > "$JOBS/$number.out" 2>&1 &
        echo $! > "$JOBS/$number.pid"
        echo "Submitted batch job $number"
    """,
    "squeue": """
        if [ -e "$JOBS/silent" ]; then echo "Unable to contact slurm controller" >&2; exit 1; fi
        for file in "$JOBS"/*.pid; do
            if kill -0 "$(cat "$file")" 2> /dev/null; then
                state=$([ -e "$JOBS/waits" ] && echo 'PENDING|Priority' || echo 'RUNNING|None')
                echo "$(basename "$file" .pid)|$state"
            fi
        done
    """,
    "scancel": """
        echo "$@" >> "$JOBS/cancelled"
        kill "$(cat "$JOBS/$1.pid")"
    """,
}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The folder of the jobs of a SLURM that runs them here; files in it change what the programs do."""
    jobs, programs = tmp_path / "jobs", tmp_path / "bin"
    jobs.mkdir()
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("JOBS", str(jobs))
    configured(monkeypatch)
    yield jobs
    for file in jobs.glob("*.pid"):
        subprocess.run(["kill", file.read_text().strip()], capture_output=True, check=False)


def configured(monkeypatch, **options):
    """Configure dask-jobqueue, as its file does."""
    import dask

    values = {"cores": 1, "processes": 1, "memory": "2GB", "interface": "lo", **options}
    for key, value in values.items():
        monkeypatch.setenv(f"DASK_JOBQUEUE__SLURM__{key.upper().replace('-', '_')}", repr(value))
    dask.config.refresh()


@pytest.mark.slow
def test_results_of_jobs_are_bit_identical_to_those_of_one_process(settings_of, slurm):
    one = run_batch(make_plan(settings_of("one")))
    with dask_cluster("slurm:2") as executor:
        two = run_batch(make_plan(settings_of("two")), executor)
    assert bits_of(one.folder) == bits_of(two.folder)
    assert sorted((slurm / "cancelled").read_text().split()) == ["1", "2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("refuses", "SLURM refuses the jobs: sbatch: error: no such partition; what a job asks for stands in the conf"),
        ("no cores", "You must specify how much cores and memory per job .*; what a job asks for stands in the conf"),
        (
            "no sbatch",
            "there is no program 'sbatch' here; --cluster slurm:N works where jobs of SLURM can be submitted",
        ),
    ],
)
def test_jobs_that_cannot_be_submitted_are_an_error_at_once(slurm, monkeypatch, change, message):
    if change == "refuses":
        (slurm / "refuses").touch()
    elif change == "no cores":
        configured(monkeypatch, cores=None)
    else:
        monkeypatch.setenv("PATH", str(slurm))
    with pytest.raises(ConfigError, match=f"cluster 'slurm:2' cannot be started: {message}"):
        dask_cluster("slurm:2").__enter__()
    assert not list(slurm.glob("*.pid"))


@pytest.mark.slow
def test_jobs_that_end_before_they_work_are_an_error(settings_of, slurm, monkeypatch):
    configured(monkeypatch, python="/nowhere/python")
    monkeypatch.setattr(cluster_module, "_INTERVAL", "0.5s")
    plan = make_plan(settings_of())
    with (
        pytest.raises(WorkerDiedError, match=r"all jobs of SLURM have ended \(1, 2\): their messages are in slurm-NUM"),
        dask_cluster("slurm:2") as executor,
    ):
        run_batch(plan, executor)
    assert "/nowhere/python: No such file" in (slurm / "1.out").read_text()


class NoWorkers:
    """A client of a cluster that has lost its workers, or has got none yet."""

    def __init__(self):
        self.workers = {}

    def nthreads(self):
        return self.workers


class Cluster:
    def __init__(self, *job_ids):
        self.workers = {name: type("Job", (), {"job_id": job_id})() for name, job_id in enumerate(job_ids)}


def test_jobs_that_wait_are_told_with_their_reasons_and_ever_more_rarely(slurm, caplog):
    (slurm / "waits").touch()
    subprocess.run(["sbatch", "script.sh"], check=True, stdout=subprocess.DEVNULL)
    client = NoWorkers()
    executor = DaskExecutor(client, SlurmJobs(Cluster("1", None)))
    for _ in range(20):
        executor._watch()
    assert len(caplog.messages) == 5  # after 1, 2, 4, 8 and 16 intervals
    assert caplog.messages[0].endswith("waiting for one, job 1 is PENDING (Priority)")
    client.workers = {"tcp://here": 1}
    executor._watch()
    client.workers = {}
    executor._watch()
    assert len(caplog.messages) == 6


def test_a_batch_goes_on_waiting_while_slurm_does_not_answer(slurm, caplog):
    (slurm / "silent").touch()
    executor = DaskExecutor(NoWorkers(), SlurmJobs(Cluster("1")))
    for _ in range(3):
        executor._watch()
    assert "squeue does not answer: Unable to contact slurm controller" in caplog.messages
    (slurm / "silent").unlink()
    with pytest.raises(WorkerDiedError, match=r"all jobs of SLURM have ended \(1\)"):
        executor._watch()


def test_a_running_cluster_without_workers_is_told(caplog):
    executor = DaskExecutor(NoWorkers())
    executor._watch()
    executor._watch()
    assert caplog.messages == ["the cluster has no workers yet, or no more; waiting for one"] * 2


@pytest.mark.slow
def test_a_terminated_program_cancels_its_jobs_and_can_be_resumed(settings_of, slurm):
    (slurm / "waits").touch()
    path = slurm / "crab.yaml"
    path.write_text(settings_of(targets=[MAP]).to_yaml())
    command = [sys.executable, "-m", "lightpool", "reduce", str(path), "--cluster", "slurm:2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 120
    while len(list(slurm.glob("*.pid"))) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    state = Path(settings_of().output.folder) / "state" / "plan.json"
    while not state.exists() and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "use --resume to continue" in output
    assert sorted((slurm / "cancelled").read_text().split()) == ["1", "2"]
