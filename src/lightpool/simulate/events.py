"""Events drawn from a point source and from the background, through the tables of an instrument."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time

from lightpool.simulate.instrument import Instrument

__all__ = [
    "Events",
    "PointSource",
    "SimulatedRun",
    "draw_background",
    "draw_events",
    "draw_source",
    "expected_source_counts",
]

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
    tables = _source_tables(instrument, _offset(run, source))
    return tables.energy, source.flux(tables.energy) * tables.aeff * tables.step * run.livetime


@dataclass(frozen=True, eq=False)
class _SourceTables:
    """Responses at one offset in narrow steps of true energy; cumulative ones ascend from row to row."""

    energy: Values
    step: Values
    aeff: Values
    migra: "_Cumulative"
    rad: "_Cumulative"


@dataclass(frozen=True, eq=False)
class _Cumulative:
    """Cumulative distributions, one a row, in one ascending array: row i runs from 2 i to 2 i + 1."""

    cumulative: Values
    values: Values

    @classmethod
    def from_density(cls, density: Values, edges: Values) -> "_Cumulative":
        mass = np.cumsum(np.where(density > 0, density, 0) * np.diff(edges), axis=1)
        mass /= np.maximum(mass[:, -1:], np.finfo(float).tiny)
        rows = np.concatenate([np.zeros((mass.shape[0], 1)), mass], axis=1)
        rows += 2 * np.arange(mass.shape[0])[:, np.newaxis]
        return cls(rows.ravel(), np.tile(edges, mass.shape[0]))

    def draw(self, row: Values, rng: np.random.Generator) -> Values:
        """One value for each entry of ``row`` from the distribution in that row."""
        return np.asarray(np.interp(rng.uniform(size=row.size) + 2 * row, self.cumulative, self.values))


def _offset(run: SimulatedRun, source: PointSource) -> float:
    """Offset of the source in deg, rounded so that wobble positions share their tables."""
    return round(float(run.pointing.separation(source.position).deg), 9)


@lru_cache(maxsize=64)
def _source_tables(instrument: Instrument, offset: float) -> _SourceTables:
    lower, upper = instrument.energy_true_axis.bounds.to_value("TeV")
    edges = np.geomspace(lower, upper, _N_ENERGY + 1)
    energy = np.sqrt(edges[1:] * edges[:-1])
    place: dict[str, Any] = {"energy_true": energy[:, np.newaxis] * u.TeV, "offset": offset * u.deg}
    migra = instrument.edisp.axes["migra"]
    rad = np.linspace(0, 0.7, 281)
    rad_center = (rad[1:] + rad[:-1]) / 2
    density = instrument.edisp.evaluate(migra=migra.center[np.newaxis], **place).value
    surface = instrument.psf.evaluate(rad=rad_center[np.newaxis] * u.deg, **place).value
    return _SourceTables(
        energy=energy,
        step=np.diff(edges),
        aeff=instrument.aeff.evaluate(energy_true=energy * u.TeV, offset=offset * u.deg).to_value("m2"),
        migra=_Cumulative.from_density(density, migra.edges.value),
        rad=_Cumulative.from_density(surface * rad_center, rad),
    )


def draw_source(
    instrument: Instrument, run: SimulatedRun, source: PointSource, rng: np.random.Generator
) -> tuple[Values, Values, Values]:
    """Events of a point source as the instrument reconstructs them: longitude, latitude (deg, ICRS), energy (TeV)."""
    energy_true, expected = expected_source_counts(instrument, run, source)
    tables = _source_tables(instrument, _offset(run, source))
    step = np.repeat(np.arange(energy_true.size), rng.poisson(expected))
    energy = energy_true[step] * tables.migra.draw(step, rng)
    angle = rng.uniform(0, 360, step.size)
    seen = source.position.directional_offset_by(angle * u.deg, tables.rad.draw(step, rng) * u.deg).icrs
    return seen.ra.deg, seen.dec.deg, energy


@dataclass(frozen=True, eq=False)
class _BackgroundCells:
    """Small cells of energy and field of view with the rate of events in them, running total."""

    energy: Values  # edges, TeV
    place: Values  # edges in longitude and in latitude, deg
    running_rate: Values  # 1 / s, cells in the order (energy, lon, lat)


@lru_cache(maxsize=16)
def _background_cells(instrument: Instrument) -> _BackgroundCells:
    fine = instrument.energy_axis.upsample(_N_OVERSAMPLING)
    reach = instrument.offset_axis.bounds[1].to_value("deg")
    edges = np.linspace(-reach, reach, 30 * _N_OVERSAMPLING + 1)
    center = (edges[1:] + edges[:-1]) / 2
    lon, lat = np.meshgrid(center, center, indexing="ij")
    if instrument.background_kind == "bkg_2d":
        place = {"offset": np.hypot(lon, lat)[np.newaxis] * u.deg}
    else:
        place = {"fov_lon": lon[np.newaxis] * u.deg, "fov_lat": lat[np.newaxis] * u.deg}
    rate = instrument.bkg.evaluate(energy=fine.center[:, np.newaxis, np.newaxis], **place).to_value("s-1 TeV-1 sr-1")
    cell = np.deg2rad(edges[1] - edges[0]) ** 2 * np.cos(np.deg2rad(lat))
    width = fine.bin_width.to_value("TeV")[:, np.newaxis, np.newaxis]
    return _BackgroundCells(fine.edges.to_value("TeV"), edges, np.cumsum(rate * cell * width))


def draw_background(
    instrument: Instrument, run: SimulatedRun, rng: np.random.Generator
) -> tuple[Values, Values, Values]:
    """Background events over the field of view of the table: longitude, latitude (deg, ICRS), energy (TeV)."""
    cells = _background_cells(instrument)
    total = cells.running_rate[-1]
    n_event = int(rng.poisson(total * run.ontime))
    index = np.searchsorted(cells.running_rate, rng.uniform(0, total, n_event), side="right")
    n_place = cells.place.size - 1
    i_energy, i_lon, i_lat = np.unravel_index(index, (cells.energy.size - 1, n_place, n_place))
    width = cells.place[1] - cells.place[0]
    x = cells.place[i_lon] + width * rng.uniform(size=n_event)
    y = cells.place[i_lat] + width * rng.uniform(size=n_event)
    ratio = cells.energy[i_energy + 1] / cells.energy[i_energy]
    energy = cells.energy[i_energy] * ratio ** rng.uniform(size=n_event)
    # the longitude of the field of view grows to the west, see FoVAlignment
    sky = SkyCoord(-x * u.deg, y * u.deg, frame=run.pointing.skyoffset_frame()).icrs
    return sky.ra.deg, sky.dec.deg, energy
