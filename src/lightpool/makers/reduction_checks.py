"""Checks of what a reduction is given: observations, makers, and the results of makers that users write."""

import logging
from collections import Counter
from collections.abc import Iterable

from lightpool.bridge import accepted
from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.makers.core import Maker

__all__ = ["checked_makers", "checked_observations", "checked_result", "name_of"]

log = logging.getLogger(__name__)


def checked_observations(observations: Iterable[Observation]) -> list[Observation]:
    """Return observations as a list, with a warning about those that occur more than once.

    Raises
    ------
    TypeError
        If an element is not an observation, but for example its number.
    """
    if isinstance(observations, str) or not isinstance(observations, Iterable):
        raise TypeError(f"observations must be a list of them, got one {type(observations).__name__}; write [it]")
    made = [accepted(observation) for observation in observations]
    for observation in made:
        if not hasattr(observation, "obs_id"):
            raise TypeError(
                f"observations must be observations, got {observation!r} of type {type(observation).__name__}; "
                "DataStore.get_observations([numbers]) returns them"
            )
    twice = [obs_id for obs_id, n_use in Counter(id(each) for each in made).items() if n_use > 1]
    if twice:
        names = ", ".join(dict.fromkeys(str(each.obs_id) for each in made if id(each) in twice))
        log.warning("the same observation is in the list more than once, and its data count as often: %s", names)
    return made


def checked_makers(makers: Iterable[Maker]) -> list[Maker]:
    """Return makers as a list.

    Raises
    ------
    TypeError
        If an element is not a maker, but for example a class or a function.
    """
    if not isinstance(makers, Iterable):
        raise TypeError(f"makers must be a list of them, got one {type(makers).__name__}; write [it]")
    made = list(makers)
    for maker in made:
        if isinstance(maker, type):
            raise TypeError(f"makers are objects, got the class {maker.__name__}; write {maker.__name__}()")
        if not callable(getattr(maker, "run", None)):
            raise TypeError(
                f"makers are objects with a method run(dataset, observation), got {maker!r}; derive a class from Maker"
            )
    return made


def name_of(maker: Maker) -> str:
    """Return the tag of a maker; the name of its class if it has none."""
    return str(getattr(maker, "tag", type(maker).__name__))


def checked_result(step: str, result: MapDataset) -> MapDataset:
    """Return the result of a maker.

    Parameters
    ----------
    step : str
        Name of the maker.
    result : MapDataset

    Raises
    ------
    TypeError
        If it is not a dataset: None, for example, if a maker forgets its ``return``.
    """
    if not isinstance(result, MapDataset):
        found = "None" if result is None else f"a {type(result).__name__}"
        raise TypeError(f"{step}.run returned {found}, expected the dataset; end it with `return dataset`")
    return result
