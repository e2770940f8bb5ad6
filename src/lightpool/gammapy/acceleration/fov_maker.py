"""Gammapy's `FoVBackgroundMaker`."""

from dataclasses import dataclass

import numpy as np
from gammapy.data import Observation as GammapyObservation
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.makers import FoVBackgroundMaker as GammapyFoVBackgroundMaker
from gammapy.modeling import Fit as GammapyFit
from gammapy.modeling.models import FoVBackgroundModel as GammapyFoVBackgroundModel

from lightpool.arrays import to_host
from lightpool.datasets import FoVBackgroundModel, MapDataset
from lightpool.datasets.models.spectral_norms import NormSpectralModel
from lightpool.gammapy.acceleration.exchange import lightpool_dataset, require_dataset
from lightpool.gammapy.acceleration.lazy_maps import lightpool_values
from lightpool.gammapy.acceleration.makers import declare_maker
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError
from lightpool.gammapy.conversion import from_gammapy
from lightpool.makers import FoVBackgroundMaker
from lightpool.maps import Map

__all__: list[str] = []


def _convert(maker: GammapyFoVBackgroundMaker) -> FoVBackgroundMaker:
    if getattr(maker, "default_spatial_model", None) is not None:  # Gammapy 1.3 has no such option
        raise NotTakenOverError("a background model with a spatial model")
    spectral_model = from_gammapy(maker.default_spectral_model)
    assert isinstance(spectral_model, NormSpectralModel)  # spectral models are converted to spectral models
    return FoVBackgroundMaker(
        method=maker.method,
        exclusion_mask=None if maker.exclusion_mask is None else lightpool_values(maker.exclusion_mask),
        spectral_model=spectral_model,
        min_counts=maker.min_counts,
        min_npred_background=maker.min_npred_background,
    )


def _run(
    maker: GammapyFoVBackgroundMaker, dataset: GammapyMapDataset, observation: GammapyObservation | None = None
) -> Commit:
    _require_known(maker, dataset)
    our_maker = _convert(maker)
    ours = lightpool_dataset(dataset, parts=("counts", "background", "mask_safe", "mask_fit"))
    safe_before, mask_fit = ours.mask_safe, dataset.mask_fit
    made = our_maker.run(ours)
    _require_norm(made, safe_before)
    model = made.background_model
    assert model is not None  # the maker has added one
    result = _Result.of(model, maker.method)
    fitted = None
    if mask_fit is not None:
        # Gammapy leaves the product of both masks on the dataset.
        fitted = mask_fit.data & to_host(our_maker.make_exclusion_mask(ours).data)  # host: masks of Gammapy

    def commit() -> GammapyMapDataset:
        if fitted is not None:
            mask_fit.data = fitted
        if dataset.background_model is None:
            maker.make_default_fov_background_model(dataset)
        result.give(dataset.background_model)
        return dataset

    return commit


@dataclass(frozen=True)
class _Result:
    """Parameters of a background model; by name, because versions of Gammapy differ in their order.

    Attributes
    ----------
    values, errors : dict of parameters that were determined
    covariance : dict of pairs of them, in a fit
    """

    values: dict[str, float]
    errors: dict[str, float]
    covariance: dict[tuple[str, str], float]

    @classmethod
    def of(cls, model: FoVBackgroundModel, method: str) -> "_Result":
        """Return what a maker has determined.

        Parameters
        ----------
        model : FoVBackgroundModel
        method : str, "fit" or "scale"
        """
        known = [each for each in model.parameters if (not each.frozen if method == "fit" else each.name == "norm")]
        values = {each.name: float(each.value) for each in known}
        errors = {each.name: float(each.error) for each in known}
        if method == "scale":
            return cls(values, errors, {})
        names = list(enumerate(each.name for each in model.parameters))
        covariance = model.covariance
        return cls(values, errors, {(one, other): float(covariance[i, j]) for i, one in names for j, other in names})

    def give(self, model: GammapyFoVBackgroundModel) -> None:
        """Set the parameters of a model of Gammapy."""
        parameters = {each.name: each for each in model.parameters}
        for name, value in self.values.items():
            parameters[name].value = value
        if self.covariance:
            names = [each.name for each in model.parameters]
            model.covariance = np.array([[self.covariance[one, other] for other in names] for one in names])
        for name, error in self.errors.items():
            parameters[name].error = error


def _require_known(maker: GammapyFoVBackgroundMaker, dataset: GammapyMapDataset) -> None:
    """Raise an error for what Gammapy refuses or lightpool lacks."""
    require_dataset(dataset)
    if dataset.counts.geom.is_region or dataset.background is None:
        raise NotTakenOverError("a dataset without pixels or without background")
    others = [model for model in dataset.models or [] if not isinstance(model, GammapyFoVBackgroundModel)]
    if others:
        raise NotTakenOverError("a dataset with models of sources")
    model = dataset.background_model
    if model is not None and model.name != f"{dataset.name}-bkg":
        raise NotTakenOverError("a background model with a name of its own")
    parameters = maker.default_spectral_model.parameters if model is None else model.parameters
    free = [parameter for parameter in parameters if not parameter.frozen]
    if maker.method == "scale":
        return
    # Gammapy's fit keeps its minimiser.
    options, plain = ({**vars(fit), "_minuit": None} for fit in (maker.fit, GammapyFit()))
    if options != plain:
        raise NotTakenOverError("a fit with its own options")
    if not all(np.isnan([each.min, each.max]).all() and each.prior is None for each in free):
        raise NotTakenOverError("a fit of parameters with limits or a prior")


def _require_norm(made: MapDataset, safe_before: Map | None) -> None:
    """Raise an error if the background was not normalised: Gammapy decides then what to do, and says why."""
    mask = made.mask_safe
    if mask is safe_before or mask is None:
        return
    if not to_host(mask.device.xp.any(mask.data)):  # host: a decision
        raise NotTakenOverError("a background that cannot be normalised")


declare_maker(GammapyFoVBackgroundMaker, _convert, _run)
