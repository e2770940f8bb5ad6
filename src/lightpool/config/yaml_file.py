"""Reading and writing YAML, with the lines of the keys, and errors that point at them."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lightpool.config.section import Section, nearest_key
from lightpool.errors import ConfigError, FormatError, MissingDataError
from lightpool.fits import read_text
from lightpool.utils.plain_yaml import Place, parse_yaml

__all__ = ["dump_yaml", "explain", "load_yaml"]

_MAX_BYTES = 2**23
"""Of a settings file: 8 MiB."""


def load_yaml(path: Path) -> tuple[Any, dict[Place, int]]:
    """Data of a YAML file, and the line, counted from 1, where each key or item begins."""
    try:
        data, lines = parse_yaml(read_text(path, most=_MAX_BYTES), str(path))
    except MissingDataError as error:
        raise ConfigError(f"no settings file {path}; `lightpool config -o {path}` writes a template") from error
    except (FormatError, OSError) as error:
        raise ConfigError(f"the settings cannot be read: {error}") from error
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"a {type(data).__name__}"
        raise ConfigError(f"{path} holds {found}, expected keys such as 'observations:' and 'targets:'")
    return data, lines


def dump_yaml(data: dict[str, Any]) -> str:
    """YAML text of plain data, keys in their order."""
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120))


def explain(error: ValidationError, origin: str, lines: dict[Place, int], section: type[Section]) -> ConfigError:
    """Error of the package that names origin, line and key of all that is wrong in a section."""
    found = []
    for problem in error.errors(include_url=False):
        n_known = len(problem["loc"]) - (problem["type"] == "extra_forbidden")  # an unknown key may look like a kind
        place = _as_in_the_file(problem["loc"][:n_known]) + problem["loc"][n_known:]
        line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), None)
        where = origin if line is None else f"{origin}, line {line}"
        name = ".".join(map(str, place)) or "settings"
        if problem["type"] == "extra_forbidden":
            text = f"unknown key; {nearest_key(section, problem['loc'])}"
        elif problem["type"] == "missing":
            text = "is missing"
        elif problem["type"] == "value_error":
            text = problem["msg"].removeprefix("Value error, ")
        else:
            text = f"got {_brief(problem['input'])}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"
        found.append((line or 0, f"{where}: {name}: {text}"))
    return ConfigError("\n".join(text for _, text in sorted(dict.fromkeys(found))))


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("type", value.get("kind", value))
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."


def _as_in_the_file(place: Place) -> Place:
    """Place in the file: pydantic puts the kind of a section after its key or the number of its item."""
    return tuple(part for part in place if not (isinstance(part, str) and _is_kind(part)))


def _is_kind(part: str) -> bool:
    return part in ("map", "spectrum", "str") or part[:1].isupper() or "[" in part
