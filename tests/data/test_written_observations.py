"""Observations of every kind are read as they were written."""

import logging

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, SkyCoord
from astropy.io import fits
from made_up_stores import events_hdu, gti_hdu, header_with, irf_hdus, write
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.data import DataStore, FixedPointingInfo, Observation
from lightpool.irf import (
    IRF,
    PSF4D,
    EDispKernelMap,
    EDispMap,
    EffectiveAreaTable3D,
    EffectiveAreaTablePolar,
    EnergyDispersion3D,
    IRFMap,
    PSFMap,
    RadMax2D,
    RecoPSFMap,
)
from lightpool.maps import HpxGeom, Map, MapAxis, RegionGeom, WcsGeom

ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")
AXES = {
    "energy_true": ENERGY_TRUE,
    "energy": ENERGY,
    "offset": MapAxis.from_edges([0, 1, 3] * u.deg, name="offset"),
    "fov_lon": MapAxis.from_edges([-2, 0, 3] * u.deg, name="fov_lon"),
    "fov_lat": MapAxis.from_edges([-3, -1, 1, 3] * u.deg, name="fov_lat"),
    "rho": MapAxis.from_edges([0, 1, 3] * u.deg, name="rho"),
    "phi": MapAxis.from_edges([0, 90, 180, 270, 360] * u.deg, name="phi"),
    "rad": MapAxis.from_bounds(0, 0.6, nbin=5, unit="deg", name="rad", node_type="edges"),
    "migra": MapAxis.from_bounds(0.2, 3, nbin=6, name="migra", node_type="edges"),
}
GEOMS = {
    "wcs": WcsGeom.create(skydir=(83.6, 22), npix=(4, 3), binsz=0.5),
    "healpix": HpxGeom.create(nside=32, nest=False, frame="icrs", region="DISK(83.6,22,3)"),
    "region": RegionGeom.create("icrs;circle(83.6, 22, 1)"),
}


def table(kind, **kwargs):
    axes = [AXES[name] for name in kind.required_axes]
    data = np.random.default_rng(1).uniform(0.1, 1, tuple(axis.nbin for axis in axes))
    return kind(axes, data=data, unit=kind.default_unit, **kwargs)


def random_map(geom, unit):
    return Map.from_geom(geom, data=np.random.default_rng(2).uniform(1, 2, geom.data_shape), unit=unit)


def maps(pixels, *, reco=False):
    image = GEOMS[pixels]
    psf_axes = [AXES["rad"], ENERGY if reco else ENERGY_TRUE]
    psf, exposure = (random_map(image.to_cube(axes), unit) for axes, unit in ((psf_axes, "sr-1"), (psf_axes, "m2 s")))
    exposure = random_map(image.to_cube([AXES["rad"].squash(), psf_axes[1]]), "m2 s")
    first = ENERGY if reco else AXES["migra"]
    return {
        "aeff": random_map(image.to_cube([ENERGY_TRUE]), "cm2 s"),
        "edisp": (EDispKernelMap if reco else EDispMap)(random_map(image.to_cube([first, ENERGY_TRUE]), "")),
        "psf": RecoPSFMap(psf) if reco else PSFMap(psf, exposure),
        "bkg": random_map(image.to_cube([ENERGY]), "s-1 TeV-1 sr-1"),
    }


RESPONSES = {
    "tables": None,  # those of the file
    "none": {},
    "in longitude and latitude": {
        "aeff": table(EffectiveAreaTable3D),
        "edisp": table(EnergyDispersion3D),
        "psf": table(PSF4D),
    },
    "in offset and angle": {"aeff": table(EffectiveAreaTablePolar)},
    "with a directional cut": {"rad_max": table(RadMax2D, is_pointlike=True)},
    **{f"maps, {pixels}": maps(pixels) for pixels in GEOMS},
    **{f"maps in reconstructed energy, {pixels}": maps(pixels, reco=True) for pixels in GEOMS},
}
POINTINGS = {
    "icrs": FixedPointingInfo(fixed_icrs=SkyCoord(83.63, 22.51, unit="deg")),
    "altaz": FixedPointingInfo(fixed_altaz=SkyCoord(120, 60, unit="deg", frame=AltAz())),
}


def observation(tmp_path, responses, pointing="icrs"):
    """An observation whose events come from a file, with other responses."""
    found = Observation.read(write(tmp_path / "run.fits", events_hdu(), gti_hdu(), *irf_hdus()))
    if responses is not None:
        for name in found.available_irfs:
            setattr(found, name, None)
        for name, response in responses.items():
            setattr(found, name, response)
    found.pointing = POINTINGS[pointing]
    return found


def assert_same_map(found, expected):
    assert type(found) is type(expected)
    assert found.geom == expected.geom
    assert found.unit == expected.unit
    assert_array_equal(to_host(found.data), to_host(expected.data))


