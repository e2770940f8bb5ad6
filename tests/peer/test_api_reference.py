"""The reference on the site describes each public name, and nothing else."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from test_names import SHOWN

pytest.importorskip("sphinx")
EXTENSIONS = Path(__file__).parents[2] / "docs/_extensions"


@pytest.fixture(scope="module")
def pages():
    sys.path.insert(0, str(EXTENSIONS))
    try:
        yield importlib.import_module("api_reference").all_pages()
    finally:
        sys.path.remove(str(EXTENSIONS))


def names_on(page):
    """Names in the tables of the page of a package, and where those that are described elsewhere are."""
    here = re.findall(r"^   \* - `~([\w.]+)`$", page, flags=re.M)
    elsewhere = re.findall(r"^- ``(\w+)``: `([\w.]+)`$", page, flags=re.M)
    return here, dict(elsewhere)


@pytest.mark.parametrize("package", [*SHOWN, "lightpool.errors", "lightpool.typing"])
def test_the_page_of_a_package_has_the_names_that_it_shows_and_no_others(pages, package):
    here, elsewhere = names_on(pages[package])
    listed = [path.removeprefix(f"{package}.") for path in here] + list(elsewhere)
    assert sorted(listed) == sorted(importlib.import_module(package).__all__)
    for path in here:
        assert path in pages or f"{path}-class" in pages
    for home in elsewhere.values():
        assert home in pages or not home.startswith("lightpool.")


def test_each_page_is_reached_from_the_page_of_a_package(pages):
    reached = {path for page in pages.values() for path in names_on(page)[0]}
    reached |= {f"{path}-class" for path in reached}
    packages = {path for path in pages if path in sys.modules}
    assert set(pages) <= reached | packages


def test_pages_have_names_that_differ_on_file_systems_that_ignore_case(pages):
    assert len({name.lower() for name in pages}) == len(pages)


def test_a_name_of_several_packages_is_described_where_it_is_made(pages):
    assert names_on(pages["lightpool.estimators"]) == (
        [],
        {"ExcessMapEstimator": "lightpool.makers.ExcessMapEstimator"},
    )
    assert names_on(pages["lightpool.modeling"])[1]["Parameter"] == "gammapy.modeling.Parameter"
    assert "lightpool.irf.PSFMap" in names_on(pages["lightpool.irf"])[0]
    assert names_on(pages["lightpool.irf.psf"])[1]["PSFMap"] == "lightpool.irf.PSFMap"
    assert names_on(pages["lightpool.fits"])[1]["Header"] == "astropy.io.fits.Header"


def test_a_method_of_a_base_class_of_ours_is_described_and_one_of_python_is_not(pages):
    assert ".. automethod:: sum_over_axes" in pages["lightpool.maps.WcsNDMap"]
    assert ".. autoproperty:: center" in pages["lightpool.maps.MapAxis"]
    assert "automethod:: count\n" not in pages["lightpool.datasets.Datasets"]
