import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.coordinates import angular_separation as astropy_separation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import (
    angular_separation,
    fov_lonlat,
    fov_matrix,
    frame_matrix,
    lonlat,
    rotate,
    separation_of_vectors,
    unit_vectors,
)

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LON, LAT = st.floats(0, 2 * np.pi), st.floats(-np.pi / 2, np.pi / 2)

# Of Gammapy 2.1, in deg: pointing, direction, and the latter's fov_lon and fov_lat in
# FoVICRSFrame(origin=SkyCoord(*pointing, unit="deg")), gammapy.utils.coordinates.
GAMMAPY_FOV = [
    ((83.63, 22.01), (84.63, 22.01), (-0.9271118489185877, 0.0030320374003723447)),
    ((83.63, 22.01), (83.63, 23.01), (0.0, 1.0)),
    ((83.63, 22.01), (81.63, 20.51), (1.873807268858599, -1.4877444401299198)),
    ((83.63, 22.01), (263.63, -19.01), (-180.0, 3.0)),
    ((0.5, -60.0), (1.5, -60.0), (-0.4999809621361536, -0.003778652756480381)),
    ((0.5, -60.0), (-1.5, -61.5), (0.9545012712389082, -1.514428031506133)),
    ((266.4, -29.0), (267.4, -29.0), (-0.8746092712797654, -0.0037002139453077222)),
    ((266.4, -29.0), (264.4, -30.5), (1.7237705595443324, -1.5145849579745676)),
    ((120.0, 89.0), (121.0, 89.0), (-0.01745152066949413, 0.00015227391568740245)),
    ((120.0, 89.0), (120.0, 90.0), (0.0, 1.0)),
    ((120.0, 89.0), (118.0, 87.5), (0.08725093126553114, -1.4984772613445416)),
]


def whole_sky(n=500):
    rng = np.random.default_rng(7)
    lon, lat = rng.uniform(0, 360, n), np.rad2deg(np.arcsin(rng.uniform(-1, 1, n)))
    lon[:4], lat[:4] = [0.0, 0.0, 359.999999, 180.0], [90.0, -90.0, 0.0, 0.0]
    return lon, lat


@FEW
@given(lon=LON, lat=LAT)
def test_unit_vector_leads_back_to_its_direction(backend, read, lon, lat):
    vectors = unit_vectors(backend.array([lon]), backend.array([lat]))
    assert_allclose(np.linalg.norm(read(vectors), axis=0), 1, rtol=1e-15)
    lon_back, lat_back = lonlat(vectors)
    assert_allclose(read(lat_back), [lat], atol=1e-15, rtol=0)
    turn = (read(lon_back) - lon) * np.cos(lat)
    assert_allclose(np.abs(np.sin(turn / 2)), 0, atol=1e-15)
    assert 0 <= read(lon_back)[0] <= 2 * np.pi


def test_row_and_column_of_directions_make_a_grid(backend, read):
    vectors = unit_vectors(backend.array([[0.0, 1.0, 2.0]]), backend.array([[0.0], [0.5]]))
    assert vectors.shape == (3, 2, 3)
    assert_allclose(read(vectors)[:, 1, 2], [np.cos(0.5) * np.cos(2), np.cos(0.5) * np.sin(2), np.sin(0.5)])


@FEW
@given(lon1=LON, lat1=LAT, lon2=LON, lat2=LAT)
def test_separation_is_that_of_astropy_and_symmetric(backend, read, lon1, lat1, lon2, lat2):
    first, second = (backend.array([lon1]), backend.array([lat1])), (backend.array([lon2]), backend.array([lat2]))
    separation = read(angular_separation(*first, *second))
    assert_allclose(separation, astropy_separation(lon1, lat1, lon2, lat2), atol=1e-14)
    assert_allclose(separation, read(angular_separation(*second, *first)), atol=1e-14)
    vectors = read(separation_of_vectors(unit_vectors(*first), unit_vectors(*second)))
    assert_allclose(separation, vectors, atol=1e-14)


