"""Fused kernels against their reference implementations: on the host with a substitute for CuPy, and on a GPU."""

import itertools

import numpy as np
import pytest
from cuda_on_host.raw_module import RawModule
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import (
    PROJECTION_CODES,
    Projection,
    add_product,
    bin_index,
    device_of,
    find_device,
    fov_lonlat,
    frame_matrix,
    gather_bilinear,
    hat_basis,
    histogram,
    interpolate_grid,
    interpolation_weights,
    pixel_directions,
    rotate,
    separation_of_vectors,
    to_host,
)
from lightpool.arrays.cuda.loader import BLOCK
from lightpool.arrays.kernels.accumulation import add_product_plain
from lightpool.arrays.kernels.bands import sums_in_bands, sums_in_bands_plain
from lightpool.arrays.kernels.binning import bin_index_plain
from lightpool.arrays.kernels.connected_pixels import connected_labels, connected_labels_plain
from lightpool.arrays.kernels.events import count_events, count_events_plain
from lightpool.arrays.kernels.histogram import histogram_plain, sum_by_bin
from lightpool.arrays.kernels.interpolation import hat_basis_plain, interpolate_grid_plain, interpolation_weights_plain
from lightpool.arrays.kernels.projections import pixel_directions_plain
from lightpool.arrays.kernels.reductions import sums_in_masks, sums_in_masks_plain
from lightpool.arrays.kernels.solid_angles import solid_angles, solid_angles_plain

FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EDGES = np.array([0.3, 1.0, 2.5, 10.0, 31.0])
ODD = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0])


BACKENDS = ["cuda on host", pytest.param("cuda", marks=pytest.mark.gpu)]
pytestmark = pytest.mark.parametrize("backend", BACKENDS, indirect=True)


@pytest.fixture
def on_cuda(backend):
    """Call a function with its NumPy arrays on the device, and read the result back."""

    def call(function, *args, **kwargs):
        return read(function(*sent(args, backend), **{name: sent(value, backend) for name, value in kwargs.items()}))

    return call


def sent(x, backend):
    if isinstance(x, list | tuple):
        return type(x)(sent(part, backend) for part in x)
    return backend.array(x) if isinstance(x, np.ndarray) and x.ndim else x


def read(x):
    if isinstance(x, tuple):
        return tuple(map(read, x))
    assert device_of(x).is_cuda
    return to_host(x)


# --- events


def projection(code, **kwargs):
    return Projection(code, (30.5, 20.0), (83.63, 22.01), ((-0.05, 0.01), (0.0, 0.04)), **kwargs)


def events_around(crval, n, seed=3, spread=0.02):
    rng = np.random.default_rng(seed)
    lon, lat = (np.deg2rad(centre) + rng.normal(0, spread, n) for centre in crval)
    lon[:20], lat[:20] = rng.uniform(-7, 7, 20), rng.uniform(-np.pi / 2, np.pi / 2, 20)
    lon[20], lat[21] = np.nan, np.nan
    return lon, lat, np.exp(rng.normal(1, 1.5, n)), np.where(np.arange(n) % 7 == 0, np.nan, rng.uniform(-2, 3, n))


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("code", PROJECTION_CODES)
def test_events_are_counted_as_by_many_steps(on_cuda, code, frame):
    lon, lat, energy, phase = events_around((83.63, 22.01), 3000)
    turn = None if frame == "icrs" else frame_matrix("icrs", "galactic")
    centre = (83.63, 22.01) if frame == "icrs" else (184.56, -5.78)
    sky = Projection(code, (30.5, 20.0), centre, ((-0.05, 0.01), (0.0, 0.04)))
    window = {"first": (-3, 2), "turn": turn}
    for values, edges in (((), ()), ((energy,), (EDGES,)), ((energy, phase), (EDGES, np.array([-1.0, 0.0, 2.0])))):
        expected = count_events_plain(lon, lat, values, edges, sky, (45, 60), **window)

        def count(lon, lat, values, edges=edges):
            return count_events(lon, lat, values, edges, sky, (45, 60), **window)

        counts = on_cuda(count, lon, lat, values)
        assert counts.dtype == np.float64
        assert counts.sum() > 500
        assert_array_equal(counts, expected)


