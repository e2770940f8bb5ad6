"""Counts simulated from predicted ones."""

from typing import Literal, TypeAlias

import numpy as np

from lightpool.arrays import to_host
from lightpool.maps import Map

__all__ = ["RandomState", "find_random_state", "simulate_counts"]

RandomState: TypeAlias = int | Literal["random-seed", "global-rng"] | np.random.RandomState
"""Seed or state of a generator of random numbers, as in Gammapy."""


def find_random_state(init: RandomState) -> np.random.RandomState:
    """Return a generator of random numbers: the one of Gammapy, so that a seed gives the same numbers.

    Parameters
    ----------
    init : int, ``random-seed`` (other numbers each time), ``global-rng`` (that of `numpy.random`) or RandomState
    """
    if isinstance(init, np.random.RandomState):
        return init
    if isinstance(init, int | np.integer):
        return np.random.RandomState(int(init))
    if init == "random-seed":
        return np.random.RandomState()
    if init == "global-rng":
        # the state that the functions of the module belong to, which has no public name
        found: np.random.RandomState = np.random.poisson.__self__  # type: ignore[attr-defined]
        return found
    raise ValueError(f"random_state must be a seed, 'random-seed', 'global-rng' or a RandomState, got {init!r}")


def simulate_counts(npred: Map, random_state: np.random.RandomState, precision: str) -> Map:
    """Draw counts from the Poisson distributions of predicted ones, on the host; where these are not finite, none.

    Parameters
    ----------
    npred : Map
    random_state : RandomState
    precision : {"double", "single"}, of the counts
    """
    expected = np.nan_to_num(to_host(npred.data), copy=True, nan=0.0, posinf=0.0, neginf=0.0)
    drawn = random_state.poisson(expected).astype(np.float64)
    return Map.from_geom(npred.geom, data=drawn, dtype="float64", device=npred.device).to(precision=precision)
