"""Make background models of sums: for groups of runs, in wider bins of energy, smoothed and extrapolated."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import overload

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.makers.background_models.groups import GroupRunsBy, RunGroup, group_runs, in_validity
from lightpool.makers.background_models.model import BackgroundModel
from lightpool.makers.background_models.rates import (
    PowerLaw,
    centre_factors,
    fit_power_law,
    fit_shapes,
    merged_edges,
    sum_between,
)
from lightpool.makers.background_models.sums import BackgroundSums, RunRow
from lightpool.makers.core import Described
from lightpool.maps import MapAxis
from lightpool.utils.html import Card, Html, Section, ShownInNotebooks, listed, nested
from lightpool.utils.text import number_of

__all__ = ["BackgroundModels", "BackgroundTableMaker"]

log = logging.getLogger(__name__)

_FITTED_BINS = 6  # of energy, below the extrapolated ones
_EDGE_TOLERANCE = 1e-6
_ZENITH = "ZEN_PNT"


class BackgroundTableMaker(Described):
    """Make background models of the sums of runs.

    Parameters
    ----------
    energy_axis : MapAxis, optional
        Bins of the tables: unions of the fine bins of the sums, which are used by default.
    min_counts : int
        Merge bins of energy, from the highest down, until each has so many events in the whole field of view.
    max_energy_ratio : float
        Largest ratio of the edges of a merged bin; bins with fewer events remain where it would be larger.
    common_energy_bins : bool
        Merge the bins of all groups alike, by the group with the fewest events in each; needed to interpolate.
    smoothing : int, optional
        Fit the rates in each bin of energy: the logarithm is a polynomial of this order in the squared offset, and in
        two dimensions the sum of a quadratic function of both coordinates (a Gaussian) and of the higher powers of the
        squared offset.
    extrapolate_below : int, optional
        Replace the rates above the last bin of energy with so many events by a power law.
    min_remaining : float
        Smallest part of the exposure of a bin that must remain outside of the exclusion; in others the rate is unknown.
    at_centre : bool
        Whether rates are those at the logarithmic centre of a bin of energy, so that the integral of the interpolated
        table is the number of events; otherwise, mean rates in the bin.
    """

    def __init__(
        self,
        energy_axis: MapAxis | None = None,
        min_counts: int = 0,
        max_energy_ratio: float = 4.0,
        common_energy_bins: bool = False,
        smoothing: int | None = None,
        extrapolate_below: int | None = None,
        min_remaining: float = 0.1,
        at_centre: bool = True,
    ) -> None:
        if min_counts < 0:
            raise ValueError(f"min_counts must be 0 or more, got {min_counts}")
        if not max_energy_ratio > 1:
            raise ValueError(f"max_energy_ratio must be above 1, got {max_energy_ratio}")
        if smoothing is not None and not 0 <= smoothing <= 8:
            raise ValueError(f"smoothing must be an order from 0 to 8, or None, got {smoothing}")
        if extrapolate_below is not None and extrapolate_below < 1:
            raise ValueError(f"extrapolate_below must be 1 event or more, or None, got {extrapolate_below}")
        if not 0 < min_remaining <= 1:
            raise ValueError(f"min_remaining must be a part of the exposure, above 0 and up to 1, got {min_remaining}")
        self.energy_axis = energy_axis
        self.min_counts = min_counts
        self.max_energy_ratio = max_energy_ratio
        self.common_energy_bins = common_energy_bins
        self.smoothing = smoothing
        self.extrapolate_below = extrapolate_below
        self.min_remaining = min_remaining
        self.at_centre = at_centre

    def run(self, sums: BackgroundSums, by: Sequence[GroupRunsBy] = ()) -> "BackgroundModels":
        """Make a model for each group of runs.

        Parameters
        ----------
        sums : BackgroundSums
        by : sequence of GroupRunsBy
            Ways to group, which are crossed; all runs are one group by default.

        Raises
        ------
        ValueError
            If there are no runs, no group has any, or the energy axis is not made of unions of the fine bins.
        """
        groups, ungrouped = group_runs(sums, by)
        if not groups:
            raise ValueError(
                f"none of the {len(sums)} runs is in a group, so there is no model; the groups are "
                f"{', '.join(name for each in by for name, _ in each.bins(sums)) or 'all runs'}"
            )
        if len(ungrouped):
            log.warning("%s in no group and in no model: %s", number_of(len(ungrouped), "run"), _some(ungrouped))
        fine = sums.energy_axis.edges.to_value("TeV")
        kept = np.arange(len(fine)) if self.energy_axis is None else _places(self.energy_axis, fine)
        counts = [sum_between(sums.total_counts(group.rows).astype(float), kept) for group in groups]
        merged = self._merged([each.sum(axis=1) for each in counts], fine[kept])
        models = []
        for group, of_group, some in zip(groups, counts, merged, strict=True):
            edges = sums.energy_axis.edges[kept[some]]
            axis = MapAxis.from_energy_edges(edges, interp=sums.energy_axis.interp)
            models.append(self._model(sums, group, sum_between(of_group, some), axis))
        for model in models:
            if model.n_invalid:
                log.warning(
                    "background model %r: the rate in %d of %d bins is not known, less than %g of their exposure "
                    "remains outside of the exclusion",
                    model.name,
                    model.n_invalid,
                    model.rate.size,
                    self.min_remaining,
                )
        return BackgroundModels(tuple(models), tuple(by), ungrouped)

    def _merged(self, spectra: Sequence[HostFloats], edges: HostFloats) -> list[NDArray[np.int64]]:
        """Return which edges of the bins of energy remain in each group."""
        if not self.min_counts:
            return [np.arange(len(edges))] * len(spectra)
        if self.common_energy_bins:
            # Groups without any events do not matter. A bin in which one has none counts as empty in all.
            fewest = np.min([each for each in spectra if each.sum() > 0] or spectra, axis=0)
            return [merged_edges(fewest, edges, self.min_counts, self.max_energy_ratio)] * len(spectra)
        return [merged_edges(each, edges, self.min_counts, self.max_energy_ratio) for each in spectra]

    def _model(self, sums: BackgroundSums, group: RunGroup, counts: HostFloats, axis: MapAxis) -> BackgroundModel:
        field, rows = sums.field, group.rows
        part = sums.take(rows)
        exposure, full = part.exposure.sum(axis=0), part.full_exposure.sum(axis=0)
        remaining = np.divide(exposure, full, out=np.zeros_like(full), where=full > 0)
        # At least some exposure, however small `min_remaining` is.
        known = (remaining >= self.min_remaining) & (exposure > 0)
        rates = self._rates(counts, exposure, known, axis, field)
        shape = (axis.nbin, *field.shape)
        return BackgroundModel(
            name=group.name,
            energy_axis=axis,
            field=field,
            rate=np.where(known, rates.rate, np.nan).reshape(shape),
            error=np.where(known, rates.error, np.nan).reshape(shape),
            counts=np.rint(counts).astype(np.int64).reshape(shape),
            exposure=exposure.reshape(field.shape),
            remaining=remaining.reshape(field.shape),
            centre_factor=rates.factor,
            is_extrapolated=rates.is_extrapolated,
            obs_ids=part.obs_ids,
            ontime=float(part.ontime.sum()),
            livetime=float(np.sum(np.asarray(part.runs["LIVETIME"], dtype=float))),
            validity=group.validity,
            means=_means(part, group),
        )

    def _rates(
        self, counts: HostFloats, exposure: HostFloats, known: NDArray[np.bool_], axis: MapAxis, field: FieldBins
    ) -> "_Rates":
        """Return the rates in s-1 MeV-1 sr-1, shape (n_energy, n_field)."""
        edges = axis.edges.to_value("MeV")
        width = np.diff(edges)[:, np.newaxis]
        seen = np.where(known, exposure, 0.0)
        inside = np.where(known, counts, 0.0)
        safe = np.where(seen > 0, seen, 1.0)
        if self.smoothing is None:
            rate, error = inside / safe, np.sqrt(np.maximum(inside, 1.0)) / safe
        else:
            rate, error = fit_shapes(inside, seen, _design(field, self.smoothing))
            failed: NDArray[np.bool_] = np.isnan(rate[:, 0])
            if failed.any():
                log.warning(
                    "no smooth function of order %d fits the events above %s TeV: rates there are those of the bins",
                    self.smoothing,
                    ", ".join(f"{edge / 1e6:.4g}" for edge in edges[:-1][failed]),
                )
                rate = np.where(failed[:, np.newaxis], inside / safe, rate)
                error = np.where(failed[:, np.newaxis], np.sqrt(np.maximum(inside, 1.0)) / safe, error)
        rate, error = rate / width, error / width
        spectrum = inside.sum(axis=1) / max(float(seen.sum()), np.finfo(float).tiny) / width[:, 0]
        extrapolated = np.zeros(axis.nbin, dtype=bool)
        if self.extrapolate_below is not None:
            extrapolated, law = self._power_law(inside, float(seen.sum()), edges)
            if law is not None:
                shape, shape_error = self._shape(inside, seen, extrapolated, field)
                mean, centre = law.mean_rate(edges), np.sqrt(edges[1:] * edges[:-1])
                of_law = law.rate(centre)[1][:, np.newaxis]
                rate = np.where(extrapolated[:, np.newaxis], mean[:, np.newaxis] * shape, rate)
                more = np.hypot(shape_error, of_law * shape) * mean[:, np.newaxis]
                error = np.where(extrapolated[:, np.newaxis], more, error)
                spectrum = np.where(extrapolated, mean, spectrum)
        # The extrapolated part is smooth.
        relative = np.where(extrapolated, 0.0, 1 / np.sqrt(np.maximum(inside.sum(axis=1), 1.0)))
        factor = centre_factors(spectrum, edges, relative) if self.at_centre else np.ones(axis.nbin)
        return _Rates(rate / factor[:, np.newaxis], error / factor[:, np.newaxis], factor, extrapolated)

    def _power_law(
        self, counts: HostFloats, exposure: float, edges: HostFloats
    ) -> tuple[NDArray[np.bool_], PowerLaw | None]:
        """Return which bins of energy are extrapolated, and the power law of the mean rate in the field of view."""
        assert self.extrapolate_below is not None
        total = counts.sum(axis=1)
        enough = np.flatnonzero(total >= self.extrapolate_below)
        none = np.zeros(len(total), dtype=bool)
        if not enough.size or enough[-1] == len(total) - 1:
            return none, None
        last = int(enough[-1])
        first = max(int(np.argmax(total)), last - _FITTED_BINS + 1)
        law = fit_power_law(total[first:], exposure, edges[first:])
        if law is None:
            log.warning(
                "too few events for a power law above %g TeV: the rates there are as counted", edges[last + 1] / 1e6
            )
            return none, None
        return np.arange(len(total)) > last, law

    def _shape(
        self, counts: HostFloats, exposure: HostFloats, extrapolated: NDArray[np.bool_], field: FieldBins
    ) -> tuple[HostFloats, HostFloats]:
        """Return the rate over its mean in the field of view, of the last bins of energy that are not extrapolated."""
        last = int(np.argmax(extrapolated))
        some = counts[max(0, last - _FITTED_BINS) : last].sum(axis=0)
        safe = np.where(exposure > 0, exposure, 1.0)
        rate, error = some / safe, np.sqrt(np.maximum(some, 1.0)) / safe
        if self.smoothing is not None:
            fitted = fit_shapes(some[np.newaxis], exposure, _design(field, self.smoothing))
            rate, error = fitted[0][0], fitted[1][0]
        mean = some.sum() / exposure.sum()
        return rate / mean, error / mean


@dataclass(frozen=True, eq=False)
class _Rates:
    rate: HostFloats
    error: HostFloats
    factor: HostFloats
    is_extrapolated: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BackgroundModels(ShownInNotebooks, Sequence[BackgroundModel]):
    """Background models of groups of runs.

    Attributes
    ----------
    models : tuple of BackgroundModel
    by : tuple of GroupRunsBy
    ungrouped : array of int64
        Runs of the sums that are in no group.
    """

    models: tuple[BackgroundModel, ...]
    by: tuple[GroupRunsBy, ...]
    ungrouped: NDArray[np.int64]

    def html_card(self) -> Card:
        """Return what notebooks show of the models."""
        n = len(self.models)

        def each() -> Html:
            return listed(self.models, lambda _, model: nested(model.html_card))

        facts = [number_of(n, "group"), f"{len(self.ungrouped)} runs in no group"]
        return Card(type(self).__name__, "", facts, [Section("Models", each, is_open=True)])

    def __len__(self) -> int:
        return len(self.models)

    def __iter__(self) -> Iterator[BackgroundModel]:
        return iter(self.models)

    @overload
    def __getitem__(self, index: int) -> BackgroundModel: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[BackgroundModel]: ...
    def __getitem__(self, index: int | slice) -> BackgroundModel | Sequence[BackgroundModel]:
        return self.models[index]

    def model_of(self, row: RunRow, *, interpolate_zenith: bool = False) -> BackgroundModel | None:
        """Return the model for a run, which need not be one of those that it is made of.

        Parameters
        ----------
        row : mapping of str to value
            With the columns that were grouped by.
        interpolate_zenith : bool
            Interpolate between the models of zenith bins, linearly in the cosine of the zenith angle, between the mean
            cosines of the runs of each model; beyond the outer ones the nearest one counts.

        Returns
        -------
        model : BackgroundModel, or None if the run is in no group
        """
        others = {_ZENITH} if interpolate_zenith else set()
        found = [model for model in self.models if _fits(model, row, others)]
        if not interpolate_zenith or len(found) < 2:
            return found[-1] if found else None
        return _interpolated(found, float(np.cos(np.deg2rad(float(row[_ZENITH])))))

    def of_run(self, sums: BackgroundSums, place: int, *, interpolate_zenith: bool = False) -> BackgroundModel | None:
        """Return the model of one run of the sums, normalised to its counts outside of the exclusion.

        Parameters
        ----------
        sums : BackgroundSums
        place : int
            Of the run in ``sums.runs``.
        interpolate_zenith : bool, see `model_of`

        Returns
        -------
        model : BackgroundModel
            With ``norm`` and ``norm_error``; None if the run is in no group, or its norm is not known.
        """
        run = sums.take([place])
        model = self.model_of(_row(run, 0), interpolate_zenith=interpolate_zenith)
        if model is None:
            return None
        counts, predicted = _compared(model, run)
        if not predicted > 0:
            return None
        # Of a run without events the error is that of one.
        return model.scaled(
            counts / predicted, np.sqrt(max(counts, 1.0)) / predicted, name=f"{model.name}, run {run.obs_ids[0]}"
        )

    def run_norms(self, sums: BackgroundSums, *, interpolate_zenith: bool = False) -> Table:
        """Return the norm of each run: its counts outside of the exclusion over those that its model predicts.

        Parameters
        ----------
        sums : BackgroundSums
        interpolate_zenith : bool, see `model_of`

        Returns
        -------
        norms : Table
            ``OBS_ID, GROUP, COUNTS, PREDICTED, NORM, NORM_ERROR``, in the order of the runs; no group and NaN for those
            without a model.
        """
        rows = []
        for place in range(len(sums)):
            run = sums.take([place])
            model = self.model_of(_row(run, 0), interpolate_zenith=interpolate_zenith)
            counts, predicted = (float(run.run_counts()[0]), np.nan) if model is None else _compared(model, run)
            norm, error = np.nan, np.nan
            if predicted > 0:
                norm, error = counts / predicted, np.sqrt(max(counts, 1.0)) / predicted
            name = "" if model is None else model.name
            rows.append((int(run.obs_ids[0]), name, int(counts), predicted, norm, error))
        names = ("OBS_ID", "GROUP", "COUNTS", "PREDICTED", "NORM", "NORM_ERROR")
        return Table(rows=rows or None, names=names, dtype=(int, "U64", int, float, float, float))

    def summary(self) -> Table:
        """Return a table with a row for each model: runs, times, events, and bins that are not known."""
        return Table(
            rows=[
                (
                    model.name,
                    model.n_run,
                    model.ontime / 3600,
                    int(model.counts.sum()),
                    model.energy_axis.nbin,
                    model.n_invalid,
                    model.rate.size,
                    model.keywords.get("EXTRAPOL", np.nan),
                )
                for model in self.models
            ],
            names=("GROUP", "N_RUN", "ONTIME", "COUNTS", "N_ENERGY", "N_INVALID", "N_BIN", "EXTRAPOLATED_FROM"),
            units={"ONTIME": "h", "EXTRAPOLATED_FROM": "TeV"},
        )


def _row(sums: BackgroundSums, place: int) -> dict[str, str | float]:
    row: dict[str, str | float] = {}
    for name, values in sums.runs.items():
        value = values[place]
        row[name] = str(value) if values.dtype.kind in "US" else float(np.asarray(value))
    return row


def _fits(model: BackgroundModel, row: RunRow, without: set[str]) -> bool:
    for column, interval in model.validity.items():
        if column in without:
            continue
        if column not in row:
            raise ValueError(f"the row of a run needs {column!r}, by which models are grouped; it has {', '.join(row)}")
        if not in_validity(np.asarray([row[column]]), interval)[0]:
            return False
    return True


def _compared(model: BackgroundModel, run: BackgroundSums) -> tuple[float, float]:
    """Return the counts of a run and those that a model predicts, where its rates are known."""
    known = model.is_valid.reshape(model.energy_axis.nbin, -1)
    kept = _places(model.energy_axis, run.energy_axis.edges.to_value("TeV"))
    counts = sum_between(run.total_counts().astype(float), kept)
    predicted = model.predicted_counts(run.exposure[0]).reshape(known.shape)
    return float(counts[known].sum()), float(predicted[known].sum())


def _interpolated(models: Sequence[BackgroundModel], cosine: float) -> BackgroundModel:
    """Interpolate between models linearly in the cosine of the zenith angle."""
    ordered = sorted(models, key=lambda model: model.means["COS_ZEN"])
    nodes = np.array([model.means["COS_ZEN"] for model in ordered])
    if not np.isfinite(cosine) or cosine <= nodes[0] or cosine >= nodes[-1]:
        return ordered[-1] if cosine >= nodes[-1] else ordered[0]
    place = int(np.searchsorted(nodes, cosine, side="right")) - 1
    one, other = ordered[place], ordered[place + 1]
    edges = (one.energy_axis.edges.to_value("TeV"), other.energy_axis.edges.to_value("TeV"))
    if len(edges[0]) != len(edges[1]) or not np.allclose(*edges, rtol=_EDGE_TOLERANCE):
        raise ValueError(
            f"models {one.name!r} and {other.name!r} have other bins of energy, so they cannot be interpolated; make "
            "them with common_energy_bins=True"
        )
    part = (cosine - nodes[place]) / (nodes[place + 1] - nodes[place])
    rate, mean = ((1 - part) * a + part * b for a, b in ((one.rate, other.rate), (one.mean_rate(), other.mean_rate())))
    # One factor for each energy, that of the mean over the field of view.
    axes = tuple(range(1, rate.ndim))
    total = np.nansum(rate, axis=axes)
    factor = np.divide(np.nansum(mean, axis=axes), total, out=np.ones_like(total), where=total > 0)
    return replace(
        one,
        name=f"{one.name} - {other.name}",
        rate=rate,
        error=np.hypot((1 - part) * one.error, part * other.error),
        counts=one.counts + other.counts,
        exposure=one.exposure + other.exposure,
        remaining=np.minimum(one.remaining, other.remaining),
        centre_factor=factor,
        is_extrapolated=one.is_extrapolated | other.is_extrapolated,
        obs_ids=np.union1d(one.obs_ids, other.obs_ids),
        ontime=one.ontime + other.ontime,
        livetime=one.livetime + other.livetime,
        validity={key: value for key, value in one.validity.items() if key != _ZENITH},
        means={**one.means, "COS_ZEN": cosine},
    )


def _means(sums: BackgroundSums, group: RunGroup) -> dict[str, float]:
    weights = sums.ontime
    weights = weights / weights.sum() if weights.sum() > 0 else np.full(len(sums), 1 / len(sums))
    means = {}
    if _ZENITH in sums.runs:
        zenith = np.asarray(sums.runs[_ZENITH], dtype=float)
        means["COS_ZEN"] = float(weights @ np.cos(np.deg2rad(zenith)))
    for column, interval in group.validity.items():
        if not isinstance(interval, str) and column not in ("AZ_PNT", _ZENITH):
            means[column] = float(weights @ np.asarray(sums.runs[column], dtype=float))
    return means


def _places(axis: MapAxis, fine: HostFloats) -> NDArray[np.int64]:
    """Return which of the fine edges are those of an axis."""
    edges = axis.edges.to_value("TeV")
    places = np.array([int(np.argmin(np.abs(np.log(fine / edge)))) for edge in edges])
    for edge, place in zip(edges, places, strict=True):
        if abs(fine[place] / edge - 1) > _EDGE_TOLERANCE:
            raise ValueError(
                f"energy {edge:g} TeV is no edge of the fine bins of the sums; the nearest one is {fine[place]:g} TeV. "
                f"All are {', '.join(f'{each:.6g}' for each in fine)} TeV"
            )
    if any(a >= b for a, b in pairwise(places.tolist())):
        raise ValueError(f"two edges of {edges} TeV are one edge of the fine bins")
    return places


def _design(field: FieldBins, order: int) -> HostFloats:
    """Return the terms of the logarithm of a smooth rate at the centres of the bins, shape (n_field, n_parameter)."""
    scale = field.reach
    centres = [axis.center.to_value("rad") / scale for axis in field.axes]
    if field.is_radial:
        squared = centres[0] ** 2
        return np.stack([squared**power for power in range(order + 1)], axis=1)
    x, y = (values.reshape(-1) for values in np.meshgrid(*centres, indexing="ij"))
    terms = [np.ones_like(x), x, y, x**2, x * y, y**2]
    return np.stack([*terms, *((x**2 + y**2) ** power for power in range(2, order + 1))], axis=1)


def _some(numbers: NDArray[np.int64]) -> str:
    shown: Mapping[bool, str] = {True: ", ...", False: ""}
    return ", ".join(map(str, numbers[:10])) + shown[len(numbers) > 10]
