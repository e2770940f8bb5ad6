"""Tables of the keys of settings files, from the pydantic models, in place of ``<!-- keys of Settings -->``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lightpool.config.background import BackgroundSettings
from lightpool.config.settings import Settings

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from lightpool.config.section import Section

MODELS: dict[str, type[Section]] = {"Settings": Settings, "BackgroundSettings": BackgroundSettings}
MARK = re.compile(r"^<!-- keys of (\w+) -->$", flags=re.M)
Schema = dict[str, object]


def with_tables(text: str) -> str:
    """Return a page with the tables that it asks for; a section of both kinds of settings has one table."""
    shown: set[str] = set()

    def tables(mark: re.Match[str]) -> str:
        schema = MODELS[mark[1]].model_json_schema()
        sections = {mark[1]: schema, **schema.get("$defs", {})}
        names = [name for name in reachable(mark[1], sections) if name not in shown]
        parts = [table(name, sections, places_of(name, sections), is_root=name == mark[1]) for name in names]
        shown.update(sections)
        return "\n".join(parts)

    return MARK.sub(tables, text)


def reachable(root: str, sections: dict[str, Schema]) -> list[str]:
    """Return the names of the sections with keys, each after the one that leads to it."""
    order = [root]
    for name in order:
        for each in re.findall(r"#/\$defs/(\w+)", str(sections[name].get("properties", ""))):
            if each not in order and "properties" in sections[each]:
                order.append(each)
    return order


def places_of(name: str, sections: dict[str, Schema]) -> list[str]:
    """Return where a section is used, such as ``energy of MapTarget``."""
    return [
        f"`{key}` of {link(other)}"
        for other, schema in sections.items()
        for key, value in schema.get("properties", {}).items()
        if f"#/$defs/{name}'" in str(value)
    ]


def link(section: str) -> str:
    """Return a link to the table of a section."""
    return f"[{section}](#{section.lower()})"


def meaning_of(value: Schema, sections: dict[str, Schema]) -> str:
    """Return what a key is for; for a section or a word that chooses one, what that is."""
    text = value.get("description", "")
    if not text and "$ref" in value:
        text = sections[value["$ref"].rpartition("/")[2]].get("description", "").partition("\n\n")[0]
    if not text and "const" in value:
        text = "Chooses this section."
    return " ".join(text.replace("``", "`").split())


def table(name: str, sections: dict[str, Schema], places: list[str], *, is_root: bool) -> str:
    """Return the heading, the text and the table of a section."""
    schema = sections[name]
    required = schema.get("required", [])
    lines = [f"### {name}", "", schema.get("description", "").partition("\n\n")[0].replace("``", "`"), ""]
    if not is_root:
        lines += [f"Used as {', '.join(places)}.", ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in schema["properties"].items():
        default = "**required**" if key in required else default_of(value)
        cells = (f"`{key}`", kind_of(value), default, meaning_of(value, sections))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def default_of(value: Schema) -> str:
    """Return a default value as a settings file would have it; nothing where the text says what happens without one."""
    default = value.get("default")
    if default is None or default in ([], {}):
        return ""
    if isinstance(default, list):
        return "`" + ", ".join(map(str, default)) + "`" if not isinstance(default[0], dict) else "see the section"
    if isinstance(default, dict):
        return "see the section"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def kind_of(value: Schema) -> str:
    """Return what a value is: a section, one of some words, a text with a unit, a number and its limits."""
    if "$ref" in value:
        return link(value["$ref"].rpartition("/")[2])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in value:
            kinds = [kind_of(each) for each in value[key] if each.get("type") != "null"]
            return ", or ".join(dict.fromkeys(kinds))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "prefixItems" in value:
        return f"list of {len(value['prefixItems'])}: {kind_of(value['prefixItems'][0])}"
    if value.get("type") == "array":
        return f"list of: {kind_of(value.get('items', {}))}"
    if value.get("type") == "object":
        return "section of any keys"
    if value.get("type") == "string":
        return f"quantity, such as `{value['examples'][0]}`" if "examples" in value else "text"
    kind = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`"}.get(value.get("type"), "any")
    limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    return ", ".join([kind, *(f"{words} {value[each]:g}" for each, words in limits.items() if each in value)])


def read_source(app: Sphinx, docname: str, source: list[str]) -> None:
    """Fill in the tables of a page."""
    del app, docname
    source[0] = with_tables(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill in the tables of pages when they are read."""
    app.connect("source-read", read_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
