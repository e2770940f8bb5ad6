"""Filters of observations; the filters are the same objects on both sides."""

from gammapy.data import ObservationFilter as GammapyObservationFilter

from lightpool.data import ObservationFilter
from lightpool.gammapy.conversion.overrides import require_no_override
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy

__all__ = ["filter_from_gammapy", "filter_to_gammapy", "is_inverted"]


@from_gammapy.register(GammapyObservationFilter)
def filter_from_gammapy(filters: GammapyObservationFilter) -> ObservationFilter:
    """Return filters of Gammapy as those of lightpool."""
    require_no_override(filters, GammapyObservationFilter)
    return ObservationFilter(filters.time_filter, filters.event_filters, is_inverted(filters))


@to_gammapy.register
def filter_to_gammapy(filters: ObservationFilter) -> GammapyObservationFilter:
    """Return filters as those of Gammapy.

    Raises
    ------
    TypeError
        If they are inverted, which Gammapy knows since version 2.1.
    """
    found = GammapyObservationFilter(time_filter=filters.time_filter, event_filters=list(filters.event_filters))
    if filters.inverted_time and not hasattr(found, "inverted_time"):
        raise TypeError("to_gammapy got a filter of inverted times, which Gammapy knows since version 2.1")
    if hasattr(found, "inverted_time"):
        found.inverted_time = filters.inverted_time
    return found


def is_inverted(filters: GammapyObservationFilter) -> bool:
    """Return whether the times outside of the interval are kept, which Gammapy knows since version 2.1."""
    return bool(getattr(filters, "inverted_time", False))
