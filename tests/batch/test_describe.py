"""`lightpool info FILE` says what any file holds, and ends as other commands do where it is damaged."""

import json
import shutil
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from lightpool.arrays import use_device
from lightpool.batch.describe import describe_file
from lightpool.cli import main
from lightpool.datasets import MapDataset, MapDatasetOnOff, SpectrumDatasetOnOff
from lightpool.maps import Map, MapAxis, WcsGeom

CONTENTS = {
    "a.fits": ("a map dataset", ("MapDataset", "not listed", "WcsGeom", "good times")),
    "b.fits": ("a map dataset with OFF counts", ("MapDatasetOnOff", "OFF counts", "counts_off, acceptance")),
    "c.fits": ("a spectrum (OGIP PHA file)", ("SpectrumDatasetOnOff", "RegionGeom", "0.500 h")),
    "c_arf.fits": ("the effective area of a spectrum", ("effective area",)),
    "c_rmf.fits": ("the energy dispersion of a spectrum", ("energy_true (2", "energy (2")),
    "c_bkg.fits": ("the background of a spectrum", ("channels", "1800.0 s")),
    "map.fits": ("a map, which is read by Map.read", ("WcsGeom", "sum", "60")),
    "psf.fits": ("a PSF map", ("rad",)),
    "run.fits": ("an event list", ("events", "pointing", "EffectiveAreaTable2D", "good times")),
    "hdu-index.fits": ("an HDU index", ("6: 1, 2, 3, 4, 5, 6", "FILE_NAME")),
    "obs-index.fits": ("an observation index", ("6: 1, 2, 3, 4, 5, 6", "RA_PNT")),
    "other.fits": ("nothing that lightpool knows", ("FLAT",)),
}


@pytest.fixture(scope="module")
def folder(crab_store, tmp_path_factory):
    """Files of many kinds."""
    folder = tmp_path_factory.mktemp("info")
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    geom = WcsGeom.create(skydir=(83.63, 22.01), npix=(6, 5), binsz=0.2, axes=[axis])
    with use_device("cpu"):
        maps = MapDataset.create(geom, name="maps", binsz_irf=1.0)
        maps.counts = Map.from_geom(geom, data=np.ones(maps.data_shape))
        maps.mask_safe = Map.from_geom(geom, data=np.ones(maps.data_shape, dtype=bool))
        maps.exposure.meta["livetime"] = 1800 * u.s
        maps.write(folder / "a.fits")
        maps.counts.write(folder / "map.fits")
        maps.psf.write(folder / "psf.fits")
        ones = Map.from_geom(geom, data=np.ones(maps.data_shape))
        MapDatasetOnOff.from_map_dataset(maps, ones, ones * 4, counts_off=ones * 3).write(folder / "b.fits")
        spectrum = maps.to_spectrum_dataset("icrs;circle(83.63, 22.01, 0.3)")
        SpectrumDatasetOnOff.from_spectrum_dataset(spectrum, 1, 4, counts_off=spectrum.counts * 3.0).write(
            folder / "c.fits", format="ogip"
        )
    shutil.copy(next(crab_store.rglob("run_*1.fits.gz")), folder / "run.fits")
    for name in ("hdu-index", "obs-index"):
        shutil.copy(crab_store / f"{name}.fits.gz", folder / f"{name}.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2)), name="FLAT")]).writeto(folder / "other.fits")
    return folder


def info(*arguments):
    return CliRunner().invoke(main, ["info", *map(str, arguments)])


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_is_described_by_what_it_holds(folder, name):
    kind, words = CONTENTS[name]
    shown = info(folder / name)
    assert shown.exit_code == 0, shown.output
    assert f"{name} contains {kind}" in shown.output
    assert not [word for word in words if word not in shown.output], shown.output
    assert "PRIMARY" in shown.output
    told = json.loads(info("--json", folder / name).stdout)
    assert told["file"]["kind"].startswith(kind)


def test_counts_and_livetime_of_a_dataset_are_numbers(folder):
    facts = describe_file(folder / "b.fits").facts
    assert (facts["counts"], facts["background"], facts["excess"]) == (60, 45, 15)
    assert facts["livetime"] == "0.500 h"


def test_without_a_file_the_installation_is_shown():
    assert "numpy" in info().output.lower()


@pytest.mark.parametrize("damage", ["cut off", "no FITS file", "missing", "a column is gone"])
def test_a_damaged_file_is_an_error_that_names_it(folder, tmp_path, damage):
    path = Path(tmp_path / "bad.fits")
    content = (folder / "b.fits").read_bytes()
    if damage == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "no FITS file":
        path.write_text("targets: []\n")
    elif damage == "a column is gone":
        path.write_bytes((folder / "c_arf.fits").read_bytes().replace(b"'SPECRESP'", b"'SPECTRUM'"))
    shown = info(path)
    assert shown.exit_code == 1
    assert "bad.fits" in shown.output
    assert "Traceback" not in shown.output
