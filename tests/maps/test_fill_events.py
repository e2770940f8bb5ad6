from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.testing import assert_array_equal

from lightpool.arrays.devices import to_host
from lightpool.maps import Map, MapAxis, RegionGeom, RegionNDMap, WcsGeom

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


def test_a_region_counts_the_events_inside(backend):
    events = made_events()
    spectrum = RegionNDMap.create("icrs;circle(83.63, 22.01, 0.5)", axes=[ENERGY])
    spectrum.fill_events(events)
    energy = events.arrays["energy"][events.radec.separation(CENTRE) < 0.5 * u.deg]
    assert_array_equal(to_host(spectrum.data)[:, 0, 0], np.histogram(energy, bins=ENERGY.edges.value)[0])


@pytest.mark.reference
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
