"""Checks of what a reduction is given: observations, makers, and the results of makers that users write."""

import logging
from collections import Counter
from collections.abc import Iterable, Sized

import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.bridge import accepted
from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.makers.core import Maker
from lightpool.maps import RegionGeom, WcsGeom

__all__ = ["checked_makers", "checked_observations", "checked_result", "extent", "name_of", "radec"]

log = logging.getLogger(__name__)


def checked_observations(observations: Iterable[Observation], references: Sized | None = None) -> list[Observation]:
    """Return observations as a list, with a warning about those that occur more than once.

    Parameters
    ----------
    observations : iterable of Observation
    references : collection, optional
        What has to have an element for each observation.

    Raises
    ------
    TypeError
        If an element is not an observation, but for example its number.
    ValueError
        If there are more or fewer references.
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
    if references is not None and len(references) != len(made):
        raise ValueError(f"got {len(references)} datasets for {len(made)} observations, expected one for each")
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


def radec(position: SkyCoord) -> str:
    """Return the text of a position."""
    position = position.icrs
    return f"RA {position.ra.deg:.2f} deg, Dec {position.dec.deg:.2f} deg"


def extent(geom: WcsGeom | RegionGeom) -> str:
    """Return a description of the part of the sky that a geometry covers."""
    width = " x ".join(f"{each:.3g}" for each in np.ravel(geom.width.to_value("deg")))
    return f"{width} deg around {radec(geom.center_skydir)}"
