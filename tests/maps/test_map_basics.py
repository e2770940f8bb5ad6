import copy
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import LazyArray, count_transfers
from lightpool.arrays.devices.devices import device_of, find_device, to_device, to_host, use_device
from lightpool.errors import DeviceError, GeometryError
from lightpool.maps import Map, MapAxis, RegionNDMap, WcsGeom, WcsNDMap

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
GEOM = WcsGeom.create(npix=(4, 2), binsz=0.1, skydir=SkyCoord(83.63, 22.01, unit="deg"), axes=[ENERGY])
VALUES = np.arange(24.0).reshape(3, 2, 4)


@pytest.fixture
def counts(backend):
    return Map.from_geom(GEOM, data=VALUES, meta={"livetime": 3})


def test_a_map_prints_as_in_gammapy(backend):
    geom = WcsGeom.create(npix=100, binsz=0.05, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=11)])
    expected = (
        "WcsNDMap\n\n\tgeom  : WcsGeom \n \taxes  : ['lon', 'lat', 'energy']\n\tshape : (100, 100, 11)\n"
        "\tndim  : 3\n\tunit  : \n\tdtype : bool\n"
    )
    mask = Map.from_geom(geom, data=False)
    assert str(mask) == repr(mask) == expected
    assert "WcsNDMap" in mask._repr_html_()
    assert Map.from_geom(geom, unit="m2 s").__str__().splitlines()[6] == "\tunit  : m2 s"


def test_an_empty_map_is_made_on_the_default_device_in_double_precision(backend):
    m = Map.create(npix=(4, 2), binsz=0.1, axes=[ENERGY], unit="s")
    assert isinstance(m, WcsNDMap)
    assert m.device == backend.device
    assert (m.unit, m.meta, m.is_mask) == (u.s, {}, False)
    assert_array_equal(to_host(m.data), np.zeros((3, 2, 4)))
    assert to_host(m.data).dtype == np.float64


def test_pixels_of_a_new_map_are_a_tenth_of_a_degree_wide():
    assert_allclose(Map.create(npix=(3, 4)).geom.pixel_scales.to_value("deg"), 0.1)
    assert_allclose(WcsNDMap.create(npix=3, binsz=0.3).geom.pixel_scales.to_value("deg"), 0.3)


def test_create_makes_region_maps_and_refuses_other_kinds():
    assert isinstance(Map.create(map_type="region", region="icrs;circle(83.63, 22.01, 0.5)"), RegionNDMap)
    with pytest.raises(ValueError, match=r"plane.*'hpx', 'region', 'wcs'"):
        Map.create(map_type="plane")
    with pytest.raises(TypeError, match="str"):
        Map.from_geom("geom")


def test_data_given_on_a_device_stay_there():
    with use_device("strict") as strict:
        data = strict.xp.ones((3, 2, 4), device=strict.handle)
    assert Map.from_geom(GEOM, data=data).device == strict
    assert Map.from_geom(GEOM, data=data, device="cpu").device.is_host
    assert Map.from_geom(GEOM, data=VALUES, device="strict").device == strict
    assert Map.from_geom(GEOM, data=VALUES).data is VALUES


def test_data_are_spread_to_the_shape_of_the_geometry_and_can_be_changed(backend):
    m = Map.from_geom(GEOM, data=np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1))
    m.data[0, :, :] = 5.0
    assert_array_equal(to_host(m.data)[:, 1, 3], [5, 2, 3])
    m.data = 7
    assert_array_equal(to_host(m.data), np.full((3, 2, 4), 7))
    with pytest.raises(GeometryError, match=r"\(5, 4\).*\(3, 2, 4\).*'energy'"):
        m.data = np.zeros((5, 4))


def test_a_unit_comes_with_a_quantity_and_not_with_data(backend):
    m = Map.from_geom(GEOM, data=VALUES * u.m, unit="s")
    assert m.unit == "m"
    with pytest.raises(TypeError, match="quantity"):
        m.data = VALUES * u.s
    m.quantity = VALUES * u.h
    assert m.unit == "h"
    assert m.device == backend.device


def test_a_quantity_is_read_on_the_host_only(counts):
    if counts.device.is_host:
        assert_allclose(counts.quantity, VALUES * u.dimensionless_unscaled)
        assert_allclose(np.asarray(counts), VALUES)
        return
    for read in (lambda: counts.quantity, lambda: np.asarray(counts)):
        with pytest.raises(DeviceError, match=r"\.to\(\"cpu\"\)"):
            read()
    assert_allclose(counts.to("cpu").quantity.value, VALUES)


@pytest.mark.parametrize("precision", [None, "single"])
def test_zeros_are_made_where_an_empty_map_is_moved(backend, precision):
    with count_transfers() as transfers:
        moved = Map.from_geom(GEOM, device="cpu", unit="s", meta={"livetime": 3}).to(backend.device, precision)
    assert transfers.to_device.number == transfers.to_host.number == 0
    assert (moved.device, moved.unit, moved.meta) == (find_device(backend.device), "s", {"livetime": 3})
    values = to_host(moved.data)
    assert values.dtype == ("float32" if precision == "single" else "float64")
    assert_array_equal(values, np.zeros(GEOM.data_shape))


def test_a_map_moves_and_what_is_made_of_it_stays_beside_it(backend):
    m = Map.from_geom(GEOM, data=VALUES, device="cpu").to(backend.device)
    assert m.to(backend.device) is m
    with use_device("cpu"):
        results = [m + 1, m > 2, m.copy(), m.sum_over_axes(), m.cutout(GEOM.center_skydir, "0.1 deg"), m.smooth(1)]
        results += [m.copy(data=VALUES), m.downsample(2), m.interp_to_geom(GEOM), m.get_spectrum(), m.pad(1)]
    assert {r.device for r in results} == {backend.device}


