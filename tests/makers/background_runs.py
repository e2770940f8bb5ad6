"""Runs with events drawn from a known acceptance, by astropy's coordinates and not by ours."""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.coordinates.erfa_astrom import ErfaAstromInterpolator, erfa_astrom
from astropy.table import Table
from astropy.time import Time, TimeDelta

from lightpool.data import GTI, EventList, Observation
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.maps import MapAxis
from lightpool.utils.coordinates import FoVAltAzFrame, FoVICRSFrame

SITE = EarthLocation.from_geodetic(16.50022, -23.27178, 1835.0)
SOURCE = SkyCoord(83.633, -25.0, unit="deg")
REFERENCE = Time("2020-01-01T00:00:00", scale="tt")
ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "8 TeV", nbin=4)
OFFSET = MapAxis.from_bounds(0, 2, nbin=8, unit="deg", name="offset")
FOV = [MapAxis.from_bounds(-1.8, 1.8, nbin=9, unit="deg", name=name) for name in ("fov_lon", "fov_lat")]
INDEX = 2.7
SIGMA = 1.2  # deg


@dataclass(frozen=True)
class Acceptance:
    """A rate that falls with the offset, has a gradient along the field of view, and depends on the zenith angle."""

    alignment: str = "ALTAZ"
    rate: float = 0.3  # 1 / s in the whole field of view, at the zenith
    gradient: tuple[float, float] = (0.25, 0.12)  # 1 / deg
    zenith_power: float = 1.5

    def shape(self, lon, lat):
        """Rate per solid angle relative to that at the centre; coordinates in deg."""
        tilt = 1 + self.gradient[0] * np.clip(lon, -2, 2) + self.gradient[1] * np.clip(lat, -2, 2)
        return np.exp(-0.5 * (lon**2 + lat**2) / SIGMA**2) * np.maximum(tilt, 0)

    def draw(self, n, rng):
        """Positions in the field of view, in deg, with lon and lat up to 3."""
        lon, lat = rng.uniform(-3, 3, (2, n * 12))
        kept = rng.uniform(0, 2, lon.size) < self.shape(lon, lat) * np.cos(np.deg2rad(lat))
        return lon[kept][:n], lat[kept][:n]

    def integrals(self, field: FieldBins):
        """Integral of the shape over the bins, and over all; sr, by a dense grid in the plane of (lon, sin lat)."""
        lon = np.linspace(-3, 3, 100 * 6 + 1)
        x, z = np.meshgrid((lon[1:] + lon[:-1]) / 2, np.sin(np.deg2rad((lon[1:] + lon[:-1]) / 2)), indexing="ij")
        lat = np.rad2deg(np.arcsin(z))
        share = self.shape(x, lat) * np.cos(np.deg2rad(lat)) * np.deg2rad(0.01) ** 2
        if field.is_radial:
            offset = np.rad2deg(np.arccos(np.cos(np.deg2rad(x)) * np.cos(np.deg2rad(lat))))
            found = np.histogram(offset, field.axes[0].edges.to_value("deg"), weights=share)[0]
        else:
            edges = [axis.edges.to_value("deg") for axis in field.axes]
            found = np.histogram2d(x.ravel(), lat.ravel(), edges, weights=share.ravel())[0]
        return found, share.sum()

    def factor(self, zenith):
        return np.cos(np.deg2rad(zenith)) ** self.zenith_power

    def expected(self, field: FieldBins, energy: MapAxis):
        """Rate in the bins at the zenith, s-1, shape (n_energy, *field.shape)."""
        inside, total = self.integrals(field)
        edges = energy.edges.to_value("TeV") ** (1 - INDEX)
        return np.multiply.outer(-np.diff(edges) / (edges[0] - edges[-1]), self.rate * inside / total)


def energies(n, rng, bounds=(0.5, 8.0)):
    low, high = (edge ** (1 - INDEX) for edge in bounds)
    return (low + rng.uniform(size=n) * (high - low)) ** (1 / (1 - INDEX))


def observation_of(obs_id, pointing, start, stop, time, lon, lat, energy, dead=0.06, location=SITE, gti=None):
    """An observation in memory; times in s since the reference."""
    events = EventList(
        Table(
            {
                "TIME": REFERENCE + TimeDelta(np.asarray(time), format="sec"),
                "RA": np.asarray(lon) * u.deg,
                "DEC": np.asarray(lat) * u.deg,
                "ENERGY": np.asarray(energy) * u.TeV,
            },
            meta={"MJDREFI": 58849, "MJDREFF": 0.0, "TIMESYS": "TT", "TIMEUNIT": "s"},
        )
    )
    found = Observation.create(
        pointing,
        location=location,
        obs_id=obs_id,
        tstart=start * u.s,
        tstop=stop * u.s,
        reference_time=REFERENCE,
        deadtime_fraction=dead,
    )
    found.events = events
    if gti is not None:
        found.gti = GTI.create(*(np.array(each) * u.s for each in zip(*gti, strict=True)), reference_time=REFERENCE)
    return found


def simulated_run(obs_id, acceptance, rng, *, wobble=0.7, ontime=1500.0, source_rate=0.0, start=None):
    """A wobble run on the source; the zenith angle is that of the time."""
    pointing = SOURCE.directional_offset_by((obs_id % 4) * 90 * u.deg, wobble * u.deg)
    # In sidereal days: from three hours before the source culminates to three hours after.
    start = 86164.1 * (obs_id % 50) + rng.uniform(68000, 88000) if start is None else start
    middle = REFERENCE + TimeDelta(start + ontime / 2, format="sec")
    zenith = float(pointing.transform_to(AltAz(obstime=middle, location=SITE)).zen.deg)
    n = rng.poisson(acceptance.rate * ontime * acceptance.factor(zenith))
    x, y = acceptance.draw(n, rng)
    time = np.sort(start + rng.uniform(0, ontime, len(x)))
    sky = from_field(x, y, pointing, time, acceptance.alignment)
    n_source = rng.poisson(source_rate * ontime)
    around = SOURCE.directional_offset_by(
        rng.uniform(0, 360, n_source) * u.deg, 0.1 * rng.rayleigh(size=n_source) * u.deg
    )
    lon, lat = np.append(sky.ra.deg, around.ra.deg), np.append(sky.dec.deg, around.dec.deg)
    time = np.append(time, start + rng.uniform(0, ontime, n_source))
    return observation_of(obs_id, pointing, start, start + ontime, time, lon, lat, energies(len(lon), rng))


def from_field(x, y, pointing, time, alignment):
    """Positions on the sky of positions in the field of view in deg, by astropy."""
    if alignment == "RADEC":
        frame = FoVICRSFrame(origin=pointing)
    else:
        times = REFERENCE + TimeDelta(time, format="sec")
        horizon = AltAz(obstime=times, location=SITE)
        many = SkyCoord(np.full(len(time), pointing.ra.deg), np.full(len(time), pointing.dec.deg), unit="deg")
        with erfa_astrom.set(ErfaAstromInterpolator(120 * u.s)):  # ten times as fast
            frame = FoVAltAzFrame(origin=many.transform_to(horizon), obstime=times, location=SITE)
            return SkyCoord(fov_lon=x * u.deg, fov_lat=y * u.deg, frame=frame).icrs
    return SkyCoord(fov_lon=x * u.deg, fov_lat=y * u.deg, frame=frame).icrs
