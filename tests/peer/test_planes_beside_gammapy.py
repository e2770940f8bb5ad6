"""Maps whose pixels differ by plane have the numbers of Gammapy, and go both ways between the packages."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.gammapy import from_gammapy

pytestmark = pytest.mark.peer

GEOMS = {
    "sizes": {"npix": 10, "binsz": [0.1, 0.2, 0.3], "proj": "TAN"},
    "numbers": {"npix": ([12, 8, 6], [10, 8, 4]), "binsz": 0.5, "proj": "CAR"},
    "all sky": {"binsz": [10.0, 20.0, 30.0], "proj": "AIT"},
    "widths": {"width": ([2.0, 3.0, 5.0], [2.0, 3.0, 5.0]), "binsz": ([0.1, 0.2, 0.4], 0.2), "proj": "TAN"},
}


def made(package, kind):
    maps = import_module(f"{package}.maps")
    axis = maps.MapAxis.from_energy_bounds("1 TeV", "8 TeV", nbin=3)
    geom = maps.WcsGeom.create(skydir=(110.0, 75.0), frame="galactic", axes=[axis], **GEOMS[kind])
    return maps.WcsNDMap(geom, dtype="float64")


@pytest.fixture(params=GEOMS)
def pair(request):
    return made("lightpool", request.param), made("gammapy", request.param)


def test_coordinates_indices_and_areas_are_those_of_gammapy(pair):
    mine, its = (m.geom for m in pair)
    assert mine.data_shape == its.data_shape
    for a, b in zip(mine.npix, its.npix, strict=True):
        assert_array_equal(a, b)
    assert_allclose(mine.width.to_value("deg"), its.width.to_value("deg"))
    for mode in ("center", "edges"):
        for name in ("lon", "lat", "energy"):
            assert_allclose(mine.get_coord(mode=mode)[name].value, its.get_coord(mode=mode)[name].value, rtol=1e-12)
    places = {name: its.get_coord()[name] for name in its.axes_names}
    assert_array_equal(mine.contains(places), its.contains(places))
    inside = its.contains(places)
    for a, b in zip(mine.coord_to_idx(places), its.coord_to_idx(places), strict=True):
        assert_array_equal(np.broadcast_to(a, inside.shape)[inside], np.broadcast_to(b, inside.shape)[inside])
    if not its.is_allsky:  # large pixels near a pole are not the same
        assert_allclose(mine.solid_angle()[inside], its.solid_angle()[inside], rtol=1e-3)


def test_fills_and_interpolations_are_those_of_gammapy(pair):
    rng = np.random.default_rng(1)
    places = {"lon": rng.normal(110, 2, 500), "lat": rng.normal(75, 0.5, 500), "energy": rng.uniform(1, 8, 500) * u.TeV}
    for m in pair:
        m.fill_by_coord(places)
    mine, its = pair
    assert its.data[np.isfinite(its.data)].sum() > 50
    assert_array_equal(mine.data, its.data)
    few = {name: values[:20] for name, values in places.items()}
    for method in ("nearest", "linear"):
        assert_allclose(mine.interp_by_coord(few, method=method), its.interp_by_coord(_tuple(few, its), method=method))


def _tuple(places, m):
    """For Gammapy, which cannot interpolate at coordinates in a dictionary here."""
    return tuple(u.Quantity(places[name], unit) for name, unit in (("lon", "deg"), ("lat", "deg"), ("energy", "TeV")))


@pytest.mark.parametrize(("writer", "reader"), [("lightpool", "gammapy"), ("gammapy", "lightpool")])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", GEOMS)
def test_files_are_read_by_both(tmp_path, writer, reader, sparse, kind):
    written, other = made(writer, kind), made(reader, kind)
    for m in (written, other):
        m.fill_by_coord(m.geom.get_coord(), m.geom.get_coord().lat.value)
    written.write(tmp_path / "map.fits", sparse=sparse)
    read = import_module(f"{reader}.maps").Map.read(tmp_path / "map.fits")
    assert_allclose(read.data, other.data, rtol=1e-6)
    assert_allclose(read.geom.get_coord().lon.value, other.geom.get_coord().lon.value, rtol=1e-5)


def test_geometries_are_converted_in_memory(pair):
    mine, its = pair
    converted = from_gammapy(its)
    assert converted.geom == mine.geom
    back = mine.to_gammapy()
    assert not back.geom.is_regular
    assert_allclose(back.geom.get_coord().lat.value, its.geom.get_coord().lat.value)
