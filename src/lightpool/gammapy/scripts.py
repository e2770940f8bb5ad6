"""Scripts and modules that run as Python runs them, but with Gammapy accelerated."""

import argparse
import atexit
import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pkgutil import get_importer
from types import CodeType, ModuleType
from typing import NoReturn

from lightpool.errors import LightpoolError
from lightpool.gammapy.acceleration import accelerate, report

__all__ = ["main", "run_module", "run_script"]

_REPLACED: list[ModuleType] = []
"""The modules ``__main__`` of this program: it still runs, and Python empties modules that nothing refers to."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a script or a module with Gammapy accelerated.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line.
    """
    parser, options = _parsed(arguments)
    module = options.module
    what = options.script if module is None else module
    if not what:
        parser.print_usage(sys.stderr)
        sys.exit(2)
    try:
        accelerate(device=options.device, strict=options.strict)
    except LightpoolError as error:
        _fail(f"{parser.prog}: {error}", 2)
    # What was imported lives until the end. A collection would look at half a million of its objects each time.
    gc.freeze()
    if options.report:
        _report_at_end()
    sys.argv[:] = what
    if module is None:
        run_script(what[0])
    else:
        run_module(what[0])


def _parsed(arguments: Sequence[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        prog="python -m lightpool.gammapy",
        usage="%(prog)s [--device DEVICE] [--strict] [--report] script.py [arguments]\n"
        "       %(prog)s [--device DEVICE] [--strict] [--report] -m module [arguments]",
        description="Run a script that was written for Gammapy on lightpool.",
        allow_abbrev=False,
    )
    parser.add_argument("--device", help="cpu, cuda, torch or torch:cuda [default: LIGHTPOOL_DEVICE or cpu]")
    parser.add_argument(
        "--strict", action="store_true", help="leave to Gammapy what lightpool does differently on purpose"
    )
    parser.add_argument("--report", action="store_true", help="print to standard error, at the end, what ran where")
    # What follows belongs to the script, options too.
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help="run a module, as python -m does")
    parser.add_argument("script", nargs=argparse.REMAINDER, help="the script and its arguments")
    return parser, parser.parse_args(arguments)


def run_script(path: str) -> None:
    """Run a file, a folder or a ZIP file as ``python path`` does.

    Parameters
    ----------
    path : str
        A folder or a ZIP file has a ``__main__.py``.
    """
    name = os.path.join(os.getcwd(), path)  # not normalised, as in Python
    importer = get_importer(name)
    if importer is not None:  # a folder or a ZIP file
        _replace_first_path(name)
        spec = importer.find_spec("__main__")
        if spec is None:
            _fail(f"{sys.executable}: can't find '__main__' module in {name!r}", 1)
        _run_spec(spec)
        return
    _replace_first_path(os.path.dirname(os.path.realpath(path)))
    try:
        with io.open_code(name) as file:
            source = file.read()
    except OSError as error:
        _fail(f"{sys.executable}: can't open file {name!r}: [Errno {error.errno}] {error.strerror}", 2)
    main_module = _new_main(__file__=name, __cached__=None, __loader__=SourceFileLoader("__main__", name))
    try:
        code = compile(source, name, "exec", dont_inherit=True)
    except BaseException:
        _show_frames_from(None)
        raise
    _run(code, main_module)


def run_module(name: str) -> None:
    """Run a module as ``python -m name`` does.

    Parameters
    ----------
    name : str
        Of a package, its ``__main__`` is run.
    """
    _replace_first_path(os.getcwd())
    sys.argv[0] = "-m"  # while the packages around the module are imported
    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = find_spec(name := f"{name}.__main__")
    except ModuleNotFoundError as error:
        _fail(
            f"{sys.executable}: Error while finding module specification for {name!r} (ModuleNotFoundError: {error})", 1
        )
    if spec is None:
        _fail(f"{sys.executable}: No module named {name}", 1)
    if spec.origin is not None:
        sys.argv[0] = spec.origin
    _run_spec(spec)


def _run_spec(spec: ModuleSpec) -> None:
    loader = spec.loader
    code = getattr(loader, "get_code", lambda _: None)(spec.name)
    if code is None:
        _fail(f"{sys.executable}: No code object available for {spec.name}", 1)
    main_module = _new_main(
        __file__=spec.origin, __cached__=spec.cached, __loader__=loader, __package__=spec.parent, __spec__=spec
    )
    _run(code, main_module)


def _new_main(**attributes: object) -> ModuleType:
    """Return a new module ``__main__`` in the place of that of this program."""
    module = ModuleType("__main__")
    vars(module).update({"__annotations__": {}, "__builtins__": sys.modules["builtins"], **attributes})
    _REPLACED.append(sys.modules["__main__"])
    sys.modules["__main__"] = module
    return module


def _run(code: CodeType, module: ModuleType) -> None:
    try:
        exec(code, vars(module))
    except SystemExit:
        raise
    except BaseException:
        _show_frames_from(code)
        raise


def _show_frames_from(code: CodeType | None) -> None:
    """Have tracebacks printed without the frames of this program, which come before those of the script.

    Parameters
    ----------
    code : code object or None
        Of the script; None shows no frame, as of a file that cannot be compiled.
    """
    plain = sys.excepthook  # that of the script, if it has one

    def show(kind: type[BaseException], error: BaseException, trace: object) -> None:
        found = error.__traceback__
        while found is not None and found.tb_frame.f_code is not code:
            found = found.tb_next
        plain(kind, error.with_traceback(found), found)

    sys.excepthook = show


def _replace_first_path(path: str) -> None:
    if not sys.flags.safe_path:  # else Python has put nothing there
        sys.path[0] = path


def _report_at_end() -> None:
    """Print the report when Python ends: after all output and tracebacks of the script."""
    process = os.getpid()

    def show() -> None:
        if os.getpid() == process and sys.stderr is not None:  # not in forks, which end too
            sys.stderr.write(f"{report()}\n")

    atexit.register(show)


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(code)
