import numpy as np
import pytest

from lightpool.arrays import array_namespace, to_host
from lightpool.stats.roots import find_root


def test_each_element_finds_its_own_root(backend):
    target = backend.array([0.1, 1.0, 7.0, 1e6])
    root = find_root(lambda x: x**3 - target, backend.array(np.zeros(4)), backend.array(np.full(4, 1e3)))
    np.testing.assert_allclose(to_host(root), np.cbrt(to_host(target)), rtol=1e-14)


def test_a_root_on_a_bound_is_found(backend):
    lower, upper = backend.array([2.0, -1.0]), backend.array([5.0, 2.0])
    np.testing.assert_allclose(to_host(find_root(lambda x: x - 2.0, lower, upper)), 2.0, rtol=1e-14)


def test_bounds_without_a_root_between_give_nan(backend):
    lower, upper = backend.array([3.0, 0.0]), backend.array([5.0, 3.0])
    root = to_host(find_root(lambda x: x - 2.0, lower, upper))
    assert np.isnan(root[0])
    assert root[1] == pytest.approx(2.0)


def test_a_function_that_is_not_defined_at_a_bound_gives_nan(backend):
    lower, upper = backend.array([-1.0]), backend.array([5.0])
    assert np.isnan(to_host(find_root(lambda x: x * np.nan, lower, upper))[0])


@pytest.mark.parametrize("power", [1, 3, 9, 21])
def test_flat_roots_are_found_by_halving(backend, power):
    root = find_root(lambda x: (x - 0.3) ** power, backend.array([-1.0]), backend.array([4.0]))
    assert to_host(root)[0] == pytest.approx(0.3, abs=1e-9 if power < 9 else 1e-2)


def test_a_step_is_found(backend):
    def step(x):
        xp = array_namespace(x)
        return xp.where(x < 0.7, xp.full_like(x, -1e9), xp.full_like(x, 1e-9))

    root = find_root(step, backend.array([0.0]), backend.array([1.0]))
    assert to_host(root)[0] == pytest.approx(0.7, abs=1e-12)
