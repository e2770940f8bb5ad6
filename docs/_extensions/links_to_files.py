"""Links to files outside of the folder of the documentation, such as ``../examples/crab.py``.

The same links work on the site of the repository. Here, a file that a page includes is a link to that page, and each
other one is a download. Paths may start at the page or, for the text of an included file, at the repository.
"""

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def lead_to_files(app: Sphinx, doctree: nodes.document) -> None:
    """Replace the links of a page that lead out of the documentation."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link["reftype"] == "myst":
            path = path_of(link, app.env)
            if path is not None:
                replace(link, path, app)


def path_of(link: addnodes.pending_xref, env: BuildEnvironment) -> Path | None:
    """Return the file that a link leads to, or None if it is a page or an unknown target."""
    target = link["reftarget"]
    if link["refdomain"] == "doc":
        return None if target in env.found_docs else Path(env.srcdir, f"{target}.md")
    if link["refdomain"] is None:
        path = Path(env.srcdir).parent / target.partition("#")[0]
        return path if path.is_file() else None
    return None


def replace(link: addnodes.pending_xref, path: Path, app: Sphinx) -> None:
    """Let a link lead to the page that includes a file, to the page that it is, or to the file."""
    root = Path(app.srcdir).parent
    docname = app.config.pages_of_files.get(str(path.resolve().relative_to(root))) or app.env.path2doc(path)
    if docname in app.env.found_docs:
        link["reftargetid"] = link.get("reftargetid") or link["reftarget"].partition("#")[2] or None
        link["refdomain"], link["reftarget"] = "doc", docname
    elif path.is_file():
        target = f"/../{path.resolve().relative_to(root)}"
        download = addnodes.download_reference("", "", *link.children, refdoc=link["refdoc"], reftarget=target)
        download["classes"] = ["xref", "download", "myst"]
        link.replace_self(download)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the setting ``pages_of_files``: the page that includes a file, by its path in the repository."""
    app.add_config_value("pages_of_files", {}, "env", (dict,))
    app.connect("doctree-read", lead_to_files, priority=100)  # before Sphinx collects downloads
    return {"parallel_read_safe": True, "parallel_write_safe": True}
