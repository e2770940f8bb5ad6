"""Metadata of observations, event lists and GTIs; the values are the same objects on both sides."""

from gammapy.data.metadata import EventListMetaData as GammapyEventListMetaData
from gammapy.data.metadata import GTIMetaData as GammapyGTIMetaData
from gammapy.data.metadata import ObservationMetaData as GammapyObservationMetaData
from gammapy.utils.metadata import CreatorMetaData as GammapyCreatorMetaData
from gammapy.utils.metadata import MetaData as GammapyMetaData
from gammapy.utils.metadata import ObsInfoMetaData as GammapyObsInfoMetaData
from gammapy.utils.metadata import PointingInfoMetaData as GammapyPointingInfoMetaData
from gammapy.utils.metadata import TargetMetaData as GammapyTargetMetaData
from gammapy.utils.metadata import TimeInfoMetaData as GammapyTimeInfoMetaData

from lightpool.data.metadata import (
    CreatorMetaData,
    EventListMetaData,
    GTIMetaData,
    MetaData,
    ObservationMetaData,
    ObsInfoMetaData,
    PointingInfoMetaData,
    TargetMetaData,
    TimeInfoMetaData,
)
from lightpool.errors import FormatError
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.typing import GammapyObject

__all__ = ["metadata_from_gammapy", "metadata_to_gammapy", "values_of_metadata"]

_PAIRS: dict[GammapyObject, type[MetaData]] = {
    GammapyCreatorMetaData: CreatorMetaData,
    GammapyEventListMetaData: EventListMetaData,
    GammapyGTIMetaData: GTIMetaData,
    GammapyObsInfoMetaData: ObsInfoMetaData,
    GammapyObservationMetaData: ObservationMetaData,
    GammapyPointingInfoMetaData: PointingInfoMetaData,
    GammapyTargetMetaData: TargetMetaData,
    GammapyTimeInfoMetaData: TimeInfoMetaData,
}
"""Classes of Gammapy, and those of lightpool with the same attributes."""


def metadata_from_gammapy(meta: GammapyMetaData) -> object:
    """Return metadata of Gammapy as those of lightpool."""
    kind = next(own for theirs, own in _PAIRS.items() if isinstance(meta, theirs))
    # Those of a header need not be valid, in neither package.
    return kind.unchecked(**{name: _from(value) for name, value in vars(meta).items()})


def _from(value: object) -> object:
    return from_gammapy(value) if isinstance(value, GammapyMetaData) else value


def metadata_to_gammapy(meta: object) -> GammapyMetaData:
    """Return metadata as those of Gammapy."""
    kind = next(theirs for theirs, own in _PAIRS.items() if isinstance(meta, own))
    # Older versions lack some of the attributes.
    values = {name: _to(meta, name) for name in kind.model_fields if hasattr(type(meta), name) or name in vars(meta)}
    try:
        return kind(**values)
    except ValueError:
        # Values of a header need not be valid: then Gammapy keeps them without a check.
        return kind.model_construct(**values)


def _to(meta: object, name: str) -> object:
    try:
        value = getattr(meta, name)
    except FormatError:
        return None  # it is read from the header only now, which has no valid value
    return to_gammapy(value) if type(value) in _OWN else value


_OWN = frozenset(_PAIRS.values())

for _theirs, _own in _PAIRS.items():
    from_gammapy.register(_theirs, metadata_from_gammapy)
    to_gammapy.register(_own, metadata_to_gammapy)


def values_of_metadata(meta: GammapyMetaData) -> list[object]:
    """Return all values of metadata of Gammapy, also those of the metadata inside of them."""
    values: list[object] = []
    for value in vars(meta).values():
        values.append(value)
        if isinstance(value, GammapyMetaData):
            values += vars(value).values()
    return values
