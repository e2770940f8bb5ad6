"""Values of response tables at the pixels of a map, as they are: without livetime and without normalisation.

The makers do not use this: they project the tables that they know on the device, see
`lightpool.makers.responses.response_maps`. Here any table can be evaluated, also one of a user's class, so tables are
evaluated on the host.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import astropy.units as u
import numpy as np
from astropy.coordinates import BaseCoordinateFrame, EarthLocation, SkyCoord
from astropy.time import Time

from lightpool.arrays import Device, fov_polar, to_device, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.bridge import accepts_gammapy
from lightpool.data import FixedPointingInfo
from lightpool.irf import IRF, BackgroundIRF
from lightpool.irf.projection.evaluation import evaluate_at
from lightpool.irf.tables.irf import FIELD_AXES
from lightpool.makers.responses.fov_coordinates import FieldOfView
from lightpool.makers.responses.fov_rotation import FovMoment, Rotation, sky_to_fov, trapezoidal_weights
from lightpool.makers.responses.response_maps import BackgroundMapRequest
from lightpool.makers.responses.response_positions import ResponsePixels
from lightpool.maps import Geom, Map

__all__ = ["FovFrame", "integrate_project_irf_on_geom", "project_irf_on_geom"]

Coordinates: TypeAlias = dict[str, u.Quantity]
_IN_THE_FIELD = FIELD_AXES


class FovFrame(Protocol):
    """A frame of the field of view: `FoVICRSFrame` or `FoVAltAzFrame` of Gammapy.

    That in the horizontal system has the further attributes ``obstime``, one time or an array of them, and
    ``location``.
    """

    @property
    def origin(self) -> BaseCoordinateFrame | SkyCoord:
        """The pointing."""


Pointing: TypeAlias = "SkyCoord | FixedPointingInfo | FieldOfView | FovFrame"


@dataclass(frozen=True, eq=False)
class _HorizonFrame:
    """A field of view that is aligned with the horizon, at one time or several in ascending order."""

    origin: SkyCoord
    times: Time
    location: EarthLocation

    def moments(self) -> Iterator[FovMoment]:
        """Yield the times, and how the sky lies then."""
        times = self.times.reshape((-1,))
        seconds = (times - times[0]).to_value("s")
        weights = trapezoidal_weights(seconds) if len(seconds) > 1 else np.ones(1)
        origin = self.origin.reshape((-1,))
        for i, weight in enumerate(weights):
            # An origin of one position is that of all times.
            here = origin[i if len(origin) > 1 else 0]
            yield FovMoment(float(weight), *sky_to_fov(here.icrs, here, times[i], self.location))


def _find_view(
    frame: Pointing, device: Device | str | None, precision: str | None
) -> tuple[FieldOfView, _HorizonFrame | None]:
    """Return the field of view of a pointing, and the frame if it is one aligned with the horizon."""
    if isinstance(frame, SkyCoord | FixedPointingInfo | FieldOfView):
        return FieldOfView.of(frame, device, precision), None
    if not hasattr(frame, "origin"):
        raise TypeError(
            "fov_frame must be a SkyCoord, a FixedPointingInfo or a frame of the field of view with an origin, "
            f"got {type(frame).__name__}"
        )
    origin = SkyCoord(frame.origin)
    times, location = getattr(frame, "obstime", None), getattr(frame, "location", None)
    if times is None or location is None:
        return FieldOfView.of(origin.icrs, device, precision), None
    horizon = _HorizonFrame(origin, times, location)
    # For a rotating field the position is of no importance: the moments have their own.
    first = origin.reshape((-1,))[0]
    return FieldOfView.of(first.icrs, device, precision), horizon


@accepts_gammapy
def project_irf_on_geom(
    geom: Geom,
    irf: IRF,
    fov_frame: Pointing,
    use_region_center: bool = True,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Evaluate a response table at the pixels of a map.

    Parameters
    ----------
    geom : Geom with the axes of the table other than those in the field of view
    irf : IRF of any class
    fov_frame : SkyCoord, FixedPointingInfo, or FoVICRSFrame or FoVAltAzFrame of Gammapy
        The pointing. A frame with several times gives the mean over its times.
    use_region_center : bool
        On a region, take the value at its centre, or the mean over it.
    device, precision : where the map is made and how exact, the default ones if not given

    Returns
    -------
    values : Map, shape of ``geom``, unit of the table
    """
    view, horizon = _find_view(fov_frame, device, precision)
    pixels = ResponsePixels.of(geom, use_region_center, view.device)
    coords = {name: _along_its_axis(geom, name) for name in irf.required_arguments if name not in _IN_THE_FIELD}
    places = list(_places(pixels.geom, irf, view, horizon))
    # The mean over the times of a frame is the plain one, as in Gammapy.
    found = [evaluate_at(irf, **{**coords, **place}).value for place in places]
    values = np.mean(found, axis=0)
    shape = (*geom.data_shape[:-2], *pixels.geom.data_shape[-2:])
    data = as_dtype(to_device(np.broadcast_to(values, shape).copy(), view.device), view.dtype)
    return Map.from_geom(geom, data=pixels.mean(data), unit=irf.unit, device=view.device)


