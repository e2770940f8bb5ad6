"""The switch between float64 and float32."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import lightpool
from lightpool.arrays import (
    add_product,
    apply_basis,
    find_precision,
    gather_bilinear,
    hat_basis,
    integrate_exponential,
    interpolation_weights,
    precision_of,
    to_device,
    to_host,
    trapezoid_loglog,
)
from lightpool.arrays.kernels.accumulation import add_product_plain
from lightpool.arrays.kernels.integrals import integrate_exponential_plain, trapezoid_loglog_plain
from lightpool.arrays.kernels.interpolation import hat_basis_plain
from lightpool.arrays.kernels.reductions import block_sum, reduce_over, sum_over, sums_in_masks
from lightpool.maps import Map, WcsGeom

GEOM = WcsGeom.create(npix=(4, 3))


@pytest.fixture(autouse=True)
def no_setting(monkeypatch):
    monkeypatch.delenv("LIGHTPOOL_PRECISION", raising=False)
    yield
    lightpool.set_default_precision(None)


def test_new_maps_are_double_without_a_word():
    assert lightpool.get_default_precision() == "double"
    assert Map.from_geom(GEOM).data.dtype == np.float64


def test_default_precision_decides_on_new_maps():
    lightpool.set_default_precision("single")
    assert Map.from_geom(GEOM).data.dtype == Map.create(npix=(4, 3)).data.dtype == np.float32
    assert Map.from_geom(GEOM, data=0.5).data.dtype == np.float32
    assert Map.from_geom(GEOM, dtype="float64").data.dtype == np.float64
    assert Map.from_geom(GEOM, dtype=bool).data.dtype == bool
    assert Map.from_geom(GEOM, data=np.ones((3, 4))).data.dtype == np.float64, "an array stays what it is"
    lightpool.set_default_precision(None)
    assert Map.from_geom(GEOM).data.dtype == np.float64


def test_environment_decides_where_nothing_is_set(monkeypatch):
    monkeypatch.setenv("LIGHTPOOL_PRECISION", "single")
    assert lightpool.get_default_precision() == "single"
    lightpool.set_default_precision("double")
    assert lightpool.get_default_precision() == "double"


def test_block_decides_inside_only():
    with lightpool.use_precision("single") as precision:
        assert precision == lightpool.get_default_precision() == "single"
        with lightpool.use_precision("double"):
            assert Map.from_geom(GEOM).data.dtype == np.float64
        assert Map.from_geom(GEOM).data.dtype == np.float32
    assert lightpool.get_default_precision() == "double"


@pytest.mark.parametrize("name", ["half", "float32", 32, ""])
def test_unknown_precision_is_refused_with_the_two_that_there_are(name):
    with pytest.raises(ValueError, match=r"precision must be 'double' \(float64\) or 'single' \(float32\), got"):
        find_precision(name)


def test_unknown_precision_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("LIGHTPOOL_PRECISION", "quadruple")
    with pytest.raises(ValueError, match="quadruple"):
        Map.from_geom(GEOM)


def test_precision_of_arrays_is_single_if_all_are(backend):
    single, double, mask = (backend.array([0, 1], dtype) for dtype in ("float32", "float64", "bool"))
    assert precision_of(single) == precision_of(single, mask) == "single"
    assert precision_of(double) == precision_of(single, double) == "double"
    assert precision_of(mask) == "double"
    with lightpool.use_precision("single"):
        assert precision_of(mask) == precision_of() == "single"


def test_map_changes_its_precision_where_it_is(backend):
    m = Map.from_geom(GEOM, data=backend.array(np.linspace(0, 1, 12).reshape(3, 4)), unit="s", meta={"n": 1})
    single = m.to(precision="single")
    assert single.precision == "single"
    assert (single.device, single.unit, single.meta) == (m.device, m.unit, m.meta)
    assert_array_equal(single.to("cpu").data, m.to("cpu").data.astype(np.float32))
    assert m.to(precision="double") is m
    assert single.to(m.device, "single") is single
    assert (m * 0 == m * 0).to(precision="single").is_mask


def test_number_on_a_map_of_float32_stays_float32():
    m = Map.from_geom(GEOM, dtype="float32")
    m.data = 0.1
    assert m.data.dtype == np.float32
    assert to_device([1.0], "cpu", dtype="single").dtype == np.float32


# --- kernels: coordinates in, weights and sums out


@pytest.fixture
def hats():
    """Points between, on and beyond three nodes, and NaN."""
    return np.array([0.0, 0.2, 0.5, 1.0 - 1e-12, 1.0, 1.7, 2.0, 2.4, np.nan]), np.array([0.5, 1.0, 2.0])


@pytest.mark.parametrize("function", [hat_basis, hat_basis_plain])
def test_weights_are_differences_of_coordinates_in_float64_and_rounded_then(backend, read, hats, function):
    x, nodes = (backend.array(values) for values in hats)
    single, double = (function(x, nodes, 0.1, 2.2, dtype) for dtype in ("float32", "float64"))
    assert single.dtype == backend.xp.float32
    assert_array_equal(read(single), read(double).astype(np.float32))
    assert_allclose(read(apply_basis(backend.array([1.0, 2.0, 4.0]), single)), read(double).T @ [1, 2, 4], rtol=1e-6)
    assert apply_basis(backend.array([1.0, 2.0, 4.0]), single).dtype == backend.xp.float32


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (3, 1), (1, 1)])
def test_weights_of_four_neighbours_are_rounded_once(backend, shape):
    rng = np.random.default_rng(1)
    table = rng.random((2, *shape)) * -700
    points = [rng.uniform(-0.5, n - 0.5, 50) for n in shape]
    weights = [interpolation_weights(backend.array(x), np.arange(float(n))) for x, n in zip(points, shape, strict=True)]
    (ix, fx), (iy, fy) = weights
    single = gather_bilinear(backend.array(table), ix, fx, iy, fy, "float32")
    assert single.dtype == backend.xp.float32
    assert_allclose(to_host(single), to_host(gather_bilinear(backend.array(table), ix, fx, iy, fy)), rtol=1e-5)


@pytest.mark.parametrize("function", [integrate_exponential, integrate_exponential_plain])
def test_integrals_in_float32_are_zero_where_those_in_float64_are_and_near_them_elsewhere(backend, function):
    rng = np.random.default_rng(2)
    points = np.log(np.geomspace(0.1, 100, 12))
    exponent = rng.uniform(-10, 5, (12, 300))
    exponent[:, 0] = 1.5  # all alike
    exponent[::2, 1] = -700.0  # positive in float64, nothing in float32
    exponent[:, 2] = -200.0
    exponent[5, 3] = -708.0  # at the floor: zero
    exponent[:, 4] = np.linspace(0, 1e-4, 12)
    floor = np.full(12, -708.0)
    single = function(backend.array(exponent, "float32"), points, floor)
    double = to_host(function(backend.array(exponent), points, floor))
    assert single.dtype == backend.xp.float32
    assert_array_equal(to_host(single) > 0, double > 0)
    assert_allclose(to_host(single), double, rtol=3e-6, atol=1e-29)


@pytest.mark.parametrize("function", [trapezoid_loglog, trapezoid_loglog_plain])
def test_power_laws_in_float32_with_zeros(backend, function):
    x = np.geomspace(1, 30, 9)
    y = np.stack([x**-2.3, np.where(x > 5, x**-1.0, 0.0), x**-1.0, x * 0], axis=1)
    single, double = (to_host(function(backend.array(y, dtype), x, 0)) for dtype in ("float32", "float64"))
    assert single.dtype == np.float32
    assert_array_equal(single > 0, double > 0)
    assert_allclose(single, double, rtol=2e-6)


@pytest.mark.parametrize("function", [add_product, add_product_plain])
def test_products_of_float32_are_added_in_the_type_of_the_total(backend, function):
    values = backend.array(np.linspace(0.1, 1, 12).reshape(3, 4), "float32")
    mask = backend.array(np.arange(12).reshape(3, 4) % 3 > 0)
    expected = to_host(values).astype(float) * to_host(mask) * 2.5 + 1
    for dtype in ("float32", "float64"):
        total = backend.array(np.ones((3, 4)), dtype)
        function(total, [values, mask, 2.5])
        assert_allclose(to_host(total), expected.astype(dtype), rtol=2e-7, strict=True)
        total = backend.array(np.ones((3, 4)), "float32")
        function(total, [backend.array(to_host(values), dtype), mask, 2.5])
        assert_allclose(to_host(total), expected.astype(np.float32), rtol=2e-7, strict=True)


def test_sums_of_float32_are_those_of_float64_rounded_once(backend):
    values = np.full((3, 1_000_000), 0.1, dtype=np.float32)
    values[1, 0] = 1e7
    sums = sum_over(backend.array(values), 1)
    assert_array_equal(to_host(sums), values.sum(axis=1, dtype=float).astype(np.float32), strict=True)
    assert_array_equal(to_host(reduce_over(backend.array(values), "add", 1)), to_host(sums))
    blocks = block_sum(backend.array(values), [1, 500_000])
    assert_allclose(to_host(blocks), values.reshape(3, 2, -1).sum(axis=2, dtype=float), rtol=1e-7)
    both = [backend.array(values[:, None, :], dtype) for dtype in ("float32", "float64")]
    in_mask = sums_in_masks(both, [backend.array(np.ones((3, 1, 1_000_000), dtype=bool))])
    assert_allclose(to_host(in_mask), [values.sum(axis=1, dtype=float)] * 2, rtol=1e-12, strict=True)
