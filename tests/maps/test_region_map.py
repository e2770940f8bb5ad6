import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays.devices.devices import to_host
from lightpool.maps import MapAxis, RegionNDMap

CENTRE = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_edges([1, 2, 4, 8, 16] * u.TeV)
VALUES = np.array([1.0, 3.0, 4.0, 8.0])


@pytest.fixture
def spectrum(backend):
    return RegionNDMap.create(CircleSkyRegion(CENTRE, 0.5 * u.deg), axes=[ENERGY], data=VALUES, unit="s")


def test_the_dimensions_of_the_sky_may_be_left_out(spectrum):
    assert spectrum.data.shape == (4, 1, 1)
    spectrum.data = VALUES * 2
    assert_array_equal(to_host(spectrum.data)[:, 0, 0], VALUES * 2)
    assert "RegionNDMap\n\n\tgeom  : RegionGeom \n \taxes  : ['lon', 'lat', 'energy']\n\tshape : (1, 1, 4)" in str(
        spectrum
    )


def test_bins_are_joined(spectrum):
    assert_array_equal(to_host(spectrum.downsample(2).data)[:, 0, 0], [4, 12])
    assert_array_equal(to_host(spectrum.downsample(2, preserve_counts=False).data)[:, 0, 0], [2, 6])
    weights = spectrum.copy(unit="") > 3
    assert_array_equal(to_host(spectrum.downsample(2, weights=weights).data)[:, 0, 0], [0, 12])
    mask = spectrum.copy(unit="") > 2
    assert_array_equal(to_host(mask.downsample(2).data)[:, 0, 0], [False, True])
    assert spectrum.downsample(1) is spectrum


def test_bins_are_split_and_keep_their_sum(spectrum):
    fine = spectrum.upsample(2)
    assert_array_equal(to_host(fine.data)[:, 0, 0], np.repeat(VALUES, 2) / 2)
    assert fine.geom.axes["energy"].nbin == 8
    linear = spectrum.upsample(2, order=1, preserve_counts=False)
    assert_allclose(to_host(linear.data)[:, 0, 0], [1, 1.5, 2.5, 3.25, 3.75, 5, 7, 8])
    assert spectrum.upsample(None) is spectrum
    with pytest.raises(ValueError, match="0 or 1"):
        spectrum.upsample(2, order=2)


def test_a_spectrum_is_its_own_spectrum(spectrum):
    assert spectrum.get_spectrum() is spectrum
    assert spectrum.to_region_nd_map(CENTRE, func=np.any) is spectrum
    assert spectrum.cutout(CENTRE, "1 deg") is spectrum


def test_the_place_does_not_matter_for_an_interpolation(spectrum):
    far = SkyCoord(0, 0, unit="deg")
    values = spectrum.interp_by_coord({"skycoord": far, "energy": ENERGY.center})
    assert_allclose(to_host(values), VALUES)
    at_nodes = spectrum.interp_by_coord({"energy": ENERGY.center.reshape(4, 1, 1)})
    assert_allclose(to_host(at_nodes)[:, 0, 0], VALUES)


def test_values_are_found_in_the_region_only(spectrum):
    places = {"skycoord": SkyCoord([83.63, 90], [22.01, 22.01], unit="deg"), "energy": [3, 3] * u.TeV}
    assert_array_equal(to_host(spectrum.get_by_coord(places)), [3, np.nan])
    spectrum.fill_by_coord(places)
    assert_array_equal(to_host(spectrum.data)[:, 0, 0], [1, 4, 4, 8])


def test_a_region_has_no_pixels_to_pad(spectrum):
    with pytest.raises(TypeError, match="axis_name"):
        spectrum.pad(1)
    assert spectrum.pad(1, axis_name="energy").geom.axes["energy"].nbin == 6
