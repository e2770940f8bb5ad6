"""Gammapy's `SpectrumDatasetMaker`."""

from gammapy.data import Observation as GammapyObservation
from gammapy.datasets import SpectrumDataset as GammapySpectrumDataset
from gammapy.makers import SpectrumDatasetMaker as GammapySpectrumDatasetMaker

from lightpool.gammapy.acceleration.makers import declare_maker
from lightpool.gammapy.acceleration.map_maker import run_on_geometries
from lightpool.gammapy.acceleration.take_over import Commit
from lightpool.gammapy.conversion.twins import Twins
from lightpool.makers import SpectrumDatasetMaker

__all__: list[str] = []

_CONVERTED: Twins[tuple[dict[str, object], SpectrumDatasetMaker]] = Twins()
"""Makers, and the settings that they had: a maker of lightpool checks the size of the region once for all runs."""


def _convert(maker: GammapySpectrumDatasetMaker) -> SpectrumDatasetMaker:
    settings = {
        "selection": sorted(maker.selection),
        "containment_correction": maker.containment_correction,
        "background_oversampling": maker.background_oversampling,
        "use_region_center": maker.use_region_center,
    }
    found = _CONVERTED.get(maker)
    if found is None or found[0] != settings:
        found = _CONVERTED.put(maker, (settings, SpectrumDatasetMaker(**settings)))
    return found[1]


def _run(
    maker: GammapySpectrumDatasetMaker, dataset: GammapySpectrumDataset, observation: GammapyObservation
) -> Commit:
    return run_on_geometries(_convert(maker), maker, dataset, observation)


declare_maker(GammapySpectrumDatasetMaker, _convert, _run)
