"""Simulated events that PSF and energy dispersion move."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.irf import EDispMap, PSFMap, RecoPSFMap
from lightpool.maps import Map, MapAxis, MapCoord, WcsGeom

TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy_true")
RAD = MapAxis.from_bounds(0, 1, nbin=100, unit="deg", name="rad")
MIGRA = MapAxis.from_bounds(0.2, 3, nbin=140, name="migra", node_type="edges")
POSITION = SkyCoord(83.6, 22.0, unit="deg")
GEOM = WcsGeom.create(skydir=POSITION, npix=(3, 3), binsz=1)


def events(n_event, name="energy_true"):
    position = SkyCoord(np.full(n_event, 83.6), np.full(n_event, 22.0), unit="deg")
    return MapCoord.create({"skycoord": position, name: np.full(n_event, 3.0) * u.TeV})


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PSFMap, RecoPSFMap])
def test_events_are_spread_as_the_psf_says(device, kind):
    name = kind.required_axes[-1]
    axis = TRUE if name == "energy_true" else TRUE.copy(name="energy")
    psf = kind.from_gauss(axis, RAD, sigma=0.2 * u.deg, geom=GEOM)
    found = psf.sample_coord(events(20000, name))
    distance = found.skycoord.separation(POSITION)
    assert_allclose(np.mean(distance < 0.2 * u.deg), 1 - np.exp(-0.5), atol=0.012)
    angle = POSITION.position_angle(found.skycoord).deg
    assert_allclose(np.histogram(angle, bins=4, range=(0, 360))[0], 5000, rtol=0.05)
    assert_array_equal(found[name].to_value("TeV"), 3)


@pytest.mark.slow
def test_energies_are_spread_as_the_dispersion_says(device):
    density = np.exp(-0.5 * ((MIGRA.center.value - 1.1) / 0.2) ** 2)[:, None, None]
    geom = GEOM.to_cube([MIGRA, TRUE])
    edisp = EDispMap(Map.from_geom(geom, data=np.broadcast_to(density, geom.data_shape).copy(), device="cpu"))
    found = edisp.sample_coord(events(20000))["energy"].to_value("TeV")
    assert_allclose([found.mean(), found.std()], [3.3, 0.6], rtol=0.02)


def test_a_seed_gives_the_same_events_whatever_the_chunks(device):
    psf = PSFMap.from_gauss(TRUE, RAD, geom=GEOM)
    first, again, other = (psf.sample_coord(events(10), seed) for seed in (1, 1, 2))
    assert_array_equal(first.skycoord.ra.deg, again.skycoord.ra.deg)
    assert (first.skycoord.ra.deg != other.skycoord.ra.deg).all()
    in_chunks = psf.sample_coord(events(10), 1, chunk_size=3)
    assert_allclose(in_chunks.skycoord.ra.deg, first.skycoord.ra.deg, rtol=1e-12)
    assert psf.sample_coord(events(0)).skycoord.size == 0


def test_a_radius_without_a_unit_is_in_that_of_the_axis():
    psf = PSFMap.from_gauss(TRUE, RAD, sigma=0.2 * u.deg, geom=GEOM)
    assert psf.containment(0.3, 3 * u.TeV) == psf.containment(0.3 * u.deg, 3 * u.TeV)
