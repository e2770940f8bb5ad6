"""A chain of makers over many observations."""

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import repeat
from typing import Literal

from astropy.coordinates import Angle, SkyCoord

from lightpool.arrays import read_deferred
from lightpool.arrays.devices.gpus import visible_gpus
from lightpool.arrays.devices.staging import Uploads
from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation, ResponseSet
from lightpool.data.read_ahead import read_ahead
from lightpool.datasets import Datasets, MapDataset, MapDatasetOnOff, MemoryEstimate
from lightpool.datasets.names import GeneratedName
from lightpool.datasets.sums import add_stack, empty_stack
from lightpool.errors import FormatError, GeometryError, NoOverlapError, ReductionError, TransferError
from lightpool.makers.core import Described, Maker, checked_angle
from lightpool.makers.cutout_position import cutout_position
from lightpool.makers.memory import reduction_memory
from lightpool.makers.parallel.processes import in_processes, is_given_up, one_is_done
from lightpool.makers.parallel.worker_processes import packed
from lightpool.makers.reduce_by_type import datasets_by_type, stack_by_type
from lightpool.makers.reduction_checks import (
    checked_makers,
    checked_observations,
    checked_result,
    extent,
    name_of,
    radec,
)
from lightpool.makers.safe import SafeMaskMaker
from lightpool.maps.geoms.cutouts import CUTOUT_MODES
from lightpool.typing import AngleLike, ProgressLike
from lightpool.utils.deviations import deviates
from lightpool.utils.pbar import counted, tracked
from lightpool.utils.threads import computed_ahead, n_core

__all__ = ["DatasetsMaker"]

log = logging.getLogger(__name__)

_LEAST_BYTES_FOR_THREADS = 2**25
"""Size of the maps of an observation, 32 MiB, from which threads gain more time than they lose by taking turns."""

_MOST_THREADS = 4


