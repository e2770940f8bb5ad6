"""Lists of models of backgrounds."""

from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from operator import is_
from typing import TYPE_CHECKING, Any, Self, TypeAlias, overload

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, gammapy_bridge, is_model_of_gammapy
from lightpool.datasets.formats.yaml_format import models_from_yaml, read_models, to_yaml, write_models
from lightpool.datasets.models.background_model import FoVBackgroundModel, as_list
from lightpool.datasets.models.parameters import CovarianceLike, Parameters, checked_covariance
from lightpool.datasets.models.spectral_norms import NormSpectralModel
from lightpool.errors import ConfigError, FormatError
from lightpool.typing import GammapyObject, PathInput
from lightpool.utils.html import Card, Html, Section, ShownInNotebooks, listed, nested
from lightpool.utils.text import number_of

if TYPE_CHECKING:
    pass

__all__ = ["DatasetModels", "Models", "ModelsLike"]

ModelsLike: TypeAlias = FoVBackgroundModel | Iterable[FoVBackgroundModel]
"""A model, or models: a list of them, or a `DatasetModels`."""


@dataclass(frozen=True)
class _Covariance:
    """Covariances between the parameters of different models, zero inside of a model."""

    parameters: Parameters
    values: NDArray[np.float64]

    def is_of(self, parameters: Parameters) -> bool:
        """Return whether it belongs to these parameters."""
        return len(parameters) == len(self.parameters) and all(map(is_, parameters, self.parameters))


