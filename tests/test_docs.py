"""The snippets of the documentation run, each page from top to bottom."""

import re
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import blocks_of

import lightpool
from lightpool.cli import main

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


def names_in_the_code_of(pages):
    """What stands between backticks in pages, with the page."""
    return {(page, name) for page in pages for name in re.findall(r"`([^`\n]+)`", page.read_text())}


def test_each_test_and_file_that_a_page_names_is_there():
    tests = {name for path in ROOT.glob("tests/**/*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    file_name = re.compile(r"(?:benchmarks|examples|recipe|tests|\.ci|\.github)/[\w./-]*\w\.\w+")
    missing = []
    for page, name in names_in_the_code_of(PAGES):
        is_test = re.fullmatch(r"test_\w+", name)
        if (is_test and name not in tests) or (file_name.fullmatch(name) and not (ROOT / name).exists()):
            missing.append((page.name, name))
    assert missing == []


def test_each_command_of_a_page_has_the_options_that_stand_with_it():
    missing = []
    for page in PAGES:
        for name, rest in re.findall(r"(?<![\w./-])lightpool (\w+)([^`\n]*)", page.read_text()):
            if name in main.commands:
                has = {option for each in main.commands[name].params for option in (*each.opts, *each.secondary_opts)}
                options = re.findall(r"(?<=\s)--?[a-zA-Z][\w-]*", re.split(r" #|[|&;(]", rest)[0])
                missing += [(page.name, name, option) for option in {*options} - has - {"--help"}]
    assert missing == []


def test_the_table_of_environment_variables_has_those_that_the_package_reads():
    table = (DOCS / "reference/command_line.md").read_text().partition("## Environment variables")[2]
    found = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", table, flags=re.M)))
    text = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    assert sorted(found) == sorted({*re.findall(r'"(LIGHTPOOL_\w+)"', text), "GAMMAPY_DATA"})


def test_the_speed_on_the_pages_is_that_of_the_stored_measurements(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import bars

    monkeypatch.delitem(sys.modules, "bars")
    speed, readme = ((ROOT / name).read_text() for name in ("docs/performance/speed.md", "README.md"))
    rows = re.findall(r"^\| (.*) \| \*\*(.*?) x\*\*(?: Gammapy)? \((.*) to (.*)\) \|", speed, flags=re.M)
    jobs = list(bars.jobs_of(bars.latest_results()).values())
    assert len(rows) == len(jobs) == 6
    in_readme = []
    for (title, *ratios), job in zip(rows, jobs, strict=True):
        median = statistics.median(job.ratios)
        digits = 1 if median < 10 else 0
        assert ratios == [f"{each:.{digits}f}" for each in (median, min(job.ratios), max(job.ratios))], title
        assert bars.in_words(job.lightpool) in title
        in_readme.append(f"{median:.0f}")
    alt = readme[readme.index("Speed relative to Gammapy") :].partition('"')[0]
    assert re.findall(r"(\d+) (?:for|with)", alt) == in_readme[:5]
    assert f"{bars.in_words(jobs[0].lightpool)} for a run" in readme
    assert f"Gammapy needs {bars.in_words(jobs[0].gammapy)}" in readme
