"""Every tutorial runs without real data, on the simulated runs that the package makes in their place."""

import os
import re
import sys
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

TUTORIALS = Path(__file__).parents[2] / "docs/tutorials"
PAGES = sorted(page.stem for page in TUTORIALS.glob("*.md") if page.stem != "index")
CELL = re.compile(r"^```\{code-cell\} ipython3\n(?P<options>(:[^\n]*\n)*)(?P<code>.*?)^```$", flags=re.M | re.S)


def notebook_of(page):
    cells = [nbformat.v4.new_code_cell(cell["code"].strip()) for cell in CELL.finditer(page.read_text())]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_tutorial_runs_on_simulated_data(name, tmp_path, monkeypatch):
    for variable in ("LIGHTPOOL_DATA", "GAMMAPY_DATA", "MPLBACKEND"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MATPLOTLIBRC", str(TUTORIALS / "matplotlibrc"))
    # the commands of the page about batches are those of the environment of this test
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = notebook_of(TUTORIALS / f"{name}.md")
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    printed = "".join(output.get("text", "") for output in outputs)
    assert printed.count("Simulated data") == 1
    assert "Real data" not in printed
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 1
    assert not re.search(r"Traceback|\bnan standard", printed)


def test_the_index_names_each_tutorial_with_a_picture():
    index = (TUTORIALS / "index.md").read_text()
    for name in PAGES:
        assert f"({name}.md): " in index
        assert f"\n{name}\n" in index, "it is not in the toctree"
        assert (TUTORIALS / f"thumbnails/{name}.png").stat().st_size < 40_000
