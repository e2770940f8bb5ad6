"""Bins of a dataset that the tables of an observation do not cover are reported with run, table and bins."""

import logging

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lightpool.arrays import to_host
from lightpool.data import Observation
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.errors import FormatError
from lightpool.irf import PSF3D, Background3D, EffectiveAreaTable2D
from lightpool.makers import MapDatasetMaker, SpectrumDatasetMaker
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom

POINTING = SkyCoord(83.6, 22.0, unit="deg")
TABLE = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=12, name="energy_true")
OFFSET = MapAxis.from_edges([0.0, 1.0, 2.0] * u.deg, name="offset")
TRUE = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=6, name="energy_true")
RAD = MapAxis.from_bounds(0, 0.3, nbin=6, name="rad", unit="deg", node_type="edges")


def background(first=0):
    lon, lat = (MapAxis.from_bounds(-3, 3, nbin=6, unit="deg", name=name) for name in ("fov_lon", "fov_lat"))
    data = np.ones((12, 6, 6)) * 1e-7 * TABLE.center.value[:, np.newaxis, np.newaxis] ** -2.7
    data[:first] = 0
    axes = [TABLE.rename("energy"), lon, lat]
    return Background3D(axes=axes, data=data.astype("float32"), unit="s-1 TeV-1 sr-1", meta={"EXTNAME": "BKG"})


def run_with(offset=OFFSET, first=0, **changes):
    area = EffectiveAreaTable2D(axes=[TABLE, offset], data=1e5, unit="m2", meta={"EXTNAME": "AEFF"})
    psf = PSF3D(axes=[TABLE, OFFSET, RAD], data=1.0, unit="sr-1", meta={"EXTNAME": "PSF"})
    psf.normalize()
    irfs = {"aeff": area, "psf": psf, "bkg": background(first)} | changes
    return Observation.create(pointing=POINTING, livetime="1 h", irfs=irfs, obs_id=42)


def map_of(energy=(0.1, 1, 100), true=TRUE):
    geom = WcsGeom.create(skydir=POINTING, width=1, binsz=0.25, axes=[MapAxis.from_energy_edges(energy * u.TeV)])
    return MapDataset.create(geom, energy_axis_true=true, rad_axis=RAD)


def spectrum_at(distance, energy=(0.1, 1, 100), radius=0.11 * u.deg):
    center = POINTING.directional_offset_by(0 * u.deg, distance)
    axes = [MapAxis.from_energy_edges(energy * u.TeV)]
    geom = RegionGeom.create(f"icrs;circle({center.ra.deg}, {center.dec.deg}, {radius.to_value('deg')})", axes=axes)
    return SpectrumDataset.create(geom, energy_axis_true=TRUE)


