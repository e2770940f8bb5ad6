"""Pages of the reference: one for each public package, class, function and constant, written when the site is built.

They lie in ``reference/api``, which git ignores. `sphinx.ext.autosummary` would write pages too, but knows neither that
a name of several packages is described once, nor which inherited methods are ours.
"""

import inspect
import sys
from functools import cached_property
from pathlib import Path

import click
from lightpool_names import Name, public_names, shown_modules
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

log = logging.getLogger(__name__)

FOLDER = "reference/api"
MARK = "<!-- packages -->"
PROPERTIES = (property, cached_property)
HEADINGS = {"module": "Modules", "class": "Classes", "function": "Functions", "data": "Constants"}


def write_pages(app: Sphinx, config: Config) -> None:
    """Write all pages, and remove those of names that are gone."""
    del config
    folder = Path(app.srcdir, FOLDER)
    folder.mkdir(exist_ok=True)
    pages = {f"{path}.rst": text for path, text in all_pages().items()}
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:  # Sphinx reads a page again if its file is newer
            path.write_text(text)
    for path in folder.iterdir():
        if path.name not in pages:
            path.unlink()


def all_pages() -> dict[str, str]:
    """Return the text of each page, by its name."""
    pages = {package: page_of_package(package) for package in shown_modules()}
    described = (each for each in public_names() if each.is_described_here and each.kind != "module")
    return pages | {each.page: page_of(each) for each in described}


