"""Shares of the energy bins in a spectrum, with which a response is averaged over energy."""

from typing import Protocol

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.maps import MapAxis

__all__ = ["SpectralModel", "spectral_weights"]


class SpectralModel(Protocol):
    """Spectrum that can be integrated, such as those of Gammapy."""

    def integral(self, energy_min: u.Quantity, energy_max: u.Quantity) -> u.Quantity:
        """Return the integral between energies, arrays of the same shape."""
        ...


def spectral_weights(energy_axis: MapAxis, spectral_model: SpectralModel | None = None) -> NDArray[np.float64]:
    """Return the share of each energy bin in a spectrum, shape (n_energy,), with sum one.

    Parameters
    ----------
    energy_axis : MapAxis
    spectral_model : object with a method ``integral(energy_min, energy_max)`` that returns a Quantity; by default a
        power law of index 2
    """
    edges = energy_axis.edges
    if spectral_model is None:
        # Integral of E**-2 over each bin; the amplitude cancels below.
        content = np.asarray(1 / edges[:-1].value - 1 / edges[1:].value)
    else:
        content = np.asarray(u.Quantity(spectral_model.integral(edges[:-1], edges[1:])).value)
    return np.asarray(content / content.sum())
