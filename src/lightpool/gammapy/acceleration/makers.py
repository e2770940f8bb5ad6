"""Makers: how lightpool runs one maker of Gammapy, alone or in the chain of a `DatasetsMaker`.

To add a maker, write two functions and declare them::

    def _ring_maker(maker: GammapyRingBackgroundMaker) -> RingBackgroundMaker:
        return RingBackgroundMaker(r_in=maker.r_in, width=maker.width, ...)

    def _run_ring(maker, dataset, observation) -> Commit:
        made = _ring_maker(maker).run(lightpool_dataset(dataset))
        return lambda: gammapy_on_off_dataset(made, dataset)

    declare_maker(GammapyRingBackgroundMaker, _ring_maker, _run_ring)

The first one returns the maker of lightpool with the settings that the one of Gammapy has now, and raises
`NotTakenOverError` for settings that lightpool lacks. The second one is the function of a take-over, see
`lightpool.gammapy.acceleration.take_over`. From then on both `maker.run` and a `DatasetsMaker` with such makers are
accelerated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, TakeOver, declare
from lightpool.makers import Maker
from lightpool.typing import GammapyObject

__all__ = ["declare_maker", "lightpool_makers"]


@dataclass(frozen=True)
class _KnownMaker:
    convert: Callable[[GammapyObject], Maker]
    take_over: TakeOver


_known: dict[type, _KnownMaker] = {}


def declare_maker(kind: type, convert: Callable[[GammapyObject], Maker], run: Callable[..., Commit]) -> None:
    """Declare that lightpool runs the makers of a class.

    Parameters
    ----------
    kind : type
        Class of makers of Gammapy.
    convert : function from a maker of Gammapy to one of lightpool
    run : function of a maker, a dataset and an observation of Gammapy that returns a `Commit`
    """
    _known[kind] = _KnownMaker(convert, declare(kind, "run", run))


def lightpool_makers(makers: Sequence[GammapyObject]) -> list[Maker]:
    """Return makers of lightpool for a chain of Gammapy's.

    Parameters
    ----------
    makers : list of makers of Gammapy

    Raises
    ------
    NotTakenOverError
        If one of them is not exactly one of those that lightpool runs.
    """
    made = []
    for maker in makers:
        known = _known.get(type(maker))
        if known is None:
            raise NotTakenOverError(f"a maker of class {type(maker).__name__}")
        known.take_over.require_plain(maker)
        made.append(known.convert(maker))
    return made
