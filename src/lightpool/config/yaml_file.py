"""Reading and writing YAML, with the lines of the keys, and errors that point at them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lightpool.config.section import Section, nearest_key
from lightpool.errors import ConfigError

__all__ = ["dump_yaml", "explain", "load_yaml"]

Place = tuple[Any, ...]


def load_yaml(path: Path) -> tuple[Any, dict[Place, int]]:
    """Data of a YAML file, and the line, counted from 1, where each key or item begins."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"no settings file {path}; `lightpool config -o {path}` writes a template") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the settings file {path} cannot be read: {error}") from error
    try:
        data = yaml.load(text, Loader=_Loader)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"a {type(data).__name__}"
        raise ConfigError(f"{path} holds {found}, expected keys such as 'observations:' and 'targets:'")
    return data, dict(_lines(node, ()))


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses a key that stands twice, and leaves dates as texts."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _lines(node: Any, place: Place) -> Iterator[tuple[Place, int]]:
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _lines(value, (*place, key.value))
            yield (*place, key.value), key.start_mark.line + 1  # the line of the key, not of its value
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _lines(value, (*place, i))


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
