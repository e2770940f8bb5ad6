"""Check what the wheel and the source distribution of a folder contain: ``python .ci/distributions.py dist``.

The wheel has each file of ``src/lightpool`` and nothing else. The source distribution has each file of the folders
that ``pyproject.toml`` names, and only files that git knows.
"""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_BYTES = {"*.whl": 4_000_000, "*.tar.gz": 8_000_000}  # twice what they have; data of observations would exceed it
NEEDED = {"py.typed", "config/template.yaml", "report/page.html.j2", "arrays/cuda/common.cuh", "arrays/cuda/binning.cu"}


def main(folder: str) -> int:
    """Print what each distribution contains and what is wrong with it, and return the exit code."""
    tracked = set(subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines())
    faults = []
    for pattern, faults_of in (("*.whl", faults_of_wheel), ("*.tar.gz", faults_of_source)):
        found = list(Path(folder).glob(pattern))
        if len(found) != 1:
            faults.append(f"{folder} has {len(found)} files {pattern}, expected one: remove it and build again")
            continue
        size = found[0].stat().st_size
        names = names_in(found[0])
        print(f"{found[0].name}: {len(names)} files, {size / 1e6:.1f} MB")
        if size > MOST_BYTES[pattern]:
            faults.append(f"{found[0].name} has {size} bytes, expected at most {MOST_BYTES[pattern]}")
        faults += [f"{found[0].name}: {fault}" for fault in faults_of(names, tracked)]
    print("\n".join(faults) or "They contain what they should.")
    return 1 if faults else 0


def names_in(path: Path) -> set[str]:
    """Return the names of the files in an archive; those in a source distribution without its folder."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return set(wheel.namelist())
    with tarfile.open(path) as source:
        return {member.name.partition("/")[2] for member in source if not member.isdir()}


def faults_of_wheel(names: set[str], tracked: set[str]) -> list[str]:
    """Say what is missing in a wheel and what should not be there."""
    expected = {name.removeprefix("src/") for name in tracked if name.startswith("src/")}
    of_package = {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    return compare(of_package, expected | {f"lightpool/{name}" for name in NEEDED}, expected)


def faults_of_source(names: set[str], tracked: set[str]) -> list[str]:
    """Say what is missing in a source distribution and what should not be there."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"]
    parts = [*settings["only-include"], "pyproject.toml", "README.md", "LICENSE"]
    expected = {name for name in tracked if any(name == part or name.startswith(f"{part}/") for part in parts)}
    needed = {f"src/lightpool/{name}" for name in NEEDED}
    return compare(names, expected | needed, tracked | {"PKG-INFO"})


def compare(names: set[str], needed: set[str], allowed: set[str]) -> list[str]:
    """Say which names are missing and which are not allowed."""
    missing = [f"{name} is missing" for name in sorted(needed - names)]
    return missing + [f"{name} does not belong there" for name in sorted(names - allowed)]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
