"""Draw events of a point source and of the background from the response tables of an instrument."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time, TimeDelta
from numpy.typing import NDArray

from lightpool.simulate.instrument import Instrument
from lightpool.utils.html import ShownInNotebooks

__all__ = [
    "Events",
    "PointSource",
    "SimulatedRun",
    "draw_background",
    "draw_events",
    "draw_source",
    "expected_source_counts",
]

Values: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

_N_ENERGY = 400  # steps of true energy from which source events are drawn
_N_OVERSAMPLING = 4  # cells per bin of the background table in each direction


@dataclass(frozen=True)
class PointSource(ShownInNotebooks):
    """A point source with a power-law spectrum.

    The default is the Crab nebula: Aharonian et al. 2006, A&A 457, 899.

    Attributes
    ----------
    position : SkyCoord
    norm : float
        Flux at 1 TeV in 1 / (cm2 s TeV).
    index : float
        Spectral index, positive for a falling spectrum.
    light_curve : callable, optional
        Takes a `Time` array and returns the part of the flux that the source has then, from 0 to 1: for flares and
        pulsars. Constant by default.
    """

    position: SkyCoord = field(default_factory=lambda: SkyCoord(83.633, 22.014, unit="deg"))
    norm: float = 3.45e-11
    index: float = 2.63
    light_curve: Callable[[Time], Values] | None = None

    def flux(self, energy: Values) -> Values:
        """Return the flux in 1 / (m2 s TeV) at energies in TeV."""
        return 1e4 * self.norm * energy**-self.index  # 1e4: from cm-2 to m-2

    def part_of_flux(self, time: Time) -> Values:
        """Return the part of the flux that the source has at some times, shape of ``time``."""
        if self.light_curve is None:
            return np.ones(time.shape)
        part = np.asarray(self.light_curve(time), dtype=np.float64)
        if part.shape != time.shape:
            raise ValueError(
                f"light_curve returned an array of shape {part.shape} for times of shape {time.shape}, expected one "
                "value for each time"
            )
        if not np.all((part >= 0) & (part <= 1)):  # NaN is refused too
            raise ValueError(
                f"light_curve returned values from {np.min(part)} to {np.max(part)}, expected parts of the flux from 0 "
                "to 1; divide by the largest and multiply norm by it"
            )
        return part


@dataclass(frozen=True, kw_only=True)
class SimulatedRun(ShownInNotebooks):
    """Pointing, time and duration of a run.

    Attributes
    ----------
    obs_id : int
    pointing : SkyCoord
    start : Time
    ontime : float, s
    deadtime_fraction : float
    zenith, azimuth : float, deg
        Mean over the run.
    target : str
        Name of what is observed.
    target_position : SkyCoord or None
        Its position, which the files name too.
    """

    obs_id: int
    pointing: SkyCoord
    start: Time
    ontime: float = 1680.0
    deadtime_fraction: float = 0.06
    zenith: float = 45.0
    azimuth: float = 0.0
    target: str = "simulated source"
    target_position: SkyCoord | None = None

    @property
    def livetime(self) -> float:
        """Time in which the array could trigger, in s."""
        return self.ontime * (1 - self.deadtime_fraction)


@dataclass(frozen=True)
class Events:
    """Columns of an event list, in order of time.

    Attributes
    ----------
    time : array of float, s
        Since the start of the run.
    lon, lat : array of float, deg
        ICRS.
    energy : array of float, TeV
        Reconstructed energy.
    mc_id : array of int
        2 for the background, 1 for the source; further sources have 3, 4, ...
    """

    time: Values
    lon: Values
    lat: Values
    energy: Values
    mc_id: Integers


def draw_events(
    instrument: Instrument, run: SimulatedRun, sources: Sequence[PointSource], rng: np.random.Generator
) -> Events:
    """Draw the events of sources and of the background of a run.

    Times are uniform over the run, except for sources with a light curve.

    Parameters
    ----------
    instrument : Instrument
    run : SimulatedRun
    sources : sequence of PointSource
        Those outside of the field of view have no events.
    rng : numpy.random.Generator
    """
    numbers = [2, 1, *range(3, 2 + len(sources))]
    parts = [draw_background(instrument, run, rng), *(draw_source(instrument, run, one, rng) for one in sources)]
    sizes = [part[0].size for part in parts]
    n_event = sum(sizes)
    mc_id = np.repeat(numbers[: len(parts)], sizes)
    # Times do not depend on the origin of an event: shuffle the events, then give them sorted times.
    order = rng.permutation(n_event)
    lon, lat, energy = (np.concatenate(columns)[order] for columns in zip(*parts, strict=True))
    events = Events(np.sort(rng.uniform(0, run.ontime, n_event)), lon, lat, energy, mc_id[order])
    for number, source in zip(numbers[1 : len(parts)], sources, strict=True):
        if source.light_curve is not None:
            events = _thinned(
                events, number, source.part_of_flux(run.start + TimeDelta(events.time, format="sec")), rng
            )
    return events


def _thinned(events: Events, number: int, part: Values, rng: np.random.Generator) -> Events:
    """Leave out events of one source at random, so that only a part of them remains at each time."""
    keep = (events.mc_id != number) | (rng.uniform(size=part.size) < part)
    return Events(events.time[keep], events.lon[keep], events.lat[keep], events.energy[keep], events.mc_id[keep])


def expected_source_counts(instrument: Instrument, run: SimulatedRun, source: PointSource) -> tuple[Values, Values]:
    """Compute the expected number of source events in narrow steps of true energy; none outside the field of view.

    A light curve does not count: the flux is the largest one.

    Parameters
    ----------
    instrument : Instrument
    run : SimulatedRun
    source : PointSource

    Returns
    -------
    energy : array of float, shape (n_step,), TeV
        Centres of the steps.
    counts : array of float, shape (n_step,)
    """
    tables = _source_tables(instrument, _offset(run, source))
    if _offset(run, source) > instrument.offset_axis.bounds[1].to_value("deg"):
        return tables.energy, np.zeros_like(tables.energy)
    return tables.energy, source.flux(tables.energy) * tables.aeff * tables.step * run.livetime


@dataclass(frozen=True, eq=False)
class _SourceTables:
    """Responses at one offset in narrow steps of true energy."""

    energy: Values
    step: Values
    aeff: Values
    migra: "_Cumulative"
    rad: "_Cumulative"


@dataclass(frozen=True, eq=False)
class _Cumulative:
    """Cumulative distributions, one per row, in a single ascending array: row i covers the range 2 i to 2 i + 1.

    One call of `numpy.interp` then draws from all rows together.
    """

    cumulative: Values
    values: Values

    @classmethod
    def from_density(cls, density: Values, edges: Values) -> "_Cumulative":
        # shape (n_row, n_value)
        mass = np.cumsum(np.where(density > 0, density, 0) * np.diff(edges), axis=1)
        # Rows without any density stay 0 instead of NaN.
        mass /= np.maximum(mass[:, -1:], np.finfo(float).tiny)
        rows = np.concatenate([np.zeros((mass.shape[0], 1)), mass], axis=1)
        # The gap between the end of a row, 2 i + 1, and the start of the next, 2 i + 2, keeps the rows apart.
        rows += 2 * np.arange(mass.shape[0])[:, np.newaxis]
        return cls(rows.ravel(), np.tile(edges, mass.shape[0]))

    def draw(self, row: Integers, rng: np.random.Generator) -> Values:
        """Draw one value for each entry of ``row`` from the distribution in that row."""
        return np.asarray(np.interp(rng.uniform(size=row.size) + 2 * row, self.cumulative, self.values))


def _offset(run: SimulatedRun, source: PointSource) -> float:
    """Return the offset of the source in deg, rounded so that all wobble positions have the same tables."""
    return round(float(run.pointing.separation(source.position).deg), 9)


@lru_cache(maxsize=64)
def _source_tables(instrument: Instrument, offset: float) -> _SourceTables:
    lower, upper = instrument.energy_true_axis.bounds.to_value("TeV")
    # Steps of equal width in the logarithm; their centres are geometric means.
    edges = np.geomspace(lower, upper, _N_ENERGY + 1)
    energy = np.sqrt(edges[1:] * edges[:-1])
    coords = {"energy_true": energy[:, np.newaxis] * u.TeV, "offset": offset * u.deg}
    migra = instrument.edisp.axes["migra"]
    # 0.7 deg: as far as the PSF table of `Instrument` reaches.
    rad = np.linspace(0, 0.7, 281)
    rad_center = (rad[1:] + rad[:-1]) / 2
    density = instrument.edisp.evaluate(migra=migra.center[np.newaxis], **coords).value
    surface = instrument.psf.evaluate(rad=rad_center[np.newaxis] * u.deg, **coords).value
    return _SourceTables(  # rad times the surface density: the density of the distance, up to a factor
        energy=energy,
        step=np.diff(edges),
        aeff=instrument.aeff.evaluate(energy_true=energy * u.TeV, offset=offset * u.deg).to_value("m2"),
        migra=_Cumulative.from_density(density, migra.edges.value),
        rad=_Cumulative.from_density(surface * rad_center, rad),
    )


def draw_source(
    instrument: Instrument, run: SimulatedRun, source: PointSource, rng: np.random.Generator
) -> tuple[Values, Values, Values]:
    """Draw the reconstructed events of a point source.

    Parameters
    ----------
    instrument : Instrument
    run : SimulatedRun
    source : PointSource
    rng : numpy.random.Generator

    Returns
    -------
    lon, lat : array of float, deg
        ICRS.
    energy : array of float, TeV
    """
    energy_true, expected = expected_source_counts(instrument, run, source)
    tables = _source_tables(instrument, _offset(run, source))
    # One Poisson number for each step of true energy: together they are a Poisson process.
    step = np.repeat(np.arange(energy_true.size), rng.poisson(expected))
    energy = energy_true[step] * tables.migra.draw(step, rng)
    # The PSF is radially symmetric.
    angle = rng.uniform(0, 360, step.size)
    seen = source.position.directional_offset_by(angle * u.deg, tables.rad.draw(step, rng) * u.deg).icrs
    return seen.ra.deg, seen.dec.deg, energy


@dataclass(frozen=True, eq=False)
class _BackgroundCells:
    """Event rates in small cells of energy and field-of-view coordinates."""

    energy: Values  # edges, TeV
    fov: Values  # edges in longitude and in latitude, deg
    cumulative_rate: Values  # 1 / s, cells in the order (energy, lon, lat)


@lru_cache(maxsize=16)
def _background_cells(instrument: Instrument) -> _BackgroundCells:
    fine = instrument.energy_axis.upsample(_N_OVERSAMPLING)
    offset_max = float(instrument.offset_axis.bounds[1].to_value("deg"))
    # 30: bins of the table BKG_3D in each direction
    edges = np.linspace(-offset_max, offset_max, 30 * _N_OVERSAMPLING + 1)
    center = (edges[1:] + edges[:-1]) / 2
    lon, lat = np.meshgrid(center, center, indexing="ij")
    if instrument.background_kind == "bkg_2d":
        # The flat distance, as in the table BKG_3D of `Instrument`.
        coords = {"offset": np.hypot(lon, lat)[np.newaxis] * u.deg}
    else:
        coords = {"fov_lon": lon[np.newaxis] * u.deg, "fov_lat": lat[np.newaxis] * u.deg}
    rate = instrument.bkg.evaluate(energy=fine.center[:, np.newaxis, np.newaxis], **coords).to_value("s-1 TeV-1 sr-1")
    cell = np.deg2rad(edges[1] - edges[0]) ** 2 * np.cos(np.deg2rad(lat))  # solid angle
    # (n_energy, 1, 1)
    width = fine.bin_width.to_value("TeV")[:, np.newaxis, np.newaxis]
    return _BackgroundCells(fine.edges.to_value("TeV"), edges, np.cumsum(rate * cell * width))


def draw_background(
    instrument: Instrument, run: SimulatedRun, rng: np.random.Generator
) -> tuple[Values, Values, Values]:
    """Draw background events over the field of view of the background table.

    Parameters
    ----------
    instrument : Instrument
    run : SimulatedRun
    rng : numpy.random.Generator

    Returns
    -------
    lon, lat : array of float, deg
        ICRS.
    energy : array of float, TeV
    """
    cells = _background_cells(instrument)
    total = float(cells.cumulative_rate[-1])
    # GADF: background rates are per observation time, not per livetime.
    n_event = int(rng.poisson(total * run.ontime))
    # "right" skips cells without rate, whose cumulative rate is that of the cell before.
    index = np.searchsorted(cells.cumulative_rate, rng.uniform(0, total, n_event), side="right")
    n_cell = cells.fov.size - 1
    i_energy, i_lon, i_lat = np.unravel_index(index, (cells.energy.size - 1, n_cell, n_cell))
    width = cells.fov[1] - cells.fov[0]
    x = cells.fov[i_lon] + width * rng.uniform(size=n_event)
    y = cells.fov[i_lat] + width * rng.uniform(size=n_event)
    # Uniform in the logarithm of the energy within a cell.
    ratio = cells.energy[i_energy + 1] / cells.energy[i_energy]
    energy = cells.energy[i_energy] * ratio ** rng.uniform(size=n_event)
    # The longitude in the field of view increases to the west (see FoVAlignment), that of the sky to the east.
    sky = SkyCoord(-x * u.deg, y * u.deg, frame=run.pointing.skyoffset_frame()).icrs
    return sky.ra.deg, sky.dec.deg, energy
