"""Good time intervals; the table is the same object on both sides.

Good times that lightpool read from a file, or computed, are plain numbers: their table is made when it is first asked
for, and shared from then on.
"""

from weakref import ref

from gammapy.data import GTI as GammapyGTI  # noqa: N811 - a class

from lightpool.data import GTI
from lightpool.data.tables.time_reference import TimeReference
from lightpool.gammapy.conversion.overrides import require_no_override
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.twins import Twins

__all__ = ["gti_from_gammapy", "gti_to_gammapy"]

_ORIGINALS: Twins["ref[GammapyGTI]"] = Twins()


@from_gammapy.register(GammapyGTI)
def gti_from_gammapy(gti: GammapyGTI) -> GTI:
    """Return good time intervals of Gammapy as those of lightpool, with the same table."""
    require_no_override(gti, GammapyGTI)
    found = GTI(gti.table, gti.time_ref)
    # The original also knows who created it.
    _ORIGINALS.put(found, ref(gti))
    return found


@to_gammapy.register
def gti_to_gammapy(gti: GTI) -> GammapyGTI:
    """Return good time intervals as those of Gammapy, with the same table."""
    table = gti.table
    original = _ORIGINALS.get(gti)
    found = None if original is None else original()
    if found is not None and found.table is table and TimeReference.from_time(found.time_ref) == gti.reference:
        return found
    return GammapyGTI(table, reference_time=gti.time_ref)
