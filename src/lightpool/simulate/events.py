"""Events drawn from a point source and from the background, through the tables of an instrument."""

from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time

from lightpool.simulate.instrument import Instrument

__all__ = ["Events", "PointSource", "SimulatedRun", "draw_background", "draw_events", "draw_source", "expected_source_counts"]

Values = np.ndarray[Any, Any]

_N_ENERGY = 400  # steps of true energy from which source events are drawn
_N_OVERSAMPLING = 4  # cells per bin of the background table in each direction


@dataclass(frozen=True)
class PointSource:
    """A point source with a power-law spectrum.

    The default is the Crab nebula: Aharonian et al. 2006, A&A 457, 899.

    Attributes
    ----------
    position : SkyCoord
    norm : float, flux at 1 TeV in 1 / (cm2 s TeV)
    index : float
    """

    position: SkyCoord = field(default_factory=lambda: SkyCoord(83.633, 22.014, unit="deg"))
    norm: float = 3.45e-11
    index: float = 2.63

    def flux(self, energy: Values) -> Values:
        """Flux in 1 / (m2 s TeV) at energies in TeV."""
        return 1e4 * self.norm * energy**-self.index


@dataclass(frozen=True, kw_only=True)
class SimulatedRun:
    """Where the telescopes looked, when and for how long.

    Attributes
    ----------
    obs_id : int
    pointing : SkyCoord
    start : Time
    ontime : float, s
    deadtime_fraction : float
    zenith, azimuth : float, deg, mean over the run
    """

    obs_id: int
    pointing: SkyCoord
    start: Time
    ontime: float = 1680.0
    deadtime_fraction: float = 0.06
    zenith: float = 45.0
    azimuth: float = 0.0

    @property
    def livetime(self) -> float:
        """Seconds in which the array could trigger."""
        return self.ontime * (1 - self.deadtime_fraction)


@dataclass(frozen=True)
class Events:
    """Plain columns of an event list, in the order of time.

    Attributes
    ----------
    time : s since the start of the run
    lon, lat : deg, ICRS
    energy : TeV, reconstructed
    mc_id : 1 for the source, 2 for the background
    """

    time: Values
    lon: Values
    lat: Values
    energy: Values
    mc_id: Values


def draw_events(
    instrument: Instrument, run: SimulatedRun, source: PointSource | None, rng: np.random.Generator
) -> Events:
    """Source (if any) and background of one run, at times spread evenly over it."""
    parts = [draw_background(instrument, run, rng)]
    if source is not None:
        parts.append(draw_source(instrument, run, source, rng))
    n_event = sum(part[0].size for part in parts)
    mc_id = np.repeat([2, 1][: len(parts)], [part[0].size for part in parts])
    order = rng.permutation(n_event)
    lon, lat, energy = (np.concatenate(columns)[order] for columns in zip(*parts, strict=True))
    return Events(np.sort(rng.uniform(0, run.ontime, n_event)), lon, lat, energy, mc_id[order])


def expected_source_counts(instrument: Instrument, run: SimulatedRun, source: PointSource) -> tuple[Values, Values]:
    """Mean number of source events in narrow steps of true energy.

    Returns
    -------
    energy : array, shape (n_step,), TeV, centres of the steps
    counts : array, shape (n_step,)
    """
    edges = np.geomspace(*instrument.energy_true_axis.bounds.to_value("TeV"), _N_ENERGY + 1)
    energy = np.sqrt(edges[1:] * edges[:-1])
    offset = run.pointing.separation(source.position)
    aeff = instrument.aeff.evaluate(energy_true=energy * u.TeV, offset=offset).to_value("m2")
    return energy, source.flux(energy) * aeff * np.diff(edges) * run.livetime


