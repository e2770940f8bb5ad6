"""``python -m lightpool.gammapy`` and the extension of IPython: a script cannot tell that it is accelerated."""

import json
import os
import subprocess
import sys

import pytest

from lightpool.gammapy import accelerated, scripts

# All that a script can see of how it was started; it ends as its first argument says.
SCRIPT = """
import atexit, inspect, multiprocessing, pickle, sys, warnings

class Local:
    "a class of the script"

def accelerated(_=None):
    makers = sys.modules.get("gammapy.makers")
    return makers is not None and hasattr(makers.MapDatasetMaker.run, "__wrapped__")

def fail():
    raise ValueError("of the script")

if __name__ == "__main__":
    names = "__name__ __file__ __package__ __cached__ __doc__ __annotations__".split()
    print([globals()[name] for name in names], __builtins__, type(__loader__), getattr(__spec__, "name", None))
    print(sorted(globals()), sys.argv, sys.path[0], sys.modules["__main__"] is sys.modules[Local.__module__])
    print(type(pickle.loads(pickle.dumps(Local()))), inspect.getsource(Local), sys.excepthook is sys.__excepthook__)
    atexit.register(lambda: print("at the end", Local))
    warnings.warn("of the script", DeprecationWarning)
    print("accelerated:", accelerated(), file=open(sys.argv[2], "a"))
    if sys.argv[1] == "processes":
        for method in ["fork", "spawn"]:
            with multiprocessing.get_context(method).Pool(1) as pool:
                print(method, pool.map(accelerated, [0]), file=open(sys.argv[2], "a"))
    elif sys.argv[1] == "fail":
        fail()
    elif sys.argv[1] == "interrupt":
        raise KeyboardInterrupt
    sys.exit(sys.argv[1])
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "package").mkdir()
    for name in ["script.py", "module.py", "package/__main__.py"]:
        (tmp_path / name).write_text(SCRIPT)
    (tmp_path / "broken.py").write_text("f(")
    return tmp_path


@pytest.fixture
def python(folder):
    def run(*arguments):
        # The text of errors must not depend on how many columns a terminal has.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "200"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    return run


# Each case in a fork of one process, so that Gammapy is imported once. Each fork ends as Python ends.
FORKS = """
import json, os, sys
from lightpool.gammapy.scripts import main
for i, case in enumerate(json.loads(sys.argv[1])):
    process = os.fork()
    if process == 0:
        for number, name in [(1, "out"), (2, "err")]:
            os.dup2(os.open(f"{i}.{name}", os.O_WRONLY | os.O_CREAT), number)
        main(case)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""


def without_runpy(text):
    """What Python prints of its own frames for ``-m``."""
    return "\n".join(line for line in text.splitlines() if "<frozen runpy>" not in line)


def test_a_script_sees_prints_and_ends_as_without_acceleration(python, folder):
    cases = [
        ["./script.py", "fail", "log", "--device"],
        ["script.py", "interrupt", "log", "--report", "-m"],
        ["script.py", "message of exit", "log"],
        ["-m", "module", "fail", "log", "-m"],
        ["-m", "package", "fail", "log"],
        ["package", "fail", "log"],
        ["broken.py"],
        ["missing.py"],
        ["-m", "missing"],
        ["-m", "missing.module"],
        ["empty"],
    ]
    (folder / "empty").mkdir()
    ended = python("-c", FORKS, json.dumps([["--device", "cpu", *case] for case in cases]))
    assert not ended.stderr
    assert (folder / "log").read_text() == "accelerated: True\n" * 6
    for i, (case, code) in enumerate(zip(cases, ended.stdout.split(), strict=True)):
        plain = python(*case)
        assert (folder / f"{i}.out").read_text() == plain.stdout, case
        assert without_runpy((folder / f"{i}.err").read_text()) == without_runpy(plain.stderr), case
        assert int(code) == plain.returncode, case
    assert (folder / "log").read_text().endswith("accelerated: False\n")


def test_processes_of_a_script_are_accelerated_however_they_are_started(python, folder):
    ended = python("-m", "lightpool.gammapy", "script.py", "processes", "log")
    assert ended.stderr.endswith("processes\n"), ended.stderr
    lines = (folder / "log").read_text().splitlines()
    assert lines == ["accelerated: True", "fork [True]", "spawn [True]"]


def test_the_report_comes_last_also_of_a_script_that_fails(python):
    ended = python("-m", "lightpool.gammapy", "--report", "script.py", "fail", "log")
    assert ended.returncode == 1
    assert ended.stderr.rstrip().splitlines()[-2:] == [
        "ValueError: of the script",
        "No method of Gammapy that lightpool accelerates was called.",
    ]


def test_a_device_that_is_not_there_is_an_error_before_the_script_runs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lightpool.gammapy"])
    with pytest.raises(SystemExit) as ended:
        scripts.main(["--device", "abacus", "missing.py"])
    assert ended.value.code == 2
    assert "abacus" in capsys.readouterr().err


def test_without_a_script_the_usage_is_shown(capsys):
    with pytest.raises(SystemExit) as ended:
        scripts.main([])
    assert ended.value.code == 2
    assert "script.py" in capsys.readouterr().err


def is_accelerated():
    from gammapy.makers import MapDatasetMaker

    return hasattr(MapDatasetMaker.run, "__wrapped__")


def test_ipython_loads_and_unloads_the_extension():
    shell_class = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    shell = shell_class()
    assert not is_accelerated()
    shell.run_line_magic("load_ext", "lightpool.gammapy")
    try:
        assert is_accelerated()
        result = shell.run_cell("import lightpool.gammapy\nlightpool.gammapy.report()").result
        assert shell.display_formatter.format(result)[0].keys() >= {"text/plain", "text/html"}
    finally:
        shell.run_line_magic("unload_ext", "lightpool.gammapy")
    assert not is_accelerated()


def test_a_notebook_runs_accelerated(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = [
        "%load_ext lightpool.gammapy",
        "from gammapy.makers import MapDatasetMaker\nprint(hasattr(MapDatasetMaker.run, '__wrapped__'))",
        "import lightpool.gammapy\nlightpool.gammapy.report()",
        "%unload_ext lightpool.gammapy",
        "print(hasattr(MapDatasetMaker.run, '__wrapped__'))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    during, report, after = (notebook.cells[i].outputs[0] for i in (1, 2, 4))
    assert (during["text"].strip(), after["text"].strip()) == ("True", "False")
    assert "text/html" in report["data"]


def test_the_context_manager_ends_also_after_an_error():
    def fail():
        with accelerated():
            assert is_accelerated()
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert not is_accelerated()
