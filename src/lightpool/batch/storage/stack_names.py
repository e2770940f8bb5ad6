"""Names of stacks, which are used in file names: different stacks never share a file, on any file system.

macOS and Windows treat ``Crab`` and ``crab`` as the same name, and macOS also treats different Unicode spellings of a
letter as the same. A name that could be confused with another one, is too long, or is a device name on Windows, gets a
tag: ten digits of the hash of what it stands for. All other names are unchanged.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from lightpool.config.settings import Settings

__all__ = ["StackKey", "StackNames", "label_of", "labels_of"]

_MAX_LABEL, _MAX_NAME = 60, 150
"""Bytes. With an observation number and the suffixes of temporary files, a name has at most 255 bytes."""

_SET_PARTS = ("", "_arf", "_rmf", "_bkg")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


class StackKey(NamedTuple):
    """Identify a stack by its target, the division, and the group of the division."""

    target: str
    division: str
    group: str

    def to_dict(self) -> dict[str, str]:
        """Return the names of target, division and group by these words."""
        return {"target": self.target, "division": self.division, "group": self.group}


class StackNames:
    """Names of the stacks of a reduction, which depend only on its settings.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        by_all = [groups.name for groups in settings.groups if groups.by == "all"]
        files = {
            (target.name, groups.name): list(_files(target.name, groups.name, target.kind, groups.name in by_all[:1]))
            for target in settings.targets
            for groups in settings.groups
        }
        self._plain = by_all[:1]
        self._divisions = [
            (target.name, groups.name, groups.by == "all") for target in settings.targets for groups in settings.groups
        ]
        self._tagged = {
            one for one, mine in files.items() for other, its in files.items() if one != other and _may_meet(mine, its)
        }

    def of(self, key: StackKey) -> str:
        """Return the name of the dataset of a stack and of its file, without suffix."""
        plain = key.target if key.division in self._plain else "-".join(key)
        # No name contains a NUL, so different keys are hashed from different texts.
        is_tagged = (key.target, key.division) in self._tagged or _DEVICES.match(_folded(plain))
        return _tagged(plain, "\0".join(key), _MAX_NAME) if is_tagged or _size(plain) > _MAX_NAME else plain

    def of_observation(self, obs_id: int | None, key: StackKey, number: int = 1) -> str:
        """Return the name of the dataset that an observation adds to a stack, and of its file.

        Parameters
        ----------
        obs_id : int or None
        key : StackKey
        number : int
            Of its datasets in the stack, from 1; there are several if its responses hold for intervals of time.
        """
        return f"{obs_id}-{self.of(key)}" + (f"-interval-{number}" if number > 1 else "")

    def may_name(self, stem: str) -> bool:
        """Return whether a file of a stack may have a name, given without suffix."""
        name = stem.removeprefix("pha_")
        starts = [name, *(name.removesuffix(part) for part in _SET_PARTS[1:] if name.endswith(part))]
        for target, division, is_whole in self._divisions:
            whole = self.of(StackKey(target, division, "all"))
            start = f"{target}-{division}-".encode()[: _MAX_NAME - 11].decode(errors="ignore")
            if whole in starts or (not is_whole and name.startswith(start)):
                return True
        return False


def _files(target: str, division: str, kind: str, is_whole: bool) -> Iterator[tuple[str, bool]]:
    """Yield case-folded file names (True), or their common prefixes (False), which the names of the groups follow."""
    for start, parts in (("", ("",)), ("pha_", _SET_PARTS)):
        if start and kind != "spectrum":
            continue
        if is_whole:
            yield from ((_folded(f"{start}{target}{part}"), True) for part in parts)
        else:
            yield _folded(f"{start}{target}-{division}-"), False


def _may_meet(some: Iterable[tuple[str, bool]], others: list[tuple[str, bool]]) -> bool:
    """Return whether a file of one may have the same name as a file of the other."""
    for one, is_whole in some:
        for other, other_is_whole in others:
            if (
                one == other
                or (not is_whole and other.startswith(one))
                or (not other_is_whole and one.startswith(other))
            ):
                return True
    return False


def labels_of(texts: Iterable[str]) -> dict[str, str]:
    """Return the group name of each text, such as the object names of an index; different texts have different names.

    Characters other than letters, digits and ``-+._`` are replaced by ``_``.
    """
    plain = {text: _slug(text) for text in sorted(set(texts))}
    n_use = Counter(map(_folded, plain.values()))
    tagged = {
        text: _tagged(slug, text, _MAX_LABEL)
        for text, slug in plain.items()
        if n_use[_folded(slug)] > 1 or not _is_free(slug)
    }
    taken = set(map(_folded, tagged.values()))
    return {
        text: tagged.get(text) or (_tagged(slug, text, _MAX_LABEL) if _folded(slug) in taken else slug)
        for text, slug in plain.items()
    }


@lru_cache(maxsize=1024)
def label_of(text: str) -> str:
    """Return the group name of a text if the others are unknown: only lower-case letters and digits have no tag."""
    slug = _slug(text)
    is_plain = slug == text == _folded(text) and text.isascii() and _is_free(slug)
    return slug if is_plain else _tagged(slug, text, _MAX_LABEL)


def _is_free(slug: str) -> bool:
    """Return whether a name is short, is not "all", and does not end like the other files of an OGIP set."""
    return _size(slug) <= _MAX_LABEL and _folded(slug) != "all" and not _folded(slug).endswith(_SET_PARTS[1:])


def _slug(text: str) -> str:
    """Return a text as a part of a file name."""
    text = unicodedata.normalize("NFC", text.strip())
    return "".join(letter if letter.isalnum() or letter in "-+._" else "_" for letter in text) or "none"


def _folded(name: str) -> str:
    """Return a name as a case-insensitive file system compares it."""
    # Normalised twice, because case folding may return letters that are not normalised.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _size(name: str) -> int:
    return len(name.encode())


def _tagged(name: str, meaning: str, most: int) -> str:
    tag = hashlib.sha256(meaning.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    # A tag takes 11 bytes: a hyphen and ten digits; a letter that is cut in its middle is dropped.
    return f"{name.encode()[: most - 11].decode(errors='ignore')}-{tag}"