def _along_its_axis(geom: Geom, name: str) -> u.Quantity:
    """Return the centres of the bins of an axis, in the dimension that it has in the data of a map."""
    shape = [axis.nbin if axis.name == name else 1 for axis in reversed(list(geom.axes))]
    return u.Quantity(geom.axes[name].center).reshape([*shape, 1, 1])


def _places(geom: Geom, irf: IRF, view: FieldOfView, horizon: _HorizonFrame | None) -> Iterator[Coordinates]:
    """Yield the coordinates in the field of view that a table depends on, for each time of its frame."""
    needs_offset = "offset" in irf.required_arguments
    if horizon is None and needs_offset:
        yield {"offset": _host_angle(view.offset(geom))}
        return
    device = view.device
    every = [view.lonlat(geom)] if horizon is None else (each.lonlat(geom, device) for each in horizon.moments())
    for lonlat in every:
        lon, lat = (_host_angle(angle) for angle in lonlat)
        if needs_offset:
            # Haversines: the cosine of a small angle would round.
            half = np.sqrt(np.sin(lat / 2) ** 2 + np.cos(lat) * np.sin(lon / 2) ** 2)
            yield {"offset": 2 * np.arcsin(half)}
        else:
            rho, phi = fov_polar(lon.value, lat.value)
            found = {"fov_lon": lon, "fov_lat": lat, "rho": u.Quantity(rho, "rad"), "phi": u.Quantity(phi, "rad")}
            yield {name: angle for name, angle in found.items() if name in irf.required_arguments}


def _host_angle(angle: Array) -> u.Quantity:
    return u.Quantity(to_host(angle), "rad")  # host: tables are evaluated there


@accepts_gammapy
def integrate_project_irf_on_geom(
    geom: Geom,
    irf: BackgroundIRF,
    fov_frame: Pointing,
    use_region_center: bool = True,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Integrate a background rate over the energy bins and the pixels of a map.

    Parameters
    ----------
    geom : Geom with an axis ``energy``
    irf : Background2D or Background3D
    fov_frame : SkyCoord, FixedPointingInfo, or FoVICRSFrame or FoVAltAzFrame of Gammapy
        The pointing. A frame with several times gives the mean over the time between them.
    use_region_center : bool
        On a region, take the rate at its centre times its solid angle, or add up the rate over it.
    device, precision : where the map is made and how exact, the default ones if not given

    Returns
    -------
    rate : Map, shape of ``geom``, unit 1 / s
    """
    if not isinstance(irf, BackgroundIRF):
        raise ValueError(f"only background tables can be integrated, got {type(irf).__name__}")
    view, horizon = _find_view(fov_frame, device, precision)
    # One second, so that the counts are the rate.
    rotation: Rotation | None = None if irf.has_offset_axis else horizon
    request = BackgroundMapRequest.of(irf, 1 * u.s, geom, None, use_region_center, rotation)
    return request.make(view).copy(unit="s-1")
