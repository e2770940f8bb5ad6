"""Where Gammapy has helpers for maps."""

import astropy.units as u
import numpy as np

__all__ = ["edges_from_lo_hi"]


def edges_from_lo_hi(edges_lo: u.Quantity, edges_hi: u.Quantity) -> u.Quantity:
    """Return the edges of contiguous bins from their lower and upper edges.

    Parameters
    ----------
    edges_lo, edges_hi : Quantity, scalars or of shape (n,)
    """
    lower, upper = u.Quantity(edges_lo, ndmin=1), u.Quantity(edges_hi, ndmin=1)
    return u.Quantity(np.append(lower.value, upper.to_value(lower.unit)[-1:]), lower.unit)
