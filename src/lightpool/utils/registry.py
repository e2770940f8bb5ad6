"""Lists of classes that are found by their tags."""

from typing import TypeVar

from lightpool.utils.html import ShownInNotebooks

__all__ = ["Registry"]

T = TypeVar("T", bound=type)


class Registry(list[T], ShownInNotebooks):
    """A list of classes, each with a ``tag`` of one or several names.

    Examples
    --------
    >>> from lightpool.utils.registry import Registry
    >>> class Ring:
    ...     tag = "ring"
    >>> Registry([Ring]).get_cls("ring").__name__
    'Ring'
    """

    def get_cls(self, tag: str) -> T:
        """Return the class with a tag.

        Parameters
        ----------
        tag : str

        Raises
        ------
        KeyError
            If no class has it.
        """
        for kind in self:
            tags = getattr(kind, "tag", ())
            if tag in ([tags] if isinstance(tags, str) else tags):
                return kind
        known = ", ".join(str(getattr(kind, "tag", kind.__name__)) for kind in self)
        raise KeyError(f"no class has the tag {tag!r}; the tags are {known}")

    def __str__(self) -> str:
        width = max((len(kind.__name__) for kind in self), default=0)
        lines = [f"{kind.__name__:{width}s}: {getattr(kind, 'tag', '')}" for kind in self]
        return "\n".join(["Registry", "--------", "", *lines, ""])
