import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.errors import DeviceError
from lightpool.maps import MapCoord

CRAB = SkyCoord(83.63, 22.01, unit="deg")


@pytest.fixture
def cube():
    """Sky coordinates and energies that meet only by broadcasting."""
    lon, lat = np.array([[1.0, 2.0, np.nan]]), np.array([[5.0], [6.0]])
    return MapCoord({"lon": lon, "lat": lat, "energy": np.array([1, 2, 3, 4])[:, None, None] * u.TeV}, frame="icrs")


@pytest.mark.parametrize(
    "data",
    [
        (83.63, 22.01, 3.0),
        [83.63, 22.01, 3.0],
        (CRAB, 3.0),
        {"lon": 83.63, "lat": 22.01, "axis0": 3.0},
        {"skycoord": CRAB, "axis0": 3.0},
        MapCoord({"lon": 83.63, "lat": 22.01, "axis0": 3.0}, frame="icrs"),
    ],
)
def test_the_same_point_written_in_many_ways(data):
    coords = MapCoord.create(data, frame="icrs")
    assert coords.axis_names == ["lon", "lat", "axis0"]
    assert_allclose([coords.lon, coords.lat, coords["axis0"]], [[83.63], [22.01], [3]])
    assert coords.frame == "icrs"
    assert coords.match_by_name is not isinstance(data, tuple | list)


def test_sky_coordinates_are_brought_to_the_frame():
    coords = MapCoord.create({"skycoord": CRAB, "energy": 1 * u.TeV}, frame="galactic")
    assert_allclose([coords.lon[0], coords.lat[0]], [CRAB.galactic.l.deg, CRAB.galactic.b.deg])
    back = coords.to_frame("icrs")
    assert_allclose([back.lon[0], back.lat[0]], [83.63, 22.01])
    assert back["energy"] == 1 * u.TeV
    assert MapCoord.create(CRAB).frame == "icrs"
    assert_allclose(coords.skycoord.icrs.separation(CRAB).deg, 0, atol=1e-10)


def test_quantities_stay_quantities():
    coords = MapCoord({"lon": 1 * u.rad, "lat": 0.5 * u.rad}, frame="icrs")
    assert_allclose(coords.phi, 1)
    assert_allclose(coords.theta, np.pi / 2 - 0.5)
    assert coords.to_frame("galactic").lon.unit == "deg"
    assert MapCoord({"lon": 180, "lat": 90}).phi == pytest.approx(np.pi)


def test_coordinates_broadcast(cube):
    assert cube.shape == (4, 2, 3)
    assert cube.size == 24
    assert cube.ndim == 3
    assert cube.broadcasted["energy"].shape == (4, 2, 3)
    assert cube.broadcasted["energy"].unit == "TeV"
    assert [values.shape for values in cube] == [(1, 3), (2, 1), (4, 1, 1)]
    assert cube[1] is cube.lat


def test_flat_leaves_out_points_off_the_sky(cube):
    flat = cube.flat
    assert flat.shape == (16,)
    assert np.all(np.isfinite(flat.lon))
    assert_array_equal(np.unique(flat["energy"].value), [1, 2, 3, 4])


def test_a_mask_selects_points(cube):
    mask = np.zeros((4, 2, 3), dtype=bool)
    mask[2, 1, 0] = True
    point = cube.apply_mask(mask)
    assert [point.lon[0], point.lat[0], point["energy"][0]] == [1, 6, 3 * u.TeV]


def test_copies_are_independent(cube):
    twin = cube.copy()
    twin["energy"] = 9 * u.TeV
    assert cube["energy"].shape == (4, 1, 1)
    assert twin.frame == "icrs"


def test_the_text_of_coordinates_names_axes_shape_and_frame(cube):
    assert str(cube) == (
        "MapCoord\n\n\taxes     : ['lon', 'lat', 'energy']\n\tshape    : (3, 2, 4)\n\tndim     : 3\n\tframe : icrs\n"
    )
    assert "MapCoord" in cube._repr_html_()


def test_what_is_no_coordinate():
    with pytest.raises(ValueError, match="need the names 'lon' and 'lat'"):
        MapCoord({"energy": 1})
    with pytest.raises(ValueError, match="or 'skycoord'"):
        MapCoord.create({"energy": 1})
    with pytest.raises(ValueError, match="begins with lon and lat"):
        MapCoord.create((1.0,))
    with pytest.raises(TypeError, match="got str"):
        MapCoord.create("crab")


def test_coordinates_live_on_the_host(backend):
    lon = backend.array([1.0])
    if backend.device.is_host:
        assert MapCoord({"lon": lon, "lat": lon}).shape == (1,)
        return
    with pytest.raises(DeviceError, match="lives on the host"):
        MapCoord({"lon": lon, "lat": lon})
