import pickle
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from numpy.testing import assert_array_equal

from lightpool.arrays import count_transfers
from lightpool.arrays.devices.devices import to_host
from lightpool.arrays.devices.staging import Uploads
from lightpool.data import EventList
from lightpool.maps import Map, MapAxis, RegionGeom, RegionNDMap, WcsGeom
from lightpool.maps.event_counts import send_events

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
CENTRE = SkyCoord(83.63, 22.01, unit="deg")


def made_events(n_event=3000, dtype=np.float64):
    rng = np.random.default_rng(1)
    ra = rng.uniform(82, 85, n_event).astype(dtype)
    dec = rng.uniform(21, 23, n_event).astype(dtype)
    energy = rng.uniform(0.5, 12, n_event)
    table = Table({"RA": ra * u.deg, "DEC": dec * u.deg, "ENERGY": energy * u.TeV, "PHASE": energy % 1})
    plain = {"lon": np.deg2rad(ra, dtype=float), "lat": np.deg2rad(dec, dtype=float), "energy": energy}
    columns = SimpleNamespace(columns={"RA": ra, "DEC": dec}, units={"RA": "deg", "DEC": "deg"})
    return SimpleNamespace(arrays=plain, table=table, columns=columns, radec=SkyCoord(ra, dec, unit="deg"))


def made_table():
    table = made_events().table
    table["TIME"] = Time("2020-01-01") + np.arange(len(table)) * u.s
    return table


def plain_counts(events, geom):
    """Slow twin: astropy and wcslib find the pixel of each event."""
    x, y = geom.wcs.world_to_pixel(events.radec.transform_to(geom.frame))
    edges = [np.arange(n + 1) - 0.5 for n in geom.data_shape[-2:]]
    sample = np.stack([events.arrays["energy"], y, x], axis=1)
    return np.histogramdd(sample, bins=[geom.axes[0].edges.to_value("TeV"), *edges])[0]


@pytest.mark.parametrize("proj", ["CAR", "TAN", "AIT", "MER"])
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_event_falls_into_its_pixel(backend, proj, frame, dtype):
    events = made_events(dtype=np.dtype(dtype))
    skydir = CENTRE.transform_to(frame)
    geom = WcsGeom.create(npix=(40, 30), binsz=0.05, proj=proj, frame=frame, skydir=skydir, axes=[ENERGY])
    m = Map.from_geom(geom)
    m.fill_events(events)
    assert m.device == backend.device
    assert_array_equal(to_host(m.data), plain_counts(events, geom))


def test_events_are_added_to_those_that_are_there_with_their_weights(backend):
    events = made_events(100)
    m = Map.create(npix=10, binsz=1, skydir=CENTRE, axes=[MapAxis.from_energy_edges([500, 20000] * u.GeV)])
    m.fill_events(events)
    m.fill_events(events, weights=np.full(100, 0.5))
    assert to_host(m.data).sum() == 150


def test_any_column_can_be_an_axis(backend):
    events = made_events(100)
    phase = MapAxis.from_bounds(0, 1, 4, name="phase")
    m = Map.create(npix=10, binsz=1, skydir=CENTRE, axes=[phase])
    m.fill_events(events)
    expected = np.histogram(events.table["PHASE"], bins=phase.edges.value)[0]
    assert_array_equal(to_host(m.data).sum(axis=(1, 2)), expected)
    with pytest.raises(KeyError, match="'depth'"):
        Map.create(npix=2, axes=[MapAxis.from_bounds(0, 1, 2, name="depth")]).fill_events(events)


def test_events_with_positions_and_energies_are_enough(backend):
    events = made_events(100)
    plain = SimpleNamespace(radec=events.radec, energy=events.arrays["energy"] * 1e3 * u.GeV)
    m = Map.create(npix=10, binsz=1, skydir=CENTRE, axes=[ENERGY])
    m.fill_events(plain)
    assert to_host(m.data).sum() == np.count_nonzero((plain.energy >= 1 * u.TeV) & (plain.energy < 10 * u.TeV))


def test_a_map_of_events_is_an_empty_one_that_was_filled(backend):
    events = made_events(300)
    for geom in (
        WcsGeom.create(npix=10, binsz=0.2, skydir=CENTRE, axes=[ENERGY]),
        WcsGeom.create(binsz=10, proj="AIT", axes=[ENERGY]),
        RegionGeom.create("icrs;circle(83.63, 22.01, 0.5)", axes=[ENERGY]),
    ):
        m = Map.from_geom(geom)
        m.fill_events(events)
        made = Map.from_events(geom, events)
        assert made.device == backend.device
        assert_array_equal(to_host(made.data), to_host(m.data))


def sky_geom(frame="icrs", unit="TeV", skydir=CENTRE):
    edges = ENERGY.edges.to(unit)
    return WcsGeom.create(npix=20, binsz=0.1, frame=frame, skydir=skydir, axes=[MapAxis.from_energy_edges(edges)])


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("unit", ["TeV", "GeV"])
def test_events_that_were_sent_ahead_are_counted_as_others_are(backend, frame, unit):
    events = EventList(made_table())
    geom = sky_geom(frame, unit, CENTRE.transform_to(frame))
    expected = Map.from_events(geom, events)
    events = EventList.from_columns(events.columns)
    with count_transfers() as transfers:
        send_events(events, geom, Uploads())
        counts = Map.from_events(geom.cutout(CENTRE, 1.2 * u.deg), events)
        again = Map.from_events(geom, events)
    once = 0 if backend.device.is_host else 3 * 8 * 3000
    assert once <= transfers.to_device.bytes <= (once and once + 1000)  # the events, and edges and frames
    assert_array_equal(to_host(counts.data), to_host(expected.cutout(CENTRE, 1.2 * u.deg).data))
    assert_array_equal(to_host(again.data), to_host(expected.data))


