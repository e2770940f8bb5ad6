"""Numbers of the dataset of one observation, for tables and reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from lightpool.arrays import DeferredNumbers, array_namespace
from lightpool.datasets import MapDataset
from lightpool.datasets.parameters import Parameter

__all__ = ["Figures"]


@dataclass(frozen=True, eq=False)
class Figures:
    """Numbers of a dataset of one observation. Those on a device wait there, so that no observation waits for another.

    Attributes
    ----------
    known : dict of what is known on the host
    numbers : DeferredNumbers, counts, the background if there is one, and whether any pixel of each energy is safe
    edges : array of float, shape (n_energy + 1,), unit TeV
    norm : Parameter of the background model, None without one
    """

    known: dict[str, Any]
    numbers: DeferredNumbers
    edges: np.ndarray[Any, Any]
    norm: Parameter | None

    @classmethod
    def of(cls, dataset: MapDataset, observation: Any, row: Mapping[str, Any]) -> Self:
        """Numbers of a dataset.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
        observation : Observation, or the part of it that the dataset was made of
        row : mapping, what the observation index says of it
        """
        model, zenith = dataset.background_model, row.get("ZEN_PNT")
        livetime = None if dataset.exposure is None else dataset.exposure.meta.get("livetime")
        pointing = observation.pointing_radec.icrs
        known = {
            "start": observation.tstart.utc.isot,
            "livetime": None if livetime is None else float(livetime.to_value("s")),
            "zenith": None if zenith is None else float(zenith),
            "lon": float(pointing.ra.deg),
            "lat": float(pointing.dec.deg),
        }
        return cls(
            known=known,
            numbers=_sums(dataset),
            edges=dataset.counts.geom.axes["energy"].edges.to_value("TeV"),
            norm=None if model is None else getattr(model.spectral_model, "norm", None),
        )

    def to_dict(self) -> dict[str, Any]:
        """Read them, as JSON has them, together with all that waits on the device.

        Returns
        -------
        figures : dict
            ``start`` (UTC), ``livetime`` (s), ``zenith, lon, lat`` (deg, ICRS), inside the safe mask ``counts``,
            ``background`` and ``energy_min`` (TeV), and ``norm`` of the background; None where there is none.
        """
        n_energy = self.edges.size - 1
        counts, *background = self.numbers.numbers[:-n_energy]
        is_safe = np.asarray(self.numbers.numbers[-n_energy:]) > 0
        return self.known | {
            "counts": counts,
            "background": background[0] if background else None,
            "energy_min": float(self.edges[np.argmax(is_safe)]) if is_safe.any() else None,
            "norm": None if self.norm is None else float(self.norm.value),
        }


def _sums(dataset: MapDataset) -> DeferredNumbers:
    """Counts and background inside the safe mask, and whether any pixel of each energy bin is safe."""
    mask = dataset.mask_safe.data
    xp = array_namespace(mask)
    known = [dataset.counts, *([] if dataset.background is None else [dataset.npred_background()])]
    parts = [xp.reshape(xp.sum(xp.where(mask, each.data, xp.zeros_like(each.data))), (1,)) for each in known]
    parts.append(xp.any(mask, axis=(-2, -1)))
    return DeferredNumbers(xp.concat([xp.astype(part, xp.float64) for part in parts]))
