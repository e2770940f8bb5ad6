"""Where a response is asked for outside of its table, or where the table is empty."""

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from irf_tables import (
    ENERGY,
    ENERGY_TRUE,
    FOV_LAT,
    FOV_LON,
    OFFSET,
    aeff,
    bkg_2d,
    bkg_3d,
    edisp,
    gauss_psf,
    king_psf,
    project_aeff,
    project_background,
    project_edisp_kernel,
    project_psf,
    psf,
)
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.errors import FormatError
from lightpool.irf import (
    Background2D,
    Background3D,
    EffectiveAreaTable2D,
    EnergyDependentMultiGaussPSF,
    PSFKing,
    PSFMap,
    RadMax2D,
)
from lightpool.irf.projection.node_tables import NodeTable
from lightpool.irf.projection.tables_at_energies import background_nodes
from lightpool.irf.projection.weights import may_touch, pixel_weights
from lightpool.irf.tables.table_rules import POINT_TOLERANCE
from lightpool.maps import MapAxis

RATE = "s-1 MeV-1 sr-1"

# --- radii


def normalised():
    table = psf()
    table.normalize()
    return table


@pytest.mark.parametrize("make", [normalised, gauss_psf, king_psf])
def test_containment_grows_from_zero_to_all_and_never_falls(make):
    rad = np.linspace(0, 3, 61) * u.deg
    share = make().containment(rad=rad, energy_true=1 * u.TeV, offset=0.7 * u.deg).to_value("")
    assert share[0] == 0
    assert np.all(np.diff(share) >= 0)
    assert share[-1] > 0.85 if make is king_psf else share[-1] == pytest.approx(1, abs=0.02)


def test_beyond_its_last_radius_a_table_contains_what_it_contains_up_to_there():
    table = normalised()
    place = {"energy_true": ENERGY_TRUE.center[:, np.newaxis], "offset": 1 * u.deg}
    last = table.axes["rad"].edges[-1]
    expected = table.containment(rad=last, **place).value
    assert np.all(expected > 0.9)
    for rad in (last * (1 + 1e-12), 1.04 * last, 1.06 * last, 20 * u.deg):
        assert_array_equal(table.containment(rad=rad, **place).value, expected)
    assert_array_equal(table.containment(rad=[[0.2, 9]] * u.deg, **place).value[:, 1:], expected)
    assert table.containment(rad=9 * u.deg, energy_true=1e4 * u.TeV, offset=1 * u.deg) == 0
    assert table.containment_radius(1, energy_true=1 * u.TeV, offset=1 * u.deg) <= last


@pytest.mark.parametrize("make", [gauss_psf, king_psf, psf])
@pytest.mark.parametrize(("energy", "offset"), [(1e-4, 0.5), (1e4, 0.5), (1, 20)])
def test_far_from_a_table_there_is_a_share_from_zero_to_one_or_no_psf(make, energy, offset):
    place = {"energy_true": energy * u.TeV, "offset": offset * u.deg}
    share = make().containment(rad=[0, 0.1, 1] * u.deg, **place).to_value("")
    assert np.all((share >= 0) & (share <= 1 + 1e-9))
    assert np.all(make().evaluate(rad=[0, 0.1, 1] * u.deg, **place).value >= 0)


@pytest.mark.parametrize(("gamma", "sigma"), [(0, 0), (1, 0.1), (0.5, 0.1), (2, 0)])
def test_a_king_profile_that_cannot_be_normalised_is_zero(gamma, sigma):
    parameters = {"gamma": u.Quantity(gamma), "sigma": sigma * u.deg}
    assert np.all(PSFKing.evaluate_containment(rad=[0, 0.1] * u.deg, **parameters) == 0)
    assert np.all(PSFKing.evaluate_direct(rad=[0, 0.1] * u.deg, **parameters).value == 0)


def test_a_gaussian_without_a_width_takes_no_part_in_the_sum():
    first = {"sigma_1": 0.1 * u.deg, "scale": 1 / u.deg**2, "ampl_2": u.Quantity(0), "ampl_3": u.Quantity(0)}
    both = first | {"sigma_2": 0 * u.deg, "sigma_3": 0 * u.deg}
    value = EnergyDependentMultiGaussPSF.evaluate_direct(rad=0 * u.deg, **both)
    assert_allclose(value.to_value("deg-2"), 1 / (2 * np.pi * 0.01))
    assert_allclose(EnergyDependentMultiGaussPSF.evaluate_containment(rad=0.1 * u.deg, **both), 1 - np.exp(-0.5))


