"""All libraries give the numbers of NumPy, map by map, in the jobs of `benchmarks/backends.py`."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "backends.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("benchmark_of_backends", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for it there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def field(script, crab_store):
    return script.Field(crab_store, runs=(1, 2, 3, 4, 5, 6), binsz=0.1, n_energy=5, n_energy_true=8)


@pytest.fixture(scope="module")
def expected(script, field):
    return script.results_on("cpu", "double", field)


@pytest.mark.slow
def test_every_library_gives_the_same_maps_in_double_precision(backend, script, field, expected):
    results = script.results_on(backend.device.name, "double", field)
    assert {job: set(maps) for job, maps in results.items()} == {job: set(maps) for job, maps in expected.items()}
    for job, maps in expected.items():
        for name, reference in maps.items():
            values = results[job][name]
            assert values.dtype == reference.dtype, (job, name)
            if script.is_counted(name, reference):
                np.testing.assert_array_equal(values, reference, err_msg=f"{job}, {name}")
            if name == "sqrt_ts":  # near zero the root of 1e-16 is 1e-8
                values, reference = values * abs(values), reference * abs(reference)
            assert script.deviation(values, reference, floor=script.floor_of(name)) < 1e-9, (job, name)


def test_the_jobs_reach_all_that_they_compare(expected):
    assert set(expected["stacked maps"]) == {
        "counts", "background", "exposure", "psf", "exposure of psf", "edisp", "exposure of edisp", "mask_safe",
    }  # fmt: skip
    assert {"counts_off", "acceptance", "acceptance_off"} <= set(expected["ring background"])
    assert {"ts", "sqrt_ts", "npred_excess", "npred_excess_ul", "alpha"} <= set(expected["excess maps"])
    assert {"counts_off", "exposure", "edisp"} <= set(expected["stacked spectrum"])
    for job, maps in expected.items():
        for name, values in maps.items():
            assert np.any(values != 0), (job, name)


def test_a_deviation_is_relative_to_the_larger_value_or_to_the_floor(script):
    assert script.deviation([1.0, np.nan, np.inf, 0.0], [1.0, np.nan, np.inf, 0.0]) == 0
    assert script.deviation([2.0, 8.0], [2.0, 10.0]) == pytest.approx(0.2)
    assert script.deviation([1e-9], [0.0]) == 1
    assert script.deviation([1e-9], [0.0], floor=1.0) == 1e-9
    assert script.deviation([np.nan], [1.0]) == script.deviation([np.inf], [1.0]) == np.inf


@pytest.mark.slow
def test_the_page_gets_a_row_for_each_map(script, field, tmp_path, monkeypatch):
    page = tmp_path / "backends.md"
    page.write_text("before\n" + "\nold\n".join(script.MARKS) + "\nafter\n")
    monkeypatch.setattr(script, "Field", lambda data: field)
    monkeypatch.setattr(
        sys, "argv", ["backends.py", "--data", str(field.data), "--devices", "cpu", "--page", str(page)]
    )
    assert script.main() == 0
    lines = page.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert "old" not in lines
    assert "| job | map | single cpu |" in lines
    assert "| stacked maps | counts | 0 bins |" in lines
