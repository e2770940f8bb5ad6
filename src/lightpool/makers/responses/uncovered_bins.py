"""Warnings about bins of a dataset that no table of an observation covers, where its responses are zero."""

import logging
from collections.abc import Mapping

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.data.pointing_spread import PointingSpread
from lightpool.irf import IRF, FoVAlignment
from lightpool.irf.tables.psf_parametric import ParametricPSF
from lightpool.maps import MapAxis
from lightpool.maps.units import unit_factor
from lightpool.utils.remembered import Remembered

__all__ = [
    "offset_limits",
    "require_ascending",
    "warn_of_alignment",
    "warn_of_energies",
    "warn_of_missing_rates",
    "warn_of_offset",
    "warn_of_ring",
    "warn_of_spread",
]

log = logging.getLogger(__name__)

Bools = NDArray[np.bool_]
_BINS = Remembered[Bools](128)  # runs have their tables at the same energies

_WHAT = {"aeff": "effective area", "psf": "PSF", "edisp": "energy dispersion", "bkg": "background"}
_RESULT = {"aeff": "the exposure", "psf": "the PSF", "edisp": "the energy dispersion", "bkg": "the background"}


def require_ascending(name: str, axis: MapAxis) -> None:
    """Refuse an axis of energy that descends: integrals over its bins would be negative.

    Parameters
    ----------
    name : str, of the dataset
    axis : MapAxis

    Raises
    ------
    ValueError
        It names the dataset and the axis.
    """
    edges = axis.edges_value
    if edges[0] > edges[-1]:
        raise ValueError(
            f"dataset {name!r}: its axis {axis.name!r} descends from {axis.edges[0]:.4g} to {axis.edges[-1]:.4g}, "
            "expected ascending energies; MapAxis.from_energy_edges sorts them"
        )


def warn_of_energies(obs_id: int | None, name: str, irf: IRF, energy_true: MapAxis) -> None:
    """Warn of bins whose centres lie outside the true energies of an effective area or a PSF.

    Parameters
    ----------
    obs_id : int
    name : str, "aeff" or "psf"
    irf : IRF
    energy_true : MapAxis, of the dataset
    """
    if isinstance(irf, ParametricPSF):  # its parameters are extrapolated
        return
    axis = irf.axes["energy_true"]
    key = "outside", axis.content, energy_true.content
    outside = _BINS.get(key, lambda: _outside(axis.edges, energy_true.center))
    if outside.any():
        edges = axis.edges
        log.warning(
            f"observation {obs_id}: its {_WHAT[name]} ({_label(irf)}) is given from {edges[0]:.4g} to {edges[-1]:.4g}; "
            f"{_RESULT[name]} is 0 in the bins of true energy {_bins(energy_true, outside)}"
        )


def warn_of_missing_rates(obs_id: int | None, bkg: IRF, energy: MapAxis) -> None:
    """Warn of bins of energy in which a background table has no rate anywhere.

    Parameters
    ----------
    obs_id : int
    bkg : Background2D or Background3D, as it is projected
    energy : MapAxis, of the dataset
    """
    key = ("without rate", energy.content)
    # Derived once for each table and axis: runs share their tables.
    without = bkg.derived(key, lambda: _without_rate(bkg, energy))
    if without.any():
        edges = bkg.axes["energy"].edges
        log.warning(
            f"observation {obs_id}: its background ({_label(bkg)}), given from {edges[0]:.4g} to {edges[-1]:.4g}, has "
            f"no rate in the bins of energy {_bins(energy, without)}; the background is 0 there, and events would "
            "count as excess: leave these energies out, as SafeMaskMaker does"
        )


def offset_limits(axis: MapAxis) -> tuple[float, float]:
    """Return the first and the last edge of an axis of offsets, deg."""
    factor = unit_factor(axis.unit, "deg")
    return float(axis.edges_value[0]) * factor, float(axis.edges_value[-1]) * factor


def warn_of_offset(obs_id: int | None, name: str, irf: IRF, offset: float) -> None:
    """Warn of a region whose offset from the pointing is outside the offsets of a table.

    Parameters
    ----------
    obs_id : int
    name : str, "aeff", "psf", "edisp" or "bkg"
    irf : IRF
    offset : float, deg
    """
    if "offset" not in irf.axes.names or isinstance(irf, ParametricPSF):
        return
    low, high = offset_limits(irf.axes["offset"])
    if not low <= offset <= high:
        log.warning(
            f"observation {obs_id}: the region is {offset:.3f} deg from the pointing, and its "
            f"{_WHAT[name]} ({_label(irf)}) is given at offsets from {low:.3f} to {high:.3f} deg; "
            f"{_RESULT[name]} is 0 there"
        )


