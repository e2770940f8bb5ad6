import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lightpool.arrays import integrate_exponential, trapezoid_loglog
from lightpool.arrays.kernels.integrals import integrate_exponential_plain, trapezoid_loglog_plain

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BOTH = pytest.mark.parametrize("function", [trapezoid_loglog, trapezoid_loglog_plain])


@BOTH
def test_integrals_with_zeros_and_index_one_are_those_of_gammapy(backend, read, function):
    y = backend.array([1.0, 2.0, 0.0, 0.0, 3.0, 3.0, 1.5, 1.5 / 4 * (1 + 1e-3)])
    x = backend.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 12.0, 48.0])
    # Of Gammapy 2.1, gammapy.utils.integrate.trapz_loglog(y, x).
    gammapy = [1.5, 0.0, 0.0, 0.0, 2.999999999999999, 12.476649250079015, 24.965773071007128]
    assert_allclose(read(function(y, x)), gammapy, rtol=1e-12)


@BOTH
@FEW
@given(index=st.floats(-4, 6), low=st.floats(0.1, 10), ratio=st.floats(1.01, 10))
def test_power_law_is_integrated_exactly(backend, read, function, index, low, ratio):
    x = low * ratio ** np.arange(3.0)
    exponent = 1 - index
    bracket = np.log(ratio) if abs(exponent) < 1e-9 else np.expm1(exponent * np.log(ratio)) / exponent
    expected = x[:-1] ** exponent * bracket
    assert_allclose(read(function(backend.array(x**-index), backend.array(x))), expected, rtol=1e-9)


@BOTH
@pytest.mark.parametrize(("shape", "axis"), [((4, 7, 9), 0), ((4, 7, 9), 1), ((4, 7, 9), -1), ((3, 9000), 0)])
def test_integrals_run_along_the_chosen_axis(backend, read, function, shape, axis):
    rng = np.random.default_rng(4)
    y = rng.random(shape) * (rng.random(shape) > 0.2)
    x = np.geomspace(0.5, 20, shape[axis])
    rows = np.moveaxis(y, axis, -1).reshape(-1, shape[axis])
    slow = np.array([read(function(backend.array(row), backend.array(x))) for row in rows[:50]])
    integrals = read(function(backend.array(y), x, axis))
    assert_allclose(np.moveaxis(integrals, axis, -1).reshape(-1, shape[axis] - 1)[:50], slow, rtol=1e-12)


@BOTH
def test_points_may_differ_from_row_to_row(backend, read, function):
    x = np.array([[1.0, 2.0, 4.0], [1.0, 3.0, 9.0]])
    assert_allclose(read(function(backend.array(1 / x), backend.array(x))), [[np.log(2)] * 2, [np.log(3)] * 2])


@pytest.mark.parametrize("function", [integrate_exponential, integrate_exponential_plain])
@pytest.mark.parametrize(("dtype", "lowest", "rtol"), [("float64", -700.0, 1e-13), ("float32", -65.0, 1e-6)])
def test_small_rates_that_do_not_change_are_integrated(backend, read, function, dtype, lowest, rtol):
    """Equal exponents, and some that differ in their last digits, down to the smallest that the type holds."""
    flat = np.linspace(0.0, lowest, 60).astype(dtype)
    exponent = np.stack([flat, flat, np.nextafter(flat, flat + 1), flat])
    points = np.array([0.0, 0.5, 2.0, 5.0])
    found = read(function(backend.array(exponent, dtype=dtype), points, np.full(4, -708.0)))
    assert found.dtype == dtype
    expected = np.exp(flat.astype(np.float64)) * np.diff(points)[:, None]
    assert_allclose(found, expected, rtol=rtol + 2 * np.finfo(dtype).eps * abs(lowest))


@pytest.mark.parametrize("function", [integrate_exponential, integrate_exponential_plain])
def test_exponentials_are_integrated_exactly(backend, read, function):
    points = np.array([0.0, 0.5, 2.0, 3.0, 4.0, 5.0])
    exponent = np.array([[1.0, -2.0], [1.5, -2.0], [1.5, -1.9999], [-40.0, 3.0], [-30.0, 5.0], [2.0, 0.0]])
    found = read(function(backend.array(exponent), points, np.array([-35.0] * 6)))
    u1, u2, width = exponent[:-1], exponent[1:], np.diff(points)[:, None]
    share = np.linspace(0, 1, 100_001)[:, None, None]
    expected = np.trapezoid(np.exp(u1 + (u2 - u1) * share), share, axis=0) * width
    expected[2:4, 0] = 0  # beside an exponent below the floor
    assert_allclose(found, expected, rtol=1e-7)


def test_without_points_or_intervals_there_is_nothing_to_integrate(backend, read):
    assert read(trapezoid_loglog(backend.array(np.ones((0, 3))), np.array([1.0, 2.0, 3.0]))).shape == (0, 2)
    assert read(trapezoid_loglog(backend.array(np.ones((2, 1))), np.array([1.0]))).shape == (2, 0)
