"""Gammapy's `MapDataset.stack`: the sums stay with lightpool, in double precision, until somebody looks at them."""

import copy
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import astropy.units as u
from astropy.table import Table
from gammapy.data import GTI as GammapyGTI  # noqa: N811 - a class
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.datasets import MapDatasetOnOff as GammapyMapDatasetOnOff
from gammapy.maps import Map as GammapyMap
from gammapy.utils.table import hstack_columns

from lightpool.arrays import get_default_device, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.datasets import MapDataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.datasets.on_off_sums import OnOffSums
from lightpool.gammapy.acceleration.exchange import (
    MAPS,
    OFF_MAPS,
    RESPONSES,
    gammapy_map,
    lightpool_dataset,
    lightpool_response,
    map_of_response,
    require_dataset,
    response_class,
)
from lightpool.gammapy.acceleration.lazy_maps import (
    Pending,
    defer,
    dtype_of,
    lazy_map,
    lightpool_values,
    pending_values,
)
from lightpool.gammapy.acceleration.spare_arrays import SpareArrays
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, takes_over
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
    return _added(dataset, other, nan_to_num)


@takes_over(GammapyMapDatasetOnOff, "stack", relies_on=(*_RELIED_ON, *OFF_MAPS, "_is_stackable", "alpha"))
def _stack_on_off(dataset: GammapyMapDatasetOnOff, other: GammapyMapDatasetOnOff, nan_to_num: bool = True) -> Commit:
    _require_stackable(dataset, other)
    if not isinstance(other, GammapyMapDatasetOnOff) or other.acceptance is None:
        raise NotTakenOverError("a dataset without OFF acceptance in a stack of datasets that have one")
    if any(getattr(dataset, name) is None for name in OFF_MAPS):
        raise NotTakenOverError("a stack without OFF maps")
    return _added(dataset, other, nan_to_num)


def _added(dataset: GammapyMapDataset, other: GammapyMapDataset, nan_to_num: bool) -> Commit:
    added = lightpool_dataset(other)
    livetime, gti, table = _livetime(dataset, other, added), _merged_gti(dataset, other), _merged_table(dataset, other)
    sums = _sums(dataset)
    with _undone_on_error(dataset, sums):
        sums.stack(added, nan_to_num)

    def commit() -> None:
        for name in MAPS:
            if name in sums.map_names:
                _give_map(dataset, name, getattr(sums, name))
        for name in RESPONSES:
            _give_response(getattr(dataset, name), getattr(sums, name))
        if isinstance(sums, OnOffDataset):
            _give_off_maps(dataset, sums)
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
    has_off = issubclass(require_dataset(dataset), OnOffDataset)
    require_dataset(other)
    if dataset.background_model is not None:
        raise NotTakenOverError("a stack with a background model")
    # Of a dataset with OFF counts the background is no map of its own.
    names = [*(name for name in MAPS if not (has_off and name == "background")), *(OFF_MAPS[1:2] if has_off else ())]
    for name, values in _parts(dataset, names).items():
        if dtype_of(values) not in (("bool",) if name.startswith("mask") else ("float32", "float64")):
            raise NotTakenOverError(f"a stack whose {name} is of {dtype_of(values)}")
    exposures = [part.exposure_map for part in _parts(dataset, RESPONSES).values() if part.exposure_map is not None]
    for values in (*_parts(dataset, names).values(), *exposures):
        if pending_values(values) is None and not values.data.flags.writeable:
            raise NotTakenOverError("a stack of values that cannot be written to")
    parts = {id(part) for part in _parts(dataset, (*names, *RESPONSES)).values()}
    if any(id(part) in parts for part in _parts(other, (*names, *RESPONSES)).values()):
        raise NotTakenOverError("a dataset that is stacked with itself")


def _parts(dataset: GammapyMapDataset, names: Iterable[str]) -> dict[str, GammapyObject]:
    found = {name: getattr(dataset, name, None) for name in names}
    return {name: part for name, part in found.items() if part is not None}


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
    kind = require_dataset(dataset)
    has_off = issubclass(kind, OnOffDataset)
    names = kind.map_names if not has_off else [name for name in kind.map_names if name not in OFF_MAPS]
    parts: dict[str, Map | IRFMap] = {}
    for name, part in _parts(dataset, names).items():
        parts[name] = _own_response(part) if name in RESPONSES else _own_map(part)
    if not has_off:
        return kind(name=dataset.name, **parts)  # type: ignore[arg-type]  # each name has the kind that it needs
    grown = _grown_off_sums(dataset)
    if grown is None:
        parts |= {name: _own_map(getattr(dataset, name)) for name in OFF_MAPS}
    sums = kind(name=dataset.name, **parts)  # type: ignore[arg-type]  # as above
    if grown is not None and isinstance(sums, OnOffDataset):
        sums.off_sums = grown
    return sums


def _grown_off_sums(dataset: GammapyMapDatasetOnOff) -> OnOffSums | None:
    """Return the sums of the OFF region of an earlier call, if nobody has looked at any of its maps since."""
    pending = [pending_values(getattr(dataset, name)) for name in OFF_MAPS]
    owners = [each.owner for each in pending if each is not None and each.is_sum]
    if len(owners) < len(OFF_MAPS) or any(owner is not owners[0] for owner in owners):
        return None
    owner = owners[0]
    sums = owner.off_sums if isinstance(owner, OnOffDataset) else None
    if sums is None or sums.counts_off.device != get_default_device():
        return None
    for each in pending:
        if each is not None:
            each.let_go()
    return sums


