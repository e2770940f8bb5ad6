"""Compare the public names of Gammapy's data reduction with those of lightpool, and write docs/reference/names.md.

Run it in an environment with Gammapy 2.1 (the extra ``[peer]``)::

    python tests/peer/public_names.py           # writes docs/reference/names.md
    python tests/peer/public_names.py --check   # fails if anything is missing without a reason, or out of date

A name is what a module of `gammapy.maps`, `irf`, `data`, `datasets` and `makers` lists in ``__all__``, or defines as a
class, function or constant without an underscore; for classes also their methods, properties, attributes, and the
parameters of what can be called. The reasons for what is missing are in ``names_not_here.yaml``.
"""

import argparse
import ast
import importlib
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import astropy.units as u
import numpy as np
import yaml

__all__ = ["PACKAGES", "PAGE", "Row", "known_reasons", "page_of", "problems", "rows", "rows_in"]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/names.md"
REASONS = Path(__file__).with_name("names_not_here.yaml")
PACKAGES = ("maps", "irf", "data", "datasets", "makers")
NOT_YET = "not yet"
HEAD = """# Public names of Gammapy 2.1 and lightpool

This page is generated: `python tests/peer/public_names.py` writes it, in an environment with Gammapy 2.1
(`pip install -e '.[peer]'`). Do not edit it or merge it by hand; after a conflict, run the command again.

It lists what `maps`, `irf`, `data`, `datasets` and `makers` of Gammapy 2.1 offer: public classes, functions and
constants, and below each class its methods, properties, attributes and parameters if they differ. A class without rows
below it has all of them, with the same parameters and defaults. Names that lightpool does not have need a reason, in
`tests/peer/names_not_here.yaml`; `tests/peer/test_public_names.py` checks that. Where Gammapy is installed, a top-level
name that only Gammapy has can be imported from lightpool too, and is Gammapy's own object.
"""


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes
    ----------
    name : str, such as ``maps.Map.create`` or, for a parameter, ``maps.Map.create(dtype)``
    here : bool, whether lightpool has it
    notes : tuple of str, how it differs
    same : int, of a class: the number of members that are the same
    """

    name: str
    here: bool
    notes: tuple[str, ...] = ()
    same: int = field(default=0, compare=False)


# --- what Gammapy has


@cache
def modules_of(package: str) -> list[str]:
    """Return the names of the modules of a package, without those of its tests; the package first."""
    top = importlib.import_module(package)
    found = pkgutil.walk_packages(top.__path__, f"{package}.")
    return [package, *(module.name for module in found if "tests" not in module.name.split("."))]


def names_in(module: str) -> set[str]:
    """Return the public names of a module of Gammapy."""
    content = vars(importlib.import_module(module))
    listed = set(content.get("__all__", ()))
    for name, value in content.items():
        if name.startswith("_"):
            continue
        defined = inspect.isclass(value) or inspect.isfunction(value)
        constant = name.isupper() and not inspect.ismodule(value) and is_assigned(module, name)
        if constant or (defined and value.__module__ == module):
            listed.add(name)
    return listed


@cache
def assigned_names(module: str) -> frozenset[str]:
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return frozenset(target.id for target in targets if isinstance(target, ast.Name))


def is_assigned(module: str, name: str) -> bool:
    """Return whether a module gives a constant its value, and does not import it."""
    return name in assigned_names(module)


def names_of_gammapy(package: str) -> dict[str, list[str]]:
    """Return the places of each name in a package of Gammapy, the shortest first, without the leading ``gammapy.``."""
    places: dict[str, list[str]] = {}
    for module in modules_of(f"gammapy.{package}"):
        for name in names_in(module):
            places.setdefault(name, []).append(module.removeprefix("gammapy."))
    return {name: sorted(found, key=len) for name, found in places.items()}


# --- what lightpool has


def own_object(places: list[str], name: str) -> object | None:
    """Return lightpool's object of a name, or None if it has none of its own."""
    for place in [*places, places[0].partition(".")[0]]:
        try:
            module = importlib.import_module(f"lightpool.{place}")
        except ImportError:
            continue
        if type(getattr(module.__spec__, "loader", None)).__name__ != "_GammapyLoader" and name in vars(module):
            return vars(module)[name]
    return None


