"""The recipe for conda-forge agrees with the metadata of the package."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
RECIPE = yaml.safe_load((ROOT / "recipe/recipe.yaml").read_text())
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = METADATA["project"]
NAMES = {"astropy": "astropy-base", "isal": "python-isal", "matplotlib": "matplotlib-base", "torch": "pytorch"}
"""Names of packages on conda-forge, where they differ from those on PyPI."""


def bounds(requirements):
    """Give the versions that are accepted of each package, by its name on conda-forge."""
    found = {}
    for requirement in requirements:
        name, versions = re.fullmatch(r"([\w-]+)(?:\[\w+\])? ?([<>=.,\d]*)(?:;.*)?", requirement).groups()
        found[NAMES.get(name, name)] = versions
    return found


def test_packages_and_versions_that_are_needed_are_those_of_the_package():
    python, *others = RECIPE["requirements"]["run"]
    assert python == "python >=${{ python_min }}"
    assert f">={RECIPE['context']['python_min']}" == PROJECT["requires-python"]
    assert bounds(others) == bounds(PROJECT["dependencies"])


def test_the_package_is_built_with_what_it_says():
    python, pip, *others = RECIPE["requirements"]["host"]
    assert (python, pip) == ("python ${{ python_min }}.*", "pip")
    assert bounds(others) == bounds(METADATA["build-system"]["requires"])


def test_optional_packages_have_the_bounds_of_the_extras():
    extras = PROJECT["optional-dependencies"]
    optional = bounds([*extras["plot"], *extras["torch"], *extras["gammapy"], *extras["cuda13"]])
    optional["cupy"] = optional.pop("cupy-cuda13x")
    constraints = bounds(RECIPE["requirements"]["run_constraints"])
    assert constraints == {name: optional[name] for name in constraints}


def test_name_summary_licence_and_command_are_those_of_the_package():
    assert RECIPE["package"]["name"] == PROJECT["name"]
    assert RECIPE["about"]["summary"] == PROJECT["description"]
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert [RECIPE["about"]["license_file"]] == PROJECT["license-files"]
    commands = [f"{name} = {place}" for name, place in PROJECT["scripts"].items()]
    assert RECIPE["build"]["python"]["entry_points"] == commands


def test_the_checksum_is_marked_as_a_placeholder_as_long_as_it_is_one():
    (line,) = [line for line in (ROOT / "recipe/recipe.yaml").read_text().splitlines() if "sha256:" in line]
    assert (RECIPE["source"]["sha256"] == "0" * 64) == line.endswith("# placeholder")
