"""Smoothing and convolution of HEALPix maps. Numbers "of Gammapy" are those of Gammapy 2.1 with healpy 1.20."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose

from lightpool.arrays import to_host
from lightpool.errors import GeometryError
from lightpool.irf import PSFKernel
from lightpool.maps import HpxGeom, HpxNDMap, Map, MapAxis, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
CENTER = SkyCoord(110, 75, unit="deg")


def test_smoothed_maps_have_the_numbers_of_gammapy(device):
    disc = HpxGeom.create(nside=16, region="DISK(110.,75.,12.)", frame="galactic")
    m = Map.from_geom(disc, data=np.arange(34.0, 68.0) ** 1.5)
    smooth = to_host(m.smooth("3 deg").data)
    assert smooth.sum() == pytest.approx(10110.222948920808, rel=1e-8)
    assert_allclose(smooth[:3], [134.31836313546873, 193.9976982609191, 231.7055378115706], rtol=1e-7)
    geom = HpxGeom(8, nest=False, axes=[ENERGY])
    cube = Map.from_geom(geom, data=np.cos(np.arange(1536.0)).reshape(2, 768))
    disk = to_host(cube.smooth("10 deg", kernel="disk").data)
    assert_allclose(disk[0, :3], [0.2764843489379753, 0.3688601131748906, -0.12976804645508874], rtol=1e-10)
    pixels = to_host(cube.smooth(2.0).data)
    assert_allclose(pixels[1, :3], [-0.031093758223826887, -0.061320678008433625, -0.08682666337584753], rtol=1e-10)
    assert_allclose(to_host(cube.to_swapped().smooth(2.0).to_swapped().data), pixels, atol=1e-12)
    with pytest.raises(ValueError, match="kernel"):
        cube.smooth(2.0, kernel="box")
    with pytest.raises(GeometryError, match="same"):
        Map.from_geom(HpxGeom([1, 2], axes=[ENERGY])).smooth(1.0)


def two_sources():
    m = HpxNDMap.create(nside=256, skydir=(110, 75), width=5, axes=[TRUE])
    m.set_by_coord({"skycoord": CENTER, "energy_true": TRUE.center}, [100.0, 50.0])
    return m


def kernel():
    return PSFKernel.from_gauss(WcsGeom.create(width=2.02, binsz=0.02, axes=[TRUE]), sigma=0.4 * u.deg)


@pytest.mark.slow
def test_convolved_maps_keep_their_sums(device):
    m = two_sources()
    convolved = m.convolve(kernel())
    assert_allclose(to_host(convolved.data).sum(axis=1), [100, 50], rtol=1e-6)
    assert to_host(convolved.data)[0].max() == pytest.approx(4.905, abs=0.15)
    image = m.get_image_by_idx((0,)).convolve(kernel())
    assert image.geom == m.geom
    assert_allclose(to_host(image.data).sum(axis=1), [100, 100], rtol=1e-6)
    # the images are the same pixel by pixel, apart from the sums of the sources
    assert_allclose(to_host(convolved.data)[1] * 2, to_host(convolved.data)[0], atol=1e-9)


def test_maps_convolved_on_the_sphere_have_the_numbers_of_gammapy(device):
    m = HpxNDMap.create(nside=32, skydir=(110, 75), width=40, axes=[TRUE])
    m.set_by_coord({"skycoord": CENTER, "energy_true": TRUE.center}, [100.0, 50.0])
    wide = PSFKernel.from_gauss(WcsGeom.create(width=20.4, binsz=0.4, axes=[TRUE]), sigma="4 deg")
    data = to_host(m.convolve(wide, convolution_method="").data)
    assert_allclose(data.sum(axis=1), [99.37308906733566, 49.68654453366783], rtol=1e-9)
    first = [-0.00025069250099772015, 0.0002610316767519762, -0.00022810896005932835]
    assert_allclose(data[1, :3], first, rtol=1e-8)


def test_kernels_that_do_not_fit_are_refused():
    wide = PSFKernel.from_gauss(WcsGeom.create(width=2.1, binsz=0.3, axes=[TRUE]), sigma=0.4 * u.deg)
    with pytest.raises(GeometryError, match="half as wide"):
        two_sources().convolve(wide)
    with pytest.raises(GeometryError, match="allsky"):
        HpxNDMap.create(nside=4, axes=[TRUE]).convolve(kernel())
    with pytest.raises(ValueError, match="method"):
        two_sources().convolve(kernel(), convolution_method="fft")
    for way in ("wcs-tan", ""):
        with pytest.raises(TypeError, match=r"convolved with a PSFKernel.* got a ndarray"):
            two_sources().convolve(np.ones((3, 3)), convolution_method=way)
