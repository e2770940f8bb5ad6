"""Completion in shells, and messages in Python: see docs/reference/command_line.md."""

import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import lightpool
from lightpool.cli import main

SOURCE = Path(lightpool.__file__).parent
PAGE = (Path(__file__).parents[1] / "docs/reference/command_line.md").read_text()


def completions(shell, *words):
    """What a shell is told when Tab is pressed after these words; the last may be unfinished."""
    env = {"_LIGHTPOOL_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(("lightpool", *words))}
    env["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words))
    done = CliRunner().invoke(main, [], prog_name="lightpool", env=env)
    assert done.exit_code == 0, done.output
    return done.output.split("\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["re"], ["plain,reduce", "plain,report"]),
        (["reduce", "--wor"], ["plain,--workers"]),
        (["reduce", "--on-error", ""], ["plain,raise", "plain,skip", "plain,retry"]),
        (["reduce", ""], ["file,"]),
        (["check", ""], ["dir,"]),
    ],
)
def test_bash_completes_commands_options_choices_files_and_folders(words, expected):
    assert [line for line in completions("bash", *words) if line and line != "plain,--help"] == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_is_completed_in_every_shell(shell):
    found = " ".join(completions(shell, ""))
    assert all(name in re.split(r"[\s,]", found) for name in main.commands)


@pytest.mark.parametrize(("shell", "line"), re.findall(r"^\| (\w+).* \| `~.*` \| `(.*)` \|$", PAGE, flags=re.M))
def test_the_documented_lines_ask_for_scripts_that_there_are(shell, line):
    instruction = re.search(r"_LIGHTPOOL_COMPLETE=(\w+) lightpool", line)[1]
    assert instruction == f"{shell.lower()}_source"
    if instruction == "bash_source" and shutil.which("bash") is None:
        return  # click asks bash for its version
    done = CliRunner().invoke(main, [], prog_name="lightpool", env={"_LIGHTPOOL_COMPLETE": instruction})
    assert done.exit_code == 0
    assert "_LIGHTPOOL_COMPLETE" in done.output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no bash")
def test_the_documented_line_works_in_bash(tmp_path):
    command = tmp_path / "lightpool"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from lightpool.cli import main; main()" "$@"\n')
    command.chmod(0o755)
    line = re.search(r"~/\.bashrc` \| `(.*)` \|", PAGE)[1].replace("lightpool)", f"{command})")
    # click takes the name of the program from sys.argv, which is that of Python here.
    command.write_text(command.read_text().replace("main()", "main(prog_name='lightpool')"))
    script = f"""{line}
COMP_WORDS=(lightpool re); COMP_CWORD=1
_lightpool_completion {command}
echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["reduce", "report"], done.stderr


def loggers():
    """Names of the loggers that the modules of the package use."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        module = ".".join(("lightpool", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        for argument in re.findall(r"logging\.getLogger\((__name__|\".*?\")\)", path.read_text()):
            found.add(module if argument == "__name__" else argument.strip('"'))
    return found


def test_the_page_lists_the_loggers_that_there_are():
    rows = re.findall(r"^\| (`lightpool[^|]*) \|", PAGE, flags=re.M)
    documented = {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    own = {name for name in loggers() if name.partition(".")[0] == "lightpool"}
    assert {".".join(name.split(".")[:2]) for name in own} == documented
    assert {name.partition(".")[0] for name in loggers() - own} == {"gammapy", "py"}  # py.warnings: those of Python


@pytest.mark.slow
def test_importing_the_package_leaves_logging_as_it_is_and_warnings_are_seen_without_any_setting():
    code = """
import logging
import lightpool, lightpool.makers, lightpool.datasets, lightpool.data, lightpool.cli
names = ["lightpool", *(name for name in logging.root.manager.loggerDict if name.startswith("lightpool."))]
assert [name for name in names if logging.getLogger(name).handlers or logging.getLogger(name).level] == []
log = logging.getLogger("lightpool.makers.safe")
log.warning("observation 7 contributes nothing")
log.info("unheard")
logging.getLogger("lightpool").addHandler(logging.NullHandler())
log.warning("unheard too")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["observation 7 contributes nothing"]


@pytest.fixture
def levels():
    """Set levels of loggers, which are reset after the test."""
    before = {name: logging.getLogger(name).level for name in ("lightpool", "lightpool.data")}
    yield lambda name, level: logging.getLogger(name).setLevel(level)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_a_level_can_be_set_for_a_part_of_the_package(caplog, levels):
    levels("lightpool", "INFO")
    levels("lightpool.data", "ERROR")
    logging.getLogger("lightpool.data.observations").warning("not this")
    logging.getLogger("lightpool.makers.safe").info("this")
    assert caplog.messages == ["this"]
