"""Gammapy's `SpectrumDatasetMaker`."""

import logging

from gammapy.data import Observation as GammapyObservation
from gammapy.datasets import SpectrumDataset as GammapySpectrumDataset
from gammapy.makers import SpectrumDatasetMaker as GammapySpectrumDatasetMaker

from lightpool.gammapy.acceleration.makers import declare_maker
from lightpool.gammapy.acceleration.map_maker import run_on_geometries
from lightpool.gammapy.acceleration.take_over import Commit
from lightpool.gammapy.conversion.twins import Twins
from lightpool.makers import SpectrumDatasetMaker

__all__: list[str] = []

# Of Gammapy: what a script logs is the same.
_log = logging.getLogger("gammapy.makers.spectrum")

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
    commit = run_on_geometries(_convert(maker), maker, dataset, observation)
    if maker.use_region_center or "exposure" not in maker.selection:
        return commit

    def commit_and_warn() -> GammapySpectrumDataset:
        made = commit()
        if made.exposure is not None and made.exposure.meta.get("is_pointlike"):
            _log.warning(
                "MapMaker: use_region_center=False should not be used with point-like IRF. "
                "Results are likely inaccurate."
            )
        return made

    return commit_and_warn


declare_maker(GammapySpectrumDatasetMaker, _convert, _run)
