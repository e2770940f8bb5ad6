"""Paths in a settings file: ``~`` and environment variables are expanded, in the one place that can name the key."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from lightpool.fits.paths import expanded_path

__all__ = ["PathText"]


def _expanded(value: str) -> str:
    """Path with ``~`` and variables expanded; what is absolute and there is left as it is."""
    if os.path.isabs(value) and "$" in value:
        upwards = [Path(value), *Path(value).parents]
        if any("$" in place.name and place.exists() for place in upwards):  # a name that has been expanded before
            return value
    return str(expanded_path(value))


PathText = Annotated[str, AfterValidator(_expanded)]
