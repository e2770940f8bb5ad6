"""OGIP files as the memos 92-007 and 92-002 have them: those that are written, and those that others wrote."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from lightpool.arrays import to_host, use_device
from lightpool.datasets import Datasets, SpectrumDatasetOnOff
from lightpool.errors import FormatError
from lightpool.fits import read_fits
from lightpool.irf import EDispKernel, EDispKernelMap
from lightpool.maps import Map, MapAxis, RegionGeom

EDGES = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
MANDATORY = {
    "": "TELESCOP INSTRUME FILTER EXPOSURE AREASCAL BACKFILE CORRFILE CORRSCAL RESPFILE ANCRFILE HDUCLASS HDUCLAS1 "
    "HDUVERS POISSERR CHANTYPE DETCHANS",
    "_bkg": "TELESCOP INSTRUME FILTER EXPOSURE AREASCAL BACKFILE CORRFILE CORRSCAL RESPFILE ANCRFILE HDUCLASS HDUCLAS1 "
    "HDUCLAS2 HDUVERS POISSERR CHANTYPE DETCHANS",
    "_arf": "TELESCOP INSTRUME FILTER HDUCLASS HDUCLAS1 HDUCLAS2 HDUVERS",
    "_rmf": "TELESCOP INSTRUME FILTER CHANTYPE DETCHANS HDUCLASS HDUCLAS1 HDUCLAS2 HDUVERS NUMGRP NUMELT LO_THRES",
}
"""Keywords that each kind of file must have."""


@pytest.fixture
def backend():
    """Files are made on the host: one device will do."""
    with use_device("cpu"):
        yield


def counts_of(dataset):
    return to_host(dataset.counts.data).ravel().tolist()


# --- written


@pytest.mark.parametrize("format_", ["ogip", "xspec"])
def test_each_file_has_the_mandatory_keywords(one, tmp_path, format_):
    one.write(tmp_path / "pha.fits", format=format_)
    for part, keywords in MANDATORY.items():
        file = read_fits(tmp_path / f"pha{part}.fits")
        header = file.header(1)
        assert not [key for key in keywords.split() if key not in header], part
        assert (header["TELESCOP"], type(header.get("CORRSCAL", 1.0))) == ("HESS", float)
        for name in file.names:
            if name == "EBOUNDS":
                ebounds = file.header(name)
                assert [ebounds[key] for key in ("TELESCOP", "DETCHANS", "TLMIN1", "TLMAX1")] == ["HESS", 4, 0, 3]
    matrix = read_fits(tmp_path / "pha_rmf.fits").header("MATRIX")
    assert matrix["TTYPE4"] == "F_CHAN"
    assert (matrix["TLMIN4"], matrix["TLMAX4"], matrix["HDUCLAS3"]) == (0, 3, "REDIST")


def test_a_channel_without_off_region_is_bad_for_xspec_which_divides_by_its_scale(one, tmp_path):
    scale = np.array([5.0, 0.0, 5.0, 5.0]).reshape(4, 1, 1)
    one.acceptance_off = Map.from_geom(one.counts.geom, data=scale)
    one.write(tmp_path / "pha.fits", format="xspec")
    for part in ("", "_bkg"):
        table = read_fits(tmp_path / f"pha{part}.fits").table("SPECTRUM")
        np.testing.assert_array_equal(table.column("QUALITY"), [0, 1, 0, 1])
        assert table.column("BACKSCAL").min() > 0


def test_a_stack_keeps_telescope_instrument_and_observations(one, two, tmp_path):
    for spectrum in (one, two):
        spectrum.meta_table["INSTRUME"] = [["CT1-5"]]
    Datasets([one, two]).stack_reduce(name="all").write(tmp_path / "pha.fits", format="ogip")
    header = read_fits(tmp_path / "pha.fits").header("SPECTRUM")
    assert (header["TELESCOP"], header["INSTRUME"]) == ("HESS", "CT1-5")
    again = SpectrumDatasetOnOff.read(tmp_path / "pha.fits")
    assert np.ravel(again.meta_table["OBS_ID"]).tolist() == [1, 2]


def test_more_channels_than_two_bytes_count_are_counted_up(tmp_path):
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=40_000)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3, name="energy_true")
    with use_device("cpu"):
        geom = RegionGeom.create("icrs;circle(0, 0, 1)", axes=[energy])
        dataset = SpectrumDatasetOnOff.create(geom, energy_axis_true=energy_true, name="fine")
        exposure = dataset.exposure.geom
        dataset.exposure = Map.from_geom(exposure, data=1.0, unit="m2 s", meta={"livetime": 1 * u.h})
        dataset.edisp = EDispKernelMap.from_diagonal_response(energy_axis=energy, energy_axis_true=energy_true)
        dataset.write(tmp_path / "pha.fits", format="ogip")
        again = SpectrumDatasetOnOff.read(tmp_path / "pha.fits")
    for file, hdu in (("pha.fits", "SPECTRUM"), ("pha.fits", "EBOUNDS"), ("pha_rmf.fits", "EBOUNDS")):
        channel = fits.getdata(tmp_path / file, hdu)["CHANNEL"]
        np.testing.assert_array_equal(channel, np.arange(40_000))
    np.testing.assert_array_equal(
        again.edisp.get_edisp_kernel().pdf_matrix > 0, dataset.edisp.get_edisp_kernel().pdf_matrix > 0
    )


def test_energies_from_zero_are_refused(one, tmp_path):
    axis = MapAxis.from_edges([0, 1, 10], unit="TeV", name="energy_true", interp="lin")
    geom = one.exposure.geom.to_image().to_cube([axis])
    one.exposure = Map.from_geom(geom, data=1.0, unit="m2 s", meta={"livetime": 1 * u.h})
    one.edisp = None
    with pytest.raises(FormatError, match=r"energy_true begins at 0\.0 TeV"):
        one.write(tmp_path / "pha.fits", format="xspec")


# --- written by others


def table_of(name, header=None, **columns):
    """Table HDU of columns given as (format, unit, values)."""
    made = [fits.Column(key, form, unit or None, array=values) for key, (form, unit, values) in columns.items()]
    hdu = fits.BinTableHDU.from_columns(made, name=name)
    hdu.header.update(header or {})
    return hdu


def write(path, *hdus):
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)


def spectrum(back="none", first=1, **changes):
    header = {"HDUCLASS": "OGIP", "HDUCLAS1": "SPECTRUM", "EXPOSURE": 100.0, "BACKSCAL": 1.0, "AREASCAL": 1.0}
    header |= {"BACKFILE": back, "RESPFILE": "r.rmf", "ANCRFILE": "a.arf", "DETCHANS": 4, "POISSERR": True}
    header |= {"TELESCOP": "NuSTAR", "INSTRUME": "FPMA", "OBS_ID": "77"}
    columns = {"CHANNEL": ("I", "", np.arange(first, first + 4)), "COUNTS": ("J", "count", [5, 4, 3, 2])}
    columns |= {key: value for key, value in changes.items() if isinstance(value, tuple)}
    header |= {key: value for key, value in changes.items() if not isinstance(value, tuple | None)}
    return table_of(
        "SPECTRUM", header, **{key: value for key, value in columns.items() if changes.get(key, 1) is not None}
    )


def ebounds(first=1):
    channel = ("I", "", np.arange(first, first + 4))
    return table_of("EBOUNDS", CHANNEL=channel, E_MIN=("E", "keV", EDGES[:-1]), E_MAX=("E", "keV", EDGES[1:]))


def matrix(name="MATRIX", first=1, tlmin=True, values=1.0, header=None, variable=False):
    """Diagonal matrix of four energies and channels."""
    starts = np.arange(first, first + 4)
    cells = {"F_CHAN": ("I", "", starts), "N_CHAN": ("I", "", [1] * 4), "MATRIX": ("E", "", [values] * 4)}
    if variable:
        cells = {"F_CHAN": ("PI()", "", [[_] for _ in starts]), "N_CHAN": ("PI()", "", [[1]] * 4)}
        cells["MATRIX"] = ("PE()", "", [[values]] * 4)
    energies = {"ENERG_LO": ("E", "keV", EDGES[:-1]), "ENERG_HI": ("E", "keV", EDGES[1:])}
    header = (header or {}) | ({"TLMIN4": first} if tlmin else {})
    return table_of(name, header, **energies, N_GRP=("I", "", [1] * 4), **cells)


def area():
    energies = {"ENERG_LO": ("E", "keV", EDGES[:-1]), "ENERG_HI": ("E", "keV", EDGES[1:])}
    return table_of("SPECRESP", **energies, SPECRESP=("E", "cm2", [10.0, 20.0, 30.0, 40.0]))


@pytest.fixture
def folder(backend, tmp_path):
    """Files of another program: energies only in the RMF, channels from 1."""
    write(tmp_path / "p.pha", spectrum())
    write(tmp_path / "r.rmf", matrix(), ebounds())
    write(tmp_path / "a.arf", area())
    return tmp_path


def test_the_energies_of_the_channels_may_be_in_the_rmf_alone(folder):
    dataset = SpectrumDatasetOnOff.read(folder / "p.pha")
    assert counts_of(dataset) == [5, 4, 3, 2]
    np.testing.assert_allclose(dataset.counts.geom.axes["energy"].edges.to_value("keV"), EDGES)
    np.testing.assert_allclose(dataset.exposure.quantity.to_value("m2 s").ravel(), [0.1, 0.2, 0.3, 0.4])
    assert dataset.meta_table["TELESCOP"][0] == "NuSTAR"


@pytest.mark.parametrize("name", ["MATRIX", "SPECRESP MATRIX"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("tlmin", [True, False])
@pytest.mark.parametrize("variable", [True, False])
def test_a_matrix_is_read_in_each_of_its_layouts(folder, name, first, tlmin, variable):
    write(folder / "r.rmf", matrix(name, first, tlmin, variable=variable), ebounds(first))
    write(folder / "p.pha", spectrum(first=first))
    np.testing.assert_array_equal(EDispKernel.read(folder / "r.rmf").pdf_matrix, np.eye(4))
    dataset = SpectrumDatasetOnOff.read(folder / "p.pha")
    np.testing.assert_allclose(dataset.edisp.get_edisp_kernel().pdf_matrix, np.eye(4))


def test_the_effective_area_may_be_in_the_matrix(folder):
    full = matrix("SPECRESP MATRIX", values=250.0, header={"HDUCLAS1": "RESPONSE", "HDUCLAS3": "FULL"})
    write(folder / "r.rmf", full, ebounds())
    write(folder / "p.pha", spectrum(ANCRFILE="none"))
    dataset = SpectrumDatasetOnOff.read(folder / "p.pha")
    np.testing.assert_allclose(dataset.exposure.quantity.to_value("cm2 s").ravel(), 250 * 100)
    np.testing.assert_allclose(dataset.edisp.get_edisp_kernel().pdf_matrix, np.eye(4))
    write(folder / "r.rmf", matrix(), ebounds())
    with pytest.raises(FormatError, match="ANCRFILE names no file, expected an effective area"):
        SpectrumDatasetOnOff.read(folder / "p.pha")


def test_rates_become_counts(folder, caplog):
    write(folder / "p.pha", spectrum(COUNTS=None, RATE=("E", "count/s", np.array([5, 4, 3, 2]) / 100)))
    assert counts_of(SpectrumDatasetOnOff.read(folder / "p.pha")) == [5, 4, 3, 2]
    assert not caplog.text
    write(folder / "p.pha", spectrum(COUNTS=None, RATE=("E", "count/s", [0.052, 0.04, 0.03, 0.02])))
    assert counts_of(SpectrumDatasetOnOff.read(folder / "p.pha"))[0] == pytest.approx(5.2)
    assert "p.pha" in caplog.text
    assert "no whole counts" in caplog.text


def test_a_background_that_was_taken_for_longer_is_scaled_by_its_time_and_its_area(folder):
    write(folder / "p.pha", spectrum(back="b.pha", BACKSCAL=2.0, AREASCAL=0.5))
    write(folder / "b.pha", spectrum(HDUCLAS2="BKG", EXPOSURE=400.0, BACKSCAL=6.0, AREASCAL=1.0))
    dataset = SpectrumDatasetOnOff.read(folder / "p.pha")
    alpha = 100 * 2 * 0.5 / (400 * 6 * 1.0)
    np.testing.assert_allclose(to_host(dataset.background.data).ravel(), alpha * np.array([5, 4, 3, 2]))
    np.testing.assert_allclose(dataset.exposure.quantity.to_value("m2 s").ravel(), [0.05, 0.1, 0.15, 0.2])


def bad_files():
    """Name of the case: what the PHA file holds, and the error."""
    area_of_channels = ("E", "", [1.0, 1.0, 0.5, 1.0])
    many = ("4J", "count", np.ones((4, 4), dtype=int))
    return {
        "areas that differ": (spectrum(AREASCAL=area_of_channels), "AREASCAL must be one number"),
        "no area": (spectrum(AREASCAL=0.0), "AREASCAL must be one number above zero"),
        "several spectra": (spectrum(COUNTS=many), "several spectra"),
        "neither counts nor rates": (spectrum(COUNTS=None), "neither a column COUNTS nor RATE"),
        "channels left out": (spectrum(CHANNEL=("I", "", [1, 2, 4, 5])), "CHANNEL does not count up by 1"),
    }


@pytest.mark.parametrize("case", bad_files())
def test_what_cannot_be_read_is_said(folder, case):
    hdu, text = bad_files()[case]
    write(folder / "p.pha", hdu)
    with pytest.raises(FormatError, match=text) as caught:
        SpectrumDatasetOnOff.read(folder / "p.pha")
    assert "p.pha" in str(caught.value)


def test_energies_in_no_file_are_missed(folder):
    write(folder / "p.pha", spectrum(RESPFILE="none"))
    with pytest.raises(FormatError, match=r"p\.pha: no HDU 'EBOUNDS'.*nor in its RESPFILE"):
        SpectrumDatasetOnOff.read(folder / "p.pha")