def test_a_copy_has_its_own_data_and_metadata(counts):
    twin = counts.copy()
    twin.data[...] = 0.0
    twin.meta["livetime"] = 0
    assert to_host(counts.data).sum() == VALUES.sum()
    assert counts.meta == {"livetime": 3}
    assert twin.geom is counts.geom
    assert copy.deepcopy(counts).copy(unit="s").unit == "s"
    with pytest.raises(GeometryError, match="shape"):
        counts.copy(geom=GEOM.to_image())


def test_truth_of_a_map_does_not_read_its_data(counts):
    assert counts


def test_units_multiply_and_sums_are_converted(backend):
    area = Map.from_geom(GEOM, data=VALUES, unit="m2")
    assert (area * u.Quantity("2 s")).unit == "m2 s"
    assert (area / (area + 1 * u.m**2)).unit == ""
    assert_allclose(to_host((area + 10000 * u.cm**2).data), VALUES + 1)
    assert_allclose(to_host((area - area.to_unit("cm2")).data), 0, atol=1e-9)
    with pytest.raises(u.UnitConversionError):
        area + 1
    with pytest.raises(u.UnitConversionError):
        area + Map.from_geom(GEOM, unit="s")


def test_a_comparison_gives_a_mask_without_unit(backend):
    area = Map.from_geom(GEOM, data=VALUES, unit="m2")
    mask = area >= 50000 * u.cm**2
    assert mask.is_mask
    assert mask.unit == ""
    assert_array_equal(to_host(mask.data), VALUES >= 5)
    assert (area * mask).unit == "m2"


def test_operators_act_on_each_value(counts):
    expected = {
        "+": (counts + counts, VALUES + VALUES),
        "-": (counts - 2, VALUES - 2),
        "*": (counts * VALUES, VALUES * VALUES),
        "/": (counts / 4, VALUES / 4),
        "<": (counts < 3, VALUES < 3),
        "<=": (counts <= 3, VALUES <= 3),
        "==": (counts == 3, VALUES == 3),
        "!=": (counts != 3, VALUES != 3),
        "&": ((counts > 3) & (counts < 9), (VALUES > 3) & (VALUES < 9)),
        "|": ((counts < 3) | (counts > 9), (VALUES < 3) | (VALUES > 9)),
        "^": ((counts < 5) ^ (counts > 3), (VALUES < 5) ^ (VALUES > 3)),
        "~": (~(counts > 3), VALUES <= 3),
        "mask": (counts * (counts > 3), VALUES * (VALUES > 3)),
        "masks": ((counts > 3) + (counts > 5), (VALUES > 3) * 1.0 + (VALUES > 5)),
    }
    for name, (result, values) in expected.items():
        assert_array_equal(to_host(result.data), values, err_msg=name)
    assert device_of((counts * VALUES).data) == counts.device


def test_operators_in_place_keep_the_map(counts):
    m, mask = counts, counts > 3
    m += 1
    m *= 2
    m -= 2
    m /= 2
    assert m is counts
    assert_allclose(to_host(m.data), VALUES)
    mask &= counts < 20
    mask |= counts < 2
    mask ^= True
    assert_array_equal(to_host(mask.data), ~(((VALUES > 3) & (VALUES < 20)) | (VALUES < 2)))


def test_maps_of_other_geometries_do_not_mix(counts):
    other = counts.pad(1)
    with pytest.raises(GeometryError, match="Inconsistent geometries"):
        counts + other
    with pytest.raises(GeometryError, match="Inconsistent geometries"):
        (counts > 1) & (other > 1)


def test_close_maps_are_recognised(counts):
    assert counts.is_allclose(counts * (1 + 1e-9))
    assert not counts.is_allclose(counts * 1.1)
    assert not counts.is_allclose(counts.pad(1))
    with pytest.raises(TypeError, match="RegionNDMap"):
        counts.is_allclose(counts.get_spectrum())


def test_pixels_off_an_all_sky_projection_are_nan(backend):
    m = Map.create(binsz=30, proj="AIT")
    off = np.isnan(to_host(m.data))
    assert off[0, 0]
    assert not off[3, 6]
    assert not np.isnan(to_host(Map.create(binsz=30, proj="AIT", dtype=int).data)).any()


def test_values_of_a_map_are_worked_out_when_they_are_asked_for(device):
    geom = WcsGeom.create(npix=(4, 3), axes=[MapAxis.from_edges([1, 2, 3], name="energy", unit="TeV")])
    asked = []

    def compute(rows, columns, mask):
        asked.append(rows)
        yield slice(None), to_device(np.arange(24.0).reshape(2, 3, 4)[:, rows, columns].copy(), device)

    place = find_device(device)
    lazy = LazyArray(geom.data_shape, place, 3, compute, place.xp.float64)
    values = Map.from_geom(geom, data=lazy, unit="s")
    outline = values.outline()
    total = Map.from_geom(geom, unit="s")
    total.stack(values)
    assert (values.unit, values.device.name, values.is_mask, len(asked)) == ("s", device, False, 1)
    assert outline.device == values.device
    again = pickle.loads(pickle.dumps(values.to("cpu")))
    for found in (total, values, again):
        np.testing.assert_array_equal(to_host(found.data), np.arange(24.0).reshape(2, 3, 4))
    assert len(asked) == 2
