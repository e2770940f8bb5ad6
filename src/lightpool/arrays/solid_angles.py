"""Solid angles of pixels."""

from array_api_compat import is_cupy_namespace

from lightpool.arrays.cuda import directions as cuda_directions
from lightpool.arrays.devices import array_namespace
from lightpool.arrays.sphere import separation_of_vectors
from lightpool.arrays.typing import Array, Namespace

__all__ = ["solid_angles", "solid_angles_plain"]


def solid_angles(corners: Array, *, xp: Namespace | None = None) -> Array:
    """Solid angle of pixels from the directions of their corners, two plane triangles each.

    Parameters
    ----------
    corners : array, shape (3, ny + 1, nx + 1)
        Unit vectors; NaN where a corner does not project.

    Returns
    -------
    solid_angle : array, shape (ny, nx), unit sr
        NaN where a corner does not project.

    Notes
    -----
    As in Gammapy: sides are arcs, angles are differences of position angles, of which one pair is taken at
    neighbouring corners. It is exact to the square of the turn of north across a pixel: that is 1e-8 for pixels of
    0.02 deg at a declination of 22 deg, but a factor of two for the pixels around a pole.
    """
    xp = array_namespace(corners) if xp is None else xp
    if is_cupy_namespace(xp):
        return cuda_directions.solid_angles(corners)
    return solid_angles_plain(corners, xp=xp)


def solid_angles_plain(corners: Array, *, xp: Namespace | None = None) -> Array:
    """Plain twin of `solid_angles`, in the array API standard alone."""
    xp = array_namespace(corners) if xp is None else xp
    along_x = separation_of_vectors(corners[:, :, 1:], corners[:, :, :-1])
    along_y = separation_of_vectors(corners[:, 1:, :], corners[:, :-1, :])
    right = _bearing(corners[:, :, :-1], corners[:, :, 1:])
    up = _bearing(corners[:, :-1, 1:], corners[:, 1:, 1:])
    down = _bearing(corners[:, 1:, :-1], corners[:, :-1, :-1])
    at_lower_right = _sine_between([_[:-1, :] for _ in right], up, xp)
    at_upper_left = _sine_between(down, [_[1:, :] for _ in right], xp)
    area = along_y[:, :-1] * along_x[1:, :] * at_upper_left + along_y[:, 1:] * along_x[:-1, :] * at_lower_right
    return 0.5 * xp.abs(area)


def _bearing(start: Array, stop: Array) -> list[Array]:
    """Sine and cosine of the position angle of steps between unit vectors, not normalised."""
    x, y, z = (start[i, ...] for i in range(3))
    x_stop, y_stop, z_stop = (stop[i, ...] for i in range(3))
    north = (x * x + y * y) * z_stop - z * (x * x_stop + y * y_stop)
    return [x * y_stop - y * x_stop, north]


def _sine_between(start: list[Array], stop: list[Array], xp: Namespace) -> Array:
    """Sine of the angle from one bearing to another; a step of no length points to the north."""
    east, north = start
    east_stop, north_stop = stop
    norm = xp.sqrt((east * east + north * north) * (east_stop * east_stop + north_stop * north_stop))
    return (east_stop * north - north_stop * east) / (norm + xp.astype(norm == 0, xp.float64))
