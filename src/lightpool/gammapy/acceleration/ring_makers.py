"""Gammapy's `RingBackgroundMaker` and `AdaptiveRingBackgroundMaker`."""

from copy import deepcopy

from gammapy.data import Observation as GammapyObservation
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.datasets import MapDatasetOnOff as GammapyMapDatasetOnOff
from gammapy.makers import AdaptiveRingBackgroundMaker as GammapyAdaptiveRingBackgroundMaker
from gammapy.makers import RingBackgroundMaker as GammapyRingBackgroundMaker
from gammapy.maps import Map as GammapyMap

from lightpool.datasets import MapDataset, MapDatasetOnOff
from lightpool.gammapy.acceleration.exchange import lightpool_map
from lightpool.gammapy.acceleration.lazy_maps import Pending, lazy_map, lightpool_values
from lightpool.gammapy.acceleration.makers import declare_maker
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError
from lightpool.makers import AdaptiveRingBackgroundMaker, Maker, RingBackgroundMaker
from lightpool.maps import Map

__all__: list[str] = []


def _convert_ring(maker: GammapyRingBackgroundMaker) -> RingBackgroundMaker:
    return RingBackgroundMaker(r_in=maker.r_in, width=maker.width, exclusion_mask=_exclusion_mask(maker))


def _convert_adaptive_ring(maker: GammapyAdaptiveRingBackgroundMaker) -> AdaptiveRingBackgroundMaker:
    return AdaptiveRingBackgroundMaker(
        r_in=maker.r_in,
        r_out_max=maker.r_out_max,
        width=maker.width,
        stepsize=maker.stepsize,
        threshold_alpha=maker.threshold_alpha,
        theta=maker.theta,
        method=maker.method,
        exclusion_mask=_exclusion_mask(maker),
    )


def _exclusion_mask(maker: GammapyRingBackgroundMaker) -> Map | None:
    return None if maker.exclusion_mask is None else lightpool_values(maker.exclusion_mask)


def _run_ring(
    maker: GammapyRingBackgroundMaker, dataset: GammapyMapDataset, observation: GammapyObservation | None = None
) -> Commit:
    background, made = _made(_convert_ring(maker), dataset)
    maps = {
        "acceptance": background,
        # Gammapy convolves in single precision, and keeps the unit and the meta of what it convolves.
        "acceptance_off": _map_like(background, made.acceptance_off, "float32"),
        "counts_off": _map_like(dataset.counts, made.counts_off, "float32"),
    }
    return _commit(dataset, made, maps)


def _run_adaptive_ring(
    maker: GammapyAdaptiveRingBackgroundMaker,
    dataset: GammapyMapDataset,
    observation: GammapyObservation | None = None,
) -> Commit:
    _, made = _made(_convert_adaptive_ring(maker), dataset)
    # Gammapy copies the counts with other values, so unit and meta are those of the counts.
    names = ("acceptance", "acceptance_off", "counts_off")
    return _commit(dataset, made, {name: _map_like(dataset.counts, getattr(made, name), "float64") for name in names})


def _made(maker: Maker, dataset: GammapyMapDataset) -> tuple[GammapyMap, MapDatasetOnOff]:
    """Return the background of a dataset of Gammapy, its models included, and what a maker makes of it."""
    if type(dataset) is not GammapyMapDataset:
        raise NotTakenOverError(f"a dataset of class {type(dataset).__name__}")
    if dataset.mask_safe is None or dataset.counts is None:
        raise NotTakenOverError("a dataset without counts or safe mask")
    background = dataset.npred_background()
    if background is None:
        raise NotTakenOverError("a dataset without background")
    ours = MapDataset(
        name=dataset.name,
        counts=lightpool_map(dataset.counts),
        background=lightpool_map(background),
        mask_safe=lightpool_map(dataset.mask_safe),
    )
    made = maker.run(ours)
    assert isinstance(made, MapDatasetOnOff)  # ring makers return such datasets
    return background, made


def _map_like(theirs: GammapyMap, values: Map | None, dtype: str) -> GammapyMap:
    assert values is not None  # ring makers make all maps
    return lazy_map(theirs.geom, Pending(values, lambda own: own, dtype), theirs.unit, deepcopy(theirs.meta))


def _commit(dataset: GammapyMapDataset, made: MapDatasetOnOff, maps: dict[str, GammapyMap]) -> Commit:
    def commit() -> GammapyMapDatasetOnOff:
        found = GammapyMapDatasetOnOff.from_map_dataset(dataset=dataset, name=dataset.name, **maps)
        found.mask_safe = _map_like(dataset.mask_safe, made.mask_safe, "bool")
        return found

    return commit


declare_maker(GammapyRingBackgroundMaker, _convert_ring, _run_ring)
declare_maker(GammapyAdaptiveRingBackgroundMaker, _convert_adaptive_ring, _run_adaptive_ring)
