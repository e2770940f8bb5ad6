"""Maps of regions go both ways between the packages."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    EllipseAnnulusSkyRegion,
    EllipseSkyRegion,
    PointSkyRegion,
    PolygonSkyRegion,
    RectangleSkyRegion,
)

pytestmark = pytest.mark.peer

CRAB = SkyCoord(83.63, 22.01, unit="deg")
NEAR = SkyCoord(84.5, 22.4, unit="deg")
CIRCLE = CircleSkyRegion(CRAB, 0.5 * u.deg)
REGIONS = {
    "circle": CIRCLE,
    "ellipse": EllipseSkyRegion(CRAB.galactic, 1 * u.deg, 0.5 * u.deg, 30 * u.deg),
    "rectangle": RectangleSkyRegion(CRAB, 1 * u.deg, 0.5 * u.deg, 30 * u.deg),
    "annulus": CircleAnnulusSkyRegion(CRAB, 0.3 * u.deg, 0.5 * u.deg),
    "ellipse annulus": EllipseAnnulusSkyRegion(CRAB, 0.3 * u.deg, 0.5 * u.deg, 0.4 * u.deg, 0.8 * u.deg, 20 * u.deg),
    "point": PointSkyRegion(CRAB),
    "union": CIRCLE | RectangleSkyRegion(NEAR, 0.3 * u.deg, 0.2 * u.deg, 10 * u.deg),
    "union with a point": CIRCLE | PointSkyRegion(NEAR),
    "none": None,
}
POLYGON = PolygonSkyRegion(SkyCoord([83, 84, 84.2, 83.1], [21.8, 21.7, 22.4, 22.5], unit="deg"))
DIRECTIONS = (("lightpool", "gammapy"), ("gammapy", "lightpool"))
RNG = np.random.default_rng(1)
PLACES = SkyCoord(RNG.uniform(82.5, 85, 300), RNG.uniform(21, 23, 300), unit="deg")


def written(package, region, path, dtype):
    maps = import_module(f"{package}.maps")
    axes = [
        maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3),
        maps.MapAxis.from_energy_bounds("1 TeV", "20 TeV", nbin=2, name="energy_true"),
    ]
    m = maps.RegionNDMap.create(region, axes=axes, unit="" if dtype is bool else "cm2 s", dtype=dtype)
    m.data = (np.arange(6.0) % 4).astype(dtype).reshape(m.data.shape)
    m.write(path)
    return m


@pytest.mark.parametrize("dtype", [float, bool])
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("direction", DIRECTIONS, ids="-".join)
def test_maps_of_regions_are_those_of_gammapy(direction, region, dtype, tmp_path):
    writer, reader = direction
    m = written(writer, REGIONS[region], tmp_path / "map.fits", dtype)
    found = import_module(f"{reader}.maps").RegionNDMap.read(tmp_path / "map.fits")
    assert_array_equal(found.data, m.data)
    assert (found.unit, found.data.dtype.kind) == (m.unit, m.data.dtype.kind)
    assert found.geom.axes.names == m.geom.axes.names
    for one, other in zip(found.geom.axes, m.geom.axes, strict=True):
        assert_allclose(one.edges.to_value("TeV"), other.edges.to_value("TeV"), rtol=1e-12)
    assert type(found.geom.region) is type(m.geom.region)
    if m.geom.region is not None:
        assert_array_equal(found.geom.contains(PLACES), m.geom.contains(PLACES))


def test_gammapy_reads_a_polygon(tmp_path):
    m = written("lightpool", POLYGON, tmp_path / "map.fits", float)
    found = import_module("gammapy.maps").RegionNDMap.read(tmp_path / "map.fits")
    assert_array_equal(found.geom.contains(PLACES), m.geom.contains(PLACES))
    assert_allclose(found.geom.region.vertices.separation(POLYGON.vertices).deg, 0, atol=1e-9)
