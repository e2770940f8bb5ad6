"""Plots of background models that were made of runs, for the page of a report."""

from typing import Protocol

import astropy.units as u
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightpool.maps import MapAxis
from lightpool.plot.tables import unit_text

__all__ = [
    "plot_field_rate",
    "plot_field_values",
    "plot_mean_rate",
    "plot_rate_images",
    "plot_residuals",
    "residuals_of",
]

_SIZE = (5.4, 4.0)
_MAX_CURVES = 6
"""Number of energies in a figure."""

_RATE = f"rate {unit_text(u.Unit('s-1 MeV-1 sr-1'))}"


class FieldToDraw(Protocol):
    """Bins of a field of view, see `BackgroundModel.field`."""

    @property
    def axes(self) -> tuple[MapAxis, ...]:
        """Axes of the field."""

    @property
    def is_radial(self) -> bool:
        """Whether there is one axis, the offset."""

    @property
    def solid_angle(self) -> NDArray[np.float64]:
        """Solid angle of the bins, sr."""


class RatesToDraw(Protocol):
    """What is drawn of a `lightpool.makers.BackgroundModel`, whose package comes after this one."""

    @property
    def energy_axis(self) -> MapAxis:
        """Bins of energy."""

    @property
    def field(self) -> FieldToDraw:
        """Bins of the field of view."""

    @property
    def rate(self) -> NDArray[np.float64]:
        """Rates."""

    @property
    def error(self) -> NDArray[np.float64]:
        """Their errors."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Events."""

    @property
    def exposure(self) -> NDArray[np.float64]:
        """Exposure that is not excluded."""

    @property
    def remaining(self) -> NDArray[np.float64]:
        """Which part of all exposure that is."""

    @property
    def is_valid(self) -> NDArray[np.bool_]:
        """Where the rate is known."""

    @property
    def is_extrapolated(self) -> NDArray[np.bool_]:
        """Extrapolated bins of energy."""

    def predicted_counts(self, exposure: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected number of events."""
        ...


def plot_mean_rate(model: RatesToDraw) -> Figure:
    """Draw the mean rate of the field of view over energy.

    Parameters
    ----------
    model : BackgroundModel
    """
    figure, ax = _figure()
    weights = np.where(model.is_valid, model.field.solid_angle, 0.0)
    total = _sum(weights)
    safe = np.where(total > 0, total, np.nan)
    rate = _sum(np.nan_to_num(model.rate) * weights) / safe
    error = np.sqrt(_sum((np.nan_to_num(model.error) * weights) ** 2)) / safe
    energy = model.energy_axis.center.to_value("TeV")
    edges = model.energy_axis.edges.to_value("TeV")
    for some, style, label in ((~model.is_extrapolated, "o", "counted"), (model.is_extrapolated, "s", "extrapolated")):
        shown = some & (rate > 0)
        if shown.any():
            half = np.stack([energy - edges[:-1], edges[1:] - energy])[:, shown]
            ax.errorbar(energy[shown], rate[shown], error[shown], half, fmt=style, ms=4, label=label)
    ax.set(xscale="log", xlabel="energy [TeV]", ylabel=_RATE)
    if (rate > 0).any():
        ax.set_yscale("log")
    if model.is_extrapolated.any():
        ax.legend(frameon=False)
    ax.grid(alpha=0.3)
    return figure


def plot_field_rate(model: RatesToDraw) -> Figure:
    """Draw the rate over the field of view: radial ones at several energies, others as their mean over energies.

    Parameters
    ----------
    model : BackgroundModel
    """
    if not model.field.is_radial:
        weights = _sum(model.counts).astype(float)
        weights = weights / weights.sum() if weights.sum() else np.full(len(weights), 1 / len(weights))
        mean = np.tensordot(weights, np.nan_to_num(model.rate), axes=1)
        valid = model.is_valid.all(axis=0)
        return plot_field_values(model, np.where(valid, mean, np.nan), _RATE)
    figure, ax = _figure()
    offset = model.field.axes[0].center.to_value("deg")
    for place in _some_energies(model):
        low, high = model.energy_axis.edges[place : place + 2].to_value("TeV")
        rate, error = model.rate[place], model.error[place]
        shown = rate > 0
        ax.errorbar(
            offset[shown], rate[shown], error[shown], fmt="o-", ms=3, lw=1, label=f"{low:.2g} to {high:.2g} TeV"
        )
    ax.set(xlabel="offset [deg]", ylabel=_RATE, yscale="log")
    ax.legend(fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=3)
    ax.grid(alpha=0.3)
    return figure


def plot_rate_images(model: RatesToDraw) -> Figure:
    """Draw the rate over a field of view of two dimensions at several energies.

    Parameters
    ----------
    model : BackgroundModel
    """
    places = _some_energies(model)
    n_column = min(3, len(places))
    n_row = -(-len(places) // n_column)
    figure = Figure(figsize=(_SIZE[0], 2.1 * n_row), layout="constrained")
    for number, place in enumerate(places):
        ax = figure.add_subplot(n_row, n_column, number + 1)
        low, high = model.energy_axis.edges[place : place + 2].to_value("TeV")
        _draw_field(ax, model, model.rate[place], _norm_of(model.rate[place]))
        ax.set_title(f"{low:.2g} to {high:.2g} TeV", fontsize=8)
        ax.tick_params(labelsize=7)
    return figure


def residuals_of(model: RatesToDraw) -> NDArray[np.float64] | None:
    """Return counts minus model over the square root of the model, for all energies that are counted.

    None if the model is the counts themselves, without a fit: there are no residuals.

    Parameters
    ----------
    model : BackgroundModel
    """
    some = ~model.is_extrapolated
    known = model.is_valid[some]
    counts = np.where(known, model.counts[some], 0).sum(axis=0).astype(float)
    predicted = np.where(known, np.nan_to_num(model.predicted_counts(model.exposure)[some]), 0.0)
    if np.allclose(predicted, np.where(known, model.counts[some], 0), rtol=1e-6, atol=1e-6):
        return None
    total = predicted.sum(axis=0)
    return np.where(total > 0, (counts - total) / np.sqrt(np.where(total > 0, total, 1.0)), np.nan)


def plot_residuals(model: RatesToDraw, residuals: NDArray[np.float64]) -> Figure:
    """Draw residuals over the field of view.

    Parameters
    ----------
    model : BackgroundModel
    residuals : array of float64, shape of the field
        See `residuals_of`.
    """
    figure, ax = _figure()
    if model.field.is_radial:
        offset = model.field.axes[0].center.to_value("deg")
        ax.errorbar(offset, residuals, np.ones_like(residuals), fmt="o", ms=4)
        ax.axhline(0, color="slategray", lw=1)
        ax.set(xlabel="offset [deg]", ylabel="residual [standard deviations]")
        ax.grid(alpha=0.3)
        return figure
    limit = max(4.0, float(np.nanmax(np.abs(residuals))))
    image = _draw_field(ax, model, residuals, Normalize(-limit, limit), cmap="coolwarm")
    figure.colorbar(image, ax=ax, label="residual [standard deviations]")
    return figure


def plot_field_values(model: RatesToDraw, values: NDArray[np.float64], label: str) -> Figure:
    """Draw values over the field of view.

    Parameters
    ----------
    model : BackgroundModel
    values : array of float64, shape of the field
    label : str
    """
    figure, ax = _figure()
    if model.field.is_radial:
        ax.stairs(values, model.field.axes[0].edges.to_value("deg"), baseline=None)
        ax.set(xlabel="offset [deg]", ylabel=label, ylim=(0, None))
        ax.grid(alpha=0.3)
        return figure
    image = _draw_field(ax, model, values, Normalize(np.nanmin(values), np.nanmax(values)))
    figure.colorbar(image, ax=ax, label=label)
    return figure


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE)
    # without pyplot, which would keep each figure in memory until it is closed
    return figure, figure.add_subplot()


def _draw_field(
    ax: Axes, model: RatesToDraw, values: NDArray[np.float64], norm: Normalize, cmap: str = "viridis"
) -> QuadMesh:
    lon, lat = (axis.edges.to_value("deg") for axis in model.field.axes)
    image = ax.pcolormesh(lon, lat, values.T, norm=norm, cmap=cmap)
    ax.set(xlabel="fov_lon [deg]", ylabel="fov_lat [deg]", aspect="equal")
    return image


def _norm_of(values: NDArray[np.float64]) -> Normalize:
    shown = values[np.isfinite(values) & (values > 0)]
    return LogNorm(shown.min(), shown.max()) if shown.size and shown.min() < shown.max() else Normalize()


def _some_energies(model: RatesToDraw) -> list[int]:
    """Return the places of energies with events, at most six that are spread over all."""
    seen = np.flatnonzero((_sum(model.counts) > 0) | model.is_extrapolated)
    if not seen.size:
        return [0]
    chosen = np.unique(np.linspace(0, len(seen) - 1, min(_MAX_CURVES, len(seen))).round().astype(int))
    return [int(place) for place in seen[chosen]]


def _sum(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the sum over the field of view."""
    return np.asarray(values.reshape(len(values), -1).sum(axis=1), dtype=float)
