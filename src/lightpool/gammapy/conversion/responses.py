"""Tables of the instrument response (DL3), and matrices of the energy dispersion.

The values are shared, whatever their data type and byte order, and so is the dictionary of the metadata. A table is
converted once, and again only after its values were replaced by other ones, or its settings changed.
"""

from collections.abc import Mapping

import astropy.units as u
import gammapy.irf as gammapy_irf

from lightpool.gammapy.conversion.axes import axis_from_gammapy, axis_to_gammapy
from lightpool.gammapy.conversion.kinds import require_class
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.twins import Twins
from lightpool.irf import (
    IRF,
    PSF3D,
    Background2D,
    Background3D,
    EDispKernel,
    EffectiveAreaTable2D,
    EnergyDependentMultiGaussPSF,
    EnergyDispersion2D,
    PSFKing,
    RadMax2D,
)
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
_FROM_GAMMAPY = {kind: own for own, kind in _TO_GAMMAPY.items()}

_TWINS: Twins[GammapyObject] = Twins()
_STATES: Twins[tuple[object, ...]] = Twins()
"""What both tables of a pair were when they were converted."""


def _state(table: GammapyObject) -> tuple[object, ...]:
    """Return what can be changed of a table: its values come first, which are compared by identity."""
    return table.data, _units(table.unit), dict(table.interp_kwargs), table.meta


def _known_twin(table: GammapyObject) -> GammapyObject:
    """Return what a table was converted to if neither of both changed since, else None."""
    twin = _TWINS.get(table)
    if twin is None or not all(_is_unchanged(_) for _ in (table, twin)):
        return None
    return twin


def _is_unchanged(table: GammapyObject) -> bool:
    then, now = _STATES.get(table), _state(table)
    return then is not None and then[0] is now[0] and then[1:3] == now[1:3] and then[3] is now[3]


def _remember(table: GammapyObject, twin: GammapyObject) -> None:
    for each in (table, twin):
        _STATES.put(each, _state(each))
    _TWINS.put_pair(table, twin)


def _units(unit: "UnitLike | Mapping[str, UnitLike]") -> u.UnitBase | dict[str, u.UnitBase]:
    """Return the unit of a table, or those of its parameters by name; text becomes a unit."""
    if isinstance(unit, Mapping):
        return {name: u.Unit(each) for name, each in unit.items()}
    return u.Unit(unit)


def table_to_gammapy(table: IRF) -> GammapyObject:
    """Return a response table as one of Gammapy."""
    twin = _known_twin(table)
    if twin is not None:
        return twin
    kind = next(_TO_GAMMAPY[base] for base in type(table).__mro__ if base in _TO_GAMMAPY)
    twin = kind(
        axes=[axis_to_gammapy(axis) for axis in table.map_axes],
        data=table.data,
        unit=_units(table.unit),
        is_pointlike=table.is_pointlike,
        fov_alignment=table.fov_alignment.value,
        interp_kwargs=dict(table.interp_kwargs),
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