# --- members of classes


@cache
def set_in_methods(cls: type) -> set[str]:
    """Return the names of attributes that a class, or a base of the same project, sets on itself."""
    found: set[str] = set()
    for base in bases_of(cls):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            ):
                found.add(node.attr)
    return found


def bases_of(cls: type) -> list[type]:
    """Return a class and its bases of the same project."""
    project = cls.__module__.partition(".")[0]
    return [base for base in cls.__mro__ if base.__module__.partition(".")[0] == project]


@cache
def members(cls: type) -> dict[str, type]:
    """Return the public members of a class, and the class in which each is defined."""
    found: dict[str, type] = {}
    for base in reversed(bases_of(cls)):
        own = set(vars(base)) | set(inspect.get_annotations(base)) | set_in_own_init(base)
        found |= {name: base for name in own if not name.startswith("_") and name != "model_config"}
    return found


def set_in_own_init(cls: type) -> set[str]:
    init = vars(cls).get("__init__")
    if init is None or not inspect.isfunction(init):
        return set()
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, TypeError, SyntaxError):
        return set()
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "self"}


def has_member(cls: type, name: str) -> bool:
    """Return whether objects of a class have an attribute."""
    if hasattr(cls, name) or name in set_in_methods(cls):
        return True
    return any(name in inspect.get_annotations(base) for base in cls.__mro__)


# --- parameters


def parameters(function: object) -> dict[str, inspect.Parameter] | None:
    """Return the parameters of something that can be called, without ``self``; None if they are not known."""
    try:
        found = inspect.signature(function).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return {name: parameter for name, parameter in found.items() if name not in ("self", "cls")}


def same_default(first: object, second: object) -> bool:
    if first is second or type(first).__name__ == type(second).__name__ == "_empty":
        return True
    try:
        if isinstance(first, u.Quantity | str) and isinstance(second, u.Quantity | str):
            return str(first) == str(second) or bool(u.Quantity(first) == u.Quantity(second))
        if isinstance(first, list | tuple | np.ndarray) and isinstance(second, list | tuple | np.ndarray):
            return list(first) == list(second)
        made_anew = str(second) == "<factory>" and first is not None  # by a function, as a date of creation
        return bool(first == second) or made_anew or (first is not None and str(first) == str(second))
    except (TypeError, ValueError):
        return str(first) == str(second)


def text_of(default: object) -> str:
    text = " ".join(str(default).split())
    return repr(default) if isinstance(default, str) else text


def compare_parameters(name: str, theirs: object, ours: object) -> Iterator[Row]:
    """Yield rows for parameters that lightpool does not have, and one for other defaults and another order.

    Parameters
    ----------
    name : str
    theirs, ours : functions or classes
    """
    there, here = parameters(theirs), parameters(ours)
    if there is None or here is None:
        return
    any_name = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in here.values())
    any_number = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in here.values())
    notes = []
    for key, parameter in there.items():
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            if parameter.kind is inspect.Parameter.VAR_KEYWORD and not any_name:
                yield Row(f"{name}(**{key})", here=False)
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL and not any_number:
                yield Row(f"{name}(*{key})", here=False)
        elif key not in here:
            if not any_name:
                yield Row(f"{name}({key})", here=False)
        elif not same_default(parameter.default, here[key].default):
            if here[key].default is inspect.Parameter.empty:
                notes.append(f"`{key}` must be given, there it is `{text_of(parameter.default)}`")
            elif parameter.default is inspect.Parameter.empty:
                notes.append(f"`{key}` is `{text_of(here[key].default)}` by default, there it must be given")
            else:
                notes.append(f"default of `{key}`: `{text_of(here[key].default)}` for `{text_of(parameter.default)}`")
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    order_there = [key for key, parameter in there.items() if parameter.kind in positional and key in here]
    order_here = [key for key, parameter in here.items() if parameter.kind in positional]
    if not any_number and order_here[: len(order_there)] != order_there:
        notes.append(f"order of arguments: `{', '.join(order_here)}` for `{', '.join(order_there)}`")
    if notes:
        yield Row(name, here=True, notes=tuple(notes))


