"""What the runs of a data store were pointed at, and the position of a source that is named."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.config.positions import Position, parse_position, position_of_text
from lightpool.config.sources import known_source, name_key
from lightpool.data import DataStore
from lightpool.errors import ConfigError, LightpoolError
from lightpool.utils.pbar import tracked
from lightpool.utils.text import number_of

__all__ = ["ObservedTarget", "find_source", "list_of_targets", "observed_targets"]

_MOST_FILES = 200
"""Number of event files that are opened for the names of targets that the index lacks."""

_FARTHEST = 10.0
"""Distance in deg of a target from the pointing, beyond which the file has no position but a placeholder."""

_MOST_LISTED = 30


@dataclass(frozen=True, eq=False)
class ObservedTarget:
    """A target of the runs of a data store.

    Attributes
    ----------
    name : str
    position : SkyCoord or None
        None if neither the runs nor the built-in list have one.
    n_run : int
    """

    name: str
    position: SkyCoord | None
    n_run: int

    def __str__(self) -> str:
        runs = number_of(self.n_run, "run")
        if self.position is None:
            return f"{self.name!r}: {runs}, position unknown"
        where = f"RA {self.position.ra.deg:.4f} deg, Dec {self.position.dec.deg:+.4f} deg"
        return f"{self.name!r}: {runs}, {where}"


def observed_targets(store: DataStore) -> list[ObservedTarget]:
    """Return the targets of a data store, that with the most runs first.

    Names and positions are those of the observation index or, if it has none, of the event files.

    Parameters
    ----------
    store : DataStore
    """
    found = list(_in_index(store)) or list(_in_files(store))
    counts = Counter(name_key(name) for name, _ in found)
    targets = []
    for key, n_run in counts.most_common():
        ours = [(name, position) for name, position in found if name_key(name) == key]
        position = next((position for _, position in ours if position is not None), None)
        targets.append(ObservedTarget(ours[0][0], position or _known_position(ours[0][0]), n_run))
    return targets


def _known_position(name: str) -> SkyCoord | None:
    try:
        known = position_of_text(name)
    except ValueError:
        return None
    return None if known is None else parse_position(known).skycoord.icrs


def _in_index(store: DataStore) -> Iterator[tuple[str, SkyCoord | None]]:
    table = store.obs_table
    if table is None or "OBJECT" not in table.colnames:
        return
    has_position = {"RA_OBJ", "DEC_OBJ", "RA_PNT", "DEC_PNT"} <= set(table.colnames)
    for row in table:
        values = [float(row[key]) for key in ("RA_OBJ", "DEC_OBJ", "RA_PNT", "DEC_PNT")] if has_position else []
        if name := str(row["OBJECT"]).strip():
            yield name, _plausible(*values) if values else None


def _in_files(store: DataStore) -> Iterator[tuple[str, SkyCoord | None]]:
    obs_ids = [int(obs_id) for obs_id in store.obs_ids[:_MOST_FILES]]
    found = []
    with tracked(obs_ids, "targets of the runs") as steps:
        for obs_id in steps:
            try:
                observation = store.obs(obs_id, "all-optional")
                found.append((observation.meta.target, observation.pointing_degrees))
            except (LightpoolError, LookupError, OSError, ValueError):
                continue  # a run that cannot be read says nothing about its target
    for target, (lon, lat) in found:
        if target is not None and (name := str(target.name or "").strip()):
            at = None if target.position is None else target.position.icrs
            yield name, None if at is None else _plausible(float(at.ra.deg), float(at.dec.deg), lon, lat)


def _plausible(lon: float, lat: float, pointing_lon: float, pointing_lat: float) -> SkyCoord | None:
    """Return the position of a target in deg, or None if it is not near the pointing, such as (0, 0)."""
    if not np.all(np.isfinite([lon, lat, pointing_lon, pointing_lat])) or max(abs(lat), abs(pointing_lat)) > 90:
        return None
    position = SkyCoord(lon, lat, unit="deg")
    distance = position.separation(SkyCoord(pointing_lon, pointing_lat, unit="deg"))
    return position if distance.deg < _FARTHEST else None


def list_of_targets(targets: Sequence[ObservedTarget], place: object) -> str:
    """Return lines about the targets of a data store, for messages.

    Parameters
    ----------
    targets : sequence of ObservedTarget
    place : object
        Name of the data store.
    """
    if not targets:
        return f"Neither the observation index of {place} nor its event files name a target."
    more = [f"  and {len(targets) - _MOST_LISTED} others"] if len(targets) > _MOST_LISTED else []
    return "\n".join([f"Targets in {place}:", *(f"  {each}" for each in targets[:_MOST_LISTED]), *more])


def find_source(text: str | None, store: DataStore, place: object) -> tuple[str, Position, str]:
    """Return name, position and origin of the position of a source.

    Coordinates come first, then the built-in list, the targets of the data store, and a name resolver.

    Parameters
    ----------
    text : str or None
        Name or coordinates; by default the only target of the data store.
    store : DataStore
    place : object
        Its name, for messages.

    Raises
    ------
    ConfigError
        If the position is unknown, or there are several targets to choose from.
    """
    if text is None:
        return _only_target(observed_targets(store), place)
    try:
        known = position_of_text(text)
    except ValueError as error:
        raise ConfigError(f"--source: {error}") from error
    if known is not None:
        origin = "as given" if known_source(text) is None else "built-in list"
        return text.strip(), _checked(known), origin
    targets = observed_targets(store)
    for target in targets:
        if name_key(target.name) == name_key(text) and target.position is not None:
            return target.name, _position_of(target.position), "target of the runs"
    try:
        return text.strip(), parse_position(text), "name resolver"
    except ConfigError as error:
        raise ConfigError(f"--source: {error}. {list_of_targets(targets, place)}") from error


def _checked(coordinates: dict[str, str]) -> Position:
    try:
        return parse_position(coordinates)
    except ConfigError as error:
        raise ConfigError(f"--source: {error}") from error


def _position_of(position: SkyCoord) -> Position:
    icrs = position.icrs
    return Position(lon=f"{round(float(icrs.ra.deg), 8)} deg", lat=f"{round(float(icrs.dec.deg), 8)} deg")


def _only_target(targets: Sequence[ObservedTarget], place: object) -> tuple[str, Position, str]:
    known = [target for target in targets if target.position is not None]
    if len(targets) == 1 and known and known[0].position is not None:
        return known[0].name, _position_of(known[0].position), "the only target of the runs"
    example = f"--source {known[0].name!r}" if known else "--source Crab or --source '83.63 22.01'"
    raise ConfigError(f"choose a source, such as {example}. {list_of_targets(targets, place)}")
