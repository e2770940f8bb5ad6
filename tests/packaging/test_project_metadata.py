"""What describes the package: its metadata, the page about support, how to cite it, and the forms of issues."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [
    found[1]
    for classifier in PROJECT["classifiers"]
    if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier))
]


def rows_of(page, heading):
    """Give the rows of the table of a page whose first heading is this one."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n?)+)", page, flags=re.M)[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_classifiers_begin_with_the_oldest_python_that_can_install_the_package_and_leave_none_out():
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    minors = [int(version.partition(".")[2]) for version in PYTHONS]
    assert minors == list(range(minors[0], minors[-1] + 1))


def test_tools_check_the_code_for_the_oldest_python():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["ruff"]["target-version"] == "py" + PYTHONS[0].replace(".", "")
    assert tools["mypy"]["python_version"] == PYTHONS[0]


def test_the_page_about_support_lists_each_python_and_each_lowest_version():
    page = (ROOT / "docs/reference/support.md").read_text()
    assert [row[0] for row in rows_of(page, "Python")] == PYTHONS
    lowest = dict(re.match(r"([\w-]+)>=([\d.]+)", dependency).groups() for dependency in PROJECT["dependencies"])
    assert dict(rows_of(page, "package")) == lowest


def test_every_dependency_has_a_lower_bound():
    extras = [dependency for group in PROJECT["optional-dependencies"].values() for dependency in group]
    without = [dependency for dependency in PROJECT["dependencies"] + extras if not re.search(r">=|==", dependency)]
    known = [
        "lightpool[gammapy,report]",
        "lightpool[test]",
        "regions<0.12",
        "regions<0.12",
        "scipy-stubs",
        "types-PyYAML",
    ]
    assert sorted(without) == known


def test_citation_and_zenodo_name_the_same_title_authors_licence_and_keywords():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    zenodo = json.loads((ROOT / ".zenodo.json").read_text())
    assert citation["title"] == zenodo["title"] == PROJECT["name"]
    assert citation["authors"] == zenodo["creators"] == PROJECT["authors"]
    assert citation["license"] == zenodo["license"] == PROJECT["license"]
    assert citation["keywords"] == zenodo["keywords"]
    assert citation["abstract"] == zenodo["description"]


def test_the_doi_is_marked_as_a_placeholder_as_long_as_it_is_one():
    (doi,) = yaml.safe_load((ROOT / "CITATION.cff").read_text())["identifiers"]
    assert doi["value"].endswith("zenodo.0000000") == doi["description"].startswith("Placeholder")


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name)
def test_forms_of_issues_have_what_the_site_requires(path):
    form = yaml.safe_load(path.read_text())
    if path.name == "config.yml":
        assert set(form) <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(form)
    ids = [part["id"] for part in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(part["attributes"]["label"] for part in form["body"])
    assert {part["type"] for part in form["body"]} <= {"textarea", "input", "dropdown", "checkboxes"}


def test_commands_that_a_form_names_exist():
    from lightpool.cli import main

    texts = [path.read_text() for path in (ROOT / ".github").rglob("*.yml")]
    named = {name for text in texts for name in re.findall(r"`lightpool ([a-z]+)", text)}
    assert named
    assert named <= set(main.commands)


def test_each_text_file_ends_with_one_newline_as_the_hooks_require():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("needs a checkout: only git knows which files belong to the project")
    files = [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]
    contents = {path: path.read_bytes() for path in files}
    texts = {path: content for path, content in contents.items() if content and b"\0" not in content}
    assert len(texts) > 1000
    wrong = [str(path) for path, text in texts.items() if not text.endswith(b"\n") or text.endswith(b"\n\n")]
    assert wrong == []
