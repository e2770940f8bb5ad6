"""What lightpool does in place of a method of Gammapy: how it is declared, and what is checked before it runs.

To add a method, write a function that takes the arguments of Gammapy's method and decorate it::

    @takes_over(GammapyRingBackgroundMaker, "run")
    def run_ring_maker(maker: GammapyRingBackgroundMaker, dataset: GammapyMapDataset, observation=None) -> Commit:
        # The settings are read now: they may have changed since the maker was made.
        made = RingBackgroundMaker(r_in=maker.r_in, width=maker.width, ...).run(lightpool_dataset(dataset))
        return lambda: gammapy_dataset(made, ...)

The function computes the result and returns a `Commit`: a function without arguments that returns the result as
Gammapy's object. Before the commit, nothing that belongs to the caller may be changed. The commit is called when all
that can fail has succeeded; if the method of Gammapy changes one of its arguments and returns it, so does the commit,
and nothing else does. Where lightpool cannot do what is asked, the function raises `NotTakenOverError` with the
reason. Any other exception has the same effect: Gammapy's own method runs on the unchanged arguments.

For makers of which `DatasetsMaker` runs a chain there is a shorter way, see `lightpool.gammapy.acceleration.makers`.

What overrides the methods of Gammapy's class, in a class derived from it, in the object itself, or because somebody has
replaced them, makes a call fall back without any code in such functions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypedDict, TypeVar, Unpack

from lightpool.errors import LightpoolError
from lightpool.typing import GammapyObject

__all__ = [
    "TAKE_OVERS",
    "Commit",
    "NotTakenOverError",
    "TakeOver",
    "behaviour_of",
    "declare",
    "original_of",
    "require_behaviour",
    "takes_over",
]

Commit: TypeAlias = Callable[[], GammapyObject]
"""Returns the result; called once, when nothing can fail any more."""

FunctionT = TypeVar("FunctionT", bound=Callable[..., Commit])

_NOT_RELIED_ON = {"__init__", "__doc__", "__module__", "__dict__", "__weakref__", "__str__", "__repr__", "tag"}


class NotTakenOverError(LightpoolError, NotImplementedError):
    """Lightpool leaves a call to Gammapy; the text is the reason that the report shows."""


@dataclass(frozen=True, eq=False)
class TakeOver:
    """One method of Gammapy that lightpool runs.

    Attributes
    ----------
    owner : type
        Class of Gammapy that has the method, itself or from a base class.
    method : str
    function : function with the arguments of the method that returns a `Commit`
    relied_on : dict
        Attributes of the class and its bases when lightpool was imported. If an object has others, its class changes
        what the method does.
    runs_others : bool
        Whether the commit runs methods of Gammapy, which fall back by themselves. Its errors are those of Gammapy then.
    is_listed : bool
        Whether calls are in the report.
    """

    owner: type
    method: str
    function: Callable[..., Commit]
    relied_on: dict[str, object]
    runs_others: bool = False
    is_listed: bool = True

    @property
    def what(self) -> str:
        """Class and method, as the report names them."""
        return f"{self.owner.__name__}.{self.method}"

    def require_plain(self, obj: GammapyObject) -> None:
        """Raise `NotTakenOverError` if the methods of an object are not those of Gammapy."""
        require_behaviour(obj, self.relied_on)


def behaviour_of(owner: type) -> dict[str, object]:
    """Return the methods and properties of a class of Gammapy, for `require_behaviour`."""
    return {name: _of_gammapy(owner, name) for name in sorted(_behaviour(owner))}


class TakeOverOptions(TypedDict, total=False):
    """Optional attributes of `TakeOver`."""

    runs_others: bool
    is_listed: bool


def require_behaviour(obj: GammapyObject, expected: dict[str, object]) -> None:
    """Raise `NotTakenOverError` if the methods of an object are not those of Gammapy.

    Parameters
    ----------
    obj : object of Gammapy
    expected : dict
        From `behaviour_of` its class.
    """
    kind, own = type(obj), vars(obj)
    bases = [vars(base) for base in kind.__mro__]
    for name, value in expected.items():
        found = next((base[name] for base in bases if name in base), None)
        if original_of(found) is not value or (name in own and not hasattr(value, "__set__")):
            raise NotTakenOverError(f"{kind.__name__}.{name} is not the one of Gammapy")


def original_of(found: object) -> object:
    """Return the attribute of Gammapy in whose place a wrapper was put; other objects are returned themselves."""
    return getattr(found, "lightpool_replaces", found)


TAKE_OVERS: list[TakeOver] = []
"""All methods that are taken over."""


def takes_over(
    owner: type, method: str, *, relies_on: tuple[str, ...] | None = None, **options: Unpack[TakeOverOptions]
) -> Callable[[FunctionT], FunctionT]:
    """Return a decorator for the function that runs a method of Gammapy on lightpool.

    Parameters
    ----------
    owner : type
        Class of Gammapy.
    method : str
        Its method.
    relies_on : tuple of str, optional
        Further attributes whose meaning the function takes for granted; by default all methods and properties of the
        class and of its bases in Gammapy.
    **options : see `TakeOver`
    """

    def decorate(function: FunctionT) -> FunctionT:
        declare(owner, method, function, relies_on=relies_on, **options)
        return function

    return decorate


def declare(
    owner: type,
    method: str,
    function: Callable[..., Commit],
    *,
    relies_on: tuple[str, ...] | None = None,
    **options: Unpack[TakeOverOptions],
) -> TakeOver:
    """Declare a function that runs a method of Gammapy on lightpool, and return the declaration.

    Parameters
    ----------
    owner, method, relies_on, **options : as for `takes_over`
    function : function with the arguments of the method that returns a `Commit`
    """
    # Not all versions of Gammapy have all of them.
    names = _behaviour(owner) - {method} if relies_on is None else {name for name in relies_on if hasattr(owner, name)}
    relied_on = {name: _of_gammapy(owner, name) for name in sorted(names)}
    take_over = TakeOver(owner, method, function, relied_on, **options)
    TAKE_OVERS.append(take_over)
    return take_over


def _behaviour(owner: type) -> set[str]:
    """Return the names of the methods and properties of a class of Gammapy."""
    return {
        name
        for base in owner.__mro__
        if base.__module__.startswith("gammapy.")
        for name, value in vars(base).items()
        if name not in _NOT_RELIED_ON and (callable(value) or hasattr(value, "__get__"))
    }


def _of_gammapy(owner: type, name: str) -> object:
    """Return an attribute of a class; an object that is no attribute of anything if it was replaced by others."""
    value = original_of(next(vars(base)[name] for base in owner.__mro__ if name in vars(base)))
    function = getattr(value, "__func__", getattr(value, "fget", value))
    return value if (getattr(function, "__module__", None) or "gammapy.").startswith("gammapy.") else object()
