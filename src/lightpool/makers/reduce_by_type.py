"""A chain of makers over observations with several sets of responses: a dataset for each type of events, in one pass.

Each file is opened and decompressed once, each event is selected once for its type and sent to the device once.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import pairwise
from typing import Protocol

from lightpool.arrays import read_deferred
from lightpool.arrays.devices.gpus import visible_gpus
from lightpool.arrays.devices.staging import Uploads
from lightpool.data import Observation, ResponseSet
from lightpool.data.event_types import TypedPart, parts_by_responses
from lightpool.data.response_sets import ALL_TYPES
from lightpool.datasets import Datasets, MapDataset
from lightpool.datasets.names import GeneratedName
from lightpool.datasets.sums import add_stack, empty_stack
from lightpool.errors import ReductionError
from lightpool.makers.parallel.processes import in_processes, is_given_up, one_is_done
from lightpool.typing import ProgressLike
from lightpool.utils.pbar import counted, tracked
from lightpool.utils.threads import computed_ahead

__all__ = ["ReducesParts", "datasets_by_type", "stack_by_type"]

_DEPTH = 2
"""Observations that are read ahead."""

_Stacks = dict[str, MapDataset]


class ReducesParts(Protocol):
    """What is needed of `~lightpool.makers.DatasetsMaker`."""

    @property
    def sets(self) -> Sequence[ResponseSet] | None:
        """The sets of responses of all observations; None for those in the files of each."""
        ...

    def send_ahead(self, dataset: MapDataset, observation: Observation, uploads: Uploads) -> None:
        """Send what will be needed of an observation to the device."""
        ...

    def make_dataset(self, dataset: MapDataset, observation: Observation, name: str | None = None) -> MapDataset | None:
        """Reduce an observation; None if it is outside of the map."""
        ...

    def stackable(self, dataset: MapDataset, result: MapDataset) -> MapDataset:
        """Return a result as it is added to a stack."""
        ...

    def to_travel(self, reference: MapDataset) -> MapDataset:
        """Return the reference for another process."""
        ...


def stack_by_type(
    maker: ReducesParts,
    dataset: MapDataset,
    observations: Sequence[Observation],
    n_jobs: int,
    progress: ProgressLike = None,
) -> Datasets:
    """Return a stack for each type of events, in the order in which the types are found.

    Parameters
    ----------
    maker : DatasetsMaker
    dataset : MapDataset, the reference, which stays as it is
    observations : sequence of Observation
    n_jobs : int, number of processes
    progress : bool or function, optional, see `~lightpool.makers.DatasetsMaker.run`
    """
    base = "stacked" if isinstance(dataset.name, GeneratedName) else str(dataset.name)
    if n_jobs <= 1:
        with counted("observations", len(observations), progress) as advance:
            stacks = _stacks(maker, dataset, observations, advance)
    else:
        stacks = {}
        shares = [len(observations) * number // n_jobs for number in range(n_jobs + 1)]
        travelling = maker.to_travel(dataset)
        tasks = [(maker, travelling, observations[first:last], dataset.device.name) for first, last in pairwise(shares)]
        gpus = visible_gpus(dataset.device.name)
        with (
            counted("observations", len(observations), progress) as advance,
            closing(in_processes(n_jobs, _stack_in_worker, tasks, gpus, advance)) as results,
        ):
            # In the order of the shares, so that the rounding of sums does not depend on which process ends first.
            for parts in results:
                for label, part in parts.items():
                    add_stack(_stack_of(stacks, label, dataset), part.to(dataset.device))
    for label, stack in stacks.items():
        stack.name = _typed_name(base, label)
        if dataset.models is not None:
            stack.models = dataset.models.copy().reassign(dataset.name, stack.name)
    read_deferred(dataset.device)  # host: norms and numbers for warnings, in one transfer
    return Datasets(list(stacks.values()))


def datasets_by_type(
    maker: ReducesParts,
    dataset: MapDataset,
    observations: Sequence[Observation],
    n_jobs: int,
    progress: ProgressLike = None,
) -> Datasets:
    """Return a dataset for each observation, type of events and interval of its responses.

    Parameters
    ----------
    maker, dataset, observations, n_jobs, progress : see `stack_by_type`
    """
    made: list[MapDataset] = []
    if n_jobs <= 1:
        with (
            closing(_parts_ahead(maker, dataset, observations)) as ahead,
            tracked(ahead, "observations", len(observations), progress) as items,
        ):
            for parts in items:
                made += [result for _, result in _made(maker, dataset, parts)]
    else:
        tasks = ((maker, maker.to_travel(dataset), each, dataset.device.name) for each in observations)
        with (
            closing(in_processes(n_jobs, _reduce_in_worker, tasks, visible_gpus(dataset.device.name))) as results,
            tracked(results, "observations", len(observations), progress) as finished,
        ):
            for some in finished:
                made += [each.to(dataset.device) for each in some]
    read_deferred(dataset.device)  # host: norms and numbers for warnings, in one transfer
    return Datasets(made)


def _typed_name(base: str, label: str, number: int = 1) -> str:
    """Return a name that tells the type, and of several intervals of responses the number."""
    name = base if label == ALL_TYPES else f"{base}-type-{label}"
    return name if number == 1 else f"{name}-interval-{number}"


def _stack_of(stacks: _Stacks, label: str, dataset: MapDataset) -> MapDataset:
    if label not in stacks:
        stacks[label] = empty_stack(dataset)
    return stacks[label]


def _stacks(
    maker: ReducesParts, dataset: MapDataset, observations: Sequence[Observation], advance: Callable[[], None]
) -> _Stacks:
    """Return the stack of each type; of what was done so far if the work is abandoned.

    Parameters
    ----------
    maker, dataset, observations : see `stack_by_type`
    advance : function that is called after each observation
    """
    stacks: _Stacks = {}
    with closing(_parts_ahead(maker, dataset, observations)) as ahead:
        for parts in ahead:
            if is_given_up():
                break
            for label, result in _made(maker, dataset, parts):
                stack = _stack_of(stacks, label, dataset)
                stack.stack(maker.stackable(stack, result))
            advance()
    return stacks


def _made(maker: ReducesParts, dataset: MapDataset, parts: Sequence[TypedPart]) -> Iterator[tuple[str, MapDataset]]:
    for part in parts:
        name = _typed_name(str(part.observation.obs_id), part.label, part.number)
        result = maker.make_dataset(dataset, part.observation, name)
        if result is not None:
            yield part.label, result


def _parts_ahead(
    maker: ReducesParts, dataset: MapDataset, observations: Sequence[Observation]
) -> Generator[list[TypedPart], None, None]:
    """Yield the parts of each observation, while a thread reads and splits the next ones."""
    split = partial(_split, maker, dataset, Uploads(dataset.device))
    return computed_ahead(observations, split, depth=_DEPTH, n_thread=1, name="lightpool-read-ahead")


def _split(maker: ReducesParts, dataset: MapDataset, uploads: Uploads, observation: Observation) -> list[TypedPart]:
    try:
        parts = parts_by_responses(observation, maker.sets)
    except Exception as error:
        raise ReductionError(observation.obs_id, "splitting it by its sets of responses", error) from error
    for part in parts:
        with suppress(Exception):  # only prepares what is done later otherwise
            maker.send_ahead(dataset, part.observation, uploads)
    return parts


def _stack_in_worker(
    maker: ReducesParts, dataset: MapDataset, observations: Sequence[Observation], device: str
) -> _Stacks:
    stacks = _stacks(maker, dataset.to(device), observations, one_is_done)
    read_deferred(dataset.to(device).device)  # host: norms and numbers for warnings
    return {label: stack.to("cpu") for label, stack in stacks.items()}


def _reduce_in_worker(
    maker: ReducesParts, dataset: MapDataset, observation: Observation, device: str
) -> list[MapDataset]:
    reference = dataset.to(device)
    parts = _split(maker, reference, Uploads(reference.device), observation)
    return [result.to("cpu") for _, result in _made(maker, reference, parts)]
