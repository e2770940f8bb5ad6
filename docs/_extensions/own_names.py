"""Links from a name to where it is described, also if only a part of its path is given.

A reference that leads nowhere is an error. Names of other projects are links if their sites answer; otherwise they must
exist in the installed package, so that mistakes are found without a network.
"""

import builtins
import importlib
from functools import cache
from importlib.util import find_spec

from docutils import nodes
from lightpool_names import public_names, shown_modules
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.intersphinx import resolve_reference_any_inventory
from sphinx.util.nodes import make_refnode

WRITTEN_AS = {"u": "astropy.units", "np": "numpy"}
"""Names of modules in annotations."""
MODULES_OF_TYPES = (
    "builtins",
    "collections.abc",
    "typing",
    "types",
    "datetime",
    "pathlib",
    "os",
    "numpy",
    "astropy.units",
    "astropy.coordinates",
    "astropy.time",
    "astropy.table",
    "astropy.wcs",
    "astropy.io.fits",
    "astropy.visualization.wcsaxes",
    "regions",
    "matplotlib.axes",
    "matplotlib.figure",
    "numpy.typing",
)
"""Modules of classes that annotations name without a path, the first one first."""


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement) -> nodes.Element | None:
    """Return a link for a reference that Sphinx cannot resolve; the bare text for names that exist elsewhere."""
    if node.get("refdomain") != "py":
        return None
    if node["refdoc"] == "reference/command_line":  # the help of commands, in which backticks are around anything
        return text
    target = node["reftarget"]
    home = own_home(target, node)
    entry = env.domains.python_domain.objects.get(home) if home else None
    if entry is not None:
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, [text], home)
    outside = outside_path(target)
    if outside is not None:
        linked = node.copy()
        linked["reftarget"] = outside
        return resolve_reference_any_inventory(env, False, linked, text) or text
    return text if home is not None or node["reftype"] == "class" else None


@cache
def homes() -> dict[str, str]:
    """Return where each name is described, by its name alone."""
    return {each.name: each.home for each in sorted(public_names(), key=lambda each: -each.home.count("."))}


@cache
def homes_by_identity() -> dict[int, str]:
    """Return where each class and function is described, by its identity."""
    modules = shown_modules()
    return {
        id(getattr(modules[each.package], each.name)): each.home
        for each in public_names()
        if each.kind in ("class", "function")
    }


def own_home(target: str, node: pending_xref) -> str | None:
    """Return the public path of a name of ours; of one that is not public, its path."""
    first, dot, rest = target.partition(".")
    if first == "lightpool":
        return public_path(target)
    if first in homes() and exists(f"{homes()[first]}{dot}{rest}"):
        return f"{homes()[first]}{dot}{rest}"
    page = node["refdoc"].rpartition("/")[2].removesuffix("-class")
    described = found(page)
    modules = [getattr(each, "__module__", None) or page for each in getattr(described, "__mro__", [described])]
    for module in modules:
        if module.startswith("lightpool") and found(f"{module}.{target}") is not None:
            return public_path(f"{module}.{target}")
    return f"{page}.{target}" if exists(f"{page}.{target}") else None


def exists(path: str) -> bool:
    """Return whether a public name exists, or a field that objects of a class have."""
    owner, _, name = path.rpartition(".")
    fields = (getattr(each, "__annotations__", {}) for each in getattr(found(owner), "__mro__", []))
    return found(path) is not None or any(name in each for each in fields)


def public_path(path: str) -> str | None:
    """Return where an object is described, given a path that it has in the source; None if there is none."""
    thing = found(path)
    if thing is None:
        return None
    if id(thing) in homes_by_identity():
        return homes_by_identity()[id(thing)]
    owner, _, name = path.rpartition(".")
    return f"{homes_by_identity().get(id(found(owner)), owner)}.{name}"


def found(path: str) -> object | None:
    """Return what has this path: a module, a name in it, or a member of that."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:length]))
        except (ImportError, ValueError):
            continue
        for name in parts[length:]:
            thing = getattr(thing, name, None)
        return thing
    return None


def outside_path(target: str) -> str | None:
    """Return the full path of a name of another project, or None if nothing has that name."""
    first, dot, rest = target.partition(".")
    path = f"{WRITTEN_AS.get(first, first)}{dot}{rest}"
    if dot and not hasattr(builtins, first):
        return path if first != "lightpool" and found(path) is not None else None
    if find_spec(first) is not None:
        return target
    for module in MODULES_OF_TYPES:
        if found(f"{module}.{target}") is not None:
            return target if module == "builtins" else f"{module}.{target}"
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Resolve references after Sphinx and intersphinx could not."""
    app.connect("missing-reference", resolve, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
