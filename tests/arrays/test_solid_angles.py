import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import angular_separation, unit_vectors
from lightpool.arrays.kernels.solid_angles import solid_angles


def reference(lon, lat):
    """Two triangles of each pixel, from sides and position angles, one pixel after the other."""

    def side(a, b):
        return angular_separation(lon[a], lat[a], lon[b], lat[b])

    def bearing(a, b):
        east = math.cos(lat[b]) * math.sin(lon[b] - lon[a])
        north = math.cos(lat[a]) * math.sin(lat[b]) - math.sin(lat[a]) * math.cos(lat[b]) * math.cos(lon[b] - lon[a])
        return math.atan2(east, north)

    area = np.zeros((lon.shape[0] - 1, lon.shape[1] - 1))
    for y, x in np.ndindex(*area.shape):
        here, right, up, both = (y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)
        first = side(here, up) * side(up, both) * math.sin(bearing(up, both) - bearing(up, here))
        second = side(right, both) * side(here, right) * math.sin(bearing(right, both) - bearing(here, right))
        area[y, x] = 0.5 * abs(first + second)
    return area


def by_angles(lon, lat):
    """True areas: the sum of the angles of two spherical triangles for each pixel, above pi."""
    corners = np.moveaxis(unit_vectors(lon, lat), 0, -1)

    def angle(at, one, other):
        a, b = np.cross(at, one), np.cross(at, other)
        return math.atan2(np.linalg.norm(np.cross(a, b)), a @ b)

    def excess(a, b, c):
        return angle(a, b, c) + angle(b, c, a) + angle(c, a, b) - math.pi

    area = np.zeros((lon.shape[0] - 1, lon.shape[1] - 1))
    for y, x in np.ndindex(*area.shape):
        here, right, up, both = corners[y, x], corners[y, x + 1], corners[y + 1, x], corners[y + 1, x + 1]
        area[y, x] = excess(here, right, both) + excess(here, both, up)
    return area


def grid(size, n_y):
    lon, lat = np.meshgrid(size * np.linspace(0.2, 1.9, 9), size * np.linspace(-1.2, 1.3, n_y + 1))
    return lon + 0.1 * np.sin(7 * lat), lat + 0.05 * np.cos(5 * lon)


@pytest.mark.parametrize("size", [1e-3, 1e-4])
@pytest.mark.parametrize("n_y", [3, 7])
def test_solid_angles_of_small_pixels_are_those_of_two_plane_triangles(backend, read, n_y, size):
    lon, lat = grid(size, n_y)
    area = read(solid_angles(unit_vectors(backend.array(lon), backend.array(lat))))
    assert_allclose(area, reference(lon, lat), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 0.5, 0.2])
@pytest.mark.parametrize("n_y", [1, 7])
def test_solid_angles_of_large_pixels_are_those_of_two_spherical_triangles(backend, read, n_y, size):
    lon, lat = grid(size, n_y)
    area = read(solid_angles(unit_vectors(backend.array(lon), backend.array(lat))))
    assert_allclose(area, by_angles(lon, lat), rtol=1e-10)


@pytest.mark.parametrize("distance", [0.0, 0.01, 0.3, 3.0, 30.0, 60.0, 90.0])
@pytest.mark.parametrize("pixel", [0.01, 0.1, 1.0])
def test_pixels_of_one_size_cover_as_much_sky_wherever_the_pole_is(backend, read, distance, pixel):
    edges = np.deg2rad(pixel) * np.arange(-4.0, 5)
    x, y = np.meshgrid(edges, edges)
    vectors = np.stack([x, y, np.ones_like(x)]) / np.sqrt(1 + x**2 + y**2)  # gnomonic about the z axis
    cos, sin = math.cos(math.radians(distance)), math.sin(math.radians(distance))
    vectors = np.stack([cos * vectors[0] + sin * vectors[2], vectors[1], cos * vectors[2] - sin * vectors[0]])
    area = read(solid_angles(backend.array(vectors)))
    x, y = x[:-1, :-1] + np.deg2rad(pixel) / 2, y[:-1, :-1] + np.deg2rad(pixel) / 2
    flat = np.deg2rad(pixel) ** 2 / (1 + x**2 + y**2) ** 1.5  # right to the square of the size of a pixel
    assert_allclose(area, flat, rtol=2e-6 + np.deg2rad(pixel) ** 2)


@pytest.mark.parametrize("n_x", [36, 7])
def test_pixels_around_the_whole_sphere_add_up_to_it(backend, read, n_x):
    lon, lat = np.meshgrid(np.linspace(0, 2 * np.pi, n_x + 1), np.linspace(-np.pi / 2, np.pi / 2, 19))
    area = read(solid_angles(unit_vectors(backend.array(lon), backend.array(lat))))
    assert_allclose(area.sum(), 4 * np.pi, rtol=1e-12)


def test_pixels_at_a_pole_and_at_the_border_of_the_sky(backend, read):
    lon, lat = np.meshgrid(np.deg2rad(np.arange(0, 70, 10.0)), np.deg2rad([70.0, 80.0, 90.0]))
    corners = unit_vectors(lon, lat)
    corners[:, 2] = [[0], [0], [1]]  # a step of no length from one corner there to the next
    corners[:, 0, 0] = np.nan
    area = read(solid_angles(backend.array(corners)))
    assert_array_equal(np.isnan(area), np.arange(12).reshape(2, 6) == 0)
    assert_allclose(area[0, 1:], area[0, 1], rtol=1e-12)
    assert (area[1] >= 0).all()
    assert (area[1] <= area[0, 1]).all()


def test_bits_of_a_solid_angle_do_not_depend_on_the_pixels_beside_it():
    lon, lat = np.meshgrid(0.2 + 5 * np.linspace(0, 1, 301) ** 4, np.linspace(-0.3, 0.3, 101))
    corners = unit_vectors(lon, lat)
    whole = solid_angles(corners)
    assert_array_equal(solid_angles(corners[:, 30:61, 20:52]), whole[30:60, 20:51])


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
def test_no_pixels_have_no_solid_angles(backend, read, shape):
    corners = np.ones((3, shape[0] + 1, shape[1] + 1)) / math.sqrt(3)
    assert read(solid_angles(backend.array(corners))).shape == shape
