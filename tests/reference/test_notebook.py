"""The user's notebook runs on every device and prints the figures of Gammapy."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.reference


def test_the_notebook_prints_the_same_figures_on_every_device(backend, shared):
    script = shared / "acceptance" / "notebook.py"
    command = [sys.executable, str(script), "--data", str(shared / "data"), "--device", backend.device.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "notebook: 10 of 10"
