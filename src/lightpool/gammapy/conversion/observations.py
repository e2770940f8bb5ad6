"""Observations: what is in files stays there and is read by the reader of the package that asks for it.

A part of an observation of Gammapy is in a file, or in memory because it was set or because Gammapy keeps it once it
was read. Parts in memory are converted when they are needed, so a part that lightpool has no class for is an error for
those only who need it.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, cast
from weakref import ref

from gammapy.data import GTI as GammapyGTI  # noqa: N811 - a class
from gammapy.data import EventList as GammapyEventList
from gammapy.data import Observation as GammapyObservation
from gammapy.data import ObservationMetaData as GammapyObservationMetaData
from gammapy.data import Observations as GammapyObservations
from gammapy.utils.fits import HDULocation as GammapyHDULocation

from lightpool.data import FixedPointingInfo, Observation, ObservationMetaData, Observations
from lightpool.data.files.hdu_location import HDULocation, Part
from lightpool.data.observation_parts import LaterPart
from lightpool.gammapy.conversion.filters import filter_from_gammapy, filter_to_gammapy, is_inverted
from lightpool.gammapy.conversion.locations import location_from_gammapy, location_to_gammapy
from lightpool.gammapy.conversion.metadata import values_of_metadata
from lightpool.gammapy.conversion.overrides import require_no_override
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.twins import Twins
from lightpool.gammapy.installation import version
from lightpool.irf import BackgroundIRF, FoVAlignment
from lightpool.typing import GammapyObject
from lightpool.utils.on_demand import Deferred

__all__ = [
    "observation_from_gammapy",
    "observation_to_gammapy",
    "observations_from_gammapy",
    "observations_to_gammapy",
]

_KEPT_UNDER = {
    "events": "_events",
    "gti": "_gti",
    "aeff": "aeff",
    "edisp": "edisp",
    "psf": "psf",
    "bkg": "_bkg",
    "rad_max": "_rad_max",
    "pointing": "_pointing",
    "meta": "_meta",
}
"""Attributes in which an observation of Gammapy keeps its parts.

