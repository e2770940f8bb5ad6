"""Gammapy's `PhaseBackgroundMaker`."""

from gammapy.data import Observation as GammapyObservation
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.datasets import MapDatasetOnOff as GammapyMapDatasetOnOff
from gammapy.datasets import SpectrumDataset as GammapySpectrumDataset
from gammapy.makers import PhaseBackgroundMaker as GammapyPhaseBackgroundMaker
from gammapy.maps import Map as GammapyMap

from lightpool.gammapy.acceleration.exchange import gammapy_map, lightpool_dataset
from lightpool.gammapy.acceleration.makers import declare_maker
from lightpool.gammapy.acceleration.observations import lightpool_observation
from lightpool.gammapy.acceleration.take_over import Commit
from lightpool.makers import PhaseBackgroundMaker

__all__: list[str] = []


def _convert(maker: GammapyPhaseBackgroundMaker) -> PhaseBackgroundMaker:
    return PhaseBackgroundMaker(
        on_phase=list(maker.on_phase), off_phase=list(maker.off_phase), phase_column_name=maker.phase_column_name
    )


def _run(maker: GammapyPhaseBackgroundMaker, dataset: GammapyMapDataset, observation: GammapyObservation) -> Commit:
    ours = _convert(maker)
    made = ours.run(lightpool_dataset(dataset, parts=("counts",)), lightpool_observation(observation))
    # Gammapy counts in single precision.
    counts, counts_off = (gammapy_map(made.required(name), "float32") for name in ("counts", "counts_off"))
    geom = dataset.counts.geom
    length, length_off = (sum(stop - start for start, stop in phases) for phases in (ours.on_phase, ours.off_phase))

    def commit() -> GammapyMapDatasetOnOff:
        found = GammapyMapDatasetOnOff.from_map_dataset(
            dataset=dataset,
            counts_off=counts_off,
            acceptance=GammapyMap.from_geom(geom, data=length),
            acceptance_off=GammapyMap.from_geom(geom, data=length_off),
        )
        found.counts = counts
        if isinstance(dataset, GammapySpectrumDataset):
            found = found.to_spectrum_dataset(geom.region)
            # A documented difference: Gammapy has no OFF acceptance where it has no OFF counts.
            found.acceptance_off.data[found.counts_off.data == 0] = length_off
        return found

    return commit


declare_maker(GammapyPhaseBackgroundMaker, _convert, _run)
