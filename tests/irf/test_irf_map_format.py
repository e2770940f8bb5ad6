"""FITS files of the reduced responses."""

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import HDUList, PrimaryHDU
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from lightpool.maps import MapAxis, WcsGeom

ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")
IMAGE = WcsGeom.create(skydir=(83.6, 22), npix=(3, 2), binsz=0.5)


def responses():
    return [
        PSFMap.from_gauss(ENERGY_TRUE, geom=IMAGE),
        RecoPSFMap.from_gauss(ENERGY, geom=IMAGE),
        EDispMap.from_diagonal_response(ENERGY_TRUE),
        EDispKernelMap.from_diagonal_response(ENERGY, ENERGY_TRUE, geom=IMAGE),
    ]


@pytest.mark.parametrize("number", range(4))
def test_a_response_and_its_exposure_are_read_as_they_were_written(backend, number, tmp_path):
    irf = responses()[number]
    irf.write(tmp_path / "irf.fits.gz")
    again = type(irf).read(tmp_path / "irf.fits.gz")
    assert type(again) is type(irf)
    assert again.geom == irf.geom
    assert again.irf_map.unit == irf.irf_map.unit
    assert_array_equal(to_host(again.irf_map.data), to_host(irf.irf_map.data))
    assert_array_equal(to_host(again.exposure_map.data), to_host(irf.exposure_map.data))
    assert again.exposure_map.unit == irf.exposure_map.unit


def test_a_damaged_file_is_told_by_its_checksums(tmp_path):
    path = tmp_path / "psf.fits"
    responses()[0].write(path, checksum=True)
    PSFMap.read(path, checksum=True)
    damaged = bytearray(path.read_bytes())
    with fits.open(path) as hdus:
        damaged[hdus["PSF"].fileinfo()["datLoc"] + 7] ^= 1
    path.write_bytes(damaged)
    PSFMap.read(path)
    with pytest.raises(FormatError, match="checksum"):
        PSFMap.read(path, checksum=True)


def test_names_of_the_hdus():
    psf, _, _, edisp = responses()
    names = [hdu.name for hdu in psf.to_hdulist()[1:]]
    assert names == ["PSF", "PSF_BANDS", "PSF_EXPOSURE", "PSF_EXPOSURE_BANDS"]
    names = [hdu.name for hdu in edisp.to_hdulist()[1:]]
    assert names == ["EDISP", "EDISP_BANDS", "EDISP_EXPOSURE", "EDISP_EXPOSURE_BANDS"]


def test_the_axes_decide_what_a_dispersion_is():
    edisp = responses()[3]
    assert type(EDispMap.from_hdulist(edisp.to_hdulist())) is EDispKernelMap
    psf = responses()[1]
    assert type(PSFMap.from_hdulist(psf.to_hdulist())) is RecoPSFMap


def test_a_response_without_exposure():
    psf = PSFMap(responses()[0].psf_map)
    assert PSFMap.from_hdulist(psf.to_hdulist()).exposure_map is None


def test_a_growing_stack_is_written_as_its_mean(backend, tmp_path):
    part = responses()[0]
    total = PSFMap.from_geom(part.geom)
    total.stack(part)
    total.stack(part)
    total.write(tmp_path / "psf.fits")
    again = PSFMap.read(tmp_path / "psf.fits")
    assert_allclose(to_host(again.psf_map.data), to_host(part.psf_map.data), rtol=1e-14)
    assert_allclose(to_host(again.exposure_map.data), 2)


def test_a_missing_response_another_format_and_wrong_axes_are_refused(tmp_path):
    psf = responses()[0]
    with pytest.raises(MissingDataError, match="'psf'"):
        PSFMap.from_hdulist(HDUList([PrimaryHDU()]))
    with pytest.raises(FormatError, match="gadf"):
        psf.to_hdulist(format="fits")
    with pytest.raises(FormatError, match="axes"):
        EDispMap.from_hdulist(psf.to_hdulist(), hdu="psf")


@pytest.mark.reference
@pytest.mark.parametrize("name", ["map-23592", "map-migra-23523"])
def test_files_of_gammapy_and_back(shared, tmp_path, name):
    from lightpool.fits import read_fits

    theirs = read_fits(shared / "reference" / f"{name}.fits.gz").hdulist
    for kind, hdu in ((PSFMap, "PSF"), (EDispMap, "EDISP")):
        irf = kind.from_hdulist(theirs)
        assert_array_equal(to_host(irf.irf_map.data), np.asarray(theirs[hdu].data, dtype=float))
        ours = irf.to_hdulist()
        for part in (hdu, f"{hdu}_EXPOSURE"):
            assert_array_equal(ours[part].data, theirs[part].data)
            for key in (
                "BUNIT",
                "WCSSHAPE",
                "AXCOLS1",
                "AXCOLS2",
                "INTERP1",
                "INTERP2",
                "BANDSHDU",
                "CTYPE1",
                "CRPIX1",
            ):
                assert ours[part].header[key] == theirs[part].header[key]
            bands = f"{part}_BANDS"
            assert ours[bands].columns.names == theirs[bands].columns.names
            for column in ours[bands].columns.names:
                assert_allclose(ours[bands].data[column], theirs[bands].data[column], rtol=1e-12)
