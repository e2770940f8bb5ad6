"""Tables with much text in three columns or more are one column on narrow screens.

They get the class ``stacked``, and each cell the title of its column: `_static/site.css` shows it on such screens only.
"""

from html import escape

from docutils import nodes
from sphinx.application import Sphinx

MANY = 80
"""Characters of a cell; tables of numbers, which have fewer in all cells, stay as they are."""


def stack(app: Sphinx, doctree: nodes.document) -> None:
    """Mark the tables of a page."""
    del app
    for table in doctree.findall(nodes.table):
        rows = [list(row.findall(nodes.entry)) for row in table.findall(nodes.row)]
        titles = [entry.astext() for entry in rows[0]] if any(table.findall(nodes.thead)) else []
        longest = max((len(entry.astext()) for row in rows for entry in row), default=0)
        if len(titles) < 3 or longest < MANY:
            continue
        table["classes"].append("stacked")
        for row in rows[1:]:
            for title, entry in zip(titles, row, strict=False):
                add_title(entry, title)


def add_title(entry: nodes.entry, title: str) -> None:
    """Put the title of its column before the text of a cell, as an attribute, which is neither searched nor copied."""
    text = next(iter(entry.findall(nodes.paragraph)), None)
    if title and text is not None and text.children:
        text.insert(0, nodes.raw("", f'<span class="column" data-title="{escape(title)}"></span>', format="html"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Mark the tables of pages when they are read."""
    app.connect("doctree-read", stack)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
