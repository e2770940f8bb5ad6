"""docs/explanation/gammapy.md: its lines run, and its report is the one of its script."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import blocks_of

from lightpool.gammapy.acceleration.take_over import TAKE_OVERS

PAGE = (Path(__file__).parents[2] / "docs/explanation/gammapy.md").read_text()
BLOCKS = blocks_of(PAGE)


def blocks(language, named=False):
    return [block.text for block in BLOCKS if block.language == language and (block.mark == "file") == named]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, crab_store):
    """The current folder of the page."""
    found = tmp_path_factory.mktemp("page")
    (found / "dl3").symlink_to(crab_store)
    return found


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done


def rows(report):
    """Methods with their numbers of calls, and the notes; without the times."""
    table = re.findall(r"^([A-Z]\w+\.\w+) +(\d+) +(\d+) +[\d.]+ +[\d.]+$", report, flags=re.M)
    return table, re.findall(r"^    (.*)$", report, flags=re.M)


def test_the_lines_of_the_page_run_one_after_the_other(folder):
    program = "\n".join([*blocks("python"), "print(result.success, len(points.to_table()))"])
    assert run(folder, "-c", program).stdout.split() == ["True", "3"]


def test_the_page_names_all_methods_that_are_taken_over():
    assert [each.what for each in TAKE_OVERS if f"`{each.what}`" not in PAGE] == []


def test_the_report_in_the_page_is_that_of_its_script(folder):
    (script,), (report,) = blocks("python", named=True), blocks("text")
    (folder / "loop.py").write_text(script)
    done = run(folder, "-m", "lightpool.gammapy", "--report", "loop.py")
    assert rows(done.stderr) == rows(report)
    assert len(rows(report)[0]) == 6
    assert float(done.stdout.split()[-1]) > 10
