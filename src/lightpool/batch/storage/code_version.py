"""Identify the running code by version and a hash of its source files, as a work in progress has no version."""

import hashlib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import lightpool
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.own_makers import own_code

__all__ = ["code_version", "package_versions", "version_for"]

_PACKAGES = ("numpy", "astropy", "regions", "scipy", "array-api-compat", "cupy-cuda12x", "cupy-cuda13x")
"""Packages whose versions may change a number."""

_SUFFIXES = (".py", ".cu", ".cuh")


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the package version with a hash of its source files, such as ``1.0+source.3f2a8c91d0e4``.

    The hash takes 10 ms and is computed once per process.
    """
    root = Path(lightpool.__file__).parent
    paths = [path for path in root.rglob("*") if path.suffix in _SUFFIXES]
    total = hashlib.sha256()
    # rglob returns paths in the order of the file system, which differs between machines.
    for path in sorted(paths, key=lambda path: path.relative_to(root).parts):
        one = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{'/'.join(path.relative_to(root).parts)} {one}\n".encode())
    return f"{lightpool.__version__}+source.{total.hexdigest()[:12]}"


def version_for(settings: BatchSettings) -> str:
    """Return the `code_version`, followed by the versions of the users' makers in the settings.

    Parameters
    ----------
    settings : BatchSettings

    Raises
    ------
    ConfigError
        If one of these makers cannot be imported.
    """
    return " ".join([code_version(), *(f"{name}={version}" for name, version in own_code(settings).items())])


@lru_cache(maxsize=1)
def package_versions() -> dict[str, str]:
    """Return the versions of the installed packages that results depend on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
