"""Where the telescopes pointed; the coordinate is the same object on both sides."""

from weakref import ref

from gammapy.data import FixedPointingInfo as GammapyFixedPointingInfo
from gammapy.data import PointingInfo as GammapyPointingInfo

from lightpool.data import FixedPointingInfo, PointingInfo
from lightpool.gammapy.conversion.overrides import require_no_override
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.twins import Twins

__all__ = [
    "pointing_from_gammapy",
    "pointing_table_from_gammapy",
    "pointing_table_to_gammapy",
    "pointing_to_gammapy",
]

_ORIGINALS: Twins["ref[GammapyFixedPointingInfo]"] = Twins()


@from_gammapy.register(GammapyFixedPointingInfo)
def pointing_from_gammapy(pointing: GammapyFixedPointingInfo) -> FixedPointingInfo:
    """Return a pointing of Gammapy as one of lightpool."""
    require_no_override(pointing, GammapyFixedPointingInfo)
    found = FixedPointingInfo(fixed_icrs=pointing.fixed_icrs, fixed_altaz=pointing.fixed_altaz)
    # Up to Gammapy 1.3 it also holds times and positions of the header.
    _ORIGINALS.put(found, ref(pointing))
    return found


@to_gammapy.register
def pointing_to_gammapy(pointing: FixedPointingInfo) -> GammapyFixedPointingInfo:
    """Return a pointing as one of Gammapy."""
    original = _ORIGINALS.get(pointing)
    found = None if original is None else original()
    if found is not None:
        return found
    return GammapyFixedPointingInfo(fixed_icrs=pointing.fixed_icrs, fixed_altaz=pointing.fixed_altaz)


@from_gammapy.register(GammapyPointingInfo)
def pointing_table_from_gammapy(pointing: GammapyPointingInfo) -> PointingInfo:
    """Return a pointing table of Gammapy as one of lightpool; they share the table."""
    require_no_override(pointing, GammapyPointingInfo)
    return PointingInfo(pointing.table)


@to_gammapy.register
def pointing_table_to_gammapy(pointing: PointingInfo) -> GammapyPointingInfo:
    """Return a pointing table as one of Gammapy; they share the table."""
    return GammapyPointingInfo(pointing.table)
