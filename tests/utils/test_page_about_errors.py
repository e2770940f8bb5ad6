"""The page about errors and exit codes agrees with the code."""

import re
from pathlib import Path

import lightpool.errors
from lightpool.cli.console import ExitCode

PAGE = (Path(__file__).parents[2] / "docs/reference/errors.md").read_text()


def rows_below(heading):
    """The cells of each line of the table with this first column."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, flags=re.M)[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_each_exception_is_on_the_page_with_what_it_derives_from():
    expected = {}
    for name in lightpool.errors.__all__:
        bases = getattr(lightpool.errors, name).__bases__
        expected[name] = [base.__name__ for base in bases if not base.__name__.startswith("_")]
    found = {name.strip("`"): re.findall(r"`(\w+)`", bases) for name, bases, _ in rows_below("class")}
    assert found == expected


def test_each_exit_code_is_on_the_page_with_its_name():
    found = {int(code): name.strip("`") for code, name, _ in rows_below("exit code")}
    assert found.pop(130) == ""  # the convention of shells
    assert found == {code.value: code.name for code in ExitCode}
