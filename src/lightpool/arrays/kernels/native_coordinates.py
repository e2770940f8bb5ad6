"""The formulas of the nine projections, between the plane and the native sphere, in radians.

Zenithal projections use unit vectors, which need no trigonometry; the others use native longitude ``phi`` and latitude
``theta``. Source: Calabretta & Greisen 2002, A&A 395, 1077 (CG), where each projection has a section under its code.

Below, c is the distance from the native pole, 90 deg - theta, and R the radius in the plane.
"""

import math
from collections.abc import Callable

from lightpool.arrays.devices.array_types import Array, Namespace
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.kernels.clipping import clip, sign

__all__ = [
    "angles_to_plane",
    "plane_to_angles",
    "plane_to_vector",
    "vectors_to_plane",
]

_ROUNDING = 1.0 + 1e-12  # points beyond the rim of the sky by no more than this count as on it
_SQRT2 = math.sqrt(2.0)


# --- Zenithal: radius in the plane <-> distance from the native pole -------------------------------------------------


def _tan_vector(r2: Array, xp: Namespace) -> tuple[Array, Array, Array | None]:
    z = 1.0 / xp.sqrt(1.0 + r2)  # R = tan(c)
    return z, z, None


def _sin_vector(r2: Array, xp: Namespace) -> tuple[Array, Array, Array | None]:
    # R = sin(c). There is no tolerance at the rim, as in wcslib.
    return xp.ones_like(r2), xp.sqrt(clip(1.0 - r2, 0.0)), r2 > 1


def _arc_vector(r2: Array, xp: Namespace) -> tuple[Array, Array, Array | None]:
    r = xp.sqrt(r2)  # R = c
    # At the pole the limit, 1.
    ratio = xp.where(r == 0, xp.ones_like(r), xp.sin(r) / xp.where(r == 0, xp.ones_like(r), r))
    return ratio, xp.cos(r), r > math.pi * _ROUNDING


def _zea_vector(r2: Array, xp: Namespace) -> tuple[Array, Array, Array | None]:
    return xp.sqrt(clip(1.0 - r2 / 4, 0.0)), 1.0 - r2 / 2, r2 > 4 * _ROUNDING  # R = 2 sin(c / 2)


def _stg_vector(r2: Array, xp: Namespace) -> tuple[Array, Array, Array | None]:
    ratio = 1.0 / (1.0 + r2 / 4)  # R = 2 tan(c / 2)
    return ratio, 2 * ratio - 1.0, None


# Squared radius -> (sine of the distance over the radius, cosine of the distance, where there is no sky).
_VECTORS: dict[str, Callable[[Array, Namespace], tuple[Array, Array, Array | None]]] = {
    "TAN": _tan_vector,
    "SIN": _sin_vector,
    "ARC": _arc_vector,
    "ZEA": _zea_vector,
    "STG": _stg_vector,
}

# Sine and cosine of the distance -> radius, NaN where the direction does not project.
# The distance is computed from both: the cosine alone has few digits near the pole. Directions 90 deg from it, but for
# rounding, are outside of TAN and inside of SIN. Where nothing projects, any divisor but 0 will do, such as sin + 1.
_NEAR_ZERO = 1e-15
_RADII: dict[str, Callable[[Array, Array, Namespace], Array]] = {
    "TAN": lambda sin, cos, xp: xp.where(cos > _NEAR_ZERO, sin / xp.where(cos > _NEAR_ZERO, cos, sin + 1.0), xp.nan),
    "SIN": lambda sin, cos, xp: xp.where(cos > -_NEAR_ZERO, sin, xp.nan),
    "ARC": lambda sin, cos, xp: xp.atan2(sin, cos),
    "ZEA": lambda sin, cos, xp: 2 * xp.sin(xp.atan2(sin, cos) / 2),
    "STG": lambda sin, cos, xp: xp.where(1.0 + cos > _NEAR_ZERO, 2 * xp.tan(xp.atan2(sin, cos) / 2), xp.nan),
}


