"""What all sections of the settings have in common, and which keys each of them knows."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Section", "nearest_key"]


class Section(BaseModel):
    """A part of the settings. Its values cannot be changed; a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, data: Any) -> Any:
        """Refuse true and false where a number is expected, which pydantic takes for 1 and 0."""
        for key, value in data.items() if isinstance(data, dict) else ():
            field, values = cls.model_fields.get(key), value if isinstance(value, list) else [value]
            if field and any(isinstance(each, bool) for each in values) and not _takes_bool(field.annotation):
                raise ValueError(f"the value of {key!r} is true or false, expected a number or a text")
        return data


def nearest_key(section: type[Section], place: tuple[Any, ...]) -> str:
    """Advice about an unknown key: the known key that is most like it, or all of them.

    Parameters
    ----------
    section : class of the whole
    place : keys, numbers of items, and kinds of sections, that lead to the unknown key, its name last
    """
    *path, key = place
    sections = [section]
    for part in path:
        fields = [each.model_fields[part].annotation for each in sections if part in each.model_fields]
        if fields:
            sections = [inner for annotation in fields for inner in _sections_in(annotation)]
        elif not isinstance(part, int):
            sections = [each for each in sections if part in _kinds_of(each)]
    known = list(dict.fromkeys(name for each in sections for name in each.model_fields))
    near = get_close_matches(str(key), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _takes_bool(annotation: Any) -> bool:
    return annotation in (bool, Any) or any(map(_takes_bool, get_args(annotation)))


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)


def _kinds_of(section: type[Section]) -> list[str]:
    """Name of the class, and what its field ``type`` or ``kind`` allows."""
    fields = (section.model_fields[name].annotation for name in ("type", "kind") if name in section.model_fields)
    return [section.__name__, *(value for annotation in fields for value in get_args(annotation))]