# --- rows


def compare_members(path: str, theirs: type, ours: type) -> tuple[list[Row], int]:
    """Return rows for the members of a class that differ, and the number of the others.

    Parameters
    ----------
    path : str
    theirs, ours : classes
    """
    different: list[Row] = []
    same = 0
    for name in sorted(members(theirs)):
        if not has_member(ours, name):
            different.append(Row(f"{path}.{name}", here=False))
            continue
        there, here = getattr(theirs, name, None), getattr(ours, name, None)
        found: list[Row] = []
        if inspect.isroutine(there) and not inspect.isclass(here):
            if inspect.isroutine(here):
                found = list(compare_parameters(f"{path}.{name}", there, here))
            elif here is not None:
                found = [Row(f"{path}.{name}", here=True, notes=("an attribute, there a method",))]
        elif inspect.isfunction(here) and isinstance(there, property):
            found = [Row(f"{path}.{name}", here=True, notes=("a method, there a property",))]
        different += found
        same += not found
    return different, same


def inherited(rows: list[Row], theirs: type, shown: dict[type, str], path: str) -> set[str]:
    """Return names of rows that a base class, which is in the table too, has as well.

    Parameters
    ----------
    rows : list of Row, of the class
    theirs : type
    shown : dict, the path of each class of Gammapy in the table
    path : str, of the class
    """
    repeated = set()
    for row in rows:
        member = row.name.removeprefix(f"{path}.")
        name = member.partition("(")[0]
        base = members(theirs).get(name)
        if base is not None and base is not theirs and base in shown and base.__name__ != theirs.__name__:
            repeated.add(row.name)
    return repeated


def rows() -> list[Row]:
    """Return the rows of the table: one for each name, and those of members and parameters that differ."""
    table: list[Row] = []
    shown: dict[type, str] = {}
    listed = [
        (package, name, places) for package in PACKAGES for name, places in sorted(names_of_gammapy(package).items())
    ]
    for _, name, places in listed:
        theirs = getattr(importlib.import_module(f"gammapy.{places[0]}"), name)
        if inspect.isclass(theirs):
            shown[theirs] = f"{places[0]}.{name}"
    for _, name, places in listed:
        path = f"{places[0]}.{name}"
        theirs = getattr(importlib.import_module(f"gammapy.{places[0]}"), name)
        ours = own_object(places, name)
        if ours is None:
            table.append(Row(path, here=False))
        elif inspect.isclass(theirs) and inspect.isclass(ours):
            below, same = compare_members(path, theirs, ours)
            repeated = inherited(below, theirs, shown, path)
            arguments = list(compare_parameters(path, theirs, ours))
            notes = [note for row in arguments if row.name == path for note in row.notes]
            table.append(Row(path, here=True, notes=tuple(notes), same=same))
            table += [row for row in arguments if row.name != path]
            table += [row for row in below if row.name not in repeated]
        elif inspect.isfunction(theirs):
            compared = list(compare_parameters(path, theirs, ours))
            table += [row for row in compared if row.name == path] or [Row(path, here=True)]
            table += [row for row in compared if row.name != path]
        else:
            table.append(Row(path, here=True))
    return table


# --- reasons


