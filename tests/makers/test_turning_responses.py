"""Effective areas, PSFs and dispersions aligned with the horizon turn against the sky during an observation."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from numpy.testing import assert_allclose

from lightpool.arrays import to_host
from lightpool.data import GTI, FixedPointingInfo, Observation, observatory_locations
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.irf import IRF, Background3D
from lightpool.irf.tables.psf_table import PSF
from lightpool.makers import MapDatasetMaker, SafeMaskMaker, SpectrumDatasetMaker
from lightpool.makers.responses.fov_rotation import FieldRotation, rotation_times
from lightpool.makers.utils import make_effective_livetime_map, make_map_exposure_true_energy, make_psf_map
from lightpool.maps import HpxGeom, MapAxis, RegionGeom, WcsGeom

START = Time("2020-01-01T20:00:00", scale="tt")
HESS, PALMA = observatory_locations["hess"], EarthLocation.from_geodetic(-17.9 * u.deg, 28.76 * u.deg, 2200 * u.m)
TRUE = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=2, name="energy_true")
ENERGY = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=2)
LON = MapAxis.from_edges(np.linspace(-3, 3, 7) * u.deg, name="fov_lon")
LAT = MapAxis.from_edges(np.linspace(-3, 3, 7) * u.deg, name="fov_lat")
RAD = MapAxis.from_bounds(0, 0.6, nbin=6, unit="deg", name="rad", node_type="edges")
MIGRA = MapAxis.from_bounds(0.2, 3, nbin=14, name="migra", node_type="edges")
ALIGNMENTS = ("RADEC", "ALTAZ", "REVERSE_LON_RADEC")


class Area(IRF):
    tag = "aeff_of_a_user"
    required_axes = ["energy_true", "fov_lon", "fov_lat"]  # noqa: RUF012
    default_unit = u.m**2


class Round(Area):
    """An area that depends on the offset only."""

    def evaluate(self, fov_lon, fov_lat, energy_true):
        lon, lat = (u.Quantity(x).to_value("rad") for x in (fov_lon, fov_lat))
        return (2 - 300 * (1 - np.cos(lon) * np.cos(lat))) * energy_true.to_value("TeV") * u.km**2


class Tilted(Area):
    """An area that grows along the longitude in the field of view: its mean over each circle is that at the centre."""

    def evaluate(self, fov_lon, fov_lat, energy_true):
        lon, lat = (u.Quantity(x).to_value("rad") for x in (fov_lon, fov_lat))
        return (2 + 15 * np.sin(lon) * np.cos(lat)) * energy_true.to_value("TeV") * u.km**2


class Spread(PSF):
    tag = "psf_of_a_user"
    required_axes = ["energy_true", "fov_lon", "fov_lat", "rad"]  # noqa: RUF012
    default_unit = u.sr**-1


class Dispersion(IRF):
    tag = "edisp_of_a_user"
    required_axes = ["energy_true", "migra", "fov_lon", "fov_lat"]  # noqa: RUF012


def responses(alignment="ALTAZ"):
    """Tables that vary all over the field of view."""
    lon, lat = np.meshgrid(LON.center.to_value("deg"), LAT.center.to_value("deg"), indexing="ij")
    area = np.stack([np.exp(0.3 * lon), np.exp(-0.2 * lat)]) * 1e4
    width = 0.2 + 0.02 * (lon + lat)
    psf = np.exp(-0.5 * (RAD.center.to_value("deg") / width[..., None]) ** 2) * np.ones((2, 1, 1, 1))
    shift = 1 + 0.05 * lon - 0.03 * lat
    migra = np.exp(-0.5 * ((MIGRA.center.value[:, None, None] - shift) / 0.25) ** 2) * np.ones((2, 1, 1, 1))
    given = {"fov_alignment": alignment}
    rate = np.exp(0.2 * lon) * np.ones((2, 1, 1))
    spread = Spread([TRUE, LON, LAT, RAD], psf, "sr-1", **given)
    spread.normalize()
    return {
        "aeff": Area([TRUE, LON, LAT], area, "m2", **given),
        "psf": spread,
        "edisp": Dispersion([TRUE, MIGRA, LON, LAT], migra, "", **given),
        "bkg": Background3D([ENERGY, LON, LAT], rate, "s-1 TeV-1 sr-1", **given),
    }


def culminating(location, declination, hour_angle=0.0, start=START):
    """A pointing that is at an hour angle, in h, at the start."""
    sidereal = start.sidereal_time("apparent", longitude=location.lon).deg
    return SkyCoord(sidereal - 15 * hour_angle, declination, unit="deg").icrs


def watched(pointing, seconds=3600.0, location=PALMA, start=START, **irfs):
    return Observation.create(
        FixedPointingInfo(fixed_icrs=pointing),
        location,
        tstart=start,
        tstop=start + seconds * u.s,
        irfs=irfs or responses(),
        reference_time=START,
        obs_id=7,
    )


def empty(pointing, **kwargs):
    geom = WcsGeom.create(skydir=pointing, npix=(9, 7), binsz=0.4, axes=[ENERGY])
    return MapDataset.create(geom, energy_axis_true=TRUE, rad_axis=RAD, binsz_irf=0.4, **kwargs)


def reduced(observation, dataset, selection=("exposure", "psf", "edisp", "background"), step="1 deg"):
    return MapDatasetMaker(list(selection), fov_rotation_step=step).run(dataset, observation)


POINTING = culminating(PALMA, 22.0, hour_angle=-0.6)


@pytest.mark.slow
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_symmetric_response_is_the_same_in_every_alignment(device, alignment):
    data = np.ones((2, 6, 6))
    aeff = Round([TRUE, LON, LAT], data, "m2", fov_alignment=alignment)
    exposure = reduced(watched(POINTING, aeff=aeff), empty(POINTING), ["exposure"]).exposure
    offset = exposure.geom.to_image().separation(POINTING).rad
    expected = (2e6 - 3e8 * (1 - np.cos(offset))) * TRUE.center.to_value("TeV")[:, None, None] * 3600
    # The field of a moving Earth is larger or smaller by up to 1e-4.
    assert_allclose(to_host(exposure.data), expected, rtol=1e-4)


@pytest.mark.slow
def test_the_exposure_of_a_field_is_conserved_when_it_turns():
    circle = RegionGeom.create(f"icrs;circle({POINTING.ra.deg}, {POINTING.dec.deg}, 1.2)", axes=[TRUE], binsz_wcs=0.06)
    total = {}
    for alignment in ALIGNMENTS:
        aeff = Tilted([TRUE, LON, LAT], np.ones((2, 6, 6)), "m2", fov_alignment=alignment)
        maker = SpectrumDatasetMaker(["exposure"], use_region_center=False)
        dataset = SpectrumDataset.create(circle.to_image().to_cube([ENERGY]), energy_axis_true=TRUE)
        total[alignment] = to_host(maker.run(dataset, watched(POINTING, aeff=aeff)).exposure.data)
    for each in total.values():
        assert_allclose(each.ravel(), 2e6 * TRUE.center.to_value("TeV") * 3600, rtol=3e-4)


def in_the_horizon(geom, observation, time):
    """Longitude and latitude of pixels in a field of view aligned with the horizon, by the frames of astropy."""
    origin = observation.get_pointing_altaz(time)
    frame = AltAz(obstime=time, location=observation.observatory_earth_location)
    found = geom.to_image().get_coord().skycoord.transform_to(frame).transform_to(origin.skyoffset_frame())
    return -found.lon.wrap_at(180 * u.deg), found.lat


@pytest.mark.slow
def test_maps_are_the_integral_over_time_pixel_by_pixel(device):
    observation = watched(POINTING)
    made = reduced(observation, empty(POINTING, migra_axis=MIGRA), ["exposure", "psf", "edisp"])
    pointing, ontime = observation.pointing, 3600 * u.s
    seconds = rotation_times(pointing, START, ontime, 1 * u.deg, PALMA)
    assert len(seconds) > 5
    weights = np.convolve(np.diff(seconds), [0.5, 0.5]) / 3600
    geom = made.exposure.geom
    places = [in_the_horizon(geom, observation, START + second * u.s) for second in seconds]
    energy = TRUE.center[:, None, None]
    areas = [
        weight * observation.aeff.evaluate(energy_true=energy, fov_lon=lon, fov_lat=lat).to_value("m2")
        for weight, (lon, lat) in zip(weights, places, strict=True)
    ]
    assert_allclose(to_host(made.exposure.data), 3600 * np.sum(areas, axis=0), rtol=3e-5)
    for response, name, axis in ((made.psf.psf_map, "psf", RAD), (made.edisp.edisp_map, "edisp", MIGRA)):
        widths = axis.bin_width * (2 * np.pi * axis.center if name == "psf" else 1)
        total = 0
        for area, (lon, lat) in zip(areas, places, strict=True):
            where = {"energy_true": energy[:, None], axis.name: axis.center[:, None, None]}
            values = getattr(observation, name).evaluate(**where, fov_lon=lon, fov_lat=lat).value
            total = total + area[:, None] * values / (values * widths.value[:, None, None]).sum(axis=1, keepdims=True)
        expected = total / np.sum(areas, axis=0)[:, None]
        assert_allclose(to_host(response.data), expected, rtol=1e-4, atol=1e-6 * expected.max())


@pytest.mark.slow
def test_an_observation_is_the_stack_of_its_parts(device):
    """Exposure times response is a sum, so parts of an observation add up to the whole."""
    whole = reduced(watched(POINTING), empty(POINTING))
    stack = empty(POINTING)
    for number in range(6):
        part = watched(POINTING, 600.0, start=START + number * 600 * u.s)
        stack.stack(reduced(part, empty(POINTING)))
    whole_stack = empty(POINTING)
    whole_stack.stack(whole)
    for name in ("exposure", "background"):
        assert_allclose(to_host(getattr(stack, name).data), to_host(getattr(whole_stack, name).data), rtol=2e-4)
    for name in ("psf", "edisp"):
        mine, its = (to_host(getattr(each, name).irf_map.data) for each in (stack, whole_stack))
        assert_allclose(mine, its, atol=2e-4 * its.max())
    # It is not the one of a field that does not turn.
    still = reduced(watched(POINTING, **responses("RADEC")), empty(POINTING))
    assert np.abs(to_host(still.exposure.data) / to_host(whole.exposure.data) - 1).max() > 0.1


@pytest.mark.parametrize(
    ("location", "declination", "hour_angle"),
    [
        (PALMA, 89.999, 0.0),  # the pole, about which the field turns at a constant speed
        (PALMA, 60.0, -0.3),  # culminates in the north, where the azimuth jumps from 360 to 0 deg
        (PALMA, -20.0, -0.5),  # culminates in the south
        # passes the zenith by 0.14 deg: turns by 180 deg in minutes
        pytest.param(PALMA, 28.9, -0.5, marks=pytest.mark.slow),
        (PALMA, 28.76, -1.0),  # through the zenith, along the prime vertical
        (HESS, -70.0, 0.0),  # in the south of the southern sky
        (HESS, 10.0, -0.5),
    ],
)
def test_the_field_turns_by_little_between_two_times_wherever_it_is(location, declination, hour_angle):
    observation = watched(culminating(location, declination, hour_angle), 3600, location)
    rotation = FieldRotation.of_observation(observation, 1 * u.deg)
    moments = list(rotation.moments())
    assert sum(moment.weight for moment in moments) == pytest.approx(1, rel=1e-12)
    seconds = rotation_times(observation.pointing, START, 3600 * u.s, 1 * u.deg, location)
    assert (len(moments), seconds[0], seconds[-1]) == (len(seconds), 0, 3600)
    geom = empty(observation.pointing_radec).exposure.geom
    before = None
    for number in range(0, len(moments), max(1, len(moments) // 12)):
        lon, lat = (to_host(x) for x in moments[number].lonlat(geom, empty(POINTING).device))
        expected = in_the_horizon(geom, observation, START + seconds[number] * u.s)
        assert_allclose(lon, expected[0].to_value("rad"), atol=1e-6)
        assert_allclose(lat, expected[1].to_value("rad"), atol=1e-6)
    for moment, length in zip(moments, np.diff(seconds, prepend=0), strict=True):
        lon, lat = (to_host(x) for x in moment.lonlat(geom, empty(POINTING).device))
        if before is not None and length > 1.001:
            # A pixel at an offset of 2 deg moves by no more than 1.5 deg of its circle.
            assert np.hypot(lon - before[0], lat - before[1]).max() < np.deg2rad(2.1) * np.deg2rad(1.6)
        before = lon, lat


@pytest.mark.slow
def test_a_field_that_does_not_turn_yet_is_watched_until_it_does():
    """In the east the speed of the rotation is zero for a moment, and not for the hours that follow."""
    location, times = PALMA, START + np.linspace(-6, 0, 2000) * u.h
    pointing = culminating(PALMA, 20.0)
    azimuth = pointing.transform_to(AltAz(obstime=times, location=location)).az.deg
    start = times[int(np.argmin(np.abs(azimuth - 90)))]
    seconds = rotation_times(FixedPointingInfo(fixed_icrs=pointing), start, 4 * u.h, 1 * u.deg, location)
    assert len(seconds) > 10


@pytest.mark.slow
def test_only_good_times_count(device):
    """A field is not where it was during a gap."""
    observation = watched(POINTING, 7200.0)
    observation.gti = GTI.create([0, 6600] * u.s, [600, 7200] * u.s, reference_time=START)
    made = reduced(observation, empty(POINTING))
    parts = empty(POINTING)
    for first in (0, 6600):
        part = watched(POINTING, 600.0, start=START + first * u.s)
        parts.stack(reduced(part, empty(POINTING)))
    stack = empty(POINTING)
    stack.stack(made)
    for name in ("exposure", "background"):
        assert_allclose(to_host(getattr(stack, name).data), to_host(getattr(parts, name).data), rtol=1e-9)
    assert_allclose(
        to_host(stack.psf.psf_map.data),
        to_host(parts.psf.psf_map.data),
        atol=1e-9 * to_host(parts.psf.psf_map.data).max(),
    )


@pytest.mark.slow
def test_the_sky_moves_through_the_field_of_a_drift_scan(device):
    altaz = AltAz(az=120 * u.deg, alt=70 * u.deg)
    scan = Observation.create(
        FixedPointingInfo(fixed_altaz=altaz), PALMA, tstart=START, tstop=START + 600 * u.s, irfs=responses()
    )
    centre = scan.get_pointing_icrs(scan.tmid)
    made = reduced(scan, empty(centre))
    geom = made.exposure.geom
    times = np.linspace(0, 600, 61)
    areas, rates = [], []
    for time in times:
        lon, lat = in_the_horizon(geom, scan, START + time * u.s)
        areas.append(
            scan.aeff.evaluate(energy_true=TRUE.center[:, None, None], fov_lon=lon, fov_lat=lat).to_value("m2")
        )
        rates.append(scan.bkg.evaluate(energy=ENERGY.center[:, None, None], fov_lon=lon, fov_lat=lat).value)
    expected = np.trapezoid(areas, times, axis=0)
    assert_allclose(to_host(made.exposure.data), expected, rtol=5e-3)
    mean = np.trapezoid(rates, times, axis=0)
    background = to_host(made.background.data)
    assert_allclose(
        background / background.mean(axis=(1, 2), keepdims=True),
        mean / mean.mean(axis=(1, 2), keepdims=True),
        rtol=1e-2,
    )


@pytest.mark.slow
def test_spectra_and_thresholds_take_the_field_as_it_turns(device):
    observation = watched(POINTING, 2400.0)
    place = POINTING.directional_offset_by(60 * u.deg, 1.2 * u.deg)
    whole = empty(POINTING)
    geom = RegionGeom.create(f"icrs;circle({place.ra.deg}, {place.dec.deg}, 0.2)", axes=[ENERGY])
    empty_spectrum = SpectrumDataset.create(geom, energy_axis_true=TRUE)
    maker = SpectrumDatasetMaker(["exposure", "edisp"])
    spectrum = maker.run(empty_spectrum, observation)
    at_place = WcsGeom.create(skydir=place, npix=(1, 1), binsz=0.1, axes=[ENERGY])
    asked = MapDataset.create(at_place, energy_axis_true=TRUE, rad_axis=RAD, binsz_irf=0.1)
    pixel = reduced(observation, asked, ["exposure", "psf"])
    assert_allclose(to_host(spectrum.exposure.data), to_host(pixel.exposure.data), rtol=1e-9)
    corrected = SpectrumDatasetMaker(["exposure"], containment_correction=True).run(empty_spectrum, observation)
    share = to_host(corrected.exposure.data) / to_host(spectrum.exposure.data)
    inside = pixel.psf.containment(0.2 * u.deg, energy_true=TRUE.center, position=place).value
    assert_allclose(share.ravel(), inside.ravel(), rtol=0.05)
    radec = watched(POINTING, 2400.0, **responses("RADEC"))
    other = SpectrumDatasetMaker(["exposure"], containment_correction=True).run(empty_spectrum, radec)
    assert abs(to_host(other.exposure.data)[0, 0, 0] / to_host(corrected.exposure.data)[0, 0, 0] - 1) > 0.02
    whole.background.data = whole.background.data + 1
    whole.mask_safe = None
    for method in ("aeff-max", "edisp-bias"):
        safe = SafeMaskMaker([method], position=place, irfs="DL3", aeff_percent=10, bias_percent=20)
        assert to_host(safe.run(whole.copy(), observation).mask_safe.data).any()
    livetime = make_effective_livetime_map([observation], at_place.to_image().to_cube([TRUE]), offset_max="3 deg")
    on_axis = observation.aeff.evaluate(energy_true=TRUE.center, fov_lon=0 * u.deg, fov_lat=0 * u.deg).to_value("m2")
    assert_allclose(to_host(livetime.data).ravel(), to_host(pixel.exposure.data).ravel() / on_axis / 3600, rtol=1e-9)


@pytest.mark.slow
def test_healpix_pixels_turn_too(device):
    observation = watched(POINTING)
    region = f"DISK({POINTING.ra.deg},{POINTING.dec.deg},1.5)"
    geom = HpxGeom.create(nside=128, frame="icrs", region=region, axes=[TRUE])
    maker = MapDatasetMaker(fov_rotation_step="6 deg")
    found = maker.make_exposure(geom, observation)
    background = maker.make_background(geom.to_image().to_cube([ENERGY]), observation)
    assert to_host(background.data).min() > 0
    centre = geom.to_image().get_coord().skycoord
    for number in (0, len(centre) // 2):
        image = WcsGeom.create(skydir=centre[number], npix=(1, 1), binsz=0.01, axes=[TRUE])
        pixel = maker.make_exposure(image, observation)
        assert_allclose(to_host(found.data)[:, number], to_host(pixel.data)[:, 0, 0], rtol=1e-6)


def test_without_a_place_on_the_earth_nothing_can_turn():
    observation = Observation.create(POINTING, livetime="1 h", irfs=responses(), obs_id=3)
    with pytest.raises(ValueError, match=r"observation 3: a response is aligned with the horizon .*earth_location"):
        reduced(observation, empty(POINTING), ["exposure"])


def test_functions_that_do_not_know_the_times_say_so(caplog):
    tables, geom = responses(), empty(POINTING)
    make_map_exposure_true_energy(POINTING, "1 h", tables["aeff"], geom.exposure.geom)
    assert "Area is aligned with the horizon (FOVALIGN=ALTAZ)" in caplog.text
    assert "the exposure is that of a table aligned with the equator" in caplog.text
    caplog.clear()
    make_psf_map(responses("RADEC")["psf"], POINTING, geom.psf.psf_map.geom)
    assert "aligned" not in caplog.text
