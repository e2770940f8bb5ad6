"""The pages in docs/how_to run from top to bottom in this environment; .ci/nightly runs them in fresh ones."""

import sys
from importlib.util import find_spec

import pytest
from pages import HOW_TO, check_here, modules_of

PAGES = [page for page in HOW_TO if "gammapy" not in modules_of(page.read_text())]  # those are in tests/peer


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the commands of the pages are for bash")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_from_its_text_alone_and_shows_the_outputs(page, tmp_path):
    for name in modules_of(page.read_text()):
        if find_spec(name) is None:
            pytest.skip(f"{name.capitalize()} is not installed")
    check_here(page, tmp_path)