def test_events_on_the_edges_of_pixels_and_bins_fall_to_the_same_side(on_cuda):
    # Plate carree needs no function that rounds: both sides are exact, and an edge belongs to the upper bin.
    sky = Projection("CAR", (1.0, 1.0), (0.0, 0.0), ((1.0, 0.0), (0.0, 1.0)))
    pix = np.repeat(np.arange(-2, 6) - 0.5, EDGES.size + 2)
    lon, lat = np.deg2rad(pix), np.deg2rad(np.tile([-0.5, 1.5, 2.5, 3.5, -1.5, 0.5, np.nextafter(0.5, 0)], 8))
    energy = np.tile([*EDGES, np.nextafter(0.3, 0), np.nextafter(31, 0)], 8)
    expected = count_events_plain(lon, lat, [energy], [EDGES], sky, (4, 4))
    assert_array_equal(on_cuda(lambda *a: count_events(*a, [EDGES], sky, (4, 4)), lon, lat, [energy]), expected)
    assert expected.sum() > 0


@FEW
@given(seed=st.integers(0, 99), n=st.integers(0, 70))
def test_weights_of_events_are_added_up(on_cuda, seed, n):
    lon, lat, energy, weights = (x[:n] for x in events_around((83.63, 22.01), 100, seed))

    def count(function, lon, lat, energy, weights):
        return function(lon, lat, [energy], [EDGES], projection("TAN"), (40, 50), weights=weights)

    expected = count(count_events_plain, lon, lat, energy, weights)
    assert_allclose(on_cuda(count, count_events, lon, lat, energy, weights), expected, rtol=1e-12)


def test_events_of_four_axes_are_counted_in_many_steps(on_cuda):
    lon, lat, energy, _ = events_around((83.63, 22.01), 400)
    edges = [EDGES] * 4

    def count(function, lon, lat, *values):
        return function(lon, lat, values, edges, projection("ARC"), (40, 50))

    counts = on_cuda(count, count_events, lon, lat, *[energy] * 4)
    assert_array_equal(counts, count(count_events_plain, lon, lat, *[energy] * 4))


def test_a_map_is_counted_in_one_launch(backend):
    lon, lat, energy, _ = (backend.array(x) for x in events_around((83.63, 22.01), 100))
    RawModule.launched.clear()
    count_events(lon, lat, [energy], [EDGES], projection("TAN"), (40, 50), turn=frame_matrix("icrs", "galactic"))
    assert RawModule.launched in ([], ["count_events"])  # none by the stand-in on a GPU


# --- bins and sums


@FEW
@given(
    x=hnp.arrays(
        float, hnp.array_shapes(max_dims=3, max_side=9), elements=st.one_of(st.floats(), st.sampled_from(EDGES))
    ),
    clip=st.booleans(),
    n=st.integers(2, 5),
)
def test_bins_are_found_exactly(on_cuda, x, clip, n):
    expected = bin_index_plain(x, EDGES[:n], clip=clip)
    assert_array_equal(on_cuda(bin_index, x, EDGES[:n], clip=clip), expected, strict=True)


@FEW
@given(
    seed=st.integers(0, 99),
    n=st.integers(0, 300),
    n_axis=st.integers(1, 7),
    kind=st.sampled_from(["", "bool", "f", "i"]),
)
def test_sums_in_maps_of_any_number_of_axes(on_cuda, seed, n, n_axis, kind):
    rng = np.random.default_rng(seed)
    shape = (3, 2, 4, 1, 2, 3, 2)[:n_axis]
    index = [rng.integers(-1, length + 1, n) for length in shape]
    weights = {"": None, "bool": rng.random(n) < 0.5, "f": rng.normal(size=n), "i": rng.integers(0, 9, n)}[kind]
    expected = histogram_plain(index, shape, weights)
    sums = on_cuda(lambda w, *i: histogram(i, shape, w), weights, *index)
    assert_allclose(sums, expected, rtol=1e-12, atol=1e-13)
    assert sums.dtype == np.float64


def test_entries_that_spread_and_are_strided_are_added_up(on_cuda):
    rows, columns = np.arange(8).reshape(4, 2)[:, :1], np.array([[0, 1, 2, 0, 5]])[:, ::-1]
    weights = np.arange(40.0).reshape(4, 10)[:, ::2]
    expected = histogram_plain([rows, columns], (6, 4), weights)
    assert_allclose(on_cuda(lambda r, c, w: histogram([r, c], (6, 4), w), rows, columns, weights), expected)
    assert_array_equal(on_cuda(sum_by_bin, rows.astype(np.int32), None, 3), [1, 0, 1])


def test_empty_maps_and_no_entries(on_cuda):
    none = np.zeros(0, dtype=np.int64)
    assert_array_equal(on_cuda(lambda i: histogram([i, i], (2, 3)), none), np.zeros((2, 3)))
    assert on_cuda(lambda i: histogram([i, i], (2, 0)), np.zeros(4, dtype=np.int64)).shape == (2, 0)


# --- adding products


SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=7)


