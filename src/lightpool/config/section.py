"""Base class of the sections of the settings, and suggestions for unknown keys."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Section", "nearest_key"]


class Section(BaseModel):
    """A part of the settings. It is immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_bool_for_a_number(cls, data: object) -> object:
        """Refuse true and false where a number is expected, which pydantic would accept as 1 and 0."""
        items: Iterable[tuple[str, object]] = data.items() if isinstance(data, dict) else ()
        for key, value in items:
            field, values = cls.model_fields.get(key), value if isinstance(value, list) else [value]
            if field and any(isinstance(each, bool) for each in values) and not _takes_bool(field.annotation):
                raise ValueError(f"the value of {key!r} is true or false, expected a number or a text")
        return data


def nearest_key(section: type[Section], location: tuple[int | str, ...]) -> str:
    """Suggest a valid key for an unknown one: the most similar key, or all of them.

    Parameters
    ----------
    section : type of Section
        The outermost section.
    location : tuple of int or str
        Keys, indices of items, and kinds of sections that lead to the unknown key, which comes last.
    """
    *path, key = location
    sections = [section]
    for part in path:
        fields = [each.model_fields[part].annotation for each in sections if part in each.model_fields]
        if fields:
            sections = [inner for annotation in fields for inner in _sections_in(annotation)]
        elif not isinstance(part, int):
            # A tag of a part of a union is no kind.
            sections = [each for each in sections if part in _kinds_of(each)] or sections
    known = list(dict.fromkeys(name for each in sections for name in each.model_fields))
    near = get_close_matches(str(key), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _takes_bool(annotation: object) -> bool:
    return annotation in (bool, Any) or any(map(_takes_bool, get_args(annotation)))


def _sections_in(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)


def _kinds_of(section: type[Section]) -> list[str]:
    """Return the name of the class, and what its field ``type`` or ``kind`` allows."""
    fields = (section.model_fields[name].annotation for name in ("type", "kind") if name in section.model_fields)
    return [section.__name__, *(value for annotation in fields for value in get_args(annotation))]
