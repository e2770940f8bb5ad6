"""Settings of Sphinx: ``sphinx-build -W --keep-going -b html docs docs/_build/html`` builds the site.

Environment variables:

- ``LIGHTPOOL_DOCS_EXECUTE=off`` leaves out the results of tutorials, for somebody who writes other pages;
- ``LIGHTPOOL_DOCS_SWITCHER`` is the address of the list of versions; without it, the site knows this version alone;
- ``LIGHTPOOL_SHARED`` is the folder of real data, for tutorials; a folder ``shared`` next to the checkout by default.
"""

import os
import sys
from functools import partialmethod
from pathlib import Path

from nbclient import NotebookClient

import lightpool

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "lightpool"
author = "The lightpool developers"
copyright = f"2026, {author}"
version = release = lightpool.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.mermaid",
    "api_reference",
    "intersphinx_if_reachable",
    "links_to_files",
    "own_names",
    "settings_reference",
    "stacked_tables",
    "written_signatures",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
default_role = "py:obj"
nitpicky = True
smartquotes_action = "qe"  # without dashes: the help of commands has options such as --resume

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "substitution"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 4
pages_of_files = {"CONTRIBUTING.md": "contributing/index", "README.md": "index", "CHANGELOG.md": "changelog"}

# Notebooks. Sphinx executes a page again only if it changed, so that a cache of results, which would not know that the
# package changed, is not needed.
nb_execution_mode = "off" if os.environ.get("LIGHTPOOL_DOCS_EXECUTE") == "off" else "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True
# What a command prints comes in pieces that do not end with a line; MyST-NB would make a line of each.
NotebookClient.__init__ = partialmethod(NotebookClient.__init__, coalesce_streams=True)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # several notebooks are executed at the same time
if (HERE.parent.parent / "shared" / "data").is_dir():
    os.environ.setdefault("LIGHTPOOL_SHARED", str(HERE.parent.parent / "shared"))
if "LIGHTPOOL_SHARED" in os.environ:
    os.environ.setdefault("LIGHTPOOL_DATA", str(Path(os.environ["LIGHTPOOL_SHARED"]) / "data"))  # for example_data
os.environ.setdefault("MATPLOTLIBRC", str(HERE / "tutorials/matplotlibrc"))
# for commands in notebooks, if the environment is not activated
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
os.environ.pop("MPLBACKEND", None)  # notebooks need their own, which shows pictures

autodoc_typehints = "none"  # see docs/_extensions/written_signatures.py
add_module_names = False
toc_object_entries_show_parents = "hide"  # the list of a page has room for names of methods alone
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

intersphinx_addresses = {
    "astropy": "https://docs.astropy.org/en/stable/",
    "gammapy": "https://docs.gammapy.org/2.1/",
    "matplotlib": "https://matplotlib.org/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "python": "https://docs.python.org/3/",
    "regions": "https://astropy-regions.readthedocs.io/en/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
}
intersphinx_disabled_reftypes = ["std:doc"]

linkcheck_timeout = 30
linkcheck_retries = 3
linkcheck_anchors = False  # sites make anchors in the browser, and pages of GADF move theirs
linkcheck_ignore = [
    r"https?://(localhost|127\.0\.0\.1|host|HOST)\b",  # examples
]

html_theme = "pydata_sphinx_theme"
html_title = f"lightpool {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "collapse_navigation": True,  # hundreds of pages in the side bar of each page would take half of the time
    "navigation_with_keys": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version", "theme-version"],
}
if os.environ.get("LIGHTPOOL_DOCS_SWITCHER"):
    html_theme_options["navbar_end"].insert(0, "version-switcher")
    html_theme_options["check_switcher"] = False
    html_theme_options["switcher"] = {
        "json_url": os.environ["LIGHTPOOL_DOCS_SWITCHER"],
        "version_match": "dev" if "dev" in version or "+" in version else version,
    }
if (HERE / "_static/logo.svg").exists():
    html_logo = "_static/logo.svg"
    html_theme_options["logo"] = {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo-dark.svg",
        "alt_text": "lightpool",
    }
if (HERE / "_static/favicon.svg").exists():
    html_favicon = "_static/favicon.svg"

copybutton_prompt_text = r">>> |\.\.\. |\$ |In \[\d*\]: | {2,5}\.\.\.: "
copybutton_prompt_is_regexp = True
