"""The rooms of the package import one way, and each heavy library has one door (DESIGN: the rooms)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lightpool

SOURCE = Path(lightpool.__file__).parent
ROOMS = ["errors", "arrays", "fits", "maps", "irf", "data", "stats", "datasets", "makers", "simulate", "batch"]
ROOMS += ["report", "config", "cli"]
DOORS = {
    "cupy": "arrays",
    "cupyx": "arrays",
    "torch": "arrays",
    "array_api_strict": "arrays",
    "astropy.io.fits": "fits",
    "astropy.wcs": "maps",
    "regions": "maps",
    "dask": "batch",
    "distributed": "batch",
    "matplotlib": "plot",
}
FILES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(tree: ast.AST) -> list[tuple[str, bool]]:
    """Names of imported modules, and whether the import stands at the top of the file."""
    top = set(map(id, ast.iter_child_nodes(tree)))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            found += [(f"{node.module}.{alias.name}", id(node) in top) for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_from_rooms_above_it(path):
    room = room_of(path)
    for name, at_top in imports_of(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] != "lightpool" or len(parts) < 2 or room == "__init__":
            continue
        other = parts[1]
        if other == "plot":
            assert room == "plot" or not at_top, f"{path.name}: plot is reached by an import inside a method only"
        elif room == "plot":
            assert other in ROOMS[: ROOMS.index("makers")], f"{path.name} imports {name}"
        elif other in ROOMS:
            assert ROOMS.index(other) <= ROOMS.index(room), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_heavy_library_has_one_door(path):
    for name, _ in imports_of(ast.parse(path.read_text())):
        for library, door in DOORS.items():
            if name == library or name.startswith(library + "."):
                assert room_of(path) == door, f"{path.name} imports {name}, its door is {door}/"


HEAVY = {"matplotlib", "dask", "cupy", "torch", "scipy", "array_api_strict", "rich", "pydantic"}


def loaded_by(code):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"],
        capture_output=True,
        text=True,
        check=True,
    )
    return HEAVY.intersection(done.stdout.split())


def test_import_loads_no_heavy_library_that_its_dependencies_do_not():
    rooms = ", ".join(f"lightpool.{room}" for room in ("data", "datasets", "irf", "makers", "maps", "simulate"))
    assert loaded_by(f"import {rooms}") <= loaded_by("import regions, astropy.coordinates, astropy.io.fits")


def test_import_of_the_package_alone_loads_none():
    assert loaded_by("import lightpool") == set()


def test_import_of_the_package_alone_does_not_load_numpy():
    code = "import sys, lightpool; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
