"""What notebooks show of an object: building blocks of HTML that escape all text.

A class that is shown derives from `ShownInNotebooks` and describes itself by a `Card`: a line of facts, and sections
that can be opened. `Card` turns that into HTML that needs neither scripts nor other files, takes its colours from the
page around it, and never raises an error.
"""

import base64
import dataclasses
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any, TypeVar

from lightpool.utils.html_style import STYLE
from lightpool.utils.text import printable

__all__ = [
    "MAX_ROWS",
    "PIXEL_RATIO",
    "Card",
    "Html",
    "Picture",
    "Section",
    "ShownInNotebooks",
    "escaped",
    "fields",
    "grid",
    "listed",
    "nested",
    "note",
    "pictures",
    "preformatted",
    "shown",
    "times",
]

MAX_ROWS = 20
"""Rows of a table that are shown; the others are counted."""

PIXEL_RATIO = 1.5
"""Pixels of a plot for each pixel of the page, so that it is sharp on fine screens."""

_MAX_FIELDS = 100
"""Names and values of one table that are shown."""

_LONG = 40
"""Characters of a cell that is broken into lines."""

_MAX_TEXT = 400
"""Characters of one text that are shown."""

T = TypeVar("T")


class Html(str):
    """Text that is HTML already. Any other text is escaped where it becomes a part of HTML."""

    __slots__ = ()


def escaped(value: object) -> Html:
    """Return a value as HTML: itself if it is HTML already, else its text, escaped and not longer than a few lines.

    Examples
    --------
    >>> from lightpool.utils.html import escaped
    >>> escaped("Crab & <b>")
    'Crab &amp; &lt;b&gt;'
    """
    if isinstance(value, Html):
        return value
    text = str(value)
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}… ({len(text)} characters)"
    return Html(html.escape(printable(text)))


def note(text: object) -> Html:
    """Return a remark, in a less prominent style than values."""
    return Html(f'<span class="lp-note">{escaped(text)}</span>')


def preformatted(text: str) -> Html:
    """Return text with its line breaks and columns."""
    return Html(f"<pre>{html.escape(printable(text))}</pre>")


def times(numbers: Iterable[object]) -> str:
    """Return a shape in words: ``4 × 50 × 50``.

    Examples
    --------
    >>> from lightpool.utils.html import times
    >>> times((4, 50, 50))
    '4 × 50 × 50'
    """
    return " \u00d7 ".join(map(str, numbers))


def fields(rows: Mapping[str, object]) -> Html:
    """Return a table of names and values.

    Parameters
    ----------
    rows : mapping of name to value
        None leaves the row out. A function is called for the value; if that fails, the row holds the error. Of many
        rows the first are shown, and the others counted.
    """
    return Html(f'<table class="lp-fields"><tbody>{"".join(_rows(rows))}</tbody></table>')


def _rows(rows: Mapping[str, object]) -> Iterable[str]:
    for i, (name, value) in enumerate(rows.items()):
        if i == _MAX_FIELDS:
            yield f'<tr><td colspan="2">{note(f"and {len(rows) - i} more")}</td></tr>'
            return
        made = _made(value)
        if made is not None:
            yield f'<tr><th scope="row">{escaped(name)}</th><td>{made}</td></tr>'


def _made(value: object) -> Html | None:
    """Return a value, or what a function returns, as HTML; an error becomes a remark, whoever raises it."""

    def make() -> Html | None:
        made = value() if callable(value) else value
        return None if made is None else escaped(made)

    made: Html | None = _protected(make)
    return made


def listed(items: Sequence[T], make: Callable[[int, T], object]) -> Html:
    """Return several things one after the other. Of many the first are shown, and the others counted.

    Parameters
    ----------
    items : sequence
    make : function of the number and the item that returns HTML or a text
    """
    lines = [_protected(partial(_line, make, i, item)) for i, item in enumerate(items[:MAX_ROWS])]
    more = [note(f"and {len(items) - MAX_ROWS:,} more")] if len(items) > MAX_ROWS else []
    return Html("".join([*lines, *more]))


def _line(make: Callable[[int, T], object], i: int, item: T) -> Html:
    return Html(f"<div>{escaped(make(i, item))}</div>")


def grid(
    header: Sequence[str], rows: Sequence[Sequence[object]], n_total: int | None = None, most: int = MAX_ROWS
) -> Html:
    """Return a table with a header. Of many rows the first are shown, and the others counted.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of values, or of functions that return one
    n_total : int, optional
        Number of rows, if not all of them are given.
    most : int
        Number of rows that are shown.
    """
    n_total = len(rows) if n_total is None else n_total
    shown = rows[:most]
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown)
    more = ""
    if n_total > len(shown):
        more = f'<tr><td colspan="{len(header)}">{note(f"and {n_total - len(shown)} more")}</td></tr>'
    return Html(f'<table class="lp-grid"><thead><tr>{head}</tr></thead><tbody>{body}{more}</tbody></table>')


def _cell(value: object) -> str:
    text = _made(value) or ""
    return f'<td class="lp-long">{text}</td>' if len(text) > _LONG else f"<td>{text}</td>"


@dataclass(frozen=True)
class Picture:
    """A plot.

    Attributes
    ----------
    png : bytes
        Image in the format PNG.
    title : str
        What it shows.
    """

    png: bytes
    title: str = ""

    def to_html(self, text: str) -> Html:
        """Return an image inside of HTML; ``text`` is for those who do not see it."""
        words = ": ".join(each for each in (text, self.title) if each)
        width, height = (round(int.from_bytes(self.png[i : i + 4], "big") / PIXEL_RATIO) for i in (16, 20))
        source = base64.b64encode(self.png).decode("ascii")
        return Html(
            f'<img class="lp-plot dark-light" alt="{escaped(words)}" width="{width}" height="{height}" '
            f'src="data:image/png;base64,{source}">'
        )


