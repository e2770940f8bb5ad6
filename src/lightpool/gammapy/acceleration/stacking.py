"""Gammapy's `MapDataset.stack`: the sums stay with lightpool, in double precision, until somebody looks at them."""

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import astropy.units as u
from astropy.table import Table
from gammapy.data import GTI as GammapyGTI  # noqa: N811 - a class
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.maps import Map as GammapyMap
from gammapy.utils.table import hstack_columns

from lightpool.arrays import get_default_device, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.datasets import MapDataset
from lightpool.datasets.stacking import stack_dataset
from lightpool.gammapy.acceleration.exchange import (
    MAPS,
    RESPONSES,
    gammapy_map,
    lightpool_dataset,
    lightpool_response,
    map_of_response,
    require_dataset,
    response_class,
)
from lightpool.gammapy.acceleration.lazy_maps import Pending, defer, dtype_of, pending_values
from lightpool.gammapy.acceleration.spare_arrays import SpareArrays
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, takes_over
from lightpool.gammapy.conversion.maps import map_from_gammapy
from lightpool.irf import IRFMap
from lightpool.maps import Map
from lightpool.typing import GammapyObject

__all__: list[str] = []

_spare = SpareArrays()
_RELIED_ON = (
    *MAPS,
    *RESPONSES,
    "background_model",
    "mask_safe_edisp",
    "mask_safe_image",
    "mask_safe_psf",
    "npred_background",
    "stat_type",
)


@takes_over(GammapyMapDataset, "stack", relies_on=_RELIED_ON)
def _stack(dataset: GammapyMapDataset, other: GammapyMapDataset, nan_to_num: bool = True) -> Commit:
    _require_stackable(dataset, other)
    added = lightpool_dataset(other)
    livetime, gti, table = _livetime(dataset, other, added), _merged_gti(dataset, other), _merged_table(dataset, other)
    sums = _sums(dataset)
    with _undone_on_error(dataset, sums):
        stack_dataset(sums, added, nan_to_num)

    def commit() -> None:
        for name in MAPS:
            _give_map(dataset, name, getattr(sums, name))
        for name in RESPONSES:
            _give_response(getattr(dataset, name), getattr(sums, name))
        if livetime is not None and "livetime" in dataset.exposure.meta:
            dataset.exposure.meta["livetime"] += livetime
        elif livetime is not None:
            dataset.exposure.meta["livetime"] = livetime.copy()
        if gti is not None:
            # As in Gammapy, which appends to the intervals that the dataset had, and gives it their union.
            appended, union = gti
            dataset.gti.table = appended.table
            dataset.gti = union
        if table is not None:
            dataset.meta_table = table

    return commit


def _require_stackable(dataset: GammapyMapDataset, other: GammapyMapDataset) -> None:
    """Raise an error for what must not be added up in place."""
    require_dataset(dataset)
    require_dataset(other)
    if dataset is other:
        raise NotTakenOverError("a dataset that is stacked with itself")
    if dataset.background_model is not None:
        raise NotTakenOverError("a stack with a background model")
    maps = {name: getattr(dataset, name) for name in MAPS if getattr(dataset, name) is not None}
    for name, values in maps.items():
        is_known = dtype_of(values) in (("bool",) if name.startswith("mask") else ("float32", "float64"))
        if not is_known:
            raise NotTakenOverError(f"a stack whose {name} is of {dtype_of(values)}")


# --- what is small


def _livetime(dataset: GammapyMapDataset, other: GammapyMapDataset, added: MapDataset) -> u.Quantity | None:
    """Return the livetime that the exposure gains, None if there is none."""
    if dataset.exposure is None or other.exposure is None or "livetime" not in other.exposure.meta:
        return None
    mask = added.mask_safe
    keeps_any = mask is None or bool(to_host(mask.device.xp.any(mask.data)))  # host: Gammapy's metadata are there
    return u.Quantity(other.exposure.meta["livetime"]) if keeps_any else None


def _merged_gti(dataset: GammapyMapDataset, other: GammapyMapDataset) -> tuple[GammapyGTI, GammapyGTI] | None:
    """Return the good time intervals of both, as they are and their union; None if one has none."""
    if not (dataset.gti and other.gti):
        return None
    appended = copy.copy(dataset.gti)
    appended.stack(other.gti)
    return appended, appended.union()


