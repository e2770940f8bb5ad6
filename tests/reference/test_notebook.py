"""The user's notebook runs on every device, in both precisions, and prints the figures of Gammapy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.reference


@pytest.mark.parametrize("precision", ["double", "single"])
def test_the_notebook_prints_the_same_figures_on_every_device(backend, shared, precision):
    if backend.is_stand_in and precision == "single":
        pytest.skip("kernels on the host take minutes for it, and simulated runs have gone through them")
    script = shared / "acceptance" / "notebook.py"
    python = [sys.executable, "-m", "cuda_on_host"] if backend.is_stand_in else [sys.executable]
    command = [*python, str(script), "--data", str(shared / "data"), "--device", backend.device.name]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "LIGHTPOOL_PRECISION": precision}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "notebook: 10 of 10"
