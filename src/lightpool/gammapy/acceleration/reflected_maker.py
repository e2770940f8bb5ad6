"""Gammapy's `ReflectedRegionsBackgroundMaker`."""

from gammapy.data import Observation as GammapyObservation
from gammapy.datasets import SpectrumDataset as GammapySpectrumDataset
from gammapy.datasets import SpectrumDatasetOnOff as GammapySpectrumDatasetOnOff
from gammapy.makers import ReflectedRegionsBackgroundMaker as GammapyReflectedRegionsBackgroundMaker
from gammapy.makers import ReflectedRegionsFinder as GammapyReflectedRegionsFinder
from gammapy.makers import WobbleRegionsFinder as GammapyWobbleRegionsFinder
from gammapy.maps import Map as GammapyMap

from lightpool.arrays import to_host
from lightpool.datasets import SpectrumDatasetOnOff
from lightpool.gammapy.acceleration.exchange import gammapy_map, lightpool_dataset
from lightpool.gammapy.acceleration.lazy_maps import lightpool_values
from lightpool.gammapy.acceleration.makers import declare_maker
from lightpool.gammapy.acceleration.observations import lightpool_observation
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, behaviour_of, require_behaviour
from lightpool.makers import (
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    RegionsFinder,
    WobbleRegionsFinder,
)
from lightpool.maps import WcsNDMap
from lightpool.typing import GammapyObject

__all__: list[str] = []

_BEHAVIOUR = {kind: behaviour_of(kind) for kind in (GammapyReflectedRegionsFinder, GammapyWobbleRegionsFinder)}


def _convert(maker: GammapyReflectedRegionsBackgroundMaker) -> ReflectedRegionsBackgroundMaker:
    mask = None if maker.exclusion_mask is None else lightpool_values(maker.exclusion_mask)
    if not isinstance(mask, WcsNDMap | None):
        raise NotTakenOverError(f"an exclusion mask of class {type(maker.exclusion_mask).__name__}")
    return ReflectedRegionsBackgroundMaker(region_finder=_finder(maker.region_finder), exclusion_mask=mask)


def _finder(finder: GammapyObject) -> RegionsFinder:
    behaviour = _BEHAVIOUR.get(type(finder))
    if behaviour is None:
        raise NotTakenOverError(f"a region finder of class {type(finder).__name__}")
    require_behaviour(finder, behaviour)
    if isinstance(finder, GammapyWobbleRegionsFinder):
        return WobbleRegionsFinder(n_off_regions=finder.n_off_regions, binsz=finder.binsz)
    return ReflectedRegionsFinder(
        angle_increment=finder.angle_increment,
        min_distance=finder.min_distance,
        min_distance_input=finder.min_distance_input,
        max_region_number=finder.max_region_number,
        binsz=finder.binsz,
    )


def _run(
    maker: GammapyReflectedRegionsBackgroundMaker, dataset: GammapySpectrumDataset, observation: GammapyObservation
) -> Commit:
    if type(dataset) is not GammapySpectrumDataset:
        raise NotTakenOverError(f"a dataset of class {type(dataset).__name__}")
    ours = lightpool_dataset(dataset, parts=("counts", "background", "mask_safe"))
    made = _convert(maker).run(ours, lightpool_observation(observation))
    if made.counts_off is not None:
        return _with_counts_off(dataset, made)
    if dataset.background is None:
        # Gammapy finds none either, masks the dataset, and says so.
        raise NotTakenOverError("a dataset without OFF regions")
    return _without_counts_off(dataset)


def _with_counts_off(dataset: GammapySpectrumDataset, made: SpectrumDatasetOnOff) -> Commit:
    # Gammapy counts in single precision.
    counts_off = gammapy_map(made.required("counts_off"), "float32")
    n_region = int(to_host(made.required("acceptance_off").data).flat[0])  # host: Gammapy has NumPy arrays only
    maps = {
        "counts_off": counts_off,
        "acceptance": GammapyMap.from_geom(dataset.counts.geom, data=1),
        "acceptance_off": GammapyMap.from_geom(counts_off.geom, data=n_region),
    }

    def commit() -> GammapySpectrumDatasetOnOff:
        return GammapySpectrumDatasetOnOff.from_spectrum_dataset(dataset=dataset, name=dataset.name, **maps)

    return commit


def _without_counts_off(dataset: GammapySpectrumDataset) -> Commit:
    geom, mask_safe = dataset.counts.geom, dataset.mask_safe
    if mask_safe is None:
        raise NotTakenOverError("a dataset without OFF regions or safe mask")

    def commit() -> GammapySpectrumDatasetOnOff:
        none = GammapyMap.from_geom(geom, data=0)
        found = GammapySpectrumDatasetOnOff.from_spectrum_dataset(
            dataset=dataset,
            name=dataset.name,
            acceptance=GammapyMap.from_geom(geom, data=1),
            acceptance_off=none,
            # Zeros and not None, because scripts read them; without them, the background would stand for OFF counts.
            counts_off=none,
        )
        # As without a background, no energy is safe. The mask is shared with the dataset that was given, as in Gammapy.
        mask_safe.data[...] = False
        return found

    return commit


declare_maker(GammapyReflectedRegionsBackgroundMaker, _convert, _run)