def warn_of_alignment(irf: IRF, result: str) -> None:
    """Warn of a table that turns with the horizon, where the times of an observation are not known.

    Parameters
    ----------
    irf : IRF
    result : str, what is made of it
    """
    if not irf.has_offset_axis and irf.fov_alignment == FoVAlignment.ALTAZ:
        log.warning(
            f"{_label(irf)} is aligned with the horizon (FOVALIGN=ALTAZ), against which the sky turns, and without an "
            f"observation the times are not known: {result} is that of a table aligned with the equator; use "
            "MapDatasetMaker, which turns it"
        )


def warn_of_spread(obs_id: int | None, spread: PointingSpread, irfs: Mapping[str, IRF]) -> None:
    """Warn of telescopes that point in different directions, or move, if the responses do not tell of it.

    Parameters
    ----------
    obs_id : int
    spread : PointingSpread of the observation
    irfs : mapping of "aeff", "psf", "edisp" and "bkg" to the table that is projected
    """
    around = sorted(_WHAT[name] for name, irf in irfs.items() if irf.has_offset_axis)
    if spread.is_divergent and around:
        log.warning(
            f"observation {obs_id}: its telescopes point in different directions ({spread.reason}); "
            f"{', '.join(around)} depend on one offset, which is taken from the direction of the array (RA_PNT, "
            "DEC_PNT), as if the array were symmetric about it"
        )
    elif spread.is_moving and irfs:
        log.warning(
            f"observation {obs_id}: its pointing moves ({spread.reason}); all responses are those at RA_PNT, DEC_PNT; "
            "split it into observations during which it hardly moves"
        )


def warn_of_ring(obs_id: int | None, name: str, irf: IRF) -> None:
    """Warn of a table, used for a map, that does not begin at the pointing: the map has a response in a ring only.

    Parameters
    ----------
    obs_id : int
    name : str, "aeff", "psf", "edisp" or "bkg"
    irf : IRF
    """
    if not irf.has_offset_axis or isinstance(irf, ParametricPSF):
        return
    axis = irf.axes["offset"]
    if axis.edges_value[0] > 0:
        low, high = axis.edges[[0, -1]].to_value("deg")
        log.warning(
            f"observation {obs_id}: its {_WHAT[name]} ({_label(irf)}) is given at offsets from {low:.3f} to {high:.3f} "
            f"deg; {_RESULT[name]} is 0 in all other pixels, also nearer to the pointing"
        )


def _outside(edges: u.Quantity, center: u.Quantity) -> Bools:
    """Return which centres lie outside the edges of a table."""
    return np.asarray((center < edges[0]) | (center > edges[-1]))


def _without_rate(bkg: IRF, energy: MapAxis) -> Bools:
    """Return the bins that contain, or are next to, no node of the table with a rate; bool, shape (n_energy,)."""
    axis = bkg.axes["energy"]
    near = _BINS.get(("near", axis.content, energy.content), lambda: _near_nodes(axis, energy))
    data = np.moveaxis(bkg.data, bkg.axes.index("energy"), 0)
    # shape (n_energy of the table,)
    has_rate = np.any(data.reshape(axis.nbin, -1) > 0, axis=1, keepdims=True)[:, 0]
    return np.asarray(~(near & has_rate).any(axis=1))


def _near_nodes(axis: MapAxis, energy: MapAxis) -> Bools:
    """Return which nodes of a table are in bins, or next to them; bool, shape (n_energy, n_node)."""
    bounds, edges = axis.edges_value, energy.edges.to_value(axis.unit)
    # For each edge of the dataset the bin of the table that contains it.
    numbers = np.clip(np.searchsorted(bounds, edges, side="right") - 1, 0, axis.nbin - 1)
    near = np.zeros((energy.nbin, axis.nbin), dtype=bool)
    for row, (low, high, first, last) in enumerate(zip(edges[:-1], edges[1:], numbers[:-1], numbers[1:], strict=True)):
        near[row, first : last + 1] = high > bounds[0] and low < bounds[-1]
    return near


def _label(irf: IRF) -> str:
    """Return the name of a table for a message: that of its HDU, if it is known."""
    name = irf.meta.get("EXTNAME")
    return type(irf).__name__ if name is None else f"HDU {name!r}"


def _bins(axis: MapAxis, chosen: NDArray[np.bool_]) -> str:
    """Return the numbers and the range of bins of an axis as text, with consecutive bins joined."""
    # Padded with False, so that starts and stops of runs of True alternate, also at the ends.
    border = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(int)))
    edges = axis.edges_value
    return ", ".join(
        f"{first}{f' to {stop - 1}' if stop - first > 1 else ''} ({edges[first]:.4g} to {edges[stop]:.4g} {axis.unit})"
        for first, stop in zip(border[::2], border[1::2], strict=True)
    )
