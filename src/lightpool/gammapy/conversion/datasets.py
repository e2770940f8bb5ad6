"""Datasets of maps and spectra, and lists of them."""

import inspect
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from gammapy.datasets import Datasets as GammapyDatasets
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.datasets import MapDatasetOnOff as GammapyMapDatasetOnOff
from gammapy.datasets import SpectrumDataset as GammapySpectrumDataset
from gammapy.datasets import SpectrumDatasetOnOff as GammapySpectrumDatasetOnOff
from gammapy.datasets.metadata import MapDatasetMetaData as GammapyMapDatasetMetaData
from gammapy.utils.metadata import MetaData as GammapyMetaData
from numpy.typing import NDArray

from lightpool.datasets import Datasets, MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.datasets.dataset import Dataset
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.gammapy.conversion.intervals import gti_from_gammapy, gti_to_gammapy
from lightpool.gammapy.conversion.kinds import require_class
from lightpool.gammapy.conversion.metadata import metadata_from_gammapy, metadata_to_gammapy
from lightpool.gammapy.conversion.models import (
    FromGammapyModels,
    ToGammapyModels,
    are_correlated,
    has_penalties,
    is_convertible,
    set_covariance,
)
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.maps import Map
from lightpool.typing import GammapyObject
from lightpool.utils.on_demand import Deferred

__all__ = ["FromGammapyDatasets", "ToGammapyDatasets", "set_joint_models"]

_PAIRS: dict[type[MapDataset], type] = {
    SpectrumDatasetOnOff: GammapySpectrumDatasetOnOff,
    MapDatasetOnOff: GammapyMapDatasetOnOff,
    SpectrumDataset: GammapySpectrumDataset,
    MapDataset: GammapyMapDataset,
}
"""Kinds of datasets, each before those that it is derived from."""

_CHOOSES_STATISTIC = "stat_type" in inspect.signature(GammapyMapDataset.__init__).parameters
"""Whether the statistic is an argument: from Gammapy 2.0 on."""


class ToGammapyDatasets:
    """Converts datasets; models that several of them share stay shared."""

    def __init__(self) -> None:
        self._models = ToGammapyModels()

    def dataset(self, dataset: Dataset) -> GammapyMapDataset:
        """Convert a dataset."""
        kind = next((theirs for own, theirs in _PAIRS.items() if isinstance(dataset, own)), None)
        if kind is None:
            raise TypeError(f"dataset {dataset.name!r} is a {type(dataset).__name__}, which Gammapy has no class for")
        models, gti = dataset.models, dataset.gti
        parts = {name: to_gammapy(part) for name, part in dataset.maps.items()}
        if _CHOOSES_STATISTIC:
            parts["stat_type"] = dataset.stat_type
        return kind(
            name=str(dataset.name),  # a plain one: YAML refuses classes derived from str
            models=None if models is None else self._models.models(models),
            gti=None if gti is None else gti_to_gammapy(gti),
            meta_table=dataset.meta_table,
            meta=_meta_to_gammapy(dataset.meta),
            **parts,
        )

    def datasets(self, datasets: Datasets) -> GammapyDatasets:
        """Convert a list of datasets, and the joint covariance of their models."""
        found = GammapyDatasets([self.dataset(dataset) for dataset in datasets])
        joint = self._models.models(datasets.models)
        if has_penalties(joint) or are_correlated(joint, joint.covariance.data):
            set_joint_models(found, joint)
        return found


class FromGammapyDatasets:
    """Converts datasets of Gammapy; models that several of them share stay shared.

    Parameters
    ----------
    converts_models : bool
        Whether background models become those of lightpool. Else a dataset keeps the models that it has, as it does
        if lightpool has no class for any of them: then a fit changes the models of both datasets.
    """

    def __init__(self, converts_models: bool = True) -> None:
        self._models = FromGammapyModels()
        self._converts_models = converts_models

    def dataset(self, dataset: GammapyMapDataset) -> MapDataset:
        """Convert a dataset; what Gammapy has not read from its file yet is read when it is first used."""
        if not isinstance(dataset, GammapyMapDataset):
            raise TypeError(f"dataset {dataset.name!r} is a {type(dataset).__name__}, which lightpool has no class for")
        kind = next(own for own, theirs in _PAIRS.items() if isinstance(dataset, theirs))
        require_class(dataset, _PAIRS[kind])
        _check_statistic(dataset, kind)
        parts: dict[str, Any] = {name: _part(dataset, name) for name in kind.map_names}
        models, gti = dataset.models, dataset.gti
        if models is not None and self._converts_models and all(map(is_convertible, models)):
            models = self._models.models(models)
        return kind(
            name=dataset.name,
            models=models,
            gti=None if gti is None else gti_from_gammapy(gti),
            meta_table=dataset.meta_table,
            meta=_meta_from_gammapy(dataset.meta),
            **parts,
        )

    def datasets(self, datasets: GammapyDatasets) -> Datasets:
        """Convert a list of datasets, and the joint covariance of their models."""
        originals = list(dict.fromkeys(model for dataset in datasets for model in dataset.models or []))
        if has_penalties(datasets) or not all(map(is_convertible, originals)):
            # All of them are kept, since the parameters of some may be linked to those of others.
            self._converts_models = False
        found = Datasets([self.dataset(dataset) for dataset in datasets])
        joint = _joint_covariance(datasets, originals)
        if has_penalties(datasets) or (joint is not None and are_correlated(originals, joint)):
            if self._converts_models and joint is not None:
                models = found.models
                set_covariance(models, originals, joint)
            else:
                models = datasets.models
            set_joint_models(found, models)
        return found


