"""The background template, normalised on the counts of the whole field of view."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightpool.arrays import to_host
from lightpool.arrays.reductions import sums_in_masks
from lightpool.datasets.models import FoVBackgroundModel, Models
from lightpool.datasets.spectral_norms import NormSpectralModel, find_norm_model
from lightpool.makers.core import Maker
from lightpool.makers.norm_fit import fit_norm
from lightpool.maps import Map, RegionGeom

__all__ = ["FoVBackgroundMaker"]

log = logging.getLogger(__name__)


class FoVBackgroundMaker(Maker):
    """Normalise the background of a dataset on its counts outside an exclusion mask.

    The counts and the background summed over the pixels of each energy bin are all that a norm which depends on energy
    only needs: two short vectors leave the device, the rest is done on the host.

    Parameters
    ----------
    method : {"scale", "fit"}
        ``scale`` multiplies by counts over background. ``fit`` maximises the Poisson likelihood over the free
        parameters of the spectral model.
    exclusion_mask : WcsNDMap of bool, optional
        False where gamma rays are expected. It may have another geometry than the dataset.
    spectral_model : norm spectral model or its tag, default ``pl-norm``
        Used when the dataset has no background model yet.
    min_counts : float
        With as many counts or fewer outside the exclusion, the background stays as it is and the dataset is masked.
    min_npred_background : float
        The same for the background.
    """

    tag = "FoVBackgroundMaker"
    available_methods = ("fit", "scale")

    def __init__(
        self,
        method: str = "scale",
        exclusion_mask: Map | None = None,
        spectral_model: str | NormSpectralModel = "pl-norm",
        min_counts: float = 0,
        min_npred_background: float = 0,
    ) -> None:
        if method not in self.available_methods:
            raise ValueError(f"method must be one of {self.available_methods}, got {method!r}")
        if exclusion_mask is not None and not exclusion_mask.is_mask:
            raise TypeError(
                f"exclusion_mask must be a map of bool, got one of {exclusion_mask.data.dtype}; "
                "geom.region_mask(regions, inside=False) makes one"
            )
        self.method = method
        self.exclusion_mask = exclusion_mask
        self.spectral_model = find_norm_model(spectral_model)() if isinstance(spectral_model, str) else spectral_model
        self.min_counts = min_counts
        self.min_npred_background = min_npred_background

    def make_exclusion_mask(self, dataset: Any) -> Map:
        """Exclusion mask on the geometry and the device of the dataset; True everywhere if there is none."""
        geom, device = dataset._geom, dataset.device
        if self.exclusion_mask is None:
            ones = device.xp.ones(geom.data_shape, dtype=device.xp.bool, device=device.handle)
            return Map.from_geom(geom, data=ones, device=device)
        return self.exclusion_mask.to(device).interp_to_geom(geom)

    def run(self, dataset: Any, observation: Any = None) -> Any:
        """Give the dataset a background model with the best norm.

        Parameters
        ----------
        dataset : MapDataset with counts and background, changed in place
        observation : not used

        Returns
        -------
        dataset : the same dataset; ``mask_safe`` is False everywhere where no norm can be found, with a warning
        """
        if isinstance(dataset.counts.geom, RegionGeom):
            raise TypeError(
                "FoVBackgroundMaker needs a dataset on a sky map, got one on a region; "
                "for regions use ReflectedRegionsBackgroundMaker"
            )
        if dataset.background is None:
            raise ValueError(
                f"dataset {dataset.name!r} has no background to normalise; "
                "run MapDatasetMaker with 'background' in its selection first"
            )
        if dataset.background_model is None:
            model = FoVBackgroundModel(dataset_name=dataset.name, spectral_model=self.spectral_model.copy())
            dataset.models = Models([*(dataset.models or []), model])
        sums = _sums_per_energy(dataset, self.make_exclusion_mask(dataset))
        reason = self._too_little(sums)
        if reason is None and self.method == "fit":
            axis = dataset.counts.geom.axes["energy"]
            reason = fit_norm(dataset.background_model.spectral_model, axis.center, sums.counts, sums.template)
        elif reason is None:
            _scale_norm(dataset.background_model.spectral_model, sums)
        if reason is not None:
            log.warning("dataset %s: background not normalised, mask_safe set to False: %s", dataset.name, reason)
            dataset.mask_safe = Map.from_geom(dataset._geom, dtype=bool, device=dataset.device)
        return dataset

    def _too_little(self, sums: "_Sums") -> str | None:
        counts, background = float(sums.counts.sum()), float(sums.background.sum())
        if not (np.isfinite(counts) and np.isfinite(background)):
            return f"counts ({counts}) or background ({background}) outside the exclusion is not finite"
        if background <= self.min_npred_background:
            least = self.min_npred_background
            return f"background outside the exclusion is {background:.6g}, needed are more than {least}"
        if counts <= self.min_counts:
            return f"counts outside the exclusion are {counts:.6g}, needed are more than {self.min_counts}"
        return None


@dataclass(frozen=True)
class _Sums:
    """Sums over the kept pixels of each energy bin, float arrays of shape (n_energy,)."""

    counts: np.ndarray[Any, Any]
    template: np.ndarray[Any, Any]  # background before its model
    background: np.ndarray[Any, Any]  # background with its model as it is


def _sums_per_energy(dataset: Any, exclusion: Map) -> _Sums:
    masks = [mask.data for mask in (exclusion, dataset.mask_safe, dataset.mask_fit) if mask is not None]
    sums = sums_in_masks([dataset.counts.data, dataset.background.data], masks)
    counts_sum, template_sum = to_host(sums)  # host: two short vectors
    norm = dataset.background_model.evaluate(dataset.counts.geom.axes["energy"].center)
    return _Sums(counts_sum, template_sum, template_sum * norm)


def _scale_norm(model: Any, sums: _Sums) -> None:
    if not hasattr(model, "norm"):
        raise TypeError(f"method 'scale' needs a model with one norm, got {type(model).__name__}; use method='fit'")
    before = model.norm.value
    model.norm.value = before * sums.counts.sum() / sums.background.sum()
    model.norm.error = before * np.sqrt(sums.counts.sum()) / sums.background.sum()
