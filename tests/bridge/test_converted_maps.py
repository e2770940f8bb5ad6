"""Maps of Gammapy and of lightpool, converted into each other: their values are shared."""

import gammapy.maps
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

import lightpool.maps
from lightpool.arrays import count_transfers, to_host
from lightpool.gammapy import from_gammapy, to_gammapy

BOTH = [(gammapy.maps, from_gammapy, to_gammapy), (lightpool.maps, to_gammapy, from_gammapy)]
both_ways = pytest.mark.parametrize(("library", "convert", "convert_back"), BOTH, ids=["from_gammapy", "to_gammapy"])
kinds = pytest.mark.parametrize("kind", ["wcs", "region"])
DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool", "float16"]


def _geom(library, kind="wcs"):
    axes = [library.MapAxis.from_energy_bounds("1 TeV", "10 TeV", 3)]
    if kind == "region":
        return library.RegionGeom.create("icrs;circle(83.63, 22.01, 0.3)", axes=axes)
    return library.WcsGeom.create(skydir=(83.63, 22.01), binsz=0.1, npix=(7, 5), axes=axes)


def _map(library, kind="wcs", dtype="float64", **kwargs):
    geom = _geom(library, kind)
    data = np.random.default_rng(0).uniform(0, 9, geom.data_shape).astype(dtype)
    return library.Map.from_geom(geom, data=data, **kwargs)


@both_ways
@kinds
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_write_to_one_map_is_seen_in_the_other(library, convert, convert_back, kind, dtype):
    m = _map(library, kind, dtype, unit="cm2 s", meta={"a": [1]})
    found = convert(m)
    assert type(found).__name__ == type(m).__name__
    assert found.data is m.data
    assert found.data.dtype == dtype
    found.data[1] = 1
    m.data[2] = 0
    assert_array_equal(m.data[1], np.ones_like(m.data[1]))
    assert_array_equal(found.data[2], np.zeros_like(m.data[2]))
    assert found.unit == m.unit
    assert found.meta == {"a": [1]}
    found.meta["b"] = 2
    assert m.meta["b"] == 2
    back = convert_back(found)
    assert back.data is m.data
    assert back.geom is m.geom
    assert back.unit == m.unit
    assert back.meta is m.meta


@both_ways
@kinds
@pytest.mark.parametrize("unit", ["", "1 / (cm2 s TeV)", "m2 s", "sr-1", "1e-3 deg2"])
def test_units_are_kept_and_empty_metadata_stay_empty(library, convert, convert_back, kind, unit):
    m = _map(library, kind, unit=unit)
    assert convert(m).unit == m.unit
    assert convert(m).meta == {}
    assert_array_equal(convert(m).quantity, m.quantity)


@both_ways
@kinds
def test_both_maps_interpolate_and_look_up_the_same_values(library, convert, convert_back, kind):
    m = _map(library, kind)
    found = convert(m)
    fine = m.geom.to_wcs_geom() if kind == "region" else m.geom
    coord = fine.upsample(2).get_coord() if kind == "wcs" else fine.get_coord()
    given = {"skycoord": SkyCoord(coord.skycoord), "energy": coord["energy"] * 1.01}
    assert_array_equal(found.get_by_coord(given), m.get_by_coord(given))
    assert_allclose(found.interp_by_coord(given), m.interp_by_coord(given), rtol=1e-9, atol=1e-12)
    assert_allclose(to_host(found.sum_over_axes().data), m.sum_over_axes().data)


@both_ways
def test_what_one_library_computes_with_a_converted_map_combines_with_maps_of_the_other(library, convert, convert_back):
    m = _map(library)
    other = gammapy.maps if library is lightpool.maps else lightpool.maps
    native = other.Map.from_geom(_geom(other), data=1.0)
    assert_array_equal((convert(m) + native).data, m.data + 1)
    native.stack(convert(m))
    assert_array_equal(native.data, m.data + 1)


