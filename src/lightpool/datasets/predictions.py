"""What a dataset predicts, and how well the counts agree with it."""

from typing import Any, Self

import numpy as np

from lightpool.arrays import array_namespace, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name
from lightpool.datasets.models.background_models import DatasetModels, FoVBackgroundModel
from lightpool.maps import Map
from lightpool.stats import CashCountsStatistic, CountsStatistic, cash, cash_sum

__all__ = ["DatasetPredictions"]


class DatasetPredictions:
    """Predicted counts and the Cash statistic of a dataset with counts and background; base of `MapDataset`."""

    counts: Any
    background: Any
    name: str
    models: DatasetModels | None
    mask: Any
    device: Any
    precision: Any
    _geom: Any
    maps: Any
    meta: Any
    _derived: Any

    @property
    def background_model(self) -> FoVBackgroundModel | None:
        """Model of the background, None if there is none."""
        if not self.models or self.name not in self.models.background_models:
            return None
        model: FoVBackgroundModel = self.models[self.models.background_models[self.name]]
        return model

    @property
    def excess(self) -> Any:
        """Counts minus background, before the background model; None without a background."""
        background = self.background
        return None if background is None else self.counts - background

    def npred_background(self) -> Map | None:
        """Predict the counts of the background: the background times its model."""
        background: Map | None = self.background
        factors = self._background_factors
        if background is None or factors is None:
            return background
        data = background.data * factors
        npred: Map = Map.from_geom(background.geom, data=data, unit=background.unit, device=background.device)
        return npred

    def with_predicted_background(self) -> Self:
        """Dataset of the same name and maps, whose background is the predicted one; itself without a model.

        A file of a dataset holds no models: written as it is, the background would lose its norm.
        """
        if self.background_model is None:
            return self
        applied: Self = self._derived(self.name, self.maps | {"background": self.npred_background()}, meta=self.meta)
        return applied

    @property
    def _background_factors(self) -> Array | None:
        """What the model of the background multiplies it by, one number for each energy; None without a model."""
        background, model = self.background, self.background_model
        if model is None or background is None:
            return None
        return as_dtype(model.factors_on(background.geom, background.device), dtype_name(background.data))

    def npred_signal(self) -> Map:
        """Predict the counts of sources: zero, since a reduction has no source models."""
        npred: Map = Map.from_geom(self._geom, dtype=self.precision, device=self.device)
        return npred

    def npred(self) -> Map:
        """Predict the counts, from the background and its model; never below zero."""
        background = self.npred_background()
        if background is None:
            return self.npred_signal()
        xp = array_namespace(background.data)
        data = xp.where(background.data < 0.0, xp.zeros_like(background.data), background.data)
        npred: Map = Map.from_geom(background.geom, data=data, unit=background.unit, device=background.device)
        return npred

    @property
    def _counts_statistic(self) -> CountsStatistic:
        """Excess and significance of each bin."""
        background = self.npred_background()
        return CashCountsStatistic(self.counts, np.nan if background is None else background)

    def stat_array(self) -> Array:
        """Statistic per bin, an array on the device of the dataset."""
        return cash(*self._counts_and_npred())

    def stat_sum(self) -> float:
        """Statistic inside the mask."""
        return float(to_host(self._stat_sum_array()))

    def _stat_sum_array(self) -> Array:
        """Statistic inside the mask, an array without dimensions on the device of the dataset."""
        mask = self.mask
        return cash_sum(*self._counts_and_npred(), None if mask is None else mask.data)

    def _counts_and_npred(self) -> tuple[Array, Array]:
        """Arrays of float64: what is compared are small differences of the statistic."""
        return as_dtype(self.counts.data, "float64"), as_dtype(self.npred().data, "float64")

    @property
    def _has_statistic(self) -> bool:
        """Whether the statistic means anything: without models, a background is not meant to be compared."""
        return self.models is not None

    def _statistic_of_sums(self, sums: dict[str, float]) -> CountsStatistic:
        """Excess and significance of the bins together, from the figures of the dataset."""
        return CashCountsStatistic(sums.get("counts", 0.0), sums.get("npred_background", np.nan))

    def _further_scalars(self, mask: Array | None) -> dict[str, Array]:
        """Sums inside a mask that only this kind of dataset has, on the device."""
        return {}

    def _further_info(self, sums: dict[str, float]) -> dict[str, Any]:
        """Figures that only this kind of dataset has."""
        return {}

    def residuals(self, method: str = "diff", **kwargs: Any) -> Map:
        """Subtract the prediction from the counts; NaN outside the mask.

        Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)"}, what the difference is divided by
        **kwargs : arguments of `WcsNDMap.smooth`
            With any of them, counts and prediction inside the mask are smoothed before, by default with a ``width`` of
            0.1 deg and nothing beyond the border (``mode="constant"``).
        """
        counts, npred = (self._smoothed_inside(data, kwargs) for data in (self.counts, self.npred()))
        return _difference(counts, npred, method, self.mask).to(precision=self.precision)

    def _smoothed_inside(self, data: Any, options: dict[str, Any]) -> Any:
        """Map smoothed inside the mask, where there are options to do so."""
        if not options:
            return data
        options = {"width": "0.1 deg", "kernel": "gauss", "mode": "constant"} | options
        if self.mask is None:
            return data.smooth(**options)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (data * self.mask).smooth(**options) / self.mask.smooth(**options)

    def plot_residuals_spatial(
        self,
        ax: Any = None,
        method: str = "diff",
        smooth_kernel: str = "gauss",
        smooth_radius: Any = "0.1 deg",
        **kwargs: Any,
    ) -> Any:
        """Draw the residuals inside the mask, summed over energy and smoothed, on the sky; reads them.

        Parameters
        ----------
        ax : WCSAxes, optional
        method : {"diff", "diff/model", "diff/sqrt(model)"}, see `residuals`
        smooth_kernel : {"gauss", "disk", "box"}
        smooth_radius : Quantity, str or float (in pixels)
        **kwargs : dict, passed to `WcsNDMap.plot`
        """
        from lightpool.plot.datasets import plot_residuals_spatial  # matplotlib is heavy and optional

        if self._geom.is_region:
            raise ValueError(f"dataset {self.name!r} is of a region, its residuals have no place on the sky")

        def image(data: Any) -> Any:
            inside = data if self.mask is None else data * self.mask
            return inside.sum_over_axes(keepdims=False).smooth(smooth_radius, kernel=smooth_kernel)

        mask = None if self.mask is None else self.mask.reduce_over_axes(np.logical_or, keepdims=False)
        return plot_residuals_spatial(_difference(image(self.counts), image(self.npred()), method, mask), ax, **kwargs)


def _difference(counts: Any, npred: Any, method: str, mask: Any) -> Map:
    """Counts minus prediction over what the method says, NaN outside the mask."""
    model, xp = npred.data, array_namespace(npred.data)
    divisors = {"diff": xp.ones_like(model), "diff/model": model, "diff/sqrt(model)": xp.sqrt(model)}
    if method not in divisors:
        raise ValueError(f"method must be one of {list(divisors)}, got {method!r}")
    with np.errstate(invalid="ignore", divide="ignore"):
        data = (counts.data - model) / divisors[method]
    if mask is not None:
        data = xp.where(mask.data, data, xp.full_like(data, np.nan))
    difference: Map = Map.from_geom(counts.geom, data=data, device=counts.device)
    return difference
