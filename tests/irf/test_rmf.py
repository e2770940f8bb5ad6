"""OGIP response files."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import HDUList, PrimaryHDU, read_fits
from lightpool.irf import EDispKernel
from lightpool.maps import MapAxis

ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")
MATRICES = {
    "runs of one length": np.eye(4, 5),
    "an empty row": [[0, 0, 0, 0, 0], [0, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]],
    "rows with two runs": [[0.5, 0, 0.25, 0.25, 0], [0.5, 0, 0, 0, 0.5], [0, 1, 0, 0, 0], [0.25, 0, 0.5, 0, 0.25]],
    "full": np.full((4, 5), 0.125),
}


def kernel_of(matrix):
    return EDispKernel(axes=[ENERGY_TRUE, ENERGY], data=np.asarray(matrix, dtype=float))


@pytest.mark.parametrize("name", list(MATRICES))
@pytest.mark.parametrize("format_name", ["ogip", "ogip-sherpa"])
@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_a_matrix_is_read_as_it_was_written(name, format_name, suffix, tmp_path):
    kernel = kernel_of(MATRICES[name])
    kernel.write(tmp_path / f"rmf{suffix}", format=format_name)
    again = EDispKernel.read(tmp_path / f"rmf{suffix}")
    assert_array_equal(again.data, kernel.data)  # halves and quarters are exact in the float32 of the file
    for axis in kernel.axes:
        assert_allclose(again.axes[axis.name].edges.to_value("TeV"), axis.edges_value, rtol=1e-7)
    unit = "keV" if format_name == "ogip-sherpa" else "TeV"
    assert again.axes["energy"].unit == unit


def test_the_table_tells_the_runs():
    table = kernel_of(MATRICES["rows with two runs"]).to_table()
    assert table.meta["numgrp"] == 8
    assert table.meta["numelt"] == 9
    assert list(table["N_GRP"]) == [2, 2, 1, 3]
    assert list(table["F_CHAN"][0]) == [0, 2]
    assert list(table["N_CHAN"][0]) == [1, 2]


def test_channels_may_be_counted_from_one():
    hdulist = kernel_of(MATRICES["rows with two runs"]).to_hdulist()
    data = hdulist["MATRIX"].data
    for row in range(len(data)):
        data["F_CHAN"][row] = data["F_CHAN"][row] + 1
    hdulist["MATRIX"].header["TLMIN4"] = 1
    assert_array_equal(EDispKernel.from_hdulist(hdulist).data, MATRICES["rows with two runs"])
    del hdulist["MATRIX"].header["TLMIN4"]
    hdulist["EBOUNDS"].data["CHANNEL"] += 1
    assert_array_equal(EDispKernel.from_hdulist(hdulist).data, MATRICES["rows with two runs"])


def test_runs_that_leave_the_matrix_are_refused():
    hdulist = kernel_of(MATRICES["full"]).to_hdulist()
    hdulist["MATRIX"].header["TLMIN4"] = -2
    with pytest.raises(FormatError, match="TLMIN"):
        EDispKernel.from_hdulist(hdulist)


def test_a_missing_hdu_is_named():
    with pytest.raises(MissingDataError, match="'MATRIX'"):
        EDispKernel.from_hdulist(HDUList([PrimaryHDU()]))


def test_an_unknown_format_of_a_matrix_is_refused():
    with pytest.raises(FormatError, match="ogip-sherpa"):
        kernel_of(MATRICES["full"]).to_hdulist(format="rmf")


@pytest.mark.reference
def test_a_file_of_gammapy(shared, tmp_path):
    path = shared / "reference" / "spectra" / "pha_obs23523_rmf.fits"
    kernel = EDispKernel.read(path)
    assert kernel.data.sum() > 1
    kernel.write(tmp_path / "rmf.fits")
    ours, theirs = read_fits(tmp_path / "rmf.fits").hdulist, read_fits(path).hdulist
    for name in ("MATRIX", "EBOUNDS"):
        assert ours[name].columns.names == theirs[name].columns.names
        assert ours[name].columns.formats == theirs[name].columns.formats
        for row, expected in zip(ours[name].data, theirs[name].data, strict=True):
            for value, other in zip(row, expected, strict=True):
                assert_array_equal(value, other)
