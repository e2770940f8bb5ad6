"""Places in the field of view at some offset from the pointing, in the coordinates that a table has."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypedDict

import astropy.units as u
import numpy as np

from lightpool.irf.tables.irf import IRF
from lightpool.typing import QuantityLike
from lightpool.utils.quantities import each

__all__ = ["Place", "directions_of", "first_place", "places_at"]

# Towards fov_lon and fov_lat: the angle phi of each, see `lightpool.arrays.kernels.sphere.fov_polar`.
_ANGLES = {"+lon": 90.0, "+lat": 0.0, "-lon": 270.0, "-lat": 180.0}


class Place(TypedDict, total=False):
    """Coordinates in the field of view, as `IRF.evaluate` takes them: those that a table has."""

    offset: u.Quantity
    fov_lon: u.Quantity
    fov_lat: u.Quantity
    rho: u.Quantity
    phi: u.Quantity


def directions_of(table: IRF) -> Mapping[str, Callable[[u.Quantity], Place]]:
    """Return what makes places of offsets, by the name of the direction: one without a name if all are the same."""
    if table.has_offset_axis:
        return {"": _at_offset}
    at = _at_angle if "phi" in table.field_arguments else _at_longitude_and_latitude
    return {name: partial(at, u.Quantity(angle, "deg")) for name, angle in _ANGLES.items()}


def _at_offset(offset: u.Quantity) -> Place:
    return {"offset": offset}


def _at_angle(phi: u.Quantity, offset: u.Quantity) -> Place:
    return {"rho": offset, "phi": phi}


def _at_longitude_and_latitude(phi: u.Quantity, offset: u.Quantity) -> Place:
    return {"fov_lon": offset * np.round(np.sin(phi)), "fov_lat": offset * np.round(np.cos(phi))}


def places_at(table: IRF, offsets: QuantityLike) -> Iterator[tuple[u.Quantity, str, Place]]:
    """Yield each offset, the direction and the place: one for the pointing itself, else one for each direction.

    Parameters
    ----------
    table : IRF
    offsets : Quantity
    """
    for offset in each(offsets):
        for name, place_at in directions_of(table).items():
            is_pointing = bool(offset == 0)
            yield offset, "" if is_pointing or not name else f" {name}", place_at(offset)
            if is_pointing:
                break


def first_place(table: IRF, offset: QuantityLike) -> Place:
    """Return the place at the first of some offsets, in the first direction.

    Parameters
    ----------
    table : IRF
    offset : Quantity
    """
    _, _, place = next(places_at(table, offset))
    return place