@FEW
@given(data=st.data(), shape=SHAPES, seed=st.integers(0, 99), skip=st.booleans())
def test_products_of_any_factors_are_added_to_any_window(on_cuda, data, shape, seed, skip):
    rng = np.random.default_rng(seed)
    total_type = data.draw(st.sampled_from(["float64", "float32", "bool", "int64"]))
    total = (rng.normal(size=[n + 2 for n in shape]) > 0).astype(total_type)
    starts = data.draw(st.tuples(*[st.integers(0, 2)] * len(shape)))
    window = tuple(slice(start, start + n) for start, n in zip(starts, shape, strict=True))
    factors = []
    for _ in range(data.draw(st.integers(1, 5))):
        own = [data.draw(st.sampled_from([n, 1])) for n in shape][data.draw(st.integers(0, len(shape) - 1)) :]
        values = rng.normal(size=own)
        kind = data.draw(st.sampled_from(["float64", "float32", "bool", "int32", "turned", "odd"]))
        if kind == "turned":
            values = rng.normal(size=own[::-1]).T
        elif kind == "odd" and skip:
            values = np.where(values > 0.5, data.draw(st.sampled_from(ODD)), values)
        elif kind != "odd":
            values = (values * 3 > 0.5).astype(kind) if kind in ("bool", "int32") else values.astype(kind)
        factors.append(values)
    if data.draw(st.booleans()):
        factors.append(2.5)
    single = any(getattr(x, "dtype", None) == np.float32 for x in (total, *factors))

    def added(function, total, factors):
        function(total, factors, window, nan_to_num=skip)
        return total

    with np.errstate(all="ignore"):
        expected = added(add_product_plain, total.copy(), factors)
    result = on_cuda(added, add_product, total, factors)
    assert result.dtype == total.dtype
    assert_allclose(result, expected, rtol=1e-5 if single else 1e-12, atol=1e-6 if single else 1e-14)


def test_what_overflows_the_type_of_the_total_is_not_finite(on_cuda):
    total = np.ones(3, dtype=np.float32)

    def added(total, factor):
        add_product(total, [factor])
        return total

    assert_array_equal(on_cuda(added, total, np.array([1e300, -1e300, 1.0])), [1, 1, 2])


@pytest.mark.parametrize("skip", [True, False])
def test_what_is_not_a_number_marks_a_mask_only_if_it_is_kept(on_cuda, skip):
    def added(function, total, factor):
        function(total, [factor], nan_to_num=skip)
        return total

    total, factor = np.array([False, False, False, True]), np.array([np.nan, 2.0, 0.0, 0.0])
    result = on_cuda(added, add_product, total, factor)
    assert_array_equal(result, [not skip, True, False, True])
    assert_array_equal(result, added(add_product_plain, total.copy(), factor))


def test_a_factor_that_does_not_fit_is_refused(backend):
    total = backend.array(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"shape \(2,\) does not broadcast to a window of shape"):
        add_product(total, [backend.array(np.ones(2))])


def test_more_rows_and_columns_than_threads(on_cuda):
    total, factor = np.zeros((3, 700)), np.arange(2100.0).reshape(3, 700)

    def added(total, factor):
        add_product(total, [factor, 2.0])
        return total

    assert_array_equal(on_cuda(added, total, factor), 2 * factor)


# --- sums in masks


@pytest.mark.parametrize("shape", [(1, 1), (2, 3, 7), (2, 2, 90, 50), (1, 3 * BLOCK, 9), (0, 4, 4), (3, 0, 4)])
@pytest.mark.parametrize(("n_map", "n_mask"), [(1, 1), (2, 3), (4, 4), (5, 1)])
def test_sums_over_the_pixels_that_all_masks_keep(on_cuda, shape, n_map, n_mask):
    rng = np.random.default_rng(5)
    maps = [np.where(rng.random(shape) < 0.01, np.nan, rng.normal(size=shape)) for _ in range(n_map)]
    masks = [rng.random(shape) < 0.8 for _ in range(n_mask)]
    expected = sums_in_masks_plain(maps, masks)
    assert_allclose(on_cuda(sums_in_masks, maps, masks), expected, rtol=1e-12, atol=1e-11)
    nothing = on_cuda(sums_in_masks, maps, [np.zeros(shape, dtype=bool), *masks[1:]])
    assert_array_equal(nothing, np.zeros((n_map, *shape[:-2])))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_map", [1, 3, 5])
