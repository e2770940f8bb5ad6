"""Outlines of regions on the sky."""

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose
from regions import CircleSkyRegion, PointSkyRegion, RectangleSkyRegion

from lightpool.errors import GeometryError
from lightpool.maps import Map, RegionGeom, RegionNDMap, WcsGeom

CENTER = SkyCoord(83.63, 22.01, unit="deg")
CIRCLE = CircleSkyRegion(CENTER, 0.2 * u.deg)


@pytest.fixture(autouse=True)
def figure():
    plt.switch_backend("agg")
    yield plt.figure()
    plt.close("all")


def test_a_region_is_drawn_where_it_is(figure):
    geom = WcsGeom.create(skydir=CENTER, npix=(101, 101), binsz=0.02)
    ax = Map.from_geom(geom).plot()
    found = RegionGeom.create(CIRCLE).plot_region(ax, color="crimson")
    assert found is ax
    (circle,) = ax.patches
    assert_allclose(circle.center, (50, 50), atol=1e-6)
    assert_allclose(circle.radius, 10, rtol=1e-3)
    assert circle.get_edgecolor()[0] > 0.8
    assert circle.get_facecolor()[3] == 0


def test_each_part_of_a_union_is_drawn_and_points_are_markers(figure):
    parts = [CIRCLE, RectangleSkyRegion(CENTER, 0.2 * u.deg, 0.3 * u.deg), PointSkyRegion(CENTER)]
    ax = RegionNDMap.create(parts).plot_region(edgecolor="green", linewidth=2)
    assert hasattr(ax, "wcs")
    assert len(ax.patches) == 2
    (line,) = ax.lines
    assert line.get_marker() == "*"
    assert line.get_markeredgecolor() == "green"


def test_each_part_of_an_intersection_is_drawn(figure):
    other = CircleSkyRegion(SkyCoord(83.8, 22.01, unit="deg"), 0.2 * u.deg)
    assert len(RegionGeom.create(CIRCLE & other).plot_region().patches) == 2


def test_the_current_axes_are_taken_if_they_show_the_sky(figure):
    ax = Map.from_geom(WcsGeom.create(skydir=CENTER, width=2)).plot()
    assert RegionGeom.create(CIRCLE).plot_region() is ax


def test_an_unknown_region_cannot_be_drawn(figure):
    with pytest.raises(GeometryError, match="no region"):
        RegionGeom.create(None).plot_region()
