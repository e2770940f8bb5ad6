"""Drift scans are reduced in pieces, in which the sky hardly moves."""

from itertools import pairwise

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz
from astropy.table import Table
from astropy.time import Time

from lightpool.arrays import to_host
from lightpool.data import GTI, EventList, FixedPointingInfo, Observation, observatory_locations, tracking_pieces
from lightpool.datasets import MapDataset
from lightpool.irf import Background2D, EffectiveAreaTable2D
from lightpool.makers import DatasetsMaker, MapDatasetMaker
from lightpool.maps import MapAxis, WcsGeom

START = Time("2020-01-01T00:00:00", scale="tt")
PLACE = observatory_locations["hess"]
TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 2, name="energy_true")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 2)
OFFSET = MapAxis.from_nodes([0, 1, 2, 3] * u.deg, name="offset")


def responses():
    """An effective area that falls with the square of the offset, and a background that falls linearly."""
    fall = 1 - OFFSET.center.value**2 / 16
    area = EffectiveAreaTable2D([TRUE, OFFSET], np.broadcast_to(fall, (2, 4)) * 1e4, "m2")
    rate = np.broadcast_to(1 - OFFSET.center.value / 4, (2, 4))
    return {"aeff": area, "bkg": Background2D([ENERGY, OFFSET], rate, "s-1 TeV-1 sr-1")}


def scan(duration=600.0, **pointing):
    pointing = pointing or {"fixed_altaz": AltAz(alt=70 * u.deg, az=10 * u.deg)}
    observation = Observation.create(
        FixedPointingInfo(**pointing), PLACE, tstop=START + duration * u.s, irfs=responses(), reference_time=START
    )
    time = START + np.linspace(0, duration, 101) * u.s
    centre = observation.get_pointing_icrs(START + duration / 2 * u.s)
    columns = {"TIME": time, "RA": np.full(101, centre.ra.deg) * u.deg, "DEC": np.full(101, centre.dec.deg) * u.deg}
    meta = {"MJDREFI": 58849, "MJDREFF": 0.0, "TIMESYS": "TT", "RA_PNT": 0.0, "DEC_PNT": 0.0}
    observation.events = EventList(Table(columns | {"ENERGY": np.full(101, 2.0) * u.TeV}, meta=meta))
    return observation, centre


def reduced(observations, centre, device="cpu"):
    geom = WcsGeom.create(skydir=centre, width=2.25, binsz=0.25, axes=[ENERGY])
    dataset = MapDataset.create(geom, energy_axis_true=TRUE).to(device)
    maker = MapDatasetMaker(selection=["counts", "exposure", "background"])
    return DatasetsMaker([maker], stack_datasets=True).run(dataset, observations)[0]


def test_the_pieces_have_all_of_the_scan_and_follow_it():
    observation, centre = scan()
    pieces = tracking_pieces(observation, "0.5 deg")
    assert len(pieces) == int(np.ceil(600 * 360 / 86164 * np.cos(centre.dec.rad) / 0.5))
    assert sum(len(piece.events) for piece in pieces) == 101
    total = sum(piece.observation_live_time_duration.to_value("s") for piece in pieces)
    assert total == pytest.approx(600, rel=1e-9)
    for piece in pieces:
        there = observation.get_pointing_icrs(piece.tmid)
        assert piece.pointing_radec.separation(there) < 1 * u.arcsec
        assert piece.aeff is observation.aeff


def test_an_observation_that_tracks_is_its_only_piece():
    _, centre = scan()
    observation, _ = scan(fixed_icrs=centre)
    assert tracking_pieces(observation)[0] is observation


def test_good_times_with_a_gap_have_pieces_of_their_own():
    observation, _ = scan()
    observation.gti = GTI.create(START + [0, 400] * u.s, START + [100, 600] * u.s)
    pieces = tracking_pieces(observation, 0.3 * u.deg)
    assert sum(piece.gti.duration_s for piece in pieces) == pytest.approx(300)
    assert all(len(piece.gti) == 1 for piece in pieces)
    assert sum(len(piece.events) for piece in pieces) == len(observation.events)


@pytest.mark.slow
def test_the_stack_of_the_pieces_is_the_mean_over_the_scan(device):
    observation, centre = scan()
    coarse, fine, finest = (
        reduced(tracking_pieces(observation, step), centre, device) for step in ("0.4 deg", "0.2 deg", "0.1 deg")
    )
    for name in ("exposure", "background"):
        values = [to_host(each.maps[name].data) for each in (coarse, fine, finest)]
        steps = [np.abs(a - b).max() / values[2].max() for a, b in pairwise(values)]
        assert steps[1] < steps[0] / 2 < 0.005
    # The mean of the area, which is linear between the nodes of its table, over a line through the centre.
    offset = np.abs(np.linspace(-1, 1, 2001)) * 300 * 15.0411 / 3600 * np.cos(centre.dec.rad)
    expected = np.mean(np.interp(offset, OFFSET.center.value, 1 - OFFSET.center.value**2 / 16)) * 600e4
    found = to_host(finest.exposure.get_by_coord({"skycoord": centre, "energy_true": 2 * u.TeV})).item()
    assert found == pytest.approx(expected, rel=2e-3)
    assert to_host(finest.counts.data).sum() == 101


def test_a_background_of_a_scan_says_what_to_do():
    observation, centre = scan()
    with pytest.raises(Exception, match="tracking_pieces"):
        reduced([observation], centre)
    with pytest.raises(ValueError, match="positive"):
        tracking_pieces(observation, "0 deg")
