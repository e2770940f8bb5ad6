"""Background models, their spectral models, and lists of them."""

import inspect
from collections.abc import Iterable, Sequence

import numpy as np
from gammapy.modeling import Parameter as GammapyParameter
from gammapy.modeling.models import DatasetModels as GammapyDatasetModels
from gammapy.modeling.models import FoVBackgroundModel as GammapyFoVBackgroundModel
from gammapy.modeling.models import Models as GammapyModels
from gammapy.modeling.models import PiecewiseNormSpectralModel as GammapyPiecewiseNormSpectralModel
from gammapy.modeling.models import PowerLawNormSpectralModel as GammapyPowerLawNormSpectralModel
from numpy.typing import NDArray

from lightpool.datasets.models.background_model import FoVBackgroundModel
from lightpool.datasets.models.model_lists import DatasetModels, Models
from lightpool.datasets.models.spectral_norms import (
    NormSpectralModel,
    PiecewiseNormSpectralModel,
    PowerLawNormSpectralModel,
)
from lightpool.gammapy.conversion.parameters import FromGammapyParameters, ToGammapyParameters
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.typing import GammapyObject

__all__ = [
    "FromGammapyModels",
    "ToGammapyModels",
    "are_correlated",
    "has_penalties",
    "is_convertible",
    "set_covariance",
]

_CHOOSES_NAME = "name" in inspect.signature(GammapyFoVBackgroundModel.__init__).parameters
"""Whether a background model can have another name than that of its dataset: from Gammapy 2.0 on."""

_SPECTRAL_MODELS = "PowerLawNormSpectralModel or PiecewiseNormSpectralModel"


class ToGammapyModels:
    """Converts models; a model or a parameter that several lists share stays one."""

    def __init__(self) -> None:
        self._parameters = ToGammapyParameters()
        self._models: dict[int, GammapyFoVBackgroundModel] = {}

    def spectral_model(self, model: NormSpectralModel) -> GammapyObject:
        """Convert a spectral model."""
        parameters = self._parameters.all(model.parameters)
        if isinstance(model, PowerLawNormSpectralModel):
            return GammapyPowerLawNormSpectralModel(**{each.name: each for each in parameters})
        if isinstance(model, PiecewiseNormSpectralModel):
            defaults = [each.fit_settings.get("default") for each in model.parameters]
            new = GammapyPiecewiseNormSpectralModel(
                energy=model.energy,
                norms=[
                    GammapyParameter(each.name, 1.0) if default is None else default
                    for each, default in zip(parameters, defaults, strict=True)
                ],
                interp=model.interp,
            )
            for each in parameters:  # its constructor copies them, which would separate linked parameters
                setattr(new, each.name, each)
            return new
        raise TypeError(f"to_gammapy got a {type(model).__name__}, expected a {_SPECTRAL_MODELS}")

    def model(self, model: FoVBackgroundModel) -> GammapyFoVBackgroundModel:
        """Convert a background model."""
        key = id(model)
        if key not in self._models:
            name = {"name": model.name} if _CHOOSES_NAME else {}
            new = GammapyFoVBackgroundModel(
                dataset_name=model.datasets_names[0], spectral_model=self.spectral_model(model.spectral_model), **name
            )
            if new.name != model.name:
                raise TypeError(f"background model {model.name!r} would be {new.name!r} in this version of Gammapy")
            new.datasets_names = list(model.datasets_names)
            set_covariance(new, model, model.covariance)
            self._models[key] = new
        return self._models[key]

    def models(self, models: DatasetModels) -> GammapyDatasetModels:
        """Convert a list of models and their joint covariance; one of Gammapy stays as it is."""
        if isinstance(models, GammapyDatasetModels):  # of a dataset with models that only Gammapy has
            return models
        kind = GammapyModels if isinstance(models, Models) else GammapyDatasetModels
        new = kind([self.model(model) for model in models])
        set_covariance(new, models, models.covariance)
        return new


