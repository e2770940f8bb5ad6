"""The field-of-view background: the background template, normalised on the counts of the whole field of view."""

import logging
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from lightpool.arrays import DeferredNumbers, array_namespace, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.kernels.reductions import sums_in_masks
from lightpool.bridge import accepts_gammapy, gammapy_bridge
from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.datasets.masks import all_true
from lightpool.datasets.models.background_model import FoVBackgroundModel
from lightpool.datasets.models.spectral_norms import NormSpectralModel, find_norm_model
from lightpool.makers.background.norm_fit import fit_norm
from lightpool.makers.background.norm_nodes import norm_by_counts
from lightpool.makers.core import Maker, check_run, checked_mask
from lightpool.makers.differences import announce_of_dataset
from lightpool.maps import Map, RegionGeom
from lightpool.maps.rows_and_columns import as_images, images_to_sum
from lightpool.typing import GammapyObject
from lightpool.utils.deviations import deviates, deviations_are_heard

__all__ = ["FoVBackgroundMaker"]

log = logging.getLogger(__name__)

AnyDataset = TypeVar("AnyDataset", bound=MapDataset)

_USUAL_NORM = (0.4, 2.5)
"""Norms outside this range are reported: templates for the right observing conditions need less correction."""


class FoVBackgroundMaker(Maker):
    """Normalise the background of a dataset on its counts outside an exclusion mask.

    A norm that depends only on energy needs only the counts and the background summed over the pixels of each energy
    bin. For a fit these short vectors are copied from the device. A scale is computed on the device, and copied when
    its value is needed.

    Parameters
    ----------
    method : {"scale", "fit"}
        ``scale`` multiplies the norm by counts over background; its error is that of the counts, the norm times
        ``sqrt(counts) / background``. ``fit`` maximises the Poisson likelihood over the free parameters of the spectral
        model.
    exclusion_mask : WcsNDMap of bool, optional
        False where gamma rays are expected. It may have another geometry than the dataset.
    spectral_model : norm spectral model or its tag, default ``pl-norm``
        Used if the dataset has no background model yet.
    spatial_model : spatial model of Gammapy or its tag, optional
        Multiplies the background as a function of the position, if the dataset has no background model yet. Gammapy,
        which must be installed, normalises such a background; its unit is dropped.
    min_counts : float
        Unless there are more counts outside the exclusion, the background stays as it is and the dataset is masked.
    min_npred_background : float
        The same for the predicted background.
    fit : Fit of Gammapy, optional
        Does the fit in place of lightpool, for method ``fit``; Gammapy must be installed.
    node_min_counts : float, optional
        For method ``fit``: give each dataset that has no background model yet a piecewise norm, whose nodes are chosen
        by its counts outside the exclusion and inside its masks, instead of ``spectral_model``. Energy bins are joined,
        from the lowest upwards, until each interval has at least that many counts; what is left at the upper end is
        part of the last interval; the nodes are in the middle of the intervals in log energy. With counts for one
        interval only, the norm is the same at all energies.

    Notes
    -----
    Source: Berge, Funk & Hinton 2007, A&A 466, 1219, and Mohrmann et al. 2019, A&A 632, A72.
    """

    tag = "FoVBackgroundMaker"
    available_methods = ("fit", "scale")

    @accepts_gammapy
    def __init__(
        self,
        method: str = "scale",
        exclusion_mask: Map | None = None,
        spectral_model: str | NormSpectralModel = "pl-norm",
        spatial_model: GammapyObject = None,
        min_counts: float = 0,
        min_npred_background: float = 0,
        fit: GammapyObject = None,
        *,
        node_min_counts: float | None = None,
    ) -> None:
        self.method = method
        self.exclusion_mask = checked_mask(exclusion_mask)
        self.spectral_model = _norm_model(spectral_model)
        self.min_counts = min_counts
        self.min_npred_background = min_npred_background
        # Loaded now, so that a missing Gammapy is reported here.
        self.spatial_model = None if spatial_model is None else gammapy_bridge().spatial_model(spatial_model)
        if fit is not None and not callable(getattr(fit, "run", None)):
            raise TypeError(f"fit must be a Fit of Gammapy, with a method 'run', got {type(fit).__name__}")
        self.fit = fit
        self.node_min_counts = node_min_counts
        if node_min_counts is not None:
            self._check_nodes(node_min_counts)

    def _check_nodes(self, min_counts: float) -> None:
        if not min_counts > 0:
            raise ValueError(f"node_min_counts must be above zero, got {min_counts}")
        if self.method != "fit" or self.fit is not None or self.spatial_model is not None:
            raise ValueError(
                f"node_min_counts needs method='fit' without a spatial model and without a Fit of Gammapy, got "
                f"method={self.method!r}; set method='fit', or leave node_min_counts out"
            )

    @property
    def method(self) -> str:
        """How the background is normalised: ``scale`` or ``fit``."""
        return self._method

    @method.setter
    def method(self, method: str) -> None:
        if method not in self.available_methods:
            raise ValueError(f"method must be one of {self.available_methods}, got {method!r}")
        self._method = method

    @property
    def default_spectral_model(self) -> NormSpectralModel:
        """The spectral model for datasets without a background model, as Gammapy calls it."""
        return self.spectral_model

    @default_spectral_model.setter
    def default_spectral_model(self, model: str | NormSpectralModel) -> None:
        self.spectral_model = _norm_model(model)

    @property
    def default_spatial_model(self) -> GammapyObject:
        """The spatial model for datasets without a background model, as Gammapy calls it."""
        return self.spatial_model

    @default_spatial_model.setter
    def default_spatial_model(self, model: GammapyObject) -> None:
        self.spatial_model = None if model is None else gammapy_bridge().spatial_model(model)

    def make_default_fov_background_model(self, dataset: AnyDataset) -> AnyDataset:
        """Add a model of the background, with the spectral and spatial model of the maker, to a dataset; return it.

        Parameters
        ----------
        dataset : MapDataset, changed in place
        """
        others: GammapyObject = dataset.models or ()
        spectral_model = self.spectral_model.copy()
        if self.spatial_model is None:
            model: GammapyObject = FoVBackgroundModel(dataset_name=dataset.name, spectral_model=spectral_model)
        else:
            model = gammapy_bridge().spatial_background_model(dataset.name, spectral_model, self.spatial_model)
        dataset.models = [*others, model]
        return dataset

    def make_background_fit(self, dataset: AnyDataset) -> AnyDataset:
        """Fit the background model of a dataset to its counts inside its masks; return the dataset.

        Parameters
        ----------
        dataset : MapDataset with a background model, changed in place
        """
        if self._needs_gammapy(dataset, "fit"):
            gammapy_bridge().fit_background(self, dataset)
        else:
            self._fit(dataset, _sums_per_energy(dataset, None))
        return dataset

    def make_background_scale(self, dataset: AnyDataset) -> AnyDataset:
        """Scale the background model of a dataset to its counts inside its masks; return the dataset.

        Parameters
        ----------
        dataset : MapDataset with a background model, changed in place
        """
        if self._needs_gammapy(dataset, "scale"):
            gammapy_bridge().scale_background(self, dataset)
        else:
            self._scale(dataset, _sums_per_energy(dataset, None))
        return dataset

    def _needs_gammapy(self, dataset: MapDataset, method: str) -> bool:
        if dataset.background_model is None:
            raise ValueError(
                f"dataset {dataset.name!r} has no background model; make_default_fov_background_model adds one"
            )
        return dataset.counterpart is not None or (method == "fit" and self.fit is not None)

    def make_exclusion_mask(self, dataset: MapDataset) -> Map:
        """Return the exclusion mask on the geometry and the device of a dataset; True everywhere if there is none."""
        geom, device = dataset.geom, dataset.device
        if self.exclusion_mask is None:
            return all_true(geom, device)
        return self.exclusion_mask.to(device).interp_to_geom(geom)

    @accepts_gammapy
    def run(self, dataset: AnyDataset, observation: Observation | None = None) -> AnyDataset:
        """Give the dataset a background model with the best norm.

        Parameters
        ----------
        dataset : MapDataset
            With counts and background; changed in place.
        observation : Observation, optional
            Not used.

        Returns
        -------
        dataset : MapDataset
            The same dataset. If no norm can be determined, its ``mask_safe`` is False everywhere, with a warning.
        """
        check_run(self.tag, dataset, observation, needs_observation=False)
        if isinstance(dataset.geom, RegionGeom):
            raise TypeError(
                "FoVBackgroundMaker needs a dataset on a sky map, got one on a region; "
                "for regions use ReflectedRegionsBackgroundMaker"
            )
        for name, what in (("background", "to normalise"), ("counts", "to normalise the background on")):
            if getattr(dataset, name) is None:
                raise ValueError(
                    f"dataset {dataset.name!r} has no {name} {what}; "
                    f"run MapDatasetMaker with {name!r} in its selection first"
                )
        if self.node_min_counts is not None:
            self._check_nodes(self.node_min_counts)  # attributes may have been set since
        self._announce_differences(dataset)
        # A model that is there already is kept, and its norm is the start.
        is_new = dataset.background_model is None
        if is_new:
            self.make_default_fov_background_model(dataset)
        if self._needs_gammapy(dataset, self.method):
            gammapy_bridge().normalise_background(self, dataset)
            return dataset
        sums = _sums_per_energy(dataset, self.make_exclusion_mask(dataset))
        if self.method == "fit":
            self._fit(dataset, sums, self.node_min_counts if is_new else None)
        else:
            self._scale(dataset, sums)
        return dataset

    def _announce_differences(self, dataset: MapDataset) -> None:
        announce_of_dataset(dataset)
        if self.method == "fit" and self.fit is None:
            deviates("fit of the field-of-view background")
        elif self.method == "scale" and dataset.background_model is not None and deviations_are_heard():
            norm = getattr(_spectral_model(dataset), "norm", None)
            if norm is not None and norm.value != 1:
                deviates("scale of a background that has a norm already")

    def _fit(self, dataset: MapDataset, sums: "_Sums", node_min_counts: float | None = None) -> None:
        device, axis = dataset.device, dataset.required("counts").geom.axes["energy"]
        # host: a fit needs the counts and the background per energy
        counts, template, background = to_host(device.xp.stack([sums.counts, sums.template, sums.background]))
        reason = self._limits.broken_by(float(counts.sum()), float(background.sum()))
        if reason is None and node_min_counts is not None:
            _replace_norm(dataset, norm_by_counts(axis.edges, counts, template, node_min_counts))
        if reason is None:
            fit = fit_norm(_spectral_model(dataset), axis.center, counts, template)
            reason = fit.reason
            if fit.covariance is not None and dataset.background_model is not None:
                dataset.background_model.covariance = fit.covariance
        if reason is not None:
            _warn(dataset.name, reason)
            dataset.mask_safe = Map.from_geom(dataset.geom, dtype=bool, device=device)

    def _scale(self, dataset: MapDataset, sums: "_Sums") -> None:
        """Compute the norm on the device of the dataset; it is copied from there when it is needed."""
        model, device = _spectral_model(dataset), dataset.device
        if not hasattr(model, "norm"):
            raise TypeError(f"method 'scale' needs a model with one norm, got {type(model).__name__}; use method='fit'")
        xp, limits = device.xp, self._limits
        # Numbers on the device: to read them here would make the host wait for everything that was launched before.
        counts, background = xp.sum(sums.counts), xp.sum(sums.background)
        enough = limits.kept_by(counts, background)
        # 1 where there is too little, so that the quotients below are finite; they are not used there.
        n_on, n_background = (xp.where(enough, number, 1.0) for number in (counts, background))
        before = model.norm.value_on(device)
        # `sums.background` contains the norm so far: the quotient corrects it, and a second run changes nothing.
        norm = xp.where(enough, before * n_on / n_background, before)
        error = xp.where(enough, before * xp.sqrt(n_on) / n_background, model.norm.error_on(device))
        numbers = DeferredNumbers(
            xp.stack([norm, error, counts, background]), partial(_warn_of_numbers, dataset.name, limits)
        )
        model.norm.value, model.norm.error = numbers[0], numbers[1]
        # Not read yet: the mask is cut by a bool on the device. On the host the numbers are read at once.
        if dataset.mask_safe is not None and not numbers.is_read:
            dataset.mask_safe = dataset.mask_safe.copy(data=dataset.mask_safe.data & enough)
        # Without a safe mask this reads the numbers: a mask is made only if the background is not normalised.
        elif limits.broken_by(*numbers.numbers[2:]) is not None:
            dataset.mask_safe = Map.from_geom(dataset.geom, dtype=bool, device=device)

    @property
    def _limits(self) -> "_Limits":
        return _Limits(self.min_counts, self.min_npred_background)


