"""Readers and writers of the files of spectra, as objects."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.data.metadata import CreatorMetaData
from lightpool.datasets import OGIPDatasetReader, OGIPDatasetWriter, SpectrumDatasetOnOff
from lightpool.datasets.io import DatasetReader, DatasetWriter
from lightpool.errors import FormatError


@pytest.fixture
def spectrum(make_spectrum):
    return make_spectrum([3, 5, 0, 1], [4, 2, 1, 0], 0.5, name="one")


def test_a_writer_writes_what_a_reader_reads(spectrum, tmp_path):
    path = tmp_path / "new" / "pha.fits"
    writer = OGIPDatasetWriter(path, creation=CreatorMetaData(creator="me"))
    writer.write(spectrum)
    assert isinstance(writer, DatasetWriter)
    with fits.open(path) as hdus:
        assert hdus["SPECTRUM"].header["CREATOR"] == "me"
    reader = OGIPDatasetReader(path)
    assert isinstance(reader, DatasetReader)
    again = reader.read()
    assert type(again) is SpectrumDatasetOnOff
    assert again.name == "one"
    assert OGIPDatasetReader(path, name="other").read().name == "other"
    for name in ("counts", "counts_off", "acceptance", "acceptance_off", "mask_safe"):
        assert_array_equal(to_host(again.maps[name].data), to_host(spectrum.maps[name].data))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        writer.write(spectrum)
    OGIPDatasetWriter(path, overwrite=True, format="ogip-sherpa").write(spectrum)
    assert fits.getheader(path, "EBOUNDS")["TUNIT2"] == "keV"


def test_single_files_are_written_and_read(spectrum, tmp_path):
    writer = OGIPDatasetWriter(tmp_path / "pha.fits", checksum=True)
    names = writer.get_filenames(tmp_path / "pha.fits")
    assert names == {"respfile": "pha_rmf.fits", "backfile": "pha_bkg.fits", "ancrfile": "pha_arf.fits"}
    writer.write_pha(spectrum, tmp_path / "a.fits")
    writer.write_bkg(spectrum, tmp_path / "b.fits")
    writer.write_arf(spectrum, tmp_path / "c.fits")
    writer.write_rmf(spectrum, tmp_path / "d.fits")
    on = OGIPDatasetReader.read_pha(tmp_path / "a.fits", checksum=True)
    off = OGIPDatasetReader.read_bkg(tmp_path / "b.fits")
    livetime = 1000 * u.s
    exposure = OGIPDatasetReader.read_arf(tmp_path / "c.fits", livetime)
    edisp = OGIPDatasetReader.read_rmf(tmp_path / "d.fits", exposure)
    assert_array_equal(to_host(on["counts"].data), to_host(spectrum.counts.data))
    assert_array_equal(to_host(on["mask_safe"].data), to_host(spectrum.mask_safe.data))
    assert on["gti"].time_sum == spectrum.gti.time_sum
    assert_array_equal(to_host(off["counts_off"].data), to_host(spectrum.counts_off.data))
    assert_array_equal(to_host(off["acceptance_off"].data), to_host(spectrum.acceptance_off.data))
    assert_allclose(to_host(exposure.data), to_host(spectrum.exposure.data), rtol=1e-12)
    assert exposure.meta["livetime"] == livetime
    matrix = spectrum.edisp.get_edisp_kernel().pdf_matrix
    assert_allclose(edisp.get_edisp_kernel().pdf_matrix, matrix, rtol=1e-6)
    meta = writer.get_ogip_meta(spectrum)
    assert (meta["HDUCLAS2"], meta["EXPOSURE"], meta["BACKFILE"]) == ("TOTAL", 1000.0, "pha_bkg.fits")
    assert writer.get_ogip_meta(spectrum, is_bkg=True)["HDUCLAS2"] == "BKG"


def test_a_damaged_file_is_told_by_its_checksum(spectrum, tmp_path):
    path = tmp_path / "pha.fits"
    OGIPDatasetWriter(path, checksum=True).write(spectrum)
    content = bytearray(path.read_bytes())
    with fits.open(path) as hdus:
        content[hdus["SPECTRUM"].fileinfo()["datLoc"] + 7] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="checksum of HDU 'SPECTRUM'"):
        OGIPDatasetReader(path, checksum=True).read()
    with pytest.raises(FormatError, match="checksum of HDU 'SPECTRUM'"):
        OGIPDatasetReader.read_pha(path, checksum=True)


def test_files_are_found_beside_the_pha_file_and_what_is_missing_is_said(spectrum, tmp_path):
    path = tmp_path / "pha.fits"
    reader = OGIPDatasetReader(path)
    assert reader.get_valid_path("pha_arf.fits") == tmp_path / "pha_arf.fits"
    found = reader.get_filenames({"ANCRFILE": "a.fits", "BACKFILE": "none", "RESPFILE": "r.fits"})
    assert found == {"arffile": tmp_path / "a.fits", "rmffile": tmp_path / "r.fits"}
    with pytest.raises(FormatError, match="ANCRFILE"):
        reader.get_filenames({})
    with pytest.raises(ValueError, match="filename"):
        OGIPDatasetReader(None)
    spectrum.counts_off = None
    with pytest.raises(ValueError, match="a BKG file needs counts_off"):
        OGIPDatasetWriter(path).write_bkg(spectrum, tmp_path / "b.fits")
    assert np.isfinite(to_host(spectrum.counts.data)).all()
