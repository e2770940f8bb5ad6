"""Modules of users that a running program imports by name, and the versions of their sources."""

import ast
import hashlib
import importlib
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["import_by_name", "module_version", "require_as_imported"]

_SUFFIXES = (".py", *EXTENSION_SUFFIXES)
_INSTALLED = frozenset(["site-packages", "dist-packages"])
"""Names of the folders of installed packages, whose imports belong to other packages."""

_digests: dict[str, tuple[ModuleSpec | None, str]] = {}
"""For each module, the digest of its sources when it was imported; it is imported again if its spec is another."""


def import_by_name(name: str, folders: Sequence[Path] = ()) -> ModuleType:
    """Import a module, which may be in one of some folders.

    The folders are added to the end of ``sys.path``, so that what is in them hides nothing that is installed.

    Parameters
    ----------
    name : str
        Full name, such as ``package.module``.
    folders : sequence of Path
        Folders that are searched after those of Python.

    Raises
    ------
    ImportError
        If there is no such module, if it raises an error, or if another one of its name hides it.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ImportError(f"there is no folder {folder}, in which modules are searched; create it, or correct it")
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    importlib.invalidate_caches()  # the file may be younger than what Python remembers of its folder
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            _refuse_hidden(name, folders)
            raise ImportError(f"there is no module {error.name!r}{_searched(folders)}") from error
        raise ImportError(f"the module {name!r} cannot be imported: {_raised(error, name)}") from error
    except (Exception, SystemExit) as error:  # whatever code of users raises
        raise ImportError(f"the module {name!r} cannot be imported: {_raised(error, name)}") from error
    _refuse_hidden(name, folders)
    _digest_when_imported(module, folders)
    return module


def module_version(module: ModuleType, folders: Sequence[Path] = ()) -> str:
    """Return the version of its distribution, if it has one, and a hash of its sources when it was imported.

    The sources are those of the whole package to which it belongs, or the one file, and of the modules next to it and
    in the folders that they import.

    Parameters
    ----------
    module : module
    folders : sequence of Path
        Those of `import_by_name`.

    Raises
    ------
    ImportError
        If it has no source files, or they have changed since it was imported.
    """
    digest = _digest_when_imported(module, folders)
    version = _distribution_version(module.__name__.partition(".")[0])
    return f"source.{digest}" if version is None else f"{version}+source.{digest}"


@lru_cache
def _distribution_version(package: str) -> str | None:
    names = list(metadata.packages_distributions().get(package, []))
    # Several distributions share a namespace package.
    return metadata.version(names[0]) if len(set(names)) == 1 else None


def require_as_imported(module: ModuleType, folders: Sequence[Path] = ()) -> None:
    """Refuse a module whose sources have changed since this process imported it.

    Parameters
    ----------
    module : module
    folders : sequence of Path
        Those of `import_by_name`.

    Raises
    ------
    ImportError
        If they have.
    """
    if _digest_when_imported(module, folders) != _digest(module, folders):
        raise ImportError(
            f"the sources of {module.__name__} have changed since this process imported it; start a new process "
            "(in a notebook: restart the kernel)"
        )


def _searched(folders: Sequence[Path]) -> str:
    listed = ", ".join(map(str, folders))
    return f" in {listed}, in PYTHONPATH, or among the installed packages" if listed else " in PYTHONPATH or installed"


def _raised(error: BaseException, name: str) -> str:
    """Return an error of an imported module with the line in that module, or in one that it imports, that raised it."""
    where = ""
    if not isinstance(error, SyntaxError):  # its text has the file and the line
        frames = [each for each in traceback.extract_tb(error.__traceback__) if "importlib" not in each.filename]
        if frames := [each for each in frames if each.filename != __file__]:
            where = f" ({frames[-1].filename}, line {frames[-1].lineno})"
    return f"{type(error).__name__}: {error}{where}"


def _refuse_hidden(name: str, folders: Sequence[Path]) -> None:
    """Refuse a module that is hidden by another one of its name, such as an installed one."""
    first = name.partition(".")[0]
    module = sys.modules.get(first)
    if module is None or not (places := _places(module)):
        return
    for folder in folders:
        meant = [each for each in (folder / f"{first}.py", folder / first / "__init__.py") if each.is_file()]
        # A package may have no __init__.py: then its folders, and not a file, are where it is.
        if not meant and folder.joinpath(*name.split(".")).with_suffix(".py").is_file():
            meant = [folder / first]
        if any(each.samefile(place) for each in meant for place in places if place.exists()):
            return
        if meant:
            raise ImportError(
                f"{meant[0]} is hidden by {places[0]}, which has the same name and is found before it; rename it"
            )


def _places(module: ModuleType) -> list[Path]:
    file = _own_attribute(module, "__file__")
    return [Path(file)] if file else [Path(each) for each in _own_attribute(module, "__path__") or ()]


def _own_attribute(module: ModuleType | None, name: str) -> Any:
    """Return an attribute of a module without asking its ``__getattr__``, which may raise anything; None without it."""
    return None if module is None else vars(module).get(name)


def _unit_of(module: ModuleType) -> tuple[str, Path]:
    """Return the name and the path of the outermost package of a module, or of its one file.

    Folders without an ``__init__`` are packages too; but installed ones are shared by several distributions, so there
    the package is the outermost one with an ``__init__``.
    """
    parts = module.__name__.split(".")
    own_file = _own_attribute(module, "__file__")
    if len(parts) > 1 and own_file and Path(own_file).is_file():
        n_folder = len(parts) - (2 if _own_attribute(module, "__path__") is None else 1)
        outermost = Path(own_file).parents[n_folder]
        if outermost.name == parts[0] and outermost.parent.name not in _INSTALLED:
            return parts[0], outermost
    for n_part in range(1, len(parts) + 1):
        name = ".".join(parts[:n_part])
        file = _own_attribute(sys.modules.get(name), "__file__")
        if file is not None and Path(file).is_file():
            is_package = _own_attribute(sys.modules[name], "__path__") is not None
            return name, Path(file).parent if is_package else Path(file)
    raise ImportError(
        f"the module {module.__name__!r} has no file with its source; expected a .py file on this machine"
    )


def _digest_when_imported(module: ModuleType, folders: Sequence[Path]) -> str:
    spec = module.__spec__
    known = _digests.get(module.__name__)
    if known is None or known[0] is not spec:  # `importlib.reload` gives it another one
        known = _digests[module.__name__] = spec, _digest(module, folders)
    return known[1]


def _digest(module: ModuleType, folders: Sequence[Path]) -> str:
    """Return a hash of the sources of a module, which is the same on all machines that have the same ones."""
    waiting, found = [_unit_of(module)], dict[str, str]()
    units = {name for name, _ in waiting}
    while waiting:
        unit, path = waiting.pop()
        for file in _files_of(path):
            data = file.read_bytes()
            inside = file.relative_to(path).as_posix() if path.is_dir() else ""
            found[f"{unit} {inside}"] = hashlib.sha256(data).hexdigest()
            if file.suffix != ".py" or path.parent.name in _INSTALLED:
                continue
            for name in _imported_names(data).difference(units):
                if (place := _local(name, [path.parent, *folders])) is not None:
                    units.add(name)
                    waiting.append((name, place))
    text = "".join(f"{name} {each}\n" for name, each in sorted(found.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [each for each in path.rglob("*") if each.name.endswith(_SUFFIXES) and each.is_file()]


def _imported_names(source: bytes) -> set[str]:
    """Return the first parts of the names of all modules that a source imports, wherever in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a file of the package that nobody imports
        return set()
    return set(_first_parts(ast.walk(tree)))


def _first_parts(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def _local(name: str, folders: Sequence[Path]) -> Path | None:
    """Return the file, or the folder of the package, of a module in some folders; None if it is elsewhere."""
    if name == "lightpool" or name in sys.stdlib_module_names:
        return None
    for folder in folders:
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
        if (folder / name / "__init__.py").is_file() or _is_namespace(name, folder / name):
            return folder / name
    return None


def _is_namespace(name: str, folder: Path) -> bool:
    """Return whether a folder without an ``__init__`` is a package, or a part of one, that Python would import."""
    if not folder.is_dir():
        return False
    spec = PathFinder.find_spec(name)
    places = None if spec is None or spec.origin is not None else spec.submodule_search_locations
    return places is not None and any(Path(each).is_dir() and folder.samefile(each) for each in places)
