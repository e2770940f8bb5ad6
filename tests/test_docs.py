"""The snippets of the documentation run, each page from top to bottom."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import blocks_of

import lightpool

DOCS = Path(__file__).parents[1] / "docs"
SOURCE = Path(lightpool.__file__).parent


def program_of(page):
    """Give the Python of a page on the lines where it stands, without blocks that need what is not installed."""
    text = page.read_text()
    lines = [""] * text.count("\n")
    for block in blocks_of(text):
        needed = re.match(r"# needs: (\w+)", block.text)
        if block.language == "python" and not (needed and find_spec(needed[1]) is None):
            lines[block.line - 1 : block.line - 1 + block.text.count("\n")] = block.text.splitlines()
    return "\n".join(lines)


@pytest.mark.parametrize("page", ["devices.md", "interchange.md", "memory.md", "precision.md"])
def test_snippets_of_a_page_run_one_after_the_other(page):
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, "-c", program_of(DOCS / "explanation" / page)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_module_that_reads_an_array_back_is_named_in_the_page_about_devices():
    page = (DOCS / "explanation/devices.md").read_text()
    reading = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if "to_host(" in path.read_text() and path.relative_to(SOURCE).parts[0] != "plot"
    }
    doors = {"devices/devices.py", "devices/transfers.py", "devices/pending_numbers.py"}
    doors |= {"installation.py"}  # which looks at the devices themselves
    missing = {name for name in reading if name not in page} - {f"arrays/{name}" for name in doors}
    assert not missing


ROOT = DOCS.parent
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(("venv", ".", "_build")) for part in page.relative_to(ROOT).parts)
)


def anchors_of(page):
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_page_lead_to_files_and_headings(page):
    missing = []
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        other = (page.parent / name) if name else page
        if not other.exists() or (anchor and anchor not in anchors_of(other)):
            missing.append(target)
    assert missing == []
