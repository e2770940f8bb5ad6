"""The files in changes/ make a section of the changelog at a release."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAGMENTS = sorted(path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md")


def test_a_change_is_named_by_its_number_and_kind_and_says_something():
    for path in FRAGMENTS:  # there are none after a release, and on CI an empty parameter set fails
        assert re.fullmatch(r"\d+(-[\w-]+)?\.(feature|fix|removal)\.md", path.name), path.name
        assert len(path.read_text(encoding="utf-8").split()) >= 3, path.name


@pytest.mark.slow
def test_the_section_of_a_release_has_each_change_once_below_its_kind():
    pytest.importorskip("towncrier")
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "1.2.3", "--date", "2030-01-02"]
    draft = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert draft.startswith("## 1.2.3 (2030-01-02)\n")
    kinds = {"removal": "Removed or changed", "feature": "New", "fix": "Corrected"}
    sections = {re.match("[^:\n]*", part)[0]: " ".join(part.split()) for part in draft.split("\n### ")[1:]}
    assert set(sections) == {kinds[path.suffixes[-2][1:]] for path in FRAGMENTS}
    for path in FRAGMENTS:
        text = " ".join(path.read_text().split()).removeprefix("- ")
        assert f"- {text} " in sections[kinds[path.suffixes[-2][1:]]] + " ", path.name
        assert draft.count(path.read_text().strip().splitlines()[-1]) == 1
