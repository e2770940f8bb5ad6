"""The workflows of the hosting site agree with the package and with the tasks of nox."""

import ast
import re
from pathlib import Path

import yaml
from test_project_metadata import PYTHONS

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}
TASKS = {
    next((word.value.value for word in decorator.keywords if word.arg == "name"), function.name)
    if isinstance(decorator, ast.Call)
    else function.name
    for function in ast.parse((ROOT / "noxfile.py").read_text()).body
    if isinstance(function, ast.FunctionDef)
    for decorator in function.decorator_list
}


def combinations():
    """Each system, Python and session of the tests."""
    matrix = WORKFLOWS["tests"]["jobs"]["test"]["strategy"]["matrix"]
    axes = [{"system": matrix["system"][0], "python": python, "session": "test"} for python in matrix["python"]]
    return axes + matrix["include"]


def test_every_supported_python_is_tested_and_the_lowest_versions_on_the_oldest():
    assert {one["python"] for one in combinations() if one["session"] == "test"} == set(PYTHONS)
    assert [one["python"] for one in combinations() if one["session"] == "test-lowest"] == [PYTHONS[0]]


def test_every_system_is_tested():
    systems = {one["system"].partition("-")[0] for one in combinations() if one["session"] == "test"}
    assert systems == {"ubuntu", "macos", "windows"}


def test_workflows_run_tasks_that_there_are():
    used = {one["session"] for one in combinations()}
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                found = re.fullmatch(r"nox -s ([a-z -]+)", step.get("run", ""))
                used |= set(found[1].split()) if found else set()
    assert {"lint", "types", "test", "test-gpu"} <= used <= TASKS


def test_the_tasks_that_contributing_lists_are_those_of_nox():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    table = re.search(r"^\| session \|.*?\n\n", page, flags=re.M | re.S)[0]
    named = {name for line in table.strip().splitlines()[2:] for name in re.findall(r"`([a-z-]+)`", line.split("|")[1])}
    assert named == TASKS


def test_no_job_may_do_more_than_read_unless_it_says_so():
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {"contents": "read"}, name
        granted = {job: steps["permissions"] for job, steps in workflow["jobs"].items() if "permissions" in steps}
        allowed = {
            "release": {"publish": {"id-token": "write"}, "announce": {"contents": "write"}},
            "docs": {"publish": {"contents": "write"}},
        }
        assert granted == allowed.get(name, {})
        assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_a_release_is_built_checked_and_published_in_this_order_without_a_password():
    jobs = WORKFLOWS["release"]["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["announce"]["needs"] == "publish"
    assert jobs["publish"]["if"] == "github.event_name == 'push'"  # run by hand, it publishes nothing
    commands = [step.get("run", "") for step in jobs["build"]["steps"]]
    assert commands.index("python -m build") < commands.index("python -m twine check --strict dist/*")
    assert "python .ci/distributions.py dist" in commands
    (publish,) = (step for step in jobs["publish"]["steps"] if "pypi-publish" in step["uses"])
    assert "with" not in publish


def test_the_check_for_a_file_in_changes_runs_again_when_a_maintainer_adds_the_label_and_nothing_else_does():
    label = "no-change-for-users"
    (job,) = WORKFLOWS["changes"]["jobs"].values()
    assert label in job["if"]
    assert label in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    # YAML 1.1 reads the key `on` as true.
    triggers = {
        name: workflow[True]["pull_request"] for name, workflow in WORKFLOWS.items() if "pull_request" in workflow[True]
    }
    assert {name for name, found in triggers.items() if "labeled" in (found or {}).get("types", [])} == {
        "changes",
        "gpu",
    }
    assert {"labeled", "unlabeled", "synchronize"} <= set(triggers["changes"]["types"])