def assert_same_response(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, IRF):
        assert found.is_allclose(expected)
        assert found.is_pointlike == expected.is_pointlike
    elif isinstance(expected, IRFMap):
        assert_same_map(found.irf_map, expected.irf_map)
        assert (found.exposure_map is None) == (expected.exposure_map is None)
        if expected.exposure_map is not None:
            assert_same_map(found.exposure_map, expected.exposure_map)
    else:
        assert_same_map(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", RESPONSES)
def test_each_response_is_read_as_it_was_written(tmp_path, name, caplog):
    written = observation(tmp_path, RESPONSES[name])
    path = tmp_path / "copy.fits"
    with caplog.at_level(logging.WARNING):
        written.write(path, checksum=True)
        back = Observation.read(path, checksum=True)
        assert back.available_irfs == written.available_irfs
        for part in written.available_irfs:
            assert_same_response(getattr(back, part), getattr(written, part))
    # the background of the made-up tables has as many bins on each axis
    assert [text for text in caplog.messages if "does not tell the order of its axes" not in text] == []
    with fits.open(path, checksum=True) as hdulist:
        names = [hdu.name for hdu in hdulist]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("pointing", ["icrs", pytest.param("altaz", marks=pytest.mark.slow)])
def test_events_good_times_and_pointing_are_read_as_they_were_written(tmp_path, pointing):
    written = observation(tmp_path, {}, pointing)
    start = written.gti.time_start[0]
    # events and good times outside the interval are not written
    written = written.select_time([start + 15 * u.s, start + 65 * u.s])
    written.write(tmp_path / "copy.fits")
    back = Observation.read(tmp_path / "copy.fits")
    assert len(back.events) == len(written.events) == 5
    for column in ("EVENT_ID", "TIME", "RA", "DEC", "ENERGY"):
        assert_array_equal(back.events.table[column], written.events.table[column])
    assert_allclose(back.gti.time_sum.to_value("s"), 50)
    assert abs((back.gti.time_start - written.gti.time_start).to_value("s")).max() < 1e-6
    assert back.pointing.mode == written.pointing.mode
    assert back.get_pointing_icrs(back.tmid).separation(written.get_pointing_icrs(written.tmid)).arcsec < 1e-6
    assert back.observatory_earth_location == written.observatory_earth_location


def test_the_number_in_the_file_is_that_of_the_observation(tmp_path):
    written = observation(tmp_path, {})
    written.events.table.meta["OBS_ID"] = "chunks 1 - 3"
    written.obs_id = 103
    written.write(tmp_path / "copy.fits")
    assert fits.getheader(tmp_path / "copy.fits", "EVENTS")["OBS_ID"] == 103
    assert Observation.read(tmp_path / "copy.fits").obs_id == 103


@pytest.mark.parametrize("name", ["tables", "maps, wcs", "maps, healpix"])
def test_responses_may_be_in_another_file(tmp_path, name):
    written = observation(tmp_path, RESPONSES[name])
    written.write(tmp_path / "all.fits.gz")
    written.write(tmp_path / "bare.fits", include_irfs=False)
    assert Observation.read(tmp_path / "bare.fits").available_irfs == []
    back = Observation.read(tmp_path / "bare.fits", tmp_path / "all.fits.gz")
    for part in written.available_irfs:
        assert_same_response(getattr(back, part), getattr(written, part))


def test_a_file_is_replaced_only_on_request(tmp_path):
    written = observation(tmp_path, RESPONSES["maps, wcs"])
    path = tmp_path / "copy.fits"
    path.write_bytes(b"mine")
    with pytest.raises(OSError, match="overwrite"):
        written.write(path)
    assert path.read_bytes() == b"mine"
    written.write(path, overwrite=True)
    assert Observation.read(path).available_irfs == ["aeff", "edisp", "psf", "bkg"]


def test_the_first_of_several_maps_of_one_kind_is_read_with_a_warning(tmp_path, caplog):
    area = fits.ImageHDU(np.ones((1, 1)), name="OTHER")
    area.header.update(HDUCLAS1="RESPONSE", HDUCLAS2="EFF_AREA", HDUCLAS4="MAP")
    written = observation(tmp_path, RESPONSES["maps, wcs"])
    written.write(tmp_path / "copy.fits")
    with fits.open(tmp_path / "copy.fits", mode="append") as hdulist:
        hdulist.append(area)
    back = Observation.read(tmp_path / "copy.fits")
    assert "more than one HDU of type aeff; 'AEFF' is taken, 'OTHER' is not" in caplog.text
    assert_same_response(back.aeff, written.aeff)


def test_a_store_finds_maps_in_the_files_of_events(tmp_path):
    written = observation(tmp_path, RESPONSES["maps, wcs"])
    written.write(tmp_path / "copy.fits")
    store = DataStore.from_events_files([tmp_path / "copy.fits"], irfs_paths=tmp_path / "copy.fits")
    (back,) = store.get_observations([1], required_irf=["aeff", "psf"])
    for part in written.available_irfs:
        assert_same_response(getattr(back, part), getattr(written, part))


def test_a_header_says_where_its_number_is_wrong(tmp_path):
    path = write(tmp_path / "run.fits", events_hdu(header=header_with(OBS_ID="chunks 1 - 3")), gti_hdu())
    with pytest.raises(ValueError, match="OBS_ID = 'chunks 1 - 3', expected a whole number"):
        Observation.read(path)