def plane_to_vector(code: str, u: Array, v: Array) -> tuple[Array, Array | None]:
    """Convert points in the plane of a zenithal projection to native unit vectors.

    Parameters
    ----------
    code : str
        ``TAN``, ``SIN``, ``ARC``, ``ZEA`` or ``STG``.
    u, v : arrays of float64 that broadcast together, unit rad
        Coordinates in the plane of projection.

    Returns
    -------
    vectors : array of float64, shape (3, ...)
    invalid : array of bool or None
        Where there is no sky; None if the whole plane is sky.
    """
    xp = array_namespace(u, v)
    ratio, z, bad = _VECTORS[code](u * u + v * v, xp)
    return xp.stack([-v * ratio, u * ratio, z], axis=0), bad  # u = R sin(phi), v = -R cos(phi): CG sect. 5.1


def vectors_to_plane(code: str, vectors: Array) -> tuple[Array, Array]:
    """Project native unit vectors to the plane of a zenithal projection.

    Parameters
    ----------
    code : str
        ``TAN``, ``SIN``, ``ARC``, ``ZEA`` or ``STG``.
    vectors : array of float64, shape (3, ...)

    Returns
    -------
    u, v : arrays of float64, shape (...), unit rad; NaN where the direction does not project
    """
    xp = array_namespace(vectors)
    x, y, z = vectors[0, ...], vectors[1, ...], vectors[2, ...]
    sin = xp.hypot(x, y)
    radius = _RADII[code](sin, z, xp)
    # At the poles phi is 0; the radius is not 0 at the far one.
    at_pole = sin == 0
    sin = xp.where(at_pole, xp.ones_like(sin), sin)
    return radius * (y / sin), radius * xp.where(at_pole, -xp.ones_like(sin), -x / sin)


# --- Cylindrical and its kin: native longitude and latitude ----------------------------------------------------------


def _car_angles(u: Array, v: Array, xp: Namespace) -> tuple[Array, Array, Array]:
    return u, v, (xp.abs(u) > math.pi * _ROUNDING) | (xp.abs(v) > math.pi / 2 * _ROUNDING)


def _car_plane(phi: Array, theta: Array, xp: Namespace) -> tuple[Array, Array]:
    return phi, theta


def _sfl_angles(u: Array, v: Array, xp: Namespace) -> tuple[Array, Array, Array]:
    phi = u / xp.cos(v)
    return phi, v, (xp.abs(phi) > math.pi * _ROUNDING) | (xp.abs(v) > math.pi / 2 * _ROUNDING)


def _sfl_plane(phi: Array, theta: Array, xp: Namespace) -> tuple[Array, Array]:
    return phi * xp.cos(theta), theta


def _ait_angles(u: Array, v: Array, xp: Namespace) -> tuple[Array, Array, Array]:
    z2 = 1.0 - (u / 4) ** 2 - (v / 2) ** 2
    # The rim of the ellipse, phi = 180 deg, has z2 = 1/2.
    bad = z2 < 0.5 / _ROUNDING
    z2 = clip(z2, 0.5)
    z = xp.sqrt(z2)
    # The vector (x, y, z v) has length 1. CG's arc sine of z v would lose digits near the poles.
    x, y = 2 * z2 - 1.0, z * u / 2
    return 2 * xp.atan2(y, x), xp.atan2(z * v, xp.hypot(x, y)), bad


def _ait_plane(phi: Array, theta: Array, xp: Namespace) -> tuple[Array, Array]:
    cos = xp.cos(theta)
    gamma = xp.sqrt(2.0 / (1.0 + cos * xp.cos(phi / 2)))
    return 2 * gamma * cos * xp.sin(phi / 2), gamma * xp.sin(theta)


def _mol_angles(u: Array, v: Array, xp: Namespace) -> tuple[Array, Array, Array]:
    sin = v / _SQRT2
    cos2 = 1.0 - sin * sin
    cos = xp.sqrt(clip(cos2, 0.0))
    at_pole = cos < 1e-12
    # With t = pi - 2 gamma, CG's 2 gamma + sin(2 gamma) = pi sin(theta) is t - sin(t) = pi (1 - sin(theta)).
    # From the pole, because near it the sine of the latitude has no digits left.
    distance = _distance_from_versine(_minus_sine(2 * xp.atan2(cos, xp.abs(sin)), xp) / math.pi, xp)
    theta = sign(v) * (math.pi / 2 - distance)
    phi = xp.where(at_pole, xp.zeros_like(cos), u / xp.where(at_pole, xp.ones_like(cos), cos)) * (math.pi / 2 / _SQRT2)
    # A pole is a single point, u = 0.
    bad = (xp.abs(sin) > _ROUNDING) | (xp.abs(phi) > math.pi * _ROUNDING) | (at_pole & (xp.abs(u) > 1e-12))
    return phi, theta, bad


