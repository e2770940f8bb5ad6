"""Maps on which the sky repeats itself: nothing is lost or doubled where their columns begin anew."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.data import EventList
from lightpool.errors import GeometryError, NoOverlapError
from lightpool.maps import Map, MapAxis, WcsGeom

PERIODIC = ["CAR", "CEA", "MER"]
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
SEAM = SkyCoord(180, 0.3, unit="deg", frame="galactic")


def events_around(center, width, n_event=2000):
    rng = np.random.default_rng(3)
    lon = center.data.lon.deg + rng.uniform(-width, width, n_event)
    lat = center.data.lat.deg + rng.uniform(-width, width, n_event)
    position = SkyCoord(lon, lat, unit="deg", frame=center.frame.name).icrs
    time = Time("2020-01-01") + np.arange(n_event) * u.s
    energy = np.exp(rng.uniform(0, 2.3, n_event)) * u.TeV
    return EventList(Table({"TIME": time, "ENERGY": energy, "RA": position.ra, "DEC": position.dec}))


def filled(geom, events):
    counts = Map.from_geom(geom)
    counts.fill_events(events)
    return counts


def by_coord(geom, events):
    counts = Map.from_geom(geom)
    counts.fill_by_coord({"skycoord": events.radec, "energy": events.energy})
    return to_host(counts.data)


@pytest.mark.parametrize("proj", PERIODIC)
@pytest.mark.parametrize("width", [None, (360, 20)])
@pytest.mark.parametrize("mode", ["trim", "partial", "strict"])
def test_a_cutout_across_the_seam_has_all_events_and_goes_back_in_a_stack(backend, proj, width, mode):
    geom = WcsGeom.create(binsz=1, width=width, proj=proj, frame="galactic", axes=[ENERGY])
    events = events_around(SEAM, 3)
    whole = filled(geom, events)
    assert_array_equal(to_host(whole.data), by_coord(geom, events))
    assert np.nansum(to_host(whole.data)) == 2000
    part = geom.cutout(SEAM, 8 * u.deg, mode=mode)
    assert part.data_shape == (2, 8, 8)
    assert part.center_skydir.separation(SEAM).deg < 1
    assert np.isfinite(to_host(part.solid_angle_array(backend.device))).all()
    assert np.isfinite(to_host(part.directions(backend.device))).all()
    counts = filled(part, events)
    assert_array_equal(to_host(counts.data), by_coord(part, events))
    assert_array_equal(to_host(whole.cutout(SEAM, 8 * u.deg, mode=mode).data), to_host(counts.data))
    stack = Map.from_geom(geom)
    stack.stack(counts)
    assert_array_equal(to_host(stack.data), to_host(whole.data))
    assert len(part.cutout_parts(geom)) == 2
    assert part.cutout_info is None
    with pytest.raises(GeometryError, match="both ends"):
        part.cutout_slices(geom)


@settings(max_examples=40, deadline=None)
@given(
    proj=st.sampled_from(PERIODIC),
    first=st.integers(-100, 100),
    n_x=st.integers(1, 72),
    lon=st.floats(0, 360),
)
def test_a_map_that_begins_anywhere_knows_its_own_pixels(proj, first, n_x, lon):
    geom = WcsGeom.create(npix=(n_x, 6), binsz=5, proj=proj, refpix=(first, 3.5), frame="galactic", skydir=(0, 0))
    coords = geom.get_coord()
    assert np.isfinite(coords.lon).all()
    y, x = np.mgrid[:6, :n_x]
    found = geom.coord_to_pix(coords)
    assert_allclose(found[0], x, atol=1e-8)
    assert_allclose(found[1], y, atol=1e-8)
    assert geom.contains(coords).all()
    vectors = geom.directions("cpu")
    lon_rad, lat_rad = coords.lon.to_value("rad"), coords.lat.to_value("rad")
    assert_allclose(vectors[0], np.cos(lat_rad) * np.cos(lon_rad), atol=1e-12)
    assert_allclose(vectors[1], np.cos(lat_rad) * np.sin(lon_rad), atol=1e-12)
    one = Map.from_geom(geom, device="cpu")
    one.fill_by_coord((lon * u.deg, 0.1 * u.deg))
    assert one.data.sum() == geom.contains((lon * u.deg, 0.1 * u.deg)).sum()
    if n_x == 72:
        assert one.data.sum() == 1


def test_a_map_wider_than_the_sky_shows_it_once():
    geom = WcsGeom.create(binsz=10, frame="galactic")
    padded = Map.from_geom(geom, data=1.0, device="cpu").pad(3)
    assert_allclose(np.nansum(padded.geom.solid_angle().to_value("sr")), 4 * np.pi, rtol=1e-12)
    assert np.isnan(padded.geom.get_coord().lon[:, :3]).all()
    assert np.isfinite(padded.geom.get_coord().lon[3:-3, 3:-3]).all()
    counts = Map.from_geom(padded.geom, device="cpu")
    counts.fill_by_coord(padded.geom.get_coord().flat)
    assert counts.data.sum() == geom.to_image().data_shape[0] * geom.to_image().data_shape[1]


def test_values_are_interpolated_across_the_seam(backend):
    geom = WcsGeom.create(binsz=10, frame="galactic")
    values = np.cos(geom.get_coord().lon.to_value("rad"))
    m = Map.from_geom(geom, data=values)
    lon = np.array([174.9, 177.0, 180.0, 183.0, 185.1])
    found = to_host(m.interp_by_coord((lon * u.deg, np.full(5, 5.0) * u.deg)))
    at_centre = np.cos(np.deg2rad(175))
    assert_allclose(found[1:4], at_centre, rtol=1e-12)  # both neighbours have this value
    assert found[0] > at_centre


def test_a_mask_is_looked_up_across_the_seam():
    mask = Map.from_geom(WcsGeom.create(binsz=2, frame="galactic"), device="cpu")
    mask.data = mask.geom.separation(SEAM).deg < 6
    fine = WcsGeom.create(npix=(60, 20), binsz=0.5, refpix=(-329.5, 10.5), frame="galactic")
    values = mask.interp_to_geom(fine)
    assert_array_equal(values.data, mask.get_by_coord(fine.get_coord()))
    assert values.data[:, :30].any()
    assert values.data[:, 30:].any()


def test_what_is_not_on_a_map_with_a_gap_cannot_be_cut_out():
    geom = WcsGeom.create(binsz=1, width=(300, 20), frame="galactic", axes=[ENERGY])
    with pytest.raises(NoOverlapError):
        geom.cutout(SEAM, 8 * u.deg)
    beside = SkyCoord(152, 0, unit="deg", frame="galactic")
    partial = geom.cutout(beside, 8 * u.deg, mode="partial")
    assert partial.data_shape == (2, 8, 8)
    assert filled(partial, events_around(beside, 3)).geom is partial


def test_a_map_across_the_seam_is_written_and_read(tmp_path):
    geom = WcsGeom.create(binsz=1, frame="galactic", axes=[ENERGY]).cutout(SEAM, 8 * u.deg)
    events = events_around(SEAM, 3)
    filled(geom, events).write(tmp_path / "seam.fits")
    again = Map.read(tmp_path / "seam.fits")
    assert again.geom == geom
    assert_array_equal(to_host(again.data), by_coord(again.geom, events))
    assert again.geom.center_skydir.separation(geom.center_skydir).deg < 1e-9
