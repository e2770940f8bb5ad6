"""Read and write YAML with the line numbers of keys, to which errors refer."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import yaml
from pydantic import ValidationError

from lightpool.config.section import Section, nearest_key
from lightpool.errors import ConfigError, FormatError, MissingDataError
from lightpool.fits import read_text
from lightpool.typing import JSONValue
from lightpool.utils.plain_yaml import Place, parse_yaml

__all__ = ["dump_yaml", "explain", "load_yaml"]

_MAX_BYTES = 2**23
"""Largest size of a settings file: 8 MiB."""


def load_yaml(path: Path, needed_keys: str) -> tuple[dict[str, JSONValue], dict[Place, int]]:
    """Read a YAML file; return its data, and the line number, starting at 1, of each key or item.

    Parameters
    ----------
    path : Path
    needed_keys : str
        Names of keys for the error about a file without any.
    """
    try:
        data, lines = parse_yaml(read_text(path, most=_MAX_BYTES), str(path))
    except MissingDataError as error:
        raise ConfigError(f"no settings file {path}; `lightpool config -o {path}` writes a template") from error
    except (FormatError, OSError) as error:
        raise ConfigError(f"cannot read the settings: {error}") from error
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"a {type(data).__name__}"
        raise ConfigError(f"{path} contains {found}, expected keys such as {needed_keys}")
    return data, lines


def dump_yaml(data: dict[str, JSONValue]) -> str:
    """Return plain data as YAML, with the keys in their order."""
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120))


def explain(error: ValidationError, origin: str, lines: dict[Place, int], section: type[Section]) -> ConfigError:
    """Return an error that names the file, line and key of everything that is wrong in a section.

    Parameters
    ----------
    error : pydantic.ValidationError
    origin : str
        Name of the file, or another description of the source of the settings.
    lines : dict of tuple to int
        Line number of each key or item, see `load_yaml`.
    section : type of Section
        The outermost section.
    """
    found = []
    for problem in error.errors(include_url=False):
        n_known = len(problem["loc"]) - (problem["type"] == "extra_forbidden")  # an unknown key may look like a kind
        location = _as_in_the_file(problem["loc"][:n_known]) + problem["loc"][n_known:]
        line = next((lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in lines), None)
        where = origin if line is None else f"{origin}, line {line}"
        name = ".".join(map(str, location)) or "settings"
        if problem["type"] == "extra_forbidden":
            text = f"unknown key; {nearest_key(section, problem['loc'])}"
        elif problem["type"] == "missing":
            text = "is missing"
        elif problem["type"] == "union_tag_invalid" and "makers" in location:
            text = _unknown_maker(problem["ctx"])
        elif problem["type"] == "value_error":
            text = problem["msg"].removeprefix("Value error, ")
        else:
            text = f"got {_brief(problem['input'])}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"
        found.append((line or 0, f"{where}: {name}: {text}"))
    return ConfigError("\n".join(text for _, text in sorted(dict.fromkeys(found))))


def _unknown_maker(found: Mapping[str, str]) -> str:
    known = found["expected_tags"].replace("'", "").split(", ")
    near = get_close_matches(found["tag"], known, n=1, cutoff=0.8)
    hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}, or module:Class for one of your own"
    return f"got {found['tag']!r}, expected a maker of this kind of target; {hint}"


def _brief(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("type", value.get("kind", value))
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."


def _as_in_the_file(location: Place) -> Place:
    """Return the location in the file; pydantic inserts the kind of a section after its key or item index."""
    return tuple(part for part in location if not (isinstance(part, str) and _is_kind(part)))


def _is_kind(part: str) -> bool:
    return part in ("map", "spectrum", "str") or part[:1].isupper() or "[" in part
