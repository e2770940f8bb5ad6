"""The parts of an observation, each loaded on demand."""

import copy
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, cast, overload

from astropy.coordinates import EarthLocation, SkyCoord

from lightpool.attributes import KnownAttributes, is_own_class, unknown_attribute
from lightpool.bridge import ConvertibleToGammapy, accepts_gammapy
from lightpool.data.event_list import EventList
from lightpool.data.files.hdu_location import HDULocation, Part
from lightpool.data.filters import ObservationFilter, in_good_times, seconds_outside
from lightpool.data.gti import GTI
from lightpool.data.metadata import ObservationMetaData
from lightpool.data.part_kinds import PRODUCTS, ResponseMap, require_response, require_settable, require_table
from lightpool.data.pointing import FixedPointingInfo, PointingMode
from lightpool.data.tables.obs_ids import is_obs_id
from lightpool.data.tables.part_names import PARTS_IN_FILES, RESPONSES
from lightpool.data.tables_in_use import TablesInUse
from lightpool.errors import FormatError, LightpoolError, MissingDataError
from lightpool.fits import Place
from lightpool.irf import (
    IRF,
    Background2D,
    Background3D,
    BackgroundIRF,
    EDispKernelMap,
    EDispMap,
    EffectiveAreaTable2D,
    EnergyDispersion2D,
    PSFMap,
    RadMax2D,
)
from lightpool.irf.tables.psf_table import PSF
from lightpool.maps import Map
from lightpool.utils.on_demand import Deferred

__all__ = ["ObservationParts"]

log = logging.getLogger(__name__)

LaterPart: TypeAlias = HDULocation | Deferred[Part]
"""A part that is loaded when it is read."""

_PARTS = (*PARTS_IN_FILES, "pointing", "meta")
_STATE = ("_location", "_parts", "_loaded", "_in_use", "_listed_events", "_good_times")
_KEPT = ("gti", "rad_max", "pointing", "meta")  # small, or used often: the observation keeps them once loaded


