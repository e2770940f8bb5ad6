"""Drift scans, during which the sky moves through the field of view, as pieces in which it hardly moves."""

import astropy.units as u
import numpy as np
from astropy.time import Time

from lightpool.bridge import accepts_gammapy
from lightpool.data.observation import Observation
from lightpool.data.observations import Observations
from lightpool.data.pointing import FixedPointingInfo, PointingMode
from lightpool.typing import AngleLike

__all__ = ["tracking_pieces"]

_TURN = 2 * np.pi / 86164.0905  # rad/s of the Earth against the stars
_MARGIN = 1e-3  # s; an event at the end of the good times belongs to the last piece


@accepts_gammapy
def tracking_pieces(observation: Observation, step: AngleLike = "0.25 deg") -> Observations:
    """Split a drift scan into observations that point to where the scan points in the middle of each.

    Makers take the responses of a drift scan at its pointing in the middle of its time, as Gammapy does, and cannot
    make its background. The stack of the datasets of its pieces has the responses averaged over the scan, and the
    background; their error decreases with the square of the step.

    Parameters
    ----------
    observation : `Observation`; one that follows the sky is its only piece
    step : Angle, how far the pointing may move on the sky during a piece

    Returns
    -------
    pieces : `Observations`, which share the responses, with the events and good times of each piece

    Examples
    --------
    ``DatasetsMaker(makers, stack_datasets=True).run(dataset, tracking_pieces(scan))``
    """
    limit = float(u.Quantity(step).to_value("rad"))
    if not limit > 0:
        raise ValueError(f"step = {step!r}, expected a positive angle")
    if observation.pointing.mode is PointingMode.POINTING:
        return Observations([observation])
    gti = observation.required("gti").union()
    pieces = []
    for start, duration in zip(gti.time_start, gti.time_delta.to_value("s").tolist(), strict=True):
        declination = float(observation.get_pointing_icrs(start + 0.5 * duration * u.s).dec.rad)
        n_piece = max(1, int(np.ceil(duration * _TURN * np.cos(declination) / limit)))
        edges = np.linspace(0, duration, n_piece + 1)
        middles = 0.5 * (edges[1:] + edges[:-1])
        edges[[0, -1]] += [-_MARGIN, _MARGIN]
        for first, middle, last in zip(edges[:-1], middles, edges[1:], strict=True):
            piece = observation.select_time(Time([start + first * u.s, start + last * u.s]))
            position = observation.get_pointing_icrs(start + middle * u.s)
            piece.pointing = FixedPointingInfo.from_degrees(float(position.ra.deg), float(position.dec.deg))
            pieces.append(piece)
    return Observations(pieces)
