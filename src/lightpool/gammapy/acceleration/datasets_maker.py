"""Gammapy's `DatasetsMaker`: its own loop, in this process, over makers that lightpool runs."""

import copy
import logging
from collections.abc import Sequence

from gammapy.data import Observation as GammapyObservation
from gammapy.datasets import Datasets as GammapyDatasets
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.makers import DatasetsMaker as GammapyDatasetsMaker
from gammapy.maps import Map as GammapyMap
from gammapy.utils.scripts import make_name

from lightpool.arrays import get_default_device
from lightpool.arrays.devices.lazy_array import lazy_zeros
from lightpool.gammapy.acceleration.exchange import (
    MAPS,
    RESPONSES,
    gammapy_map,
    map_of_response,
    require_dataset,
    response_class,
)
from lightpool.gammapy.acceleration.lazy_maps import dtype_of
from lightpool.gammapy.acceleration.makers import lightpool_makers
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, takes_over
from lightpool.gammapy.conversion import from_gammapy
from lightpool.gammapy.conversion.internals import internal
from lightpool.maps import Geom, Map, WcsGeom
from lightpool.typing import GammapyObject

__all__: list[str] = []

# Of Gammapy: what a script logs is the same.
_log = logging.getLogger("gammapy.makers.reduce")

_plain_run = GammapyDatasetsMaker.run


@takes_over(GammapyDatasetsMaker, "run", runs_others=True)
def _run(
    maker: GammapyDatasetsMaker,
    dataset: GammapyMapDataset,
    observations: Sequence[GammapyObservation],
    datasets: GammapyDatasets | None = None,
) -> Commit:
    lightpool_makers(maker.makers)
    alone = copy.copy(maker)
    # One process does this faster than several that send each other what they made.
    alone.n_jobs = 1

    def commit() -> GammapyDatasets:
        try:
            return _plain_run(alone, dataset, observations, datasets)
        except Exception as error:
            if min(maker.n_jobs, len(observations)) == 1 or not isinstance(dataset, GammapyMapDataset):
                raise
            # What Gammapy raises, whatever happened in a process.
            raise RuntimeError("Execution of a sub-process failed") from error
        finally:
            kept = {name: value for name, value in vars(alone).items() if "n_jobs" not in name}
            vars(maker).update(kept)

    return commit


@takes_over(GammapyDatasetsMaker, "make_dataset", runs_others=True)
def _make_dataset(maker: GammapyDatasetsMaker, dataset: GammapyMapDataset, observation: GammapyObservation) -> Commit:
    ours = lightpool_makers(maker.makers[:1])
    if not ours or ours[0].reads_maps:
        raise NotTakenOverError("a chain of makers that begins with the values of the reference")
    if internal(maker, "_apply_cutout"):
        position = observation.get_pointing_icrs(observation.tmid).galactic
        outline = _outline(dataset, position, maker.cutout_width, maker.cutout_mode)
    else:
        outline = _outline(dataset)

    def commit() -> GammapyMapDataset:
        made = outline
        _log.info("Computing dataset for observation %s", observation.obs_id)
        for step in maker.makers:
            _log.info("Running %s", step.tag)
            made = step.run(dataset=made, observation=observation)
        return made

    return commit


def _outline(dataset: GammapyMapDataset, *window: GammapyObject) -> GammapyMapDataset:
    """Return a dataset, or a cutout of it, for a maker that looks at its geometries only.

    Parameters
    ----------
    dataset : MapDataset of Gammapy
    *window : position, width and mode of the cutout
    """
    require_dataset(dataset)
    parts: dict[str, GammapyObject] = {}
    for name in (*MAPS, *RESPONSES):
        part = getattr(dataset, name)
        # It has no background of its own if it has OFF counts.
        if part is None or name == "background":
            continue
        if name in MAPS:
            parts[name] = _outlined(part, window, 1)
        else:
            response_class(part)
            parts[name] = type(part)(_outlined(map_of_response(part), window, 3))
    return type(dataset)(name=make_name(), **parts)


def _outlined(values: GammapyMap, window: tuple[GammapyObject, ...], min_npix: int) -> GammapyMap:
    geom = from_gammapy(values.geom)
    if window:
        if not isinstance(geom, WcsGeom):
            raise NotTakenOverError("a cutout of a map without pixels")
        position, width, mode = window
        geom = geom.cutout(position, width, mode, min_npix=min_npix)
    assert isinstance(geom, Geom)  # geometries are converted to geometries
    device = get_default_device()
    zeros = lazy_zeros(tuple(geom.data_shape), "float64", device)
    return gammapy_map(Map.from_geom(geom, data=zeros, unit=values.unit, device=device), dtype_of(values))
