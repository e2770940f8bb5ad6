"""Maps and responses of real instruments, read by one library and converted into objects of the other."""

import astropy.units as u
import gammapy.irf
import gammapy.maps
import numpy as np
import pytest
from deep_comparison import differences
from numpy.testing import assert_allclose, assert_array_equal

import lightpool.irf
import lightpool.maps
from lightpool.gammapy import from_gammapy, to_gammapy

pytestmark = pytest.mark.reference

RESPONSE_MAPS = {
    "PSFMap": "hawc/crab_events_pass4/irfs/PSFMap_Crab_fHitbin6NN.fits.gz",
    "EDispKernelMap": "hawc/crab_events_pass4/irfs/EDispKernelMap_Crab_fHitbin6NN.fits.gz",
}
MAPS = [
    "hawc/crab_events_pass4/background/BackgroundMap_Crab_fHitbin6NN.fits.gz",
    "hawc/crab_events_pass4/irfs/EffectiveAreaMap_Crab_fHitbin6NN.fits.gz",
    "fermi-3fhl-gc/fermi-3fhl-gc-counts-cube.fits.gz",
    "fermi-3fhl-gc/fermi-3fhl-gc-exposure-cube.fits.gz",
]
TABLES = {
    "cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz": None,
    "tests/hess_psf_king_023523.fits.gz": "PSFKing",
}


@pytest.mark.parametrize("name", MAPS)
def test_maps_in_files_are_the_same_by_both_ways(shared, name):
    path = shared / "data" / name
    mine, its = lightpool.maps.Map.read(path), gammapy.maps.Map.read(path)
    converted = from_gammapy(its)
    assert converted.unit == mine.unit
    assert converted.geom == mine.geom
    assert to_gammapy(mine).geom == its.geom
    assert_array_equal(np.asarray(converted.data), np.asarray(mine.data))
    assert to_gammapy(converted).geom is its.geom


@pytest.mark.parametrize("kind", RESPONSE_MAPS)
def test_response_maps_in_files_are_the_same_by_both_ways(shared, kind):
    path = shared / "data" / RESPONSE_MAPS[kind]
    mine, its = getattr(lightpool.irf, kind).read(path), getattr(gammapy.irf, kind).read(path)
    name = "psf_map" if kind == "PSFMap" else "edisp_map"
    converted, back = from_gammapy(its), to_gammapy(mine)
    assert type(converted) is type(mine)
    assert type(back) is type(its)
    assert getattr(converted, name).geom == getattr(mine, name).geom
    assert getattr(back, name).geom == getattr(its, name).geom
    assert_array_equal(getattr(converted, name).data, getattr(mine, name).data)
    assert mine.exposure_map is its.exposure_map is converted.exposure_map is back.exposure_map is None


def test_a_point_spread_function_of_fermi_without_a_region_is_converted(shared):
    path = shared / "data" / "fermi-3fhl-gc" / "fermi-3fhl-gc-psf-cube.fits.gz"
    psf = gammapy.irf.PSFMap.read(path, format="gtpsf")
    converted = from_gammapy(psf)
    assert converted.geom.region is None
    assert_array_equal(converted.psf_map.data, psf.psf_map.data)
    arguments = {"energy_true": [20, 100] * u.GeV, "fraction": 0.68}
    assert_allclose(converted.containment_radius(**arguments), psf.containment_radius(**arguments), rtol=1e-6)


@pytest.mark.parametrize("name", TABLES)
def test_tables_in_files_are_the_same_by_both_ways(shared, name):
    path = shared / "data" / name
    if TABLES[name]:
        mine = {"psf": getattr(lightpool.irf, TABLES[name]).read(path)}
        its = {"psf": getattr(gammapy.irf, TABLES[name]).read(path)}
    else:
        mine, its = (library.load_irf_dict_from_file(path) for library in (lightpool.irf, gammapy.irf))
    assert set(mine) == set(its) != set()
    for key, table in its.items():
        converted = from_gammapy(table)
        assert converted.is_allclose(mine[key])
        assert to_gammapy(mine[key]).is_allclose(table)
        again = to_gammapy(type(converted)(**_arguments(converted)))
        assert differences(list(again.axes), list(table.axes)) == []
        first, second = (_arguments(each) | {"axes": None} for each in (again, table))
        assert differences(first, second) == []


def _arguments(table):
    names = ["axes", "data", "unit", "is_pointlike", "fov_alignment", "meta", "interp_kwargs"]
    return {name: getattr(table, name) for name in names}
