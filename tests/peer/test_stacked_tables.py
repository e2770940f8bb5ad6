"""Tables of the pages that are one column on narrow screens."""

import sys
from pathlib import Path

import pytest

core = pytest.importorskip("docutils.core")
EXTENSIONS = Path(__file__).parents[2] / "docs/_extensions"
LONG = "a text that is longer than a line of a phone, so that three columns of it would be as narrow as words"


@pytest.fixture
def stacked_tables(monkeypatch):
    """The extension of the site."""
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    import stacked_tables

    yield stacked_tables
    sys.modules.pop("stacked_tables", None)


def page(*rows):
    """A page with a table of these rows, of which the first has the titles."""
    lines = [f"   {'*' if i == 0 else ' '} - {cell}".rstrip() for row in rows for i, cell in enumerate(row)]
    return core.publish_doctree(".. list-table::\n   :header-rows: 1\n\n" + "\n".join(lines) + "\n")


def cells_of(doctree):
    return [entry.pformat() for entry in doctree.findall(lambda node: node.tagname == "entry")]


def test_cells_of_a_table_with_much_text_have_the_titles_of_their_columns(stacked_tables):
    doctree = page(["key", "a < b", "meaning"], ["x", "1", LONG], ["y", "", "short"])
    stacked_tables.stack(None, doctree)
    (table,) = doctree.findall(lambda node: node.tagname == "table")
    assert "stacked" in table["classes"]
    titles = [cell.count("data-title") for cell in cells_of(doctree)]
    assert titles == [0, 0, 0, 1, 1, 1, 1, 0, 1]  # not in the row of titles, nor in an empty cell
    assert 'data-title="a &lt; b"' in cells_of(doctree)[4]


@pytest.mark.parametrize("rows", [[["a", "b"], ["x", LONG]], [["a", "b", "c"], ["1", "2", "3"]]])
def test_tables_of_two_columns_or_of_numbers_stay_as_they_are(stacked_tables, rows):
    doctree = page(*rows)
    before = doctree.pformat()
    stacked_tables.stack(None, doctree)
    assert doctree.pformat() == before
