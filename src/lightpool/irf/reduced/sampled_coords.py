"""Coordinates of simulated events that a response moves: one random number for each event, on the host."""

from typing import cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import to_host
from lightpool.maps import Map, MapAxis
from lightpool.maps.sampling import UniformNumbers

__all__ = ["drawn_along_axis"]

Floats = NDArray[np.float64]


def drawn_along_axis(
    response: Map,
    axis: MapAxis,
    weights: Floats,
    position: SkyCoord,
    energies: dict[str, u.Quantity],
    random_state: UniformNumbers,
    chunk_size: int | None,
) -> u.Quantity:
    """Draw a value on an axis of a response for each event, from the density at its position and energy.

    Parameters
    ----------
    response : Map
    axis : MapAxis of the response
    weights : ndarray, shape (n_bin,), that turn a density into probabilities up to a factor
    position : SkyCoord, shape (n_event,)
    energies : dict with the name of the energy axis and the energies, shape (n_event,)
    random_state : generator
    chunk_size : int or None, number of events at a time; all at once by default

    Returns
    -------
    values : Quantity, shape (n_event,), in the unit of the axis
    """
    n_event = position.size
    values = np.ones(n_event)
    step = max(n_event if chunk_size is None else chunk_size, 1)
    for start in range(0, n_event, step):
        chunk = slice(start, start + step)
        coords: dict[str, object] = {"skycoord": position[chunk].reshape(-1, 1), axis.name: axis.center}
        coords |= {name: energy[chunk].reshape(-1, 1) for name, energy in energies.items()}
        density = to_host(response.interp_by_coord(coords)) * weights  # host: events are there
        values[chunk] = axis.pix_to_coord(_drawn_pixels(density, random_state)).to_value(axis.unit)
    return u.Quantity(values, axis.unit)


def _drawn_pixels(probability: Floats, random_state: UniformNumbers) -> Floats:
    """Draw a pixel coordinate for each row of probabilities, uniform within a bin; shape (n_row,)."""
    cumulative = np.cumsum(probability, axis=1)
    with np.errstate(invalid="ignore"):  # without any probability the event is lost: NaN
        cumulative = np.concatenate([np.zeros((len(cumulative), 1)), cumulative / cumulative[:, -1:]], axis=1)
    drawn = cast(Floats, random_state.uniform(high=1, size=len(cumulative)))[:, np.newaxis]
    # The bin in whose part of the cumulative distribution the number lies.
    number = np.clip(np.sum(cumulative <= drawn, axis=1, keepdims=True) - 1, 0, probability.shape[1] - 1)
    low, high = (np.take_along_axis(cumulative, number + more, axis=1) for more in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (drawn - low) / (high - low)
    pixels: Floats = (number + share - 0.5)[:, 0]
    return pixels
