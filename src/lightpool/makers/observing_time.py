"""How long each direction of the sky was observed: plainly, and as the time on axis that gives the same exposure."""

from collections.abc import Iterable
from typing import cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle

from lightpool.arrays import Device, find_device, find_precision, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation
from lightpool.errors import NoOverlapError
from lightpool.makers.core import checked_angle
from lightpool.makers.responses.field_positions import area_at
from lightpool.makers.responses.fov_coordinates import FieldOfView
from lightpool.makers.responses.fov_rotation import Turning
from lightpool.makers.responses.response_maps import ExposureRequest
from lightpool.maps import Geom, Map, WcsGeom
from lightpool.typing import AngleLike

_STEP = 1 * u.deg
"""Step of the rotation of the field of view, for responses aligned with the horizon."""

__all__ = ["guess_instrument_fov", "make_effective_livetime_map", "make_observation_time_map"]


@accepts_gammapy
def guess_instrument_fov(obs: Observation) -> u.Quantity:
    """Return the largest offset at which the effective area of an observation is given.

    Parameters
    ----------
    obs : Observation

    Returns
    -------
    offset_max : Quantity, the centre of the last bin of the axis ``offset``

    Raises
    ------
    ValueError
        If there is no effective area, or it is point-like or has no axis ``offset``.
    """
    if "aeff" not in obs.available_irfs:
        raise ValueError(
            f"observation {obs.obs_id} has no effective area from which its field of view follows; give offset_max"
        )
    aeff = obs.required("aeff")
    if aeff.is_pointlike or "offset" not in aeff.axes.names:
        reason = "is point-like" if aeff.is_pointlike else f"has the axes {aeff.axes.names}, without 'offset'"
        raise ValueError(
            f"the effective area of observation {obs.obs_id} {reason}, so its field of view is not known; "
            "give offset_max"
        )
    offset: u.Quantity = aeff.axes["offset"].center[-1]
    return offset


@accepts_gammapy
def make_observation_time_map(
    observations: Iterable[Observation],
    geom: Geom,
    offset_max: "AngleLike | None" = None,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Make an image of the time for which each pixel was in the field of view.

    Parameters
    ----------
    observations : Observations
    geom : Geom, of which the image is taken
    offset_max : Quantity or str, optional
        Radius of the field of view; by default that of each observation, see `guess_instrument_fov`.
    device, precision : where the map is made and how exact, the default ones if not given

    Returns
    -------
    time : Map, sum of the live times, unit h
    """
    image, where = geom.to_image(), find_device(device)
    total = Map.from_geom(image, unit="h", dtype=find_precision(precision), device=where)
    for observation in observations:
        seen = _seen(image, _view(observation, where, precision), _radius(observation, offset_max))
        time = float(observation.observation_live_time_duration.to_value("h"))
        total.data = total.data + where.xp.where(seen, time, where.xp.zeros_like(total.data))
    return total


@accepts_gammapy
def make_effective_livetime_map(
    observations: Iterable[Observation],
    geom: Geom,
    offset_max: "AngleLike | None" = None,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Make a map of the time on axis that has the exposure of the observations: exposure over effective area on axis.

    Parameters
    ----------
    observations : Observations
        Those that do not see the map contribute nothing.
    geom : Geom with an axis ``energy_true``
    offset_max : Quantity or str, optional
        Radius of the field of view; by default that of each observation, see `guess_instrument_fov`.
    device, precision : where the map is made and how exact, the default ones if not given

    Returns
    -------
    livetime : Map, shape of ``geom``, unit h; zero at energies without effective area on axis
    """
    where = find_device(device)
    total = Map.from_geom(geom, unit="h", dtype=find_precision(precision), device=where)
    for observation in observations:
        radius, view = _radius(observation, offset_max), _view(observation, where, precision)
        try:
            window = geom if geom.is_region else cast("WcsGeom", geom).cutout(view.pointing, width=2 * radius)
        except NoOverlapError:
            continue
        total.stack(_effective_livetime(observation, window, radius, view))
    return total


def _effective_livetime(observation: Observation, geom: Geom, radius: Angle, view: FieldOfView) -> Map:
    """Return the effective livetime of one observation, zero outside its field of view."""
    aeff, xp = observation.required("aeff"), view.device.xp
    turning, livetime = Turning(observation, _STEP), observation.observation_live_time_duration
    exposure = ExposureRequest.of(aeff, livetime, geom, rotation=turning.of(aeff)).make(view)
    energies = geom.axes["energy_true"].center
    on_axis = np.ravel(area_at(aeff, turning, None, energies).to_value("m2"))
    # Of an energy without effective area there is no such time. The factor is per hour: exposures are in m2 s.
    per_area = np.divide(1 / 3600, on_axis, out=np.zeros_like(on_axis), where=on_axis > 0)
    # The other axes of the map, if there are any, have one bin.
    shape = [len(per_area) if axis.name == "energy_true" else 1 for axis in reversed(list(geom.axes))]
    factor = as_dtype(to_device(per_area.reshape([*shape, 1, 1]), view.device), view.dtype)
    values = xp.where(_seen(geom, view, radius), exposure.data * factor, 0.0)
    return Map.from_geom(geom, data=as_dtype(values, view.dtype), unit="h", device=view.device)


def _view(observation: Observation, device: Device, precision: str | None) -> FieldOfView:
    return FieldOfView(observation.get_pointing_icrs(observation.tmid), device, precision)


def _radius(observation: Observation, offset_max: "AngleLike | None") -> Angle:
    radius = guess_instrument_fov(observation) if offset_max is None else offset_max
    return checked_angle("offset_max", radius)


def _seen(geom: Geom, view: FieldOfView, radius: Angle) -> Array:
    """Return which pixels are less than a radius away from the pointing; not those outside of the sky."""
    # NaN compares as False.
    seen: Array = view.offset(geom) < float(radius.to_value("rad"))
    return seen
