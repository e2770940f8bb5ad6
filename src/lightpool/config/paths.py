"""Paths in a settings file: ``~`` and environment variables are expanded, in the one place that can name the key."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from lightpool.fits.paths import expanded_path

__all__ = ["PathText"]


def _expanded(value: str) -> str:
    """Return a path with ``~`` and variables expanded; an existing absolute path is unchanged."""
    if os.path.isabs(value) and "$" in value:
        parts = [Path(value), *Path(value).parents]
        if any("$" in part.name and part.exists() for part in parts):  # the path has already been expanded
            return value
    return str(expanded_path(value))


PathText = Annotated[str, AfterValidator(_expanded)]
