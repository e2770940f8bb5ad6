"""Parameters of models: numbers with an error, a unit and bounds."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, SupportsFloat, TypeAlias, overload

import astropy.units as u
import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.arrays import DeferredNumber, Device
from lightpool.arrays.devices.array_types import Array
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy
from lightpool.typing import QuantityLike, UnitLike
from lightpool.utils.html import Card, Html, Section, ShownInNotebooks, grid, note
from lightpool.utils.text import number_of

__all__ = ["CovarianceLike", "Parameter", "Parameters", "checked_covariance"]

CovarianceLike: TypeAlias = NDArray[np.float64] | Sequence[Sequence[float]]
"""A square matrix of numbers."""

_UNCHANGING = (str, float, bool, u.UnitBase, DeferredNumber)


class Parameter(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """One number of a model.

    Parameters
    ----------
    name : str
    value : float, Quantity or str such as ``1 TeV``; or a DeferredNumber, which is read when the value is used
    unit : str or Unit; that of ``value`` if it has one
    error : float or DeferredNumber, in ``unit``; None is NaN
    min, max : float, in ``unit``; NaN or None is no bound
    frozen : bool, whether fits keep it fixed
    interp : {"lin", "log", "sqrt"}, kept for files

    Attributes
    ----------
    fit_settings : dict
        Settings that only a fit by Gammapy needs, such as scales, scan ranges and priors: kept for the conversion to
        Gammapy, not used here and not written to files.
    """

    fit_settings: Mapping[str, object]

    def __init__(
        self,
        name: str,
        value: SupportsFloat | str,
        unit: UnitLike = "",
        error: SupportsFloat | str | None = 0.0,
        min: SupportsFloat | str | None = np.nan,  # noqa: A002  Gammapy's names
        max: SupportsFloat | str | None = np.nan,  # noqa: A002
        frozen: bool = False,
        interp: str = "lin",
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of a parameter must be a string, got {name!r}")
        self.name = name
        if isinstance(value, u.Quantity | str):
            value = u.Quantity(value)
            unit, value = value.unit, value.value
        self.value = value
        self.unit = unit
        self.error = error
        self.min = min
        self.max = max
        self.frozen = frozen
        self.interp = interp
        self.fit_settings = {}

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the value, the error and the bounds; setting another unit does not convert them."""
        return self._unit

    @unit.setter
    def unit(self, value: UnitLike) -> None:
        self._unit = u.Unit(value)

    @property
    def value(self) -> float:
        """Number in ``unit``."""
        return float(self._value)

    @value.setter
    def value(self, value: SupportsFloat) -> None:
        # A DeferredNumber is kept as it is: to convert it here would wait for the device.
        self._value = value if isinstance(value, DeferredNumber) else float(value)

    @property
    def error(self) -> float:
        """Standard error in ``unit``."""
        return float(self._error)

    @error.setter
    def error(self, value: SupportsFloat | str | None) -> None:
        self._error = value if isinstance(value, DeferredNumber) else self._number(value)

    def value_on(self, device: Device) -> Array | float:
        """Return the value: if this device stores it, an array without dimensions, not read back; else a float."""
        return _number_on(self._value, device)

    def error_on(self, device: Device) -> Array | float:
        """Return the error without reading it back, see `value_on`."""
        return _number_on(self._error, device)

    def html_row(self) -> tuple[object, ...]:
        """Return name, value, error, bounds, unit and ``frozen``; a number that waits on a device is not read."""
        return (self.name, self._shown("value"), self._shown("error"), self.min, self.max, self.unit, self.frozen)

    def _shown(self, name: str) -> str:
        kept = vars(self).get(f"_{name}")  # those of Gammapy, see `lightpool.gammapy.linked_models`, keep none
        if isinstance(kept, DeferredNumber) and not kept.is_read:
            return note(f"waits on {kept.device} until it is read")
        return f"{getattr(self, name):.6g}"

    def html_card(self) -> Card:
        """Return what notebooks show of the parameter."""
        return Parameters([self]).html_card()

    @property
    def min(self) -> float:
        """Lower bound in ``unit``, NaN if there is none."""
        return self._min

    @min.setter  # noqa: A003
    def min(self, value: SupportsFloat | str | None) -> None:
        self._min = self._number(value)

    @property
    def max(self) -> float:
        """Upper bound in ``unit``, NaN if there is none."""
        return self._max

    @max.setter  # noqa: A003
    def max(self, value: SupportsFloat | str | None) -> None:
        self._max = self._number(value)

    @property
    def frozen(self) -> bool:
        """Whether fits keep the parameter fixed."""
        return self._frozen

    @frozen.setter
    def frozen(self, value: bool | np.bool_) -> None:
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"frozen must be True or False, got {value!r} for parameter {self.name!r}")
        self._frozen = bool(value)

    @property
    def quantity(self) -> u.Quantity:
        """Value with its unit."""
        return self.value * self.unit

    @quantity.setter
    def quantity(self, value: QuantityLike) -> None:
        value = u.Quantity(value)
        if not value.unit.is_equivalent(self.unit):
            raise u.UnitConversionError(f"parameter {self.name!r} is in {self.unit}, got {value.unit}")
        self.value, self.unit = value.value, value.unit

    def _number(self, value: SupportsFloat | str | None) -> float:
        if value is None or value is np.ma.masked:
            return np.nan
        if isinstance(value, u.Quantity | str):
            return float(u.Quantity(value).to_value(self.unit))
        return float(value)

    def copy(self) -> "Parameter":
        """Return a deep copy."""
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, object]) -> "Parameter":
        # Most attributes cannot change, which `copy.deepcopy` finds out at length; each run has a model of its own.
        made = object.__new__(type(self))
        memo[id(self)] = made
        for name, value in self.__dict__.items():
            made.__dict__[name] = value if isinstance(value, _UNCHANGING) else copy.deepcopy(value, memo)
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return the fields under the names of Gammapy's YAML files."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit.to_string("fits"),
            "error": self.error,
            "min": self.min,
            "max": self.max,
            "frozen": self.frozen,
            "interp": self.interp,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Parameter":
        """Read the fields that `to_dict` writes; those that only a fit needs (scales, priors, links) are left out."""
        known = ("name", "value", "unit", "error", "min", "max", "frozen", "interp")
        return cls(**{key: data[key] for key in known if key in data})

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self.name!r}, value={self.value!r}, unit={self.unit!r}, "
            f"error={self.error!r}, min={self.min!r}, max={self.max!r}, frozen={self.frozen!r})"
        )


