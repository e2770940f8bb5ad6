"""Which positions are left out before their pixels are computed, because they are far from some circles."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

from lightpool.maps import MapAxis, RegionGeom
from lightpool.maps.regions.circles import Circles


def circles(frame, centers, radius):
    return [CircleSkyRegion(SkyCoord(lon, lat, unit="deg", frame=frame), radius * u.deg) for lon, lat in centers]


def positions():
    rng = np.random.default_rng(3)
    return rng.uniform(0, 360, 400_000), np.rad2deg(np.arcsin(rng.uniform(-1, 1, 400_000)))


@pytest.mark.slow
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize(
    ("centers", "radius"),
    [
        ([(83.6, 22.0)], 1.0),
        ([(0.1, -3.0), (359.0, 1.0), (3.0, 4.0)], 1.2),  # across longitude 0
        ([(179.5, 60.0), (181.0, 61.0)], 2.5),
        ([(10.0, 70.0)], 7.0),
    ],
)
def test_no_position_in_a_circle_is_left_out(frame, centers, radius):
    lon, lat = positions()
    geom = RegionGeom.from_regions(circles(frame, centers, radius), axes=[MapAxis.from_edges([1, 10] * u.TeV)])
    rows = Circles.of(geom.region).may_hold(frame, lon, lat)
    inside = geom.contains({"skycoord": SkyCoord(lon, lat, unit="deg", frame=frame), "energy": 2 * u.TeV})
    assert inside.any()
    assert rows is not None
    assert rows.size < lon.size / 5
    assert np.isin(np.flatnonzero(inside), rows).all()
    icrs = SkyCoord(lon, lat, unit="deg", frame=frame).icrs
    found = geom.contains_icrs(icrs.ra.rad, icrs.dec.rad)
    # positions are rotated to the frame and back: none of these lies on a border
    np.testing.assert_array_equal(found, inside)


@pytest.mark.parametrize(
    ("centers", "radius"),
    [([(10.0, 85.0)], 1.0), ([(10.0, 0.0)], 12.0), ([(0.0, 0.0), (175.0, 0.0)], 8.0)],
)
def test_nothing_is_left_out_near_a_pole_or_for_large_circles_or_far_apart(centers, radius):
    lon, lat = positions()
    geom = RegionGeom.from_regions(circles("icrs", centers, radius))
    assert Circles.of(geom.region).may_hold("icrs", lon, lat) is None


def test_nothing_is_left_out_in_another_frame_or_outside_of_an_excluded_circle():
    lon, lat = positions()
    (circle,) = circles("icrs", [(83.6, 22.0)], 1.0)
    assert Circles.of(circle).may_hold("galactic", lon, lat) is None
    circle.meta["include"] = False
    assert Circles.of(circle) is None
