"""Statistics of a dataset: how well the counts agree with the prediction, and how significant the excess is.

A dataset has one object of this module as ``dataset.statistic``: the Cash statistic where the background is known, the
W statistic where it was measured in OFF regions.
"""

from abc import ABC, abstractmethod
from typing import Generic, TypedDict, TypeVar

import numpy as np

from lightpool.arrays import array_namespace
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.datasets.base import DatasetBase
from lightpool.stats import CashCountsStatistic, CountsStatistic, cash, cash_sum

__all__ = ["CashOfDataset", "OffInfo", "StatisticOfDataset", "masked_sum"]

DatasetT = TypeVar("DatasetT", bound=DatasetBase)


def masked_sum(data: Array, mask: Array | None = None) -> Array:
    """Sum an array in float64.

    Parameters
    ----------
    data : array
    mask : array of bool, same shape; only the elements where it is True are summed, all if there is none
    """
    xp = array_namespace(data)
    # Not a product with the mask, because NaN times zero is NaN. In float32 a sum is not exact above 2**24 counts.
    return xp.sum(data if mask is None else xp.where(mask, data, xp.zeros_like(data)), dtype=xp.float64)


class OffInfo(TypedDict, total=False):
    """Summary values that only a dataset with OFF counts has."""

    counts_off: int
    acceptance: float
    acceptance_off: float
    alpha: float


class StatisticOfDataset(ABC, Generic[DatasetT]):
    """Statistic of a dataset.

    Parameters
    ----------
    dataset : DatasetBase
    """

    def __init__(self, dataset: DatasetT) -> None:
        self.dataset = dataset

    @property
    @abstractmethod
    def is_meaningful(self) -> bool:
        """Whether the prediction is meant to be compared with the counts."""

    @property
    @abstractmethod
    def per_bin(self) -> CountsStatistic:
        """Excess and significance of each bin."""

    @abstractmethod
    def array(self) -> Array:
        """Return the statistic per bin, an array on the device of the dataset."""

    @abstractmethod
    def sum(self) -> Array:
        """Return the statistic inside the mask, an array without dimensions on the device of the dataset."""

    @abstractmethod
    def of_sums(self, sums: dict[str, float]) -> CountsStatistic:
        """Return excess and significance of all bins together, from the numbers of `sums_inside` and others."""

    def sums_inside(self, mask: Array | None) -> dict[str, Array]:
        """Return sums inside a mask that only this kind of dataset has, on the device."""
        return {}

    def info(self, sums: dict[str, float]) -> OffInfo:
        """Return the summary values that only this kind of dataset has, from these sums."""
        return {}


class CashOfDataset(StatisticOfDataset[DatasetBase]):
    """Cash statistic of a dataset with counts and a known background."""

    @property
    def is_meaningful(self) -> bool:
        """Whether the dataset has models; without them a background is not meant to be compared with the counts."""
        return self.dataset.models is not None

    @property
    def per_bin(self) -> CountsStatistic:
        """Excess and significance of each bin."""
        background = self.dataset.npred_background()
        return CashCountsStatistic(self.dataset.required("counts"), np.nan if background is None else background)

    def array(self) -> Array:
        """Return the statistic per bin, an array on the device of the dataset."""
        return cash(*self._counts_and_npred())

    def sum(self) -> Array:
        """Return the statistic inside the mask, an array without dimensions on the device of the dataset."""
        mask = self.dataset.mask
        return cash_sum(*self._counts_and_npred(), None if mask is None else mask.data)

    def _counts_and_npred(self) -> tuple[Array, Array]:
        """Return arrays of float64: small differences of the statistic are compared."""
        counts, npred = self.dataset.required("counts"), self.dataset.npred()
        return as_dtype(counts.data, "float64"), as_dtype(npred.data, "float64")

    def of_sums(self, sums: dict[str, float]) -> CountsStatistic:
        """Return excess and significance of all bins together, from the sums of counts and predicted background."""
        return CashCountsStatistic(sums.get("counts", 0.0), sums.get("npred_background", np.nan))