def _mol_plane(phi: Array, theta: Array, xp: Namespace) -> tuple[Array, Array]:
    # 1 - sin(theta), without a difference that loses digits; `half` is t / 2, which is 90 deg - gamma.
    versine = 2 * xp.sin((math.pi / 2 - xp.abs(theta)) / 2) ** 2
    half = _solve_minus_sine(math.pi * versine, xp) / 2
    return 2 * _SQRT2 / math.pi * phi * xp.sin(half), _SQRT2 * sign(theta) * xp.cos(half)


def _distance_from_versine(versine: Array, xp: Namespace) -> Array:
    """Return the angle whose cosine is 1 - versine."""
    return 2 * xp.asin(xp.sqrt(clip(versine / 2, 0.0, 1.0)))


def _minus_sine(t: Array, xp: Namespace) -> Array:
    """Compute t - sin(t), by its series where the difference would lose its digits."""
    t2 = t * t
    # The next factor would change it by less than 2e-15 of its value.
    series = t * t2 / 6 * (1.0 - t2 / 20 * (1.0 - t2 / 42 * (1.0 - t2 / 72)))
    return xp.where(t < 0.1, series, t - xp.sin(t))


def _solve_minus_sine(value: Array, xp: Namespace) -> Array:
    """Solve t - sin(t) = value for t in [0, pi].

    The inverse series is exact to rounding for small t. A fixed number of Newton steps does the rest: five are enough,
    and a number that depends on the values would make the host wait for the device.
    """
    s = xp.pow(6 * value, xp.full_like(value, 1 / 3))
    s2 = s * s
    t = s * (1.0 + s2 / 60 * (1.0 + s2 * 3 / 70 * (1.0 + s2 / 18)))
    far = s > 0.05
    for _ in range(5):
        slope = xp.where(far, 1.0 - xp.cos(t), xp.ones_like(t))  # near 0, where the series is exact, the slope vanishes
        t = t - xp.where(far, (_minus_sine(t, xp) - value) / slope, xp.zeros_like(t))
    return t


# Plane -> (phi, theta, where there is no sky), and (phi, theta) -> plane.
_ANGLES: dict[str, Callable[[Array, Array, Namespace], tuple[Array, Array, Array]]] = {
    "CAR": _car_angles,
    "AIT": _ait_angles,
    "MOL": _mol_angles,
    "SFL": _sfl_angles,
}
_PLANES: dict[str, Callable[[Array, Array, Namespace], tuple[Array, Array]]] = {
    "CAR": _car_plane,
    "AIT": _ait_plane,
    "MOL": _mol_plane,
    "SFL": _sfl_plane,
}


def plane_to_angles(code: str, u: Array, v: Array) -> tuple[Array, Array, Array]:
    """Convert points in the plane of a cylindrical or pseudo-cylindrical projection to native angles.

    Parameters
    ----------
    code : str
        ``CAR``, ``AIT``, ``MOL`` or ``SFL``.
    u, v : arrays of float64 that broadcast together, unit rad

    Returns
    -------
    phi, theta : arrays of float64 that broadcast together, unit rad
        Native longitude and latitude.
    invalid : array of bool
        Where there is no sky.
    """
    return _ANGLES[code](u, v, array_namespace(u, v))


def angles_to_plane(code: str, phi: Array, theta: Array) -> tuple[Array, Array]:
    """Project native angles to the plane of a cylindrical or pseudo-cylindrical projection.

    Parameters
    ----------
    code : str
        ``CAR``, ``AIT``, ``MOL`` or ``SFL``.
    phi : array of float64, unit rad
        Native longitude in [-pi, pi].
    theta : array of float64, unit rad
        Native latitude.

    Returns
    -------
    u, v : arrays of float64, unit rad
    """
    return _PLANES[code](phi, theta, array_namespace(phi, theta))
