"""docs/reference/public_api.md says which packages are public; the code agrees."""

import importlib
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import lightpool

SOURCE = Path(lightpool.__file__).parent
PAGE = (Path(__file__).parents[1] / "docs/reference/public_api.md").read_text()
PUBLIC = re.findall(r"^\| `(lightpool[\w.]*)` \|", PAGE, flags=re.M)
PRIVATE = re.findall(r"`(lightpool\.\w+)`", PAGE[PAGE.index("**Private** are") :].partition(", and all")[0])
WITHOUT_GAMMAPY = [
    name for name in PUBLIC if name not in ("lightpool.gammapy", "lightpool.modeling") or find_spec("gammapy")
]


def test_every_package_and_module_is_either_public_or_private():
    there = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    there -= {"__init__", "__main__"}
    named = [name.removeprefix("lightpool.") for name in [*PUBLIC, *PRIVATE] if name != "lightpool"]
    assert sorted(named) == sorted(there)


@pytest.mark.parametrize("name", WITHOUT_GAMMAPY)
def test_a_public_package_lists_its_names_and_has_them(name):
    package = importlib.import_module(name)
    assert len(set(package.__all__)) == len(package.__all__) > 0
    modules = {each for each in package.__all__ if name == "lightpool.plot" and find_spec(f"{name}.{each}")}
    public = [each for each in package.__all__ if each not in {"__version__", *modules}]
    assert public or modules
    assert [each for each in public if each.startswith("_") or not hasattr(package, each)] == []
    # What is documented is there: each class and function says what it is.
    objects = [getattr(package, each) for each in public]
    assert [each for each in objects if (inspect.isclass(each) or inspect.isroutine(each)) and not each.__doc__] == []


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_package_exists_and_no_public_one_shows_its_names(name):
    assert find_spec(name) is not None
    names = {each for public in WITHOUT_GAMMAPY for each in vars(importlib.import_module(public)).get("__all__", [])}
    assert name.removeprefix("lightpool.") not in names


@pytest.mark.parametrize("path", re.findall(r"`(lightpool\.\w+\.\w+)`", PAGE))
def test_modules_that_the_page_names_are_there(path):
    assert importlib.import_module(path) is not None