def test_a_map_of_the_psf_contains_nothing_beyond_its_energies():
    axis = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=3, name="energy_true")
    psf_map = PSFMap.from_gauss(axis, sigma=[0.1, 0.2, 0.3] * u.deg)
    share = psf_map.containment(0.2 * u.deg, [0.01, 0.05, 0.1, 1, 10, 30, 100] * u.TeV).to_value("")
    assert_array_equal(share == 0, [True, True, False, False, False, True, True])
    assert np.all(share >= 0)


def test_a_map_of_the_psf_contains_all_of_it_beyond_its_last_radius():
    reduced = PSFMap.from_gauss(ENERGY_TRUE, sigma=0.1 * u.deg)
    share = reduced.containment(rad=[0, 0.3, 0.66, 0.7, 5] * u.deg, energy_true=1 * u.TeV).value
    assert share[0] == 0
    assert_allclose(share[2:], 1, atol=1e-3)
    assert share[2] == share[3] == share[4]


# --- one offset, one energy


def at_one_offset(make, **place):
    """Table that is given at one offset, without a width."""
    table = make().slice_by_idx({"offset": slice(1, 2)})
    axes = [axis if axis.name != "offset" else MapAxis.from_nodes([0.5] * u.deg, name="offset") for axis in table.axes]
    return type(table)(axes=axes, data=table.data, unit=table.unit)


NEAR, FAR = np.deg2rad([0.41, 0.4956, 0.5, 0.59]), np.deg2rad([0.3, 0.39, 0.61, 1.0])


def test_a_response_at_one_offset_holds_near_it_and_nowhere_else(backend):
    def asked(offset):
        offset = backend.array(offset)
        yield project_aeff(at_one_offset(aeff), ENERGY_TRUE, offset)
        yield project_edisp_kernel(at_one_offset(edisp), ENERGY, ENERGY_TRUE, offset)
        yield project_psf(at_one_offset(psf), ENERGY_TRUE, psf().axes["rad"], offset)
        yield project_background(at_one_offset(bkg_2d), ENERGY.center, offset)

    for near, far in zip(asked(NEAR), asked(FAR), strict=True):
        near, far = to_host(near), to_host(far)
        assert near.any(axis=tuple(range(near.ndim - 1))).all()
        assert_array_equal(near, np.broadcast_to(near[..., :1], near.shape))
        assert not far.any()


def test_evaluation_padding_and_the_cut_know_the_tolerance_too():
    table = at_one_offset(aeff)
    place = {"energy_true": 1 * u.TeV}
    assert table.evaluate(offset=0.4956 * u.deg, **place) == table.evaluate(offset=0.5 * u.deg, **place) > 0
    assert table.evaluate(offset=0.61 * u.deg, **place) == 0
    assert_allclose(table.axes["offset"].center, 0.5 * u.deg)
    assert at_one_offset(bkg_2d).pad(1, axis_name="offset", mode="edge").axes["offset"].nbin == 3
    cut = RadMax2D(axes=[ENERGY, MapAxis.from_nodes([0.5] * u.deg, name="offset")], data=0.1, unit="deg")
    assert cut.evaluate(energy=1 * u.TeV, offset=0.45 * u.deg) == 0.1 * u.deg


def test_at_the_pointing_the_tolerance_ends_at_zero_and_a_file_keeps_it(tmp_path):
    point = MapAxis.from_nodes([0.0] * u.deg, name="offset")
    table = EffectiveAreaTable2D(axes=[ENERGY_TRUE, point], data=2.0, unit="m2")
    assert_allclose(table.axes["offset"].edges, [0, POINT_TOLERANCE.value] * u.deg)
    table.write(tmp_path / "aeff.fits")
    assert EffectiveAreaTable2D.read(tmp_path / "aeff.fits") == table


def test_offsets_in_a_file_that_are_one_point_hold_near_it(tmp_path):
    table = aeff().slice_by_idx({"offset": slice(1, 2)}).to_table()
    for end in ("LO", "HI"):
        table[f"THETA_{end}"] = [[0.4]] * u.deg
    read = EffectiveAreaTable2D.from_table(table)
    assert_allclose(read.axes["offset"].edges, [0.3, 0.5] * u.deg)
    for end in ("LO", "HI"):  # a width in the file is the width
        table[f"THETA_{end}"] = [[0.39 if end == "LO" else 0.41]] * u.deg
    assert_allclose(EffectiveAreaTable2D.from_table(table).axes["offset"].edges, [0.39, 0.41] * u.deg)


