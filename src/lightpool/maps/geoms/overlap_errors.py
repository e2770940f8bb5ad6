"""Errors of cutouts that derive from those of `astropy.nddata`, which Gammapy raises; imported when there is one."""

from astropy.nddata import NoOverlapError as NoOverlapOfArraysError
from astropy.nddata import PartialOverlapError

from lightpool.errors import GeometryError, NoOverlapError

__all__ = ["CutoutOutsideError", "CutoutPartlyOutsideError"]


class CutoutOutsideError(NoOverlapError, NoOverlapOfArraysError):
    """A cutout lies entirely outside of the map."""


class CutoutPartlyOutsideError(GeometryError, PartialOverlapError):
    """A cutout that has to lie on the map lies partly outside of it."""
