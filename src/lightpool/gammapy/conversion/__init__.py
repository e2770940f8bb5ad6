"""Conversion of objects between lightpool and Gammapy, one module for each kind of object."""

from lightpool.gammapy.conversion import (  # noqa: F401 - they register their classes
    axes,
    datasets,
    events,
    filters,
    geoms,
    intervals,
    locations,
    maps,
    metadata,
    models,
    observations,
    parameters,
    pointing,
    response_maps,
    responses,
)
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.names import show_public

__all__ = ["from_gammapy", "to_gammapy"]

show_public(__name__)
