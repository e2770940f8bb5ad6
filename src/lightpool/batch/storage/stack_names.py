"""Names of stacks, which are parts of file names: different stacks never share a file, on any file system.

macOS and Windows take ``Crab`` and ``crab`` for one name, and macOS does so with letters that Unicode writes in two
ways. A name that could be taken for another one, is too long, or means a device to Windows, gets a tag: ten digits of a
hash of what it stands for. All other names stay as they are.
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
"""Bytes. With an observation number and the endings of files that are being written, a name has 255 at most."""

_SET_PARTS = ("", "_arf", "_rmf", "_bkg")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


class StackKey(NamedTuple):
    """Which stack: a target, a division and a group of it."""

    target: str
    division: str
    group: str


class StackNames:
    """Names of the stacks of a reduction; they follow from its settings alone.

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
        """Name of the dataset of a stack and of its file, without an ending."""
        plain = key.target if key.division in self._plain else "-".join(key)
        is_tagged = (key.target, key.division) in self._tagged or _DEVICES.match(_folded(plain))
        return _tagged(plain, "\0".join(key), _MAX_NAME) if is_tagged or _size(plain) > _MAX_NAME else plain

    def of_observation(self, obs_id: int | None, key: StackKey) -> str:
        """Name of the dataset that an observation adds to a stack, and of its file; warnings tell it."""
        return f"{obs_id}-{self.of(key)}"

    def may_name(self, stem: str) -> bool:
        """Whether a file of a stack may have a name, given without its ending."""
        name = stem.removeprefix("pha_")
        starts = [name, *(name.removesuffix(part) for part in _SET_PARTS[1:] if name.endswith(part))]
        for target, division, is_whole in self._divisions:
            whole = self.of(StackKey(target, division, "all"))
            start = f"{target}-{division}-".encode()[: _MAX_NAME - 11].decode(errors="ignore")
            if whole in starts or (not is_whole and name.startswith(start)):
                return True
        return False


def _files(target: str, division: str, kind: str, is_whole: bool) -> Iterator[tuple[str, bool]]:
    """Names of files as a file system may see them, or their common beginnings, which the groups go on from."""
    for start, parts in (("", ("",)), ("pha_", _SET_PARTS)):
        if start and kind != "spectrum":
            continue
        if is_whole:
            yield from ((_folded(f"{start}{target}{part}"), True) for part in parts)
        else:
            yield _folded(f"{start}{target}-{division}-"), False


def _may_meet(some: Iterable[tuple[str, bool]], others: list[tuple[str, bool]]) -> bool:
    """Whether a file of the one may have the name of a file of the other."""
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
    """Name of the group of each of some texts, such as the objects of an index; different texts have different names.

    Other letters than ``-+._``, digits and those of an alphabet become ``_``.
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
    """Name of the group of a text where the others are not known: only small letters and digits have no tag."""
    slug = _slug(text)
    is_plain = slug == text == _folded(text) and text.isascii() and _is_free(slug)
    return slug if is_plain else _tagged(slug, text, _MAX_LABEL)


def _is_free(slug: str) -> bool:
    """Whether a name is short, and neither that of the group of all nor that of another file of a set."""
    return _size(slug) <= _MAX_LABEL and _folded(slug) != "all" and not _folded(slug).endswith(_SET_PARTS[1:])


def _slug(text: str) -> str:
    """Text as a part of a file name."""
    text = unicodedata.normalize("NFC", text.strip())
    return "".join(letter if letter.isalnum() or letter in "-+._" else "_" for letter in text) or "none"


def _folded(name: str) -> str:
    """Name as a file system sees it that takes large and small letters for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _size(name: str) -> int:
    return len(name.encode())


def _tagged(name: str, meaning: str, most: int) -> str:
    tag = hashlib.sha256(meaning.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{name.encode()[: most - 11].decode(errors='ignore')}-{tag}"
