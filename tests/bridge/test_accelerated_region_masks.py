"""Masks of regions are those of Gammapy, for one bin or for many."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.maps import MapAxis, WcsGeom
from regions import CircleSkyRegion, EllipseSkyRegion, PointSkyRegion

from lightpool.gammapy import accelerated

CENTER = SkyCoord(83.63, 22.01, unit="deg")
AREAS = [
    CircleSkyRegion(CENTER, 0.5 * u.deg),
    EllipseSkyRegion(CENTER.directional_offset_by(1 * u.rad, 1 * u.deg), 1 * u.deg, 0.4 * u.deg, 20 * u.deg),
]
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
GEOMS = {
    "axes": WcsGeom.create(skydir=CENTER, width=(4, 3), binsz=0.1, axes=[ENERGY]),
    "image": WcsGeom.create(skydir=CENTER, width=(4, 3), binsz=0.1),
    "all sky": WcsGeom.create(skydir=CENTER, binsz=3, proj="AIT", axes=[ENERGY]),
}


@pytest.mark.parametrize("name", GEOMS)
@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("regions", [AREAS, AREAS[:1], AREAS[0] | AREAS[1], [*AREAS, PointSkyRegion(CENTER)]])
def test_a_mask_is_that_of_gammapy(name, inside, regions):
    geom = GEOMS[name]
    try:
        plain = geom.region_mask(regions, inside=inside)
    except (AttributeError, TypeError) as error:  # points, or a region without a list, in some versions
        with accelerated(), pytest.raises(type(error)):
            geom.region_mask(regions, inside=inside)
        return
    with accelerated():
        ours = geom.region_mask(regions, inside=inside)
    assert type(ours) is type(plain)
    assert ours.geom == plain.geom
    assert (ours.unit, ours.meta, ours.data.dtype) == (plain.unit, plain.meta, plain.data.dtype)
    assert ours.data.flags.writeable
    np.testing.assert_array_equal(ours.data, plain.data)


def test_errors_are_those_of_gammapy():
    with accelerated(), pytest.raises(TypeError, match="unexpected keyword"):
        GEOMS["axes"].region_mask(AREAS, outside=True)
