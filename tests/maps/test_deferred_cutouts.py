"""Cutouts whose values are copied late cannot be told from copies that were made at once."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lightpool.arrays.devices import array_windows
from lightpool.arrays.devices.devices import to_host
from lightpool.irf import EDispKernelMap, PSFMap
from lightpool.maps import Map, MapAxis, WcsGeom, map_data

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
GEOM = WcsGeom.create(npix=(8, 6), binsz=0.1, skydir=(83.63, 22.01), axes=[ENERGY])
CENTRE = GEOM.center_skydir


@pytest.fixture
def n_copied(monkeypatch):
    """Call it for the number of windows that were copied."""
    shapes, plain = [], array_windows.copied_window

    def counted(source, shape, *args):
        shapes.append(shape)
        return plain(source, shape, *args)

    monkeypatch.setattr(array_windows, "copied_window", counted)
    monkeypatch.setattr(map_data, "copied_window", counted)
    return lambda: len(shapes)


def grown(value=1.0):
    """A map that was filled by a sum, so that nobody else holds its array."""
    total = Map.from_geom(GEOM)
    total.stack(Map.from_geom(GEOM, data=value))
    return total


def test_the_values_of_a_cutout_are_not_copied_before_they_are_read(backend, n_copied):
    total = grown()
    part = total.cutout(CENTRE, "0.3 deg")
    assert (part.geom.data_shape, part.device, part.precision, part.is_mask) == (
        (2, 3, 3),
        total.device,
        "double",
        False,
    )
    assert n_copied() == 0
    assert_array_equal(to_host(part.data), 1)
    part.data[...] = 7
    assert_array_equal(to_host(part.data), 7)
    assert_array_equal(to_host(total.data), 1)
    assert n_copied() == 1


def test_a_cutout_that_was_dropped_is_never_copied(backend, n_copied):
    total = grown()
    total.cutout(CENTRE, "0.3 deg")
    total.stack(Map.from_geom(GEOM, data=1.0))
    assert to_host(total.data).sum() == 2 * 2 * 8 * 6
    assert n_copied() == 0


def test_an_array_that_somebody_may_hold_is_copied_at_once(backend, n_copied):
    for hold in (
        lambda m: m.data,
        lambda m: m.slice_by_idx({"energy": 0}),
        lambda m: m.to(precision="single"),
        lambda m: m.sum_over_axes(),
    ):
        total = grown()
        hold(total)
        before = n_copied()
        total.cutout(CENTRE, "0.3 deg")
        assert n_copied() == before + 1
    given = Map.from_geom(GEOM, data=backend.xp.ones(GEOM.data_shape, device=backend.device.handle))
    given.cutout(CENTRE, "0.3 deg")
    assert n_copied() == before + 2


CHANGES = {
    "sum": lambda m: m.stack(Map.from_geom(GEOM, data=5.0)),
    "sum of a part": lambda m: m.stack(Map.from_geom(GEOM.cutout(CENTRE, "0.2 deg"), data=5.0)),
    "array": lambda m: m.data.__setitem__((Ellipsis,), 5.0),
    "view": lambda m: m.data[0, ...].__setitem__((Ellipsis,), 5.0),
    "new array": lambda m: setattr(m, "data", 5.0),
    "operator": lambda m: m.__iadd__(5.0),
    "set": lambda m: m.set_by_coord({"skycoord": CENTRE, "energy": ENERGY.center}, 5.0),
    "fill": lambda m: m.fill_by_coord({"skycoord": CENTRE, "energy": ENERGY.center}),
    "normalised": lambda m: m.normalize("energy"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_map_does_not_change_its_cutouts(backend, name):
    total = grown()
    part, beyond = (
        total.cutout(CENTRE, "0.3 deg"),
        total.cutout(SkyCoord(84, 22.2, unit="deg"), "0.3 deg", mode="partial"),
    )
    pickled, copied = pickle.loads(pickle.dumps(part)), copy.deepcopy(part)
    expected = np.zeros(beyond.geom.data_shape)
    expected[(..., *beyond.geom.cutout_info["cutout-slices"])] = 1
    CHANGES[name](total)
    for _ in range(2):
        assert_array_equal(to_host(beyond.data), expected)
        assert all((to_host(each.data) == 1).all() for each in (part, pickled, copied))
        CHANGES[name](total)


def test_a_user_who_holds_the_array_changes_no_cutout():
    total = grown()
    late = total.cutout(CENTRE, "0.3 deg")
    view = total.data[:1]
    early = total.cutout(CENTRE, "0.3 deg")
    view[...] = 9
    assert_array_equal(late.data, 1)
    assert_array_equal(early.data, 1)
    as_array = grown()
    part, held = as_array.cutout(CENTRE, "0.3 deg"), np.asarray(as_array)
    held[...] = 9
    assert_array_equal(part.data, 1)
    part = as_array.cutout(CENTRE, "0.3 deg")
    as_array.quantity.value[...] = 3
    assert_array_equal(part.data, 9)


def test_a_cutout_does_not_keep_the_array_of_a_map_that_is_gone():
    total = grown()
    array = weakref.ref(total._array())
    part = total.cutout(CENTRE, "0.3 deg")
    del total
    gc.collect()
    assert array() is None
    assert_array_equal(part.data, 1)
    total = grown()
    array, part = weakref.ref(total._array()), total.cutout(CENTRE, "0.3 deg")
    total.fill_by_coord({"skycoord": CENTRE, "energy": ENERGY.center})
    assert array() is None
    assert_array_equal(part.data, 1)


def test_a_cutout_added_to_its_own_map_adds_what_it_was(backend):
    total = grown()
    part, again = total.cutout(CENTRE, "0.3 deg"), total.cutout(CENTRE, "0.3 deg")
    total.stack(part)
    total.stack(again, weights=Map.from_geom(again.geom.squash("energy"), data=True))
    assert to_host(total.data).sum() == 2 * 8 * 6 + 2 * 2 * 9


def test_a_cutout_of_an_empty_map_is_empty(backend, n_copied):
    empty = Map.from_geom(GEOM, dtype=bool)
    part = empty.cutout(SkyCoord(84, 22.2, unit="deg"), "0.3 deg", mode="partial")
    empty.stack(Map.from_geom(GEOM, data=True))
    assert part.is_mask
    assert not to_host(part.data).any()
    assert to_host(part.copy().data).shape == part.geom.data_shape
    assert n_copied() == 0


def test_a_sum_that_lacks_memory_for_cutouts_changes_nothing(monkeypatch):
    total = grown()
    part = total.cutout(CENTRE, "0.3 deg")
    plain = array_windows.copied_window

    def fails(*args):
        raise MemoryError

    monkeypatch.setattr(array_windows, "copied_window", fails)
    with pytest.raises(MemoryError):
        total.stack(Map.from_geom(GEOM, data=1.0))
    monkeypatch.setattr(array_windows, "copied_window", plain)
    total.stack(Map.from_geom(GEOM, data=1.0))
    assert_array_equal(part.data, 1)
    assert_array_equal(total.data, 2)


def test_threads_that_read_cutouts_while_the_map_grows_see_one_state():
    total, wrong, parts = grown(), [], []
    done = threading.Event()

    def read():
        while not done.is_set() or parts:
            try:
                value, part = parts.pop()
            except IndexError:
                continue
            if not (part.data == value).all():
                wrong.append((value, part.data))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for value in range(2, 150):
        parts.extend((value - 1, total.cutout(CENTRE, "0.5 deg")) for _ in range(3))
        total.stack(Map.from_geom(GEOM, data=1.0))
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert total.data.max() == value


# --- any sequence of operations, on maps whose cutouts are late and on those whose cutouts are read at once


class Maps:
    """Maps, what somebody holds of their arrays, and operations on them by number."""

    def __init__(self, *, late):
        self.late = late
        self.maps, self.held = [Map.from_geom(GEOM), grown(2.0)], []

    def cut(self, i, k):
        position = SkyCoord(83.3 + 0.13 * (k % 6), 21.9 + 0.05 * (k % 5), unit="deg")
        new = self.maps[i].cutout(position, f"{0.2 + 0.1 * (k % 3)} deg", mode="partial")
        if not self.late:
            new.data  # noqa: B018  copied now
        self.maps.append(new)

    def add(self, i, k):
        other = self.maps[k % len(self.maps)]
        if self.maps[i].geom.to_image().is_aligned(other.geom.to_image()):
            self.maps[i].stack(other)

    def hold(self, i, k):
        self.held.append(self.maps[i].data[k % 2, ...])

    def write(self, i, k):
        if self.held:
            self.held[i % len(self.held)][...] = float(k)

    def fill(self, i, k):
        self.maps[i].fill_by_idx((np.array([k % 3]), np.array([0]), np.array([k % 2])))

    def put(self, i, k):
        self.maps[i].set_by_idx((np.array([k % 3]), np.array([0]), np.array([k % 2])), float(k))

    def scale(self, i, k):
        self.maps[i] *= float(k % 3)

    def give(self, i, k):
        self.held.append(np.full(self.maps[i].geom.data_shape, float(k)))
        self.maps[i].data = self.held[-1]

    def copy(self, i, k):
        self.maps.append(self.maps[i].copy() if k % 2 else pickle.loads(pickle.dumps(self.maps[i])))

    def drop(self, i, k):
        if len(self.maps) > 2:
            del self.maps[i]

    def read(self, i, k):
        self.maps[i].sum_over_axes()


OPERATIONS = [name for name in vars(Maps) if not name.startswith("_")]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["cut", "cut", "add", "add", *OPERATIONS]), st.integers(0, 30), st.integers(0, 30)),
        max_size=30,
    )
)
def test_any_sequence_of_operations_gives_what_it_gives_with_cutouts_that_are_copied_at_once(steps):
    late, early = Maps(late=True), Maps(late=False)
    for name, i, k in steps:
        for each in (late, early):
            try:
                getattr(each, name)(i % len(each.maps), k)
            except ValueError as error:  # no overlap
                each.error = str(error)
    assert len(late.maps) == len(early.maps)
    for mine, its in zip(late.maps, early.maps, strict=True):
        assert mine.data.dtype == its.data.dtype
        assert_array_equal(mine.data, its.data)


@pytest.mark.parametrize("kind", ["psf", "edisp"])
def test_the_cutouts_of_responses_stay_what_they_were_when_the_stack_grows(backend, kind):
    def response(value):
        true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
        first = MapAxis.from_bounds(0, 1, nbin=3, unit="deg", name="rad") if kind == "psf" else ENERGY
        geom = GEOM.to_image().to_cube([first, true])
        made = (PSFMap if kind == "psf" else EDispKernelMap).from_geom(geom)
        made.irf_map.data = value
        made.exposure_map.data = value + 1.0
        return made

    total = (PSFMap if kind == "psf" else EDispKernelMap).from_geom(response(1.0).geom)
    parts, expected = [], []
    for number in range(4):
        for width in ("0.3 deg", "0.5 deg"):
            parts.append(total.cutout(CENTRE, width))
            done = total.copy()
            expected.append(
                [to_host(done.cutout(CENTRE, width).irf_map.data), to_host(done.exposure_map.data)[0, 0, 3, 4]]
            )
        total.stack(response(float(number)))
    for part, (values, exposure) in zip(parts, expected, strict=True):
        assert_array_equal(to_host(part.irf_map.data), values)
        assert (to_host(part.exposure_map.data) == exposure).all()