def _merged_table(dataset: GammapyMapDataset, other: GammapyMapDataset) -> Table | None:
    """Return the table of the observations of both, None if nothing is added."""
    table: Table | None = None
    if dataset.meta_table and other.meta_table:
        table = hstack_columns(dataset.meta_table, other.meta_table)
    elif other.meta_table:
        table = other.meta_table.copy()
    return table


# --- sums


def _sums(dataset: GammapyMapDataset) -> MapDataset:
    """Return a dataset of sums that belong to nobody else; those of an earlier call go on growing."""
    parts: dict[str, Map | IRFMap] = {}
    for name in MAPS:
        values = getattr(dataset, name)
        if values is not None:
            parts[name] = _own_map(values)
    for name in RESPONSES:
        response = getattr(dataset, name)
        if response is not None:
            parts[name] = _own_response(response)
    kind = require_dataset(dataset)
    return kind(name=dataset.name, **parts)  # type: ignore[arg-type]  # each name has the kind that it needs


def _grows(values: GammapyMap | None) -> bool:
    pending = pending_values(values)
    return pending is not None and pending.is_sum


def _let_go(values: GammapyMap) -> None:
    pending = pending_values(values)
    if pending is not None:
        pending.let_go()


def _own_map(values: GammapyMap) -> Map:
    device = get_default_device()
    ours = map_from_gammapy(values).to(device)
    if _grows(values):
        _let_go(values)
        return ours
    dtype = "bool" if dtype_of(values) == "bool" else "float64"
    data = device.xp.asarray(ours.data, dtype=getattr(device.xp, dtype), copy=True)
    return Map.from_geom(ours.geom, data=data, unit=ours.unit, device=device)


def _own_response(response: GammapyObject) -> IRFMap:
    theirs, exposure = map_of_response(response), response.exposure_map
    if _grows(theirs) and _grows(exposure):
        _let_go(theirs)
        _let_go(exposure)
        return lightpool_response(response).to(get_default_device())
    return response_class(response)(_own_map(theirs), None if exposure is None else _own_map(exposure))


@contextmanager
def _undone_on_error(dataset: GammapyMapDataset, sums: MapDataset) -> Iterator[None]:
    """Restore sums that were there before, if adding to them fails."""
    arrays: list[Array] = [
        getattr(sums, name).data for name in MAPS if getattr(sums, name) is not None and _grows(getattr(dataset, name))
    ]
    for name in RESPONSES:
        response = getattr(dataset, name)
        if response is not None and _grows(map_of_response(response)):
            arrays += getattr(sums, name).sums
    before = [_spare.copy(array) for array in arrays]
    try:
        yield
    except BaseException:
        for array, values in zip(arrays, before, strict=True):
            array[...] = values
        raise
    finally:
        for values in before:
            _spare.give_back(values)


# --- back to Gammapy


def _give_map(dataset: GammapyMapDataset, name: str, total: Map | None) -> None:
    """Give a map of Gammapy the values of a sum."""
    values = getattr(dataset, name)
    if total is None:
        return
    if values is None:
        setattr(dataset, name, gammapy_map(total, "bool", is_sum=True))
        return
    _give(values, Pending(total, lambda: total, dtype_of(values), is_sum=True))


def _give_response(response: GammapyObject, total: IRFMap | None) -> None:
    if response is None or total is None:
        return
    theirs, exposure = map_of_response(response), response.exposure_map
    defer(theirs, Pending(total, lambda: total.irf_map, dtype_of(theirs), is_sum=True))
    _give(exposure, Pending(total, lambda: _exposure_of(total), dtype_of(exposure), is_sum=True))


def _exposure_of(response: IRFMap) -> Map:
    exposure = response.exposure_map
    assert exposure is not None  # without one it could not have been stacked
    return exposure


def _give(values: GammapyMap, pending: Pending) -> None:
    """Give a map new values; an array that somebody else holds gets them now, as in Gammapy."""
    if pending_values(values) is None and _is_held(values):
        values.data[...] = pending.create()
        return
    defer(values, pending)


def _n_references(values: GammapyMap) -> int:
    return sys.getrefcount(values.__dict__["_data"])


_N_REFERENCES = _n_references(GammapyMap.create(npix=1))
"""Number of references to the values of a map that nobody else holds, as it is counted here."""


def _is_held(values: GammapyMap) -> bool:
    """Return whether somebody else holds the array of a map, or a part of it."""
    return _n_references(values) > _N_REFERENCES