def test_one_energy_is_constant_in_its_bin_and_needs_a_width():
    table = aeff().slice_by_idx({"energy_true": slice(2, 3)})
    edges = table.axes["energy_true"].edges
    inside = table.evaluate(energy_true=edges, offset=0.5 * u.deg)
    assert inside[0] == inside[1] > 0
    assert table.evaluate(energy_true=edges[1] * 1.01, offset=0.5 * u.deg) == 0
    written = table.to_table()
    written["ENERG_HI"] = written["ENERG_LO"]
    with pytest.raises(FormatError, match="expected a bin that has a width"):
        EffectiveAreaTable2D.from_table(written)


# --- wide bins of energy


def steep(dtype, first=0, last=20, n_bin=20):
    """Background in the plane with 20 bins of energy from 0.1 to 100 TeV, empty below and above some of them."""
    energy = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=n_bin)
    data = np.ones((n_bin, FOV_LON.nbin, FOV_LAT.nbin)) * 1e-9 * energy.center.value[:, np.newaxis, np.newaxis] ** -2.7
    data[:first], data[last:] = 0, 0
    return Background3D(axes=[energy, FOV_LON, FOV_LAT], data=data.astype(dtype), unit=RATE)


def rates(backend, table, edges, lon=0.1, lat=0.2, dtype="float64"):
    lon, lat = (backend.array(np.deg2rad(np.atleast_1d(x))) for x in (lon, lat))
    return to_host(project_background(table, edges * u.TeV, fov_lon=lon, fov_lat=lat, dtype=dtype))[:, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("first", "last", "edges"),
    [
        (3, 20, [0.1, 1.0]),
        (3, 20, [0.12, 1.0]),
        (0, 14, [1.0, 100.0]),
        (0, 14, [1.0, 95.0]),
        (3, 14, [0.1, 100.0]),
        (0, 20, [0.01, 1.0]),
        (0, 20, [1.0, 1000.0]),
        (3, 14, [0.01, 1000.0]),
        (7, 8, [0.1, 100.0]),
    ],
)
def test_a_wide_bin_holds_what_many_narrow_ones_hold(backend, dtype, first, last, edges):
    table = steep(dtype, first, last)
    wide = rates(backend, table, np.array(edges))[0]
    fine = rates(backend, table, np.geomspace(*edges, 1001)).sum()
    assert fine > 0
    assert wide == pytest.approx(fine, rel=0.03)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_wide_bin_in_single_precision_too(backend, precision):
    found = rates(backend, steep("float32", 3), np.array([0.1, 1, 10]), dtype=precision)
    assert_allclose(found, rates(backend, steep("float32", 3), np.array([0.1, 1, 10])), rtol=1e-5)


def test_a_wide_bin_of_a_table_in_offset(backend):
    energy = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=20)
    data = steep("float32", 3).data[:, :4, 0]
    table = Background2D(axes=[energy, OFFSET], data=data, unit=RATE)
    offset = backend.array(np.deg2rad([0.3, 1.2, 2.6]))
    wide, fine = (
        to_host(project_background(table, edges * u.TeV, offset)).sum(axis=0)
        for edges in (np.array([0.1, 1.0]), np.geomspace(0.1, 1, 500))
    )
    assert_allclose(wide[:2], fine[:2], rtol=0.03)
    assert wide[2] == 0


def test_only_the_places_where_the_table_is_empty_are_integrated_in_parts(backend):
    table = steep("float64")
    table.data[:3, 0] = 0  # at one end of the field
    edges, far, near = np.array([0.1001, 1.0, 10.0]), {"lon": 1.5}, {"lon": -1.9}
    assert background_nodes(table, edges * u.TeV).split.numbers == (0,)
    whole = rates(backend, steep("float64"), edges, **far)
    assert_array_equal(rates(backend, table, edges, **far), whole)
    narrow = rates(backend, table, np.geomspace(*edges[:2], 500), **near).sum()
    assert_allclose(rates(backend, table, edges, **near)[0], narrow, rtol=0.03)
    assert rates(backend, table, edges, lon=9.0)[0] == 0


