"""Coordinates of one position in the field of view, at the times of an observation."""

from collections.abc import Callable

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import find_device, to_host
from lightpool.irf import IRF, EDispKernel
from lightpool.irf.projection.evaluation import evaluate_at
from lightpool.irf.reduced.energy_dispersion import edisp_kernel_at
from lightpool.makers.responses.fov_coordinates import field_position
from lightpool.makers.responses.fov_rotation import Turning, icrs_directions
from lightpool.maps import RegionGeom
from lightpool.utils.deviations import deviates

__all__ = ["Place", "area_at", "edisp_at", "field_positions", "mean_with_area"]

Place = dict[str, u.Quantity]
"""Coordinates in the field of view by name."""

Floats = NDArray[np.float64]


def field_positions(irf: IRF, turning: Turning, position: SkyCoord | None) -> list[tuple[float, Place]]:
    """Return the coordinates of one position that a response table depends on, at the times of an observation.

    Parameters
    ----------
    irf : IRF
    turning : Turning of the observation
    position : SkyCoord, by default the pointing, which does not move in the field of view

    Returns
    -------
    places : list of (weight, coordinates by name); one of weight 1 for a table that does not turn
    """
    pointing = turning.observation.pointing_radec
    rotation = None if position is None else turning.of(irf)
    if rotation is None or position is None:
        return [(1.0, field_position(irf, pointing, position))]
    deviates("effective area, PSF or energy dispersion aligned with the horizon")
    device = find_device("cpu")
    directions = icrs_directions(RegionGeom.create(position), device)
    found = []
    for moment in rotation.moments():
        places = moment.positions_of(directions, irf.field_arguments, device)
        found.append((moment.weight, {name: u.Quantity(to_host(x)[0, 0], "rad") for name, x in places.items()}))
    return found


def area_at(irf: IRF, turning: Turning, position: SkyCoord | None, energy_true: u.Quantity) -> u.Quantity:
    """Return the effective area at a position, the mean over an observation.

    Parameters
    ----------
    irf : IRF
    turning, position : see `field_positions`
    energy_true : Quantity, shape (n_energy_true,)
    """
    places = field_positions(irf, turning, position)
    total = places[0][0] * evaluate_at(irf, energy_true=energy_true, **places[0][1])
    for weight, place in places[1:]:
        total = total + weight * evaluate_at(irf, energy_true=energy_true, **place)
    return total


def mean_with_area(
    irf: IRF,
    turning: Turning,
    position: SkyCoord | None,
    energy_true: u.Quantity,
    value_at: Callable[[Place], Floats],
) -> Floats:
    """Return the mean of a response at a position over an observation, weighted with the effective area.

    Where the area is 0 all the time, it is the plain mean.

    Parameters
    ----------
    irf : IRF
    turning, position : see `field_positions`
    energy_true : Quantity, shape (n_energy_true,)
    value_at : function of the coordinates that returns the response, shape (n_energy_true, ...)
    """
    places = field_positions(irf, turning, position)
    if len(places) == 1:
        return value_at(places[0][1])
    aeff = turning.observation.aeff
    values = np.array([value_at(place) for _, place in places])
    areas = np.ones((len(places), len(energy_true)))
    # An area that does not turn is the same at all times.
    if isinstance(aeff, IRF) and turning.of(aeff) is not None:
        at = field_positions(aeff, turning, position)
        areas = np.array([evaluate_at(aeff, energy_true=energy_true, **place).value for _, place in at])
    times = np.array([weight for weight, _ in places])
    weights = times[:, None] * np.where(np.isfinite(areas) & (areas > 0), areas, 0.0)
    weights = np.where(weights.sum(axis=0) > 0, weights, times[:, None])
    weights = (weights / weights.sum(axis=0)).reshape(*weights.shape, *[1] * (values.ndim - 2))
    return np.asarray(np.sum(np.where(weights > 0, weights * values, 0.0), axis=0))


def edisp_at(edisp: IRF, turning: Turning, position: SkyCoord | None) -> EDispKernel:
    """Return the probabilities of the bins of reconstructed energy at a position, the mean over an observation.

    Parameters
    ----------
    edisp : IRF
    turning, position : see `field_positions`
    """
    places = field_positions(edisp, turning, position)
    kernel = edisp_kernel_at(edisp, places[0][1])
    if len(places) == 1:
        return kernel
    energy = edisp.axes["energy_true"].center
    mean = mean_with_area(
        edisp, turning, position, energy, lambda place: np.asarray(edisp_kernel_at(edisp, place).data)
    )
    return EDispKernel(axes=kernel.axes, data=mean)
