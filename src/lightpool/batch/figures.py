"""Numbers of the dataset of one observation, for tables and reports."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lightpool.arrays import array_namespace, to_host
from lightpool.datasets import MapDataset

__all__ = ["figures_of"]


def figures_of(dataset: MapDataset, observation: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of a dataset of one observation, as JSON has them.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset
    observation : Observation, or the part of it that the dataset was made of
    row : mapping, what the observation index says of it

    Returns
    -------
    figures : dict
        ``start`` (UTC), ``livetime`` (s), ``zenith, lon, lat`` (deg, ICRS), inside the safe mask ``counts``,
        ``background`` and ``energy_min`` (TeV), and ``norm`` of the background; None where there is none.
    """
    counts, background, is_safe = _sums(dataset)
    edges = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
    model = dataset.background_model
    zenith = row.get("ZEN_PNT")
    norm = None if model is None else getattr(model.spectral_model, "norm", None)
    livetime = None if dataset.exposure is None else dataset.exposure.meta.get("livetime")
    pointing = observation.pointing_radec.icrs
    return {
        "start": observation.tstart.utc.isot,
        "livetime": None if livetime is None else float(livetime.to_value("s")),
        "zenith": None if zenith is None else float(zenith),
        "lon": float(pointing.ra.deg),
        "lat": float(pointing.dec.deg),
        "counts": counts,
        "background": background,
        "energy_min": float(edges[np.argmax(is_safe)]) if is_safe.any() else None,
        "norm": None if norm is None else float(norm.value),
    }


def _sums(dataset: MapDataset) -> tuple[float, float | None, np.ndarray[Any, Any]]:
    """Counts and background inside the safe mask, and whether any pixel of an energy bin is safe; one transfer."""
    mask = dataset.mask_safe.data
    xp = array_namespace(mask)
    known = [dataset.counts, *([] if dataset.background is None else [dataset.npred_background()])]
    parts = [xp.reshape(xp.sum(xp.where(mask, each.data, xp.zeros_like(each.data))), (1,)) for each in known]
    parts.append(xp.astype(xp.any(mask, axis=(-2, -1)), parts[0].dtype))
    numbers = to_host(xp.concat(parts))  # host: figures that the user reads
    background = float(numbers[1]) if len(known) > 1 else None
    return float(numbers[0]), background, numbers[len(known) :] > 0
