"""Backgrounds that Gammapy normalises: with models of sources, with a spatial model, or by a fit of Gammapy."""

from collections.abc import Callable

from gammapy.makers import FoVBackgroundMaker as GammapyFoVBackgroundMaker
from gammapy.modeling.models import FoVBackgroundModel as GammapyFoVBackgroundModel
from gammapy.modeling.models import Model as GammapyModel
from gammapy.modeling.models import SpatialModel as GammapySpatialModel

from lightpool.datasets import MapDataset
from lightpool.datasets.models.spectral_norms import NormSpectralModel
from lightpool.gammapy.conversion import from_gammapy, to_gammapy
from lightpool.gammapy.counterparts import counterpart
from lightpool.makers import FoVBackgroundMaker
from lightpool.maps import Map
from lightpool.typing import GammapyObject

__all__ = [
    "fit_background",
    "normalise_background",
    "scale_background",
    "spatial_background_model",
    "spatial_model",
]


def spatial_model(model: GammapyObject) -> GammapySpatialModel:
    """Return a spatial model, also of its tag, such as ``gauss``.

    Parameters
    ----------
    model : SpatialModel of Gammapy, or str

    Raises
    ------
    TypeError
        If it is another object.
    """
    if isinstance(model, str):
        return GammapyModel.create(tag=model, model_type="spatial")
    if not isinstance(model, GammapySpatialModel):
        raise TypeError(f"spatial_model must be a spatial model of Gammapy or its tag, got {type(model).__name__}")
    return model


def spatial_background_model(
    dataset_name: str, spectral: NormSpectralModel, spatial: GammapySpatialModel
) -> GammapyFoVBackgroundModel:
    """Return a model of the background that depends on the position too.

    Parameters
    ----------
    dataset_name : str
    spectral : NormSpectralModel
    spatial : SpatialModel of Gammapy, of which a copy is taken
    """
    return GammapyFoVBackgroundModel(
        dataset_name=dataset_name, spectral_model=to_gammapy(spectral), spatial_model=spatial.copy()
    )


def normalise_background(maker: FoVBackgroundMaker, dataset: MapDataset) -> None:
    """Normalise the background of a dataset as Gammapy does, in place.

    Parameters
    ----------
    maker : FoVBackgroundMaker
    dataset : MapDataset with a background model
    """
    _run_on_gammapy(maker, dataset, GammapyFoVBackgroundMaker.run)


def fit_background(maker: FoVBackgroundMaker, dataset: MapDataset) -> None:
    """Fit the background model of a dataset inside its masks, in place.

    Parameters
    ----------
    maker : FoVBackgroundMaker
    dataset : MapDataset with a background model
    """
    _run_on_gammapy(maker, dataset, GammapyFoVBackgroundMaker.make_background_fit)


def scale_background(maker: FoVBackgroundMaker, dataset: MapDataset) -> None:
    """Scale the background model of a dataset inside its masks, in place.

    Parameters
    ----------
    maker : FoVBackgroundMaker
    dataset : MapDataset with a background model
    """
    _run_on_gammapy(maker, dataset, GammapyFoVBackgroundMaker.make_background_scale)


def _run_on_gammapy(
    maker: FoVBackgroundMaker, dataset: MapDataset, step: Callable[[GammapyFoVBackgroundMaker, GammapyObject], object]
) -> None:
    """Have a maker of Gammapy with the same settings do a step on the dataset, in place."""
    theirs = counterpart(dataset)
    step(_maker(maker), theirs)
    _take_mask(dataset, theirs)


def _maker(maker: FoVBackgroundMaker) -> GammapyFoVBackgroundMaker:
    mask = maker.exclusion_mask
    made = GammapyFoVBackgroundMaker(
        method=maker.method,
        exclusion_mask=None if mask is None else to_gammapy(mask),
        spectral_model=to_gammapy(maker.spectral_model),
        min_counts=maker.min_counts,
        min_npred_background=maker.min_npred_background,
    )
    if maker.fit is not None:  # Gammapy 1.3 has no such argument
        made.fit = maker.fit
    return made


def _take_mask(dataset: MapDataset, theirs: GammapyObject) -> None:
    if theirs.mask_safe is not None and not dataset.device.is_host:  # on the host they share their values
        mask_safe = from_gammapy(theirs.mask_safe)
        assert isinstance(mask_safe, Map)
        dataset.mask_safe = mask_safe.to(dataset.device)
