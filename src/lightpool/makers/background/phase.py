"""The background of a pulsar, counted in off-pulse phases."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from lightpool.data import Observation
from lightpool.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.makers.core import Maker, check_run
from lightpool.makers.rad_max import make_counts_rad_max
from lightpool.maps import Map, RegionGeom

__all__ = ["PhaseBackgroundMaker"]

Interval: TypeAlias = tuple[float, float]


class PhaseBackgroundMaker(Maker):
    """Make ON and OFF counts from the phases of the events.

    Parameters
    ----------
    on_phase, off_phase : tuple (start, stop), or list of them
        Phases ``start <= phase < stop``. An interval that crosses a whole number, such as (0.9, 1.1), (-0.1, 0.1) or
        (0.9, 0.1), is split there.
    phase_column_name : str
        Column of the event list with phases from 0 to 1.
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

    def make_counts(self, dataset: MapDataset, observation: Observation) -> Map:
        """Return the counts in the ON phases.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
            Reference for geometry, device and precision.
        observation : Observation
        """
        return self._counts(dataset, observation, self.on_phase)

    def make_counts_off(self, dataset: MapDataset, observation: Observation) -> Map:
        """Return the counts in the OFF phases.

        Parameters
        ----------
        dataset, observation : see `make_counts`
        """
        return self._counts(dataset, observation, self.off_phase)

    def _counts(self, dataset: MapDataset, observation: Observation, phases: list[Interval]) -> Map:
        geom, device, precision = dataset.required("counts").geom, dataset.device, dataset.precision
        counts: Map = Map.from_geom(geom, dtype=precision, device=device)
        for phase in phases:
            events = observation.required("events").select_parameter(self.phase_column_name, phase)
            if isinstance(geom, RegionGeom) and geom.is_all_point_sky_regions:
                rad_max = observation.rad_max
                counts.stack(make_counts_rad_max(geom, rad_max, events, device=device, precision=precision))
            else:
                counts.fill_events(events)
        return counts

    def run(
        self, dataset: MapDataset, observation: Observation | None = None
    ) -> MapDatasetOnOff | SpectrumDatasetOnOff:
        """Return a dataset with ON and OFF counts, and the lengths of the phase intervals as acceptances.

        Parameters
        ----------
        dataset : SpectrumDataset or MapDataset
            Its counts are replaced.
        observation : Observation
            Its events have a column of phases.

        Returns
        -------
        dataset : SpectrumDatasetOnOff or MapDatasetOnOff
            With the same name.
        """
        observation = check_run(self.tag, dataset, observation)
        # Phases are uniform for the background, so its counts are in proportion to the length of the intervals.
        acceptance, acceptance_off = (
            sum(stop - start for start, stop in phases) for phases in (self.on_phase, self.off_phase)
        )
        kind: type[MapDatasetOnOff | SpectrumDatasetOnOff] = MapDatasetOnOff
        if isinstance(dataset, SpectrumDataset):
            kind = SpectrumDatasetOnOff
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
    """Return the intervals between 0 and 1."""
    pairs = list(phases) if isinstance(phases, Iterable) and not isinstance(phases, tuple) else [phases]
    if not pairs or any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
        raise ValueError(f"{name} must be a tuple (start, stop) or a list of them, got {phases!r}")
    found: list[Interval] = []
    for start, stop in pairs:
        if start == stop or abs(stop - start) > 1:
            raise ValueError(f"{name}: an interval must be longer than 0 and at most 1, got {(start, stop)}")
        # Before the modulo, which would make an empty interval of a full turn.
        if stop - start == 1:
            found.append((0.0, 1.0))
            continue
        low, high = start % 1, stop % 1
        # Beyond a whole number there are two parts; the second is empty if the interval ends there (high is 0).
        found += [(low, high)] if low < high else [(low, 1.0), (0.0, high)] if high > 0 else [(low, 1.0)]
    return found
