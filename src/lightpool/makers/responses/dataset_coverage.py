"""Whether an observation can contribute to a dataset at all: its field of view and the energies of its responses."""

import logging
import math
from functools import partial

import astropy.units as u
import numpy as np

from lightpool.arrays import DeferredNumbers, find_device
from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.irf import IRF
from lightpool.makers.responses.fov_coordinates import FieldOfView
from lightpool.makers.responses.uncovered_bins import offset_limits
from lightpool.maps import Geom, Map, MapAxis
from lightpool.maps.units import unit_factor
from lightpool.utils.remembered import Remembered

__all__ = ["offset_of_region", "warn_if_a_map_is_not_seen", "why_a_region_is_not_seen"]

log = logging.getLogger(__name__)

_REASONS = Remembered[str | None](256)  # runs have their tables at the same energies


def offset_of_region(geom: Geom, observation: Observation) -> float:
    """Return the angle between the centre of a region and the pointing, rad.

    Parameters
    ----------
    geom : RegionGeom
    observation : Observation
    """
    # On the host: one pixel, whose offset is needed at once.
    return float(np.asarray(FieldOfView(observation.given_pointing, find_device("cpu")).offset(geom))[0, 0])


def why_a_region_is_not_seen(dataset: MapDataset, observation: Observation, selection: set[str]) -> str | None:
    """Return why the responses at a region are zero at all energies, or None if they need not be.

    Parameters
    ----------
    dataset : MapDataset
        On a region.
    observation : Observation
    selection : set of str
        What the maker makes; without the exposure nothing is checked.
    """
    if "exposure" not in selection:
        return None
    aeff = observation.response("aeff")
    if isinstance(aeff, Map):
        return _why_no_energy(dataset, observation, selection)
    axes = aeff.axes
    if "offset" in axes.names:
        offset = math.degrees(offset_of_region(dataset.required("counts").geom, observation))
        low, high = offset_limits(axes["offset"])
        if not low <= offset <= high:
            limits = f"ends at {high:.2f} deg" if offset > high else f"begins at {low:.2f} deg"
            return (
                f"the region is {offset:.2f} deg from the pointing of observation {observation.obs_id}, whose "
                f"effective area {limits}"
            )
    return _why_no_energy(dataset, observation, selection)


def warn_if_a_map_is_not_seen(
    dataset: MapDataset, observation: Observation, view: FieldOfView, selection: set[str]
) -> None:
    """Warn if the responses are zero on a whole map: it lies outside the field of view, or at other energies.

    Parameters
    ----------
    dataset : MapDataset
    observation : Observation
    view : FieldOfView
        Pixels of the maps relative to the pointing.
    selection : set of str
        What the maker makes; without the exposure nothing is checked.
    """
    if "exposure" not in selection:
        return
    aeff = observation.response("aeff")
    axes = aeff.geom.axes if isinstance(aeff, Map) else aeff.axes
    if "offset" in axes.names:
        geom, xp, offsets = dataset.required("exposure").geom, view.device.xp, axes["offset"]
        limit = float(offsets.edges_value[-1]) * unit_factor(offsets.unit, "rad")
        # Not read here, where the host would wait for the device: the warning follows when numbers are read anyway.
        nearest = xp.astype(xp.reshape(xp.min(view.offset(geom)), (1,)), xp.float64)
        DeferredNumbers(nearest, partial(_warn_of_distance, dataset.name, observation.obs_id, limit))
    reason = _why_no_energy(dataset, observation, selection)
    if reason is not None:
        log.warning("dataset %s: %s; it gets no exposure and no prediction", dataset.name, reason)


def _warn_of_distance(name: str, obs_id: int | None, limit: float, nearest: tuple[float, ...]) -> None:
    (offset,) = nearest
    if offset > limit:  # False for NaN, the offset of pixels off the sky
        log.warning(
            "dataset %s: the nearest pixel of the map is %.2f deg from the pointing of observation %s, whose effective "
            "area ends at %.2f deg; it gets no exposure",
            name,
            math.degrees(offset),
            obs_id,
            math.degrees(limit),
        )


def _why_no_energy(dataset: MapDataset, observation: Observation, selection: set[str]) -> str | None:
    true, energy = dataset.required("exposure").geom.axes["energy_true"], dataset.required("counts").geom.axes["energy"]
    edisp = observation.edisp if "edisp" in selection else None
    migra = edisp.axes["migra"] if isinstance(edisp, IRF) else None
    aeff = observation.response("aeff")
    table = aeff.geom.axes["energy_true"] if isinstance(aeff, Map) else aeff.axes["energy_true"]
    key = tuple(None if axis is None else axis.content for axis in (table, true, energy, migra))
    reason = _REASONS.get(key, lambda: _why_energies_do_not_meet(table, true, energy, migra))
    # The text is cached for all observations with these axes, so it has a placeholder for the number.
    return None if reason is None else reason.replace("OBSERVATION", f"observation {observation.obs_id}")


def _why_energies_do_not_meet(table: MapAxis, true: MapAxis, energy: MapAxis, migra: MapAxis | None) -> str | None:
    known: u.Quantity = table.edges
    # The exposure is evaluated at bin centres.
    if not np.any((true.center >= known[0]) & (true.center <= known[-1])):
        return (
            f"no true energy from {true.edges[0]:.3g} to {true.edges[-1]:.3g} is in the effective area of OBSERVATION, "
            f"{known[0]:.3g} to {known[-1]:.3g}"
        )
    if migra is None:
        return None
    # migra is reconstructed over true energy.
    low, high = true.edges[0] * migra.edges[0], true.edges[-1] * migra.edges[-1]
    if energy.edges[0] >= high or energy.edges[-1] <= low:
        return (
            f"no true energy from {true.edges[0]:.3g} to {true.edges[-1]:.3g} of OBSERVATION is ever reconstructed in "
            f"the range of the dataset, {energy.edges[0]:.3g} to {energy.edges[-1]:.3g}"
        )
    return None