@both_ways
def test_a_view_and_a_read_only_array_are_shared(library, convert, convert_back):
    geom = _geom(library)
    whole = np.zeros((6, 5, 14))
    m = library.Map.from_geom(geom, data=whole[::2, :, ::2])
    convert(m).data[:] = 3
    assert whole.sum() == 3 * m.data.size
    fixed = np.ones(geom.data_shape)
    fixed.flags.writeable = False
    assert np.shares_memory(convert(library.Map.from_geom(geom, data=fixed)).data, fixed)


@pytest.mark.parametrize("what", ["big-endian", "negative stride"])
def test_values_that_other_libraries_do_not_take_are_copied(what):
    geom = _geom(gammapy.maps)
    values = np.random.default_rng(0).uniform(0, 9, geom.data_shape)
    data = values.astype(">f8") if what == "big-endian" else values[:, ::-1]
    m = gammapy.maps.Map.from_geom(geom, data=data)
    found = from_gammapy(m)
    assert found.data.dtype.isnative
    assert not np.shares_memory(found.data, data)
    assert_array_equal(found.data, data)
    assert m.data is data


@both_ways
def test_no_pixel_is_looked_at(library, convert, convert_back):
    """The map would take 50 000 TB if its pixels did not share one value, and longer than anyone waits to be read."""
    axis = library.MapAxis.from_energy_bounds("1 TeV", "10 TeV", 120)
    geom = library.WcsGeom.create(npix=(10_000_000, 10_000_000), binsz=1e-6, axes=[axis])
    m = library.WcsNDMap(geom, data=np.broadcast_to(np.float32(3), geom.data_shape))
    found = convert(m)
    assert found.data is m.data
    assert convert_back(found).data is m.data


@pytest.mark.parametrize("device", ["strict", "torch"])
@kinds
def test_a_map_on_a_device_takes_one_transfer(device, kind):
    if device == "torch":
        pytest.importorskip("torch")
    m = _map(lightpool.maps, kind, "float32").to(device)
    with count_transfers() as transfers:
        found = to_gammapy(m)
    assert transfers.to_host.number == 1
    assert transfers.to_host.bytes == found.data.nbytes
    assert transfers.to_device.number == 0
    assert type(found.data) is np.ndarray
    assert found.data.dtype == "float32"
    assert_array_equal(found.data, to_host(m.data))


def test_values_that_are_computed_when_needed_are_computed_once():
    m = lightpool.maps.Map.from_geom(_geom(lightpool.maps), dtype="float32")
    assert not isinstance(m.stored, np.ndarray), "an empty map is not computed before it is used"
    first, second = to_gammapy(m), to_gammapy(m)
    assert first.data is second.data is m.data
    assert first.data.dtype == "float32"


@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_a_converted_map_stays_on_the_host_whatever_the_default_device_is(device):
    from lightpool.arrays import use_device

    m = _map(gammapy.maps)
    with use_device(device):
        assert from_gammapy(m).data is m.data


@both_ways
def test_maps_by_name_keep_names_and_order(library, convert, convert_back):
    maps = library.Maps(counts=_map(library), mask=_map(library, dtype="bool"))
    found = convert(maps)
    assert list(found) == ["counts", "mask"]
    assert type(found).__name__ == "Maps"
    assert all(found[name].data is maps[name].data for name in maps)
    assert found.geom is convert(maps.geom)
    assert convert(library.Maps()).geom is None


def test_a_class_derived_from_a_map_of_gammapy_is_rejected():
    class Odd(gammapy.maps.WcsNDMap):
        pass

    with pytest.raises(TypeError, match="Odd, which is derived from WcsNDMap"):
        from_gammapy(Odd(_geom(gammapy.maps)))


def test_the_methods_of_maps_convert_them():
    m = _map(lightpool.maps)
    assert lightpool.maps.WcsNDMap.from_gammapy(m.to_gammapy()).data is m.data
    assert lightpool.maps.Map.from_gammapy(m.to_gammapy()).geom is m.geom
    with pytest.raises(TypeError, match=r"RegionNDMap\.from_gammapy got a gammapy.*WcsNDMap"):
        lightpool.maps.RegionNDMap.from_gammapy(m.to_gammapy())


@both_ways
def test_an_object_of_the_wrong_library_is_rejected(library, convert, convert_back):
    with pytest.raises(TypeError, match="expected an object of"):
        convert_back(_map(library))
