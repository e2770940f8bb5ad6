"""The page about settings files has each key of the models, with what it means."""

import importlib
import re
import sys
from pathlib import Path
from typing import get_args

import pytest

from lightpool.config.section import Section

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def reference():
    sys.path.insert(0, str(DOCS / "_extensions"))
    try:
        yield importlib.import_module("settings_reference")
    finally:
        sys.path.remove(str(DOCS / "_extensions"))


@pytest.fixture(scope="module")
def page(reference):
    return reference.with_tables((DOCS / "reference/settings.md").read_text())


def sections_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
        for field in annotation.model_fields.values():
            yield from sections_in(field.annotation)
    for part in get_args(annotation):
        yield from sections_in(part)


def rows_of(page, section):
    """The keys in the table of a section, with its other columns."""
    table = re.search(rf"^### {section}\n.*?\n\n((?:\|[^\n]*\n)+)", page, flags=re.M | re.S)[1]
    rows = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in table.splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in rows}


@pytest.mark.parametrize("model", ["Settings", "BackgroundSettings"])
def test_each_key_of_each_section_is_on_the_page_with_its_meaning(reference, page, model):
    sections = {section.__name__: section for section in sections_in(reference.MODELS[model])}
    assert len(sections) > 8
    for name, section in sections.items():
        rows = rows_of(page, name)
        by_name = {"name"} - set(section.model_fields)  # the name of a source stands for its position
        assert set(rows) - by_name == set(section.model_fields)
        without = [key for key, (value, _, meaning) in rows.items() if not meaning.strip() or not value.strip()]
        assert without == [], name


def test_the_page_has_no_section_that_no_settings_have(reference, page):
    known = {section.__name__ for model in reference.MODELS.values() for section in sections_in(model)}
    assert set(re.findall(r"^### (\w+)$", page, flags=re.M)) == known


def test_kinds_of_values_defaults_and_limits_are_those_of_the_models(page):
    assert rows_of(page, "Run")["on_error"][:2] == ["`raise`, `skip`, `retry`", "`skip`"]
    assert rows_of(page, "Run")["chunk_size"][:2] == ["whole number, above 0", "`10`"]
    assert rows_of(page, "MapTarget")["binsz"][:2] == ["quantity, such as `0.5 deg`", "`0.02 deg`"]
    assert rows_of(page, "Circle")["radius"][1] == "**required**"
    assert rows_of(page, "Run")["cpu_fallback"][:2] == ["`true`, `false`", "`false`"]


def test_links_on_the_page_lead_to_its_headings(page):
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", page, flags=re.M)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", page)) <= headings
