"""Cutouts around positions of equal numbers share their geometry, and all that is computed for its pixels."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lightpool.errors import NoOverlapError
from lightpool.maps import MapAxis, WcsGeom
from lightpool.maps.geoms.pixel_grid import MAX_REMEMBERED

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)


@pytest.fixture
def geom():
    return WcsGeom.create(skydir=(83.63, 22.01), width=5, binsz=0.1, axes=[AXIS])


def position(lon=83.6, lat=22.5):
    return SkyCoord(lon, lat, unit="deg")


def test_cutouts_around_equal_positions_share_their_geometry(geom):
    first, other = geom.cutout(position(), "2 deg"), geom.cutout(position(84.0), "2 deg")
    assert geom.cutout(position(), "2 deg") is first
    assert other is not first
    assert other.window != first.window
    assert geom.cutout(position().galactic.icrs, "2 deg").window == first.window


@pytest.mark.parametrize(
    "change", [{"width": "2.2 deg"}, {"mode": "partial", "width": "6 deg"}, {"odd_npix": True}, {"min_npix": 40}]
)
def test_cutouts_of_another_kind_around_one_position_differ(geom, change):
    first = geom.cutout(position(), "2 deg")
    other = geom.cutout(position(), **{"width": "2 deg"} | change)
    assert other.window != first.window
    assert geom.cutout(position(), **{"width": "2 deg"} | change) is other


def test_maps_with_other_axes_share_the_window_and_keep_their_axes(geom):
    first, image = geom.cutout(position(), "2 deg"), geom.to_image().cutout(position(), "2 deg")
    assert image.window == first.window
    assert first.axes.names == ["energy"]
    assert image.axes.names == []


def test_only_the_last_cutouts_are_remembered(geom):
    first = geom.cutout(position(), "2 deg")
    for lon in np.linspace(83, 84, MAX_REMEMBERED):
        geom.cutout(position(lon), "2 deg")
    again = geom.cutout(position(), "2 deg")
    assert again is not first
    assert again == first


def test_a_position_outside_of_the_map_is_refused_each_time(geom):
    for _ in range(2):
        with pytest.raises(NoOverlapError, match="lies outside the map"):
            geom.cutout(position(95.0), "2 deg")
