"""Observations of Gammapy, for accelerated methods."""

from types import SimpleNamespace

from astropy.table import Table
from gammapy.data import Observation as GammapyObservation
from gammapy.makers import MapDatasetMaker as GammapyMapDatasetMaker

from lightpool.data import Observation
from lightpool.gammapy.acceleration.take_over import NotTakenOverError
from lightpool.gammapy.conversion import from_gammapy

__all__ = ["lightpool_observation", "meta_table_of"]


def lightpool_observation(observation: GammapyObservation | None) -> Observation:
    """Return an observation as one of lightpool.

    Raises
    ------
    NotTakenOverError
        If it is of another kind, as the datasets with which Gammapy's makers work too.
    """
    if not isinstance(observation, GammapyObservation):
        raise NotTakenOverError(f"an observation of class {type(observation).__name__}")
    found = from_gammapy(observation)
    assert isinstance(found, Observation)  # observations are converted to observations
    return found


def meta_table_of(observation: GammapyObservation, ours: Observation) -> Table:
    """Return the table that Gammapy's makers make of an observation; its response is not read by Gammapy.

    Parameters
    ----------
    observation : Observation of Gammapy
    ours : Observation, the same one in lightpool
    """
    needed = SimpleNamespace(aeff=ours.required("aeff"), obs_id=observation.obs_id, pointing=observation.pointing)
    table: Table = GammapyMapDatasetMaker.make_meta_table(needed)
    return table
