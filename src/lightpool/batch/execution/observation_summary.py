"""Summary values of the dataset of one observation, for tables and reports."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import astropy.units as u
import numpy as np
from astropy.coordinates import EarthLocation
from numpy.typing import NDArray

from lightpool.arrays import DeferredNumbers, array_namespace, full_on
from lightpool.arrays.devices.array_types import Array
from lightpool.batch.execution.source_counts import SUMS, Source, background_of, theta_squared_counts
from lightpool.batch.groups import Row
from lightpool.batch.storage.outcomes import DatasetSummary, ThetaSquaredOfTable
from lightpool.data import Observation
from lightpool.data.tables.time_reference import TimeReference
from lightpool.datasets import MapDataset
from lightpool.datasets.models.parameters import Parameter
from lightpool.datasets.models.spectral_norms import PiecewiseNormSpectralModel
from lightpool.makers import ThetaSquaredTable
from lightpool.makers.energy_thresholds import EnergyThreshold
from lightpool.maps.rows_and_columns import as_images

__all__ = ["PendingSummary", "start_texts"]


@dataclass(frozen=True, eq=False)
class PendingSummary:
    """Summary values of the dataset of one observation, some of them still on the device.

    Reading a number from a device waits for all work queued there. The numbers of all observations of a chunk are
    therefore read together, at its end.

    Attributes
    ----------
    known : DatasetSummary
        Values that are known on the host.
    numbers : DeferredNumbers
        Counts and background, the sums at the source if it is on the map, and whether any pixel of each energy is safe.
    edges : array of float, shape (n_energy + 1,), unit TeV
    start : str, or reference and seconds from there
        Of the observation, in UTC if it is a text; the texts of a chunk are made together, see `start_texts`.
    norm : Parameter or None
        Norm of the background model, if it has one.
    norms : PiecewiseNormSpectralModel or None
        The background model, if it has several.
    thresholds : tuple of EnergyThreshold
        What the makers of the dataset have chosen.
    """

    known: DatasetSummary
    numbers: DeferredNumbers
    edges: NDArray[np.float64]
    start: str | tuple[TimeReference, float]
    norm: Parameter | None
    norms: PiecewiseNormSpectralModel | None = None
    thresholds: tuple[EnergyThreshold, ...] = ()

    @classmethod
    def of(
        cls,
        dataset: MapDataset,
        observation: Observation,
        row: Row,
        source: Source,
        thresholds: Sequence[EnergyThreshold] = (),
        theta_squared: ThetaSquaredTable | None = None,
    ) -> Self:
        """Summarise a dataset.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
        observation : Observation
            The observation, or the part of it from which the dataset was made.
        row : mapping of str to value
            Its row of the observation index.
        source : Source
            The source of its target.
        thresholds : sequence of EnergyThreshold
            See `recorded_thresholds`.
        theta_squared : ThetaSquaredTable, optional
            What counts the events for the table of its target.
        """
        model, zenith = dataset.background_model, row.get("ZEN_PNT")
        norm = None if model is None else model.spectral_model
        livetime = None if dataset.exposure is None else dataset.exposure.meta.get("livetime")
        lon, lat = observation.pointing_degrees
        edges = dataset.required("counts").geom.axes["energy"].edges.to_value("TeV")
        site = observation.observatory_earth_location
        known: DatasetSummary = {
            "start": "",  # see `start_texts`
            "site_lon": None if site is None else _longitude(site),
            "livetime": None if livetime is None else float(livetime.to_value("s")),
            "zenith": None if zenith is None else float(zenith),
            "lon": lon,
            "lat": lat,
            "theta2": theta_squared_counts(
                source,
                observation.required("events"),
                (math.radians(lon), math.radians(lat)),
                edges[[0, -1]],
            ),
        }
        gti = observation.gti
        plain = None if gti is None else gti.plain_start
        if theta_squared is not None:
            known["theta_squared"] = _theta_squared(theta_squared, observation)
        return cls(
            known=known,
            numbers=_sums(dataset, source),
            edges=edges,
            start=observation.tstart.utc.isot if plain is None else plain,
            norm=getattr(norm, "norm", None),
            norms=norm if isinstance(norm, PiecewiseNormSpectralModel) else None,
            thresholds=tuple(thresholds),
        )

    def to_dict(self, start: str | None = None) -> DatasetSummary:
        """Return JSON-compatible values, reading the numbers together with all others that wait on the device.

        Parameters
        ----------
        start : str, optional
            Of `start_texts`; made of this summary alone by default.

        Returns
        -------
        summary : DatasetSummary
            ``start`` (UTC), ``site_lon`` (deg), ``livetime`` (s), ``zenith, lon, lat`` (deg, ICRS), inside the safe
            mask ``counts``, ``background``, ``energy_min`` and ``energy_max`` (TeV), the ``thresholds`` (TeV) of each
            method of the safe mask, before they are rounded to bins, and the ``norm`` of the background; ``source``
            contains the sums of `SUMS` at the source; for ``theta2`` see `theta_squared_counts`. Values that do not
            exist are None.
        """
        n_energy = self.edges.size - 1
        # In the order of `_sums`: the sums at the source may be missing, and the last values are one for each energy.
        counts, background, *at_source = map(_number, self.numbers.numbers[:-n_energy])
        safe = np.flatnonzero(np.asarray(self.numbers.numbers[-n_energy:]) > 0)
        return {
            **self.known,
            "start": start_texts([self])[0] if start is None else start,
            "counts": counts,
            "background": background,
            "source": dict(zip(SUMS, at_source, strict=True)) if at_source else None,
            "energy_min": float(self.edges[safe[0]]) if safe.size else None,
            "energy_max": float(self.edges[safe[-1] + 1]) if safe.size else None,
            "norms": _nodes(self.norms),
            "thresholds": _by_method(self.thresholds),
            "norm": None if self.norm is None else _number(float(self.norm.value)),
        }


def start_texts(summaries: Sequence[PendingSummary]) -> list[str]:
    """Return the start of each observation in UTC: for many of them, astropy takes as long as for one.

    Parameters
    ----------
    summaries : sequence of PendingSummary
    """
    texts = {number: each.start for number, each in enumerate(summaries) if isinstance(each.start, str)}
    later: dict[TimeReference, dict[int, float]] = {}
    for number, each in enumerate(summaries):
        if not isinstance(each.start, str):
            reference, seconds = each.start
            later.setdefault(reference, {})[number] = seconds
    for reference, starts in later.items():
        times = reference.to_time(np.array(list(starts.values()))).utc.isot
        texts |= zip(starts, times.tolist(), strict=True)
    return [texts[number] for number in range(len(summaries))]


def _nodes(norm: PiecewiseNormSpectralModel | None) -> list[list[float]]:
    """Return energy in TeV and norm of each node."""
    if norm is None:
        return []
    return [[float(each), float(value)] for each, value in zip(norm.energy.to_value("TeV"), norm.norms, strict=True)]


def _theta_squared(table: ThetaSquaredTable, observation: Observation) -> ThetaSquaredOfTable | None:
    """Count the events for a table; None if ON and OFF region would overlap."""
    if table.overlaps(observation):
        return None
    found = table.count(observation)
    return {
        "counts": found.counts.tolist(),
        "counts_off": found.counts_off.tolist(),
        "n_off": found.n_off,
        "livetime": found.livetime,
    }


def _by_method(thresholds: Sequence[EnergyThreshold]) -> dict[str, list[float | None]]:
    """Return the strictest energies of each method in TeV; several makers of a target may have the same method."""
    found: dict[str, list[float | None]] = {}
    for method, *bounds in thresholds:
        low, high = (None if each is None else _number(float(each)) for each in bounds)
        before = found.get(method, [None, None])
        lows, highs = ([each for each in pair if each is not None] for pair in zip(before, (low, high), strict=True))
        found[method] = [max(lows, default=None), min(highs, default=None)]
    return found


def _number(value: float) -> float | None:
    """Return the value, or None if it is not finite, which JSON cannot represent."""
    return value if np.isfinite(value) else None


def _longitude(site: EarthLocation) -> float:
    """Return the longitude of a place on the Earth in deg."""
    return _longitude_at(float(site.x.value), float(site.y.value), float(site.z.value), site.unit)


@lru_cache(maxsize=64)  # the runs of a batch are from one observatory, or a few
def _longitude_at(x: float, y: float, z: float, unit: u.UnitBase) -> float:
    return float(EarthLocation.from_geocentric(x, y, z, unit).lon.deg)


def _sums(dataset: MapDataset, source: Source) -> DeferredNumbers:
    """Sum counts and background in the safe mask and at the source, and find the energies with a safe pixel."""
    mask, background = dataset.required("mask_safe").data, background_of(dataset)
    by_energy = as_images(dataset.required("mask_safe"))
    xp = array_namespace(mask)
    whole = [dataset.required("counts").data, None if background is None else background.data]
    parts = [full_on((1,), np.nan, dataset.device) if each is None else _total(each, mask) for each in whole]
    at_source = source.sums(dataset, background)
    parts += [] if at_source is None else [at_source]
    return DeferredNumbers(xp.concat([*parts, xp.astype(xp.any(by_energy, axis=(-2, -1)), xp.float64)]))


def _total(values: Array, mask: Array) -> Array:
    xp = array_namespace(mask)
    return xp.reshape(xp.sum(xp.where(mask, values, xp.zeros_like(values)), dtype=xp.float64), (1,))
