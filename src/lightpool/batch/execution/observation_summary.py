"""Numbers of the dataset of one observation, for tables and reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from lightpool.arrays import DeferredNumbers, array_namespace, full_on
from lightpool.batch.execution.source_counts import SUMS, Source, background_of, theta_squared_counts
from lightpool.datasets import MapDataset
from lightpool.datasets.models.parameters import Parameter

__all__ = ["Figures"]


@dataclass(frozen=True, eq=False)
class Figures:
    """Numbers of a dataset of one observation. Those on a device wait there, so that no observation waits for another.

    Attributes
    ----------
    known : dict of what is known on the host
    numbers : DeferredNumbers
        Counts and background, those at the source if it is on the map, and whether any pixel of each energy is safe.
    edges : array of float, shape (n_energy + 1,), unit TeV
    norm : Parameter of the background model, None without one
    """

    known: dict[str, Any]
    numbers: DeferredNumbers
    edges: np.ndarray[Any, Any]
    norm: Parameter | None

    @classmethod
    def of(cls, dataset: MapDataset, observation: Any, row: Mapping[str, Any], source: Source) -> Self:
        """Numbers of a dataset.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
        observation : Observation, or the part of it that the dataset was made of
        row : mapping, what the observation index says of it
        source : Source, of its target
        """
        model, zenith = dataset.background_model, row.get("ZEN_PNT")
        livetime = None if dataset.exposure is None else dataset.exposure.meta.get("livetime")
        pointing, edges = observation.pointing_radec.icrs, dataset.counts.geom.axes["energy"].edges.to_value("TeV")
        site = observation.observatory_earth_location
        known = {
            "start": observation.tstart.utc.isot,
            "site_lon": None if site is None else float(site.lon.deg),
            "livetime": None if livetime is None else float(livetime.to_value("s")),
            "zenith": None if zenith is None else float(zenith),
            "lon": float(pointing.ra.deg),
            "lat": float(pointing.dec.deg),
            "theta2": theta_squared_counts(
                source, observation.events, (pointing.ra.rad, pointing.dec.rad), edges[[0, -1]]
            ),
        }
        return cls(
            known=known,
            numbers=_sums(dataset, source),
            edges=edges,
            norm=None if model is None else getattr(model.spectral_model, "norm", None),
        )

    def to_dict(self) -> dict[str, Any]:
        """Read them, as JSON has them, together with all that waits on the device.

        Returns
        -------
        figures : dict
            ``start`` (UTC), ``site_lon`` (deg), ``livetime`` (s), ``zenith, lon, lat`` (deg, ICRS), inside the safe
            mask ``counts``, ``background`` and ``energy_min`` (TeV), and ``norm`` of the background; ``source`` with
            the sums of `SUMS` there; ``theta2``, see `theta_squared_counts`. None where there is none.
        """
        n_energy = self.edges.size - 1
        counts, background, *at_source = map(_number, self.numbers.numbers[:-n_energy])
        is_safe = np.asarray(self.numbers.numbers[-n_energy:]) > 0
        return self.known | {
            "counts": counts,
            "background": background,
            "source": dict(zip(SUMS, at_source, strict=True)) if at_source else None,
            "energy_min": float(self.edges[np.argmax(is_safe)]) if is_safe.any() else None,
            "norm": None if self.norm is None else _number(float(self.norm.value)),
        }


def _number(value: float) -> float | None:
    """Number as JSON has it: None for what is not known."""
    return value if np.isfinite(value) else None


def _sums(dataset: MapDataset, source: Source) -> DeferredNumbers:
    """Counts and background inside the safe mask, those at the source, and whether any pixel of each energy is safe."""
    mask, background = dataset.mask_safe.data, background_of(dataset)
    xp = array_namespace(mask)
    whole = [dataset.counts.data, None if background is None else background.data]
    parts = [full_on((1,), np.nan, dataset.device) if each is None else _total(each, mask) for each in whole]
    at_source = source.sums(dataset, background)
    parts += [] if at_source is None else [at_source]
    return DeferredNumbers(xp.concat([*parts, xp.astype(xp.any(mask, axis=(-2, -1)), xp.float64)]))


def _total(values: Any, mask: Any) -> Any:
    xp = array_namespace(mask)
    return xp.reshape(xp.sum(xp.where(mask, values, xp.zeros_like(values)), dtype=xp.float64), (1,))