def _spectral_model(dataset: MapDataset) -> NormSpectralModel:
    model = dataset.background_model
    assert model is not None  # `FoVBackgroundMaker.run` adds one
    return model.spectral_model


def _replace_norm(dataset: MapDataset, norm: NormSpectralModel) -> None:
    """Give the background model of a dataset another norm."""
    before: GammapyObject = dataset.background_model
    others: GammapyObject = [model for model in dataset.models or () if model is not before]
    dataset.models = [*others, FoVBackgroundModel(dataset_name=dataset.name, spectral_model=norm)]


def _norm_model(model: str | NormSpectralModel) -> NormSpectralModel:
    if isinstance(model, str):
        return find_norm_model(model)()
    if type(model).__module__.startswith("gammapy."):  # copied for each dataset, so it may be converted
        converted: NormSpectralModel = gammapy_bridge().from_gammapy(model)
        return converted
    return model


@dataclass(frozen=True)
class _Limits:
    """Limits that counts and background must exceed."""

    counts: float
    background: float

    def kept_by(self, counts: Array, background: Array) -> Array:
        """Return whether two numbers, arrays without dimensions, are finite and above the limits."""
        xp = array_namespace(counts, background)
        # Comparisons with NaN are False, but an infinite background would pass them.
        is_finite = xp.isfinite(counts) & xp.isfinite(background)
        return is_finite & (background > self.background) & (counts > self.counts)

    def broken_by(self, counts: float, background: float) -> str | None:
        """Return why two numbers are not above the limits, None if they are."""
        if not (np.isfinite(counts) and np.isfinite(background)):
            return f"counts ({counts}) or background ({background}) outside the exclusion is not finite"
        if background <= self.background:
            return f"background outside the exclusion is {background:.6g}, it must exceed {self.background}"
        if counts <= self.counts:
            return f"counts outside the exclusion are {counts:.6g}, they must exceed {self.counts}"
        return None


