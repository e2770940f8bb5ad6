"""Responses in the formats of the Fermi tools gtpsf and gtdrm."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.data.metadata import CreatorMetaData
from lightpool.errors import FormatError, MissingDataError
from lightpool.irf import EDispKernel, EDispKernelMap, EDispMap, PSFMap
from lightpool.maps import Map, MapAxis, RegionGeom

TRUE = MapAxis.from_energy_bounds("10 MeV", "10 TeV", nbin=24, name="energy_true")
RAD = MapAxis.from_bounds(0, 10, nbin=30, unit="deg", name="rad")


def matrix(n_outer=3):
    edges = TRUE.edges[n_outer : TRUE.nbin + 1 - n_outer]
    energy = MapAxis.from_edges(edges, name="energy", interp="log")
    return EDispKernel.from_gauss(TRUE, energy, sigma=0.1, bias=0)


def one_position(device="cpu"):
    geom = RegionGeom.create(None)
    psf = PSFMap.from_gauss(TRUE, RAD, sigma=np.linspace(3, 0.2, TRUE.nbin) * u.deg, geom=geom)
    psf.exposure_map.data = psf.exposure_map.data * 7
    return psf


def test_a_psf_is_read_as_it_was_written(tmp_path, device):
    written = one_position()
    written.write(tmp_path / "psf.fits", format="gtpsf")
    read = PSFMap.read(tmp_path / "psf.fits", format="gtpsf")
    assert_allclose(to_host(read.psf_map.data), to_host(written.psf_map.data), rtol=1e-12)
    assert read.exposure_map.unit == u.Unit("cm2 s")
    assert_allclose(to_host(read.exposure_map.data), 7e4, rtol=1e-12)
    assert_allclose(read.geom.axes["rad"].center.to_value("deg"), RAD.center.value)
    names = [hdu.name for hdu in fits.open(tmp_path / "psf.fits")]
    assert names == ["PRIMARY", "THETA", "PSF"]


def test_the_exposure_of_a_psf_may_lack_the_axis_of_distances(tmp_path):
    psf = one_position()
    psf.exposure_map = Map.from_geom(RegionGeom.create(None, axes=[TRUE]), data=3.0, unit="m2 s")
    psf.write(tmp_path / "psf.fits", format="gtpsf")
    assert_allclose(to_host(PSFMap.read(tmp_path / "psf.fits", format="gtpsf").exposure_map.data), 3e4)


@pytest.mark.reference
def test_the_psf_of_the_fermi_catalogue_is_read(shared):
    path = shared / "data" / "fermi-3fhl-gc" / "fermi-3fhl-gc-psf-cube.fits.gz"
    psf = PSFMap.read(path, format="gtpsf")
    assert psf.psf_map.unit == u.Unit("sr-1")
    assert psf.geom.axes.names == ["rad", "energy_true"]
    radius = psf.containment_radius(0.68, energy_true=[10, 100] * u.GeV).to_value("deg")
    assert 0.05 < radius[1] < radius[0] < 0.3


def test_what_the_format_of_a_psf_cannot_hold_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"one position with its exposure, got .* WcsGeom"):
        PSFMap.from_gauss(TRUE).write(tmp_path / "psf.fits", format="gtpsf")
    one_position().write(tmp_path / "psf.fits", format="gtpsf")
    with pytest.raises(FormatError, match="which a EDispMap is not"):
        EDispMap.read(tmp_path / "psf.fits", format="gtpsf")
    matrix().write(tmp_path / "drm.fits", format="gtdrm")
    with pytest.raises(MissingDataError, match="needs the HDUs PSF and THETA, there are: PRIMARY, DRM, EBOUNDS"):
        PSFMap.read(tmp_path / "drm.fits", format="gtpsf")


@pytest.mark.parametrize("n_outer", [0, 3])
def test_a_matrix_is_read_as_it_was_written(tmp_path, n_outer):
    written = matrix(n_outer)
    written.write(tmp_path / "drm.fits", format="gtdrm")
    read = EDispKernel.read(tmp_path / "drm.fits", format="gtdrm")
    assert_allclose(read.data, written.data, rtol=1e-6, atol=1e-7)
    assert_allclose(read.axes["energy"].edges.to_value("TeV"), written.axes["energy"].edges.to_value("TeV"))
    maps = EDispKernelMap.read(tmp_path / "drm.fits", format="gtdrm")
    assert_allclose(to_host(maps.edisp_map.data)[..., 0, 0], written.data, rtol=1e-6, atol=1e-7)
    maps.write(tmp_path / "again.fits", format="gtdrm")
    assert_array_equal(EDispKernel.read(tmp_path / "again.fits", format="gtdrm").data, read.data)


def test_what_the_format_of_a_matrix_cannot_hold_is_refused(tmp_path):
    other = MapAxis.from_energy_bounds("1 GeV", "1 TeV", nbin=5)
    with pytest.raises(FormatError, match="middle ones of the true energies, got 5"):
        EDispKernel.from_gauss(TRUE, other, sigma=0.1, bias=0).to_hdulist(format="gtdrm")
    everywhere = EDispKernelMap.from_edisp_kernel(matrix())
    with pytest.raises(FormatError, match="holds one matrix"):
        everywhere.write(tmp_path / "drm.fits", format="gtdrm")
    with pytest.raises(ValueError, match="'gadf' or 'gtdrm', got 'rmf'"):
        EDispKernel.read(tmp_path / "drm.fits", format="rmf")
    matrix().write(tmp_path / "drm.fits", format="gtdrm")
    for channels in (17, 20):
        with fits.open(tmp_path / "drm.fits") as hdus:
            hdus["DRM"].header["DETCHANS"] = channels
            hdus.writeto(tmp_path / "bad.fits", overwrite=True)
        with pytest.raises(FormatError, match=r"rows of MATRIX have .18. values"):
            EDispKernel.read(tmp_path / "bad.fits", format="gtdrm")


def test_checksums_and_who_created_a_matrix_are_written_and_read(tmp_path):
    path, creation = tmp_path / "rmf.fits", CreatorMetaData(creator="somebody")
    matrix().write(path, checksum=True, creation=creation)
    assert {hdu.header["CREATOR"] for hdu in fits.open(path)} == {"somebody"}
    EDispKernel.read(path, checksum=True)
    with fits.open(path) as hdus:
        hdus["MATRIX"].header["DATASUM"] = "1"
        hdus.writeto(tmp_path / "bad.fits")
    with pytest.raises(FormatError, match=r"checksum of HDU 'MATRIX' .* does not agree"):
        EDispKernel.read(tmp_path / "bad.fits", checksum=True)
