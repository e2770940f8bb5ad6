"""Errors of cutouts that derive from those of `astropy.nddata`, which Gammapy raises; imported when there is one.

Their names are those of the errors in `lightpool.errors`, so that messages do not depend on what has been imported.
"""

from astropy import nddata

from lightpool import errors

__all__ = ["NoOverlapError", "PartialOverlapError"]


class NoOverlapError(errors.NoOverlapError, nddata.NoOverlapError):
    """A cutout lies entirely outside of the map."""


class PartialOverlapError(errors.PartialOverlapError, nddata.PartialOverlapError):
    """A cutout that has to lie on the map lies partly outside of it."""