class FromGammapyModels:
    """Converts background models of Gammapy; a model or a parameter that several lists share stays one."""

    def __init__(self) -> None:
        self._parameters = FromGammapyParameters()
        self._models: dict[int, FoVBackgroundModel] = {}

    def spectral_model(self, model: GammapyObject) -> NormSpectralModel:
        """Convert a spectral model."""
        if type(model) is GammapyPowerLawNormSpectralModel:
            return PowerLawNormSpectralModel(**{each.name: self._parameters.one(each) for each in model.parameters})
        if type(model) is GammapyPiecewiseNormSpectralModel:
            norms = self._parameters.all(model.parameters)
            for norm, default in zip(norms, model.default_parameters, strict=True):
                # Those of lightpool are one at all energies, whatever the model was created with.
                norm.fit_settings = {**norm.fit_settings, "default": default}
            interp = vars(model)["_interp"]  # no public name
            return PiecewiseNormSpectralModel(energy=model.energy, norms=norms, interp=interp)
        raise TypeError(
            f"a background model has a spectral model of the kind {type(model).__name__}; "
            f"lightpool has only {_SPECTRAL_MODELS}"
        )

    def model(self, model: GammapyFoVBackgroundModel) -> FoVBackgroundModel:
        """Convert a background model."""
        key = id(model)
        if key not in self._models:
            if model.spatial_model is not None:
                raise TypeError(
                    f"background model {model.name!r} has a spatial model, a {type(model.spatial_model).__name__}; "
                    "lightpool corrects backgrounds as a function of energy"
                )
            new = FoVBackgroundModel(
                dataset_name=model.datasets_names[0],
                spectral_model=self.spectral_model(model.spectral_model),
                name=model.name,
            )
            new.datasets_names = list(model.datasets_names)
            set_covariance(new, model, model.covariance.data)
            self._models[key] = new
        return self._models[key]

    def models(self, models: GammapyDatasetModels) -> DatasetModels:
        """Convert a list of background models and their joint covariance."""
        if has_penalties(models):
            raise TypeError("from_gammapy got models with penalties, which refer to the parameters of Gammapy's models")
        if others := [model for model in models if not isinstance(model, GammapyFoVBackgroundModel)]:
            kinds = ", ".join(sorted({type(model).__name__ for model in others}))
            raise TypeError(
                f"from_gammapy got models that lightpool has no class for: {kinds} named "
                f"{[model.name for model in others]}; lightpool has models of backgrounds only"
            )
        kind = Models if isinstance(models, GammapyModels) else DatasetModels
        new = kind([self.model(model) for model in models])
        set_covariance(new, models, models.covariance.data)
        return new


def is_convertible(model: GammapyObject) -> bool:
    """Return whether lightpool has a class for a model of Gammapy."""
    return (
        type(model) is GammapyFoVBackgroundModel
        and type(model.spectral_model) in (GammapyPowerLawNormSpectralModel, GammapyPiecewiseNormSpectralModel)
        and model.spatial_model is None
    )


def has_penalties(models: GammapyObject) -> bool:
    """Return whether a fit of models, or of datasets, has terms that lightpool does not know."""
    return bool(vars(models).get("_penalties"))  # no public name, and not in all versions


def are_correlated(models: Iterable[GammapyObject], covariance: NDArray[np.float64]) -> bool:
    """Return whether there are covariances between the parameters of different models.

    Parameters
    ----------
    models : models of either package
    covariance : array of float, shape (n_parameter, n_parameter), of the parameters of all models
    """
    between, start = covariance.copy(), 0
    for model in models:
        stop = start + len(model.parameters)
        between[start:stop, start:stop] = 0.0
        start = stop
    return bool(between.any())


def set_covariance(models: GammapyObject, originals: GammapyObject, covariance: NDArray[np.float64]) -> None:
    """Set the covariance of converted models, which have their errors already.

    Parameters
    ----------
    models : a model or a list of them, of either package
    originals : what they were converted from
    covariance : array of float, shape (n_parameter, n_parameter), of the parameters of the originals
    """
    correlated = covariance.copy()
    np.fill_diagonal(correlated, 0.0)
    if not correlated.any():
        return
    errors = [(parameter, parameter.error) for parameter in models.parameters]
    order = _order_of_parameters(models, originals)
    models.covariance = covariance[np.ix_(order, order)]
    for parameter, error in errors:  # the roots of the squares may differ in the last digit
        parameter.error = error


def _order_of_parameters(models: GammapyObject, originals: GammapyObject) -> list[int]:
    """Return the positions of the parameters of models among those of their originals."""
    pairs = zip(models, originals, strict=True) if isinstance(models, Sequence) else [(models, originals)]
    order: list[int] = []
    for model, original in pairs:
        # Versions of Gammapy differ in the order.
        names, start = original.parameters.names, len(order)
        order += [start + names.index(name) for name in model.parameters.names]
    return order


@to_gammapy.register
def _(model: NormSpectralModel) -> GammapyObject:
    return ToGammapyModels().spectral_model(model)


@to_gammapy.register
def _(model: FoVBackgroundModel) -> GammapyFoVBackgroundModel:
    return ToGammapyModels().model(model)


@to_gammapy.register
def _(models: DatasetModels) -> GammapyDatasetModels:
    return ToGammapyModels().models(models)


@from_gammapy.register(GammapyPowerLawNormSpectralModel)
@from_gammapy.register(GammapyPiecewiseNormSpectralModel)
def _(model: GammapyObject) -> NormSpectralModel:
    return FromGammapyModels().spectral_model(model)


@from_gammapy.register
def _(model: GammapyFoVBackgroundModel) -> FoVBackgroundModel:
    return FromGammapyModels().model(model)


@from_gammapy.register
def _(models: GammapyDatasetModels) -> DatasetModels:
    return FromGammapyModels().models(models)
