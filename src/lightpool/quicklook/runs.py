"""The runs that see a source, and what their responses allow."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from numpy.typing import NDArray

from lightpool.data import DataStore, Observation
from lightpool.errors import ConfigError, LightpoolError
from lightpool.irf import IRF, RadMax2D
from lightpool.makers.energy_thresholds import first_crossing
from lightpool.quicklook.targets import list_of_targets, observed_targets
from lightpool.utils.pbar import tracked
from lightpool.utils.text import number_of

__all__ = ["NearbyRuns", "Responses", "nearby_runs", "survey_responses"]

_MOST_OPENED = 50
"""Number of runs whose responses are opened, evenly chosen among more."""

_PART_OF_MAXIMUM = 0.1
"""Part of the largest effective area that is the threshold where the files name none."""


@dataclass(frozen=True)
class NearbyRuns:
    """The runs that point near a source.

    Attributes
    ----------
    offsets : dict of int to float, deg
        Distance of their pointings from the source, in the order of the index.
    far : list of int
        Of those that were asked for by their numbers: the runs that point elsewhere.
    unknown : list of int
        Runs whose pointing is unknown.
    """

    offsets: dict[int, float]
    far: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Responses:
    """What is known about the responses of some runs.

    Attributes
    ----------
    kinds : dict of int to set of str
        Responses of each run: aeff, edisp, psf, bkg, rad_max.
    is_pointlike : bool
        Whether their effective areas contain a directional cut.
    has_thresholds : bool
        Whether all of them name their lowest safe energy (LO_THRES).
    energy_min, energy_max : float, TeV
        From the lowest threshold of all runs to the highest energy of their tables.
    true_min, true_max : float, TeV
        Range of true energy of the effective areas.
    rad_max : float or None, deg
        Largest directional cut at these energies; None without one.
    n_opened : int
        Number of runs whose files were opened for this.
    unreadable : list of str
        Runs whose effective area cannot be read, with the reason.
    """

    kinds: dict[int, set[str]]
    is_pointlike: bool
    has_thresholds: bool
    energy_min: float
    energy_max: float
    true_min: float
    true_max: float
    rad_max: float | None
    n_opened: int
    unreadable: list[str] = field(default_factory=list)

    def runs_with(self, *kinds: str) -> list[int]:
        """Return the runs that have all of some responses."""
        return [obs_id for obs_id, found in self.kinds.items() if set(kinds) <= found]


def nearby_runs(
    store: DataStore, place: object, position: SkyCoord, max_offset: Angle, wanted: Sequence[int] | None
) -> NearbyRuns:
    """Return the runs that point near a source.

    Parameters
    ----------
    store : DataStore
    place : object
        Its name, for messages.
    position : SkyCoord
    max_offset : Angle
    wanted : sequence of int, optional
        Only these.

    Raises
    ------
    ConfigError
        If there is none; names the nearest run and the targets.
    """
    obs_ids, pointings = _pointings(store, wanted)
    if not obs_ids:
        which = f"the data store {place} has no runs" if wanted is None else "--runs names no run"
        raise ConfigError(f"{which} with a known pointing; `lightpool check {place}` shows what is missing")
    offsets: NDArray[np.float64] = np.asarray(position.icrs.separation(pointings).deg)
    found = {obs_id: float(off) for obs_id, off in zip(obs_ids, offsets, strict=True) if off < max_offset.deg}
    if not found:
        nearest = int(np.argmin(offsets))
        which = f"none of the {len(obs_ids)} runs of {place}" if len(obs_ids) > 1 else f"no run of {place}"
        which = which if wanted is None else "no run of --runs"
        raise ConfigError(
            f"{which} points within {max_offset:.3g} of the source at "
            f"{_shown(position)}: the nearest, {obs_ids[nearest]}, points {offsets[nearest]:.2f} deg away. Check the "
            f"position, or use a larger --max-offset. {list_of_targets(observed_targets(store), place)}"
        )
    listed = store.obs_ids.tolist() if wanted is None else list(wanted)
    return NearbyRuns(
        offsets=found,
        far=[] if wanted is None else [obs_id for obs_id in obs_ids if obs_id not in found],
        unknown=sorted(set(listed) - set(obs_ids)),
    )


def _shown(position: SkyCoord) -> str:
    icrs = position.icrs
    return f"RA {icrs.ra.deg:.4f} deg, Dec {icrs.dec.deg:+.4f} deg"


def _pointings(store: DataStore, wanted: Sequence[int] | None) -> tuple[list[int], SkyCoord]:
    """Return runs and their pointings: of the index or, without one, of the event files."""
    listed = [int(obs_id) for obs_id in store.obs_ids]
    chosen = listed if wanted is None else list(wanted)
    table = store.obs_table
    if table is not None and {"RA_PNT", "DEC_PNT"} <= set(table.colnames):
        pointings = table.pointing_radec
        degrees = zip(pointings.ra.deg.tolist(), pointings.dec.deg.tolist(), strict=True)
        known = dict(zip(np.asarray(table["OBS_ID"]).tolist(), degrees, strict=True))
        obs_ids = [obs_id for obs_id in chosen if obs_id in known]
        places = [known[obs_id] for obs_id in obs_ids]
    else:
        obs_ids, places = [], []
        with tracked(chosen, "pointings of the runs") as steps:
            for obs_id in steps:
                try:
                    places.append(store.obs(obs_id, "all-optional").pointing_degrees)
                except (LightpoolError, LookupError, OSError, ValueError):
                    continue  # it has no pointing; the reduction would omit it
                obs_ids.append(obs_id)
    lon, lat = np.reshape(np.asarray(places, dtype=float), (-1, 2)).T
    is_known = np.isfinite(lon) & np.isfinite(lat)
    return list(np.asarray(obs_ids, dtype=np.int64)[is_known].tolist()), SkyCoord(
        lon[is_known], lat[is_known], unit="deg"
    )


def survey_responses(store: DataStore, obs_ids: Sequence[int]) -> Responses:
    """Look at the responses of runs: which there are, and the energies that they allow.

    Parameters
    ----------
    store : DataStore
    obs_ids : sequence of int

    Raises
    ------
    ConfigError
        If no run has an effective area that can be read.
    """
    observations = {obs_id: store.obs(obs_id, "all-optional", require_events=False) for obs_id in obs_ids}
    kinds = {obs_id: set(observation.available_irfs) for obs_id, observation in observations.items()}
    listed = [obs_id for obs_id, found in kinds.items() if "aeff" in found]
    if not listed:
        raise ConfigError(
            f"the HDU index has no effective area of {number_of(len(kinds), 'run')} near the source; "
            "`lightpool check STORE` shows what is missing"
        )
    step = -(-len(listed) // _MOST_OPENED)
    read: list[_Energies] = []
    unreadable = []
    with tracked(listed[::step], "responses of the runs") as steps:
        for obs_id in steps:
            try:
                read.append(_Energies.of(obs_id, observations[obs_id]))
            except (LightpoolError, LookupError, OSError, ValueError, TypeError) as error:
                unreadable.append(f"{obs_id}: {str(error).partition(chr(10))[0]}")
    if not read:
        raise ConfigError(f"no run near the source has an effective area that can be read: {'; '.join(unreadable[:5])}")
    is_pointlike = 2 * sum(each.is_pointlike for each in read) > len(read)
    used = [each for each in read if each.is_pointlike == is_pointlike]
    others = {each.obs_id for each in read if each.is_pointlike != is_pointlike}
    unreadable += [f"{obs_id}: {'not ' if is_pointlike else ''}point-like" for obs_id in sorted(others)]
    cuts = [each.rad_max for each in used if each.rad_max is not None]
    return Responses(
        kinds={obs_id: found for obs_id, found in kinds.items() if obs_id not in others},
        is_pointlike=is_pointlike,
        has_thresholds=all(each.has_threshold for each in used),
        energy_min=min(each.low for each in used),
        energy_max=max(each.high for each in used),
        true_min=min(each.true_min for each in used),
        true_max=max(each.true_max for each in used),
        rad_max=max(cuts) if is_pointlike and cuts else None,
        n_opened=len(read),
        unreadable=unreadable,
    )


@dataclass(frozen=True)
class _Energies:
    """Energies of the responses of one run, in TeV, and its directional cut, in deg."""

    obs_id: int
    is_pointlike: bool
    has_threshold: bool
    low: float
    high: float
    true_min: float
    true_max: float
    rad_max: float | None

    @classmethod
    def of(cls, obs_id: int, observation: Observation) -> "_Energies":
        aeff = observation.required("aeff")
        axis = aeff.axes["energy_true"]
        edges = axis.edges.to_value("TeV")
        low, high = (_positive(aeff.meta.get(key)) for key in ("LO_THRES", "HI_THRES"))
        tops = [float(edges[-1]), *([high] if high is not None else [])]
        bkg = observation.bkg
        if isinstance(bkg, IRF) and "energy" in bkg.axes.names:
            tops.append(float(bkg.axes["energy"].edges[-1].to_value("TeV")))
        lowest = _threshold(aeff) if low is None else low
        return cls(
            obs_id=obs_id,
            is_pointlike=bool(aeff.is_pointlike),
            has_threshold=low is not None,
            low=lowest,
            high=min(tops),
            true_min=float(edges[0]),
            true_max=float(edges[-1]),
            rad_max=_largest_cut(observation.rad_max, lowest),
        )


def _largest_cut(rad_max: RadMax2D | None, energy_min: float) -> float | None:
    """Largest directional cut in deg above an energy in TeV."""
    if rad_max is None:
        return None
    cuts = np.asarray(rad_max.quantity.to_value("deg"))
    if "energy" in rad_max.axes.names:
        number = rad_max.axes.names.index("energy")
        above = rad_max.axes["energy"].edges[1:].to_value("TeV") > energy_min
        cuts = np.compress(above, cuts, axis=number)
    return float(np.nanmax(cuts)) if np.isfinite(cuts).any() else None


def _positive(value: object) -> float | None:
    """Return a number of a header, or None if it is missing, zero or not finite."""
    try:
        number = float(value)  # type: ignore[arg-type]  # anything else than a number is caught
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _threshold(aeff: IRF) -> float:
    """Energy in TeV where the largest effective area of the field of view reaches a tenth of its maximum."""
    axis = aeff.axes["energy_true"]
    number = aeff.axes.names.index("energy_true")
    values = np.nan_to_num(np.moveaxis(np.asarray(aeff.quantity.value, dtype=float), number, 0))
    spectrum = values.reshape(values.shape[0], -1).max(axis=1)
    if not np.any(spectrum > 0):
        raise ValueError("its effective area is zero everywhere")
    return float(first_crossing(axis.center.to_value("TeV"), spectrum, _PART_OF_MAXIMUM * spectrum.max()))
