"""Warn of targets that no observation reaches, whose files would otherwise be missing without explanation."""

import logging
from collections.abc import Iterable, Sequence

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.batch.execution.observation_sources import Sources
from lightpool.batch.storage.outcomes import Outcome
from lightpool.batch.storage.stack_names import StackKey
from lightpool.config.build import build_dataset
from lightpool.config.settings import Settings
from lightpool.config.targets import Target

__all__ = ["warn_of_unreached_targets"]

log = logging.getLogger(__name__)


def warn_of_unreached_targets(settings: Settings, stacks: Iterable[StackKey], outcomes: Sequence[Outcome]) -> None:
    """Warn of each target to which no observation contributes.

    Parameters
    ----------
    settings : Settings
    stacks : iterable of StackKey
        Keys of the existing stacks.
    outcomes : sequence of Outcome
        Of all observations; those that failed have already been reported.
    """
    reached = {key.target for key in stacks}
    reduced = [outcome.obs_id for outcome in outcomes if outcome.status != "failed"]
    for target in settings.targets:
        if reduced and target.name not in reached:
            log.warning(
                "no result for target %s: none of the %d observations reaches it; %s",
                target.name,
                len(reduced),
                _distance(settings, target, reduced),
            )


def _distance(settings: Settings, target: Target, obs_ids: Sequence[int]) -> str:
    """Describe the position of a target and the distance of the nearest pointing."""
    center = build_dataset(target).outline().required("counts").geom.center_skydir.icrs
    position = f"its centre is RA {center.ra.deg:.2f} deg, Dec {center.dec.deg:.2f} deg"
    sources = Sources(settings)
    rows = [(obs_id, sources.row(obs_id)) for obs_id in obs_ids]
    known = [(obs_id, row["RA_PNT"], row["DEC_PNT"]) for obs_id, row in rows if {"RA_PNT", "DEC_PNT"} <= row.keys()]
    if not known:
        return position
    pointings = SkyCoord([ra for _, ra, _ in known], [dec for _, _, dec in known], unit=u.deg)
    separations = pointings.separation(center).deg
    nearest = int(np.argmin(separations))
    obs_id, separation = known[nearest][0], separations[nearest]
    return f"{position}, and the nearest pointing, of observation {obs_id}, is {separation:.1f} deg away"