def pictures(draw: Callable[[], Sequence[Picture]], text: str) -> Html:
    """Return plots as images inside of HTML; nothing where Matplotlib is not installed or there is nothing to draw.

    Parameters
    ----------
    draw : function that returns pictures
    text : str
        What the plots show, for those who do not see them.
    """
    if find_spec("matplotlib") is None:
        return Html("")
    return Html("".join(each.to_html(text) for each in draw()))


@dataclass(frozen=True)
class Section:
    """A part of a card that can be opened.

    Attributes
    ----------
    title : str
    content : function that returns HTML, or a value
        Called when the HTML is made; if it fails, the section holds the error, and the other sections are as usual.
        A section without content is left out.
    summary : object
        Shown next to the title, also while the section is closed.
    is_open : bool
    only_alone : bool
        Whether it is left out where the card is inside of another one, because it takes long or much space.
    """

    title: str
    content: Callable[[], object]
    summary: object = ""
    is_open: bool = False
    only_alone: bool = False

    def to_html(self) -> Html:
        """Return the section as HTML, empty if it has no content."""
        content = escaped(_protected(self.content))
        if not content:
            return Html("")
        remark = _made(self.summary)
        summary = f" {note(remark)}" if remark else ""
        return Html(
            f"<details{' open' if self.is_open else ''}><summary>{escaped(self.title)}{summary}</summary>"
            f'<div class="lp-content">{content}</div></details>'
        )


@dataclass(frozen=True)
class Card:
    """What is shown of an object.

    Attributes
    ----------
    title : str
        Name of the class.
    name : str
        Name of the object, if it has one.
    facts : sequence
        The most important values, shown in one line; None and empty texts are left out.
    sections : sequence of Section
    """

    title: str
    name: str = ""
    facts: Sequence[object] = ()
    sections: Sequence[Section] = field(default=())

    @property
    def headline(self) -> Html:
        """Title, name and facts."""
        name = f' <span class="lp-name">{escaped(self.name)}</span>' if self.name else ""
        facts = " · ".join(text for fact in self.facts if (text := _made(fact)))
        tail = f' <span class="lp-note">{facts}</span>' if facts else ""
        return Html(f'<span class="lp-title">{escaped(self.title)}</span>{name}{tail}')

    def body(self, *, is_alone: bool = True) -> Html:
        """Return the sections; inside of another card only those that suit it."""
        suitable = [section for section in self.sections if is_alone or not section.only_alone]
        return Html("".join(section.to_html() for section in suitable))

    def to_html(self) -> str:
        """Return the whole as HTML, with its style."""
        return f'<div class="lightpool-repr">{STYLE}<div class="lp-head">{self.headline}</div>{self.body()}</div>'


class ShownInNotebooks:
    """Objects that a notebook shows as a `Card`.

    Derived classes define `html_card`. Without it the card holds the text that ``print`` shows, and of a dataclass that
    has none of its own, the attributes.
    """

    __slots__ = ()

    def html_card(self) -> Card:
        """Return what notebooks show of the object; a class of yours can add sections."""
        if dataclasses.is_dataclass(self) and type(self).__str__ is object.__str__:
            names = [each.name for each in dataclasses.fields(self)]
            rows = {name: partial(_shown_attribute, self, name) for name in names}
            content = Section("Attributes", lambda: fields(rows), is_open=True)
        else:
            content = Section("Text", lambda: preformatted(str(self)), is_open=True)
        return Card(type(self).__name__, sections=[content])

    def _repr_html_(self) -> str:
        card = _tried(lambda: self.html_card().to_html())
        if isinstance(card, str):
            return card
        # What fails must not leave a traceback in place of an object that may be all right.
        failed = Card(type(self).__name__, sections=[Section("Cannot be shown", lambda: note(_text_of(card)))])
        return failed.to_html()


def _shown_attribute(owner: object, name: str) -> object:
    return shown(getattr(owner, name))


def shown(value: object) -> object:
    """Return a value of any kind as HTML; of an array its shape and type, because its values may be anywhere.

    Parameters
    ----------
    value : object
    """
    if isinstance(value, ShownInNotebooks):
        return nested(value.html_card)
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape and dtype is not None:
        return f"array of {dtype}, {times(shape)}"
    if isinstance(value, Mapping) and value:
        return fields({str(key): partial(shown, each) for key, each in value.items()})
    if isinstance(value, list | tuple) and any(isinstance(each, ShownInNotebooks) for each in value):
        return listed(value, lambda _, each: shown(each))
    return value


def nested(card: Callable[[], Card], name: str | None = None) -> Html:
    """Return a card that can be opened inside another one.

    Parameters
    ----------
    card : function that returns a Card
    name : str, optional
        Shown in front of it.
    """

    def make() -> Html:
        made = card()
        front = "" if name is None else f'<span class="lp-name">{escaped(name)}</span> '
        body = made.body(is_alone=False)
        if not body:
            return Html(f'<div class="lp-line">{front}{made.headline}</div>')
        return Html(f'<details><summary>{front}{made.headline}</summary><div class="lp-content">{body}</div></details>')

    return escaped(_protected(make))


def _tried(make: Callable[[], Any]) -> Any:
    """Return what a function returns, or the exception that it raises."""
    try:
        return make()
    except Exception as error:
        return error


def _protected(make: Callable[[], Any]) -> Any:
    """Return what a function returns, or a remark about the exception that it raises."""
    made = _tried(make)
    return note(_text_of(made)) if isinstance(made, Exception) else made


def _text_of(error: Exception) -> str:
    text = _tried(lambda: str(error))
    return f"cannot be shown ({type(error).__name__}: {text if isinstance(text, str) else '?'})"
