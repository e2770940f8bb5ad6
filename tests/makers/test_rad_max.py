"""Directional cuts that depend on energy and offset."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import CircleSkyRegion, EllipseSkyRegion, PointSkyRegion

from lightpool.arrays import to_host
from lightpool.irf import RadMax2D
from lightpool.makers import make_counts_off_rad_max, make_counts_rad_max
from lightpool.makers.rad_max import are_regions_overlapping_rad_max, is_rad_max_compatible_region_geom
from lightpool.maps import MapAxis, RegionGeom
from lightpool.simulate import PointSource

SOURCE = PointSource().position


@pytest.fixture
def energy():
    return MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)


@pytest.fixture
def table():
    """Cuts of 0.4 deg at low energies down to 0.1 deg, half of that for offsets nearer to 1.5 deg than to 0.5 deg."""
    energy = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=4)
    offset = MapAxis.from_edges([0, 1, 2] * u.deg, name="offset")
    data = np.outer([0.4, 0.3, 0.2, 0.1], [1, 0.5])
    return RadMax2D(axes=[energy, offset], data=data, unit="deg", is_pointlike=True)


def fixed(radius):
    energy = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=1)
    offset = MapAxis.from_edges([0, 2] * u.deg, name="offset")
    return RadMax2D(axes=[energy, offset], data=[[radius]], unit="deg", is_pointlike=True)


def count_one_by_one(events, table, positions, energy):
    """A slow reference implementation."""
    counts = np.zeros(energy.nbin)
    lower, upper = table.axes["energy"].edges[:-1], table.axes["energy"].edges[1:]
    for position in positions:
        column = 0 if position.separation(events.pointing_radec) < 1 * u.deg else 1
        for radec, value in zip(events.radec, events.energy, strict=True):
            row = np.flatnonzero((lower <= value) & (value < upper))
            bin_number = np.flatnonzero((energy.edges[:-1] <= value) & (value < energy.edges[1:]))
            if row.size and bin_number.size and radec.separation(position).deg <= table.data[row[0], column]:
                counts[bin_number[0]] += 1
    return counts


def test_each_event_is_cut_at_its_own_energy(backend, observations, table):
    energy = MapAxis.from_energy_bounds("0.05 TeV", "20 TeV", nbin=4)
    events = observations[0].events.select_row_subset(slice(0, 11000, 30))
    far = observations[0].pointing_radec.directional_offset_by(30 * u.deg, 1.1 * u.deg)
    geom = RegionGeom.create(PointSkyRegion(SOURCE), axes=[energy])
    geom_off = RegionGeom.from_regions([PointSkyRegion(SOURCE), PointSkyRegion(far)], axes=[energy])
    on = make_counts_rad_max(geom, table, events)
    off = make_counts_off_rad_max(geom_off, table, events)
    assert on.device == off.device == backend.device
    if backend.device.is_host:  # the reference takes a second
        assert on.data[:, 0, 0].tolist() == count_one_by_one(events, table, [SOURCE], energy).tolist()
        assert off.data[:, 0, 0].tolist() == count_one_by_one(events, table, [SOURCE, far], energy).tolist()
    assert to_host(off.data).sum() > to_host(on.data).sum() > 10


def test_a_fixed_cut_is_a_circle(observations, energy):
    events = observations[0].events
    point = make_counts_rad_max(RegionGeom.create(PointSkyRegion(SOURCE), axes=[energy]), fixed(0.2), events)
    counted = (events.radec.separation(SOURCE) <= 0.2 * u.deg) & (events.energy < 10 * u.TeV)  # where the table ends
    expected, _ = np.histogram(events.energy[counted].to_value("TeV"), energy.edges.to_value("TeV"))
    assert_allclose(point.data[:, 0, 0], expected)


def test_only_points_are_cut(observations, table, energy):
    geom = RegionGeom.create(CircleSkyRegion(SOURCE, 0.1 * u.deg), axes=[energy])
    for count in (make_counts_rad_max, make_counts_off_rad_max):
        with pytest.raises(ValueError, match="PointSkyRegion"):
            count(geom, table, observations[0].events)


def test_a_point_needs_a_cut(observations, energy):
    with pytest.raises(ValueError, match="RAD_MAX"):
        make_counts_rad_max(RegionGeom.create(PointSkyRegion(SOURCE), axes=[energy]), None, observations[0].events)


def test_points_overlap_where_the_cut_is_widest(table):
    def overlap(distance, e_min, e_max, offset=0.5):
        points = [PointSkyRegion(SOURCE), PointSkyRegion(SOURCE.directional_offset_by(0 * u.deg, distance * u.deg))]
        return are_regions_overlapping_rad_max(points, table, offset * u.deg, e_min * u.TeV, e_max * u.TeV)

    assert overlap(0.79, 0.1, 10)
    assert not overlap(0.81, 0.1, 10)
    assert not overlap(0.79, 0.4, 10)  # the widest bin ends at 0.32 TeV
    assert overlap(0.59, 0.4, 10)
    assert not overlap(0.59, 0.4, 10, offset=1.5)
    assert not overlap(0.1, 20, 30)  # no bin of the table is in that range


def test_which_regions_go_with_a_cut(table):
    def compatible(rad_max, region):
        return is_rad_max_compatible_region_geom(rad_max, RegionGeom.create(region))

    assert compatible(table, PointSkyRegion(SOURCE))
    assert compatible(table, [PointSkyRegion(SOURCE), PointSkyRegion(SkyCoord(80, 20, unit="deg"))])
    assert compatible(fixed(0.1), CircleSkyRegion(SOURCE, 0.1 * u.deg))
    assert compatible(fixed(0.1), CircleSkyRegion(SOURCE, 0.10001 * u.deg))
    assert not compatible(table, CircleSkyRegion(SOURCE, 0.1 * u.deg))
    assert not compatible(fixed(0.1), EllipseSkyRegion(SOURCE, 0.1 * u.deg, 0.1 * u.deg))
    with pytest.raises(ValueError, match="RAD_MAX"):
        compatible(fixed(0.1), CircleSkyRegion(SOURCE, 0.2 * u.deg))
