"""Numbers of things in sentences, and text from files, made safe to display."""

import re

__all__ = ["number_of", "printable"]

_NOT_PRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)
"""Control characters but tab and newline, those that change the direction of letters or are invisible, and halves of
characters, which stand for the bytes of file names that are no text."""


def printable(text: object) -> str:
    r"""Return the text of an object with control characters as escapes, so that a terminal obeys none of them.

    Headers, file names and error texts come from files of anybody. What goes to a terminal, a log or a page goes
    through this function once, where it leaves the program.

    Examples
    --------
    >>> printable("Crab\x1b[31m")
    'Crab\\x1b[31m'
    """
    return _NOT_PRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), str(text))


def number_of(n: int, noun: str) -> str:
    """Return how many things there are.

    Examples
    --------
    >>> from lightpool.utils.text import number_of
    >>> number_of(1, "bin"), number_of(2500, "event")
    ('1 bin', '2,500 events')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
