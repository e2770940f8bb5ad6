"""The pages in docs/how_to, and the one to get started, run from top to bottom; .ci/nightly uses fresh environments."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import HOW_TO, Reader, check_here, modules_of

PAGES = [page for page in HOW_TO if "gammapy" not in modules_of(page.read_text())]  # those are in tests/peer


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the commands of the pages are for bash")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_from_its_text_alone_and_shows_the_outputs(page, tmp_path):
    for name in modules_of(page.read_text()):
        if find_spec(name) is None:
            pytest.skip(f"{name.capitalize()} is not installed")
    check_here(page, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the commands of the pages are for bash")
def test_the_page_to_get_started_runs_once_the_template_names_the_data(tmp_path):
    for name in ("jinja2", "matplotlib"):
        pytest.importorskip(name)
    page = HOW_TO[0].parents[1] / "get_started.md"
    edit = "sed -i.old 's#datastore: hess-dl3-dr1 #datastore: lightpool-demo/dl3 #' crab.yaml"
    typed = {"lightpool plan": f"{edit}\nlightpool plan", "--workers 8": "--workers 2"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    Reader(tmp_path, os.environ | {"PATH": path}, replaced=typed).read(page.read_text(), page.name)
    written = ("lightpool-demo/maps.png", "crab.fits.gz", "quicklook-crab/report.html", "quicklook-crab/settings.yaml")
    assert all((tmp_path / name).is_file() for name in (*written, "crab/crab.fits.gz", "crab/report.html"))
