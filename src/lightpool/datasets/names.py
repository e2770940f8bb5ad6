"""Names of datasets and models."""

import uuid
from base64 import urlsafe_b64encode

__all__ = ["GeneratedName", "make_name"]


class GeneratedName(str):
    """A random name, given where the user chose none."""

    __slots__ = ()


def make_name(name: str | None = None) -> str:
    """Return the name, or a random one of eight letters if there is none."""
    if name is None:
        name = urlsafe_b64encode(uuid.uuid4().bytes).decode()[:8]
        while name.startswith(("_", "-")):
            name = urlsafe_b64encode(uuid.uuid4().bytes).decode()[:8]
        return GeneratedName(name)
    if not isinstance(name, str):
        raise ValueError(f"a name must be a string, got {name!r} of type {type(name).__name__}")
    return name