def test_separation_from_a_point_given_as_numbers(backend, read):
    lon, lat = backend.array([[0.1, 0.2]]), backend.array([[0.3], [0.4]])
    separation = read(angular_separation(0.1, 0.3, lon, lat))
    assert separation.shape == (2, 2)
    assert_allclose(separation[:, 0], [0, 0.1], atol=1e-15)
    assert_allclose(separation, read(angular_separation(lon, lat, 0.1, 0.3)), atol=1e-15)


@pytest.mark.parametrize("angle", [1e-9, 1e-3, np.pi / 2, np.pi - 1e-7, np.pi])
def test_small_and_opposite_separations_keep_their_digits(backend, read, angle):
    v = unit_vectors(backend.array([[0.0]]), backend.array([[angle if angle < 1 else 0.0]]))
    w = np.array([1.0, 0.0, 0.0]) if angle < 1 else np.array([np.cos(angle), np.sin(angle), 0.0])
    assert_allclose(read(separation_of_vectors(v, w)), [[angle]], rtol=1e-9)


@pytest.mark.parametrize("frame", ["galactic", "fk5"])
def test_sky_frames_are_those_of_astropy(backend, read, frame):
    lon, lat = whole_sky()
    expected = SkyCoord(lon, lat, unit="deg").transform_to(frame).data
    vectors = unit_vectors(backend.array(np.deg2rad(lon)), backend.array(np.deg2rad(lat)))
    there = rotate(frame_matrix("icrs", frame), vectors)
    off = read(angular_separation(*lonlat(there), backend.array(expected.lon.rad), backend.array(expected.lat.rad)))
    assert_allclose(np.rad2deg(off), 0, atol=1e-11)
    assert_allclose(read(rotate(frame_matrix(frame, "icrs"), there)), read(vectors), atol=1e-14)


def test_frames_chain_and_unknown_ones_are_named():
    assert_array_equal(frame_matrix("galactic", "galactic"), np.eye(3))
    chain = frame_matrix("icrs", "fk5") @ frame_matrix("galactic", "icrs")
    assert_allclose(frame_matrix("galactic", "fk5"), chain, atol=1e-15)
    with pytest.raises(ValueError, match="'altaz', expected one of 'icrs', 'galactic', 'fk5'"):
        frame_matrix("altaz", "icrs")


@pytest.mark.parametrize(("pointing", "direction", "expected"), GAMMAPY_FOV)
def test_field_of_view_coordinates_are_those_of_gammapy(backend, read, pointing, direction, expected):
    vectors = unit_vectors(*(backend.array([v]) for v in np.deg2rad(direction)))
    fov_lon, fov_lat = read(fov_lonlat(rotate(fov_matrix(*np.deg2rad(pointing)), vectors)))
    assert_allclose(np.rad2deg(fov_lat), expected[1], atol=1e-12)
    turn = np.deg2rad(np.rad2deg(fov_lon) - expected[0])
    assert_allclose(np.sin(turn / 2) * np.cos(fov_lat), 0, atol=1e-14)


def test_pointing_is_the_centre_of_its_field_of_view(backend, read):
    lon, lat = np.deg2rad(whole_sky(50))
    for lon0, lat0 in zip(lon, lat, strict=True):
        vectors = unit_vectors(backend.array([lon0]), backend.array([lat0]))
        assert_allclose(read(rotate(fov_matrix(lon0, lat0), vectors))[:, 0], [1, 0, 0], atol=1e-15)


def test_field_of_view_is_astropys_offset_frame_mirrored(backend, read):
    origin = SkyCoord(266.4, -29.0, unit="deg")
    sky = SkyCoord(*whole_sky(), unit="deg")
    expected = sky.transform_to(origin.skyoffset_frame())
    vectors = unit_vectors(backend.array(sky.ra.rad), backend.array(sky.dec.rad))
    fov_lon, fov_lat = read(fov_lonlat(rotate(fov_matrix(origin.ra.rad, origin.dec.rad), vectors)))
    off = astropy_separation(-fov_lon, fov_lat, expected.lon.rad, expected.lat.rad)
    assert_allclose((off * u.rad).to_value("deg"), 0, atol=1e-11)