def _number_on(number: float | DeferredNumber, device: Device) -> Array | float:
    # A number of another device has to be read in any case, and on the host a float is simpler than an array.
    if isinstance(number, DeferredNumber) and number.device == device and not device.is_host:
        return number.array
    return float(number)


def checked_covariance(values: CovarianceLike, parameters: "Parameters") -> NDArray[np.float64]:
    """Return a covariance of parameters as a new array.

    Parameters
    ----------
    values : array of float, shape (n_parameter, n_parameter)
    parameters : Parameters

    Raises
    ------
    ValueError
        If the array has another shape.
    """
    covariance = np.array(values, dtype=np.float64)
    n_parameter = len(parameters)
    if covariance.shape != (n_parameter, n_parameter):
        raise ValueError(
            f"covariance of {n_parameter} parameters must be a square of them, got shape {covariance.shape}"
        )
    return covariance


class Parameters(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks, Sequence[Parameter]):
    """Parameters of one or several models, found by name or number."""

    _consumed = ("parameters",)

    def __init__(self, parameters: Iterable[Parameter] | None = None) -> None:
        self._parameters = [] if parameters is None else list(parameters)

    @classmethod
    def from_stack(cls, parameters_list: Iterable[Iterable[Parameter]]) -> "Parameters":
        """Join several sets of parameters."""
        return cls(parameter for parameters in parameters_list for parameter in parameters)

    @property
    def names(self) -> list[str]:
        """Name of each parameter."""
        return [parameter.name for parameter in self]

    @property
    def value(self) -> NDArray[np.float64]:
        """Value of each parameter, shape (n,)."""
        return self._array("value")

    @value.setter
    def value(self, values: Sequence[SupportsFloat] | NDArray[np.float64]) -> None:
        self._set("value", values)

    @property
    def error(self) -> NDArray[np.float64]:
        """Error of each parameter, shape (n,)."""
        return self._array("error")

    @error.setter
    def error(self, values: Sequence[SupportsFloat] | NDArray[np.float64]) -> None:
        self._set("error", values)

    @property
    def min(self) -> NDArray[np.float64]:
        """Lower bound of each parameter, shape (n,)."""
        return self._array("min")

    @property
    def max(self) -> NDArray[np.float64]:
        """Upper bound of each parameter, shape (n,)."""
        return self._array("max")

    @property
    def free_parameters(self) -> "Parameters":
        """Parameters that are not frozen."""
        return Parameters(parameter for parameter in self if not parameter.frozen)

    @property
    def unique_parameters(self) -> "Parameters":
        """Parameters without repeats."""
        # A dict keeps the order, which a set does not.
        return Parameters(dict.fromkeys(self))

    def freeze_all(self) -> None:
        """Freeze every parameter."""
        self._set("frozen", [True] * len(self))

    def unfreeze_all(self) -> None:
        """Free every parameter."""
        self._set("frozen", [False] * len(self))

    def index(self, key: object, *_: object) -> int:
        """Return the position of a parameter.

        Parameters
        ----------
        key : Parameter, str or int, the parameter itself, its name or its position
        *_ : not used; the limits of `list.index`
        """
        if isinstance(key, int | np.integer):
            return int(key)
        if isinstance(key, str):
            if key not in self.names:
                raise IndexError(f"no parameter {key!r}; there are {self.names}")
            return self.names.index(key)
        if isinstance(key, Parameter):
            return self._parameters.index(key)
        raise TypeError(f"a parameter is found by name, number or itself, got {key!r}")

    def copy(self) -> "Parameters":
        """Return a deep copy."""
        return copy.deepcopy(self)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return a list of the parameters' dictionaries."""
        return [parameter.to_dict() for parameter in self]

    def to_table(self) -> Table:
        """Return a table with one row per parameter."""
        columns: dict[str, Callable[[Parameter], str | float]] = {
            "name": lambda p: p.name,
            "value": lambda p: p.value,
            "unit": lambda p: p.unit.to_string("fits"),
            "error": lambda p: p.error,
            "min": lambda p: p.min,
            "max": lambda p: p.max,
            "frozen": lambda p: p.frozen,
        }
        table = Table({name: [get(parameter) for parameter in self] for name, get in columns.items()})
        table["value"].format = ".4e"
        for name in ("error", "min", "max"):
            table[name].format = ".3e"
        return table

    def _array(self, name: str) -> NDArray[np.float64]:
        return np.array([getattr(parameter, name) for parameter in self], dtype=np.float64)

    def _set(self, name: str, values: Sequence[SupportsFloat] | NDArray[np.float64]) -> None:
        if len(values) != len(self):
            raise ValueError(f"{len(self)} parameters need as many values of {name!r}, got {len(values)}")
        for parameter, value in zip(self, values, strict=True):
            setattr(parameter, name, value)

    @overload
    def __getitem__(self, key: int | str) -> Parameter: ...
    @overload
    def __getitem__(self, key: slice) -> "Parameters": ...
    def __getitem__(self, key: int | str | slice) -> "Parameter | Parameters":
        if isinstance(key, slice):
            return Parameters(self._parameters[key])
        return self._parameters[self.index(key)]

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __add__(self, other: "Parameters") -> "Parameters":
        return Parameters.from_stack([self, other])

    def html_card(self) -> Card:
        """Return what notebooks show of the parameters."""
        names = ("name", "value", "error", "min", "max", "unit", "frozen")
        n = len(self)

        def values() -> Html:
            return grid(names, [parameter.html_row() for parameter in self]) if n else Html("")

        return Card(type(self).__name__, "", [number_of(n, "parameter")], [Section("Values", values, "", True)])