def list_packages(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the table of packages in place of ``<!-- packages -->``."""
    del app, docname
    if MARK in source[0]:
        listed = {each.path for each in public_names() if each.kind == "module"}
        modules = {name: module for name, module in shown_modules().items() if name not in listed}
        packages = {name: first_paragraph(module.__doc__).replace("``", "`") for name, module in modules.items()}
        rows = "".join(f"| [`{name}`](api/{name}.rst) | {text} |\n" for name, text in packages.items())
        pages = "".join(f"api/{name}\n" for name in packages)
        text = f"| package | contents |\n|---|---|\n{rows}\n```{{toctree}}\n:hidden:\n\n{pages}```"
        source[0] = source[0].replace(MARK, text)


def check_names(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn about public names that no page describes, and about pages of names that are not public."""
    del app
    public = {each.home for each in public_names() if each.home.startswith("lightpool.")} | set(shown_modules())
    entries = {name: entry for name, entry in env.domains.python_domain.objects.items() if not entry.aliased}
    for name in sorted(public - set(entries)):
        log.warning("the public name %s is described nowhere", name)
    for name, entry in entries.items():
        if entry.objtype not in ("method", "attribute", "property") and name not in public:
            log.warning("%s is described, but not public", name, location=entry.docname)


def heading(text: str) -> str:
    """Return the title of a page."""
    return f"{text}\n{'=' * len(text)}\n\n"


def page_of_package(package: str) -> str:
    """Return the page of a package: what it is, and tables of its names."""
    text = heading(package) + f".. automodule:: {package}\n\n"
    names = [each for each in public_names() if each.package == package]
    here = [each for each in names if each.is_described_here]
    for kind, title in HEADINGS.items():
        rows = {each.path: summary_of(each) for each in here if each.kind == kind}
        text += table(title, rows)
    elsewhere = [each for each in names if not each.is_described_here]
    if elsewhere:
        text += ".. rubric:: Names that are described elsewhere\n\n"
        text += "".join(f"- ``{each.name}``: `{each.home}`\n" for each in elsewhere) + "\n"
    pages = "".join(f"   {each.name} <{each.page}>\n" for each in here)
    return text + f".. toctree::\n   :hidden:\n\n{pages}" if pages else text


def table(title: str, rows: dict[str, str]) -> str:
    """Return a table of names and what they are, under a title; nothing if there are none."""
    if not rows:
        return ""
    lines = "".join(f"   * - `~{path}`\n     - {summary}\n" for path, summary in rows.items())
    return f".. rubric:: {title}\n\n.. list-table::\n   :class: names\n   :widths: auto\n\n{lines}\n"


def summary_of(name: Name) -> str:
    """Return the first paragraph about a public name."""
    if name.kind == "data":
        return first_paragraph(comment_of(name, getattr(shown_modules()[name.package], name.name)))
    thing = shown_modules().get(name.path) or getattr(shown_modules()[name.package], name.name)
    return first_paragraph(thing.__doc__)


def first_paragraph(text: str | None) -> str:
    """Return the first paragraph of a text in one line."""
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


def page_of(name: Name) -> str:
    """Return the page of a class, function or constant."""
    text = heading(name.name) + f".. currentmodule:: {name.package}\n\n"
    thing = getattr(shown_modules()[name.package], name.name)
    if name.kind == "data":
        return text + f".. py:data:: {name.name}\n\n" + indented(comment_of(name, thing))
    if name.kind == "function":
        return text + f".. autofunction:: {name.name}\n"
    attributes, methods = members_of(thing)
    text += f".. autoclass:: {name.name}\n\n" + indented(ancestors_of(thing))
    for title, members in (("Attributes", attributes), ("Methods", methods)):
        rows = {f"{name.path}.{member}": first_paragraph(text_of_member(thing, member)) for member in members}
        text += indented(table(title, rows))
    for member in attributes:
        is_property = isinstance(inspect.getattr_static(thing, member), PROPERTIES)
        text += f"   .. auto{'property' if is_property else 'attribute'}:: {member}\n\n"
    return text + "".join(f"   .. automethod:: {member}\n\n" for member in methods)


def text_of_member(kind: type, name: str) -> str | None:
    """Return the text of a method or attribute; that of a method that it replaces if it has none."""
    for owner in kind.__mro__:
        if name in vars(owner):
            member = vars(owner)[name]
            comment = comments_in(owner.__module__).get((owner.__name__, name))
            text = "\n".join(comment) if comment else getattr(member, "__func__", member).__doc__
            if text and (comment or is_method(member) or has_own_text(member)):
                return text
    return None


def members_of(kind: type) -> tuple[list[str], list[str]]:
    """Return the described attributes and the methods of a class, also those of our classes that it derives from."""
    attributes, methods = [], []
    for name in dir(kind):
        owner = next((each for each in kind.__mro__ if name in vars(each)), None)
        if name.startswith("_") or owner is None or not owner.__module__.startswith("lightpool"):
            continue
        member = inspect.getattr_static(kind, name)
        if is_method(member):
            methods.append(name)
        elif has_own_text(member) or (owner.__name__, name) in comments_in(owner.__module__):
            attributes.append(name)
    return attributes, methods


def is_method(member: object) -> bool:
    """Return whether a member of a class is a method, which may be one of the class or a static one."""
    return inspect.isroutine(member) and not isinstance(member, PROPERTIES)


def has_own_text(member: object) -> bool:
    """Return whether an attribute has a text of its own, as properties have; others are in the text of the class."""
    return hasattr(type(member), "__get__") and member.__doc__ != type(member).__doc__


def ancestors_of(kind: type) -> str:
    """Return a line about the public classes that a class derives from."""
    homes = {
        id(getattr(shown_modules()[each.package], each.name)): each.home
        for each in public_names()
        if each.kind == "class"
    }
    links = [f"`~{homes[id(each)]}`" for each in kind.__mro__[1:] if id(each) in homes]
    return f"Derives from {', '.join(links)}.\n\n" if links else ""


def comments_in(module: str) -> dict[tuple[str, str], list[str]]:
    """Return the texts below the variables of a module, by the class, which may be empty, and the name."""
    return ModuleAnalyzer.for_module(module).find_attr_docs()


def comment_of(name: Name, thing: object) -> str:
    """Return the text below a constant, in the module where it is made."""
    if isinstance(thing, click.Command):
        return f"{thing.help}\n\nThe command ``{thing.name}``: :doc:`/reference/command_line`."
    for module in [name.package, *sorted(each for each in sys.modules if each.startswith("lightpool."))]:
        if vars(sys.modules[module]).get(name.name) is thing and hasattr(sys.modules[module], "__file__"):
            lines = comments_in(module).get(("", name.name))
            if lines:
                return "\n".join(lines)
    raise ValueError(f"{name.path} has no text; write one below it, where it is made")


def indented(text: str) -> str:
    """Return a text as the content of a directive."""
    return "".join(f"   {line}\n" if line else "\n" for line in text.splitlines()) + "\n" if text else ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for pages."""
    app.connect("config-inited", write_pages)
    app.connect("source-read", list_packages)
    app.connect("env-check-consistency", check_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
