"""Counts over the squared angle from a source and from its mirror images."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays import angular_separation, to_host
from lightpool.bridge import accepts_gammapy
from lightpool.data import EventList, Observation
from lightpool.makers.core import Described
from lightpool.makers.region_finders import WobbleRegionsFinder
from lightpool.maps import MapAxis
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.pixel_regions import circle_region
from lightpool.maps.regions.sky_regions import region_center
from lightpool.stats import WStatCountsStatistic
from lightpool.utils.deprecations import deprecated
from lightpool.utils.text import number_of

__all__ = ["ObservedThetaSquared", "ThetaSquaredTable", "make_theta_squared_table"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ObservedThetaSquared:
    """Counts of one observation over squared angle.

    Attributes
    ----------
    counts, counts_off : array of int, shape (n_bin,)
        Around the source, and around all OFF positions together.
    n_off : int
        Number of OFF positions.
    livetime : float, s
    """

    counts: NDArray[np.int64]
    counts_off: NDArray[np.int64]
    n_off: int
    livetime: float


class ThetaSquaredTable(Described):
    """Counts of observations against the squared angle (theta squared) from a position, and from OFF positions.

    Bins of equal squared angle cover equal solid angles, so a uniform background is flat.

    Parameters
    ----------
    observations : iterable of Observation
    theta_squared_axis : MapAxis
        Bins of squared angle, in deg2 or an equivalent unit.
    position : SkyCoord
        Position of the source.
    position_off : SkyCoord, optional
        The one OFF position; by default the mirror image of ``position`` about the pointing of each observation.
    energy_edges : Quantity, shape (2,), optional
        Use the events in ``[energy_edges[0], energy_edges[1])``; all by default.
    off_regions_number : int
        Number of OFF positions at equal angles about the pointing; only one in an observation where they would overlap.

    Notes
    -----
    The significance in each bin is that of Li & Ma 1983, ApJ 272, 317, eq. 17.
    """

    @accepts_gammapy
    def __init__(
        self,
        observations: Iterable[Observation],
        theta_squared_axis: MapAxis,
        position: SkyCoord,
        position_off: SkyCoord | None = None,
        energy_edges: u.Quantity | None = None,
        off_regions_number: int = 1,
    ) -> None:
        self.observations = observations
        self.theta_squared_axis = theta_squared_axis
        self.position = position
        self.position_off = position_off
        self.energy_edges = energy_edges
        self.off_regions_number = off_regions_number

    def run(self) -> Table:
        """Make the table of counts.

        Returns
        -------
        table : Table
            Columns ``theta2_min, theta2_max, counts, counts_off, acceptance, acceptance_off, alpha, excess, sqrt_ts,
            excess_errn, excess_errp``. The acceptances are the sums over the observations of 1 and of the number of
            OFF positions; ``alpha`` is the mean of their ratios, weighted by the livetimes.

        Raises
        ------
        ValueError
            If the axis is not one of squared angles, or the largest angle reaches the pointing or an OFF position.
        """
        self._check_settings()
        return self.make_table(self.count(observation) for observation in self.observations)

    def checked(self) -> Self:
        """Return the object itself if its settings fit together.

        Raises
        ------
        ValueError
            If the axis is not one of squared angles, or the OFF position is too close to the source.
        """
        self._check_settings()
        return self

    def count(self, observation: Observation) -> ObservedThetaSquared:
        """Count the events of one observation; `make_table` sums such counts.

        Parameters
        ----------
        observation : Observation

        Raises
        ------
        ValueError
            If the largest angle reaches the pointing, see `overlaps`.
        """
        on, off, number = self._count(observation)
        seconds = float(observation.observation_live_time_duration.to_value("s"))
        return ObservedThetaSquared(on, off, number, seconds)

    def overlaps(self, observation: Observation) -> bool:
        """Return whether the source is so close to the pointing that ON and OFF region overlap.

        Parameters
        ----------
        observation : Observation
        """
        # The mirror image is twice the separation away: with a larger radius, circles around both would overlap.
        return bool(self._radius > observation.pointing_radec.separation(self.position))

    def make_table(self, counts_of_observations: Iterable[ObservedThetaSquared]) -> Table:
        """Make the table of the sums of counts, see `run`.

        Parameters
        ----------
        counts_of_observations : iterable of ObservedThetaSquared
        """
        n_bin = self.theta_squared_axis.nbin
        counts, counts_off = np.zeros(n_bin, dtype=int), np.zeros(n_bin)
        n_observation, n_off, weighted_alpha, livetime = 0, 0, 0.0, 0.0
        for each in counts_of_observations:
            counts, counts_off = counts + each.counts, counts_off + each.counts_off
            n_observation, n_off = n_observation + 1, n_off + each.n_off
            # alpha of one observation is 1 / number, weighted with its livetime as in Gammapy.
            weighted_alpha, livetime = weighted_alpha + each.livetime / each.n_off, livetime + each.livetime
        if not livetime > 0:
            raise ValueError(
                f"no livetime in {number_of(n_observation, 'observation')}, so alpha is undefined; "
                "give observations with livetime"
            )
        alpha = np.full(n_bin, weighted_alpha / livetime)
        columns: dict[str, ArrayLike | u.Quantity] = {
            "theta2_min": self.theta_squared_axis.edges[:-1],
            "theta2_max": self.theta_squared_axis.edges[1:],
            "counts": counts,
            "counts_off": counts_off,
            "acceptance": np.full(n_bin, float(n_observation)),
            "acceptance_off": np.full(n_bin, float(n_off)),
            "alpha": alpha,
        }
        statistic = WStatCountsStatistic(counts.astype(float), counts_off, alpha)
        found = {"excess": statistic.n_sig, "sqrt_ts": statistic.sqrt_ts}
        found |= {"excess_errn": statistic.compute_errn(), "excess_errp": statistic.compute_errp()}
        columns |= {name: to_host(values) for name, values in found.items()}  # host: all counts here are
        return Table(columns, meta=self._meta())

    def _meta(self) -> Mapping[str, u.Quantity]:
        meta: dict[str, u.Quantity] = {"ON_RA": self.position.icrs.ra, "ON_DEC": self.position.icrs.dec}
        return meta if self.energy_edges is None else {"Energy_filter": self.energy_edges} | meta

    @property
    def _radius(self) -> u.Quantity:
        return cast(u.Quantity, np.sqrt(self.theta_squared_axis.edges[-1])).to("deg")

    def _check_settings(self) -> None:
        axis = self.theta_squared_axis
        if not axis.unit.is_equivalent("deg2"):
            raise ValueError(f"the theta squared axis must be in deg2 or an equivalent unit, got {str(axis.unit)!r}")
        if self.energy_edges is not None and len(self.energy_edges) != 2:
            raise ValueError(f"energy_edges must be two energies, one interval, got {len(self.energy_edges)}")
        if self.off_regions_number < 1:
            raise ValueError(f"off_regions_number must be 1 or more, got {self.off_regions_number}")
        if self.position_off is None:
            return
        if self.off_regions_number > 1:
            raise ValueError(
                f"a position_off is one OFF region, but off_regions_number is {self.off_regions_number}; leave one out"
            )
        separation = self.position.separation(self.position_off)
        # Two circles of this radius touch at twice the radius.
        if separation < 2 * self._radius:
            raise ValueError(
                f"OFF and ON region overlap: their centres are {separation.deg:.3g} deg apart, and the axis goes up to "
                f"{self._radius:.3g}; choose another position_off or a shorter axis"
            )

    def _count(self, observation: Observation) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Return the counts around the source and around the OFF positions, and the number of OFF positions."""
        pointing = observation.pointing_radec
        separation = pointing.separation(self.position)
        if self.overlaps(observation):
            raise ValueError(
                f"observation {observation.obs_id}: the axis goes up to {self._radius:.3g}, but the source is only "
                f"{separation.deg:.3g} deg from the pointing, so ON and OFF region overlap; choose a shorter axis"
            )
        events = observation.required("events")
        if self.energy_edges is not None:
            events = events.select_energy(self.energy_edges)
        positions = self._off_positions(observation, pointing)
        off = [self._histogram(events, position) for position in positions]
        return self._histogram(events, self.position), np.sum(off, axis=0), len(positions)

    def _off_positions(self, observation: Observation, pointing: SkyCoord) -> list[SkyCoord]:
        if self.position_off is not None:
            return [self.position_off]
        if self.off_regions_number > 1:
            # As large as the axis reaches, so that the finder refuses OFF positions whose counts would overlap.
            circle = circle_region(self.position, self._radius)
            regions, _ = WobbleRegionsFinder(self.off_regions_number).run(circle, pointing)
            if regions:
                return [region_center(region) for region in regions]
            log.warning(
                "observation %s: %d OFF regions would overlap, so it has one",
                observation.obs_id,
                self.off_regions_number,
            )
        # A point: rotated by half a turn, without a check of overlap, which was made above.
        (opposite,), _ = WobbleRegionsFinder(1).run(region_classes.PointSkyRegion(self.position), pointing)
        return [region_center(opposite)]

    def _histogram(self, events: EventList, position: SkyCoord) -> NDArray[np.int64]:
        """Return the counts per bin of squared angle; the last edge belongs to the last bin."""
        lon, lat = events.arrays["lon"], events.arrays["lat"]
        separation = np.degrees(to_host(angular_separation(position.icrs.ra.rad, position.icrs.dec.rad, lon, lat)))
        return np.histogram(separation**2, self.theta_squared_axis.edges.to_value("deg2"))[0]


@accepts_gammapy
@deprecated("0.1", until="0.3", alternative="ThetaSquaredTable")  # as in Gammapy 2.1
def make_theta_squared_table(
    observations: Iterable[Observation],
    theta_squared_axis: MapAxis,
    position: SkyCoord,
    position_off: SkyCoord | None = None,
    energy_edges: u.Quantity | None = None,
    off_regions_number: int = 1,
) -> Table:
    """Make a table of counts against squared angle, see `ThetaSquaredTable.run`.

    Parameters
    ----------
    observations, theta_squared_axis, position, position_off, energy_edges, off_regions_number
        See `ThetaSquaredTable`.
    """
    return ThetaSquaredTable(
        observations, theta_squared_axis, position, position_off, energy_edges, off_regions_number
    ).run()
