"""Quantities that are given one by one."""

import astropy.units as u

from lightpool.typing import QuantityLike

__all__ = ["each"]


def each(values: QuantityLike) -> list[u.Quantity]:
    """Return the values of an array one by one; a single value is a list of one.

    Parameters
    ----------
    values : Quantity or str, or sequence of them
        A sequence may have different units, such as ``["100 GeV", "1 TeV"]``.
    """
    if isinstance(values, list | tuple):
        return [one for value in values for one in each(value)]
    return list(u.Quantity(values).ravel())
