import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import GeometryError, NoOverlapError
from lightpool.maps import Map, MapAxis, RegionNDMap, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
GEOM = WcsGeom.create(npix=(10, 8), binsz=0.1, skydir=SkyCoord(83.63, 22.01, unit="deg"), axes=[ENERGY])
SIDE = SkyCoord(84.1, 22.3, unit="deg")


@pytest.mark.parametrize("mode", ["trim", "partial"])
def test_only_the_window_of_a_cutout_changes(backend, mode):
    m = Map.from_geom(GEOM, data=1.0)
    part = Map.from_geom(GEOM.cutout(SIDE, "0.5 deg", mode=mode), data=2.0)
    data = m.data
    m.stack(part)
    assert m.data is data
    window = part.geom.cutout_slices(GEOM)["parent-slices"]
    expected = np.ones((2, 8, 10))
    expected[(..., *window)] = 3
    assert_array_equal(to_host(m.data), expected)


def test_weights_and_units_are_applied_and_what_is_not_finite_is_left_out(backend):
    total = Map.from_geom(GEOM, unit="m2")
    other = Map.from_geom(GEOM, data=1e4, unit="cm2")
    other.data[0, 0, 0:3] = float("nan")
    other.data[0, 0, 3] = float("inf")
    weights = Map.from_geom(GEOM.squash("energy"), data=True)
    weights.data[0, 1, :] = False
    total.stack(other, weights=weights)
    expected = np.ones((2, 8, 10))
    expected[0, 0, :4] = 0
    expected[:, 1, :] = 0
    assert_allclose(to_host(total.data), expected)
    total.stack(other, nan_to_num=False)
    assert np.isnan(to_host(total.data)).sum() == 3


def test_masks_are_united(backend):
    mask = Map.from_geom(GEOM, data=False)
    mask.stack(Map.from_geom(GEOM.cutout(SIDE, "0.3 deg"), data=True))
    mask.stack(Map.from_geom(GEOM, data=False))
    assert mask.is_mask
    assert to_host(mask.data).sum() == 2 * 3 * 2  # trimmed at the border


def test_maps_that_do_not_fit_are_refused(backend):
    m = Map.from_geom(GEOM)
    shifted = WcsGeom.create(npix=(10, 8), binsz=0.1, skydir=SkyCoord(83.66, 22.01, unit="deg"), axes=[ENERGY])
    with pytest.raises(GeometryError, match="interp_to_geom"):
        m.stack(Map.from_geom(shifted))
    with pytest.raises(GeometryError, match="interp_to_geom"):
        m.stack(RegionNDMap.create("icrs;circle(83.63, 22.01, 0.5)", axes=[ENERGY]))
    with pytest.raises(GeometryError, match="weights"):
        m.stack(Map.from_geom(GEOM), weights=Map.from_geom(GEOM.pad(1)))
    with pytest.raises(NoOverlapError):
        m.stack(Map.from_geom(WcsGeom.from_aligned(GEOM, SkyCoord(93, 22, unit="deg"), "0.5 deg")))
    with pytest.raises(u.UnitConversionError):
        m.stack(Map.from_geom(GEOM, unit="s"))


def test_region_maps_are_stacked_bin_by_bin(backend):
    spectrum = RegionNDMap.create("icrs;circle(83.63, 22.01, 0.5)", axes=[ENERGY], unit="s")
    other = spectrum.copy(data=np.array([1.0, np.nan]), unit="h")
    spectrum.stack(other)
    spectrum.stack(other, weights=other.copy(data=np.array([False, True]), unit=""))
    assert_allclose(to_host(spectrum.data)[:, 0, 0], [3600, 0])
    wide = RegionNDMap.create("icrs;circle(83.63, 22.01, 0.5)", axes=[ENERGY.upsample(2)], unit="s")
    with pytest.raises(GeometryError, match="shape"):
        spectrum.stack(wide)


@given(
    lon=st.lists(st.floats(83.2, 84.1), min_size=1, max_size=5),
    lat=st.floats(21.7, 22.4),
    width=st.floats(0.2, 1.5),
)
@settings(max_examples=25, deadline=None)
def test_stacking_keeps_the_number_of_counts(lon, lat, width):
    rng = np.random.default_rng(len(lon))
    total, n_counts = Map.from_geom(GEOM), 0.0
    for position in SkyCoord(lon, lat, unit="deg"):
        geom = GEOM.cutout(position, width * u.deg)
        counts = rng.poisson(2.0, size=geom.data_shape).astype(float)
        n_counts += counts.sum()
        total.stack(Map.from_geom(geom, data=counts))
    assert total.data.sum() == n_counts


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool"])
def test_an_empty_image_is_added_to_an_image(backend, dtype):
    geom = WcsGeom.create(npix=4)
    total = Map.from_geom(geom, data=np.ones((4, 4), dtype=dtype))
    total.stack(Map.from_geom(geom, dtype=dtype))
    assert_array_equal(to_host(total.data), np.ones((4, 4)))
    assert str(total.data.dtype).endswith(dtype)
