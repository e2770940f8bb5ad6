"""Which code it is: the version of a release says it, that of a work in progress does not."""

import hashlib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import lightpool

__all__ = ["code_version", "package_versions"]

_PACKAGES = ("numpy", "astropy", "regions", "scipy", "array-api-compat", "cupy-cuda12x", "cupy-cuda13x")
"""Those whose versions may change a number."""

_SUFFIXES = (".py", ".cu", ".cuh")


@lru_cache(maxsize=1)
def code_version() -> str:
    """Version of the package and a hash of its source files, such as ``1.0+source.3f2a8c91d0e4``; 10 ms, once."""
    root = Path(lightpool.__file__).parent
    paths = [path for path in root.rglob("*") if path.suffix in _SUFFIXES]
    total = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.relative_to(root).parts):
        one = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{'/'.join(path.relative_to(root).parts)} {one}\n".encode())
    return f"{lightpool.__version__}+source.{total.hexdigest()[:12]}"


@lru_cache(maxsize=1)
def package_versions() -> dict[str, str]:
    """Versions of the packages that results depend on, those that are installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