def _warn(name: str, reason: str) -> None:
    log.warning("dataset %s: background not normalised, mask_safe set to False: %s", name, reason)


def _warn_of_numbers(name: str, limits: _Limits, numbers: tuple[float, ...]) -> None:
    """Warn if counts and background, which follow norm and error, are too small, or the norm is unusual."""
    norm, _, counts, background = numbers
    reason = limits.broken_by(counts, background)
    if reason is not None:
        _warn(name, reason)
    elif not _USUAL_NORM[0] <= norm <= _USUAL_NORM[1]:
        log.warning(
            "dataset %s: the norm of the background is %.3g, from %.6g counts and a background of %.6g outside the "
            "exclusion; usual values are %g to %g. Is the exclusion mask inverted, or a source missing in it?",
            name,
            norm,
            counts,
            background,
            *_USUAL_NORM,
        )


@dataclass(frozen=True)
class _Sums:
    """Sums over the kept pixels of each energy bin, arrays of float64 of shape (n_energy,) on the device."""

    counts: Array
    template: Array  # background before its model
    background: Array  # background with its model as it is


def _sums_per_energy(dataset: MapDataset, exclusion: Map | None) -> _Sums:
    masks = [as_images(mask) for mask in (exclusion, dataset.mask_safe, dataset.mask_fit) if mask is not None]
    # shape (2, n_energy)
    sums = sums_in_masks([images_to_sum(dataset.required(name)) for name in ("counts", "background")], masks)
    counts, template = sums[0, ...], sums[1, ...]
    energy = dataset.required("counts").geom.axes["energy"].center
    return _Sums(counts, template, template * _spectral_model(dataset).evaluate_on(energy, dataset.device))
