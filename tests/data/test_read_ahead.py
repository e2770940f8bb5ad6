"""Observations read ahead: the same ones in the same order, no more than asked for, and no thread left behind."""

import signal
import threading
import time
import weakref
from contextlib import closing, suppress

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lightpool.data import FILE_CACHE, DataStore, Observation
from lightpool.data.read_ahead import read_ahead
from lightpool.errors import FormatError, MissingDataError


class Slow(Observation):
    """Takes its time to load, and tells when."""

    def __init__(self, obs_id, started=None, seconds=0.0):
        super().__init__(obs_id=obs_id)
        self.started, self.seconds = started, seconds

    def loaded(self):
        if self.started is not None:
            self.started.append(self.obs_id)
        time.sleep(self.seconds)
        return super().loaded()


def reading_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("lightpool-read-ahead")]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert reading_threads() == []


@pytest.mark.parametrize("depth", [1, 2, 5, 40])
@pytest.mark.parametrize("n_thread", [1, 3])
def test_observations_come_in_their_order(depth, n_thread):
    seconds = np.random.default_rng(depth).uniform(0, 0.004, 20)
    observations = [Slow(i, seconds=seconds[i]) for i in range(20)]
    assert [x.obs_id for x in read_ahead(observations, depth=depth, n_thread=n_thread)] == list(range(20))


def test_no_observations_give_none():
    assert list(read_ahead([])) == []


@pytest.mark.parametrize("n_thread", [1, 2])
@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_are_read_ahead_than_asked_for(depth, n_thread):
    started = []
    for i, _ in enumerate(read_ahead([Slow(i, started) for i in range(12)], depth=depth, n_thread=n_thread)):
        time.sleep(0.01)
        assert len(started) <= i + 1 + depth
        assert len(reading_threads()) <= n_thread
    assert sorted(started) == list(range(12))


def test_the_next_ones_are_read_while_the_first_is_in_use():
    started = []
    with closing(read_ahead([Slow(i, started) for i in range(9)], depth=3)) as ahead:
        next(ahead)
        deadline = time.monotonic() + 10
        while len(started) < 4 and time.monotonic() < deadline:
            time.sleep(0.001)
    assert started == [0, 1, 2, 3]


def test_an_observation_that_was_let_go_is_not_kept_in_memory():
    ahead = read_ahead([Slow(0), Slow(1, seconds=0.2), Slow(2)], depth=1)
    first = weakref.ref(next(ahead))
    waiting = threading.Timer(0.1, lambda: gone.append(first() is None))
    gone = []
    waiting.start()
    next(ahead)
    waiting.join()
    ahead.close()
    assert gone == [True]


def test_threads_end_where_the_loop_is_left():
    for observation in read_ahead([Slow(i) for i in range(9)]):
        if observation.obs_id == 3:
            break
    assert reading_threads() == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_threads_end_with_an_error(error):
    with suppress(error), closing(read_ahead([Slow(i) for i in range(9)])) as ahead:
        for observation in ahead:
            if observation.obs_id == 3:
                raise error
    assert reading_threads() == []


def test_ctrl_c_while_a_file_is_waited_for_ends_cleanly():
    started, arrived = [], threading.Event()

    def interrupt(number, frame):
        arrived.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)

    class Interrupting(Slow):
        """The user presses Ctrl-C while this one is read, and it goes on until that has arrived."""

        def loaded(self):
            observation = super().loaded()
            for _ in range(600):  # one that comes just before the main thread begins to wait is only seen after it
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                if arrived.wait(0.1):
                    break
            assert arrived.is_set()
            return observation

    observations = [Interrupting(0, started), *(Slow(i, started) for i in range(1, 9))]
    try:
        with pytest.raises(KeyboardInterrupt), closing(read_ahead(observations, depth=2)) as ahead:
            next(ahead)
    finally:
        signal.signal(signal.SIGINT, before)
    assert started in ([0], [0, 1], [0, 1, 2])
    for thread in reading_threads():  # one that the executor was just starting ends by itself, and is not waited for
        thread.join(60)
    assert reading_threads() == []


