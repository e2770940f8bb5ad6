"""What earlier reductions left in a folder: it goes when there are new results, and nothing else does."""

import json
from pathlib import Path

import pytest
from small_reductions import MAP, SPECTRUM, bits_of

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution.chunk import run_chunk
from lightpool.batch.storage.folder import BatchFolder
from lightpool.report import write_report

BY_ZENITH = {"name": "zenith", "by": "observations", "expression": "OBS_ID", "edges": [1, 4, 7]}
FOREIGN = ("notes.txt", "crab-zenith-mine.fits", "pha_mine.fits")


def files_in(folder: Path) -> list[str]:
    """FITS files of a folder and those below."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.fits*"))


@pytest.fixture
def begun(settings_of):
    """A folder with results of two groups and two targets, and with files of somebody else."""
    settings = settings_of(targets=[MAP, SPECTRUM], groups=[{"name": "all"}, BY_ZENITH], output={"observations": True})
    folder = run_batch(make_plan(settings)).folder
    for name in FOREIGN:
        (folder / name).write_text("mine")
    return folder


@pytest.mark.slow
def test_files_that_a_restart_does_not_write_are_removed(settings_of, begun):
    assert "pha_spectrum-zenith-4-7_arf.fits" in files_in(begun)
    result = run_batch(make_plan(settings_of(observations={"obs_ids": [1, 2]})), restart=True)
    assert files_in(begun) == ["crab-zenith-mine.fits", "crab.fits", "pha_mine.fits"]
    assert all((begun / name).read_text() == "mine" for name in FOREIGN)
    assert len(list((begun / "state" / "chunks").iterdir())) == 2
    assert bits_of_ours(result) == bits_of(
        run_batch(make_plan(settings_of("x", observations={"obs_ids": [1, 2]}))).folder
    )


def bits_of_ours(result):
    for name in FOREIGN:
        (result.folder / name).unlink()
    return bits_of(result.folder)


@pytest.mark.slow
def test_files_and_chunks_that_a_resume_with_fewer_runs_does_not_need_are_removed(settings_of, begun):
    options = {"targets": [MAP, SPECTRUM], "groups": [{"name": "all"}, BY_ZENITH], "output": {"observations": True}}
    settings = settings_of(observations={"obs_ids": [1, 2, 3]}, **options)
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_reused == 1
    found = files_in(begun)
    assert not any("4-7" in name for name in found)
    assert {name.split("/")[1] for name in found if name.startswith("observations/") and "crab" in name} == {
        "1-crab.fits",
        "2-crab.fits",
        "3-crab.fits",
    }
    chunks = BatchFolder(begun).chunks
    assert sorted({json.loads(path.read_text())["obs_ids"][0] for path in chunks.glob("*.json")}) == [1, 3]
    assert len(list(chunks.iterdir())) == 4


@pytest.mark.slow
def test_results_stay_until_there_are_new_ones_and_a_report_does_not_take_them_for_those(settings_of, begun):
    class Stopped:
        def run(self, tasks):
            yield run_chunk(tasks[0])
            raise KeyboardInterrupt

    settings, before = settings_of(), files_in(begun)
    with pytest.raises(KeyboardInterrupt):
        run_batch(make_plan(settings), Stopped(), restart=True)
    assert set(before) <= set(files_in(begun))
    assert "No results have been written yet." in write_report(begun).read_text()
    run_batch(plan_to_resume(settings), resume=True)
    assert files_in(begun) == ["crab-zenith-mine.fits", "crab.fits", "pha_mine.fits"]
    assert ">crab</h3>" in write_report(begun).read_text()


@pytest.mark.slow
def test_datasets_of_observations_that_are_asked_for_later_are_written(settings_of, caplog):
    first = run_batch(make_plan(settings_of()))
    bits = bits_of(first.folder)
    for compress, ending in ((False, ".fits"), (True, ".fits.gz")):
        settings = settings_of(output={"observations": True, "compress": compress})
        caplog.clear()
        result = run_batch(plan_to_resume(settings), resume=True)
        assert result.n_reused == 0
        assert "the datasets of single observations are requested but missing" in caplog.text
        names = sorted(path.name for path in (result.folder / "observations").iterdir())
        assert names == [f"{number}-crab{ending}" for number in range(1, 7)]
        assert run_batch(plan_to_resume(settings), resume=True).n_reused == 3
        if not compress:
            assert bits_of(result.folder) == bits
    (result.folder / "observations" / "3-crab.fits.gz").unlink()
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 2


def test_what_a_killed_worker_began_to_write_is_removed_everywhere(settings_of):
    folder = Path(settings_of().output.folder)
    parts = [folder / name / ".1-crab.fits.0a1b.part" for name in ("", "observations", "state", "state/chunks")]
    for part in parts:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("half of it")
    run_batch(make_plan(settings_of(observations={"obs_ids": [1]})))
    assert [part for part in parts if part.exists()] == []
    assert not (folder / "observations").exists()
