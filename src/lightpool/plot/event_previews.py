"""Small plots of events for notebooks: directions and energies."""

from typing import Protocol

import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.data.tables.event_columns import EventColumns
from lightpool.maps import Map, WcsGeom
from lightpool.plot.map_previews import sky_panel
from lightpool.plot.previews import Curves, Panel, draw
from lightpool.utils.html import Picture

__all__ = ["draw_events"]

_N_PIXEL, _N_BIN = 50, 40
_WIDEST = 20.0
"""Width of the image of events far from each other, deg."""


class EventsToDraw(Protocol):
    """An `EventList`."""

    @property
    def columns(self) -> EventColumns:
        """Columns."""


def draw_events(events: EventsToDraw) -> list[Picture]:
    """Return a small plot of events; none if there is nothing to draw.

    Parameters
    ----------
    events : EventList
    """
    plain = events.columns.plain
    energy = plain["energy"]
    energy = energy[np.isfinite(energy) & (energy > 0)]
    panels: list[Panel] = list(_directions(plain["lon"], plain["lat"]))
    if energy.size:
        low, high = np.log10(energy.min()), np.log10(energy.max())
        edges = np.logspace(low - 0.01, high + 0.01, _N_BIN + 1)
        counts, _ = np.histogram(energy, edges)
        panels.append(Curves(edges, [("", counts.astype(float))], "events", "Energy [TeV]", "", True))
    return draw(panels)


def _directions(lon: np.ndarray, lat: np.ndarray) -> list[Panel]:
    known = np.isfinite(lon) & np.isfinite(lat)
    if not known.any():
        return []
    lon, lat = lon[known], lat[known]
    vectors = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    middle = np.median(vectors, axis=1)
    middle = middle / max(float(np.linalg.norm(middle)), 1e-9)
    center = SkyCoord(np.arctan2(middle[1], middle[0]), np.arcsin(np.clip(middle[2], -1, 1)), unit="rad", frame="icrs")
    angles = np.rad2deg(np.arccos(np.clip(middle @ vectors, -1, 1)))
    width = float(np.clip(2.1 * np.quantile(angles, 0.98), 0.1, _WIDEST))
    geom = WcsGeom.create(skydir=center, width=width, binsz=width / _N_PIXEL, proj="TAN", frame="icrs")
    counts = Map.from_geom(geom, dtype="float64", device="cpu")
    counts.fill_by_coord({"lon": np.rad2deg(lon), "lat": np.rad2deg(lat)})
    return sky_panel(counts, "events")
