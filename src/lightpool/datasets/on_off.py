"""Datasets whose background is measured: counts in an OFF region next to those in the ON region."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self

import astropy.units as u
import numpy as np
from astropy.table import Table

from lightpool.arrays import array_namespace, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.bridge import accepts_gammapy
from lightpool.data import GTI
from lightpool.datasets import transforms
from lightpool.datasets.base import DatasetBase, DatasetPart
from lightpool.datasets.dataset import Dataset
from lightpool.datasets.info_dict import read_scalars
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.datasets.models.model_lists import ModelsLike
from lightpool.datasets.on_off_sums import OffMaps, OnOffSums, acceptance_ratio
from lightpool.datasets.simulated_counts import RandomState, find_random_state, simulate_counts
from lightpool.datasets.stacking import naming
from lightpool.datasets.statistics import OffInfo, StatisticOfDataset, masked_sum
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap
from lightpool.maps import Map, MapAxis
from lightpool.stats import CountsStatistic, WStatCountsStatistic, get_wstat_mu_bkg, wstat, wstat_sum
from lightpool.utils.accumulators import Accumulator, MergedValue
from lightpool.utils.deviations import deviates, deviations_are_heard
from lightpool.utils.on_demand import Deferred

__all__ = ["OnOffDataset"]

_OFF_MAPS = {"counts_off": "Total counts_off", "acceptance": "Acceptance", "acceptance_off": "Acceptance off"}
"""Maps of the OFF region, and their labels in texts."""


class WStatOfDataset(StatisticOfDataset["OnOffDataset"]):
    """W statistic of a dataset with counts in ON and OFF regions."""

    @property
    def is_meaningful(self) -> bool:
        """True: the background is measured, whether or not there are models."""
        return True

    @property
    def per_bin(self) -> CountsStatistic:
        """Excess and significance of each bin."""
        counts_off = self.dataset.counts_off
        n_off = np.nan if counts_off is None else counts_off
        return WStatCountsStatistic(self.dataset.required("counts"), n_off, self.dataset.alpha)

    def _inputs(self) -> tuple[Array, Array, Array, Array]:
        """Return arrays of float64: the statistic is a small difference of large terms."""
        counts, counts_off = self.dataset.required("counts").data, self.dataset.counts_off
        xp = array_namespace(counts)
        n_off = xp.full_like(counts, np.nan) if counts_off is None else counts_off.data
        inputs = counts, n_off, self.dataset.alpha.data, self.dataset.npred_signal().data
        counts, n_off, alpha, signal = (as_dtype(values, "float64") for values in inputs)
        return counts, n_off, alpha, signal

    def array(self) -> Array:
        """Return the W statistic per bin, an array on the device of the dataset; zero where there is no OFF region."""
        stat = wstat(*self._inputs())
        xp = array_namespace(stat)
        return xp.where(xp.isnan(stat), xp.zeros_like(stat), stat)

    def sum(self) -> Array:
        """Return the statistic inside the mask, an array without dimensions on the device of the dataset."""
        mask = self.dataset.mask
        return wstat_sum(*self._inputs(), None if mask is None else mask.data)

    def of_sums(self, sums: dict[str, float]) -> CountsStatistic:
        """Return excess and significance of all bins together, from sums of counts and OFF counts and their alpha."""
        return WStatCountsStatistic(sums.get("counts", 0.0), sums.get("counts_off", np.nan), sums.get("alpha", np.nan))

    def sums_inside(self, mask: Array | None) -> dict[str, Array]:
        """Return sums of the OFF maps inside a mask, and the alpha that they have together, on the device."""
        scalars = {name: masked_sum(data.data, mask) for name, data in self.dataset.off_maps.maps.items()}
        if "counts_off" in scalars and "acceptance_off" in scalars:
            xp = array_namespace(scalars["counts_off"])
            n_off, off_sum = scalars["counts_off"], scalars["acceptance_off"]
            one = xp.ones_like(off_sum)
            background = self.dataset.required("background").data
            # Mean alpha weighted with the OFF counts; where there are none, the ratio of the summed acceptances.
            from_counts = masked_sum(background, mask) / xp.where(n_off > 0.0, n_off, one)
            from_acceptance = scalars["acceptance"] / xp.where(off_sum > 0.0, off_sum, one)
            scalars["alpha"] = xp.where(n_off > 0.0, from_counts, from_acceptance)
        return scalars

    def info(self, sums: dict[str, float]) -> OffInfo:
        """Return the summary values of the OFF region."""
        acceptance, alpha = sums.get("acceptance", 1.0), sums.get("alpha", np.nan)
        return {
            "counts_off": int(sums.get("counts_off", 0)),
            "acceptance": acceptance,
            # Follows from alpha; the sum of the map would give another ratio.
            "acceptance_off": acceptance / alpha if alpha else np.nan,
            "alpha": alpha,
        }


class OnOffDataset(MapDataset):
    """Counts of an ON and an OFF region and the acceptances of both, on maps of any geometry.

    Parameters
    ----------
    models : Models
        Models of other datasets are left out.
    counts, counts_off : Map with an axis ``energy``
        Without ``counts_off`` no background is known; then the safe mask should be False everywhere.
    acceptance, acceptance_off : Map with an axis ``energy``
        Relative efficiencies of both regions; only their ratio `alpha` matters.
    exposure : Map with an axis ``energy_true``, unit m2 s
    mask_fit : Map of bool, True where data are fitted
    psf : PSFMap
    edisp : EDispKernelMap or EDispMap
    name : str, a random one by default
    mask_safe : Map of bool, True where the responses can be trusted
    gti : GTI, good time intervals
    meta_table : Table, one row; the cells of a stack hold one value per observation
    meta : MapDatasetMetaData
    stat_type : {"wstat"}
    """

    stat_types: ClassVar[tuple[str, ...]] = ("wstat",)
    map_names: ClassVar[tuple[str, ...]] = (
        "counts",
        "counts_off",
        "acceptance",
        "acceptance_off",
        "exposure",
        "psf",
        "edisp",
        "mask_safe",
        "mask_fit",
    )
    map_names_from_geom: ClassVar[tuple[str, ...]] = ("counts", "counts_off", "acceptance", "acceptance_off")

    @accepts_gammapy
    def __init__(
        self,
        models: ModelsLike | None = None,
        counts: Map | Deferred[Map | None] | None = None,
        counts_off: Map | Deferred[Map | None] | None = None,
        acceptance: Map | Deferred[Map | None] | None = None,
        acceptance_off: Map | Deferred[Map | None] | None = None,
        exposure: Map | Deferred[Map | None] | None = None,
        mask_fit: Map | Deferred[Map | None] | None = None,
        psf: PSFMap | None = None,
        edisp: EDispKernelMap | EDispMap | None = None,
        name: str | None = None,
        mask_safe: Map | Deferred[Map | None] | None = None,
        gti: GTI | Deferred[GTI | None] | MergedValue[GTI] | None = None,
        meta_table: Table | Deferred[Table | None] | MergedValue[Table] | None = None,
        meta: MapDatasetMetaData | Deferred[MapDatasetMetaData] | None = None,
        stat_type: str = "wstat",
    ) -> None:
        super().__init__(
            models=models,
            counts=counts,
            exposure=exposure,
            psf=psf,
            edisp=edisp,
            mask_safe=mask_safe,
            mask_fit=mask_fit,
            gti=gti,
            meta_table=meta_table,
            name=name,
            meta=meta,
            stat_type=stat_type,
        )
        self._off: Accumulator[OffMaps, OnOffSums] = Accumulator(OffMaps(counts_off, acceptance, acceptance_off))

    @classmethod
    @accepts_gammapy
    def from_map_dataset(
        cls,
        dataset: DatasetBase,
        acceptance: Map | float,
        acceptance_off: Map | float,
        counts_off: Map | None = None,
        name: str | None = None,
    ) -> Self:
        """Create an ON-OFF dataset from a dataset with counts and responses.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
        acceptance, acceptance_off : Map or float
        counts_off : Map
            By default computed from the background of the dataset, if it has one: background / alpha.
        name : str
        """
        on, off = (
            value
            if isinstance(value, Map)
            else Map.from_geom(dataset.geom, data=value * 1.0, device=dataset.device, dtype=dataset.precision)
            for value in (acceptance, acceptance_off)
        )
        background = dataset.npred_background() if dataset.background is not None else None
        if counts_off is None and background is not None:
            # So that alpha * counts_off is this background.
            counts_off = background / (on / off)
        return cls(
            models=dataset.models,
            counts=dataset.counts,
            exposure=dataset.exposure,
            counts_off=counts_off,
            edisp=dataset.edisp,
            psf=dataset.psf,
            mask_safe=dataset.mask_safe,
            mask_fit=dataset.mask_fit,
            acceptance=on,
            acceptance_off=off,
            name=name,
            **dataset.observation_parts,
        )

    # --- the OFF region

    @property
    def off_maps(self) -> OffMaps:
        """Maps of the OFF region; of a growing stack, computed from its sums now."""
        return self._off.value

    @property
    def given_parts(self) -> dict[str, DatasetPart | Deferred[Any] | None]:
        """Maps and responses by name as they were given; those that follow from the sums of a stack are `Deferred`."""
        sums = self.off_sums
        off: dict[str, Any] = (
            {name: vars(self._off.value).get(name) for name in _OFF_MAPS}
            if sums is None
            else {name: Deferred(partial(getattr, self, name)) for name in _OFF_MAPS}
        )
        return super().given_parts | off

    @property
    def off_sums(self) -> OnOffSums | None:
        """Sums of the OFF region while a stack grows, else None."""
        return self._off.sums

    @off_sums.setter
    def off_sums(self, sums: OnOffSums) -> None:
        self._off.grow(sums)

    @property
    def counts_off(self) -> Map | None:
        """Counts in the OFF region, None if there is none."""
        return self._off.value.counts_off

    @counts_off.setter
    @accepts_gammapy
    def counts_off(self, counts_off: Map | None) -> None:
        self._off.value.counts_off = counts_off

    @property
    def acceptance(self) -> Map | None:
        """Relative efficiency of the ON region."""
        return self._off.value.acceptance

    @acceptance.setter
    @accepts_gammapy
    def acceptance(self, acceptance: Map | None) -> None:
        self._off.value.acceptance = acceptance

    @property
    def acceptance_off(self) -> Map | None:
        """Relative efficiency of the OFF region."""
        return self._off.value.acceptance_off

    @acceptance_off.setter
    @accepts_gammapy
    def acceptance_off(self, acceptance_off: Map | None) -> None:
        self._off.value.acceptance_off = acceptance_off

    @property
    def alpha(self) -> Map:
        """Acceptance of the ON region over that of the OFF region; zero where there is no OFF region."""
        off = self.off_maps
        acceptance, acceptance_off = off.acceptance, off.acceptance_off
        if acceptance is None or acceptance_off is None:
            return Map.from_geom(self.geom, dtype=self.precision, device=self.device)
        return acceptance_ratio(self.geom, acceptance, acceptance_off)

    @property
    def background(self) -> Map | None:
        """Background in the ON region, ``alpha * counts_off``; None without OFF counts."""
        counts_off = self.counts_off
        return None if counts_off is None else self.alpha * counts_off

    @background.setter
    def background(self, background: Map | Deferred[Map | None] | None) -> None:
        raise AttributeError(
            f"the background of a {self.tag} is alpha * counts_off and cannot be set; set counts_off, acceptance or "
            "acceptance_off"
        )

    # --- predictions and statistic

    def npred_background(self) -> Map | None:
        """Predict the background in the ON region that fits counts and OFF counts best; None without OFF counts."""
        counts, counts_off = self.counts, self.counts_off
        if counts_off is None or counts is None:
            return None
        alpha = self.alpha.data
        data = alpha * get_wstat_mu_bkg(counts.data, counts_off.data, alpha, self.npred_signal().data)
        xp = array_namespace(data)
        # Not finite where alpha is zero: without an OFF region no background is predicted.
        finite = xp.where(xp.isfinite(data), data, xp.zeros_like(data))
        return Map.from_geom(self.geom, data=finite, device=self.device)

    def npred_off(self) -> Map | None:
        """Predict the counts in the OFF region, NaN where alpha is zero; None without OFF counts."""
        background = self.npred_background()
        return None if background is None else background / self.alpha

    @accepts_gammapy
    def fake(  # type: ignore[override]  # needs a background, as in Gammapy
        self, npred_background: Map, random_state: RandomState = "random-seed"
    ) -> None:
        """Replace counts and OFF counts by ones that are simulated from predictions.

        Parameters
        ----------
        npred_background : Map, counts that are expected from the background in the ON region
        random_state : int, ``random-seed``, ``global-rng`` or RandomState, see `numpy.random`
        """
        random_state, precision, device = find_random_state(random_state), self.precision, self.device
        background = npred_background.to(device)
        # As in Gammapy: sources first, then the background of the ON region, then that of the OFF region.
        signal = simulate_counts(self.npred_signal(), random_state, precision)
        self.counts = signal + simulate_counts(background, random_state, precision)
        self.counts_off = simulate_counts(background / self.alpha, random_state, precision)

    @property
    def statistic(self) -> WStatOfDataset:
        """The W statistic of the dataset."""
        return WStatOfDataset(self)

    def text_rows(self) -> list[dict[str, object]]:
        """Return the values that ``print`` and notebooks show by their labels, paragraph by paragraph."""
        return [*super().text_rows(), {**self._off_totals()}]

    def _off_totals(self) -> dict[str, str]:
        mask = None if self.mask_safe is None else self.mask_safe.data
        totals = read_scalars({name: masked_sum(data.data, mask) for name, data in self.off_maps.maps.items()})
        return {label: f"{totals.get(name, np.nan):.0f}" for name, label in _OFF_MAPS.items()}

    def __str__(self) -> str:
        lines = [f"  {label:32}: {text}\n" for label, text in self._off_totals().items()]
        return "".join([super().__str__(), *lines])

    # --- stacking

    @accepts_gammapy
    def stack(self, other: Dataset, nan_to_num: bool = True) -> None:
        """Add another dataset to this one, in place.

        As `MapDataset.stack` does, and inside the safe mask of the other dataset its OFF counts, its acceptance and
        its background ``alpha * counts_off`` are added. From these sums follows the acceptance of the OFF region,
        so that the order in which datasets are stacked does not matter.

        Parameters
        ----------
        other : dataset of the same kind, on the same geometry or a cutout of it
        nan_to_num : bool, whether values that are not finite count as zero

        Raises
        ------
        ValueError
            If one of them has safe bins but no OFF counts or acceptances.
        """
        other = require_off_stackable(self, other)
        if deviations_are_heard() and not (_has_off_counts(self) or _has_off_counts(other)):
            deviates("stack without any OFF counts")
        super().stack(other, nan_to_num=nan_to_num)
        with self.memory_errors("stacking"):
            sums = self.off_sums
            if sums is None:
                sums = OnOffSums.zeros(self.geom, self.device, self.precision)
                # Without a mask: what lies outside the safe mask of this dataset already is kept, see `Dataset.stack`.
                sums.add(_summands(self), None, nan_to_num)
                self._off.grow(sums)
            sums.add(_summands(other), other.mask_safe, nan_to_num)

    # --- making others of it

    def to_map_dataset(self, name: str | None = None) -> MapDataset:
        """Return a dataset with the Cash statistic, whose known background is ``alpha * counts_off``."""
        return MapDataset(
            name=name,
            counts=self.counts,
            exposure=self.exposure,
            background=self.background,
            psf=self.psf,
            edisp=self.edisp,
            mask_safe=self.mask_safe,
            mask_fit=self.mask_fit,
            **self.observation_parts,
        )

    def downsample(self, factor: int, axis_name: str | None = None, name: str | None = None) -> Self:
        """Merge pixels, or bins of an axis; the new acceptance of the OFF region preserves the background.

        Parameters
        ----------
        factor : int
        axis_name : str, axis whose bins are joined; pixels by default
        name : str, of the new dataset
        """
        maps = transforms.downsample(self, factor, axis_name)
        if axis_name is not None and axis_name not in self.geom.axes.names:  # the OFF maps do not have it either
            return self.derived(name, maps | {part: data.copy() for part, data in self.off_maps.maps.items()})

        def joined(data: Map, is_sum: bool) -> Map:
            weights = self.mask_safe if is_sum else None
            return data.downsample(factor=factor, preserve_counts=is_sum, axis_name=axis_name, weights=weights)

        return self.derived(name, maps | _joined(self, joined))

    @accepts_gammapy
    def resample_energy_axis(self, energy_axis: MapAxis, name: str | None = None) -> Self:
        """Merge bins of reconstructed energy into those of another axis, inside the safe mask.

        Parameters
        ----------
        energy_axis : MapAxis, whose edges are among those of the dataset
        name : str, of the new dataset
        """

        def joined(data: Map, is_sum: bool) -> Map:
            return data.resample_axis(axis=energy_axis, weights=self.mask_safe)

        return self.derived(name, transforms.resample_energy_axis(self, energy_axis) | _joined(self, joined))


def require_off_stackable(dataset: "OnOffDataset", other: Dataset) -> "OnOffDataset":
    """Refuse maps that cannot be added to those of the OFF region of a dataset, before anything is changed.

    Parameters
    ----------
    dataset : OnOffDataset
    other : OnOffDataset

    Returns
    -------
    other : OnOffDataset

    Raises
    ------
    TypeError, ValueError, GeometryError
        If it has no OFF counts, or they are on another geometry.
    """
    if not isinstance(other, OnOffDataset):
        raise TypeError(f"expected a dataset with OFF counts to stack, got a {type(other).__name__}")
    for each in (dataset, other):
        if each.off_sums is None and not _is_stackable(each):
            raise ValueError(
                f"dataset {each.name!r} has safe bins but lacks counts_off, acceptance or acceptance_off, so it "
                "cannot be stacked; give it these maps, or set its mask_safe to False"
            )
    total = dataset.counts
    if total is None:
        total = Map.from_geom(dataset.geom, device=dataset.device, dtype=dataset.precision)
    own = {} if dataset.off_sums is not None else dataset.off_maps.maps
    for parts, mask in ((own, None), (_summands(other), other.mask_safe)):
        for name, data in parts.items():
            if data is not None:
                with naming(name, dataset, other):
                    # the sums are numbers without a unit
                    total.require_stackable([data], mask, u.dimensionless_unscaled)
    return other


def _is_stackable(dataset: OnOffDataset) -> bool:
    """Return whether the OFF maps exist or nothing is safe anyway; the mask is read only if they do not exist."""
    if len(dataset.off_maps.maps) == 3:
        return True
    mask = dataset.mask_safe
    return mask is not None and not bool(to_host(array_namespace(mask.data).any(mask.data)))  # host: a decision


def _has_off_counts(dataset: OnOffDataset) -> bool:
    """Return whether there are OFF counts in the safe bins; reads a number, so only where somebody listens."""
    sums = dataset.off_sums
    counts_off = dataset.counts_off if sums is None else sums.counts_off
    if counts_off is None:
        return False
    # The sums are of safe bins already, and their mask is a union.
    mask = dataset.mask_safe if sums is None else None
    data = counts_off.data if mask is None else counts_off.data * mask.data
    return bool(to_host(array_namespace(data).any(data > 0)))  # host: for an announcement


def _summands(dataset: OnOffDataset) -> dict[str, Map | None]:
    """Return the maps that are added up in a stack, None for missing ones."""
    sums = dataset.off_sums  # read once: another thread may read the maps meanwhile
    if sums is not None:
        return sums.maps
    off = dataset.off_maps
    return {
        "counts_off": off.counts_off,
        "acceptance": off.acceptance,
        "background": dataset.background,
        "acceptance_off": off.acceptance_off,
    }


def _joined(dataset: OnOffDataset, join: Callable[[Map, bool], Map]) -> dict[str, Map]:
    """Merge pixels or bins of the OFF maps, by a function of a map and of whether it is a sum, as counts are.

    The acceptance of the OFF region becomes the one that gives the background of the joined bins.
    """
    new = {name: join(data, name == "counts_off") for name, data in dataset.off_maps.maps.items()}
    if len(new) == 3:
        sums = OnOffSums(background=join(dataset.required("background"), True), **new)
        new |= sums.finish().maps
    return new
