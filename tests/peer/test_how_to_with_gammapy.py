"""The pages in docs/how_to that use Gammapy too run from top to bottom."""

import pytest
from pages import HOW_TO, check_here, modules_of

PAGES = [page for page in HOW_TO if "gammapy" in modules_of(page.read_text(), optional=True)]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_from_its_text_alone_and_shows_the_outputs(page, tmp_path):
    check_here(page, tmp_path)
