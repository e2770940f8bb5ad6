"""The snippets of the documentation run, each page from top to bottom."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def program_of(page):
    """Give the Python of a page on the lines where it stands, without blocks that need what is not installed."""

    def blank(match):
        code = match["code"] or ""
        needed = re.match(r"# needs: (\w+)", code)
        if not code or (needed and find_spec(needed[1]) is None):
            return "\n" * match[0].count("\n")
        return "\n" + code + "\n"

    return re.sub(r"^```python\n(?P<code>.*?)^```\n|^[^\n]*\n", blank, page.read_text(), flags=re.M | re.S)


@pytest.mark.parametrize("page", ["interchange.md", "precision.md"])
def test_snippets_of_a_page_run_one_after_the_other(page):
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", program_of(DOCS / page)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
