"""Responses as maps on the sky, as of HAWC and SWGO: interpolated on the maps of a dataset."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import CircleSkyRegion

from lightpool.arrays import find_device, to_host
from lightpool.arrays.devices.devices import use_device
from lightpool.data import GTI, FixedPointingInfo, HDULocation, Observation
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.errors import FormatError
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from lightpool.makers import MapDatasetMaker, SpectrumDatasetMaker
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom

CENTER = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy_true")
RAD = MapAxis.from_bounds(0, 1, nbin=20, unit="deg", name="rad")
MIGRA = MapAxis.from_bounds(0.2, 3, nbin=56, name="migra", node_type="edges")
TIME = 2.0 * u.h
RESPONSES = ["exposure", "background", "psf", "edisp"]


def sky(*axes, unit="", slope=0.1):
    """A map whose values grow by a tenth from one pixel of 1 deg to the next in longitude."""
    geom = WcsGeom.create(skydir=CENTER, npix=(8, 6), binsz=1.0, axes=axes)
    data = np.broadcast_to(1 + slope * np.arange(8.0), geom.data_shape).copy()
    return Map.from_geom(geom, data=data, unit=unit, dtype="float64", device="cpu")


def run_with(reco=True, **responses):
    """A run whose responses are all maps on the host; the PSF in reconstructed or true energy."""
    with use_device(find_device("cpu")):
        return _run_with(reco, **responses)


def _run_with(reco, **responses):
    psf = (RecoPSFMap if reco else PSFMap).from_gauss(ENERGY if reco else TRUE, RAD, 0.3 * u.deg, geom=sky().geom)
    psf = type(psf)(psf.psf_map)  # without exposure, as HAWC's
    edisp = EDispKernelMap(EDispKernelMap.from_gauss(ENERGY, TRUE, 0.2, 0.0, geom=sky().geom).edisp_map)
    parts = {"aeff": sky(TRUE, unit="cm2 s"), "bkg": sky(ENERGY), "psf": psf, "edisp": edisp}
    gti = GTI.create(0 * u.s, TIME)
    return Observation(obs_id=7, gti=gti, pointing=FixedPointingInfo(fixed_icrs=CENTER), **parts | responses)


def empty(reco=True, **kwargs):
    geom = WcsGeom.create(skydir=CENTER, npix=(9, 7), binsz=0.4, axes=[ENERGY])
    arguments = {"energy_axis_true": TRUE, "rad_axis": RAD, "binsz_irf": 0.5, "name": "run", "reco_psf": reco}
    return MapDataset.create(geom, **arguments | kwargs)


def linear(geom):
    """The values of `sky` at the pixels of a geometry: linear in its pixel coordinate."""
    x, _ = sky().geom.coord_to_pix(geom.to_image().get_coord().skycoord)
    return 1 + 0.1 * np.asarray(x)


def test_exposure_and_density_of_the_background_are_linear_between_the_pixels(device):
    dataset = MapDatasetMaker(RESPONSES).run(empty(), run_with())
    exposure, background = dataset.exposure, dataset.background
    assert exposure.unit == u.Unit("cm2 s")
    assert_allclose(to_host(exposure.data), np.broadcast_to(linear(exposure.geom), (3, 7, 9)), rtol=1e-12)
    # Counts per solid angle are interpolated.
    fine = background.geom.to_image().solid_angle().value
    density = sky().data / sky().geom.solid_angle().value
    geom = background.geom.to_image()
    expected = Map.from_geom(sky().geom, data=density, device="cpu").interp_by_coord(geom.get_coord()) * fine
    assert_allclose(to_host(background.data), np.broadcast_to(expected, (2, 7, 9)), rtol=1e-12)


def test_psf_and_dispersion_keep_their_kind_and_have_the_exposure_as_weight(device):
    dataset = MapDatasetMaker(RESPONSES).run(empty(), run_with())
    assert type(dataset.psf) is RecoPSFMap
    assert dataset.psf.exposure_map is None  # that of reconstructed energies is not known
    expected = to_host(run_with().psf.psf_map.data)[:, :, 2, 2]
    assert_allclose(to_host(dataset.psf.psf_map.data)[:, :, 3, 3], expected, rtol=1e-12)
    kernel = dataset.edisp.edisp_map
    expected = run_with().edisp.edisp_map.data[:, :, 2, 2]
    assert_allclose(to_host(kernel.data)[:, :, 3, 3], expected, rtol=1e-9, atol=1e-15)  # summed in another order
    weight = dataset.edisp.exposure_map
    assert weight.geom == kernel.geom.squash("energy")
    assert_allclose(to_host(weight.data)[:, 0], np.broadcast_to(linear(weight.geom), (3, 6, 7)), rtol=1e-12)


def test_runs_with_maps_of_their_responses_are_stacked(device):
    maker, observation = MapDatasetMaker(RESPONSES), run_with(reco=False)
    stack = empty(reco=False)
    for _ in range(2):
        stack.stack(maker.run(empty(reco=False), observation))
    one = maker.run(empty(reco=False), observation)
    assert_allclose(to_host(stack.exposure.data) * 1e4, 2 * to_host(one.exposure.data), rtol=1e-12)
    assert_allclose(to_host(stack.psf.psf_map.data), to_host(one.psf.psf_map.data), rtol=1e-9)
    assert_allclose(to_host(stack.edisp.edisp_map.data), to_host(one.edisp.edisp_map.data), rtol=1e-9)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("m2 s", 1.0), ("m2", TIME.to_value("s")), ("km2", 1e6 * TIME.to_value("s")), ("cm2", TIME.to_value("s"))],
)
def test_an_effective_area_is_multiplied_by_the_good_times(unit, factor):
    observation = run_with(aeff=sky(TRUE, unit=unit))
    exposure = MapDatasetMaker(["exposure"]).run(empty(), observation).exposure
    assert exposure.unit == (u.Unit("cm2 s") if unit == "cm2" else u.Unit("m2 s"))
    assert_allclose(exposure.data[0], factor * linear(exposure.geom), rtol=1e-12)


def test_an_exposure_per_transit_counts_sidereal_days(tmp_path):
    path = tmp_path / "aeff.fits"
    area = sky(TRUE)
    hdulist = area.to_hdulist(hdu="AEFF")
    hdulist["AEFF"].header["BUNIT"] = "cm2 s transit-1"
    hdulist.writeto(path)
    location = HDULocation("map", base_dir=str(tmp_path), file_name=path.name, hdu_name="aeff")
    exposure = MapDatasetMaker(["exposure"]).run(empty(), run_with(aeff=location)).exposure
    assert exposure.unit == u.Unit("cm2 s")
    transits = (TIME / u.sday).to_value("")
    assert_allclose(exposure.data[0], transits * linear(exposure.geom), rtol=1e-9)


@pytest.mark.parametrize(
    ("unit", "factor"), [("TeV-1 sr-1", 1.0), ("TeV-1 sr-1 s-1", TIME.to_value("s")), ("GeV-1 sr-1 h-1", 1e3 * 2.0)]
)
def test_a_background_per_energy_and_solid_angle_is_integrated(device, unit, factor):
    background = MapDatasetMaker(["background"]).run(empty(), run_with(bkg=sky(ENERGY, unit=unit))).background
    widths = np.diff(ENERGY.edges.to_value("TeV"))[:, None, None]
    solid_angle = background.geom.to_image().solid_angle().to_value("sr")
    expected = factor * linear(background.geom) * solid_angle * widths
    assert background.unit == ""
    assert_allclose(to_host(background.data), expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "axis"), [("aeff", TRUE), ("bkg", ENERGY)])
def test_a_unit_that_has_no_meaning_is_refused(name, axis):
    with pytest.raises(FormatError, match=r"observation 7: its .* is a map in 'K', expected .*; correct BUNIT"):
        MapDatasetMaker(["exposure", "background"]).run(empty(), run_with(**{name: sky(axis, unit="K")}))


def test_a_psf_in_another_energy_is_refused_with_the_argument_that_helps():
    with pytest.raises(ValueError, match=r"observation 7 has its PSF in the axis 'energy'.*reco_psf=True"):
        MapDatasetMaker(["psf"]).run(empty(reco=False), run_with())
    with pytest.raises(ValueError, match=r"observation 7 has its PSF in the axis 'energy_true'.*reco_psf=False"):
        MapDatasetMaker(["psf"]).run(empty(), run_with(reco=False))


def test_a_dispersion_in_migra_becomes_kernels_if_the_dataset_has_them(device):
    density = np.exp(-0.5 * ((MIGRA.center.value - 1) / 0.2) ** 2)[:, None, None]
    geom = sky().geom.to_cube([MIGRA, TRUE])
    edisp = EDispMap(Map.from_geom(geom, data=np.broadcast_to(density, geom.data_shape).copy(), device="cpu"))
    edisp.normalize()
    maker, observation = MapDatasetMaker(["edisp"]), run_with(edisp=edisp)
    kernels = maker.run(empty(), observation).edisp
    expected = edisp.to_edisp_kernel_map(ENERGY).edisp_map.data[:, :, 2, 2]
    assert_allclose(to_host(kernels.edisp_map.data)[:, :, 3, 3], to_host(expected), rtol=1e-9)
    in_migra = maker.run(empty(migra_axis=MIGRA), observation).edisp
    assert type(in_migra) is EDispMap
    found = to_host(in_migra.edisp_map.data)[:, :, 3, 3]
    assert_allclose(found, to_host(edisp.edisp_map.data)[:, :, 2, 2], rtol=1e-9)
    with pytest.raises(ValueError, match="kernels in reconstructed energy, and the dataset asks for it in 'migra'"):
        maker.run(empty(migra_axis=MIGRA), run_with())


def test_spectra_have_the_responses_at_the_region_or_the_mean_over_it(device):
    region = CircleSkyRegion(CENTER, 0.8 * u.deg)
    geom = RegionGeom.create(region, axes=[ENERGY], binsz_wcs="0.05 deg")
    dataset = SpectrumDataset.create(geom, energy_axis_true=TRUE, name="spectrum")
    made = [
        SpectrumDatasetMaker(["exposure", "background", "edisp"], use_region_center=is_center).run(dataset, run_with())
        for is_center in (True, False)
    ]
    for spectrum in made:
        assert_allclose(to_host(spectrum.exposure.data), 1 + 0.1 * 3.5, rtol=1e-3)
        counts = (sky().data / sky().geom.solid_angle().value)[2, 3:5].mean() * geom.solid_angle().value
        assert_allclose(to_host(spectrum.background.data), counts, rtol=2e-2)
        assert to_host(spectrum.edisp.edisp_map.data).max() > 0.5


def test_the_containment_correction_takes_the_psf_at_the_region():
    geom = RegionGeom.create(CircleSkyRegion(CENTER, 0.3 * u.deg), axes=[ENERGY])
    dataset = SpectrumDataset.create(geom, energy_axis_true=TRUE, name="spectrum")
    plain, corrected = (
        SpectrumDatasetMaker(["exposure"], containment_correction=correct).run(dataset, run_with(reco=False))
        for correct in (False, True)
    )
    # A Gaussian has 39.3 % of its counts within its width.
    assert_allclose(corrected.exposure.data / plain.exposure.data, 1 - np.exp(-0.5), rtol=0.01)
    with pytest.raises(ValueError, match=r"observation 7 has its PSF in reconstructed energy"):
        SpectrumDatasetMaker(["exposure"], containment_correction=True).run(dataset, run_with())


def test_maps_of_an_index_are_loaded_by_their_class(tmp_path):
    whole = run_with(reco=False)
    files = {"psf": whole.psf, "edisp": whole.edisp}
    for name, response in files.items():
        response.write(tmp_path / f"{name}.fits")
    kinds = {"psf": "psf_map", "edisp": "edisp_kernel_map"}
    locations = {
        name: HDULocation(kind, base_dir=str(tmp_path), file_name=f"{name}.fits", hdu_name=name)
        for name, kind in kinds.items()
    }
    observation = run_with(**locations)
    assert (type(observation.psf), type(observation.edisp)) == (PSFMap, EDispKernelMap)
    assert_allclose(observation.psf.psf_map.data, whole.psf.psf_map.data)