@pytest.mark.slow
def test_a_pixel_next_to_those_that_are_integrated_in_parts_is_as_if_it_were_alone(backend):
    table = steep("float64")
    table.data[:3, 0] = 0
    edges = np.array([0.1001, 1.0, 10.0]) * u.TeV
    lon, lat = np.deg2rad(np.broadcast_arrays(np.linspace(-2.4, 2.4, 17), np.linspace(-1.9, 1.9, 5)[:, np.newaxis]))
    lon[2, 3] = np.nan
    image = project_background(table, edges, fov_lon=backend.array(lon), fov_lat=backend.array(lat))
    for y, x in np.ndindex(lon.shape):
        one = {
            name: backend.array(values[y : y + 1, x : x + 1]) for name, values in (("fov_lon", lon), ("fov_lat", lat))
        }
        alone = project_background(table, edges, **one)
        assert_allclose(to_host(image)[:, y, x], to_host(alone)[:, 0, 0], rtol=1e-13, atol=0)


@given(data=st.data(), number=st.integers(0, 35))
@settings(max_examples=50, deadline=None)
def test_pixels_that_touch_a_marked_node_are_never_overlooked(data, number):
    nodes, bounds = (np.arange(6.0), np.arange(6.0) ** 1.5), ((-0.5, 5.5), (-0.3, 12.0))
    marks = NodeTable(np.zeros((1, 6, 6)), ("fov_lon", "fov_lat"), nodes, bounds, ("lin", "lin"))
    marks.values[0].flat[number] = 1
    position = st.sampled_from([*nodes[0], *nodes[1], *bounds[0], *bounds[1], np.nan, -1.0]) | st.floats(-1, 13)
    lon, lat = (np.array(data.draw(st.lists(position, min_size=3, max_size=3))) for _ in range(2))
    weights = pixel_weights(marks, lon, lat)
    if np.any(weights.touched(marks.values) & weights.inside):
        assert may_touch(marks, lon, lat)


@given(first=st.integers(0, 6), last=st.integers(12, 20), low=st.floats(0.02, 2.0), n_bin=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_the_sum_of_any_bins_is_never_far_below_that_of_narrow_ones(first, last, low, n_bin):
    lon, lat = np.zeros(1), np.zeros(1)
    table = steep("float32", first, last)

    def total(number):
        edges = np.geomspace(low, 60, number + 1) * u.TeV
        return project_background(table, edges, fov_lon=lon, fov_lat=lat).sum()

    assert total(n_bin) > 0.4 * total(500)


def test_a_background_of_one_bin_of_energy_counts_where_it_is(backend):
    table = steep("float32").slice_by_idx({"energy": slice(4, 5)})
    low, high = table.axes["energy"].edges.value
    inside = rates(backend, table, np.array([low, high]))[0]
    assert rates(backend, table, np.array([0.5 * low, 2 * high]))[0] == pytest.approx(inside)
    assert_array_equal(rates(backend, table, np.array([0.1 * low, 0.5 * low])), [0])


def test_bins_inside_a_table_without_empty_bins_are_not_touched():
    assert background_nodes(bkg_3d(), ENERGY.edges).split is None
    assert background_nodes(steep("float32", 3), [0.5, 1, 50, 99.9] * u.TeV).split is None
    # Between an empty node and the first one that is not, there is no node to split a bin at.
    assert background_nodes(steep("float32", 3), [0.29, 0.31, 0.33] * u.TeV).split is None
    # Outside of the table, and where it is empty, there is nothing to integrate.
    assert background_nodes(steep("float32", 3), [0.01, 0.05, 0.09] * u.TeV).split is None
    assert background_nodes(steep("float32", 3), [0.01, 0.12, 0.2] * u.TeV).split is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_integral_of_a_table_over_a_wide_interval_is_that_over_narrow_ones(dtype):
    table = steep(dtype, 3, 14)
    place = {"fov_lon": 0.1 * u.deg, "fov_lat": 0.2 * u.deg}
    for edges in ([0.1, 1.0, 3.0], [1.0, 100.0], [0.01, 1000.0]):
        wide = table.integrate_log_log("energy", energy=edges * u.TeV, **place)
        fine = table.integrate_log_log("energy", energy=np.geomspace(edges[0], edges[-1], 1001) * u.TeV, **place)
        assert_allclose(wide.sum().to_value(fine.unit), fine.sum().value, rtol=0.05)
    grid = {"energy": ([0.1, 1.0, 3.0] * u.TeV).reshape(-1, 1, 1), **place}
    assert_allclose(
        table.integrate_log_log("energy", **grid).squeeze(),
        table.integrate_log_log("energy", energy=[0.1, 1.0, 3.0] * u.TeV, **place),
    )
