"""YAML as plain data: texts, numbers, lists and mappings, within limits, with the line where each begins.

The text is read event by event and what is out of bounds is refused at its line, before it is built: tags, nesting
without end, aliases that multiply, a list that holds itself, numbers that fill a screen.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from lightpool.errors import FormatError

__all__ = ["Place", "parse_yaml"]

Place = tuple[Any, ...]
"""Keys and numbers of items that lead to a value."""

_MAX_DEPTH, _MAX_VALUES, _MAX_DIGITS, _MAX_INTEGER = 50, 300_000, 100, 2**63
"""Depth of nesting; number of values, where those of an alias count each time; characters of a number, and its size."""

_MERGE = "tag:yaml.org,2002:merge"
_PREFIX = "tag:yaml.org,2002:"
_TAGS = {"str", "int", "float", "bool", "null", "seq", "map"}
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_RESOLVER: Any = yaml.resolver.Resolver()
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str, source: str) -> tuple[Any, dict[Place, int]]:
    """Parse a YAML text: return its data, and the line, counted from 1, where each key or item begins.

    Dates, and numbers with colons such as ``05:34:31.9``, stay texts; keys are texts; ``017`` is seventeen.

    Parameters
    ----------
    text : str
    source : str, name of the file, for errors

    Raises
    ------
    FormatError
        If it is not YAML, or is more than plain data; it names the line.
    """
    try:
        return _Builder(yaml.parse(text, Loader=_LOADER)).document()
    except _RefusedError as error:
        raise FormatError(f"{source}, line {error.line}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        where = source if mark is None else f"{source}, line {mark.line + 1}"
        raise FormatError(f"{where}: no YAML: {what}") from error
    except yaml.reader.ReaderError as error:
        number = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "?")
        line = text.count("\n", 0, error.position) + 1
        raise FormatError(
            f"{source}, line {line}: no YAML: the character U+{number:04X} is not allowed in a text"
        ) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise FormatError(f"{source}: no YAML: {error}") from error


class _RefusedError(Exception):
    """What is wrong with an event."""

    def __init__(self, event: Any, text: str) -> None:
        super().__init__(text)
        self.line = _line_of(event)


def _line_of(event: Any) -> int:
    return int(event.start_mark.line) + 1


@dataclass
class _Anchored:
    """Value that an alias may stand for; the count is None until it is complete."""

    value: Any = None
    n_values: int | None = None


class _Builder:
    """Build plain data from events.

    Parameters
    ----------
    events : iterator of yaml.Event
    """

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, _Anchored] = {}
        self._lines: dict[Place, int] = {}
        self._n_values = 0

    def document(self) -> tuple[Any, dict[Place, int]]:
        """Return the data and the lines of the only document of a text."""
        data, is_second = None, False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if is_second:
                    raise _RefusedError(event, "a second document begins here; write each into a file of its own")
                data, is_second = self._value(next(self._events), (), 0), True
        return data, self._lines

    def _value(self, event: Any, place: Place, depth: int) -> Any:
        # The line of its key stays, where there is one.
        self._lines.setdefault(place, _line_of(event))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._count(event, 1)
        before, anchored = self._n_values, _Anchored()
        if event.anchor is not None:
            self._anchors[event.anchor] = anchored
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif depth >= _MAX_DEPTH:
            raise _RefusedError(event, f"lists and mappings are nested more than {_MAX_DEPTH} deep")
        elif isinstance(event, yaml.SequenceStartEvent):
            _check_tag(event, "seq")
            value = [self._value(each, (*place, i), depth + 1) for i, each in enumerate(self._until_end())]
        else:
            _check_tag(event, "map")
            value = self._mapping(place, depth + 1)
        anchored.value, anchored.n_values = value, self._n_values - before + 1
        return value

    def _until_end(self) -> Iterator[Any]:
        """Yield the events up to the end of a list or a mapping; whoever takes one also takes the events inside it."""
        while not isinstance(event := next(self._events), yaml.CollectionEndEvent):
            yield event

    def _mapping(self, place: Place, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for event in self._until_end():
            if not isinstance(event, yaml.ScalarEvent):
                kind = "an alias" if isinstance(event, yaml.AliasEvent) else "a list or a mapping"
                raise _RefusedError(event, f"{kind} cannot be a key; keys are texts")
            key = str(event.value)
            _check_characters(event, key)
            if _tag_of(event) == _MERGE:
                for each in reversed(self._merged(next(self._events), depth)):  # the first of a list takes precedence
                    merged |= each
                continue
            if key in own:
                raise _RefusedError(event, f"the key {_brief(key)} stands twice")
            self._lines[(*place, key)] = _line_of(event)  # the line of the key, not of its value
            own[key] = self._value(next(self._events), (*place, key), depth)
        return merged | own  # what a mapping states itself takes precedence

    def _merged(self, event: Any, depth: int) -> list[dict[str, Any]]:
        value = self._value(event, ("<<",), depth)
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            raise _RefusedError(event, "<< takes in the keys of a mapping, got something else")
        return parts

    def _alias(self, event: Any) -> Any:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise _RefusedError(event, f"no anchor &{_brief(event.anchor)[1:-1]} stands before this alias")
        if anchored.n_values is None:  # it is not complete: the alias is inside of it
            raise _RefusedError(event, f"&{_brief(event.anchor)[1:-1]} holds itself")
        # An alias counts as all that it stands for: aliases of aliases multiply.
        self._count(event, anchored.n_values)
        return anchored.value

    def _count(self, event: Any, n_values: int) -> None:
        self._n_values += n_values
        if self._n_values > _MAX_VALUES:
            raise _RefusedError(event, f"more than {_MAX_VALUES} values, counting those of each alias")


def _check_tag(event: Any, expected: str) -> None:
    if event.tag not in (None, "!", _PREFIX + expected):
        raise _RefusedError(event, f"the tag {_shown_tag(event.tag)} is not allowed; write plain lists and mappings")


def _shown_tag(tag: str) -> str:
    return _brief(tag.replace(_PREFIX, "!!"))[1:-1]


def _tag_of(event: Any) -> str:
    if event.tag is not None:
        return str(event.tag) if event.tag != "!" else _PREFIX + "str"
    return str(_RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit))


def _scalar(event: Any) -> Any:
    """Return the text, number, truth value or None of a scalar."""
    text, tag = str(event.value), _tag_of(event)
    kind = tag.removeprefix(_PREFIX)
    # In YAML 1.1 these are dates, the key =, and numbers to the base of 60; here they are texts.
    if tag == _MERGE or kind == "timestamp" or kind == "value" or (kind in ("int", "float") and ":" in text):
        kind = "str"
    if kind not in _TAGS - {"seq", "map"}:
        raise _RefusedError(
            event, f"the tag {_shown_tag(tag)} is not allowed; write texts, numbers, lists and mappings"
        )
    if kind == "str":
        _check_characters(event, text)
        return text
    if kind in ("int", "float"):
        return _number(event, text, kind)
    return _constructed(event, tag)


def _number(event: Any, text: str, kind: str) -> int | float:
    if len(text) > _MAX_DIGITS:
        raise _RefusedError(event, f"a number of {len(text)} characters; at most {_MAX_DIGITS} are read")
    digits = text.replace("_", "")
    decimal = kind == "int" and digits.lstrip("+-").isdigit()  # 017 is octal in YAML 1.1 alone
    value = int(digits) if decimal else _constructed(event, _PREFIX + kind)
    if isinstance(value, int) and abs(value) >= _MAX_INTEGER:
        raise _RefusedError(event, f"the number {text} is too large for 64 bits")
    if isinstance(value, float) and math.isinf(value) and "inf" not in text.lower():  # such as 1e999
        raise _RefusedError(event, f"the number {text} is too large")
    return value


def _constructed(event: Any, tag: str) -> Any:
    node = yaml.ScalarNode(tag, event.value)
    try:
        return _CONSTRUCTOR.construct_object(node)
    except (ValueError, KeyError, AttributeError) as error:
        raise _RefusedError(event, f"{_brief(event.value)} is no {tag.removeprefix(_PREFIX)}") from error


def _check_characters(event: Any, text: str) -> None:
    """Refuse control characters: no name or condition contains them, and a terminal would obey them."""
    for character in text:
        if (ord(character) < 32 and character not in "\t\n\r") or 127 <= ord(character) < 160:
            raise _RefusedError(event, f"the character U+{ord(character):04X} is not allowed in a text")


def _brief(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) < 60 else f"{shown[:56]}...{shown[0]}"
