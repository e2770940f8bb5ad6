"""Datasets whose background is measured: counts in an OFF region beside those in the ON region."""

import threading
from typing import Any, ClassVar, Self

import numpy as np
from astropy.table import Table

from lightpool.arrays import array_namespace, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.data import GTI
from lightpool.datasets import transforms
from lightpool.datasets.info_dict import masked_sum, read_scalars
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.datasets.on_off_sums import OnOffSums, acceptance_ratio
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap
from lightpool.maps import Map, MapAxis
from lightpool.stats import CountsStatistic, WStatCountsStatistic, get_wstat_mu_bkg, wstat, wstat_sum
from lightpool.utils.on_demand import DeferredAttribute

__all__ = ["OnOffDataset"]

_SETTLED = threading.RLock()


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
    mask_fit : Map of bool, True where data are to be fitted
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
    _map_names_from_geom: ClassVar[tuple[str, ...]] = ("counts", "counts_off", "acceptance", "acceptance_off")

    _counts_off = DeferredAttribute[Any]()
    _acceptance = DeferredAttribute[Any]()
    _acceptance_off = DeferredAttribute[Any]()

    def __init__(
        self,
        models: Any = None,
        counts: Map | None = None,
        counts_off: Map | None = None,
        acceptance: Map | None = None,
        acceptance_off: Map | None = None,
        exposure: Map | None = None,
        mask_fit: Map | None = None,
        psf: PSFMap | None = None,
        edisp: EDispKernelMap | EDispMap | None = None,
        name: str | None = None,
        mask_safe: Map | None = None,
        gti: GTI | None = None,
        meta_table: Table | None = None,
        meta: MapDatasetMetaData | None = None,
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
        self._sums: OnOffSums | None = None
        self._counts_off = counts_off
        self._acceptance = acceptance
        self._acceptance_off = acceptance_off

    @classmethod
    def from_map_dataset(
        cls, dataset: MapDataset, acceptance: Any, acceptance_off: Any, counts_off: Map | None = None, name: Any = None
    ) -> Self:
        """Make an ON-OFF dataset of a dataset with counts and responses.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
        acceptance, acceptance_off : Map or float
        counts_off : Map
            By default what the background of the dataset, if it has one, would give: background / alpha.
        name : str
        """
        where: dict[str, Any] = {"device": dataset.device, "dtype": dataset.precision}
        acceptance, acceptance_off = (
            value if isinstance(value, Map) else Map.from_geom(dataset._geom, data=value * 1.0, **where)
            for value in (acceptance, acceptance_off)
        )
        background = dataset.npred_background() if dataset.background is not None else None
        if counts_off is None and background is not None:
            counts_off = background / (acceptance / acceptance_off)
        return cls(
            models=dataset.models,
            counts=dataset.counts,
            exposure=dataset.exposure,
            counts_off=counts_off,
            edisp=dataset.edisp,
            psf=dataset.psf,
            mask_safe=dataset.mask_safe,
            mask_fit=dataset.mask_fit,
            acceptance=acceptance,
            acceptance_off=acceptance_off,
            gti=dataset._gti.fork(),
            name=name,
            meta_table=dataset._meta_table.fork(),
        )

    # --- the OFF region; a growing stack holds sums, see `stack`

    def _settle(self) -> None:
        """Work out the acceptance of the OFF region from the sums of a stack."""
        if self._sums is not None:
            with _SETTLED:
                if self._sums is not None:
                    self._counts_off, self._acceptance, self._acceptance_off = self._sums.maps()
                    self._sums = None

    @property
    def counts_off(self) -> Any:
        """Counts in the OFF region, None if there is none."""
        self._settle()
        return self._counts_off

    @counts_off.setter
    def counts_off(self, counts_off: Map | None) -> None:
        self._settle()
        self._counts_off = counts_off

    @property
    def acceptance(self) -> Any:
        """Relative efficiency of the ON region."""
        self._settle()
        return self._acceptance

    @acceptance.setter
    def acceptance(self, acceptance: Map | None) -> None:
        self._settle()
        self._acceptance = acceptance

    @property
    def acceptance_off(self) -> Any:
        """Relative efficiency of the OFF region."""
        self._settle()
        return self._acceptance_off

    @acceptance_off.setter
    def acceptance_off(self, acceptance_off: Map | None) -> None:
        self._settle()
        self._acceptance_off = acceptance_off

    @property
    def alpha(self) -> Any:
        """Acceptance of the ON region over that of the OFF region; zero where there is no OFF region."""
        if self.acceptance is None or self.acceptance_off is None:
            return Map.from_geom(self._geom, dtype=self.precision, device=self.device)
        return acceptance_ratio(self._geom, self.acceptance, self.acceptance_off)

    @property
    def background(self) -> Any:
        """Background in the ON region, ``alpha * counts_off``; None without OFF counts."""
        return None if self.counts_off is None else self.alpha * self.counts_off

    # --- predictions and statistic

    def npred_background(self) -> Any:
        """Predict the background in the ON region that fits counts and OFF counts best; None without OFF counts."""
        if self.counts_off is None or self.counts is None:
            return None
        alpha = self.alpha.data
        data = alpha * get_wstat_mu_bkg(self.counts.data, self.counts_off.data, alpha, self.npred_signal().data)
        xp = array_namespace(data)
        finite = xp.where(xp.isfinite(data), data, xp.zeros_like(data))
        return Map.from_geom(self._geom, data=finite, device=self.device)

    def npred_off(self) -> Any:
        """Predict the counts in the OFF region, NaN where alpha is zero; None without OFF counts."""
        background = self.npred_background()
        return None if background is None else background / self.alpha

    @property
    def _counts_statistic(self) -> CountsStatistic:
        n_off = np.nan if self.counts_off is None else self.counts_off
        return WStatCountsStatistic(self.counts, n_off, self.alpha)

    def _statistic_inputs(self) -> tuple[Array, Array, Array, Array]:
        """Arrays of float64: the statistic is a small difference of large terms."""
        counts = self.counts.data
        xp = array_namespace(counts)
        n_off = xp.full_like(counts, np.nan) if self.counts_off is None else self.counts_off.data
        inputs = counts, n_off, self.alpha.data, self.npred_signal().data
        counts, n_off, alpha, signal = (as_dtype(values, "float64") for values in inputs)
        return counts, n_off, alpha, signal

    def stat_array(self) -> Array:
        """W statistic per bin, an array on the device of the dataset; zero where there is no OFF region."""
        stat = wstat(*self._statistic_inputs())
        xp = array_namespace(stat)
        return xp.where(xp.isnan(stat), xp.zeros_like(stat), stat)

    def _stat_sum_array(self) -> Array:
        mask = self.mask
        return wstat_sum(*self._statistic_inputs(), None if mask is None else mask.data)

    @property
    def _has_statistic(self) -> bool:
        return True

    def _statistic_of_sums(self, sums: dict[str, float]) -> CountsStatistic:
        return WStatCountsStatistic(sums.get("counts", 0.0), sums.get("counts_off", np.nan), sums.get("alpha", np.nan))

    def _further_scalars(self, mask: Array | None) -> dict[str, Array]:
        maps = {name: getattr(self, name) for name in ("counts_off", "acceptance", "acceptance_off")}
        scalars = {name: masked_sum(data.data, mask) for name, data in maps.items() if data is not None}
        if "counts_off" in scalars and "acceptance_off" in scalars:
            xp = array_namespace(scalars["counts_off"])
            n_off, off = scalars["counts_off"], scalars["acceptance_off"]
            one = xp.ones_like(off)
            from_counts = masked_sum(self.background.data, mask) / xp.where(n_off > 0.0, n_off, one)
            from_acceptance = scalars["acceptance"] / xp.where(off > 0.0, off, one)
            scalars["alpha"] = xp.where(n_off > 0.0, from_counts, from_acceptance)
        return scalars

    def _further_info(self, sums: dict[str, float]) -> dict[str, Any]:
        acceptance, alpha = sums.get("acceptance", 1.0), sums.get("alpha", np.nan)
        return {
            "counts_off": int(sums.get("counts_off", 0)),
            "acceptance": acceptance,
            "acceptance_off": acceptance / alpha if alpha else np.nan,
            "alpha": alpha,
        }

    def __str__(self) -> str:
        lines = [super().__str__()]
        mask = None if self.mask_safe is None else self.mask_safe.data
        labels = {
            "Total counts_off": self.counts_off,
            "Acceptance": self.acceptance,
            "Acceptance off": self.acceptance_off,
        }
        totals = read_scalars({k: masked_sum(data.data, mask) for k, data in labels.items() if data is not None})
        lines += [f"  {label:32}: {totals.get(label, np.nan):.0f}\n" for label in labels]
        return "".join(lines)

    # --- stacking

    @property
    def _is_stackable(self) -> bool:
        """Whether the OFF maps are there, or nothing is safe anyway; reads the mask if they are not."""
        self._settle()
        if all(data is not None for data in (self._counts_off, self._acceptance, self._acceptance_off)):
            return True
        mask = self.mask_safe
        return mask is not None and not bool(to_host(array_namespace(mask.data).any(mask.data)))  # host: a decision

    def _off_parts(self) -> dict[str, Any]:
        """Maps that are added up in a stack, None where there is none."""
        sums = self._sums  # read once: another thread may ask for the maps meanwhile
        if sums is not None:
            return vars(sums)
        names = ("counts_off", "acceptance", "background", "acceptance_off")
        return {name: getattr(self, name) for name in names}

    def stack(self, other: MapDataset, nan_to_num: bool = True) -> None:
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
        if not isinstance(other, OnOffDataset):
            raise TypeError(f"expected a dataset with OFF counts to stack, got a {type(other).__name__}")
        for dataset in (self, other):
            if dataset._sums is None and not dataset._is_stackable:
                raise ValueError(
                    f"dataset {dataset.name!r} has safe bins but lacks counts_off, acceptance or acceptance_off, so it "
                    "cannot be stacked; give it these maps, or set its mask_safe to False"
                )
        with self._memory_errors("stacking"):
            if self._sums is None:
                names = ("counts_off", "acceptance", "background", "acceptance_off")
                where: dict[str, Any] = {"device": self.device, "dtype": self.precision}
                sums = OnOffSums(**{name: Map.from_geom(self._geom, **where) for name in names})
                sums.add(self._off_parts(), None, nan_to_num)
                self._sums = sums
            self._sums.add(other._off_parts(), other.mask_safe, nan_to_num)
        super().stack(other, nan_to_num=nan_to_num)

    # --- making others of it

    def to_map_dataset(self, name: str | None = None) -> MapDataset:
        """Dataset with the Cash statistic, whose known background is ``alpha * counts_off``."""
        return MapDataset(name=name, **self._parts_with_background())

    def _parts_with_background(self) -> dict[str, Any]:
        names = ("counts", "exposure", "background", "psf", "edisp", "mask_safe", "mask_fit")
        parts = {part: getattr(self, part) for part in names}
        return parts | {"gti": self._gti.fork(), "meta_table": self._meta_table.fork()}

    def downsample(self, factor: int, axis_name: str | None = None, name: str | None = None) -> Self:
        """Join pixels, or bins of an axis; the acceptance of the OFF region then keeps the background.

        Parameters
        ----------
        factor : int
        axis_name : str, axis whose bins are joined; pixels by default
        name : str, of the new dataset
        """
        maps = transforms.downsample(self, factor, axis_name)
        if axis_name is not None and axis_name not in self.counts.geom.axes.names:  # the OFF maps do not have it either
            off = {part: getattr(self, part) for part in ("counts_off", "acceptance", "acceptance_off")}
            return self._derived(name, maps | {part: data.copy() for part, data in off.items() if data is not None})
        counted = {"factor": factor, "preserve_counts": True, "axis_name": axis_name, "weights": self.mask_safe}
        mean = {"factor": factor, "preserve_counts": False, "axis_name": axis_name}
        return self._derived(name, maps | self._joined("downsample", counted, mean))

    def resample_energy_axis(self, energy_axis: MapAxis, name: str | None = None) -> Self:
        """Join bins of reconstructed energy to those of another axis, inside the safe mask.

        Parameters
        ----------
        energy_axis : MapAxis, whose edges are among those of the dataset
        name : str, of the new dataset
        """
        maps = transforms.resample_energy_axis(self, energy_axis)
        keywords = {"axis": energy_axis, "weights": self.mask_safe}
        return self._derived(name, maps | self._joined("resample_axis", keywords, keywords))

    def _joined(self, method: str, counted: dict[str, Any], averaged: dict[str, Any]) -> dict[str, Any]:
        """OFF maps with bins joined by a method of maps; its keywords for counts and for acceptances."""
        joined: dict[str, Any] = {}
        if self.counts_off is not None:
            joined["counts_off"] = getattr(self.counts_off, method)(**counted)
        if self.acceptance is not None:
            joined["acceptance"] = getattr(self.acceptance, method)(**averaged)
        if self.acceptance_off is not None:
            joined["acceptance_off"] = getattr(self.acceptance_off, method)(**averaged)
        if len(joined) == 3:
            background = getattr(self.background, method)(**counted)
            sums = OnOffSums(background=background, **joined)
            joined["acceptance_off"] = sums.maps()[2]
        return joined
