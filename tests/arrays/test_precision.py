"""The switch between float64 and float32."""

import numpy as np
import pytest

import lightpool
from lightpool.arrays import find_precision, precision_of, to_device
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
    np.testing.assert_array_equal(single.to("cpu").data, m.to("cpu").data.astype(np.float32))
    assert m.to(precision="double") is m
    assert single.to(m.device, "single") is single
    assert (m * 0 == m * 0).to(precision="single").is_mask


def test_number_on_a_map_of_float32_stays_float32():
    m = Map.from_geom(GEOM, dtype="float32")
    m.data = 0.1
    assert m.data.dtype == np.float32
    assert to_device([1.0], "cpu", dtype="single").dtype == np.float32
