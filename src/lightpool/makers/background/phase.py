"""The background of a pulsar, counted in phases without its pulse."""

from collections.abc import Iterable, Sequence
from typing import Any

from lightpool.datasets import MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.makers.core import Maker, check_run
from lightpool.makers.rad_max import make_counts_rad_max
from lightpool.maps import Map

__all__ = ["PhaseBackgroundMaker"]

Interval = tuple[float, float]


class PhaseBackgroundMaker(Maker):
    """Make ON and OFF counts from the phases of the events.

    Parameters
    ----------
    on_phase, off_phase : tuple (start, stop), or list of them
        Phases ``start <= phase < stop``. An interval that goes over a whole number, such as (0.9, 1.1), (-0.1, 0.1) or
        (0.9, 0.1), is split there.
    phase_column_name : str
        Column of the event list, with phases from 0 to 1.
    """

    tag = "PhaseBackgroundMaker"

    def __init__(
        self,
        on_phase: Interval | Sequence[Interval],
        off_phase: Interval | Sequence[Interval],
        phase_column_name: str = "PHASE",
    ) -> None:
        self.on_phase = _intervals(on_phase, "on_phase")
        self.off_phase = _intervals(off_phase, "off_phase")
        self.phase_column_name = phase_column_name

    def make_counts(self, dataset: Any, observation: Any) -> Map:
        """Counts in the ON phases."""
        return self._counts(dataset, observation, self.on_phase)

    def make_counts_off(self, dataset: Any, observation: Any) -> Map:
        """Counts in the OFF phases."""
        return self._counts(dataset, observation, self.off_phase)

    def _counts(self, dataset: Any, observation: Any, phases: list[Interval]) -> Map:
        geom = dataset.counts.geom
        by_rad_max = geom.is_region and geom.is_all_point_sky_regions
        where = {"device": dataset.device, "precision": dataset.precision}
        counts = Map.from_geom(geom, dtype=dataset.precision, device=dataset.device)
        for phase in phases:
            events = observation.events.select_parameter(self.phase_column_name, phase)
            if by_rad_max:
                counts.stack(make_counts_rad_max(geom, observation.rad_max, events, **where))
            else:
                counts.fill_events(events)
        return counts

    def run(self, dataset: Any, observation: Any = None) -> MapDatasetOnOff | SpectrumDatasetOnOff:
        """Give a dataset with ON and OFF counts, and the lengths of the phases as acceptances.

        Parameters
        ----------
        dataset : SpectrumDataset or MapDataset; its counts are replaced
        observation : Observation with a column of phases

        Returns
        -------
        dataset : SpectrumDatasetOnOff or MapDatasetOnOff of the same name
        """
        check_run(self.tag, dataset, observation)
        acceptance, acceptance_off = (
            sum(stop - start for start, stop in phases) for phases in (self.on_phase, self.off_phase)
        )
        kind = SpectrumDatasetOnOff if isinstance(dataset, SpectrumDataset) else MapDatasetOnOff
        found = kind.from_map_dataset(
            dataset,
            acceptance=acceptance,
            acceptance_off=acceptance_off,
            counts_off=self.make_counts_off(dataset, observation),
            name=dataset.name,
        )
        found.counts = self.make_counts(dataset, observation)
        return found


def _intervals(phases: Interval | Sequence[Interval], name: str) -> list[Interval]:
    """Intervals inside 0 to 1."""
    pairs = list(phases) if isinstance(phases, Iterable) and not isinstance(phases, tuple) else [phases]
    if not pairs or any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
        raise ValueError(f"{name} must be a tuple (start, stop) or a list of them, got {phases!r}")
    found: list[Interval] = []
    for start, stop in pairs:
        if start == stop or abs(stop - start) > 1:
            raise ValueError(f"{name}: an interval must be longer than 0 and at most 1, got {(start, stop)}")
        if stop - start == 1:
            found.append((0.0, 1.0))
            continue
        low, high = start % 1, stop % 1
        found += [(low, high)] if low < high else [(low, 1.0), (0.0, high)] if high > 0 else [(low, 1.0)]
    return found