def texts(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("first", [0, 4])
def test_what_the_tables_cover_is_not_worth_a_warning(caplog, first):
    MapDatasetMaker(["exposure", "psf", "background"]).run(map_of(), run_with(first=first))
    SpectrumDatasetMaker(["exposure", "background"], containment_correction=True).run(
        spectrum_at(0.5 * u.deg), run_with(first=first)
    )
    assert texts(caplog) == []


def test_true_energies_outside_of_the_effective_area_are_named(device, caplog):
    true = MapAxis.from_energy_bounds("0.001 TeV", "1000 TeV", nbin=6, name="energy_true")
    dataset = MapDatasetMaker(["exposure", "psf"]).run(map_of(true=true).to(device), run_with())
    assert to_host(dataset.exposure.data).any(axis=(1, 2)).tolist() == [False, False, True, True, True, False]
    (area, psf) = texts(caplog)
    assert "observation 42: its effective area (HDU 'AEFF') is given from 0.1 TeV to 100 TeV" in area
    assert "bins of true energy 0 to 1 (0.001 to 0.1 TeV), 5 (100 to 1000 TeV)" in area
    assert "its PSF (HDU 'PSF')" in psf


def test_energies_without_background_are_named(device, caplog):
    dataset = MapDatasetMaker(["background"]).run(
        map_of(energy=(0.01, 0.05, 0.12, 0.17, 1)).to(device), run_with(first=2)
    )
    assert to_host(dataset.background.data).any(axis=(1, 2)).tolist()[-1]
    assert not to_host(dataset.background.data)[0].any()
    (text,) = texts(caplog)
    assert "observation 42: its background (HDU 'BKG'), given from 0.1 TeV to 100 TeV, has no rate" in text
    assert "bins of energy 0 to 2 (0.01 to 0.17 TeV)" in text


def test_a_wide_bin_that_begins_where_the_table_is_empty_has_the_background_of_narrow_ones(device, caplog):
    sums = []
    for edges in (np.array([0.1, 1]), np.geomspace(0.1, 1, 200)):
        for empty in (map_of(energy=edges), spectrum_at(0.5 * u.deg, energy=edges)):
            maker = (MapDatasetMaker if type(empty) is MapDataset else SpectrumDatasetMaker)(["background"])
            sums.append(float(to_host(maker.run(empty.to(device), run_with(first=3)).background.data).sum()))
    assert sums[0] == pytest.approx(sums[2], rel=0.03)
    assert sums[1] == pytest.approx(sums[3], rel=0.03)
    oversampled = MapDatasetMaker(["background"], background_oversampling=7)
    again = oversampled.run(map_of(energy=(0.1, 1)).to(device), run_with(first=3)).background.data
    assert float(to_host(again).sum()) == pytest.approx(sums[2], rel=0.03)


def test_a_response_at_one_offset_gives_an_exposure_near_it_and_a_reason_elsewhere(device, caplog):
    point = MapAxis.from_nodes([0.5] * u.deg, name="offset")
    maker = SpectrumDatasetMaker(["exposure"])
    near = maker.run(spectrum_at(0.4956 * u.deg).to(device), run_with(point))
    assert to_host(near.exposure.data).min() == pytest.approx(1e5 * 3600)
    assert not any("effective area" in text for text in texts(caplog))
    for distance, limits in ((0.2, "begins at 0.40 deg"), (0.8, "ends at 0.60 deg")):
        caplog.clear()
        far = maker.run(spectrum_at(distance * u.deg).to(device), run_with(point))
        assert not to_host(far.mask_safe.data).any()
        assert f"pointing of observation 42, whose effective area {limits}" in " ".join(texts(caplog))


def test_a_map_of_a_response_at_one_offset_is_a_ring_and_says_so(caplog):
    point = MapAxis.from_nodes([0.5] * u.deg, name="offset")
    MapDatasetMaker(["exposure"]).run(map_of(), run_with(point))
    (text,) = texts(caplog)
    assert "observation 42: its effective area (HDU 'AEFF') is given at offsets from 0.400 to 0.600 deg" in text
    assert "the exposure is 0 in all other pixels" in text


def test_a_large_region_has_its_exposure_with_a_containment_correction(device):
    exposures = [
        to_host(
            SpectrumDatasetMaker(["exposure"], containment_correction=correction)
            .run(spectrum_at(0.5 * u.deg, radius=0.9 * u.deg).to(device), run_with())
            .exposure.data
        )
        for correction in (False, True)
    ]
    np.testing.assert_allclose(exposures[1], exposures[0], rtol=1e-6)


def test_a_region_outside_of_the_offsets_of_its_psf_is_named(caplog):
    psf = run_with().psf.slice_by_idx({"offset": slice(1, 2)})
    SpectrumDatasetMaker(["exposure"], containment_correction=True).run(spectrum_at(0.5 * u.deg), run_with(psf=psf))
    assert (
        "region is 0.500 deg from the pointing, and its PSF (HDU 'PSF') is given at offsets from 1.000 to 2.000 deg"
        in (" ".join(texts(caplog)))
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aeff", "its effective area is a map in ''"),
        ("bkg", "its background is a map on the sky with the axes .'energy_true'., expected .'energy'."),
        ("psf", "its 'psf' is a WcsNDMap with the axes .'energy_true'., expected a response table or a PSFMap"),
        ("edisp", "its 'edisp' is a WcsNDMap with .*, expected a response table or a EDispMap or EDispKernelMap"),
    ],
)
def test_maps_of_the_sky_that_are_not_of_the_response_are_refused_by_name(name, expected):
    sky = Map.from_geom(WcsGeom.create(npix=3, axes=[TRUE]))
    maker = MapDatasetMaker(["exposure", "background", "psf", "edisp"])
    with pytest.raises(FormatError, match=f"observation 42: {expected}"):
        maker.run(map_of(), run_with(**{name: sky}))