def draw_source(
    instrument: Instrument, run: SimulatedRun, source: PointSource, rng: np.random.Generator
) -> tuple[Values, Values, Values]:
    """Events of a point source as the instrument reconstructs them: longitude, latitude (deg, ICRS), energy (TeV)."""
    offset = run.pointing.separation(source.position)
    energy_true, expected = expected_source_counts(instrument, run, source)
    step = np.repeat(np.arange(energy_true.size), rng.poisson(expected))
    migra = instrument.edisp.axes["migra"]
    density = instrument.edisp.evaluate(
        energy_true=energy_true[:, np.newaxis] * u.TeV, migra=migra.center[np.newaxis], offset=offset
    ).value
    energy = energy_true[step] * _draw_from_rows(density, migra.edges.value, step, rng)
    rad_edges = np.linspace(0, 0.7, 281)
    rad_center = (rad_edges[1:] + rad_edges[:-1]) / 2
    surface = instrument.psf.evaluate(
        energy_true=energy_true[:, np.newaxis] * u.TeV, offset=offset, rad=rad_center[np.newaxis] * u.deg
    ).value
    rad = _draw_from_rows(surface * rad_center, rad_edges, step, rng)
    angle = rng.uniform(0, 360, step.size)
    seen = source.position.directional_offset_by(angle * u.deg, rad * u.deg).icrs
    return seen.ra.deg, seen.dec.deg, energy


def _draw_from_rows(density: Values, edges: Values, row: Values, rng: np.random.Generator) -> Values:
    """One number for each entry of ``row``, from the histogram in that row of ``density``; rows that are empty give NaN."""
    mass = np.cumsum(np.where(density > 0, density, 0) * np.diff(edges), axis=1)
    with np.errstate(invalid="ignore"):
        mass = mass / mass[:, -1:]
    cumulative = np.concatenate([np.zeros((mass.shape[0], 1)), mass], axis=1)
    stacked = (cumulative + 2 * np.arange(mass.shape[0])[:, np.newaxis]).ravel()  # one ascending array for all rows
    values = np.tile(edges, mass.shape[0])
    return np.interp(rng.uniform(size=row.size) + 2 * row, stacked, values)


def draw_background(
    instrument: Instrument, run: SimulatedRun, rng: np.random.Generator
) -> tuple[Values, Values, Values]:
    """Background events over the field of view of the table: longitude, latitude (deg, ICRS), energy (TeV)."""
    fine = instrument.energy_axis.upsample(_N_OVERSAMPLING)
    energy_edges = fine.edges.to_value("TeV")
    energy = fine.center.to_value("TeV")
    reach = instrument.offset_axis.bounds[1].to_value("deg")
    edges = np.linspace(-reach, reach, 30 * _N_OVERSAMPLING + 1)
    center = (edges[1:] + edges[:-1]) / 2
    lon, lat = np.meshgrid(center, center, indexing="ij")
    if instrument.background_kind == "bkg_2d":
        place = {"offset": np.hypot(lon, lat)[np.newaxis] * u.deg}
    else:
        place = {"fov_lon": lon[np.newaxis] * u.deg, "fov_lat": lat[np.newaxis] * u.deg}
    rate = instrument.bkg.evaluate(energy=energy[:, np.newaxis, np.newaxis] * u.TeV, **place).to_value("s-1 TeV-1 sr-1")
    cell = np.deg2rad(edges[1] - edges[0]) ** 2 * np.cos(np.deg2rad(lat))
    expected = rate * cell * np.diff(energy_edges)[:, np.newaxis, np.newaxis] * run.ontime
    counts = rng.poisson(expected)
    index = np.repeat(np.arange(counts.size), counts.ravel())
    i_energy, i_lon, i_lat = np.unravel_index(index, counts.shape)
    width = edges[1] - edges[0]
    x = center[i_lon] + width * rng.uniform(-0.5, 0.5, index.size)
    y = center[i_lat] + width * rng.uniform(-0.5, 0.5, index.size)
    ratio = energy_edges[i_energy + 1] / energy_edges[i_energy]
    drawn = energy_edges[i_energy] * ratio ** rng.uniform(size=index.size)
    # the longitude of the field of view grows to the west, see FoVAlignment
    sky = SkyCoord(-x * u.deg, y * u.deg, frame=run.pointing.skyoffset_frame()).icrs
    return sky.ra.deg, sky.dec.deg, drawn