class ObservationParts(ConvertibleToGammapy, KnownAttributes):
    """Events, good times, response, pointing and metadata of one observation.

    Each part is either an object in memory or an `HDULocation`, which is loaded when the part is read; any part may be
    replaced. An `HDULocation` stays after its part was loaded: it says which files an observation needs, and a pickle
    holds the location instead of the part. So does a `~lightpool.utils.on_demand.Deferred`, for parts that are made of
    something else when they are read. Parameters are those of `Observation`.
    """

    _consumed = ("location",)
    _tables: dict[str, Part] | None = None
    """Response tables that were loaded; None where they are loaded again each time."""

    @accepts_gammapy
    def __init__(
        self,
        obs_id: int | None = None,
        meta: ObservationMetaData | LaterPart | None = None,
        gti: GTI | LaterPart | None = None,
        aeff: EffectiveAreaTable2D | ResponseMap | LaterPart | None = None,
        edisp: EnergyDispersion2D | ResponseMap | LaterPart | None = None,
        psf: PSF | ResponseMap | LaterPart | None = None,
        bkg: BackgroundIRF | ResponseMap | LaterPart | None = None,
        rad_max: RadMax2D | LaterPart | None = None,
        events: EventList | LaterPart | None = None,
        obs_filter: ObservationFilter | None = None,
        pointing: FixedPointingInfo | LaterPart | None = None,
        location: EarthLocation | None = None,
    ) -> None:
        self.obs_id = obs_id
        self.obs_filter = obs_filter or ObservationFilter()
        self._location = location
        self._parts: dict[str, Part | LaterPart] = {
            "events": events,
            "gti": gti,
            "aeff": aeff,
            "edisp": edisp,
            "psf": psf,
            "bkg": bkg,
        }
        self._parts |= {"rad_max": rad_max, "pointing": pointing, "meta": meta or ObservationMetaData()}
        self._loaded: dict[str, Part] = {}
        self._in_use = TablesInUse()
        self._good_times: GTI | None = None  # that were set after the events, which are those in them
        # Background and good times of files are read with the header of these events, also after others are set.
        self._listed_events = events if isinstance(events, HDULocation) else None

    def __getstate__(self) -> dict[str, Any]:
        meta = self._loaded.get("meta")
        # Loaded parts are not pickled, since their location is, but what the user changed would be lost.
        is_changed = isinstance(meta, ObservationMetaData) and meta.is_changed
        return self.__dict__ | {"_loaded": {"meta": meta} if is_changed else {}, "_tables": None}

    def __setattr__(self, name: str, value: object) -> None:
        kind: type = type(self)
        if name[:1] == "_" and name not in _STATE and not hasattr(kind, name) and is_own_class(kind):
            raise AttributeError(unknown_attribute(kind, name))
        super().__setattr__(name, value)

    # -- parts

    def _get(self, name: str) -> Any:
        """Return a part, loaded if need be; the properties declare the type of each."""
        part = self._parts[name]
        if not isinstance(part, HDULocation | Deferred):
            return part
        if name in self._loaded:
            return self._loaded[name]
        if self._tables is not None and name in self._tables:
            return self._tables[name]
        value = self._load(name, part)
        if name in _KEPT or isinstance(part, Deferred):
            self._loaded[name] = value
        elif self._tables is not None and name in RESPONSES:
            self._tables[name] = value
        return value

    def _load(self, name: str, location: LaterPart) -> Part:
        if isinstance(location, Deferred):
            return location.create()
        try:
            value = location.load(header=self._events_header()) if name in ("bkg", "gti") else location.load()
        except (MissingDataError, FormatError) as error:
            raise type(error)(f"observation {self.obs_id}, {name}: {error}") from error
        if name == "meta":
            self._check_obs_id(location)
        return value

    @overload
    def required(self, name: Literal["events"]) -> EventList: ...
    @overload
    def required(self, name: Literal["gti"]) -> GTI: ...
    @overload
    def required(self, name: Literal["pointing"]) -> FixedPointingInfo: ...
    @overload
    def required(self, name: Literal["aeff"]) -> EffectiveAreaTable2D: ...
    @overload
    def required(self, name: Literal["edisp"]) -> EnergyDispersion2D: ...
    @overload
    def required(self, name: Literal["psf"]) -> PSF: ...
    @overload
    def required(self, name: Literal["bkg"]) -> Background2D | Background3D: ...
    @overload
    def required(self, name: Literal["rad_max"]) -> RadMax2D: ...
    @overload
    def required(self, name: Literal["aeff", "edisp", "psf", "bkg", "rad_max"]) -> IRF: ...
    def required(self, name: str) -> object:
        """Return a part that a computation cannot do without.

        Parameters
        ----------
        name : {"events", "gti", "pointing", "aeff", "edisp", "psf", "bkg", "rad_max"}

        Returns
        -------
        part : the object that the attribute of this name holds, never None and never a map

        Raises
        ------
        MissingDataError
            If the observation does not have it.
        FormatError
            If it is a map on the sky instead of a table in the field of view.
        """
        part = self._existing(name)
        require_table(part, f"observation {self.obs_id}: its {name!r}")
        return part

    @overload
    def response(self, name: Literal["aeff"]) -> EffectiveAreaTable2D | Map: ...
    @overload
    def response(self, name: Literal["edisp"]) -> EnergyDispersion2D | EDispMap | EDispKernelMap: ...
    @overload
    def response(self, name: Literal["psf"]) -> PSF | PSFMap: ...
    @overload
    def response(self, name: Literal["bkg"]) -> Background2D | Background3D | Map: ...
    def response(self, name: str) -> object:
        """Return a response that a computation cannot do without, as a table or as a map on the sky.

        Parameters
        ----------
        name : {"aeff", "edisp", "psf", "bkg"}

        Raises
        ------
        MissingDataError
            If the observation does not have it.
        FormatError
            If it is a map of another kind, such as a PSF as the effective area.
        """
        part = self._existing(name)
        require_response(part, name, f"observation {self.obs_id}: its {name!r}")
        return part

    def _existing(self, name: str) -> object:
        part: object = getattr(self, name)
        if part is None:
            product = PRODUCTS.get(name)
            selection = "" if product is None else f", or leave {product!r} out of the selection of the maker"
            raise MissingDataError(
                f"observation {self.obs_id} has no {name!r}, it has {self.available_hdus}; set observation.{name}"
                f"{selection}"
            )
        return part

    @property
    def places(self) -> list[Place]:
        """Paths, or addresses, of the files that hold its parts, sorted; none of them is opened or copied."""
        return sorted({location.place for location in self.locations.values()}, key=str)

    @property
    def files(self) -> list[Path]:
        """Files that hold its parts, sorted; none of them is opened, and those at addresses are copied."""
        return sorted({location.path() for location in self.locations.values()})

    @property
    def locations(self) -> dict[str, HDULocation]:
        """Locations of the parts that are in files, by name."""
        return {name: part for name, part in self._parts.items() if isinstance(part, HDULocation)}

    @property
    def parts(self) -> dict[str, Part | LaterPart]:
        """What the observation is made of, by name: parts in memory, and where the others come from.

        Nothing is loaded. Tables that were handed out, and metadata that were changed, take the place of where they
        came from.
        """
        parts = dict(self._parts)
        for name in ("events", "gti"):
            for filters in (ObservationFilter(), self.obs_filter):
                kept = self._in_use.get(name, filters)
                parts[name] = parts[name] if kept is None else kept
        if self._good_times is not None:
            parts["events"] = Deferred(partial(_events_in, self._view_without_filter()))
        meta = self._loaded.get("meta")
        if isinstance(meta, ObservationMetaData) and meta.is_changed:
            parts["meta"] = meta
        return parts

    def _view_without_filter(self) -> Self:
        observation = self._view()
        observation.obs_filter = ObservationFilter()
        return observation

    @property
    def given_location(self) -> EarthLocation | None:
        """Position of the observatory that was given; None if it is the one in the header."""
        return self._location

    def with_tables_loaded_once(self) -> Self:
        """Return this observation as another object that keeps the response tables it loads: for one computation.

        Everything else is that of this one, not a copy, so nothing should be set on it.
        """
        observation = object.__new__(type(self))  # `copy.copy` takes the state of a pickle, which holds no loaded part
        observation.__dict__.update(self.__dict__, _tables={})
        return observation

    def loaded(self) -> Self:
        """Return an observation that shares the parts of this one, with all of them loaded and kept in memory.

        A part that cannot be loaded now raises its error when it is read.
        """
        observation = self._view()
        for name, part in self._parts.items():
            if isinstance(part, HDULocation | Deferred) and name not in self._loaded:
                with suppress(Exception):
                    observation._loaded[name] = self._load(name, part)
        return observation

    def _view(self) -> Self:
        """Return an observation with the same parts, which can be replaced independently."""
        observation = copy.copy(self)
        observation._parts, observation._loaded = dict(self._parts), dict(self._loaded)
        observation._in_use = self._in_use.copy()
        return observation

    def with_responses(self, responses: Mapping[str, Part | HDULocation]) -> Self:
        """Return an observation with other responses; it shares all else with this one, also what was loaded.

        Parameters
        ----------
        responses : mapping of "aeff", "edisp", "psf", "bkg" and "rad_max" to a response, or to where it is
            Those that are missing are none.
        """
        observation = self._view()
        for name in RESPONSES:
            observation._parts[name] = responses.get(name)
            observation._loaded.pop(name, None)
        return observation

    def _check_obs_id(self, location: HDULocation) -> None:
        """Warn if the index names the file of another observation."""
        found = location.header().get("OBS_ID")
        if found is not None and not is_obs_id(found, self.obs_id):
            log.warning(f"observation {self.obs_id}: the header of {location} says OBS_ID {found}; check the index")

    def _events_header(self) -> Mapping[str, Any] | None:
        return None if self._listed_events is None else self._listed_events.header()

    @accepts_gammapy
    def _set(self, name: str, value: Part) -> None:
        require_settable(name, value)
        self._parts[name] = value
        self._in_use.forget(name)
        for known in (name, "rad_max"):  # a fixed cut is in the keywords of aeff and edisp
            self._loaded.pop(known, None)

    @property
    def aeff(self) -> EffectiveAreaTable2D | None:
        """Effective area, or None."""
        part: EffectiveAreaTable2D | None = self._get("aeff")
        return part

    @aeff.setter
    def aeff(self, value: EffectiveAreaTable2D | ResponseMap | None) -> None:
        self._set("aeff", value)

    @property
    def edisp(self) -> EnergyDispersion2D | None:
        """Energy dispersion, or None."""
        part: EnergyDispersion2D | None = self._get("edisp")
        return part

    @edisp.setter
    def edisp(self, value: EnergyDispersion2D | ResponseMap | None) -> None:
        self._set("edisp", value)

    @property
    def psf(self) -> PSF | None:
        """Point spread function, or None."""
        part: PSF | None = self._get("psf")
        return part

    @psf.setter
    def psf(self, value: PSF | ResponseMap | None) -> None:
        self._set("psf", value)

    @property
    def bkg(self) -> Background2D | Background3D | None:
        """Background rate, or None.

        Backgrounds of the first H.E.S.S. data release are mirrored in longitude, which the file does not say; they are
        recognised by the CREATOR of the event list and get the alignment ``REVERSE_LON_RADEC``, as in Gammapy.
        """
        part: Background2D | Background3D | None = self._get("bkg")
        return part

    @bkg.setter
    def bkg(self, value: BackgroundIRF | ResponseMap | None) -> None:
        self._set("bkg", value)

    @property
    def rad_max(self) -> RadMax2D | None:
        """Energy-dependent cut of point-like responses, or None.

        A point-like response without this table has a fixed cut, in the header (RAD_MAX) of its effective area.
        """
        if self._parts["rad_max"] is None and "rad_max" not in self._loaded:
            pointlike = [irf for irf in (self.aeff, self.edisp) if isinstance(irf, IRF) and irf.is_pointlike]
            self._loaded["rad_max"] = RadMax2D.from_irf(pointlike[0]) if pointlike else None
        return cast(
            RadMax2D | None, self._loaded["rad_max"] if self._parts["rad_max"] is None else self._get("rad_max")
        )

    @rad_max.setter
    def rad_max(self, value: RadMax2D | None) -> None:
        self._set("rad_max", value)

    @property
    def events(self) -> EventList | None:
        """Event list after the filters, or None; changes of its table take effect until the filters change."""
        return cast("EventList | None", self._filtered("events"))

    @events.setter
    @accepts_gammapy
    def events(self, value: EventList) -> None:
        if not isinstance(value, EventList):
            raise TypeError(f"events must be an EventList, got {type(value).__name__}")
        self._good_times = None
        self._set("events", value)

    @property
    def gti(self) -> GTI | None:
        """Good time intervals after the time filter, or None; they may be replaced, and their table may be changed.

        If they are replaced while the observation has events and good times, its events are those in the new ones.
        """
        return cast("GTI | None", self._filtered("gti"))

    @gti.setter
    @accepts_gammapy
    def gti(self, value: GTI) -> None:
        if not isinstance(value, GTI):
            raise TypeError(f"gti must be a GTI, got {type(value).__name__}")
        if self._parts["gti"] is not None and self._parts["events"] is not None:
            with suppress(LightpoolError):  # those that are replaced may be damaged
                earlier = self.gti
                if earlier is not None and (outside := seconds_outside(value, earlier)) > 1e-3:
                    log.warning(
                        f"observation {self.obs_id}: {outside:.6g} s of the good times that are set are not in the "
                        "earlier ones, from which its events are; the live time counts them"
                    )
            self._good_times = value
            self._in_use.forget("events")
        self._set("gti", value)

    @property
    def meta(self) -> ObservationMetaData:
        """Metadata of the header."""
        part: ObservationMetaData = self._get("meta")
        return part

    @meta.setter
    @accepts_gammapy
    def meta(self, value: ObservationMetaData) -> None:
        if not isinstance(value, ObservationMetaData):
            raise TypeError(f"meta must be an ObservationMetaData, got {type(value).__name__}")
        self._set("meta", value)

    @property
    def pointing(self) -> FixedPointingInfo:
        """Pointing; a `SkyCoord` may be set. None only if the observation was created without one."""
        part: FixedPointingInfo = self._get("pointing")
        return part

    @pointing.setter
    @accepts_gammapy
    def pointing(self, value: FixedPointingInfo | SkyCoord | None) -> None:
        if isinstance(value, SkyCoord):
            value = FixedPointingInfo(fixed_icrs=value.icrs)
        if not isinstance(value, FixedPointingInfo | None):
            raise TypeError(f"pointing must be a FixedPointingInfo or a SkyCoord, got {type(value).__name__}")
        self._set("pointing", value)

    def _as_pointed(self, events: EventList) -> EventList:
        """Return the events with the pointing of the observation in their keywords, if it was set."""
        pointing = self._parts["pointing"]
        if isinstance(pointing, FixedPointingInfo) and pointing.mode is PointingMode.POINTING:
            return events.with_keywords(pointing.keywords)
        return events

    def _filtered(self, name: str) -> EventList | GTI | None:
        """Return events or good times after the filters: the object whose table was handed out last, if still valid."""
        kept = self._in_use.get(name, self.obs_filter)
        if kept is not None:
            return kept
        # Changes of the table that was handed out without filters count below a filter, too.
        part = self._in_use.get(name, ObservationFilter())
        part = self._get(name) if part is None else part
        if part is None:
            return None
        if isinstance(part, EventList):
            events = self._as_pointed(part)
            if self._good_times is not None:
                events = in_good_times(events, self._good_times)
            chosen: EventList | GTI = self.obs_filter.filter_events(events)
        else:
            chosen = self.obs_filter.filter_gti(part)
        if chosen is not part or isinstance(self._parts[name], HDULocation):
            self._in_use.watch(name, chosen, self.obs_filter)
        return chosen

    @property
    def available_hdus(self) -> list[str]:
        """Names of the parts that the observation has."""
        return [name for name in PARTS_IN_FILES if self._parts[name] is not None]

    @property
    def available_irfs(self) -> list[str]:
        """Names of the responses that the observation has."""
        return [name for name in self.available_hdus if name not in ("events", "gti")]


def _events_in(observation: ObservationParts) -> EventList | None:
    return observation.events


def _same_part(name: str) -> property:
    return property(
        lambda self: self._get(name), lambda self, value: setattr(self, name, value), doc=f"The same as ``{name}``."
    )


for _name in _PARTS:
    # Scripts set the private attributes of Gammapy's observations, such as _gti and _events.
    setattr(ObservationParts, f"_{_name}", _same_part(_name))