class DatasetsMaker(Described):
    """Run makers on each observation and stack or list the results.

    Parameters
    ----------
    makers : list of Maker
        Run in this order.
    stack_datasets : bool
        Whether all results are added to the reference dataset, in place, or one dataset per observation is returned. If
        a maker measures the background, as RingBackgroundMaker does, a reference that is a MapDataset takes it as its
        known background.
    n_jobs : int, optional
        Number of processes; 1 by default. They use the GPUs of the machine in turn. The order of the results is always
        that of the observations. For a stack each process adds up a share of consecutive observations, and these sums
        are added in order: counts and masks are the same as with one process, other maps agree to rounding. If an
        observation fails, the others are abandoned, and its share is not added.
    cutout_mode : {"trim", "partial", "strict"}
        Treatment of cutouts that extend beyond the edge of the map, see `WcsGeom.cutout`.
    cutout_width : str, Quantity or Angle, optional
        Each observation is reduced on a cutout of this width around its pointing. By default twice the ``offset_max``
        of the SafeMaskMaker if there is one, otherwise the whole map.
    parallel_backend : {"multiprocessing"}, optional
        How the processes are started.
    response_sets : "files" or sequence of `~lightpool.data.ResponseSet`, optional
        Split each observation by its sets of responses, for types of events and for intervals of time: those in its
        file, or these. One stack (or one dataset per observation and interval) is made for each type of events, in one
        pass over the files; its name ends with the type, as ``stacked-type-3``. Events of no type, of several, or
        outside of all intervals are reported, see `~lightpool.data.EventTypeCounts`.

    Examples
    --------
    >>> from lightpool.makers import DatasetsMaker, MapDatasetMaker, SafeMaskMaker
    >>> makers = [MapDatasetMaker(), SafeMaskMaker(methods=["offset-max"], offset_max="2.5 deg")]
    >>> maker = DatasetsMaker(makers)
    >>> maker.cutout_width
    <Angle 5. deg>
    """

    tag = "DatasetsMaker"

    def __init__(
        self,
        makers: Sequence[Maker],
        stack_datasets: bool = True,
        n_jobs: int | None = None,
        cutout_mode: str = "trim",
        cutout_width: "AngleLike | None" = None,
        parallel_backend: str | None = None,
        response_sets: Sequence[ResponseSet] | Literal["files"] | None = None,
    ) -> None:
        if isinstance(response_sets, str) and response_sets != "files":
            raise ValueError(f"response_sets must be 'files', a list of ResponseSet, or None, got {response_sets!r}")
        if parallel_backend not in (None, "multiprocessing"):
            raise ValueError(f"parallel_backend must be 'multiprocessing' or None, got {parallel_backend!r}")
        if n_jobs is not None and n_jobs < 1:
            raise ValueError(f"n_jobs must be a positive number of processes or None, got {n_jobs}")
        if cutout_mode not in CUTOUT_MODES:
            raise ValueError(f"cutout_mode must be one of {CUTOUT_MODES}, got {cutout_mode!r}")
        self.makers = checked_makers(makers)
        self.stack_datasets = stack_datasets
        self.n_jobs = n_jobs or 1
        self.parallel_backend = parallel_backend
        self.cutout_mode = cutout_mode
        self.response_sets = response_sets
        # As in Gammapy, also if "offset-max" is not one of the methods of the SafeMaskMaker.
        if cutout_width is None and self.offset_max is not None:
            cutout_width = 2 * self.offset_max
        self.cutout_width = None if cutout_width is None else checked_angle("cutout_width", cutout_width)

    @property
    def safe_mask_maker(self) -> SafeMaskMaker | None:
        """The first SafeMaskMaker among the makers."""
        return next((maker for maker in self.makers if isinstance(maker, SafeMaskMaker)), None)

    @property
    def offset_max(self) -> Angle | None:
        """Maximum offset that the SafeMaskMaker keeps, None without one."""
        maker = self.safe_mask_maker
        return None if maker is None else maker.offset_max

    @accepts_gammapy
    def make_dataset(self, dataset: MapDataset, observation: Observation, name: str | None = None) -> MapDataset | None:
        """Reduce one observation on its cutout of the reference dataset.

        Parameters
        ----------
        dataset : MapDataset
            The reference.
        observation : Observation
        name : str, optional
            Name of the new dataset, which warnings contain; a random one by default.

        Returns
        -------
        dataset : MapDataset or None
            None, with a warning, if the observation lies outside the map.

        Raises
        ------
        ReductionError
            If a maker fails; it names the observation and the maker.
        """
        return self._make_dataset(dataset, observation, apply_cutout=self._cuts_out(dataset), name=name)

    @accepts_gammapy
    def estimate_memory(self, dataset: MapDataset, n_observations: int = 1) -> MemoryEstimate:
        """Return the maximum memory that `run` needs, before anything runs.

        Parameters
        ----------
        dataset : MapDataset
            Reference; an outline of it is enough.
        n_observations : int
            Number of datasets that are kept if they are not stacked.

        Returns
        -------
        estimate : MemoryEstimate
            On the device of the dataset, of all processes together. Its parts are the stack (or the datasets), the maps
            of one observation, what geometries keep for their pixels, and temporary arrays. Measured values are between
            half of the estimate and a fifth more; files and libraries need some hundred MB of the host in addition.
        """
        if n_observations < 0:
            raise ValueError(f"n_observations must be 0 or more, got {n_observations}")
        estimate = self._estimate(dataset, 0 if self.stack_datasets else n_observations)
        if self.n_jobs > 1:
            one = self._estimate(dataset, 0)  # each process has its own reference
            return MemoryEstimate({**estimate.parts, "processes": self.n_jobs * one.n_bytes})
        n_thread = self._n_thread(dataset)
        if n_thread == 1:
            return estimate
        # As many observations are finished or under way while one is stacked.
        return MemoryEstimate({**estimate.parts, "threads": n_thread * estimate.parts["observation"]})

    def _estimate(self, dataset: MapDataset, n_kept: int) -> MemoryEstimate:
        window = dataset.outline()
        if self._cuts_out(dataset):
            window = dataset.outline(dataset.geom.center_skydir, self.cutout_width, self.cutout_mode)
        return reduction_memory(dataset, window, self.makers, n_kept=n_kept)

    def _n_thread(self, dataset: MapDataset) -> int:
        """Return the number of threads that reduce observations at the same time; 1 stands for the calling one.

        Threads pay only for large maps on the host: they take turns with everything but the arithmetic on arrays. The
        makers of users may not be made for it.
        """
        ours = all(type(maker).__module__.partition(".")[0] == "lightpool" for maker in self.makers)
        if not (ours and dataset.device.is_host) or self._reads_maps or n_core() == 1:
            return 1
        try:
            n_bytes = self._estimate(dataset, 0).parts["observation"]
        except GeometryError:  # the cutouts of the observations raise it, with their names
            return 1
        return 1 if n_bytes < _LEAST_BYTES_FOR_THREADS else min(n_core(), _MOST_THREADS)

    @accepts_gammapy
    def run(
        self,
        dataset: MapDataset,
        observations: Iterable[Observation],
        datasets: Sequence[MapDataset] | None = None,
        *,
        progress: ProgressLike = None,
    ) -> Datasets:
        """Reduce observations.

        Parameters
        ----------
        dataset : MapDataset
            Reference that determines the geometry; with ``stack_datasets`` the results are added to it.
        observations : Observations or list of Observation
        datasets : Datasets, optional
            One reference per observation instead, without cutouts.
        progress : bool or function, optional
            True shows a bar on a terminal or in a notebook, and nothing elsewhere; by default the switch
            `lightpool.utils.pbar.SHOW_PROGRESS_BAR` decides, which is off. A function is called as
            ``progress(n_done, n_total)`` in the beginning and after each observation, by one thread at a time; what it
            raises ends the reduction.

        Returns
        -------
        datasets : Datasets
            The stacked dataset, named ``stacked`` if it has a generated name, or one dataset per observation in the
            order of the observations. With ``response_sets`` a stack for each type of events; the reference stays as
            it is.
        """
        if not isinstance(dataset, MapDataset):
            raise TypeError(f"the reference must be a MapDataset, got {type(dataset).__name__}")
        observations = checked_observations(observations, datasets)
        if not observations:
            log.warning("there are no observations to reduce, so nothing is added; was the selection empty?")
        n_jobs = min(self.n_jobs, len(observations))
        if self.response_sets is not None:
            if datasets is not None:
                raise ValueError("response_sets needs one reference for all observations; leave out datasets")
            by_type = stack_by_type if self.stack_datasets else datasets_by_type
            with self._named_if_it_cannot_travel():
                return by_type(self, dataset, observations, n_jobs, progress)
        made: list[MapDataset] = []
        # A stack: each process sends back one sum. Otherwise every dataset has to travel.
        if n_jobs > 1 and self.stack_datasets:
            self._stack_in_processes(n_jobs, dataset, observations, datasets, progress)
        else:
            reduce = self._one_by_one if n_jobs <= 1 else partial(self._in_processes, n_jobs)
            if reduce == self._one_by_one and datasets is None and (n_thread := self._n_thread(dataset)) > 1:
                reduce = partial(self._in_threads, n_thread)
            # Closed also on an error: the generator holds the reading thread, or the processes.
            work, n_obs = closing(reduce(dataset, observations, datasets)), len(observations)
            with work as results, tracked(results, "observations", n_obs, progress) as counted_results:
                made = self._stack_or_list(dataset, counted_results)
        read_deferred(dataset.device)  # host: norms and numbers for warnings, in one transfer
        if not self.stack_datasets:
            return Datasets(made)
        if isinstance(dataset.name, GeneratedName):
            dataset.name = "stacked"
        return Datasets([dataset])

    def _stack_or_list(self, dataset: MapDataset, results: Iterable[MapDataset | None]) -> list[MapDataset]:
        made = []
        for result in results:
            if result is not None and self.stack_datasets:
                dataset.stack(_stackable_on(dataset, result))
            elif result is not None:
                made.append(result)
        return made

    def _one_by_one(
        self, dataset: MapDataset, observations: Sequence[Observation], references: Sequence[MapDataset] | None
    ) -> Generator[MapDataset | None, None, None]:
        """Reduce observations in this process, while the next ones are read."""
        apply_cutout = references is None and self._cuts_out(dataset)
        uploads = Uploads(dataset.device)
        # Only for the one reference: a thread that reads ahead does not know which one an observation will get.
        prepare = partial(self.send_ahead, dataset, uploads=uploads) if references is None else None
        with closing(read_ahead(observations, prepare=prepare)) as ahead:
            # Not strict: `repeat` has no end.
            for reference, observation in zip(references or repeat(dataset), ahead, strict=False):
                yield self._make_dataset(reference, observation, apply_cutout=apply_cutout)

    def _in_threads(
        self, n_thread: int, dataset: MapDataset, observations: Sequence[Observation], references: None
    ) -> Generator[MapDataset | None, None, None]:
        """Reduce observations in threads; yield the datasets in order, so that stacks are bit-identical."""
        # An outline: the stack changes while the threads work.
        reference, apply_cutout = self.to_travel(dataset), self._cuts_out(dataset)

        def reduce(observation: Observation) -> MapDataset | None:
            return self._make_dataset(reference, observation.loaded(), apply_cutout=apply_cutout)

        work = computed_ahead(observations, reduce, depth=n_thread, n_thread=n_thread, name="lightpool-reduction")
        with closing(work) as results:
            yield from results

    def _in_processes(
        self,
        n_jobs: int,
        dataset: MapDataset,
        observations: Sequence[Observation],
        references: Sequence[MapDataset] | None,
    ) -> Generator[MapDataset | None, None, None]:
        """Yield the dataset of each observation in order; each process reduces one at a time."""
        apply_cutout, device = references is None and self._cuts_out(dataset), dataset.device.name
        own = repeat(self.to_travel(dataset)) if references is None else map(self.to_travel, references)
        tasks = (
            (self, reference, observation, apply_cutout, device)
            for reference, observation in zip(own, observations, strict=False)
        )
        work = closing(in_processes(n_jobs, _reduce_in_worker, tasks, visible_gpus(device)))
        with self._named_if_it_cannot_travel(), work as results:
            for result in results:
                yield None if result is None else result.to(dataset.device)

    def _stack_in_processes(
        self,
        n_jobs: int,
        dataset: MapDataset,
        observations: Sequence[Observation],
        references: Sequence[MapDataset] | None,
        progress: ProgressLike,
    ) -> None:
        """Stack shares of consecutive observations, each in its own process, and add these stacks in order."""
        travelling, tasks = self.to_travel(dataset), []
        for number in range(n_jobs):
            # Shares of neighbours whose lengths differ by one at most.
            share = slice(len(observations) * number // n_jobs, len(observations) * (number + 1) // n_jobs)
            own = None if references is None else [self.to_travel(reference) for reference in references[share]]
            tasks.append((self, travelling, observations[share], own))
        gpus = visible_gpus(dataset.device.name)
        with (
            self._named_if_it_cannot_travel(),
            counted("observations", len(observations), progress) as advance,
            closing(in_processes(n_jobs, _stack_in_worker, tasks, gpus, advance)) as parts,
        ):
            # In the order of the shares, so that the rounding of sums does not depend on which process ends first.
            for part in parts:
                if part is not None:
                    add_stack(dataset, part)

    @contextmanager
    def _named_if_it_cannot_travel(self) -> Iterator[None]:
        """Convert the error of sending to another process to one that names the maker."""
        try:
            yield
        except TransferError as error:
            # The error of pickle names a part deep inside the message: try each maker by itself.
            for maker in self.makers:
                try:
                    packed(maker)
                except TransferError as reason:
                    raise TransferError(
                        f"{type(maker).__name__} cannot be sent to another process: {reason}; create such things in "
                        "its `run`, or use n_jobs=1"
                    ) from error
            raise

    @property
    def sets(self) -> Sequence[ResponseSet] | None:
        """The sets of responses of all observations; None for those in the files of each."""
        return None if self.response_sets == "files" or self.response_sets is None else list(self.response_sets)

    @staticmethod
    def stackable(dataset: MapDataset, result: MapDataset) -> MapDataset:
        """Return a result as it is added to a stack: with a known background, if the stack has that.

        Parameters
        ----------
        dataset : MapDataset
            The stack.
        result : MapDataset
        """
        return _stackable_on(dataset, result)

    def to_travel(self, reference: MapDataset) -> MapDataset:
        """Return the reference for another process: its outline, unless the makers read its maps.

        Parameters
        ----------
        reference : MapDataset
        """
        if self._reads_maps:
            return reference
        # An outline has the geometries of a dataset without the values of its maps.
        outline = reference.outline()
        outline.name, outline.models = reference.name, reference.models
        return outline

    @property
    def _reads_maps(self) -> bool:
        return not self.makers or self.makers[0].reads_maps

    def send_ahead(self, dataset: MapDataset, observation: Observation, uploads: Uploads) -> None:
        """Send what the makers will need of an observation to the device, see `Maker.send_ahead`.

        Parameters
        ----------
        dataset : MapDataset
            The reference.
        observation : Observation
        uploads : Uploads
            Transfers to the device of the dataset.
        """
        for maker in self.makers:
            maker.send_ahead(dataset, observation, uploads)

    def _cuts_out(self, dataset: MapDataset) -> bool:
        # planes with pixels of their own have no window in common
        return self.cutout_width is not None and not dataset.geom.is_region and dataset.geom.is_regular

    def _make_dataset(
        self, dataset: MapDataset, observation: Observation, *, apply_cutout: bool, name: str | None = None
    ) -> MapDataset | None:
        if apply_cutout:
            step, width, mode = "the cutout around its pointing", self.cutout_width, self.cutout_mode
            assert width is not None  # see `_cuts_out`
            try:
                pointing = cutout_position(dataset, observation, width)
                if not self._reads_maps:
                    result = dataset.outline(pointing, width, mode)
                else:
                    position = pointing if isinstance(pointing, SkyCoord) else observation.pointing_radec
                    result = dataset.cutout(position, width, mode)
            except NoOverlapError:
                log.warning(
                    "observation %s left out: its pointing (%s) is outside the map, %s",
                    observation.obs_id,
                    radec(observation.pointing_radec),
                    extent(dataset.geom),
                )
                return None
            except (GeometryError, FormatError) as error:
                raise ReductionError(observation.obs_id, step, error) from error
        else:
            # An outline has no values: the first maker, unless it reads the maps, makes all of them anew.
            result = dataset.copy() if self._reads_maps else dataset.outline()
        if name is not None:
            result.name = name
        if dataset.models is not None:
            # A model of the background applies to the dataset of its name.
            result.models = dataset.models.copy().reassign(dataset.name, result.name)
        for maker in self.makers:
            step = name_of(maker)
            log.info("observation %s: %s", observation.obs_id, step)
            try:
                with result.memory_errors(step):
                    result = checked_result(step, maker.run(result, observation))
            # Makers may be written by users and raise anything; the error has to name the observation.
            except (Exception, SystemExit) as error:
                raise ReductionError(observation.obs_id, step, error) from error
        return result


def _stackable_on(dataset: MapDataset, result: MapDataset) -> MapDataset:
    """Return a result with a measured background as one with a known background, if the stack has that."""
    if isinstance(result, MapDatasetOnOff) and not isinstance(dataset, MapDatasetOnOff):
        deviates("OFF counts in the stack of a dataset without them")
        return result.to_map_dataset(name=result.name)
    return result


def _reduce_in_worker(
    maker: DatasetsMaker, dataset: MapDataset, observation: Observation, apply_cutout: bool, device: str
) -> MapDataset | None:
    """Reduce one observation on a device; arrays are sent between processes on the host."""
    result = maker._make_dataset(dataset.to(device), observation, apply_cutout=apply_cutout)
    return None if result is None else result.to("cpu")


def _stack_in_worker(
    maker: DatasetsMaker, dataset: MapDataset, observations: list[Observation], references: Sequence[MapDataset] | None
) -> MapDataset | None:
    """Return the stack of a share of the observations; None if none is on the map, or the work is abandoned."""
    stack = None
    with closing(maker._one_by_one(dataset, observations, references)) as results:
        for result in results:
            if is_given_up():
                return None
            if result is not None:
                # Made for the first result, so that a share that is outside the map sends nothing back.
                stack = empty_stack(dataset) if stack is None else stack
                stack.stack(_stackable_on(stack, result))
            one_is_done()
    read_deferred(dataset.device)  # host: norms and numbers for warnings
    return stack