def test_maps_are_summed_in_bands_as_by_many_steps(on_cuda, dtype, n_map):
    rng = np.random.default_rng(6)
    maps = [rng.normal(3, 1, (6, 17, 23)).astype(dtype) for _ in range(n_map)]
    mask = rng.uniform(size=(6, 17, 23)) < 0.8
    for each in maps:
        each[:, :, :5] = np.resize(ODD, (6, 17, 5))
    for bands in ([(0, 6)], [(0, 1), (1, 4), (5, 6)], [(i, i + 1) for i in range(6)]):

        def summed(maps, mask, bands=bands):
            return tuple(sums_in_bands(maps, mask, bands))

        expected = sums_in_bands_plain(maps, mask, bands)
        found = on_cuda(summed, maps, mask)
        assert len(found) == n_map
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == np.float64
            assert_array_equal(one, other)


def test_sums_in_bands_take_any_maps_on_the_device(on_cuda):
    rng = np.random.default_rng(7)
    maps = [rng.normal(size=(4, 6, 9)) for _ in range(6)]  # more than the kernel takes
    mixed = [maps[0], maps[1].astype(np.float32)]
    mask = rng.uniform(size=(4, 6, 9)) < 0.5

    def every_second(maps, mask):
        return tuple(sums_in_bands([each[:, 1:, ::2] for each in maps], mask[:, 1:, ::2], [(0, 3)]))

    for values in (maps, mixed, maps[:2]):
        expected = sums_in_bands_plain([each[:, 1:, ::2] for each in values], mask[:, 1:, ::2], [(0, 3)])
        for one, other in zip(on_cuda(every_second, values, mask), expected, strict=True):
            assert_allclose(one, other, rtol=1e-12)


def test_sums_of_windows_and_of_single_precision(on_cuda):
    values = np.random.default_rng(6).normal(size=(2, 40, 60))
    mask = values > -0.5

    def windows(values, mask):
        return sums_in_masks([values[:, 3:30, ::2]], [mask[:, 3:30, ::2]])

    expected = sums_in_masks_plain([values[:, 3:30, ::2]], [mask[:, 3:30, ::2]])
    assert_allclose(on_cuda(windows, values, mask), expected, rtol=1e-12)
    single = values.astype(np.float32)
    expected = sums_in_masks_plain([single.astype(float)], [mask])
    assert_allclose(on_cuda(sums_in_masks, [single], [mask]), expected, rtol=1e-12)


# --- interpolation


NODES = np.array([-1.0, 0.25, 1.0, 2.0, 2.5])
POINTS = hnp.arrays(
    float,
    hnp.array_shapes(max_dims=2, max_side=9),
    elements=st.one_of(st.floats(-5, 5), st.sampled_from([*NODES, *ODD])),
)


@FEW
@given(x=POINTS, n=st.integers(1, 5), single=st.booleans())
def test_weights_of_nodes_are_the_same_to_the_bit(on_cuda, x, n, single):
    nodes = NODES[:n]
    for result, expected in zip(
        on_cuda(interpolation_weights, x, nodes), interpolation_weights_plain(x, nodes), strict=True
    ):
        assert_array_equal(result, expected, strict=True)
    dtype = "float32" if single else "float64"
    basis = on_cuda(lambda x: hat_basis(x, nodes, -1.5, 2.5, dtype), x)
    assert_array_equal(basis, hat_basis_plain(x, nodes, -1.5, 2.5, dtype), strict=True)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 1, 3), (4, 5, 1), (2, 1, 1), (4, 4)])
def test_four_neighbours_are_gathered(on_cuda, shape, dtype):
    rng = np.random.default_rng(7)
    table = rng.normal(size=shape).astype(dtype)
    index = [rng.integers(0, max(n - 1, 1), (6, 9)) for n in shape[-2:]]
    above = [rng.uniform(-0.2, 1.2, (6, 9)) if n > 1 else np.zeros((6, 9)) for n in shape[-2:]]
    arguments = (table, index[0], above[0], index[1], above[1])
    result = on_cuda(lambda *a: gather_bilinear(*a, dtype), *arguments)
    expected = gather_bilinear(*(np.asarray(x) for x in arguments))
    assert_allclose(
        result, expected, rtol=1e-12 if dtype == "float64" else 1e-5, atol=1e-12 if dtype == "float64" else 1e-6
    )
    assert result.dtype == dtype