def _check_statistic(dataset: GammapyMapDataset, kind: type[MapDataset]) -> None:
    if dataset.stat_type not in kind.stat_types:
        raise TypeError(
            f"dataset {dataset.name!r} has the statistic {dataset.stat_type!r}; "
            f"a {kind.__name__} of lightpool has {' or '.join(map(repr, kind.stat_types))}"
        )


def _part(dataset: GammapyMapDataset, name: str) -> GammapyObject:
    """Return a converted map or response; one that Gammapy has not read yet is read when it is first used."""
    state = vars(dataset)
    file = state.get(f"_{name}_hdu")  # no public name; reading the attribute would read the file
    if file is not None and name not in state:
        return Deferred(lambda: _converted(dataset, name), cache=file.cache)
    return _converted(dataset, name)


def _converted(dataset: GammapyMapDataset, name: str) -> GammapyObject:
    part = getattr(dataset, name)
    if part is None:
        return None
    new = from_gammapy(part)
    if name.startswith("mask") and isinstance(new, Map) and new.data.dtype != bool:
        return new.copy(data=np.asarray(new.data, dtype=bool))  # Gammapy takes masks of numbers too
    return new


def _joint_covariance(datasets: GammapyDatasets, models: list[GammapyObject]) -> NDArray[np.float64] | None:
    """Return the covariance that was set for the models of all datasets; None if there is none."""
    # Not from datasets.models, which resets the errors of the parameters to those of this covariance.
    covariance = vars(datasets).get("_covariance")
    parameters = [parameter for model in models for parameter in model.parameters]
    # It is out of date if the models were replaced since, as in Gammapy.
    if covariance is None or list(map(id, covariance.parameters)) != list(map(id, parameters)):
        return None
    return np.asarray(covariance.data)


def set_joint_models(datasets: GammapyObject, models: GammapyObject) -> None:
    """Set the joint covariance and the penalties of the models of several datasets; each keeps its own models.

    Parameters
    ----------
    datasets : Datasets of either package
    models : DatasetModels, the models of all datasets
    """
    own = [dataset.models for dataset in datasets]
    datasets.models = models
    # Each dataset has selected its models from all now. One without models is not one with an empty list of them, and
    # it may have had fewer than those that belong to all datasets.
    for dataset, each in zip(datasets, own, strict=True):
        if each is None or list(map(id, dataset.models)) != list(map(id, each)):
            dataset.models = each


def _meta_to_gammapy(meta: MapDatasetMetaData) -> GammapyMapDatasetMetaData:
    names = [each.name for each in fields(meta)]
    return GammapyMapDatasetMetaData(**{name: _meta_value_to_gammapy(getattr(meta, name)) for name in names})


def _meta_value_to_gammapy(value: object) -> object:
    if isinstance(value, list):
        return [_meta_value_to_gammapy(each) for each in value]
    return metadata_to_gammapy(value) if is_dataclass(value) else value


def _meta_from_gammapy(meta: GammapyMapDatasetMetaData) -> MapDatasetMetaData:
    if not isinstance(meta, GammapyMapDatasetMetaData):
        raise TypeError(f"the metadata of a dataset must be a MapDatasetMetaData, got {type(meta).__name__}")
    names = [each.name for each in fields(MapDatasetMetaData)]
    return MapDatasetMetaData(**{name: _meta_value_from_gammapy(getattr(meta, name)) for name in names})


def _meta_value_from_gammapy(value: object) -> GammapyObject:
    if isinstance(value, list):
        return [_meta_value_from_gammapy(each) for each in value]
    return metadata_from_gammapy(value) if isinstance(value, GammapyMetaData) else value


to_gammapy.register(MapDatasetMetaData, _meta_to_gammapy)
from_gammapy.register(GammapyMapDatasetMetaData, _meta_from_gammapy)


@to_gammapy.register
def _(dataset: MapDataset) -> GammapyMapDataset:
    return ToGammapyDatasets().dataset(dataset)


@to_gammapy.register
def _(datasets: Datasets) -> GammapyDatasets:
    return ToGammapyDatasets().datasets(datasets)


@from_gammapy.register
def _(dataset: GammapyMapDataset) -> MapDataset:
    return FromGammapyDatasets().dataset(dataset)


@from_gammapy.register
def _(datasets: GammapyDatasets) -> Datasets:
    return FromGammapyDatasets().datasets(datasets)
