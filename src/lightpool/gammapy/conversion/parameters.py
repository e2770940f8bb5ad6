"""Parameters of models."""

import inspect
from collections.abc import Iterable, Mapping

from gammapy.modeling import Parameter as GammapyParameter
from gammapy.modeling import Parameters as GammapyParameters

from lightpool.datasets.models.parameters import Parameter, Parameters
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy

__all__ = ["FromGammapyParameters", "ToGammapyParameters"]

_SHARED = frozenset(["self", "name", "value", "unit", "error", "min", "max", "frozen", "interp"])
# What versions of Gammapy do not have in common is found in the signature of its class.
_FIT_SETTINGS = {
    name: each.default
    for name, each in inspect.signature(GammapyParameter.__init__).parameters.items()
    if name not in _SHARED
}


class ToGammapyParameters:
    """Converts parameters; one that several models share stays one."""

    def __init__(self) -> None:
        self._converted: dict[int, GammapyParameter] = {}

    def one(self, parameter: Parameter) -> GammapyParameter:
        """Convert a parameter."""
        key = id(parameter)
        if key not in self._converted:
            self._converted[key] = _to_gammapy(parameter)
        return self._converted[key]

    def all(self, parameters: Iterable[Parameter]) -> list[GammapyParameter]:
        """Convert several parameters."""
        return [self.one(parameter) for parameter in parameters]


class FromGammapyParameters:
    """Converts parameters of Gammapy; one that several models share stays one."""

    def __init__(self) -> None:
        self._converted: dict[int, Parameter] = {}

    def one(self, parameter: GammapyParameter) -> Parameter:
        """Convert a parameter."""
        key = id(parameter)
        if key not in self._converted:
            self._converted[key] = _from_gammapy(parameter)
        return self._converted[key]

    def all(self, parameters: Iterable[GammapyParameter]) -> list[Parameter]:
        """Convert several parameters."""
        return [self.one(parameter) for parameter in parameters]


def _to_gammapy(parameter: Parameter) -> GammapyParameter:
    settings = dict(parameter.fit_settings)
    factor, label = settings.pop("factor", None), settings.pop("link label", None)
    lowest, highest = settings.pop("min", parameter.min), settings.pop("max", parameter.max)
    known = {name: value for name, value in settings.items() if name in _FIT_SETTINGS}
    value = parameter.value
    new = GammapyParameter(
        name=parameter.name,
        value=value,
        unit=parameter.unit,
        error=parameter.error,
        min=lowest,
        max=highest,
        frozen=parameter.frozen,
        interp=parameter.interp,
        **known,
    )
    if factor is not None and factor != new.factor:
        new.factor = factor
        if new.value != value:  # the value was changed since, so the factor is out of date
            new.value = value
    if label is not None:
        vars(new)["_link_label_io"] = label  # no public name; a printed model shows it
    return new


def _from_gammapy(parameter: GammapyParameter) -> Parameter:
    new = Parameter(
        name=parameter.name,
        value=parameter.value,
        unit=parameter.unit,
        error=parameter.error,
        min=parameter.min,
        max=parameter.max,
        frozen=parameter.frozen,
        interp=parameter.interp,
    )
    new.fit_settings = _fit_settings(parameter)
    return new


def _fit_settings(parameter: GammapyParameter) -> Mapping[str, object]:
    """Return what lightpool does not use, as arguments of the class in Gammapy; without what has its default value."""
    # The public names of scan ranges are computed from the value where none was set.
    state = vars(parameter)
    settings: dict[str, object] = {}
    for name, default in _FIT_SETTINGS.items():
        value = state.get(f"_{name}", state.get(name, default))
        if not (value is default or (isinstance(value, str | int | float) and value == default)):
            settings[name] = value
    if parameter.factor != parameter.value:
        settings["factor"] = parameter.factor
    if settings.get("prior") is not None:
        # A prior may replace the bounds, and they are back when it is removed.
        settings |= {"min": state.get("_min", parameter.min), "max": state.get("_max", parameter.max)}
    if state.get("_link_label_io") is not None:
        settings["link label"] = state["_link_label_io"]
    return settings


@to_gammapy.register
def _(parameter: Parameter) -> GammapyParameter:
    return ToGammapyParameters().one(parameter)


@to_gammapy.register
def _(parameters: Parameters) -> GammapyParameters:
    return GammapyParameters(ToGammapyParameters().all(parameters))


@from_gammapy.register
def _(parameter: GammapyParameter) -> Parameter:
    return FromGammapyParameters().one(parameter)


@from_gammapy.register
def _(parameters: GammapyParameters) -> Parameters:
    return Parameters(FromGammapyParameters().all(parameters))
