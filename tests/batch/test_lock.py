"""One reduction at a time in a folder, and none is kept out by one that was killed."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_reductions import bits_of

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.storage.lock import locked
from lightpool.batch.storage.partial_stack import PartialStack
from lightpool.cli import main
from lightpool.errors import FolderInUseError

HOLDER = """
import sys
from pathlib import Path
from lightpool.batch.storage.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(settings_of):
    """Another process that works in the folder."""
    lock = Path(settings_of().output.folder) / "state" / "lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_second_reduction_in_a_folder_is_refused_until_the_first_is_killed(settings_of, holder):
    settings = settings_of(observations={"obs_ids": [1, 2]})
    for options in ({}, {"resume": True}, {"restart": True}):
        with pytest.raises(FolderInUseError, match=rf"another reduction is running in .*out \(process {holder.pid} on"):
            run_batch(make_plan(settings), **options)
    assert [path.name for path in (Path(settings.output.folder) / "state").iterdir()] == ["lock"]
    holder.kill()
    holder.wait()
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_failed == 0
    bits = bits_of(result.folder)
    assert bits_of(run_batch(make_plan(settings), restart=True).folder) == bits


@pytest.mark.slow
def test_a_folder_in_use_has_an_exit_code_of_its_own(settings_of, holder, tmp_path):
    (tmp_path / "crab.yaml").write_text(settings_of().to_yaml())
    done = CliRunner().invoke(main, ["reduce", str(tmp_path / "crab.yaml")])
    assert done.exit_code == 5
    assert "Error: another reduction is running in" in done.output


def test_the_lock_is_free_again_after_a_failure(tmp_path):
    with pytest.raises(ValueError, match="bad"), locked(tmp_path / "lock"):
        raise ValueError("bad")
    with locked(tmp_path / "lock"):
        pass


def test_the_same_sums_are_the_same_bytes_whenever_they_are_saved(settings_of, monkeypatch, tmp_path):
    """A worker that outlives a kill for a moment may write a chunk once more."""
    partial = PartialStack(settings_of())
    partial.save(tmp_path / "now")
    monkeypatch.setattr("time.localtime", lambda *args: (2030, 1, 2, 3, 4, 6, 0, 0, 0))
    partial.save(tmp_path / "later")
    assert (tmp_path / "now").read_bytes() == (tmp_path / "later").read_bytes()
