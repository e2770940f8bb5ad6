"""Responses that are not symmetric around the pointing: other coordinates in the field of view, classes of a user."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord, SkyOffsetFrame
from numpy.testing import assert_allclose

from lightpool.arrays import fov_polar, to_host
from lightpool.data import Observation
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.irf import IRF, BackgroundIRF
from lightpool.irf.tables.psf_table import PSF
from lightpool.makers import MapDatasetMaker, SafeMaskMaker, SpectrumDatasetMaker
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

POINTING = SkyCoord(20, 40, unit="deg")
TABLE = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=5, name="energy_true")
LON = MapAxis.from_edges(np.linspace(-3, 3, 7) * u.deg, name="fov_lon")
LAT = MapAxis.from_edges(np.linspace(-2.5, 3, 6) * u.deg, name="fov_lat")
RHO = MapAxis.from_edges([0, 0.8, 1.7, 3] * u.deg, name="rho")
PHI = MapAxis.from_edges(np.linspace(-45, 315, 9) * u.deg, name="phi")
RAD = MapAxis.from_bounds(0, 0.6, nbin=8, unit="deg", name="rad", node_type="edges")
MIGRA = MapAxis.from_bounds(0.2, 3, nbin=14, name="migra", node_type="edges")
ENERGY = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=3)
TRUE = MapAxis.from_energy_bounds("0.15 TeV", "80 TeV", nbin=4, name="energy_true")


class Area(IRF):
    tag = "aeff_of_a_user"
    required_axes = ["energy_true", "fov_lon", "fov_lat"]  # noqa: RUF012
    default_unit = u.m**2


class AreaOtherWay(Area):
    required_axes = ["fov_lat", "energy_true", "fov_lon"]  # noqa: RUF012


class PolarArea(IRF):
    tag = "polar"
    required_axes = ["energy_true", "rho", "phi"]  # noqa: RUF012
    periodic_axes = ("phi",)
    default_unit = u.m**2


class Formula(Area):
    """A class that evaluates a formula, and not its table."""

    def evaluate(self, fov_lon, fov_lat, energy_true):
        return (2 + np.sin(20 * u.Quantity(fov_lon).to_value("rad"))) * energy_true.to_value("TeV") * u.km**2 + (
            0 * u.Quantity(fov_lat).to_value("rad") * u.km**2
        )


class Dispersion(IRF):
    tag = "edisp_of_a_user"
    required_axes = ["energy_true", "migra", "fov_lon", "fov_lat"]  # noqa: RUF012


class Spread(PSF):
    tag = "psf_of_a_user"
    required_axes = ["energy_true", "fov_lon", "fov_lat", "rad"]  # noqa: RUF012
    default_unit = u.sr**-1


class Rate(BackgroundIRF):
    tag = "bkg_of_a_user"
    required_axes = ["energy", "fov_lon", "fov_lat"]  # noqa: RUF012

    def evaluate(self, method=None, **kwargs):
        return 2 * super().evaluate(method, **kwargs)


def table(kind, *axes, unit, seed=1):
    shape = tuple(axis.nbin for axis in axes)
    return kind(list(axes), data=np.random.default_rng(seed).uniform(0.2, 1, shape), unit=unit)


def run_with(**irfs):
    return Observation.create(pointing=POINTING, livetime="1 h", irfs=irfs, obs_id=3)


def empty(**kwargs):
    geom = WcsGeom.create(skydir=SkyCoord(20.5, 40.3, unit="deg"), npix=(13, 11), binsz=0.5, axes=[ENERGY])
    return MapDataset.create(geom, energy_axis_true=TRUE, rad_axis=RAD, binsz_irf=0.5, **kwargs)


def with_background():
    dataset = empty()
    dataset.background.data = dataset.background.data + 1
    dataset.mask_safe = None
    return dataset


def places(geom):
    """Longitude and latitude of pixels in the field of view; the longitude runs against that of the sky."""
    found = geom.to_image().get_coord().skycoord.transform_to(SkyOffsetFrame(origin=POINTING))
    return -found.lon.wrap_at(180 * u.deg), found.lat


@pytest.mark.parametrize("kind", [Area, AreaOtherWay, Formula])
def test_an_area_is_that_of_the_class_at_each_pixel(device, kind):
    by_name = {"energy_true": TABLE, "fov_lon": LON, "fov_lat": LAT}
    aeff = table(kind, *(by_name[name] for name in kind.required_axes), unit="m2")
    exposure = MapDatasetMaker(["exposure"]).run(empty(), run_with(aeff=aeff)).exposure
    lon, lat = places(exposure.geom)
    expected = aeff.evaluate(energy_true=TRUE.center[:, None, None], fov_lon=lon, fov_lat=lat).to_value("m2") * 3600
    assert_allclose(to_host(exposure.data), expected, rtol=1e-9, atol=1e-9)
    assert 0.3 < np.mean(expected > 0) <= 1


@pytest.mark.parametrize("start", [-45, 0, 90])
def test_a_polar_area_has_no_seam(device, start):
    phi = MapAxis.from_edges(np.linspace(start, start + 360, 9) * u.deg, name="phi")
    aeff = table(PolarArea, TABLE, RHO, phi, unit="m2")
    exposure = to_host(MapDatasetMaker(["exposure"]).run(empty(), run_with(aeff=aeff)).exposure.data)
    lon, lat = (x.to_value("rad") for x in places(empty().exposure.geom))
    rho, angle = fov_polar(lon, lat)
    expected = aeff.evaluate(energy_true=TRUE.center[:, None, None], rho=rho * u.rad, phi=angle * u.rad)
    assert_allclose(exposure, expected.to_value("m2") * 3600, rtol=1e-9, atol=1e-9)
    # Between the centres of the last and the first bin of phi it is their mean, from both sides.
    both = aeff.evaluate(energy_true=TABLE.center[1], rho=RHO.center[0], phi=phi.edges[[0, -1]]).value
    assert_allclose(both, aeff.data[1, 0, [0, -1]].mean(), rtol=1e-9)


def test_the_angle_runs_from_latitude_to_longitude_in_the_field_of_view(backend):
    lon, lat = backend.array([0.0, 0.1, 0.0, -0.1]), backend.array([0.2, 0.0, -0.2, 0.0])
    rho, phi = (to_host(x) for x in fov_polar(lon, lat))
    assert_allclose(phi, np.deg2rad([0, 90, 180, 270]), atol=1e-12)
    assert_allclose(rho, [0.2, 0.1, 0.2, 0.1], rtol=1e-12)


def test_a_part_of_a_turn_does_not_go_on_at_its_beginning():
    half = MapAxis.from_edges([0, 90, 180] * u.deg, name="phi")
    aeff = table(PolarArea, TABLE, RHO, half, unit="m2")
    assert aeff.evaluate(energy_true=TABLE.center[1], rho=1 * u.deg, phi=200 * u.deg).value == 0


def test_psf_and_dispersion_are_those_of_the_class_at_each_pixel(device):
    psf = table(Spread, TABLE, LON, LAT, RAD, unit="sr-1")
    edisp = table(Dispersion, TABLE, MIGRA, LON, LAT, unit="")
    aeff = table(Area, TABLE, LON, LAT, unit="m2")
    dataset = MapDatasetMaker(["exposure", "psf", "edisp"]).run(
        empty(migra_axis=MIGRA), run_with(aeff=aeff, psf=psf, edisp=edisp)
    )
    for response, irf, axis, name in ((dataset.psf, psf, RAD, "rad"), (dataset.edisp, edisp, MIGRA, "migra")):
        found = response.irf_map
        lon, lat = places(found.geom)
        energy, others = TRUE.center[:, None, None, None], axis.center[None, :, None, None]
        values = irf.evaluate(energy_true=energy, fov_lon=lon, fov_lat=lat, **{name: others}).value
        width = axis.bin_width * (2 * np.pi * axis.center if name == "rad" else 1)
        norm = np.sum(values * width.value[:, None, None], axis=1, keepdims=True)
        expected = np.divide(values, norm, out=np.zeros_like(values), where=norm > 0)
        assert_allclose(to_host(found.data), expected, rtol=1e-9, atol=1e-9)


def test_a_background_of_a_class_of_its_own_is_twice_that_of_its_table(device):
    bkg = table(Rate, TABLE.copy(name="energy"), LON, LAT, unit="s-1 MeV-1 sr-1")
    background = MapDatasetMaker(["background"]).run(empty(), run_with(bkg=bkg)).background
    plain = type("Plain", (BackgroundIRF,), {"tag": "bkg_of_a_user", "required_axes": Rate.required_axes})
    same = MapDatasetMaker(["background"]).run(empty(), run_with(bkg=plain(bkg.axes, data=bkg.data, unit=bkg.unit)))
    assert_allclose(to_host(background.data), 2 * to_host(same.background.data), rtol=1e-9, atol=1e-9)
    assert to_host(background.data).max() > 0


def test_a_setting_of_the_interpolation_is_honoured(device):
    aeff = table(Area, TABLE, LON, LAT, unit="m2")
    aeff.interp_kwargs["method"] = "nearest"
    exposure = to_host(MapDatasetMaker(["exposure"]).run(empty(), run_with(aeff=aeff)).exposure.data)
    values = set(np.round(exposure[exposure > 0] / 3600, 12))
    assert values <= set(np.round(aeff.data.ravel(), 12))


def test_safe_masks_and_spectra_take_the_response_at_their_position(device):
    aeff = table(Area, TABLE, LON, LAT, unit="m2")
    aeff.data[:2, :3] = 0  # half of the field of view has no area at low energies
    edisp = table(Dispersion, TABLE, MIGRA, LON, LAT, unit="")
    edisp.data[...] = np.exp(-0.5 * ((MIGRA.center.value - 1) / 0.3) ** 2)[:, None, None]
    psf = table(Spread, TABLE, LON, LAT, RAD, unit="sr-1")
    psf.normalize()
    observation = run_with(aeff=aeff, edisp=edisp, psf=psf)
    west, east = (POINTING.directional_offset_by(angle * u.deg, 1.5 * u.deg) for angle in (-90, 90))
    kept = []
    for position in (west, east):
        maker = SafeMaskMaker(["aeff-max"], position=position, irfs="DL3", aeff_percent=10)
        kept.append(to_host(maker.run(with_background(), observation).mask_safe.data).any(axis=(1, 2)))
    assert kept[0].all()  # west is at positive longitudes
    assert not kept[1][0]
    assert kept[1][-1]
    maker = SafeMaskMaker(["edisp-bias"], position=west, irfs="DL3", bias_percent=10)
    biased = maker.run(with_background(), observation)
    assert to_host(biased.mask_safe.data).any()
    geom = RegionGeom.create(f"icrs;circle({west.ra.deg}, {west.dec.deg}, 0.2)", axes=[ENERGY])
    maker = SpectrumDatasetMaker(["exposure", "edisp"], containment_correction=True)
    spectrum = maker.run(SpectrumDataset.create(geom, energy_axis_true=TRUE), observation)
    place = dict(zip(("fov_lon", "fov_lat"), places(geom), strict=True))
    area = aeff.evaluate(energy_true=TRUE.center[:, None, None], **place).value * 3600
    share = psf.containment(0.2 * u.deg, energy_true=TRUE.center[:, None, None], **place).value
    assert_allclose(to_host(spectrum.exposure.data), area * share, rtol=1e-9)
