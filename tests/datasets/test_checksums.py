"""One rule for all that is read with ``checksum=True``: a wrong checksum is an error, a missing one a warning."""

import logging

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from lightpool.data import GTI, EventList, Observation
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.errors import DamagedFileError
from lightpool.irf import EDispKernel, EDispKernelMap, PSFMap
from lightpool.maps import HpxGeom, Map, MapAxis, Maps, RegionGeom, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy_true")
GEOM = WcsGeom.create(npix=4, axes=[ENERGY])
REGION = RegionGeom.create("icrs;circle(0, 0, 1)", axes=[ENERGY])


def dataset(path, **options):
    MapDataset.create(GEOM, energy_axis_true=TRUE).write(path, **options)


def map_of(geom):
    return lambda path, **options: Map.from_geom(geom, data=np.ones(geom.data_shape)).write(path, **options)


WRITE = {
    "map": map_of(GEOM),
    "region": map_of(REGION),
    "healpix": map_of(HpxGeom.create(nside=4)),
    "dataset": dataset,
    "kernel": EDispKernel.from_gauss(TRUE, ENERGY, 0.2, 0).write,
    "psf": PSFMap.from_gauss(TRUE, sigma=0.1 * u.deg).write,
    "edisp": EDispKernelMap.from_gauss(ENERGY, TRUE, 0.2, 0).write,
    "gti": GTI.create([0] * u.s, [10] * u.s).write,
    "maps": lambda path, **options: Maps(a=Map.from_geom(GEOM)).write(path, **options),
}
READ = {
    "map": (Map.read, "PRIMARY"),
    "region": (Map.read, "SKYMAP"),
    "healpix": (Map.read, "SKYMAP"),
    "dataset": (MapDataset.read, "EXPOSURE"),
    "kernel": (EDispKernel.read, "MATRIX"),
    "psf": (PSFMap.read, "PSF"),
    "edisp": (EDispKernelMap.read, "EDISP"),
    "gti": (GTI.read, "GTI"),
    "maps": (Maps.read, "A"),
    "events": (EventList.read, "EVENTS"),
    "observation": (Observation.read, "GTI"),
}


def write(kind, path, checksum, crab_store):
    if kind in WRITE:
        WRITE[kind](path, checksum=checksum)
        return
    with fits.open(crab_store / "data" / "run_000001.fits.gz") as hdus:
        for hdu in hdus:
            for key in ("CHECKSUM", "DATASUM"):
                hdu.header.remove(key, ignore_missing=True)
        hdus.writeto(path, checksum=checksum)


def damage(path, name):
    """Change a byte of the data of an HDU, which stay valid numbers."""
    with fits.open(path) as hdus:
        number = hdus.index_of(name) if name != "PRIMARY" else 0
        info = hdus[number].fileinfo()
        assert info["datSpan"] > 0
        last = info["datLoc"] + (hdus[number].size or 8) - 1
    content = bytearray(path.read_bytes())
    content[last] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("kind", READ)
def test_a_wrong_checksum_is_an_error_and_a_missing_one_a_warning(kind, tmp_path, crab_store, caplog):
    read, name = READ[kind]
    path = tmp_path / "file.fits"
    with caplog.at_level(logging.WARNING):
        write(kind, path, True, crab_store)
        read(path, checksum=True)
        assert "no checksum" not in caplog.text
        damage(path, name)
        with pytest.raises(DamagedFileError, match=f"checksum of HDU '{name}' of .*file.fits does not agree"):
            read(path, checksum=True)
        read(path)  # nobody asked
        path.unlink()
        write(kind, path, False, crab_store)
        assert "no checksum" not in caplog.text
        read(path, checksum=True)
    assert f"{name}" in caplog.text
    assert "no checksum to verify" in caplog.text


def test_a_header_that_was_changed_is_told_apart_from_data(tmp_path):
    path = tmp_path / "map.fits"
    WRITE["map"](path, checksum=True)
    path.write_bytes(path.read_bytes().replace(b"CTYPE1  = 'RA---CAR'", b"CTYPE1  = 'RA---TAN'"))
    with pytest.raises(DamagedFileError, match="does not agree with its header"):
        Map.read(path, checksum=True)


def test_files_of_a_spectrum_follow_the_same_rule(tmp_path):
    path = tmp_path / "spectrum.fits"
    SpectrumDataset.create(REGION, energy_axis_true=TRUE).write(path, checksum=True)
    damage(path, "COUNTS")
    with pytest.raises(DamagedFileError, match="checksum of HDU 'COUNTS'"):
        SpectrumDataset.read(path, checksum=True)
