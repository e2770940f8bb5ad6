"""Tables of the instrument response (DL3), and matrices of the energy dispersion.

The values are shared, whatever their data type and byte order, and so is the dictionary of the metadata. A table is
converted once, and again only after its values were replaced by other ones, or its settings changed.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import astropy.units as u
import gammapy.irf as gammapy_irf

from lightpool.gammapy.conversion.axes import axis_from_gammapy, axis_to_gammapy
from lightpool.gammapy.conversion.kinds import require_class
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.twins import Twins
from lightpool.irf import (
    IRF,
    PSF3D,
    PSF4D,
    Background2D,
    Background3D,
    EDispKernel,
    EffectiveAreaTable2D,
    EffectiveAreaTable3D,
    EffectiveAreaTablePolar,
    EnergyDependentMultiGaussPSF,
    EnergyDispersion2D,
    EnergyDispersion3D,
    EnergyDispersionPolar,
    PSFKing,
    PSFPolar,
    RadMax2D,
)
from lightpool.irf.projection.evaluation import is_of_another_kind
from lightpool.typing import GammapyObject, UnitLike

__all__ = ["table_from_gammapy", "table_to_gammapy"]

_TO_GAMMAPY: dict[type[IRF], type] = {
    EffectiveAreaTable2D: gammapy_irf.EffectiveAreaTable2D,
    EnergyDispersion2D: gammapy_irf.EnergyDispersion2D,
    PSF3D: gammapy_irf.PSF3D,
    EnergyDependentMultiGaussPSF: gammapy_irf.EnergyDependentMultiGaussPSF,
    PSFKing: gammapy_irf.PSFKing,
    Background2D: gammapy_irf.Background2D,
    Background3D: gammapy_irf.Background3D,
    RadMax2D: gammapy_irf.RadMax2D,
    EDispKernel: gammapy_irf.EDispKernel,
}
for _asymmetric in (
    EffectiveAreaTable3D,
    EffectiveAreaTablePolar,
    EnergyDispersion3D,
    EnergyDispersionPolar,
    PSF4D,
    PSFPolar,
):
    # Gammapy has no such classes; its makers take those that are derived from its own like this.
    _TO_GAMMAPY[_asymmetric] = type(
        _asymmetric.__name__,
        (gammapy_irf.IRF,),
        {
            "tag": _asymmetric.tag,
            "required_axes": _asymmetric.required_axes,
            "default_unit": _asymmetric.default_unit,
            "__module__": __name__,
        },
    )
_FROM_GAMMAPY = {kind: own for own, kind in _TO_GAMMAPY.items()}


@dataclass(frozen=True)
class _State:
    """What can be changed of a table. Values and metadata are shared: only others in their place are a change."""

    data: GammapyObject
    unit: GammapyObject
    interp_kwargs: dict[str, object]
    meta: GammapyObject

    def is_that_of(self, table: GammapyObject) -> bool:
        """Return whether a table is still as it was."""
        return (
            self.data is table.data
            and self.meta is table.meta
            and self.interp_kwargs == table.interp_kwargs
            and self.unit == _units(table.unit)
        )


_TWINS: Twins[GammapyObject] = Twins()
_STATES: Twins[tuple[_State, _State]] = Twins()
"""What a table, and the one that it was converted to, were then."""


def _state(table: GammapyObject) -> _State:
    return _State(table.data, _units(table.unit), dict(table.interp_kwargs), table.meta)


def _known_twin(table: GammapyObject) -> GammapyObject:
    """Return what a table was converted to if neither of both changed since, else None."""
    twin, then = _TWINS.get(table), _STATES.get(table)
    if twin is None or then is None:
        return None
    return twin if then[0].is_that_of(table) and then[1].is_that_of(twin) else None


def _remember(table: GammapyObject, twin: GammapyObject) -> None:
    # a spare, because lightpool gives a width to an axis of one point, and Gammapy does not
    spare = copy(table)
    _TWINS.put_pair(table, twin, spare)
    own, other = _state(table), _state(twin)
    for each in (table, spare):
        _STATES.put(each, (own, other))
    _STATES.put(twin, (other, own))


def _units(unit: "UnitLike | Mapping[str, UnitLike]") -> u.UnitBase | dict[str, u.UnitBase]:
    """Return the unit of a table, or those of its parameters by name; text becomes a unit."""
    if isinstance(unit, Mapping):
        return {name: u.Unit(each) for name, each in unit.items()}
    return u.Unit(unit)


def table_to_gammapy(table: IRF) -> GammapyObject:
    """Return a response table as one of Gammapy.

    Raises
    ------
    TypeError
        If its class evaluates itself in a way of its own, which Gammapy's does not.
    """
    twin = _known_twin(table)
    if twin is not None:
        return twin
    own = type(table)
    if own not in _TO_GAMMAPY and is_of_another_kind(own):
        raise TypeError(
            f"to_gammapy got a {own.__module__}.{own.__qualname__}, whose evaluate is not that of its base class: "
            "Gammapy's class would give other values; derive a class of Gammapy's in the same way, and make one of that"
        )
    kind = next(_TO_GAMMAPY[base] for base in type(table).__mro__ if base in _TO_GAMMAPY)
    twin = kind(
        axes=[axis_to_gammapy(axis) for axis in table.map_axes],
        data=table.data,
        unit=_units(table.unit),
        is_pointlike=table.is_pointlike,
        fov_alignment=table.fov_alignment.value,
        # Gammapy needs these two
        interp_kwargs={"bounds_error": False, "fill_value": None, **table.interp_kwargs},
    )
    twin.meta = table.meta
    _remember(table, twin)
    return twin


def table_from_gammapy(table: GammapyObject) -> IRF:
    """Return a response table of Gammapy as one of lightpool.

    Raises
    ------
    FormatError
        If its axes or units are none of such a table.
    """
    twin: IRF | None = _known_twin(table)
    if twin is not None:
        return twin
    kind = next(base for base in type(table).__mro__ if base in _FROM_GAMMAPY)
    require_class(table, kind)
    twin = _FROM_GAMMAPY[kind](
        axes=[axis_from_gammapy(axis) for axis in table.axes],
        data=table.data,
        unit=_units(table.unit),
        is_pointlike=table.is_pointlike,
        fov_alignment=table.fov_alignment.value,
        interp_kwargs=table.interp_kwargs,
    )
    twin.meta = table.meta
    _remember(table, twin)
    return twin


for _own, _kind in _TO_GAMMAPY.items():
    to_gammapy.register(_own, table_to_gammapy)
    from_gammapy.register(_kind, table_from_gammapy)
