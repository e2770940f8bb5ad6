"""Positions of gamma-ray observatories."""

from functools import partial

import astropy.units as u
from astropy.coordinates import EarthLocation

from lightpool.utils.on_demand import Deferred, DeferredMapping

__all__ = ["observatory_locations"]

# name: longitude (east positive), latitude, height in m
_POSITIONS = {
    "ctao_south": ("-70d18m58.84s", "-24d41m0.34s", 2150),
    "cta_south": ("-70d18m58.84s", "-24d41m0.34s", 2150),
    "ctao_north": ("-17d53m31.218s", "28d45m43.7904s", 2147),
    "cta_north": ("-17d53m31.218s", "28d45m43.7904s", 2147),
    "hawc": ("-97d18m34s", "18d59m48s", 4100),
    "hegra": ("-17d53m27s", "28d45m42s", 2200),
    "hess": ("16d30m00.8s", "-23d16m18.4s", 1835),
    "magic": ("-17d53m24s", "28d45m43s", 2200),
    "milagro": ("-106.67625d", "35.87835d", 2530),
    "veritas": ("-110d57m07.77s", "31d40m30.21s", 1268),
    "whipple": ("-110d52m42s", "31d40m52s", 2606),
    "astri": ("-16d30m20.99s", "28d18m00.0s", 2370),
    "fact": ("-17.891116d", "28.761647d", 2200),
}


def _location(lon: str, lat: str, height: float) -> EarthLocation:
    return EarthLocation.from_geodetic(lon, lat, height * u.m)


observatory_locations = DeferredMapping(
    {name: Deferred(partial(_location, *position), cache=False) for name, position in _POSITIONS.items()}
)
"""Positions of observatories by name, as `astropy.coordinates.EarthLocation`; each access creates a new one."""
