"""Build makers of background models from the settings."""

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np

from lightpool.config.background import AngleAxis, BackgroundSettings
from lightpool.config.build import energy_axis, region_text
from lightpool.config.exclusions import ExcludedRegions, sky_exclusion
from lightpool.config.positions import Circle
from lightpool.errors import ConfigError, RemoteFileError
from lightpool.fits import read_text
from lightpool.makers import BackgroundModelMaker, BackgroundTableMaker, SkyExclusion
from lightpool.maps import MapAxis

__all__ = ["build_background_maker", "build_sky_exclusion", "build_table_maker"]

_SAME_EDGE = 1e-6
"""Relative difference of two edges that are the same."""


def build_background_maker(settings: BackgroundSettings, device: Any = None) -> BackgroundModelMaker:
    """Return the maker that sums events and exposure.

    Parameters
    ----------
    settings : BackgroundSettings
    device : Device or str, optional

    Raises
    ------
    ConfigError
        If a file or a region of the exclusion, or an axis, cannot be used; names the key.
    """
    bins = settings.background
    axes = {name: getattr(bins.axes, name) for name in type(bins.axes).model_fields}
    try:
        return BackgroundModelMaker(
            energy_axis(bins.energy_axis),
            [_angle_axis(name, axis) for name, axis in axes.items() if axis is not None],
            bins.fov_alignment,
            build_sky_exclusion(bins.exclusion),
            bins.oversampling,
            bins.max_rotation,
            device,
        )
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"background: {error}") from error


def build_table_maker(settings: BackgroundSettings) -> BackgroundTableMaker:
    """Return the maker of tables.

    Parameters
    ----------
    settings : BackgroundSettings

    Raises
    ------
    ConfigError
        If its bins are not unions of the fine bins.
    """
    if settings.tables.energy_axis is None:
        return settings.table_maker()
    fine = energy_axis(settings.background.energy_axis).edges.to_value("TeV")
    axis = energy_axis(settings.tables.energy_axis)
    for edge in axis.edges.to_value("TeV"):
        if np.min(np.abs(fine / edge - 1)) > _SAME_EDGE:
            nearest = fine[np.argmin(np.abs(fine / edge - 1))]
            raise ConfigError(
                f"tables.energy_axis: {edge:.6g} TeV is no edge of background.energy_axis, of whose bins those of the "
                f"tables are unions; the nearest one is {nearest:.6g} TeV"
            )
    return settings.table_maker(axis)


def _angle_axis(name: str, bins: AngleAxis) -> MapAxis:
    if bins.edges is not None:
        edges = u.Quantity([u.Quantity(edge).to("deg") for edge in bins.edges])
        return MapAxis.from_edges(edges, name=name)
    assert bins.max is not None  # the settings are validated
    assert bins.nbin is not None
    low = 0.0 if bins.min is None else float(u.Quantity(bins.min).to_value("deg"))
    if bins.min is None and name != "offset":
        raise ConfigError(f"background.axes.{name}: expected min, max and nbin, or edges; got no min")
    return MapAxis.from_bounds(
        low, float(u.Quantity(bins.max).to_value("deg")), nbin=bins.nbin, unit="deg", node_type="edges", name=name
    )


def build_sky_exclusion(items: Sequence[Any]) -> SkyExclusion:
    """Return the union of everything that is excluded.

    Parameters
    ----------
    items : sequence of Excluded

    Raises
    ------
    ConfigError
        If one cannot be used; names the key.
    RemoteFileError
        If a server does not answer.
    """
    parts = []
    for number, item in enumerate(items):
        try:
            part = _exclusion_of(item)
        except RemoteFileError:  # the settings may be right, and the server answer later
            raise
        except (OSError, TypeError, ValueError, LookupError) as error:
            raise ConfigError(f"background.exclusion.{number} cannot be used: {error}") from error
        if part.is_empty:
            raise ConfigError(
                f"background.exclusion.{number} excludes nothing: no row is left; check select and magnitude_max, or "
                "remove it"
            )
        parts.append(part)
    return SkyExclusion.union(parts)


def _exclusion_of(item: Any) -> SkyExclusion:
    if isinstance(item, ExcludedRegions):
        return SkyExclusion.from_regions(read_text(item.regions))
    if isinstance(item, Circle | str):
        return SkyExclusion.from_regions(region_text(item))
    return sky_exclusion(item)
