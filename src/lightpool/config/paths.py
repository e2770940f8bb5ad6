"""Paths and addresses in a settings file: ``~`` and variables are expanded, in the one place that can name the key."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from lightpool.fits.addresses import is_address, tidy_address
from lightpool.fits.paths import expanded_path, expanded_text, require_variables
from lightpool.utils.secret_texts import has_secrets, hide_secrets, private_parts

__all__ = ["PathText", "PlaceText"]


def _expanded(value: str) -> str:
    """Return a path with ``~`` and variables expanded; an existing absolute path is unchanged."""
    if os.path.isabs(value) and "$" in value:
        parts = [Path(value), *Path(value).parents]
        if any("$" in part.name and part.exists() for part in parts):  # the path has already been expanded
            return value
    return str(expanded_path(value))


def _expanded_place(value: str) -> str:
    """Return a path or an address with variables expanded, but not those that stand for a password or a token.

    The settings are copied into the results, and the values of these variables must not be in them.
    """
    if not is_address(expanded_text(value)):
        return _expanded(value)
    text, begin = "", 0
    for start, stop in [*sorted(private_parts(value)), (len(value), len(value))]:
        require_variables(value[begin:start])
        text += expanded_text(value[begin:start]) + value[start:stop]
        begin = stop
    if has_secrets(text):
        raise ValueError(
            f"got the address {hide_secrets(text)!r} with a password or a token, which would be copied into all "
            "results. Put it into an environment variable, as in https://$USER:$PASSWORD@host/store or "
            "https://host/mask.fits?token=$TOKEN, or into the configuration of fsspec"
        )
    return tidy_address(text)


PathText = Annotated[str, AfterValidator(_expanded)]
"""The path of a file or folder of this machine."""

PlaceText = Annotated[str, AfterValidator(_expanded_place)]
"""The path of a file or folder of this machine, or the address of another one."""
