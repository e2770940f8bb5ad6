"""Background models of lightpool that Gammapy fits: their parameters become those of a model of Gammapy.

A conversion copies the numbers of a parameter. That is not enough where Gammapy changes them, as a fit does: the user
reads the result in the model that they made.
"""

from collections.abc import Mapping
from typing import SupportsFloat

import astropy.units as u
import numpy as np
from gammapy.modeling import Parameter as GammapyParameter
from gammapy.modeling.models import DatasetModels as GammapyDatasetModels
from gammapy.modeling.models import FoVBackgroundModel as GammapyFoVBackgroundModel
from gammapy.modeling.models import Models as GammapyModels
from gammapy.modeling.models import SpectralModel as GammapySpectralModel

from lightpool.arrays import Device
from lightpool.arrays.devices.array_types import Array
from lightpool.datasets.models.background_model import FoVBackgroundModel
from lightpool.datasets.models.model_lists import DatasetModels, Models
from lightpool.datasets.models.parameters import Parameter
from lightpool.datasets.models.spectral_norms import NormSpectralModel
from lightpool.gammapy.conversion import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.twins import Twins
from lightpool.typing import GammapyObject, UnitLike

__all__ = ["LinkedParameter", "linked_model", "linked_models", "linked_parameter", "linked_spectral_model"]

_twins: Twins[GammapyFoVBackgroundModel] = Twins()
_spectral_twins: Twins[GammapySpectralModel] = Twins()


class LinkedParameter(Parameter):
    """A parameter whose numbers are those of one of Gammapy: a change of one is a change of the other.

    A parameter becomes one of this class in place (see `linked_parameter`), so that all who hold it see the numbers
    of Gammapy. Copies are parameters of their own.
    """

    _theirs: GammapyParameter

    @property
    def gammapy_parameter(self) -> GammapyParameter:
        """The parameter of Gammapy."""
        return self._theirs

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the value, the error and the bounds."""
        return u.Unit(self._theirs.unit)

    @unit.setter
    def unit(self, value: UnitLike) -> None:
        self._theirs.unit = u.Unit(value)

    @property
    def value(self) -> float:
        """Number in ``unit``."""
        return float(self._theirs.value)

    @value.setter
    def value(self, value: SupportsFloat) -> None:
        self._theirs.value = float(value)

    @property
    def error(self) -> float:
        """Standard error in ``unit``."""
        return float(self._theirs.error)

    @error.setter
    def error(self, value: SupportsFloat | str | None) -> None:
        self._theirs.error = self._number(value)

    @property
    def min(self) -> float:
        """Lower bound in ``unit``, NaN if there is none."""
        return float(self._theirs.min)

    @min.setter  # noqa: A003
    def min(self, value: SupportsFloat | str | None) -> None:
        self._theirs.min = self._number(value)

    @property
    def max(self) -> float:
        """Upper bound in ``unit``, NaN if there is none."""
        return float(self._theirs.max)

    @max.setter  # noqa: A003
    def max(self, value: SupportsFloat | str | None) -> None:
        self._theirs.max = self._number(value)

    @property
    def frozen(self) -> bool:
        """Whether fits keep the parameter fixed."""
        return bool(self._theirs.frozen)

    @frozen.setter
    def frozen(self, value: bool | np.bool_) -> None:
        self._theirs.frozen = bool(value)

    @property
    def fit_settings(self) -> Mapping[str, object]:  # type: ignore[override]  # an attribute of the other class
        """Settings that only a fit by Gammapy needs."""
        return self._unlinked().fit_settings

    def value_on(self, device: Device) -> Array | float:
        """Return the value, which is on the host."""
        return self.value

    def error_on(self, device: Device) -> Array | float:
        """Return the error, which is on the host."""
        return self.error

    def __getattr__(self, name: str) -> GammapyObject:
        """Return what only a parameter of Gammapy has: scan ranges, a prior."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._theirs, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_") or name in vars(self) or hasattr(type(self), name):
            super().__setattr__(name, value)
        elif hasattr(self._theirs, name):
            setattr(self._theirs, name, value)
        else:
            super().__setattr__(name, value)  # which refuses it

    def _unlinked(self) -> Parameter:
        found = from_gammapy(self._theirs)
        assert isinstance(found, Parameter)
        return found

    def __deepcopy__(self, memo: dict[int, object]) -> Parameter:
        return self._unlinked()

    def __reduce__(self) -> tuple[type[Parameter], tuple[object, ...]]:
        numbers = self.value, self.unit, self.error, self.min, self.max, self.frozen, self.interp
        return Parameter, (self.name, *numbers)


def linked_parameter(parameter: Parameter) -> GammapyParameter:
    """Return the parameter of Gammapy that has the numbers of one of lightpool from now on."""
    if not isinstance(parameter, LinkedParameter):
        theirs = to_gammapy(parameter)
        vars(parameter).clear()
        vars(parameter).update(name=theirs.name, interp=theirs.interp, _theirs=theirs)
        parameter.__class__ = LinkedParameter  # in place: who holds the parameter sees what a fit does
    assert isinstance(parameter, LinkedParameter)
    return parameter.gammapy_parameter


def linked_spectral_model(model: NormSpectralModel) -> GammapySpectralModel:
    """Return the spectral model of Gammapy that shares its parameters with one of lightpool, the same one each time."""
    return _spectral_twins.get(model) or _spectral_twins.put(model, _linked(model, to_gammapy(model)))


def _linked(model: NormSpectralModel, theirs: GammapySpectralModel) -> GammapySpectralModel:
    for parameter in model.parameters:
        # as an attribute, since the constructors of Gammapy copy some of them
        setattr(theirs, parameter.name, linked_parameter(parameter))
    return theirs


def linked_model(model: FoVBackgroundModel) -> GammapyFoVBackgroundModel:
    """Return the model of Gammapy that shares its parameters with one of lightpool, the same one each time."""
    theirs = _twins.get(model)
    if theirs is None:
        theirs = _twins.put(model, to_gammapy(model))
        _linked(model.spectral_model, theirs.spectral_model)
    theirs.datasets_names = list(model.datasets_names)
    return theirs


def linked_models(models: DatasetModels) -> GammapyDatasetModels:
    """Return a list of Gammapy with the models of a list of lightpool, see `linked_model`."""
    kind = GammapyModels if isinstance(models, Models) else GammapyDatasetModels
    return kind([linked_model(model) for model in models])