class DatasetModels(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks, Sequence[FoVBackgroundModel]):
    """Models with unique names, at most one background model per dataset.

    Parameters
    ----------
    models : a model, a list of models, or another list of models
    covariance_data : array of float, shape (n_parameter, n_parameter), optional
    """

    _consumed = ("models", "covariance_data")

    def __new__(cls, models: object = None, covariance_data: CovarianceLike | None = None) -> Self:
        """Return a list of Gammapy if any of the models is Gammapy's."""
        if is_model_of_gammapy(models):
            made: Self = gammapy_bridge().modelled(models, issubclass(cls, Models), covariance_data)
            return made
        return super().__new__(cls)

    def __init__(self, models: ModelsLike | None = None, covariance_data: CovarianceLike | None = None) -> None:
        self._models = _model_list(models)
        self._check(self._models)
        self._between_models: _Covariance | None = models._between_models if isinstance(models, DatasetModels) else None
        if covariance_data is not None:
            self.covariance = covariance_data

    @staticmethod
    def _check(models: Sequence[FoVBackgroundModel]) -> None:
        names = [model.name for model in models]
        if len(set(names)) < len(names):
            raise ValueError(f"Model names must be unique, got {names}")
        datasets_names = [name for model in models for name in model.datasets_names]
        if len(set(datasets_names)) < len(datasets_names):
            raise ValueError(f"only one FoVBackgroundModel per dataset is permitted, got them for {datasets_names}")

    @property
    def names(self) -> list[str]:
        """Name of each model."""
        return [model.name for model in self]

    @property
    def parameters(self) -> Parameters:
        """Parameters of all models, in order."""
        return Parameters.from_stack(model.parameters for model in self)

    @property
    def parameters_unique_names(self) -> list[str]:
        """Names as in a covariance file, such as ``stacked-bkg.spectral.norm``."""
        return [f"{model.name}.{name}" for model in self for name in model.parameters_unique_names]

    @property
    def background_models(self) -> dict[str, str]:
        """Name of the background model of each dataset."""
        return {name: model.name for model in self for name in model.datasets_names}

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of all parameters, shape (n_parameter, n_parameter); each model holds its own block of it.

        The covariances between two models are those that were set here, as long as the models are the same.
        """
        parameters = self.parameters
        joint = self._between_models
        if joint is not None and joint.is_of(parameters):
            covariance = joint.values.copy()
        else:
            covariance = np.zeros((len(parameters), len(parameters)))
        for block, model in self._blocks():
            covariance[block, block] = model.covariance
        return covariance

    @covariance.setter
    def covariance(self, values: CovarianceLike) -> None:
        parameters = self.parameters
        values = checked_covariance(values, parameters)
        for block, model in self._blocks():
            model.covariance = values[block, block]
            values[block, block] = 0.0
        self._between_models = _Covariance(parameters, values) if values.any() else None

    def with_covariance_of(self, other: "DatasetModels") -> Self:
        """Return these models with the covariances between them from another list of the same models.

        Parameters
        ----------
        other : DatasetModels
        """
        new = type(self)(list(self))
        new._between_models = other._between_models
        return new

    def _blocks(self) -> Iterable[tuple[slice, FoVBackgroundModel]]:
        start = 0
        for model in self:
            stop = start + len(model.parameters)
            yield slice(start, stop), model
            start = stop

    @property
    def frozen(self) -> bool:
        """Whether all parameters of all models are frozen."""
        return all(model.frozen for model in self)

    def freeze(self) -> None:
        """Freeze all parameters of all models."""
        for model in self:
            model.freeze()

    def unfreeze(self) -> None:
        """Reset the frozen state of every parameter to that of a new model."""
        for model in self:
            model.unfreeze()

    def select(
        self,
        name_substring: str | None = None,
        datasets_names: str | Sequence[str] | None = None,
        tag: str | Sequence[str] | None = None,
        model_type: str | None = None,
        frozen: bool | None = None,
    ) -> "DatasetModels":
        """Select the models that satisfy all given conditions.

        Parameters
        ----------
        name_substring : str, part of the name
        datasets_names : str or list of str, datasets that the model belongs to
        tag : str or list of str, such as ``fov-bkg``, or of the spectral model with ``model_type="spectral"``
        model_type : {None, "spectral"}
        frozen : bool, whether all parameters are frozen
        """

        def fits(model: FoVBackgroundModel) -> bool:
            tagged: FoVBackgroundModel | NormSpectralModel | None = (
                model if model_type is None else getattr(model, f"{model_type}_model", None)
            )
            return (
                (not name_substring or name_substring in model.name)
                and (not datasets_names or bool(set(as_list(datasets_names)) & set(model.datasets_names)))
                and (not tag or (tagged is not None and bool(set(as_list(tag)) & set(tagged.tag))))
                and (frozen is None or frozen == model.frozen)
            )

        return type(self)([model for model in self if fits(model)])

    def reassign(self, dataset_name: str | Sequence[str], new_dataset_name: str | Sequence[str]) -> "DatasetModels":
        """Return copies of the models that belong to other datasets.

        Parameters
        ----------
        dataset_name : str or list of str, datasets that are renamed
        new_dataset_name : str or list of str, the new name of each of them, in the same order
        """
        return type(self)([model.reassign(dataset_name, new_dataset_name) for model in self])

    def copy(self) -> "DatasetModels":
        """Return a deep copy."""
        # With its name: a copy without one is named after its dataset.
        new = type(self)([model.copy(name=model.name) for model in self])
        if self._between_models is not None:
            new.covariance = self.covariance
        return new

    def to_parameters_table(self) -> Table:
        """Return a table with one row per parameter."""
        table = self.parameters.to_table()
        names = [model.name for model in self for _ in model.parameters]
        table.add_column(np.array(names, dtype=str), name="model", index=0)
        return table

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return a dictionary for YAML, in the layout of Gammapy."""
        return {"components": [model.to_dict(full_output) for model in self]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read the dictionary of `to_dict`; with any model that only Gammapy has, as a list of Gammapy."""
        for component in data["components"]:
            if component["type"] not in FoVBackgroundModel.tag:
                try:
                    made: Self = gammapy_bridge().modelled_in(data, issubclass(cls, Models))
                except ConfigError as error:
                    raise FormatError(
                        f"model type {component['type']!r} is one of Gammapy; lightpool knows "
                        f"{FoVBackgroundModel.tag[0]!r} ({error})"
                    ) from error
                return made
        return cls([FoVBackgroundModel.from_dict(component) for component in data["components"]])

    def to_yaml(self, full_output: bool = False) -> str:
        """Return the text of a models file."""
        return to_yaml(self.to_dict(full_output))

    @classmethod
    def from_yaml(cls, text: str, path: PathInput = "", checksum: bool = False) -> "DatasetModels":
        """Read the text of a models file.

        Parameters
        ----------
        text : str
        path : str or Path, folder of the covariance file that the text names
        checksum : bool, whether to warn if the text was changed since it was written
        """
        return models_from_yaml(cls, text, path, checksum)

    def write(
        self,
        path: PathInput,
        overwrite: bool = False,
        full_output: bool = False,
        write_covariance: bool = True,
        checksum: bool = False,
    ) -> None:
        """Write a models file, and next to it the covariance as ``<name>_covariance.dat``.

        Parameters
        ----------
        path : str or Path
        overwrite : bool
        full_output : bool, whether to write fields that have their default value too
        write_covariance : bool
        checksum : bool, whether to add a checksum of the text
        """
        write_models(self, path, overwrite, full_output, write_covariance, checksum)

    @classmethod
    def read(cls, filename: PathInput, checksum: bool = False) -> "DatasetModels":
        """Read a models file of lightpool or Gammapy that holds background models.

        Parameters
        ----------
        filename : str or Path
        checksum : bool, whether to warn if the file was changed since it was written
        """
        return read_models(cls, filename, checksum)

    def html_card(self) -> Card:
        """Return what notebooks show of the models."""
        n = len(self)

        def each() -> Html:
            return listed(self._models, lambda _, model: nested(model.html_card))

        words = number_of(n, "model")
        return Card(type(self).__name__, "", [words], [Section("Models", each, is_open=True)])

    def __str__(self) -> str:
        components = "".join(f"Component {i}: {model}" for i, model in enumerate(self))
        return f"{type(self).__name__}\n\n{components}"

    def __add__(self, other: ModelsLike | GammapyObject | None) -> "Models":
        if is_model_of_gammapy(other):
            made: Models = gammapy_bridge().modelled(self, True) + other
            return made
        return Models([*self, *_model_list(other)])

    @overload
    def __getitem__(self, key: int | str | FoVBackgroundModel) -> FoVBackgroundModel: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...

    def __getitem__(self, key: int | str | FoVBackgroundModel | slice) -> FoVBackgroundModel | Self:
        if isinstance(key, slice):
            return type(self)(self._models[key])
        return self._models[self.index(key)]

    def index(self, key: object, *_: object) -> int:
        """Return the position of a model.

        Parameters
        ----------
        key : FoVBackgroundModel, str or int, the model itself, its name or its position
        *_ : not used; the limits of `list.index`
        """
        if isinstance(key, int | np.integer):
            return int(key)
        if isinstance(key, str):
            if key not in self.names:
                raise ValueError(f"no model {key!r}; there are {self.names}")
            return self.names.index(key)
        if isinstance(key, FoVBackgroundModel):
            return self._models.index(key)
        raise TypeError(f"a model is found by name, number or itself, got {key!r}")

    def __len__(self) -> int:
        return len(self._models)


class Models(DatasetModels, MutableSequence[FoVBackgroundModel]):
    """Models that can be added, replaced and removed."""

    def __setitem__(
        self, key: int | str | FoVBackgroundModel | slice, model: FoVBackgroundModel | Iterable[FoVBackgroundModel]
    ) -> None:
        models = list(self._models)
        # Changed in a copy: a model that is refused leaves the list as it was.
        models[self.index(key)] = _model(model)
        self._check(models)
        self._models = models

    def __delitem__(self, key: int | str | FoVBackgroundModel | slice) -> None:
        del self._models[key if isinstance(key, slice) else self.index(key)]

    def insert(self, index: int, model: FoVBackgroundModel) -> None:
        """Insert a model before a position.

        Parameters
        ----------
        index : int
        model : FoVBackgroundModel
        """
        models = list(self._models)
        models.insert(index, _model(model))
        self._check(models)
        self._models = models


def _model(model: object) -> FoVBackgroundModel:
    if is_model_of_gammapy(model):
        raise TypeError(
            f"a {type(model).__name__} of Gammapy cannot be added to a list of background models of lightpool; "
            "create a new list with all models, Models([*models, model]), which will be one of Gammapy"
        )
    if not isinstance(model, FoVBackgroundModel):
        raise TypeError(f"expected a FoVBackgroundModel, got {model!r} of type {type(model).__name__}")
    return model


def _model_list(models: object) -> list[FoVBackgroundModel]:
    if models is None:
        return []
    if isinstance(models, FoVBackgroundModel):
        return [models]
    if isinstance(models, list | tuple | DatasetModels):
        return [_model(model) for model in models]
    raise TypeError(f"expected a model or a list of models, got {models!r} of type {type(models).__name__}")
