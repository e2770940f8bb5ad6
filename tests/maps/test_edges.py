"""One rule for edges, [low, high) on the edges as given, in every method and on every device."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.data import EventList
from lightpool.fits import HDUList
from lightpool.maps import LabelMapAxis, Map, MapAxis, RegionGeom, TimeMapAxis, WcsGeom

GIVEN = [1.00, 1.78, 3.16, 5.62, 10.0, 17.8, 31.6, 56.2, 100, 177, 316]
"""Edges of a HAWC analysis; through a logarithm and back, 10 becomes 10.000000000000002."""

CRAB = SkyCoord(83.63, 22.01, unit="deg")
START = Time("2020-01-01")


def events_at(energy, position=CRAB, **columns):
    energy = u.Quantity(energy)
    n_event = energy.size
    lon, lat = (np.broadcast_to(_, n_event) for _ in (position.ra.deg, position.dec.deg))
    time = START + np.arange(n_event) * u.s
    return EventList(Table({"TIME": time, "ENERGY": energy, "RA": lon * u.deg, "DEC": lat * u.deg, **columns}))


def counts_of_all_methods(geom, events):
    """Counts of each bin of the only axis, by every way that there is to count events."""
    name = geom.axes.names[0]
    coords = {"skycoord": events.radec, name: events.energy}
    found = {}
    for method in ("fill_events", "fill_by_coord", "fill_by_pix", "fill_by_idx"):
        counts = Map.from_geom(geom)
        if method == "fill_events":
            counts.fill_events(events)
        elif method == "fill_by_coord":
            counts.fill_by_coord(coords)
        elif method == "fill_by_pix":
            counts.fill_by_pix(geom.coord_to_pix(coords))
        else:
            counts.fill_by_idx(geom.coord_to_idx(coords))
        found[method] = to_host(counts.data).sum(axis=(1, 2))
    found["from_events"] = to_host(Map.from_events(geom, events).data).sum(axis=(1, 2))
    numbers = Map.from_geom(geom, data=np.arange(float(geom.axes[0].nbin)).reshape(-1, 1, 1) * np.ones(geom.data_shape))
    bins = to_host(numbers.get_by_coord(coords, fill_value=-1.0)).astype(int)
    found["get_by_coord"] = np.bincount(bins[bins >= 0], minlength=geom.axes[0].nbin).astype(float)
    return found


@pytest.mark.parametrize("kind", ["wcs", "region"])
@pytest.mark.parametrize("interp", ["log", "lin", "sqrt"])
def test_an_event_on_an_edge_that_was_given_belongs_to_the_upper_bin(backend, kind, interp):
    axis = MapAxis.from_edges(GIVEN * u.TeV, name="energy", interp=interp)
    geom = WcsGeom.create(npix=3, skydir=CRAB, axes=[axis])
    if kind == "region":
        geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.5)", axes=[axis])
    for method, counts in counts_of_all_methods(geom, events_at(GIVEN * u.TeV)).items():
        assert_array_equal(counts, np.ones(10), err_msg=method)


@pytest.mark.parametrize("unit", ["GeV", "MeV", "erg"])
@pytest.mark.parametrize("unit_of_events", ["TeV", "GeV", "keV"])
def test_a_change_of_unit_takes_no_event_over_an_edge(unit, unit_of_events):
    numbers = np.array([0.029, 0.057, 0.07, 0.29, 0.57, 1.1, 2.3, 4.1, 8.7, 10, 33.3, 1001e-3 * 40])
    axis = MapAxis.from_edges((numbers * u.TeV).to(unit), name="energy", interp="log")
    geom = WcsGeom.create(npix=3, skydir=CRAB, axes=[axis])
    events = events_at((numbers * u.TeV).to(unit_of_events))
    for method, counts in counts_of_all_methods(geom, events).items():
        assert_array_equal(counts, np.ones(11), err_msg=method)
    assert_array_equal(geom.energy_mask(energy_min=0.57 * u.TeV, energy_max=8.7 * u.TeV).data[:, 0, 0].nonzero()[0],
                       range(4, 8))  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    edges=st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=12, unique=True).map(sorted),
    interp=st.sampled_from(["log", "lin", "sqrt"]),
    descending=st.booleans(),
)
def test_bins_and_pixel_coordinates_agree_next_to_the_edges(edges, interp, descending):
    edges = np.array(edges)
    axis = MapAxis.from_edges(edges[::-1] if descending else edges, interp=interp)
    assert_array_equal(axis.edges.value, edges[::-1] if descending else edges)
    for side, step in ((np.nextafter(edges, 0), -1), (edges, 0), (np.nextafter(edges, np.inf), 0)):
        number = np.arange(len(edges)) + step
        number = np.where((number < 0) | (number >= axis.nbin), -1, number)
        close = np.concatenate([[False], np.diff(edges) < 1e-12 * edges[1:]])
        if close.any():
            continue
        expected = np.where((number >= 0) & descending, axis.nbin - 1 - number, number)
        assert_array_equal(axis.coord_to_idx(side), expected)
        nearest = np.floor(axis.coord_to_pix(side) + 0.5)
        assert_array_equal(np.where((nearest < 0) | (nearest >= axis.nbin), -1, nearest), expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda axis: axis.slice(slice(2, 7)),
        lambda axis: axis.squash(),
        lambda axis: axis.downsample(2),
        lambda axis: axis.upsample(3),
        lambda axis: axis.pad(2),
        lambda axis: axis.resample(MapAxis.from_edges([0.9, 3, 11, 330], unit="TeV", name="energy", interp="log")),
        lambda axis: axis.slice(slice(0, 4)).concatenate(axis.slice(slice(4, 10))),
        lambda axis: axis.to_node_type("edges"),
        lambda axis: axis.copy(name="energy_true"),
    ],
)
def test_axes_made_of_others_have_the_same_edges_to_the_last_bit(change):
    axis = MapAxis.from_edges(GIVEN * u.TeV, name="energy", interp="log")
    made = change(axis)
    kept = made.edges.value[np.isclose(made.edges.value[:, None], GIVEN, rtol=1e-9).any(axis=1)]
    assert set(kept) <= set(GIVEN)
    assert len(kept) >= 2


def test_groups_and_rounding_end_at_edges_that_were_given():
    axis = MapAxis.from_edges(GIVEN * u.TeV, name="energy", interp="log")
    groups = axis.group_table([3, 11, 200] * u.TeV)
    assert groups["energy_min"].tolist() == [1.0, 3.16, 10.0, 177.0]
    assert axis.round(9.5 * u.TeV).value == 10


@pytest.mark.parametrize("layout", ["gadf", "ogip", "ogip-sherpa"])
def test_edges_in_a_file_are_those_that_were_given(layout):
    axis = MapAxis.from_edges(GIVEN * u.TeV, name="energy", interp="log")
    if layout == "gadf":
        hdus: HDUList = Map.from_geom(WcsGeom.create(npix=2, axes=[axis])).to_hdulist()
        again = Map.from_hdulist(hdus).geom.axes[0]
    else:
        again = MapAxis.from_table(axis.to_table(layout), format=layout)
    unit = "keV" if layout == "ogip-sherpa" else "TeV"
    assert_array_equal(again.edges.to_value(unit), axis.edges.to_value(unit))
    assert_array_equal(again.coord_to_idx(axis.edges_min), np.arange(10))


def test_events_are_counted_in_intervals_of_time_and_by_labels():
    times = TimeMapAxis([0, 1] * u.h, [1, 3] * u.h, START)
    labels = LabelMapAxis(["gamma", "proton"], name="kind")
    geom = WcsGeom.create(npix=1, binsz=5, skydir=CRAB, axes=[times, labels])
    events = events_at(np.ones(5) * u.TeV, kind=["gamma", "gamma", "proton", "proton", "gamma"])
    events.table["TIME"] = START + [0, 0.5, 1, 2.999, 3] * u.h
    counts = Map.from_geom(geom)
    counts.fill_events(events)
    assert_array_equal(to_host(counts.data)[..., 0, 0], [[2, 0], [0, 2]])


# --- Pixels


@pytest.mark.slow
@pytest.mark.parametrize("proj", ["CAR", "TAN", "ZEA", "STG", "ARC", "SIN", "AIT", "MOL", "MER", "CEA", "SFL"])
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_events_on_the_edge_of_pixels_are_in_one_pixel_by_every_method(backend, proj, frame, dtype):
    lat = np.array([-42.11333465576172] * 41, dtype) + np.linspace(-1, 1, 41).astype(dtype)
    position = SkyCoord(np.full(41, 349.7749938964844, dtype), lat, unit="deg")
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    geom = WcsGeom.create(skydir=position[20], npix=40, binsz=0.05, proj=proj, frame=frame, axes=[energy])
    events = events_at(np.full(41, 2.0) * u.TeV, position)
    coords = {"skycoord": events.radec, "energy": events.energy}
    by_events, by_coord = Map.from_geom(geom), Map.from_geom(geom)
    by_events.fill_events(events)
    by_coord.fill_by_coord(coords)
    assert_array_equal(to_host(by_events.data), to_host(by_coord.data))
    numbers = Map.from_geom(geom, data=np.arange(1600.0).reshape(1, 40, 40))
    values = to_host(numbers.get_by_coord(coords, fill_value=-1.0))
    x, y, _ = geom.coord_to_idx(coords)
    assert_array_equal(values, np.where((x >= 0) & (y >= 0), y * 40 + x, -1))
    if frame == "icrs" and proj in ("TAN", "CAR"):
        assert set(x.tolist()) <= {20, -1}  # the meridian of the reference position is the lower edge of column 20


def test_a_point_in_the_middle_of_a_pixel_takes_this_pixel_alone():
    for proj in ("CAR", "TAN", "AIT"):
        geom = WcsGeom.create(skydir=(83.63, 22.01), npix=(21, 21), binsz=0.1, proj=proj)
        mask = geom.region_mask(CRAB)
        assert np.argwhere(to_host(mask.data)).tolist() == [[10, 10]]
