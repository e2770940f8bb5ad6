"""Values that are created when they are first needed."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

from lightpool.bridge import accepted

__all__ = ["Deferred", "DeferredAttribute", "DeferredMapping", "forget_created", "load"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_SOURCE = " created from"
"""End of the key under which an object keeps the `_Source` of an attribute: no name of an attribute has a space."""
_LOADED = threading.Lock()  # held only while a value is stored, never while one is created


@dataclass(frozen=True)
class Deferred(Generic[T_co]):
    """A value that has not been created yet: the contents of a file, or the result of a computation.

    This is the one way in which a value is created on demand. A `Deferred` describes how to create the value; it does
    not hold the value. It may be given in place of the value wherever an attribute is declared as
    `DeferredAttribute`, and whoever reads that attribute gets the value itself and cannot tell the difference. So do
    readers of the items of a `DeferredMapping`:

    - Nothing is created before the attribute is read for the first time. A dataset that is read with ``lazy=True``
      opens its file only for the maps that are used.
    - With ``cache=True``, the default, the value takes the place of the `Deferred` and is created once. With
      ``cache=False`` it is created anew for each reader, and its memory is free when the reader drops it.
    - Threads may read the attribute at the same time. Each of them may create the value, because no lock is held
      while it is created (files are read, and other deferred values may be needed). The first thread to finish
      stores its value, and all threads get that same object.
    - An exception that is raised while the value is created reaches the reader of the attribute. The `Deferred`
      stays where it is, so the next reader tries again.
    - A `Deferred` can be pickled if ``create`` can be, and then a process that receives it creates the value itself.

    Two related concepts have classes of their own. The elements of a large array are computed window by window by
    `lightpool.arrays.devices.lazy_array.LazyArray`, and numbers that a device has not finished computing are
    `lightpool.arrays.DeferredNumbers`. A value that grows by additions, such as the good time intervals of a stack, is
    an `~lightpool.utils.accumulators.Accumulator`.

    Parameters
    ----------
    create : function without arguments that returns the value
    cache : bool
        Whether the value is kept after it was created.
    renewable : bool
        Whether `forget_created` may drop the value that is kept, so that it is created again, as from a file.

    Examples
    --------
    >>> from lightpool.utils.on_demand import Deferred, DeferredAttribute
    >>> class Run:
    ...     events = DeferredAttribute[list[int]]()
    ...
    ...     def __init__(self, events):
    ...         self.events = events
    >>> def read_events():
    ...     print("reading")
    ...     return [1, 2, 3]
    >>> run = Run(Deferred(read_events))
    >>> run.events
    reading
    [1, 2, 3]
    >>> run.events
    [1, 2, 3]
    >>> Run([4, 5]).events
    [4, 5]
    """

    create: Callable[[], T_co]
    cache: bool = True
    renewable: bool = False


@dataclass(frozen=True)
class _Source:
    """What an attribute was created from, if it can be created again.

    Attributes
    ----------
    name : str, of the attribute
    deferred : Deferred
    """

    name: str
    deferred: Deferred[Any]


class DeferredAttribute(Generic[T]):
    """An attribute that can be given as `Deferred`, and whose value is created when it is first read.

    The type in brackets is that of the value, so ``dataset.counts`` is a ``Map | None`` for a type checker, whether or
    not it was given as `Deferred`. The value is kept in the ``__dict__`` of the object under the name of the
    attribute, where ``vars(obj)[name]`` shows it as it was given. An attribute that was never set is None.

    Examples
    --------
    >>> class Dataset:
    ...     counts = DeferredAttribute[float | None]()
    >>> dataset = Dataset()
    >>> dataset.counts is None
    True
    >>> dataset.counts = Deferred(lambda: 3.0)
    >>> dataset.counts
    3.0
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...

    def __get__(self, instance: object, owner: type | None = None) -> T | Self:
        if instance is None:
            return self
        value: T | Deferred[T] = instance.__dict__.get(self._name)  # type: ignore[assignment]  # None belongs to T then
        return _create(instance.__dict__, self._name, value) if isinstance(value, Deferred) else value

    def __set__(self, instance: object, value: T | Deferred[T]) -> None:
        instance.__dict__[self._name] = accepted(value)
        instance.__dict__.pop(self._name + _SOURCE, None)


class DeferredMapping(Mapping[str, T]):
    """A mapping whose values are created one by one, each when it is first read.

    The columns of a table are converted from the bytes of their file one by one in this way. A pickle or a deep copy of
    the mapping is a ``dict`` of the values themselves, so it does not hold what they are created from.

    Parameters
    ----------
    values : mapping of name to `Deferred`

    Examples
    --------
    >>> from lightpool.utils.on_demand import Deferred, DeferredMapping
    >>> columns = DeferredMapping({"ENERGY": Deferred(lambda: [1.0, 2.0]), "EVENT_ID": Deferred(lambda: [1, 2])})
    >>> list(columns)
    ['ENERGY', 'EVENT_ID']
    >>> columns["ENERGY"]
    [1.0, 2.0]
    """

    def __init__(self, values: Mapping[str, Deferred[T]]) -> None:
        self._values: dict[str, T | Deferred[T]] = {**values}

    def __getitem__(self, name: str) -> T:
        value = self._values[name]
        return _create(self._values, name, value) if isinstance(value, Deferred) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __reduce__(self) -> tuple[type[dict[str, T]], tuple[dict[str, T]]]:
        return dict, (dict(self),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._values)})"


def _create(values: dict[str, Any], name: str, deferred: Deferred[T]) -> T:
    """Create the value that is deferred under a name, and store it there if it is to be kept."""
    created = deferred.create()
    if not deferred.cache:
        return created
    with _LOADED:  # the first of several threads to finish stores its value
        if values.get(name) is deferred:
            values[name] = created
            if deferred.renewable:
                values[name + _SOURCE] = _Source(name, deferred)
    stored: T | Deferred[T] = values[name]  # another thread may have been faster
    return load(stored)


def load(value: T | Deferred[T]) -> T:
    """Return a value, created now if it is deferred."""
    return value.create() if isinstance(value, Deferred) else value


def forget_created(obj: object) -> list[str]:
    """Let attributes be created again when they are next read, if that is possible; return their names.

    Attributes that were set since they were created stay.

    Parameters
    ----------
    obj : object with attributes that are each a `DeferredAttribute`
    """
    values = vars(obj)
    sources = {key: values[key] for key in list(values) if isinstance(values[key], _Source)}
    for key, source in sources.items():
        with _LOADED:
            values[source.name] = source.deferred
            del values[key]
    return [source.name for source in sources.values()]