@FEW
@given(data=st.data(), lengths=st.lists(st.integers(1, 4), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_tables_of_any_number_of_axes_are_interpolated(on_cuda, data, lengths, seed):
    rng = np.random.default_rng(seed)
    kind = data.draw(st.sampled_from(["float64", "float32", "bool"]))
    table = (rng.normal(size=lengths) > 0) if kind == "bool" else rng.normal(size=lengths).astype(kind)
    nodes = [np.cumsum(rng.uniform(0.1, 2, n)) for n in lengths]
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, max_side=4))
    coords = []
    for _ in lengths:
        own = [data.draw(st.sampled_from([n, 1])) for n in shape]
        values = rng.uniform(-1, 6, own)
        coords.append(np.where(rng.random(own) < 0.05, np.nan, values))
    expected = interpolate_grid_plain(table, nodes, coords)
    result = on_cuda(lambda c: interpolate_grid(table, nodes, c), [np.asarray(x)[None] for x in coords])
    assert_allclose(result[0], expected, rtol=1e-12, atol=1e-12)
    assert result.dtype == np.float64


# --- directions


REFERENCES = [
    ((83.63, 22.01), None),
    ((0.0, 0.0), None),
    ((120.0, 0.0), None),
    ((10.0, 90.0), None),
    ((50.0, 30.0), 40.0),
]


@pytest.mark.parametrize("code", PROJECTION_CODES)
def test_pixels_look_into_the_same_directions(on_cuda, code):
    for (crval, lonpole), cd in itertools.product(REFERENCES, (((-4.0, 0.0), (0.0, 4.0)), ((-0.7, 0.3), (0.4, 0.8)))):
        sky = Projection(code, (40.5, 25.0), crval, cd, lonpole)
        vectors = on_cuda(lambda sky=sky: pixel_directions(sky, (50, 80), first=(-2, 3)))
        expected = pixel_directions_plain(sky, (50, 80), find_device("cpu"), (-2, 3))
        assert_array_equal(np.isnan(vectors), np.isnan(expected))
        assert_allclose(vectors, expected, rtol=1e-12, atol=3e-15)


def unit_vectors_of(n, seed=8):
    vectors = np.random.default_rng(seed).normal(size=(3, *n))
    return vectors / np.linalg.norm(vectors, axis=0)


def test_angles_between_directions_are_those_of_the_plain_routine(on_cuda):
    vectors, centre = unit_vectors_of((7, 300)), np.array([0.6, 0.0, 0.8])
    vectors[:, 0, 0], vectors[:, 0, 1], vectors[:, 1, 1] = centre, -centre, np.nan
    result = on_cuda(lambda v: separation_of_vectors(v, centre), vectors)
    assert_allclose(result, separation_of_vectors(vectors, centre), rtol=1e-12, atol=1e-15)
    others = unit_vectors_of((7, 300), 9)
    assert_allclose(on_cuda(separation_of_vectors, vectors, others), separation_of_vectors(vectors, others), rtol=1e-12)


def test_directions_are_turned_and_read_as_angles(on_cuda):
    vectors, matrix = unit_vectors_of((40, 30)), frame_matrix("icrs", "galactic")
    assert_allclose(on_cuda(lambda v: rotate(matrix, v), vectors), rotate(matrix, vectors), rtol=1e-12, atol=1e-15)
    turned = on_cuda(lambda v: rotate(matrix, v[:, ::2, 3:]), vectors)
    assert_allclose(turned, rotate(matrix, vectors[:, ::2, 3:]), rtol=1e-12, atol=1e-15)
    for result, expected in zip(on_cuda(fov_lonlat, vectors), fov_lonlat(vectors), strict=True):
        assert_allclose(result, expected, rtol=1e-12)


@pytest.mark.parametrize("code", ["TAN", "CAR", "AIT"])
def test_solid_angles_of_pixels(on_cuda, code):
    sky = Projection(code, (40.5, 25.0), (83.63, 22.01), ((-4.0, 0.0), (0.0, 4.0)))
    corners = pixel_directions_plain(sky, (51, 81), find_device("cpu"))
    corners[:, 3, 4] = corners[:, 3, 5]  # a step of no length
    expected = solid_angles_plain(corners)
    assert_allclose(on_cuda(solid_angles, corners), expected, rtol=1e-11, atol=1e-14)


# --- connected pixels


@FEW
@given(mask=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12)))
def test_groups_of_pixels_have_the_same_labels(on_cuda, mask):
    assert_array_equal(on_cuda(connected_labels, mask), connected_labels_plain(mask), strict=True)


def test_a_spiral_is_one_group(on_cuda):
    mask = np.zeros((61, 61), dtype=bool)
    y, x, step = 0, 0, (0, 1)
    for length in [60, 60, 60, *np.repeat(np.arange(58, 1, -2), 2)]:
        for _ in range(length):
            mask[y, x] = True
            y, x = y + step[0], x + step[1]
        step = (step[1], -step[0])
    labels = on_cuda(connected_labels, mask)
    assert np.unique(labels[mask]).size == 1
    assert_array_equal(labels, connected_labels_plain(mask))