def test_an_iteration_that_was_never_begun_starts_no_thread():
    ahead = read_ahead([Slow(0)])
    assert reading_threads() == []
    ahead.close()


def test_an_error_of_the_list_comes_after_the_observations_before_it():
    def observations():
        yield from (Slow(0), Slow(1))
        raise OSError("the index went away")

    given = []
    with pytest.raises(OSError, match="index went away"):
        given.extend(observation.obs_id for observation in read_ahead(observations(), depth=4))
    given = []
    with suppress(OSError):
        for observation in read_ahead(observations(), depth=4):
            given.append(observation.obs_id)
    assert given == [0, 1]


def test_anything_else_is_given_as_it_is():
    things = [object(), object()]
    assert list(read_ahead(things)) == things


def test_what_is_read_ahead_is_what_is_read_without(three):
    observations = DataStore.from_dir(three.finish()).get_observations()
    for ahead, plain in zip(read_ahead(observations), observations, strict=True):
        assert ahead.obs_id == plain.obs_id
        for name in ("lon", "lat", "energy", "time"):
            assert_array_equal(ahead.events.arrays[name], plain.events.arrays[name])
        assert_array_equal(ahead.gti.time_start.mjd, plain.gti.time_start.mjd)
        for name in plain.available_irfs:
            assert_array_equal(getattr(ahead, name).data, getattr(plain, name).data)
        assert ahead.bkg.fov_alignment == plain.bkg.fov_alignment
        assert ahead.pointing_radec.separation(plain.pointing_radec).deg == 0


def test_files_are_not_opened_again_by_who_uses_the_observation(three, monkeypatch):
    observations = DataStore.from_dir(three.finish()).get_observations()
    ahead = list(read_ahead(observations))
    FILE_CACHE.clear()
    monkeypatch.setattr(type(FILE_CACHE), "open", lambda *_: pytest.fail("a file was opened again"))
    for observation in ahead:
        assert len(observation.events.table)
        assert observation.observation_live_time_duration.value > 0
        assert observation.meta.obs_info.obs_id == observation.obs_id
        assert all(getattr(observation, name) is not None for name in observation.available_irfs)
        assert observation.pointing_radec.isscalar


def test_a_damaged_file_is_an_error_where_its_observation_is_used(three):
    path = next((three.folder / "data").glob("run_2.fits*"))
    path.write_bytes(path.read_bytes()[:3000])
    n_event = {}
    for observation in read_ahead(DataStore.from_dir(three.finish()).get_observations()):
        if observation.obs_id == 2:
            with pytest.raises(FormatError, match="observation 2, events"):
                len(observation.events.table)
        else:
            n_event[observation.obs_id] = len(observation.events.table)
    assert sorted(n_event) == [1, 3]
    assert min(n_event.values()) > 0


def test_a_part_that_is_not_there_harms_only_those_who_ask_for_it(three):
    for row in three.hdu_rows:
        row["HDU_NAME"] = "NONE" if row["HDU_TYPE"] == "psf" else row["HDU_NAME"]
    for observation in read_ahead(DataStore.from_dir(three.finish()).get_observations()):
        assert len(observation.events.table)
        with pytest.raises(MissingDataError, match=f"observation {observation.obs_id}, psf: .*no HDU 'NONE'"):
            len(observation.psf.axes)


def test_each_observation_is_prepared_in_a_thread_before_it_is_given():
    prepared = []

    def prepare(observation):
        assert threading.current_thread() in reading_threads()
        prepared.append(observation.obs_id)

    for observation in read_ahead([Slow(i) for i in range(5)], prepare=prepare):
        assert observation.obs_id in prepared
    assert prepared == [0, 1, 2, 3, 4]


def test_a_failed_preparation_harms_nobody():
    def prepare(observation):
        raise MemoryError

    assert [x.obs_id for x in read_ahead([Slow(i) for i in range(5)], prepare=prepare)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("wrong", [{"depth": 0}, {"n_thread": 0}])
def test_reading_ahead_by_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        read_ahead([], **wrong)
