"""How a reduction ends that cannot go on: one line that says what to do, an exit code, and no trace of its workers."""

import errno
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small_reductions import MAP

from lightpool.batch import make_plan, run_batch
from lightpool.batch.storage.files import write_aside
from lightpool.cli import main
from lightpool.fits import HDUList, ImageHDU, PrimaryHDU, write_fits


@pytest.fixture
def reduce(settings_of, tmp_path):
    """Run ``lightpool reduce`` on some sections of the settings, with some options."""

    def run(*options, change=lambda text: text, **sections):
        (tmp_path / "crab.yaml").write_text(change(settings_of(**sections).to_yaml()))
        return CliRunner().invoke(main, ["reduce", str(tmp_path / "crab.yaml"), *options])

    return run


def test_an_unknown_device_is_a_wrong_setting(reduce, tmp_path):
    for done in (reduce("--device", "gpu"), reduce(change=lambda text: text.replace("device: cpu", "device: gpu"))):
        assert done.exit_code == 2
        assert "run.device: device 'gpu' is not known" in re.sub(r"\s+", " ", done.output)
    assert not (tmp_path / "out").exists()


def test_a_device_that_is_not_there_is_told_before_anything_is_done(reduce, tmp_path):
    done = reduce("--device", "cuda:99")
    assert done.exit_code == 2
    assert "run.device: device 'cuda:99'" in done.output
    assert not (tmp_path / "out").exists()


def test_a_thousand_million_bins_are_a_wrong_setting(reduce):
    done = reduce(change=lambda text: text.replace("nbin: 3", "nbin: 1000000000"))
    assert done.exit_code == 2
    assert "less than or equal to 100000" in done.output


def test_too_little_memory_is_one_line(reduce, monkeypatch):
    def run_batch(*args, **kwargs):
        raise MemoryError("Unable to allocate 7.45 GiB")

    monkeypatch.setattr("lightpool.batch.run_batch", run_batch)
    done = reduce()
    assert (done.exit_code, done.output) == (1, "Error: out of memory: Unable to allocate 7.45 GiB\n")


def test_a_folder_that_holds_a_reduction_is_a_wrong_argument(reduce, settings_of):
    run_batch(make_plan(settings_of()))
    done = reduce()
    assert done.exit_code == 2
    assert "use --resume to continue it, or --restart to discard it" in done.output
    done = reduce("--resume", targets=[MAP | {"width": "3 deg"}])
    assert done.exit_code == 2
    assert "has different settings" in done.output


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    def full(path):
        with write_aside(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"No space left on device: '.*sums.zip'"):
        full(tmp_path / "sums.zip")
    hdus = HDUList([PrimaryHDU(), ImageHDU(np.zeros(100_000))])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"map.fits cannot be written .*; is the disk full"):
            write_fits(hdus, tmp_path / "map.fits")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_workers_end_without_a_trace_when_their_parent_is_ended(settings_of, tmp_path, sent, code):
    settings = settings_of(targets=[MAP | {"binsz": "0.01 deg"}], run={"chunk_size": 1})
    (tmp_path / "crab.yaml").write_text(settings.to_yaml())
    command = [sys.executable, "-m", "lightpool", "reduce", str(tmp_path / "crab.yaml"), "-n", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    chunks = Path(settings.output.folder) / "state" / "chunks"
    while not list(chunks.glob("*.json")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(sent)
    _, told = process.communicate(timeout=60)  # until the workers, which have the same pipes, have ended too
    assert process.returncode == code
    assert "Traceback" not in told
    assert "BrokenPipe" not in told