def _grows(values: GammapyMap | None) -> bool:
    pending = pending_values(values)
    return pending is not None and pending.is_sum


def _let_go_older(values: GammapyMap) -> None:
    """Create the windows of what the stack was before it grew last, so that no more than one earlier state is kept."""
    pending = pending_values(values)
    if pending is not None and pending.before is not None:
        pending.before.let_go()
        pending.before = None


def _own_map(values: GammapyMap) -> Map:
    device = get_default_device()
    ours = lightpool_values(values).to(device)
    if _grows(values):
        _let_go_older(values)
        return ours
    dtype = "bool" if dtype_of(values) == "bool" else "float64"
    data = device.xp.asarray(ours.data, dtype=getattr(device.xp, dtype), copy=True)
    return Map.from_geom(ours.geom, data=data, unit=ours.unit, device=device)


def _own_response(response: GammapyObject) -> IRFMap:
    theirs, exposure = map_of_response(response), response.exposure_map
    if _grows(theirs) and _grows(exposure):
        _let_go_older(theirs)
        _let_go_older(exposure)
        return lightpool_response(response).to(get_default_device())
    return response_class(response)(_own_map(theirs), None if exposure is None else _own_map(exposure))


@contextmanager
def _undone_on_error(dataset: GammapyMapDataset, sums: MapDataset) -> Iterator[None]:
    """Restore sums that were there before, if adding to them fails; windows of them have the values of before."""
    kept: list[tuple[Array, Array]] = []  # a sum, and a copy of it
    spare: list[Array] = []
    frozen: list[tuple[Pending, Map | IRFMap]] = []
    names = [name for name in (*MAPS, *RESPONSES) if name in sums.map_names]
    for name, part in _parts(dataset, names).items():
        waiting = _growing_values(part, name in RESPONSES)
        if not waiting:
            continue
        ours: Map | IRFMap = getattr(sums, name)
        if any(pending.has_windows() for pending in waiting):
            before = ours.copy()
            kept += zip(_arrays(ours), _arrays(before), strict=True)
            for pending in waiting:
                frozen.append((pending, ours))
                pending.owner = before
        else:
            spare += [_spare.copy(array) for array in _arrays(ours)]
            kept += zip(_arrays(ours), spare[-len(_arrays(ours)) :], strict=True)
    off = sums.off_sums if isinstance(sums, OnOffDataset) else None
    if off is not None:
        totals = [total.data for total in off.maps.values() if total is not None]
        spare += [_spare.copy(array) for array in totals]
        kept += zip(totals, spare[-len(totals) :], strict=True)
    try:
        yield
    except BaseException:
        for array, values in kept:
            array[...] = values
        for pending, ours in frozen:
            pending.owner = ours
        raise
    finally:
        for values in spare:
            _spare.give_back(values)


def _growing_values(part: GammapyObject, is_response: bool) -> list[Pending]:
    """Return what the maps of a part of a stack will be created from; nothing if its sums did not grow before."""
    maps = [map_of_response(part), part.exposure_map] if is_response else [part]
    found = [pending_values(each) for each in maps]
    return [each for each in found if each is not None] if _grows(maps[0]) else []


def _arrays(sums: Map | IRFMap) -> list[Array]:
    return [sums.data] if isinstance(sums, Map) else list(sums.sums)


# --- back to Gammapy


def _give_map(dataset: GammapyMapDataset, name: str, total: Map | None) -> None:
    """Give a map of Gammapy the values of a sum."""
    values = getattr(dataset, name)
    if total is None:
        return
    if values is None:
        setattr(dataset, name, gammapy_map(total, "bool", is_sum=True))
        return
    _give(values, Pending(total, lambda own: own, dtype_of(values), is_sum=True))


def _give_response(response: GammapyObject, total: IRFMap | None) -> None:
    if response is None or total is None:
        return
    theirs, exposure = map_of_response(response), response.exposure_map
    defer(theirs, Pending(total, lambda own: own.irf_map, dtype_of(theirs), is_sum=True))
    _give(exposure, Pending(total, _exposure_of, dtype_of(exposure), is_sum=True))


def _give_off_maps(dataset: GammapyMapDatasetOnOff, sums: OnOffDataset) -> None:
    """Give a dataset the OFF maps of a stack; Gammapy adds to the acceptance in place, and makes the others anew."""

    def pending(name: str, dtype: str) -> Pending:
        return Pending(sums, lambda own: own.required(name), dtype, is_sum=True)

    _give(dataset.acceptance, pending("acceptance", dtype_of(dataset.acceptance)))
    geom = dataset.counts.geom
    dataset.acceptance_off = lazy_map(geom, pending("acceptance_off", "float32"), u.Unit(""), {})
    dataset.counts_off = lazy_map(geom, pending("counts_off", "float32"), u.Unit(""), {})


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
    """Return whether somebody else holds the array of a map, a part of it, or an array that it is a part of."""
    return values.__dict__["_data"].base is not None or _n_references(values) > _N_REFERENCES