To read one loads it from its file, and there is no public way to ask for the place of the file: parts in memory are
under these names in the ``__dict__``, and places of files under these names between ``_`` and ``_hdu``.
"""

# As in `lightpool.data.files.hdu_location`; Gammapy finds them in the metadata.
_OLD_HESS = {"CREATOR": "SASH FITS::EventListWriter", "HDUVERS": "0.2"}
_MIRRORED = FoVAlignment.REVERSE_LON_RADEC
_CONTENT_OF_RESPONSE = ("data", "unit", "meta", "fov_alignment")


class _Record(NamedTuple):
    """An observation, and what it and the one that it was converted from consisted of at that time."""

    twin: Observation
    marks: tuple[object, ...]
    own_marks: tuple[object, ...]


_RECORDS: Twins[_Record] = Twins()
_ORIGINALS: Twins["ref[GammapyObservation]"] = Twins()


# -- from Gammapy


@from_gammapy.register(GammapyObservation)
def observation_from_gammapy(observation: GammapyObservation) -> Observation:
    """Return an observation of Gammapy as one of lightpool; no file is opened.

    It is the same object each time, unless a part of it, or of the observation of Gammapy, was replaced since.
    """
    require_no_override(observation, GammapyObservation)
    parts = _parts_of(observation)
    marks = _marks(observation, parts)
    record = _RECORDS.get(observation)
    if record is not None and _are_same(record.marks, marks) and _are_same(record.own_marks, _own_marks(record.twin)):
        return record.twin
    twin = Observation(
        obs_id=observation.obs_id,
        obs_filter=filter_from_gammapy(observation.obs_filter),
        location=vars(observation)["_location"],  # the public attribute reads the file
        **_converted(parts),
    )
    _RECORDS.put(observation, _Record(twin, marks, _own_marks(twin)))
    _ORIGINALS.put(twin, ref(observation))
    return twin


@from_gammapy.register(GammapyObservations)
def observations_from_gammapy(observations: GammapyObservations) -> Observations:
    """Return a list of observations of Gammapy as one of lightpool."""
    require_no_override(observations, GammapyObservations)
    return Observations([observation_from_gammapy(observation) for observation in observations])


def _parts_of(observation: GammapyObservation) -> dict[str, GammapyObject]:
    """Return the parts of an observation, or their places in files, as Gammapy would find them."""
    state = vars(observation)
    return {name: state[kept] if kept in state else state.get(f"_{kept}_hdu") for name, kept in _KEPT_UNDER.items()}


def _marks(observation: GammapyObservation, parts: dict[str, GammapyObject]) -> tuple[object, ...]:
    """Return the objects that an observation consists of."""
    filters = observation.obs_filter
    marks = [observation.obs_id, vars(observation)["_location"], filters, filters.time_filter, is_inverted(filters)]
    marks += filters.event_filters
    for part in parts.values():
        marks.append(part)
        if part is None or isinstance(part, GammapyHDULocation):
            continue
        if isinstance(part, GammapyEventList):
            marks += (part.table, part.meta)
        elif isinstance(part, GammapyGTI):
            marks += (part.table, part.time_ref)
        elif isinstance(part, GammapyObservationMetaData):
            marks += values_of_metadata(part)
        else:
            marks += (getattr(part, name, None) for name in _CONTENT_OF_RESPONSE)
            marks += getattr(part, "interp_kwargs", {}).values()
    return tuple(marks)


def _own_marks(observation: Observation) -> tuple[object, ...]:
    """Return the objects that a converted observation consists of."""
    filters = observation.obs_filter
    return (
        observation.obs_id,
        observation.given_location,
        filters,
        filters.time_filter,
        filters.inverted_time,
        *observation.parts.values(),
        *filters.event_filters,
    )


def _are_same(marks: tuple[object, ...], others: tuple[object, ...]) -> bool:
    return len(marks) == len(others) and all(map(operator.is_, marks, others))


def _converted(parts: dict[str, GammapyObject]) -> dict[str, LaterPart | None]:
    """Return parts of Gammapy as those of lightpool, loaded or converted when they are needed."""
    found = {name: _later(part) for name, part in parts.items()}
    if version() < (2, 0) and parts["events"] is not None:
        # Gammapy reads them from the events only when they are needed.
        found |= {name: _part_of_header(parts["events"], name) for name in _READERS if found[name] is None}
    background = found["bkg"]
    if background is not None and not _is_same_hdu(found["events"], found["meta"]):
        found["bkg"] = Deferred(partial(_background, background, found["meta"]))
    return found


def _later(part: GammapyObject) -> LaterPart | None:
    if part is None:
        return None
    if type(part) is GammapyHDULocation:
        return cast(HDULocation, location_from_gammapy(part))
    return Deferred(partial(_convert, part))


def _convert(part: GammapyObject) -> Part:
    """Return a part in memory, or at a place that only Gammapy can read, as one of lightpool."""
    return cast(Part, from_gammapy(part.load() if isinstance(part, GammapyHDULocation) else part))


_READERS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Part]]] = {
    "meta": ("observation_metadata", ObservationMetaData.from_header),
    "pointing": ("pointing", FixedPointingInfo.from_fits_header),
}
"""Parts that are in the header of the events: class of the HDU, and what reads them."""


def _part_of_header(events: GammapyObject, name: str) -> LaterPart:
    kind, read = _READERS[name]
    if isinstance(events, GammapyHDULocation):
        return replace(cast(HDULocation, location_from_gammapy(events)), hdu_class=kind)
    return Deferred(partial(read, events.table.meta))


def _is_same_hdu(one: object, other: object) -> bool:
    """Return whether two parts are in the same HDU."""
    if not isinstance(one, HDULocation) or not isinstance(other, HDULocation):
        return False
    return replace(one, hdu_class=other.hdu_class) == other


def _background(background: LaterPart, meta: LaterPart | None) -> Part:
    """Return a background with the alignment that Gammapy gives it, which depends on the metadata.

    Parameters
    ----------
    background : part
    meta : part, metadata of the observation
    """
    header: Mapping[str, Any] = {}
    if isinstance(meta, HDULocation):
        header = meta.header()
    elif meta is not None and isinstance(known := meta.create(), ObservationMetaData):
        header = known.optional or {}
    if isinstance(background, HDULocation):
        return background.load(header=header)
    found = background.create()
    is_old_hess = all(header.get(key) == value for key, value in _OLD_HESS.items())
    if not is_old_hess or not isinstance(found, BackgroundIRF) or found.fov_alignment is _MIRRORED:
        return found
    return type(found)(
        found.axes, found.data, found.unit, found.is_pointlike, _MIRRORED, found.meta, found.interp_kwargs
    )


# -- to Gammapy


@to_gammapy.register
def observation_to_gammapy(observation: Observation) -> GammapyObservation:
    """Return an observation as one of Gammapy; what is in files is read by Gammapy when it is needed."""
    original = _ORIGINALS.get(observation)
    found = None if original is None else original()
    if found is not None and _is_still(found, observation):
        return found
    parts = observation.parts
    made = {name: _part_to_gammapy(part) for name, part in parts.items()}
    in_one_header = _is_same_hdu(parts["events"], parts["meta"])
    if isinstance(parts["bkg"], HDULocation) and not in_one_header:
        # Gammapy would align it by other keywords than lightpool.
        made["bkg"] = to_gammapy(observation.bkg)
    if version() < (2, 0) and isinstance(parts["meta"], HDULocation):
        made["meta"] = None if in_one_header else to_gammapy(observation.meta)
    return GammapyObservation(
        obs_id=observation.obs_id,
        obs_filter=filter_to_gammapy(observation.obs_filter),
        location=observation.given_location,
        **made,
    )


@to_gammapy.register
def observations_to_gammapy(observations: Observations) -> GammapyObservations:
    """Return a list of observations as one of Gammapy."""
    return GammapyObservations([observation_to_gammapy(observation) for observation in observations])


def _is_still(original: GammapyObservation, observation: Observation) -> bool:
    """Return whether neither an observation nor the one that it was converted from has changed since."""
    record = _RECORDS.get(original)
    return (
        record is not None
        and record.twin is observation
        and _are_same(record.own_marks, _own_marks(observation))
        and _are_same(record.marks, _marks(original, _parts_of(original)))
    )


def _part_to_gammapy(part: Part | LaterPart) -> GammapyObject:
    if part is None:
        return None
    if isinstance(part, HDULocation):
        return location_to_gammapy(part)
    return to_gammapy(part.create() if isinstance(part, Deferred) else part)
