"""Errors that derive from those of `astropy.units`."""

import astropy.units as u

from lightpool.errors import WrongUnitError

__all__ = ["WrongRangeUnitError"]


class WrongRangeUnitError(WrongUnitError, u.UnitConversionError):
    """The limits of a range have a unit that does not convert to that of the values."""
