"""The benchmark of devices runs through, on small maps; a section that fails leaves the others alone."""

import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from lightpool.data import DataStore
from lightpool.simulate import simulate_store

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    """The script, on maps of 20 x 20 pixels and without the tests."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    plain = gpu.jobs.simulate_field
    monkeypatch.setattr(gpu.jobs, "simulate_field", lambda folder: replace(plain(folder), binsz=0.25, n_energy_true=6))
    monkeypatch.setattr(gpu.jobs, "simulate_runs", lambda folder, n: few_runs(folder / "few", n))
    monkeypatch.setattr(gpu, "run_pytest", lambda session, marks, place: pytest_result(marks))
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)  # Gammapy takes its time
    yield gpu
    for name in ("gpu", "gpu_jobs", "gpu_report", "device_clock", "backends", "peer"):
        sys.modules.pop(name, None)


def few_runs(folder, n):
    return DataStore.from_dir(simulate_store(folder, n, ontime=100.0)).get_observations()


def pytest_result(marks):
    return {"ended": "exit status 0", "s": 1.0, "counts": {"passed": 3}, "failures": [], "tail": " ".join(marks)}


def results_of(gpu, folder, devices):
    args = Namespace(devices=devices, output=folder, quick=True, runs=6, minutes=1.0, data=None)
    session = gpu.Session(args, folder)
    gpu.measure(session)
    found = json.loads(next(folder.glob("*-no-gpu.json")).read_text())
    return found, next(folder.glob("*-no-gpu.md")).read_text()


@pytest.mark.slow
def test_all_sections_are_measured_on_each_device(gpu, tmp_path):
    pytest.importorskip("torch")
    devices = ["cpu", "torch"]
    results, page = results_of(gpu, tmp_path, devices)
    assert results["errors"] == {}
    for section in ("copies", "main job", "stages", "long job"):
        assert list(results[section]) == devices
    assert results["main job"]["cpu"]["counts"] == results["main job"]["torch"]["counts"] > 0
    assert max(results["main job"]["torch"]["differences"].values()) < 1e-9
    assert results["main job"]["torch"]["crossed a run"]["to the device"]["arrays"] > 0
    assert results["long job"]["cpu"]["counts"] == results["long job"]["torch"]["counts"] > 0
    assert results["long job"]["cpu"]["runs"] == 6
    assert results["tests"]["arrays"]["tail"] == "-m not gpu -k cpu or torch"
    assert "There was no GPU" in page
    for title in ("Main job", "Stages", "Long job", "Copies", "Reading runs", "Tests"):
        assert f"## {title}" in page


@pytest.mark.slow
def test_a_section_that_fails_is_named_and_the_others_go_on(gpu, tmp_path, monkeypatch):
    def fail(field, device):
        raise RuntimeError("the clocks stopped")

    monkeypatch.setattr(gpu.jobs, "stage_times", fail)
    results, page = results_of(gpu, tmp_path, ["cpu"])
    assert list(results["errors"]) == ["stages: cpu"]
    assert "- stages: cpu: `RuntimeError: the clocks stopped`" in page
    assert results["long job"]["cpu"]["counts"] > 0