@cache
def known_reasons() -> tuple[tuple[str, str], ...]:
    """Return the pairs of pattern and reason, in the order of the file."""
    content = yaml.safe_load(REASONS.read_text(encoding="utf-8"))
    return tuple((pattern, entry["reason"]) for entry in content for pattern in entry["names"] or ())


def reason_of(name: str) -> str | None:
    """Return why lightpool does not have a name, or has it in another way; None if no reason is listed.

    What is excluded as a whole, such as a class, is excluded with its members and parameters.
    """
    for pattern, reason in known_reasons():
        if name == pattern or fnmatchcase(name, pattern) or name.startswith((f"{pattern}.", f"{pattern}(")):
            return reason
    return None


# --- the page


def line_of(row: Row) -> str:
    reason = reason_of(row.name)
    here = "yes" if row.here else ("no" if reason != NOT_YET else NOT_YET)
    notes = [*row.notes, *([reason] if reason is not None and reason != NOT_YET else [])]
    text = "; ".join(notes).replace("|", "\\|")
    return f"| `{row.name}` | {here} | {text} |"


def page_of(table: list[Row]) -> str:
    """Return the text of the page."""
    lines = [HEAD]
    for package in PACKAGES:
        part = [row for row in table if row.name.startswith(f"{package}.")]
        lines += [f"## {package}", "", f"| name in `gammapy.{package}` | here | how it differs |", "|---|---|---|"]
        lines += [line_of(row).removeprefix(" ").replace(f"`{package}.", "`", 1) for row in part]
        lines.append("")
    return "\n".join(lines)


def rows_in(text: str) -> dict[str, str]:
    """Return the lines of a page by name."""
    found: dict[str, str] = {}
    package = ""
    for line in text.splitlines():
        if line.startswith("## "):
            package = line.removeprefix("## ")
        elif line.startswith("| `"):
            found[f"{package}.{line.split('`')[1]}"] = line
    return found


def problems(table: list[Row], *, strict: bool) -> list[str]:
    """Return what is wrong with the reasons and the page.

    Parameters
    ----------
    table : list of Row, from `rows`
    strict : bool
        Whether names that are here by now, but not in the page or still in the list "not yet", count too. Without it
        work on several branches adds names without touching this page.
    """
    wrong = [
        f"{row.name}: lightpool does not have it, and {REASONS.name} gives no reason"
        for row in table
        if not row.here and reason_of(row.name) is None
    ]
    page = rows_in(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    current = rows_in(page_of(table))
    for name, line in current.items():
        stale = line != page.get(name) if strict else line_says_no(line) and not said_to_be_missing(name, page)
        if stale:
            wrong.append(f"{name}: {PAGE.name} is out of date; run: python tests/peer/public_names.py")
    if strict:
        wrong += [f"{name}: {PAGE.name} has a row too many" for name in page if name not in current]
        missing = [row.name for row in table if not row.here]
        for pattern, reason in known_reasons():
            if reason == NOT_YET and not any(reason_applies(pattern, name) for name in missing):
                wrong.append(f"{pattern}: it is here, remove it from 'not yet' in {REASONS.name}")
    return wrong


def said_to_be_missing(name: str, page: dict[str, str]) -> bool:
    """Return whether a page says that lightpool does not have a name, or what it is a part of.

    Parameters
    ----------
    name : str
    page : dict, lines of the page by name
    """
    while name:
        if name in page:
            return line_says_no(page[name])
        name = name.rpartition("(" if "(" in name else ".")[0]
    return False


def line_says_no(line: str) -> bool:
    return not line.split("`", 2)[2].startswith(" | yes")


def reason_applies(pattern: str, name: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern) or name.startswith((f"{pattern}.", f"{pattern}("))


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything is out of date")
    check = parser.parse_args().check
    table = rows()
    if not check:
        PAGE.write_text(page_of(table), encoding="utf-8")
    found = problems(table, strict=True)
    print("\n".join(found) or f"{PAGE} is up to date: {len(table)} rows")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
