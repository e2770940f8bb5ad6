"""The jobs of gammapy-benchmarks give the same datasets with both packages, on simulated runs."""

import sys
from pathlib import Path

import pytest
from astropy.table import Table

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def jobs(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gammapy_benchmarks

    yield gammapy_benchmarks
    for name in ("peer", "gammapy_benchmarks"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["Analysis3D", "Spectrum1D", "RingBackground", "ReductionLST1"])
def test_both_packages_reduce_the_same(jobs, tmp_path, name, monkeypatch):
    monkeypatch.setattr(jobs.Analysis3D, "binsz", 0.2)
    kind = jobs.JOBS[name]
    store = jobs.store_for(kind, {kind.source: None}, 2, tmp_path)
    ours, theirs = (jobs.sums_of(kind(package, store).reduce()) for package in jobs.PACKAGES)
    assert sum(ours["counts"]) > 0
    jobs.require_same(ours, theirs)


def test_a_difference_is_found(jobs):
    with pytest.raises(AssertionError, match="exposure"):
        jobs.require_same({"counts": [5.0], "exposure": [1.0]}, {"counts": [5.0], "exposure": [1.1]})
    with pytest.raises(AssertionError, match="counts"):
        jobs.require_same({"counts": [5.0]}, {"counts": [6.0]})


def test_copies_of_runs_have_numbers_and_files_of_their_own(jobs, crab_store, tmp_path):
    store = jobs.copied_runs(crab_store, [2, 3], 5, tmp_path / "copies")
    index = Table.read(store / "hdu-index.fits.gz")
    events = [row for row in index if str(row["HDU_TYPE"]).strip() == "events"]
    assert [row["OBS_ID"] for row in events] == [1, 2, 3, 4, 5]
    assert len({row["FILE_NAME"] for row in events}) == 5
    from lightpool.data import DataStore

    runs = DataStore.from_dir(store).get_observations()
    assert [run.obs_id for run in runs] == [1, 2, 3, 4, 5]
    assert len(runs[0].events.table) == len(runs[2].events.table)
    assert runs[0].aeff is not None
