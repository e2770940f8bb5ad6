"""Cards for notebooks: any text is escaped, errors stay inside, and the HTML is well-formed."""

import dataclasses

import numpy as np
import pytest
from html_check import faults_of, text_of
from hypothesis import given
from hypothesis import strategies as st

from lightpool.utils import html
from lightpool.utils.html import (
    MAX_ROWS,
    Card,
    Html,
    Picture,
    Section,
    ShownInNotebooks,
    escaped,
    fields,
    grid,
    listed,
    nested,
    note,
    pictures,
    preformatted,
    shown,
)
from lightpool.utils.text import printable

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x06\x00\x00\x00\x03"
HOSTILE = ["<script>alert(1)</script>", "a & b", '" onload="x', "</td></table>", "&lt;", "]]>", "<!--", "\x00\x1b[31m"]


@pytest.mark.slow
@given(st.text(max_size=60) | st.sampled_from(HOSTILE))
def test_any_text_is_shown_as_it_is_and_never_becomes_html(text):
    card = Card(
        text,
        text,
        [text],
        [
            Section(text, lambda: fields({text: text}), text),
            Section("grid", lambda: grid([text], [[text]])),
            Section("pre", lambda: preformatted(text)),
            Section("nested", lambda: nested(lambda: Card(text, text, [text]), text)),
            Section("picture", lambda: pictures(lambda: [Picture(PNG, text)], text or "none")),
            Section("note", lambda: note(text)),
        ],
    )
    made = card.to_html()
    assert faults_of(made) == []
    assert text_of(made).count(printable(text)) >= 7


def raises():
    raise ValueError("<no> values")


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("no text either")


def raises_without_text():
    raise UnprintableError


@pytest.mark.parametrize("fails", [raises, raises_without_text])
def test_what_fails_is_shown_as_an_error_and_the_rest_as_usual(fails):
    class Shown(ShownInNotebooks):
        def html_card(self):
            content = [
                Section("bad", fails),
                Section("row", lambda: fields({"bad": fails, "good": "value"})),
                Section("cell", lambda: grid(["name"], [[fails], ["cell"]])),
                Section("inner", lambda: nested(fails)),
                Section("plot", lambda: pictures(fails, "a plot")),
                Section("good", lambda: "content"),
            ]
            return Card("Shown", sections=content)

    made = Shown()._repr_html_()
    assert faults_of(made) == []
    text = text_of(made)
    assert text.count("cannot be shown") == 5
    assert all(word in text for word in ("value", "cell", "content"))


@pytest.mark.parametrize("fails", [raises, raises_without_text])
def test_an_object_that_cannot_be_described_is_shown_by_its_class_and_the_error(fails):
    class Broken(ShownInNotebooks):
        def html_card(self):
            fails()

    made = Broken()._repr_html_()
    assert faults_of(made) == []
    assert "Broken" in text_of(made)
    assert "cannot be shown" in text_of(made)


def test_an_interrupt_is_no_error_of_the_object():
    def interrupted():
        raise KeyboardInterrupt

    class Slow(ShownInNotebooks):
        def html_card(self):
            return Card("Slow", sections=[Section("all", interrupted)])

    with pytest.raises(KeyboardInterrupt):
        Slow()._repr_html_()


def test_of_many_rows_the_first_are_shown_and_the_others_counted():
    rows = grid(["i"], [[f"row{i}"] for i in range(MAX_ROWS + 5)])
    assert "and 5 more" in rows
    assert f"row{MAX_ROWS}" not in rows
    assert "and 50 more" in fields({f"key{i}": i for i in range(150)})
    assert faults_of(rows) == faults_of(fields({f"key{i}": i for i in range(150)})) == []


def test_long_texts_are_cut():
    assert len(escaped("x" * 10_000)) < 500
    assert "10000 characters" in escaped("x" * 10_000)


def test_rows_and_sections_without_content_are_left_out():
    assert "nothing" not in fields({"nothing": None, "zero": 0})
    assert Section("empty", lambda: Html("")).to_html() == ""
    assert "0" in Section("zero", lambda: 0).to_html()


def test_without_matplotlib_there_is_no_plot_and_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(html, "find_spec", lambda name: None)
    assert pictures(raises, "a plot") == ""


def test_a_plot_is_shown_at_two_thirds_of_its_pixels():
    assert 'width="4" height="2"' in Picture(PNG).to_html("a plot")


def test_inside_of_another_card_plots_are_left_out():
    inner = Card("Inner", sections=[Section("Plot", lambda: "curve", only_alone=True), Section("Rest", lambda: "rest")])
    assert "curve" in inner.to_html()
    assert "curve" not in nested(lambda: inner)
    assert "rest" in nested(lambda: inner)


def test_a_dataclass_shows_its_attributes_and_no_values_of_arrays():
    @dataclasses.dataclass
    class Sums(ShownInNotebooks):
        name: str
        values: np.ndarray
        parts: dict[str, object]

    text = text_of(Sums("a<b", np.full((2, 3), 7.25), {"x": np.zeros(4)})._repr_html_())
    assert "a<b" in text
    assert "array of float64, 2 \u00d7 3" in text
    assert "array of float64, 4" in text
    assert "7.25" not in text


def test_lists_of_shown_objects_are_shown_one_by_one():
    class Step(ShownInNotebooks):
        def __str__(self):
            return "a step"

    assert str(shown([Step(), Step()])).count("a step") == 2
    assert shown(5) == 5


class Nameless:
    def __str__(self):
        raise RuntimeError("no text")


def test_values_without_text_leave_the_rest_of_a_card_as_usual():
    class Shown(ShownInNotebooks):
        def html_card(self):
            bad = Nameless()
            sections = [Section("one", lambda: fields({"bad": bad, "good": "value"}), bad)]
            sections.append(Section("two", lambda: grid(["name"], [[bad], ["cell"]])))
            return Card("Shown", facts=[bad, "fact"], sections=sections)

    made = Shown()._repr_html_()
    assert faults_of(made) == []
    assert text_of(made).count("cannot be shown") == 4
    assert all(word in text_of(made) for word in ("value", "cell", "fact"))


def test_functions_in_a_mapping_are_shown_and_not_called():
    def function():
        raise AssertionError("called by showing")

    assert "function" in text_of(escaped(shown({"weight": function})))
    assert "cannot be shown" not in escaped(shown({"weight": function}))


def test_of_many_items_the_first_are_listed_and_the_others_counted():
    made = listed(range(MAX_ROWS + 1500), lambda i, item: f"item{i}<{item}>")
    assert f"item{MAX_ROWS - 1}&lt;" in made
    assert f"item{MAX_ROWS}" not in made
    assert "and 1,500 more" in made
    assert "more" not in listed(range(MAX_ROWS), lambda i, item: "")
    assert "ValueError" in listed([1], lambda i, item: raises())
    assert "10 more" in escaped(shown({f"key{i}": i for i in range(110)}))
