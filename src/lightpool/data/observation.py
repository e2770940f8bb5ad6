"""One observation: its parts, times and directions, and its files."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import astropy.units as u
from astropy.coordinates import BaseCoordinateFrame, EarthLocation, SkyCoord
from astropy.time import Time

from lightpool.bridge import accepts_gammapy
from lightpool.data.checkers import ObservationChecker
from lightpool.data.event_list import EventList
from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.files.observation_hdus import irf_locations, observation_hdus
from lightpool.data.gti import GTI
from lightpool.data.metadata import CreatorMetaData, ObservationMetaData, TargetMetaData, TimeInfoMetaData
from lightpool.data.observation_card import observation_card
from lightpool.data.observation_parts import ObservationParts
from lightpool.data.pointing import FixedPointingInfo
from lightpool.data.tables.faults import live_time_faults, warn_of_faults
from lightpool.data.tables.gadf_tables import open_table
from lightpool.data.tables.obs_ids import obs_id_of
from lightpool.data.tables.part_names import RESPONSES
from lightpool.data.tables.time_reference import TimeInterval, ends_of_interval
from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import place_of, write_fits
from lightpool.irf import IRF, FoVAlignment
from lightpool.typing import PathInput, QuantityLike, TimeLike
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = ["Observation"]


class Observation(ObservationParts, ShownInNotebooks):
    """One observation.

    Each part is either an object in memory or an `HDULocation`, which is loaded when the part is read. Parts of one
    file share one opened file. A pickle of an observation holds the locations, not what was loaded from them. A
    computation that cannot do without a part asks for it with `required`, which raises an error if it is missing.

    Parameters
    ----------
    obs_id : int
    meta : `ObservationMetaData`
    gti : `GTI`
    aeff : `lightpool.irf.EffectiveAreaTable2D`
    edisp : `lightpool.irf.EnergyDispersion2D`
    psf : `lightpool.irf.PSF3D` or another class of point spread function
    bkg : `lightpool.irf.Background3D` or `lightpool.irf.Background2D`
    rad_max : `lightpool.irf.RadMax2D`
    events : `EventList`
    obs_filter : `ObservationFilter`, applied to events and GTIs
    pointing : `FixedPointingInfo`
    location : `astropy.coordinates.EarthLocation`; the one in the header by default
    """

    # -- constructors

    @classmethod
    @accepts_gammapy
    def create(
        cls,
        pointing: FixedPointingInfo | SkyCoord,
        location: EarthLocation | None = None,
        obs_id: int = 0,
        livetime: "QuantityLike | None" = None,
        tstart: "Time | QuantityLike | None" = None,
        tstop: "Time | QuantityLike | None" = None,
        irfs: Mapping[str, IRF] | None = None,
        deadtime_fraction: float = 0.0,
        reference_time: "TimeLike | None" = None,
    ) -> "Observation":
        """Create an observation without events, from a duration or from start and stop.

        Parameters
        ----------
        pointing : `FixedPointingInfo`, or SkyCoord for a pointing that is fixed on the sky
        location : `astropy.coordinates.EarthLocation`
        obs_id : int
        livetime : Quantity, from start to stop; used if there is no ``tstop``
        tstart, tstop : `astropy.time.Time`, or Quantity since the reference time, also as text: "2 h"
        irfs : dict with any of ``aeff``, ``edisp``, ``psf``, ``bkg``, ``rad_max``
        deadtime_fraction : float, 0 to 1
        reference_time : `astropy.time.Time`, 2000-01-01 by default
        """
        reference = Time("2000-01-01 00:00:00") if reference_time is None else Time(reference_time)
        if tstart is None:
            tstart = reference.copy()
        elif not isinstance(tstart, Time):
            tstart = reference + u.Quantity(tstart)
        if tstop is None:
            if livetime is None:
                raise ValueError("an observation needs a livetime, or tstop: how long did it take?")
            tstop = tstart + u.Quantity(livetime)
        gti = GTI.create(tstart, tstop, reference_time=reference)
        meta = ObservationMetaData(
            deadtime_fraction=deadtime_fraction,
            location=location,
            time_info=TimeInfoMetaData(gti.time_start[0], gti.time_stop[-1], reference),
            creation=CreatorMetaData(),
            target=TargetMetaData(),
        )
        if not isinstance(pointing, FixedPointingInfo):
            pointing = FixedPointingInfo(fixed_icrs=pointing.icrs)
        known: dict[str, Any] = {name: irf for name, irf in (irfs or {}).items() if name in RESPONSES}
        return cls(obs_id=obs_id, meta=meta, gti=gti, pointing=pointing, location=location, **known)

    @classmethod
    def read(cls, event_file: PathInput, irf_file: PathInput | None = None, checksum: bool = False) -> "Observation":
        """Read from files; all parts except the event list and the GTI are loaded on demand.

        Parameters
        ----------
        event_file : str or path-like, or an address, with EVENTS and GTI
        irf_file : str or path-like, with the response; the event file by default
        checksum : bool, verify the checksums of EVENTS and GTI: a wrong one is an error, a missing one a warning
        """
        path = place_of(event_file)
        where = f"{path}, HDU 'EVENTS'"
        header = FILE_CACHE.open(path).file.values("EVENTS")
        events = EventList.read(path, checksum=checksum)
        gti = GTI.from_table_data(open_table(path, "GTI", checksum=checksum), header)
        obs_id = obs_id_of(header.get("OBS_ID", 0), where)
        warn_of_faults(live_time_faults(header), f"observation {obs_id}: {where}")
        meta = ObservationMetaData.from_header(header, where=where)
        pointing = FixedPointingInfo.from_fits_header(header, where=where)
        locations: dict[str, Any] = irf_locations(path if irf_file is None else place_of(irf_file))
        observation = cls(
            obs_id=obs_id,
            meta=meta,
            gti=gti,
            events=events,
            pointing=pointing,
            **locations,
        )
        if "bkg" in locations:
            # Now and not on demand: the events are in memory, so their header could not be found from a location later.
            observation.bkg = locations["bkg"].load(header=header)
        return observation

    # -- time

    @property
    def tstart(self) -> Time:
        """Start of the first good time interval."""
        return self._intervals().instant(0)

    @property
    def tstop(self) -> Time:
        """End of the last good time interval."""
        return self._intervals().instant(1)

    @property
    def tmid(self) -> Time:
        """Middle between `tstart` and `tstop`."""
        return self._intervals().instant(0.5)

    def _intervals(self) -> GTI:
        gti = self.gti
        if gti is None or len(gti) == 0:
            raise MissingDataError(
                f"observation {self.obs_id} has no good time interval, so no start and no end: its GTI is missing, "
                "empty, or wholly outside the time filter"
            )
        return gti

    @property
    def _good_seconds(self) -> float:
        gti = self.gti
        if gti is None:
            raise MissingDataError(
                f"observation {self.obs_id} has no GTI, so its duration is not known; set observation.gti, or ask for "
                "one that has it (require_events=True)"
            )
        return gti.duration_s

    @property
    def observation_time_duration(self) -> u.Quantity:
        """Sum of the good time intervals in s, dead time included."""
        return u.Quantity(self._good_seconds, "s")

    @property
    def observation_live_time_duration(self) -> u.Quantity:
        """Sum of the good time intervals in s, without dead time and without the phases that a filter removes."""
        live = 1 - self.observation_dead_time_fraction
        return u.Quantity(self._good_seconds * live * self.obs_filter.livetime_fraction, "s")

    @property
    def observation_dead_time_fraction(self) -> float:
        """Dead time over observation time."""
        return self.meta.deadtime_fraction

    def select_time(self, time_interval: TimeInterval, inverted: bool = False) -> "Observation":
        """Return an observation with a time filter; it shares the parts of this one.

        Parameters
        ----------
        time_interval : `astropy.time.Time` of length 2; the stop is excluded
        inverted : bool, keep what lies outside
        """
        ends_of_interval(time_interval)
        observation = self._view()
        observation.obs_filter = self.obs_filter.copy()
        observation.obs_filter.time_filter = time_interval
        observation.obs_filter.inverted_time = inverted
        return observation

    # -- direction

    @property
    def observatory_earth_location(self) -> EarthLocation | None:
        """Position of the observatory on the Earth; setting None restores the one in the header."""
        return self.meta.location if self._location is None else self._location

    @observatory_earth_location.setter
    def observatory_earth_location(self, value: EarthLocation | None) -> None:
        self._location = value

    @property
    def pointing_radec(self) -> SkyCoord:
        """Pointing in ICRS; for a drift scan, in the middle of the observation."""
        fixed = self._known_pointing.fixed_icrs
        return self.get_pointing_icrs(self.tmid) if fixed is None else fixed

    @property
    def _known_pointing(self) -> FixedPointingInfo:
        if self._parts["pointing"] is None:
            raise FormatError(f"observation {self.obs_id} has no pointing: set its `pointing` to a SkyCoord")
        return self.pointing

    @property
    def pointing_degrees(self) -> tuple[float, float]:
        """The angles of `pointing_radec`, in deg: right ascension in [0, 360), and declination."""
        fixed = self._known_pointing.icrs_degrees
        if fixed is not None:
            return fixed
        pointing = self.pointing_radec
        return float(pointing.ra.deg), float(pointing.dec.deg)

    @property
    def given_pointing(self) -> SkyCoord | tuple[float, float]:
        """The angles of `pointing_radec` in deg if it was made of them, which is fast, else `pointing_radec` itself."""
        return self._known_pointing.given_degrees or self.pointing_radec

    def get_pointing_altaz(self, time: Time) -> SkyCoord:
        """Return the pointing in altitude and azimuth at a time."""
        return self.pointing.get_altaz(time, self.observatory_earth_location)

    def get_pointing_icrs(self, time: Time) -> SkyCoord:
        """Return the pointing in ICRS at a time."""
        try:
            location = self.observatory_earth_location
        except FormatError:
            location = None  # only a drift scan needs it, and raises an error without it
        return self.pointing.get_icrs(time, location)

    @property
    def target_radec(self) -> SkyCoord | None:
        """Position of the target, or None."""
        target = self.meta.target
        return None if target is None else target.position

    def get_fov_frame(self, time: Time, alignment: FoVAlignment | str) -> BaseCoordinateFrame:
        """Return the frame of the field of view at a time, for coordinates of astropy.

        Parameters
        ----------
        time : `astropy.time.Time`, one or several
        alignment : `lightpool.irf.FoVAlignment`

        Returns
        -------
        frame : `~lightpool.utils.coordinates.FoVICRSFrame`, or `~lightpool.utils.coordinates.FoVAltAzFrame` for ALTAZ
        """
        # To define the frames takes longer than to import all of this package.
        from lightpool.utils.coordinates import FoVAltAzFrame, FoVICRSFrame

        if FoVAlignment(alignment) is not FoVAlignment.ALTAZ:
            return FoVICRSFrame(origin=self.get_pointing_icrs(time))
        origin = self.get_pointing_altaz(time)
        return FoVAltAzFrame(origin=origin, location=self.observatory_earth_location, obstime=time)

    # -- text, plots, files

    def check(self, checks: str | Sequence[str] = "all") -> Iterator[dict[str, Any]]:
        """Yield a record for each part that is checked and each fault, see `ObservationChecker`.

        The files of all observations of a store are checked by `DataStore.check`.

        Parameters
        ----------
        checks : "all", or list of "events", "gti", "aeff", "edisp", "psf"
        """
        return ObservationChecker(self).run(checks)

    def __str__(self) -> str:
        pointing = self.get_pointing_icrs(self.tmid)
        return (
            "Observation\n\n"
            f"\tobs id            : {self.obs_id} \n "
            f"\ttstart            : {self.tstart.mjd:.2f}\n"
            f"\ttstop             : {self.tstop.mjd:.2f}\n"
            f"\tduration          : {self.observation_time_duration:.2f}\n"
            f"\tpointing (icrs)   : {pointing.ra.deg:.1f} deg, {pointing.dec.deg:.1f} deg\n\n"
            f"\tdeadtime fraction : {self.observation_dead_time_fraction:.1%}\n"
        )

    def __repr__(self) -> str:
        return f"Observation(obs_id={self.obs_id}, hdus={self.available_hdus})"

    def html_card(self) -> Card:
        """Return what notebooks show of the observation."""
        return observation_card(self._view())  # what is read for it is not kept

    def peek(self, figsize: tuple[float, float] = (15, 10)) -> None:
        """Draw events and response, see `lightpool.plot.observation.peek_observation`."""
        from lightpool.plot.observation import peek_observation

        peek_observation(self, figsize=figsize)

    def copy(self, in_memory: bool = False, **kwargs: object) -> "Observation":
        """Return an independent copy.

        Parameters
        ----------
        in_memory : bool, load all parts into the copy
        **kwargs : parts to replace, as for `Observation`; only with ``in_memory``
        """
        if not in_memory:
            if kwargs:
                raise ValueError("Overwriting arguments requires to set 'in_memory=True'")
            return copy.deepcopy(self)
        names = ("meta", "gti", "aeff", "edisp", "psf", "bkg", "rad_max", "events", "pointing")
        parts: dict[str, Any] = {name: copy.deepcopy(getattr(self, name)) for name in names if name not in kwargs}
        parts |= {"obs_id": self.obs_id, "obs_filter": self.obs_filter.copy(), "location": self._location} | kwargs
        return self.__class__(**parts)

    def write(
        self,
        path: PathInput,
        overwrite: bool = False,
        format: str = "gadf",
        include_irfs: bool = True,
        checksum: bool = False,
    ) -> None:
        """Write events, GTI and response into one FITS file.

        Parameters
        ----------
        path : str or path-like
        overwrite : bool
        format : {"gadf"}
        include_irfs : bool
        checksum : bool, add CHECKSUM and DATASUM
        """
        if format != "gadf":
            raise ValueError(f'Only the "gadf" format is supported, got {format}')
        write_fits(observation_hdus(self, format, include_irfs), path, overwrite=overwrite, checksum=checksum)
