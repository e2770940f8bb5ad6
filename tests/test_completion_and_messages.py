"""Completion in shells, and messages in Python: see docs/reference/command_line.md."""

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from astropy.io import fits
from click.testing import CliRunner

import lightpool
from lightpool.cli import main
from lightpool.simulate import simulate_store

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
        (["quicklook", "dl3", "--source", "cra"], ["plain,Crab"]),
        (["quicklook", "dl3", "--source", "msh_15"], ["plain,MSH_15-52"]),
        (["quicklook", "dl3", "--source", "83.6"], []),
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


def line_for(shell, command):
    """The line of the page for a shell, with the path of a command."""
    (line,) = re.findall(rf"^\| {shell}\b.* \| `~.*` \| `(.*)` \|$", PAGE, flags=re.M)
    return re.sub(r"_source lightpool\b", f"_source {command}", line.replace(r"\|", "|"))


@pytest.fixture
def command(tmp_path):
    """The command, in a folder of its own that is the first of the path."""
    path = tmp_path / "bin" / "lightpool"
    path.parent.mkdir()
    # click takes the name of the program from sys.argv, which is that of Python here.
    run = "from lightpool.cli import main; main(prog_name='lightpool')"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{run}" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no bash")
def test_the_documented_line_works_in_bash(command):
    script = f"""{line_for("Bash", command)}
COMP_WORDS=(lightpool re); COMP_CWORD=1
_lightpool_completion {command}
echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["reduce", "report"], done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("fish") is None, reason="needs the program fish")
def test_the_documented_line_works_in_fish(command):
    script = f"{line_for('Fish', command)}; complete -C 'lightpool re'; complete -C 'lightpool reduce --on-error '"
    path = f"{command.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PATH": path, "HOME": str(command.parent)},
    )
    names = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert names == ["reduce", "report", "raise", "retry", "skip"], done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs the program zsh")
def test_the_documented_line_works_in_zsh(command):
    (before,) = re.findall(r"put `(autoload.*?)` above", PAGE)
    script = f"{before} -u -D; {line_for('Zsh', command)}; print $_comps[lightpool]"
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("_lightpool_completion\n", "")


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


SAFE = 'logging.getLogger("lightpool.makers.safe").warning("no exposure")'
PRINTED = "WARNING: no exposure [lightpool.makers.safe]"
TO_STDERR = "handler = logging.StreamHandler(); handler.setFormatter(logging.Formatter('mine: %(message)s'))"


def printed(*lines):
    """Lines on standard error of a script that imports lightpool."""
    code = "\n".join(("import logging, logging.config, sys", "import lightpool", *lines))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([SAFE], [PRINTED]),
        ([SAFE.replace("warning", "error")], [PRINTED.replace("WARNING", "ERROR")]),
        ([SAFE.replace("warning", "info")], []),
        (["import importlib; importlib.reload(lightpool)", SAFE], [PRINTED]),
        (
            ['[sys.modules.pop(name) for name in [*sys.modules] if "lightpool" in name]; import lightpool', SAFE],
            [PRINTED],
        ),
        ([SAFE.replace("no exposure", r"Crab\x1b[31m\nWARNING: forged")], None),
        (['logging.getLogger("gammapy").addHandler(logging.NullHandler())', SAFE], [PRINTED]),
    ],
    ids=["warning", "error", "info", "reload", "imported twice", "escapes", "other package"],
)
def test_warnings_are_printed_where_logging_is_not_set_up(lines, expected):
    if expected is None:
        expected = [r"WARNING: Crab\x1b[31m", "    WARNING: forged [lightpool.makers.safe]"]
    assert printed(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['logging.basicConfig(format="mine: %(message)s")'], ["mine: no exposure"]),
        (['logging.basicConfig(format="mine: %(message)s", level="DEBUG")'], ["mine: no exposure"]),
        (
            ['logging.basicConfig(format="mine: %(message)s", handlers=[logging.StreamHandler()])'],
            ["mine: no exposure"],
        ),
        ([TO_STDERR, 'logging.getLogger("lightpool").addHandler(handler)'], ["mine: no exposure"]),
        ([TO_STDERR, 'logging.getLogger("lightpool.makers").addHandler(handler)'], ["mine: no exposure"]),
        ([TO_STDERR, 'logging.getLogger("lightpool.data").addHandler(handler)'], [PRINTED]),
        ([TO_STDERR, 'handler.setLevel("ERROR"); logging.getLogger().addHandler(handler)'], []),
        (
            [TO_STDERR, 'logging.getLogger().addHandler(handler); logging.getLogger("lightpool").propagate = False'],
            [PRINTED],
        ),
        (
            ['logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"level": "INFO"}})'],
            [PRINTED],
        ),
        (["logging.captureWarnings(True)"], [PRINTED]),
    ],
    ids=[
        "root",
        "DEBUG",
        "handlers=",
        "package",
        "part",
        "other part",
        "level",
        "not propagated",
        "no handler",
        "warnings",
    ],
)
def test_a_handler_of_the_user_is_the_only_one_that_prints(lines, expected):
    assert printed(*lines, SAFE) == expected


@pytest.mark.parametrize("line", re.findall(r"^(logging\.getLogger\(\"lightpool\"\)\S*)", PAGE, flags=re.M))
def test_the_documented_lines_turn_warnings_off(line):
    assert printed(line, SAFE) == []


def test_without_the_handler_that_prints_nothing_is_printed():
    remove = "log.removeHandler(next(each for each in log.handlers if type(each) is not logging.NullHandler))"
    assert printed('log = logging.getLogger("lightpool")', remove, SAFE) == []


@pytest.mark.slow
def test_no_level_is_set_and_no_other_logger_has_handlers():
    names = '["lightpool", *(name for name in logging.root.manager.loggerDict if name.startswith("lightpool."))]'
    show = "print([n for n in names if logging.getLogger(n).handlers], file=sys.stderr)"
    level = "print([n for n in names if logging.getLogger(n).level], file=sys.stderr)"
    modules = "import lightpool.makers, lightpool.datasets, lightpool.data, lightpool.cli"
    assert printed(modules, f"names = {names}", show, level) == ["['lightpool']", "[]"]


@pytest.mark.slow
def test_a_script_without_any_setting_is_told_of_assumed_numbers(tmp_path):
    store = simulate_store(tmp_path / "store", 1, ontime=10.0)
    with fits.open(store / "data" / "run_000001.fits.gz", mode="update") as hdus:
        hdus["BKG"].header["TUNIT7"] = "per something"
    read = f"from lightpool.data import DataStore; DataStore.from_dir({str(store)!r}).obs(1).bkg"
    (line,) = printed(read)
    assert line.startswith("WARNING: ")
    assert line.endswith(
        "unit 'per something' is not known, taken as s-1 MeV-1 sr-1 [lightpool.irf.tables.table_rules]"
    )


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
