"""Spectral models without a unit: factors that correct a background as a function of energy."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import Device, constant
from lightpool.arrays.devices.array_types import Array
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy
from lightpool.datasets.models.parameters import Parameter, Parameters
from lightpool.errors import FormatError
from lightpool.maps.units import unit_factor
from lightpool.typing import QuantityLike
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = [
    "NormSpectralModel",
    "PiecewiseNormSpectralModel",
    "PowerLawNormSpectralModel",
    "find_norm_model",
]

# As in the YAML files of Gammapy: these fields are left out where they equal the default.
_OMITTED_WHEN_DEFAULT = ("min", "max", "error", "interp", "frozen")


class NormSpectralModel(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks, ABC):
    """A factor that depends on energy, with named parameters."""

    tag: ClassVar[tuple[str, ...]]
    type: ClassVar[str] = "spectral"
    is_norm_spectral_model: ClassVar[bool] = True

    parameters: Parameters

    def __call__(self, energy: u.Quantity) -> u.Quantity:
        """Compute the factor at each energy, dimensionless, shape of ``energy``."""
        return u.Quantity(self.evaluate(energy), "", copy=False)

    @abstractmethod
    def evaluate(self, energy: u.Quantity) -> NDArray[np.float64]:
        """Compute the plain factors at energies, shape of ``energy``."""

    def evaluate_on(self, energy: u.Quantity, device: Device) -> Array:
        """Compute the plain factors on a device, without reading back parameters that are stored there.

        Parameters
        ----------
        energy : Quantity
        device : Device

        Returns
        -------
        factors : array of float on ``device``, shape of ``energy``
        """
        return constant(self.evaluate(energy), device)

    @property
    @abstractmethod
    def default_parameters(self) -> Parameters:
        """Parameters of a model that is created without arguments."""

    @classmethod
    @abstractmethod
    def _from_spectral_dict(cls, data: dict[str, Any]) -> "NormSpectralModel":
        """Create a model from the section ``spectral`` of its dictionary."""

    @property
    def frozen(self) -> bool:
        """Whether all parameters are frozen."""
        return all(parameter.frozen for parameter in self.parameters)

    def freeze(self) -> None:
        """Freeze all parameters."""
        self.parameters.freeze_all()

    def unfreeze(self) -> None:
        """Reset the frozen state of every parameter to that of a new model."""
        for parameter, default in zip(self.parameters, self.default_parameters, strict=True):
            parameter.frozen = default.frozen

    def copy(self) -> "NormSpectralModel":
        """Return a deep copy."""
        return copy.deepcopy(self)

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return a dictionary for YAML; fields with their default value are left out unless ``full_output``."""
        rows = self.parameters.to_dict()
        if not full_output:
            rows = [
                _without_defaults(row, default.to_dict())
                for row, default in zip(rows, self.default_parameters, strict=True)
            ]
        return {"spectral": {"type": self.tag[0], "parameters": rows, **self._extra_dict()}}

    def _extra_dict(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "NormSpectralModel":
        """Read the dictionary of `to_dict`, with or without its outer key ``spectral``."""
        data = data.get("spectral", data)
        if data["type"] not in cls.tag:
            raise FormatError(f"model type {data['type']!r} is not {cls.tag[0]!r}")
        return cls._from_spectral_dict(data)

    def html_card(self) -> Card:
        """Return what notebooks show of the model."""
        return Card(type(self).__name__, "", [], self.parameters.html_card().sections)

    def __str__(self) -> str:
        return f"{type(self).__name__}\n\n{self.parameters.to_table()}"


def _without_defaults(row: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    def keeps(key: str) -> bool:
        if key == "unit":
            return bool(default["unit"])
        if key not in _OMITTED_WHEN_DEFAULT:
            return True
        # A missing bound is NaN, which does not equal itself.
        both_nan = row[key] != row[key] and default[key] != default[key]
        return not (both_nan or bool(row[key] == default[key]))

    return {key: value for key, value in row.items() if keeps(key)}


class PowerLawNormSpectralModel(NormSpectralModel):
    """A factor that is a power law, ``norm * (energy / reference) ** -tilt``.

    Parameters
    ----------
    tilt : float or Parameter, frozen at 0 by default
    norm : float or Parameter, 1 by default
    reference : Quantity, str or Parameter, frozen at 1 TeV by default
    """

    tag = ("PowerLawNormSpectralModel", "pl-norm")

    def __init__(
        self,
        tilt: "QuantityLike | Parameter | None" = None,
        norm: "QuantityLike | Parameter | None" = None,
        reference: "QuantityLike | Parameter | None" = None,
    ) -> None:
        given = {"tilt": tilt, "norm": norm, "reference": reference}
        # default_parameters are new objects each time, so they can be changed.
        self.parameters = Parameters(_changed(default, given[default.name]) for default in self.default_parameters)

    @property
    def default_parameters(self) -> Parameters:
        """Parameters of a model that is created without arguments."""
        return Parameters(
            [
                Parameter("tilt", 0.0, frozen=True),
                Parameter("norm", 1.0, interp="log"),
                Parameter("reference", "1 TeV", frozen=True),
            ]
        )

    @property
    def tilt(self) -> Parameter:
        """Tilt: the negative index of the power law."""
        return self.parameters["tilt"]

    @property
    def norm(self) -> Parameter:
        """Factor at the reference energy."""
        return self.parameters["norm"]

    @property
    def reference(self) -> Parameter:
        """Reference energy."""
        return self.parameters["reference"]

    def evaluate(self, energy: u.Quantity) -> NDArray[np.float64]:
        """Compute the plain factors at energies, shape of ``energy``."""
        return np.asarray(self.norm.value * self._shape(energy))

    def evaluate_on(self, energy: u.Quantity, device: Device) -> Array:
        """Compute the plain factors on a device, without reading back parameters that are stored there.

        Parameters
        ----------
        energy : Quantity
        device : Device

        Returns
        -------
        factors : array of float on ``device``, shape of ``energy``
        """
        factors: Array = constant(self._shape(energy), device) * self.norm.value_on(device)
        return factors

    def _shape(self, energy: u.Quantity) -> NDArray[np.float64]:
        """Compute the factors for a norm of one."""
        reference = self.reference
        ratio = np.asarray(energy.value / reference.value * unit_factor(energy.unit, reference.unit))
        return np.asarray(ratio**-self.tilt.value)

    @classmethod
    def _from_spectral_dict(cls, data: dict[str, Any]) -> "PowerLawNormSpectralModel":
        given = {row["name"]: row for row in data["parameters"]}
        defaults = cls().parameters.to_dict()
        return cls(**{row["name"]: Parameter.from_dict(row | given.get(row["name"], {})) for row in defaults})


def _changed(parameter: Parameter, value: "QuantityLike | Parameter | None") -> Parameter:
    if isinstance(value, Parameter):
        return value
    if type(value).__module__.startswith("gammapy."):
        return Parameter.from_gammapy(value)
    if value is not None:
        parameter.quantity = value
    return parameter


class PiecewiseNormSpectralModel(NormSpectralModel):
    """A factor given at energies, interpolated between them and constant beyond the first and the last.

    Parameters
    ----------
    energy : Quantity, shape (n,), ascending, n at least 2
    norms : sequence of float or Parameter, shape (n,); ones by default
    interp : {"log", "lin"}
        ``log`` interpolates the logarithms of energies and norms.
    """

    tag = ("PiecewiseNormSpectralModel", "piecewise-norm")

    def __init__(
        self,
        energy: u.Quantity,
        norms: Sequence[float | Parameter] | NDArray[np.float64] | u.Quantity | None = None,
        interp: str = "log",
    ) -> None:
        if interp not in ("log", "lin"):
            raise ValueError(f"interp must be 'log' or 'lin', got {interp!r}")
        self._energy = u.Quantity(energy)
        self._interp = interp
        norms = np.ones(len(self._energy)) if norms is None else norms
        if len(norms) != len(self._energy):
            raise ValueError(f"got {len(norms)} norms for {len(self._energy)} energies; give one norm per energy")
        if len(norms) < 2:
            raise ValueError("a piecewise norm needs at least 2 energies, got 1; use ConstantNormSpectralModel")
        self.parameters = Parameters(
            norm if isinstance(norm, Parameter) else Parameter(f"norm_{i}", norm) for i, norm in enumerate(norms)
        )

    @property
    def default_parameters(self) -> Parameters:
        """Parameters of a model that is created without norms."""
        return Parameters(Parameter(name, 1.0) for name in self.parameters.names)

    @property
    def energy(self) -> u.Quantity:
        """Energies at which the norms are given."""
        return self._energy

    @property
    def interp(self) -> str:
        """``log`` or ``lin``: the scale of energies and norms between the nodes."""
        return self._interp

    @property
    def norms(self) -> u.Quantity:
        """Factor at each of the energies."""
        return u.Quantity(self.parameters.value)

    def evaluate(self, energy: u.Quantity) -> NDArray[np.float64]:
        """Compute the plain factors at energies, shape of ``energy``."""
        nodes = self.energy.to_value(energy.unit)
        if self._interp == "lin":
            return np.asarray(np.interp(energy.value, nodes, self.parameters.value))
        tiny = np.finfo(np.float64).tiny  # stands for zero, which has no logarithm
        log_norms = np.log(np.maximum(self.parameters.value, tiny))
        factors = np.exp(np.interp(np.log(energy.value), np.log(nodes), log_norms))
        # The factor is zero again where the nodes are; 2 allows for the rounding of exp(log(tiny)).
        return np.where(factors > 2 * tiny, factors, 0.0)

    def _extra_dict(self) -> dict[str, Any]:
        energy = {"data": self.energy.value.tolist(), "unit": str(self.energy.unit)}
        return {"energy": energy, "interp": self._interp}

    @classmethod
    def _from_spectral_dict(cls, data: dict[str, Any]) -> "PiecewiseNormSpectralModel":
        energy = u.Quantity(data["energy"]["data"], data["energy"]["unit"])
        norms = [Parameter.from_dict(row) for row in data["parameters"]]
        return cls(energy=energy, norms=norms, interp=data.get("interp", "log"))


_MODELS: tuple[type[NormSpectralModel], ...] = (PowerLawNormSpectralModel, PiecewiseNormSpectralModel)


def find_norm_model(tag: str) -> type[NormSpectralModel]:
    """Return the class of a tag, such as ``pl-norm`` or ``PowerLawNormSpectralModel``."""
    for model in _MODELS:
        if tag in model.tag:
            return model
    known = [name for model in _MODELS for name in model.tag]
    raise FormatError(f"spectral norm model {tag!r} is not known; a background is corrected by one of {known}")
