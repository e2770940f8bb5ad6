"""Pointing tables: where the telescopes pointed, as a function of time."""

from functools import cached_property

import astropy.units as u
import numpy as np
from astropy.coordinates import AltAz, EarthLocation, Latitude, Longitude, SkyCoord, UnitSphericalRepresentation
from astropy.table import Table
from astropy.time import Time, TimeDelta
from numpy.typing import NDArray

from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy
from lightpool.data.metadata import earth_location_from_header
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import MissingColumnError
from lightpool.fits import parsing, read_fits
from lightpool.typing import PathInput
from lightpool.utils.html import ShownInNotebooks

__all__ = ["PointingInfo"]

_NEEDED = ("TIME", "RA_PNT", "DEC_PNT")


class PointingInfo(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """Pointings of an observation at several times, the HDU "pointing" of GADF.

    Between the times of its rows the direction is interpolated linearly, as a vector; there is none before the first
    and after the last.

    Parameters
    ----------
    table : `astropy.table.Table`
        Columns TIME (s since the reference time of its metadata), RA_PNT and DEC_PNT (deg), and, if there are any,
        ALT_PNT and AZ_PNT (deg). In its metadata are the reference time and the position of the observatory.

    Raises
    ------
    MissingColumnError
        If a column is missing.
    """

    table: Table

    def __init__(self, table: Table) -> None:
        missing = [name for name in _NEEDED if name not in table.colnames]
        if missing:
            raise MissingColumnError(
                f"a pointing table needs the columns {', '.join(_NEEDED)}; {', '.join(missing)} is missing, it has "
                f"{', '.join(table.colnames)}"
            )
        self.table = table

    @classmethod
    def read(cls, filename: PathInput, hdu: str | int = "POINTING") -> "PointingInfo":
        """Read from a FITS file.

        Parameters
        ----------
        filename : str or path-like
        hdu : str or int
        """
        with parsing(filename):
            return cls(read_fits(filename).table(hdu).to_table())

    # -- columns

    @cached_property
    def location(self) -> EarthLocation:
        """Position of the observatory on the Earth."""
        return earth_location_from_header(self.table.meta, "pointing table")

    @cached_property
    def time_ref(self) -> Time:
        """Reference time."""
        return TimeReference.from_header(self.table.meta, "pointing table").time

    @cached_property
    def time(self) -> Time:
        """Times of the rows, in TT."""
        seconds = u.Quantity(np.asarray(self.table["TIME"], dtype=float), self.table["TIME"].unit or "s").to_value("s")
        return TimeReference.from_header(self.table.meta, "pointing table").to_time(seconds).tt

    @cached_property
    def duration(self) -> TimeDelta:
        """Time from the first row to the last."""
        return self.time[-1] - self.time[0]

    def _position(self, lon: str, lat: str, frame: AltAz | str) -> SkyCoord:
        return SkyCoord(self.table[lon], self.table[lat], unit="deg", frame=frame)

    @cached_property
    def radec(self) -> SkyCoord:
        """Pointings in ICRS."""
        return self._position("RA_PNT", "DEC_PNT", "icrs")

    @cached_property
    def altaz_frame(self) -> AltAz:
        """Frame of altitude and azimuth at the times of the rows."""
        return AltAz(obstime=self.time, location=self.location)

    @cached_property
    def altaz(self) -> SkyCoord:
        """Altitude and azimuth, computed from RA_PNT and DEC_PNT."""
        return self.radec.transform_to(self.altaz_frame)

    @cached_property
    def altaz_from_table(self) -> SkyCoord:
        """Altitude and azimuth from the columns ALT_PNT and AZ_PNT."""
        return self._position("AZ_PNT", "ALT_PNT", self.altaz_frame)

    # -- between the rows

    def _interpolate(self, position: SkyCoord, obstime: Time) -> UnitSphericalRepresentation:
        known = self._seconds(self.time)
        wanted = self._seconds(obstime)
        # The last bit of a time that was taken from the table may differ.
        if np.any(wanted < known[0] - 1e-6) or np.any(wanted > known[-1] + 1e-6):
            raise ValueError(
                f"the pointing table has pointings from {self.time[0].iso} to {self.time[-1].iso} (TT), none at "
                f"{obstime.tt.iso}"
            )
        x, y, z = (np.interp(wanted, known, each) for each in position.cartesian.xyz.to_value(""))
        lon, lat = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
        return UnitSphericalRepresentation(Longitude(lon, "rad"), Latitude(lat, "rad"))

    def _seconds(self, time: Time) -> NDArray[np.float64]:
        """Return times in s since the first row: as dates they are good to 40 microseconds only."""
        return np.asarray((time - self.time[0]).to_value("s"))

    def altaz_interpolate(self, time: Time) -> SkyCoord:
        """Return altitude and azimuth at a time, computed from RA_PNT and DEC_PNT of the rows around it.

        Parameters
        ----------
        time : `astropy.time.Time`, one or several

        Raises
        ------
        ValueError
            For a time before the first row or after the last.
        """
        return SkyCoord(self._interpolate(self.altaz, time), frame=AltAz(obstime=time, location=self.location))

    def get_icrs(self, obstime: Time) -> SkyCoord:
        """Return the pointing in ICRS at a time.

        Parameters
        ----------
        obstime : `astropy.time.Time`, one or several

        Raises
        ------
        ValueError
            For a time before the first row or after the last.
        """
        return SkyCoord(self._interpolate(self.radec, obstime), obstime=obstime, frame="icrs")

    def get_altaz(self, obstime: Time) -> SkyCoord:
        """Return the pointing in altitude and azimuth at a time, from ALT_PNT and AZ_PNT if the table has them.

        Parameters
        ----------
        obstime : `astropy.time.Time`, one or several

        Raises
        ------
        ValueError
            For a time before the first row or after the last.
        """
        if not {"ALT_PNT", "AZ_PNT"} <= set(self.table.colnames):
            return self.altaz_interpolate(obstime)
        frame = AltAz(obstime=obstime, location=self.location)
        return SkyCoord(self._interpolate(self.altaz_from_table, obstime), frame=frame)

    # -- text

    def __str__(self) -> str:
        meta, duration = self.table.meta, self.duration
        reference = tuple(meta.get(key) for key in ("MJDREFI", "MJDREFF", "TIMESYS"))
        lines = [
            "Pointing info:\n",
            f"Location:     {self.location.geodetic}",
            f"MJDREFI, MJDREFF, TIMESYS = {reference}",
            f"Time ref:     {self.time_ref.fits}",
            f"Time ref:     {self.time_ref.mjd} MJD (TT)",
            f"Duration:     {duration.to_value('s')} sec = {duration.to_value('h')} hours",
            f"Table length: {len(self.table)}",
        ]
        return "\n".join([*lines, "", f"START:\n{self._row(0)}\n", f"END:\n{self._row(-1)}\n"])

    def _row(self, row: int) -> str:
        frame = AltAz(obstime=self.time[row], location=self.location)  # `altaz` transforms all rows, which takes long
        return (
            f"Time:  {self.time[row].fits}\n"
            f"Time:  {self.time[row].mjd} MJD (TT)\n"
            f"RADEC: {self.radec[row].to_string()} deg\n"
            f"ALTAZ: {self.radec[row].transform_to(frame).to_string()} deg\n"
        )
