"""Random coordinates that are distributed as the values of a map."""

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lightpool.maps.coord import MapCoord
from lightpool.maps.geoms.geom import Geom

__all__ = ["RandomStateLike", "random_state_of", "sampled_coords"]

RandomStateLike: TypeAlias = int | str | np.random.RandomState
"""A seed, ``random-seed``, ``global-rng``, or a generator."""


class UniformNumbers(Protocol):
    """A generator of random numbers, or the module `numpy.random`."""

    def uniform(self, low: float = 0.0, high: float = 1.0, size: int | tuple[int, ...] | None = None) -> Any:
        """Draw numbers between two others."""


def random_state_of(random_state: RandomStateLike) -> UniformNumbers:
    """Return a generator of random numbers.

    Parameters
    ----------
    random_state : int, ``random-seed``, ``global-rng`` or RandomState
        A seed, a seed of the operating system, NumPy's global generator, or a generator, which is returned as it is.
    """
    if isinstance(random_state, np.random.RandomState):
        return random_state
    if isinstance(random_state, int | np.integer):
        return np.random.RandomState(random_state)
    if random_state == "random-seed":
        return np.random.RandomState()
    if random_state == "global-rng":
        return np.random  # its functions use the global generator
    raise ValueError(
        f"random_state must be a seed, 'random-seed', 'global-rng' or a numpy.random.RandomState, got {random_state!r}"
    )


def sampled_coords(values: NDArray[np.floating], geom: Geom, n_events: int, random_state: RandomStateLike) -> MapCoord:
    """Draw coordinates; they are uniform within a pixel and bin.

    Parameters
    ----------
    values : array on the host, shape ``geom.data_shape``
        Numbers of events that are expected, none negative.
    geom : Geom
    n_events : int
    random_state : see `random_state_of`
    """
    flat = np.ravel(values)
    total = flat.sum()
    if not (np.isfinite(total) and total > 0 and flat.min() >= 0):
        raise ValueError(
            f"coordinates are drawn from values that are finite and not negative with a sum above zero, got a minimum "
            f"of {flat.min()} and a sum of {total}"
        )
    rng = random_state_of(random_state)
    density = flat / total
    # The same steps as Gammapy's, from the least to the largest value: the same seed draws the same coordinates.
    order = np.argsort(density)
    chosen = np.searchsorted(np.cumsum(density[order]), rng.uniform(high=1, size=n_events))
    # the sum of rounded densities may stay below the largest random number
    pixels = np.vstack(np.unravel_index(order[np.minimum(chosen, flat.size - 1)], values.shape))
    pix = pixels + rng.uniform(low=-0.5, high=0.5, size=pixels.shape)
    coords = geom.pix_to_coord(tuple(pix[::-1]))
    return MapCoord.create(dict(zip(["lon", "lat", *geom.axes.names], coords, strict=True)), frame=geom.frame)
