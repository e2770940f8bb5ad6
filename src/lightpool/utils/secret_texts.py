"""Passwords and tokens in addresses, which messages and records must not show."""

import re

__all__ = ["has_secrets", "hide_secrets", "private_parts"]

_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(://)([^/@\s'\"<>]+)@")
_QUERY = re.compile(r"([?&;])([^=&;?#\s'\"<>]+)=((?:[^&;#:\s'\"<>)\],]|:(?!:))+)")
_SECRET_NAME = re.compile(r"token|key|secret|sig|pass|pwd|cred|auth|session|jwt|ticket", re.IGNORECASE)
_LIKE_A_TOKEN = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_+=%~-]{20,}")
_WITHOUT_HOST = ("zip", "tar", "memory")
_SHOWN = "..."


def hide_secrets(text: str) -> str:
    """Return a text without the passwords and tokens of the addresses in it, for messages and records.

    Names of users with passwords are left out, and so are the values of queries that may be a secret: by their name
    (``token``, ``X-Amz-Signature``, ``sig``, ...), or because they look like one. A variable such as ``$TOKEN`` is
    none.

    Parameters
    ----------
    text : str, an address, or a message with addresses
    """
    if "://" not in text and "?" not in text:  # nearly all texts
        return text
    return _QUERY.sub(_without_value, _USER.sub(_without_user, text))


def has_secrets(address: str) -> bool:
    """Return whether an address has a password or a token in it, see `hide_secrets`."""
    return hide_secrets(address) != address


def private_parts(address: str) -> list[tuple[int, int]]:
    """Return where an address has a user with a password, and the values of a query: start and stop of each."""
    return [match.span(3) for pattern in (_USER, _QUERY) for match in pattern.finditer(address)]


def _without_user(match: re.Match[str]) -> str:
    scheme, slashes, user = match.groups()
    # In place of the user of a web server people write tokens; those of other schemes are needed to find the file.
    is_public = ":" not in user and not scheme.lower().startswith("http")
    is_variable = all(part.startswith("$") for part in user.split(":"))
    if scheme.lower() in _WITHOUT_HOST or is_public or is_variable:
        return match[0]
    return scheme + slashes


def _without_value(match: re.Match[str]) -> str:
    mark, name, value = match.groups()
    is_secret = _SECRET_NAME.search(name) is not None or _LIKE_A_TOKEN.fullmatch(value) is not None
    return f"{mark}{name}={_SHOWN}" if is_secret and value[0] != "$" else match[0]
