"""Reduce observations to datasets of all targets and groups, and stack them."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from astropy.coordinates import angular_separation

from lightpool.arrays.devices.devices import Device
from lightpool.arrays.devices.staging import Uploads
from lightpool.batch.execution.observation_sources import Sources
from lightpool.batch.execution.observation_summary import PendingSummary, start_texts
from lightpool.batch.execution.source_counts import Source
from lightpool.batch.groups import Division
from lightpool.batch.storage.outcomes import DatasetSummary
from lightpool.batch.storage.partial_stack import PartialStack
from lightpool.batch.storage.results import write_dataset
from lightpool.batch.storage.stack_names import StackKey, StackNames
from lightpool.config.build import build_reduction, build_theta_squared
from lightpool.config.makers import OwnMakerSettings
from lightpool.config.settings import Settings
from lightpool.config.targets import Target
from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.errors import ReductionError, WrongPartError
from lightpool.fits import BinTableHDU
from lightpool.irf import IRF
from lightpool.makers import DatasetsMaker, ThetaSquaredTable
from lightpool.makers.energy_thresholds import recorded_thresholds
from lightpool.maps import Geom, HpxGeom

__all__ = ["StackWork"]

_Summaries: TypeAlias = list[tuple[list[StackKey], PendingSummary]]


@dataclass(frozen=True)
class StackMade:
    """Datasets of an observation, each with its stacks, and their summaries."""

    datasets: list[tuple[list[StackKey], MapDataset]]
    summaries: _Summaries


@dataclass(frozen=True)
class _Job:
    """A target with its empty dataset and its makers."""

    name: str
    center: tuple[float, float]  # rad, ICRS
    radius: float  # deg, of a circle around the target
    half_cutout: float | None  # deg, half the diagonal of a cutout
    reference: MapDataset
    maker: DatasetsMaker
    source: Source
    theta_squared: ThetaSquaredTable | None = None

    @classmethod
    def of(cls, target: Target) -> "_Job":
        reference, maker = build_reduction(target)
        geom = reference.required("counts").geom
        radius = _radius_of(geom)
        width = maker.cutout_width
        half_cutout = None if width is None or geom.is_region else float(np.hypot(*np.broadcast_to(width.deg, 2))) / 2
        source = Source.of(target, geom)
        center = geom.center_skydir.icrs
        lonlat = float(center.ra.rad), float(center.dec.rad)
        counter = build_theta_squared(target)
        return cls(target.name, lonlat, radius, half_cutout, reference, maker, source, counter)

    def offset(self, observation: Observation) -> float:
        """Return the angle in deg between the pointing and the centre of the target."""
        lon, lat = map(math.radians, observation.pointing_degrees)
        return math.degrees(angular_separation(lon, lat, *self.center))

    def is_reached(self, observation: Observation, offset: float) -> bool:
        """Return whether the target may be in the field of view, comparing circles around both."""
        reach = self.half_cutout
        if reach is None:
            table = observation.aeff
            # A map on the sky, and a table in other coordinates of the field of view, have no offset.
            axis = table.axes["offset"] if isinstance(table, IRF) and "offset" in table.axes.names else None
            reach = np.inf if axis is None else float(axis.edges.to_value("deg").max())
        return bool(offset <= self.radius + reach)


def _radius_of(geom: Geom) -> float:
    """Return the radius in deg of a circle around the centre that contains a map with all of its pixels."""
    if isinstance(geom, HpxGeom):
        # 1.5 sides of a square of its area: a pixel reaches as far from its centre at most
        pixel = math.degrees(math.sqrt(float(geom.solid_angle().max().value)))
        return min(180.0, float(geom.width.to_value("deg")) / 2 + 1.5 * pixel)
    # half of the diagonal, so that no observation that reaches a corner is left out
    return float(np.hypot(*np.ravel(geom.width.to_value("deg")))) / 2


def _require_same_kind(job: _Job, dataset: MapDataset) -> None:
    """Refuse a dataset without counts, or with pixels of another kind than those of its target."""
    expected = job.reference.required("counts").geom
    found = None if dataset.counts is None else dataset.counts.geom
    if found is not None and (found.is_region, found.is_hpx) == (expected.is_region, expected.is_hpx):
        return
    what = "without counts" if found is None else f"on a {type(found).__name__}"
    raise WrongPartError(
        f"the makers of target {job.name!r} returned a {type(dataset).__name__} {what}, expected a dataset with counts "
        f"on a {type(expected).__name__}, which can be added to its stack"
    )


class StackWork:
    """Empty datasets and makers of all targets, ready to reduce observations; see `Work`.

    Parameters
    ----------
    settings : Settings
    device : Device
    divisions : sequence of Division
        Ways to group the observations.
    """

    def __init__(self, settings: Settings, device: Device, divisions: Sequence[Division]) -> None:
        self._settings, self._device, self._divisions = settings, device, divisions
        self._names = StackNames(settings)
        self.jobs = [_Job.of(target) for target in settings.targets]
        self._with_own_makers = {
            target.name
            for target in settings.targets
            if any(isinstance(step, OwnMakerSettings) for step in target.makers)
        }
        self._references = {job.name: job.reference for job in self.jobs}

    def empty(self) -> PartialStack:
        """Return stacks of no observation, on the device."""
        return PartialStack(self._settings, self._device, self._references)

    def send_ahead(self, observation: Observation, uploads: Uploads) -> None:
        """Send the events that are counted to the device.

        Parameters
        ----------
        observation : Observation
        uploads : Uploads
        """
        # Only what is counted is sent: parts of observations have event lists of their own.
        if all(division.divides_events for division in self._divisions):
            return
        for job in self.jobs:
            job.maker.send_ahead(job.reference, observation, uploads)

    def make(self, sources: Sources, obs_id: int, observation: Observation) -> StackMade:
        """Reduce an observation to its datasets.

        Parameters
        ----------
        sources : Sources
        obs_id : int
        observation : Observation
        """
        made = StackMade([], [])
        row = sources.row(obs_id)
        for job, part, keys in self._parts(sources, observation):
            name = self._names.of_observation(observation.obs_id, keys[0])
            with recorded_thresholds() as thresholds:
                dataset = job.maker.make_dataset(job.reference, part, name=name)
            if dataset is not None:
                with self._returned_by_makers(job, obs_id, dataset):
                    summary = PendingSummary.of(dataset, part, row, job.source, thresholds, job.theta_squared)
                made.datasets.append((keys, dataset))
                made.summaries.append((keys, summary))
        return made

    @contextmanager
    def _returned_by_makers(self, job: _Job, obs_id: int, dataset: MapDataset) -> Iterator[None]:
        """Name the step in errors about a dataset, as makers of the user may return any."""
        try:
            if job.name in self._with_own_makers:
                _require_same_kind(job, dataset)
            yield
        except Exception as error:
            if job.name not in self._with_own_makers:
                raise
            raise ReductionError(obs_id, "what the makers returned", error) from error

    def is_empty(self, made: StackMade) -> bool:
        """Return whether an observation lies outside of all targets and groups."""
        return not made.datasets

    def require_addable(self, partial: PartialStack, made: StackMade) -> None:
        """Raise an error if a dataset cannot be added to its stacks, as makers of the user may return any.

        Parameters
        ----------
        partial : PartialStack
        made : StackMade
        """
        for keys, dataset in made.datasets:
            for key in keys if keys[0].target in self._with_own_makers else ():
                partial.require_addable(key, dataset)

    def add(self, partial: PartialStack, made: StackMade) -> None:
        """Add the datasets of an observation to their stacks.

        Parameters
        ----------
        partial : PartialStack
        made : StackMade
        """
        for keys, dataset in made.datasets:
            for key in keys:
                partial.add(key, dataset)

    def pending(self, made: StackMade) -> _Summaries:
        """Return the summaries, whose values may still be on the device."""
        return made.summaries

    def summaries(self, pending: Sequence[_Summaries]) -> list[list[DatasetSummary]]:
        """Read the summaries of all observations of a chunk, in one transfer.

        Parameters
        ----------
        pending : sequence
            Of each observation, as `pending` returns them.
        """
        starts = iter(start_texts([each for summaries in pending for _, each in summaries]))
        return [[self._summary(keys, each, next(starts)) for keys, each in summaries] for summaries in pending]

    def _summary(self, keys: Sequence[StackKey], pending: PendingSummary, start: str) -> DatasetSummary:
        """Return the summary of a dataset, with its first stack and the names of all its stacks."""
        target, division, group = keys[0]
        stacks = [self._names.of(key) for key in keys]
        return {"target": target, "division": division, "group": group, "stacks": stacks, **pending.to_dict(start)}

    def write(self, made: StackMade, obs_id: int, folder: Path, more: Sequence[BinTableHDU]) -> list[Path]:
        """Write the datasets of an observation.

        Parameters
        ----------
        made : StackMade
        obs_id : int
        folder : Path
        more : sequence of BinTableHDU
        """
        files: list[Path] = []
        seen: Counter[StackKey] = Counter()
        for keys, dataset in made.datasets:
            seen[keys[0]] += 1
            name = self._names.of_observation(obs_id, keys[0], seen[keys[0]])
            files += write_dataset(dataset, folder, name, more=more, **self._settings.output.file_options)
        return files

    def _parts(self, sources: Sources, observation: Observation) -> Iterator[tuple[_Job, Observation, list[StackKey]]]:
        """Yield the parts of an observation that are reduced separately, each with its target and its stacks."""
        row = sources.row(observation.obs_id)
        for job in self.jobs:
            # By identity: a part that several divisions share is reduced once.
            groups: dict[int, tuple[Observation, list[StackKey]]] = {}
            offset = job.offset(observation)
            if not job.is_reached(observation, offset):
                continue
            for division in self._divisions:
                for part in division.parts(observation, {**row, "OFFSET": offset}):
                    _, keys = groups.setdefault(id(part.observation), (part.observation, []))
                    keys.append(StackKey(job.name, division.name, part.group))
            for part_observation, keys in groups.values():
                yield job, part_observation, keys
