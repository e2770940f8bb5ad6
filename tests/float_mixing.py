"""array-api-strict whose float32 and float64 do not meet; the standard allows it, which hides what is slow."""

import types
from typing import Any

import pytest

_MIXED = {"float32", "float64"}
_MAY_MIX = ("result_type", "can_cast", "isdtype", "searchsorted")
_OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lt", "le", "gt", "ge", "eq", "ne"]


def refuse_mixing(monkeypatch: pytest.MonkeyPatch, xp: Any) -> None:
    """Make functions and operators of array-api-strict refuse arrays of both types together."""
    array_type = type(xp.zeros(1))

    def float_types(values: Any) -> set[str]:
        if isinstance(values, array_type):
            return {str(values.dtype).rpartition(".")[2]} & _MIXED
        if isinstance(values, list | tuple):
            return set().union(*(float_types(item) for item in values))
        return set()

    def refusing(function: Any, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if float_types([*args, *kwargs.values()]) == _MIXED:
                raise TypeError(f"{name}: float32 meets float64, one of them is to be converted before")
            return function(*args, **kwargs)

        return call

    for name, function in list(vars(xp).items()):
        if isinstance(function, types.FunctionType) and not name.startswith("_") and name not in _MAY_MIX:
            monkeypatch.setattr(xp, name, refusing(function, name))
    methods = [f"__{prefix}{name}__" for name in _OPERATORS for prefix in ("", "i", "r")]
    for name in [*methods, "__setitem__"]:
        if hasattr(array_type, name):
            monkeypatch.setattr(array_type, name, refusing(getattr(array_type, name), name))
