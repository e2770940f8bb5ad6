"""The rooms of the package import one way, and each heavy library has one door (docs/explanation/architecture.md)."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import code_measures
import pytest

import lightpool

SOURCE = Path(lightpool.__file__).parent
ROOMS = [
    "typing",
    "bridge",
    "acceptance",
    "names",
    "errors",
    "attributes",
    "utils",
    "arrays",
    "fits",
    "maps",
    "irf",
    "data",
    "stats",
    "datasets",
]
ROOMS += ["modeling", "makers", "estimators", "simulate", "config"]
ROOMS += ["batch", "report", "quicklook", "cli", "gammapy"]
SUB_PACKAGES = {
    "arrays": ["devices", "cuda", "kernels"],
    "maps": ["axes", "regions", "geoms"],
    "irf": ["tables", "projection", "reduced"],
    "data": ["tables", "files", "store"],
    "datasets": ["formats", "models"],
    "makers": ["parallel", "responses", "background", "background_models"],
    "batch": ["storage", "execution", "products"],
    "gammapy": ["conversion", "acceleration"],
}
DOORS = {
    "cupy": "arrays",
    "cupyx": "arrays",
    "torch": "arrays",
    "array_api_strict": "arrays",
    "astropy.io.fits": "fits",
    "astropy.wcs": "maps",
    "fsspec": "fits",
    "regions": "maps",
    "dask": "batch",
    "pydantic": "config",
    "distributed": "batch",
    "matplotlib": "plot",
    "gammapy": "gammapy",
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
        if parts[0] != "lightpool" or len(parts) < 2 or room in ("__init__", "__main__"):
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
    for name, at_top in imports_of(ast.parse(path.read_text())):
        for library, door in DOORS.items():
            if name == library or name.startswith(library + "."):
                is_type_alone = room_of(path) == "typing" and not at_top
                assert room_of(path) == door or is_type_alone, f"{path.name} imports {name}, its door is {door}/"


def sub_package_of(path: Path, room: str) -> str | None:
    parts = path.relative_to(code_measures.SOURCE).parts
    return parts[1] if parts[0] == room and len(parts) > 2 else None


@pytest.mark.slow
@pytest.mark.parametrize("room", sorted(SUB_PACKAGES))
def test_the_sub_packages_of_a_room_import_one_way(room):
    """Also inside functions and for types alone; a name that a package shows counts where it is defined."""
    order = SUB_PACKAGES[room]
    wrong = [
        f"{path.name} in {lower} imports {other.name} in {upper}"
        for path in code_measures.files_in(code_measures.SOURCE / room)
        for other in code_measures.imports_of(path)
        if (lower := sub_package_of(path, room)) in order
        and (upper := sub_package_of(other, room)) in order
        and order.index(lower) < order.index(upper)
    ]
    assert wrong == []


HEAVY = {"matplotlib", "dask", "cupy", "torch", "scipy", "array_api_strict", "rich", "pydantic", "regions"}


def loaded_by(code):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rsplit("\n", 2)[-2].split())


@pytest.mark.slow
def test_import_of_all_rooms_loads_no_heavy_library():
    rooms = ", ".join(f"lightpool.{room}" for room in ("data", "datasets", "irf", "makers", "maps", "simulate"))
    assert loaded_by(f"import {rooms}") & HEAVY == set()


def test_import_of_the_package_alone_loads_neither_numpy_nor_astropy():
    assert loaded_by("import lightpool") & (HEAVY | {"numpy", "astropy"}) == set()


def test_help_of_the_command_line_loads_no_room():
    code = "from lightpool.cli import main; main(['--help'], standalone_mode=False)"
    assert loaded_by(code) & (HEAVY | {"numpy", "astropy"}) == set()


@pytest.mark.slow
def test_a_map_reduction_without_regions_loads_no_regions(tmp_path):
    code = f"""
from lightpool.datasets import MapDataset
from lightpool.data import DataStore
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import simulate_store
simulate_store({str(tmp_path / "store")!r}, 1, ontime=10.0)
geom = WcsGeom.create(
    skydir=(83.63, 22.01), width=2, binsz=0.2, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)]
)
makers = [MapDatasetMaker(), SafeMaskMaker(methods=["aeff-default", "offset-max"]), FoVBackgroundMaker()]
observations = DataStore.from_dir({str(tmp_path / "store")!r}).get_observations()
stacked = DatasetsMaker(makers).run(MapDataset.create(geom), observations)[0]
assert stacked.counts.data.sum() > 0
"""
    assert loaded_by(code) & {"regions", "matplotlib", "torch"} == set()


def test_modules_outside_the_package_have_names_of_their_own():
    """Tests, benchmarks and the extensions of the site are imported by their name alone, in one process."""
    root = Path(__file__).parents[1]
    folders = (root / "tests", root / "benchmarks", root / "docs/_extensions", root / ".ci")
    paths = [path for folder in folders for path in folder.rglob("*.py") if path.stem != "conftest"]
    packages = {path.parent for path in paths if path.stem == "__init__"}
    scripts = {root / "tests/bridge/scripts", root / "benchmarks/written_for_gammapy"}  # run, not imported
    names = [path.stem for path in paths if path.parent not in packages | scripts] + [path.name for path in packages]
    assert sorted(name for name, count in Counter(names).items() if count > 1) == []
    assert sys.stdlib_module_names.isdisjoint(names)
