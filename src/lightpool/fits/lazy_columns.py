"""Columns that are converted when they are first asked for."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

__all__ = ["ColumnMasks", "LazyColumns"]


def _forget() -> NDArray[Any]:
    raise AssertionError("a column is converted only once")


class LazyColumns(Mapping[str, NDArray[Any]]):
    """Columns by name, converted when first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], NDArray[Any]]]) -> None:
        self._makers = dict(makers)
        self._ready: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        maker = self._makers[name]
        if maker is not _forget:  # of two threads that ask at the same time, the first to finish counts
            self._ready.setdefault(name, maker())
            self._makers[name] = _forget  # lets go of the file's bytes once nothing needs them
        return self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # a pickle or deep copy holds the values, not the file's bytes

    def __repr__(self) -> str:
        return f"LazyColumns({', '.join(self._makers)})"


class ColumnMasks(LazyColumns):
    """Masks of the columns where a null value occurs; the columns are looked at when first asked."""

    @cached_property
    def _hit(self) -> list[str]:
        return [name for name in self._makers if LazyColumns.__getitem__(self, name).any()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._hit)

    def __len__(self) -> int:
        return len(self._hit)

    def __contains__(self, name: object) -> bool:
        return name in self._hit

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._hit:
            raise KeyError(name)
        return super().__getitem__(name)
