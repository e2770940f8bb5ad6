"""The datasets of Gammapy that predict for datasets of lightpool, and that fits and estimators get instead of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gammapy.datasets import Datasets as GammapyDatasets
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.modeling.models import DatasetModels as GammapyDatasetModels
from gammapy.modeling.models import FoVBackgroundModel as GammapyFoVBackgroundModel
from gammapy.modeling.models import Models as GammapyModels
from numpy.typing import NDArray

from lightpool.bridge import ConvertibleToGammapy
from lightpool.datasets.base import DatasetBase
from lightpool.datasets.dataset import Dataset
from lightpool.datasets.datasets import Datasets
from lightpool.datasets.models.background_model import FoVBackgroundModel
from lightpool.datasets.models.model_lists import DatasetModels
from lightpool.datasets.models.parameters import Parameter
from lightpool.datasets.models.spectral_norms import NormSpectralModel
from lightpool.gammapy.conversion import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.datasets import set_joint_models
from lightpool.gammapy.conversion.twins import Twins
from lightpool.gammapy.linked_models import linked_model, linked_models, linked_parameter, linked_spectral_model
from lightpool.irf import IRFMap
from lightpool.maps import Map
from lightpool.typing import GammapyObject

__all__ = [
    "Counterpart",
    "counterpart",
    "datasets_of_gammapy",
    "joined_models",
    "modelled",
    "modelled_in",
    "set_joined_models",
]


_lists: Twins[GammapyDatasets] = Twins()
"""Lists of Gammapy by the list of lightpool, for the joint covariance, which no dataset has."""


class Counterpart:
    """A dataset of Gammapy in place of one of lightpool that has models of Gammapy.

    It is kept while the maps of the dataset are the same objects; their values may change, since they are shared.
    On a device they are copies, so there it is made anew each time.

    Parameters
    ----------
    models : models of Gammapy, or a list of them and of background models of lightpool
    name : str, of the dataset
    """

    def __init__(self, models: GammapyObject, name: str) -> None:
        self._models: GammapyDatasetModels | None = _gammapy_models(models, GammapyDatasetModels).select(
            datasets_names=name
        )
        self._made: GammapyMapDataset | None = None
        self._parts: dict[str, tuple[object, ...]] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"_models": self.models, "_made": None, "_parts": {}}

    @property
    def models(self) -> GammapyDatasetModels | None:
        """Models of the dataset; also those that Gammapy has set since."""
        return self._models if self._made is None else self._made.models

    def of(self, dataset: DatasetBase) -> GammapyMapDataset:
        """Return the dataset of Gammapy.

        Parameters
        ----------
        dataset : Dataset, the one that has these models
        """
        parts = _parts(dataset)
        made = self._made
        if made is None or not dataset.device.is_host or not _are_same(parts, self._parts, but="counts"):
            self._models = self.models
            self._made = made = to_gammapy(dataset)
        elif not _are_same(parts, self._parts):
            # No prediction depends on the counts: simulated ones replace them in a loop.
            made.counts = None if dataset.counts is None else to_gammapy(dataset.counts)
        self._parts = parts
        return made

    def npred_signal(self, dataset: DatasetBase, model_names: str | Sequence[str] | None, stack: bool) -> Map:
        """Predict the counts of sources, see `MapDataset.npred_signal`.

        Parameters
        ----------
        dataset : Dataset
        model_names : str or list of str, optional
        stack : bool
        """
        names = model_names if model_names is None or isinstance(model_names, str) else list(model_names)
        found = from_gammapy(self.of(dataset).npred_signal(model_names=names, stack=stack))
        assert isinstance(found, Map)
        return found.to(dataset.device)

    def background_model(self, dataset: DatasetBase) -> GammapyFoVBackgroundModel | None:
        """Return the model of the background, None if there is none."""
        models = self.models or ()
        its = (m for m in models if isinstance(m, GammapyFoVBackgroundModel) and dataset.name in m.datasets_names)
        return next(its, None)

    def background_factors(self, dataset: DatasetBase) -> NDArray[Any] | None:
        """Return the factor of the background in each bin, an array on the host that broadcasts with its data."""
        model, background = self.background_model(dataset), dataset.background
        if model is None or background is None:
            return None
        factors: NDArray[Any] = model.evaluate_geom(to_gammapy(background.geom)).to_value("")
        return factors

    def has_sources(self) -> bool:
        """Return whether there is a model of something else than the background."""
        return any(not isinstance(model, GammapyFoVBackgroundModel) for model in self.models or ())

    def stat_sum(self, dataset: DatasetBase) -> float:
        """Return the statistic inside the mask."""
        return float(self.of(dataset).stat_sum())


def _parts(dataset: DatasetBase) -> dict[str, tuple[object, ...]]:
    """Return all that a dataset of Gammapy is made of, to see whether anything was replaced."""
    parts: dict[str, tuple[object, ...]] = {"": (dataset.name, dataset.gti, dataset.meta_table, dataset.stat_type)}
    for name, part in dataset.maps.items():
        maps = [part.irf_map, part.exposure_map] if isinstance(part, IRFMap) else [part]
        parts[name] = tuple(each for data in maps if data is not None for each in (data.geom, data.unit, data.data))
    return parts


def _are_same(parts: dict[str, tuple[object, ...]], others: dict[str, tuple[object, ...]], but: str = "") -> bool:
    names = parts.keys() | others.keys()
    return all(
        len(part := parts.get(name, ())) == len(other := others.get(name, ()))
        and all(one is two for one, two in zip(part, other, strict=True))
        for name in names - {but}
    )


def _gammapy_models(models: GammapyObject, kind: type) -> GammapyObject:
    """Return models of Gammapy; in a list those of lightpool are linked."""
    if isinstance(models, GammapyDatasetModels):
        return models if isinstance(models, kind) else kind(models)
    listed = [models] if isinstance(models, FoVBackgroundModel) or not isinstance(models, Iterable) else models
    return kind([linked_model(model) if isinstance(model, FoVBackgroundModel) else model for model in listed])


def modelled(
    models: GammapyObject, is_mutable: bool, covariance_data: NDArray[np.float64] | None = None
) -> GammapyDatasetModels:
    """Return a list of Gammapy for models some of which are Gammapy's.

    Parameters
    ----------
    models : models of Gammapy, or a list of them and of background models of lightpool
    is_mutable : bool, whether models can be added to the list afterwards
    covariance_data : array of float, shape (n_parameter, n_parameter), optional
    """
    made = _gammapy_models(models, GammapyModels if is_mutable else GammapyDatasetModels)
    if covariance_data is not None:
        made.covariance = covariance_data
    return made


def modelled_in(data: Mapping[str, object], is_mutable: bool) -> GammapyDatasetModels:
    """Return the models of a YAML file as a list of Gammapy.

    Parameters
    ----------
    data : dict, content of the file
    is_mutable : bool, see `modelled`
    """
    # The covariance is in a file next to this one, which `read_models` reads.
    components = {name: part for name, part in data.items() if name != "covariance"}
    return (GammapyModels if is_mutable else GammapyDatasetModels).from_dict(components)


def counterpart(value: GammapyObject) -> GammapyObject:
    """Return what Gammapy's functions get for an object of lightpool, or for those in a list; others as they are.

    Other than what `to_gammapy` returns, it is the same object each time as long as nothing was replaced, and fits
    change the models of the dataset.

    Parameters
    ----------
    value : object
    """
    if type(value) in (list, tuple):
        return type(value)(counterpart(each) for each in value)
    if not isinstance(value, ConvertibleToGammapy):
        return value
    if isinstance(value, Dataset):
        return _dataset(value)
    if isinstance(value, Datasets):
        return _datasets(value)
    if isinstance(value, FoVBackgroundModel):
        return linked_model(value)
    if isinstance(value, DatasetModels):
        return linked_models(value)
    if isinstance(value, NormSpectralModel):
        return linked_spectral_model(value)
    if isinstance(value, Parameter):
        return linked_parameter(value)
    return to_gammapy(value)


def _dataset(dataset: Dataset) -> GammapyMapDataset:
    kept = dataset.counterpart
    if kept is not None:
        return kept.of(dataset)
    made = to_gammapy(dataset)
    if dataset.models is not None:
        made.models = linked_models(dataset.models)
    return made


def _datasets(datasets: Datasets) -> GammapyDatasets:
    made = [counterpart(dataset) for dataset in datasets]
    kept = _lists.get(datasets)
    if kept is not None and len(kept) == len(made) and all(one is two for one, two in zip(kept, made, strict=True)):
        return kept
    new = GammapyDatasets(made)
    if kept is not None and kept.models is not None:
        _set_covariance(new, kept.models)
    return _lists.put(datasets, new)


def _set_covariance(datasets: GammapyDatasets, models: GammapyDatasetModels) -> None:
    """Give datasets the joint covariance and the penalties of models, if these are their models."""
    if list(map(id, datasets.models)) == list(map(id, models)):
        set_joint_models(datasets, models)


def datasets_of_gammapy(datasets: Iterable[GammapyObject]) -> GammapyDatasets:
    """Return a list of Gammapy for datasets some of which are of a kind that only Gammapy has."""
    return GammapyDatasets([counterpart(dataset) for dataset in datasets])


def joined_models(datasets: Datasets) -> GammapyDatasetModels:
    """Return the models of all datasets, each once, with their joint covariance."""
    return _datasets(datasets).models


def set_joined_models(datasets: Datasets, models: GammapyObject) -> None:
    """Set models, some of which are Gammapy's, for several datasets.

    Parameters
    ----------
    datasets : Datasets
    models : models of Gammapy, or a list of them and of background models of lightpool
    """
    joined = _gammapy_models(models, GammapyDatasetModels)
    for dataset in datasets:
        dataset.models = joined
    _datasets(datasets).models = joined
