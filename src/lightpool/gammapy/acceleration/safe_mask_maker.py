"""Gammapy's `SafeMaskMaker`."""

import logging

import numpy as np
from gammapy.data import Observation as GammapyObservation
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.makers import SafeMaskMaker as GammapySafeMaskMaker
from gammapy.maps import Map as GammapyMap

from lightpool.arrays import to_host
from lightpool.data import Observation
from lightpool.gammapy.acceleration.exchange import lightpool_dataset, require_dataset
from lightpool.gammapy.acceleration.lazy_maps import Pending, defer, dtype_of, pending_values
from lightpool.gammapy.acceleration.makers import declare_maker
from lightpool.gammapy.acceleration.observations import lightpool_observation
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError
from lightpool.gammapy.conversion import to_gammapy
from lightpool.gammapy.installation import version
from lightpool.makers import SafeMaskMaker
from lightpool.maps import Map

__all__: list[str] = []

# Of Gammapy: what a script logs is the same.
_log = logging.getLogger("gammapy.makers.safe")

_NEEDED = {"aeff-max": "exposure", "edisp-bias": "edisp"}
"""Parts of the dataset that a method needs besides background and mask."""


def _convert(maker: GammapySafeMaskMaker) -> SafeMaskMaker:
    if "edisp-bias" in maker.methods and version() < (2, 1):
        raise NotTakenOverError("the method edisp-bias, which finds other energies before Gammapy 2.1")
    return SafeMaskMaker(
        methods=sorted(maker.methods),
        aeff_percent=maker.aeff_percent,
        bias_percent=maker.bias_percent,
        position=maker.position,
        fixed_offset=maker.fixed_offset,
        offset_max=maker.offset_max,
        irfs=maker.irfs,
    )


def _run(
    maker: GammapySafeMaskMaker, dataset: GammapyMapDataset, observation: GammapyObservation | None = None
) -> Commit:
    require_dataset(dataset)
    before = dataset.mask_safe
    if before is not None and dtype_of(before) != "bool":
        raise NotTakenOverError(f"a safe mask of {dtype_of(before)}")
    needed = {part for method, part in _NEEDED.items() if method in maker.methods and maker.irfs == "DL4"}
    ours = lightpool_dataset(dataset, parts=("counts", "background", "mask_safe", *sorted(needed)))
    events = None if observation is None else lightpool_observation(observation)
    mask = _convert(maker).run(ours, events).required("mask_safe")

    def commit() -> GammapyMapDataset:
        if events is not None and "aeff-default" in maker.methods:
            _warn_of_missing_thresholds(events)
        set_mask_safe(dataset, mask)
        return dataset

    return commit


def _warn_of_missing_thresholds(observation: Observation) -> None:
    if (aeff := observation.aeff) is None:
        return
    for keyword, name in (("HI_THRES", "upper"), ("LO_THRES", "lower")):
        if not aeff.meta.get(keyword):
            _log.warning("No default %s safe energy threshold defined for obs %s", name, observation.obs_id)


def set_mask_safe(dataset: GammapyMapDataset, mask: Map) -> None:
    """Give a dataset a safe mask; like Gammapy, write into the array of the one that it has.

    Parameters
    ----------
    dataset : MapDataset of Gammapy
    mask : Map of bool, on the geometry of the dataset
    """
    before: GammapyMap | None = dataset.mask_safe
    if before is not None and pending_values(before) is not None:
        # Nobody has looked at the values of the former mask.
        defer(before, Pending(mask, lambda own: own, "bool"))
        return
    values = to_host(mask.data)  # host: masks of Gammapy are arrays of NumPy
    if before is not None:
        np.copyto(before.data, values)
        values = before.data
    dataset.mask_safe = GammapyMap.from_geom(to_gammapy(mask.geom), data=values, dtype=bool)


declare_maker(GammapySafeMaskMaker, _convert, _run)