def test_events_sent_for_another_map_are_not_taken_for_its_own(backend):
    table = made_table()
    for geom in (sky_geom(unit="GeV"), sky_geom("galactic", skydir=CENTRE.galactic)):
        events = EventList.from_columns(EventList(table).columns)
        send_events(events, sky_geom(), Uploads())
        assert_array_equal(
            to_host(Map.from_events(geom, events).data), to_host(Map.from_events(geom, EventList(table)).data)
        )


def test_a_table_that_was_changed_after_it_was_sent_counts(backend):
    events = EventList.from_columns(EventList(made_table()).columns)
    send_events(events, sky_geom(), Uploads())
    events.table.remove_rows(slice(0, None, 2))
    assert_array_equal(
        to_host(Map.from_events(sky_geom(), events).data),
        to_host(Map.from_events(sky_geom(), EventList(events.table)).data),
    )


def test_a_copy_of_events_that_were_sent_is_one_of_the_events_alone(backend):
    events = EventList.from_columns(EventList(made_table()).columns)
    send_events(events, sky_geom(), Uploads())
    Map.from_events(sky_geom(), events)
    for other in (events.copy(), pickle.loads(pickle.dumps(events))):
        with count_transfers() as transfers:
            Map.from_events(sky_geom(), other)
        if backend.device.is_host:
            assert transfers.to_device.bytes == 0
        else:
            assert transfers.to_device.bytes >= 3 * 8 * 3000  # the events once more
        assert_array_equal(other.arrays["energy"], events.arrays["energy"])


def test_nothing_is_sent_for_regions_and_other_axes(backend, monkeypatch):
    monkeypatch.setattr(Uploads, "send", lambda self, x: pytest.fail("an array was sent"))
    events = EventList.from_columns(EventList(made_table()).columns)
    phase = MapAxis.from_bounds(0, 1, 4, name="phase")
    for geom in (
        RegionGeom.create("icrs;circle(83.63, 22.01, 0.5)", axes=[ENERGY]),
        WcsGeom.create(npix=10, skydir=CENTRE, axes=[ENERGY, phase]),
    ):
        send_events(events, geom, Uploads())


def test_a_region_counts_the_events_inside(backend):
    events = made_events()
    spectrum = RegionNDMap.create("icrs;circle(83.63, 22.01, 0.5)", axes=[ENERGY])
    spectrum.fill_events(events)
    energy = events.arrays["energy"][events.radec.separation(CENTRE) < 0.5 * u.deg]
    assert_array_equal(to_host(spectrum.data)[:, 0, 0], np.histogram(energy, bins=ENERGY.edges.value)[0])


@pytest.mark.reference
def test_only_events_inside_a_region_are_sent_and_weights_go_with_them(backend):
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.3)", axes=[ENERGY])
    events, inside = made_events(), CENTRE.separation(made_events().radec).deg < 0.3
    weights = np.arange(len(inside), dtype=float)
    with count_transfers() as transfers:
        counts = Map.from_events(geom, events)
    edges = 0 if backend.device.is_host else 8 * (ENERGY.nbin + 1)
    assert transfers.to_device.bytes in (8 * inside.sum(), 8 * inside.sum() + edges) or backend.device.is_host
    counts.fill_events(events, weights)
    expected = np.histogram(events.arrays["energy"][inside], ENERGY.edges.value, weights=1 + weights[inside])[0]
    assert_array_equal(to_host(counts.data)[:, 0, 0], expected)


def test_a_region_without_events_counts_none(backend):
    geom = RegionGeom.create("icrs;circle(120, 22.01, 0.3)", axes=[ENERGY])
    assert_array_equal(to_host(Map.from_events(geom, made_events()).data), 0)


@pytest.mark.parametrize("name", ["map-23592", "map-cta-110380"])
def test_counts_of_real_events_are_those_of_gammapy(shared, backend, name):
    from lightpool.fits import read_fits

    reference = Map.read(shared / "reference" / f"{name}.fits.gz", hdu="counts")
    path = {
        "map-23592": shared / "data" / "hess-dl3-dr1" / "data" / "hess_dl3_dr1_obs_id_023592.fits.gz",
        "map-cta-110380": next((shared / "data" / "cta-1dc").rglob("gps_baseline_110380.fits*")),
    }[name]
    table = read_fits(path).table("EVENTS")
    ra, dec, energy = (np.asarray(table.columns[column]) for column in ("RA", "DEC", "ENERGY"))
    arrays = {"lon": np.deg2rad(ra, dtype=float), "lat": np.deg2rad(dec, dtype=float), "energy": energy.astype(float)}
    columns = SimpleNamespace(columns={"RA": ra, "DEC": dec}, units={"RA": "deg", "DEC": "deg"})
    m = Map.from_geom(reference.geom)
    m.fill_events(SimpleNamespace(arrays=arrays, columns=columns))
    assert_array_equal(to_host(m.data), to_host(reference.data))
