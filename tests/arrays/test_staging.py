"""Arrays sent ahead of their use arrive whole, whatever runs first: on a made-up GPU, and on a real one."""

import gc
import sys
import threading
import weakref
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lightpool.arrays import count_transfers, find_device, to_device, to_host, use_device
from lightpool.arrays.devices import staging
from lightpool.arrays.devices.staging import Uploads
from lightpool.arrays.devices.streams import Streams
from lightpool.errors import DeviceError


class Event:
    passed = False


class FakeArray:
    """Memory of the made-up GPU; it goes back to the pool of its stream as soon as the host lets go of it."""

    def __init__(self, block, shape, dtype, free):
        self.block, self.shape, self.dtype = block, shape, dtype
        weakref.finalize(self, free.append, block)


class FakeStreams(Streams):
    """A GPU whose streams do what was launched on them only when `advance` says so.

    Parameters
    ----------
    broken : the order that it does not keep
    """

    copying = "copy"

    def __init__(self, broken=None):
        self.broken = broken
        self.here = "compute"
        self.queues = defaultdict(deque)
        self.free = defaultdict(list)
        self.pinned_bytes = []
        self.failures = 0

    def current(self):
        return self.here

    def pinned(self, n_bytes):
        buffer = np.full(n_bytes, 255, np.uint8)
        self.pinned_bytes.append(n_bytes)
        weakref.finalize(buffer, self.pinned_bytes.remove, n_bytes)
        return buffer

    def empty(self, shape, dtype, stream):
        n_bytes = int(np.prod(shape)) * dtype.itemsize
        free = self.free[stream, n_bytes]
        return FakeArray(free.pop() if free else np.zeros(n_bytes, np.uint8), shape, dtype, free)

    def copy(self, array, pinned, start):
        assert array.dtype == pinned.dtype
        place = start * pinned.itemsize
        block, buffer = array.block[place : place + pinned.nbytes], pinned.view(np.uint8)
        self.queues["copy"].append(lambda: np.copyto(block, buffer))

    def record(self, stream):
        event = Event()
        self.queues[stream].append(lambda: setattr(event, "passed", True))
        return event

    def wait(self, stream, event):
        if self.broken != f"{stream} waits":
            self.queues[stream].append(lambda: event.passed)

    def is_done(self, event):
        return event.passed or self.broken == "buffers wait"

    def synchronize(self, event):
        while not event.passed:
            for stream in list(self.queues):
                self.advance(stream, 1)

    def advance(self, stream, n):
        """Let a stream do the next of what was launched on it; where it has to wait, it does nothing."""
        queue = self.queues[stream]
        for _ in range(min(n, len(queue))):
            if queue[0]() is False:
                return
            queue.popleft()

    def finish(self):
        while any(self.queues.values()):
            for stream in list(self.queues):
                self.advance(stream, 1)

    # -- what a maker would do on the current stream

    def check(self, array, expected):
        block, content = array.block, expected.reshape(-1).view(np.uint8)
        self.queues[self.here].append(lambda: self.compare(block, content))

    def compare(self, block, content):
        self.failures += not np.array_equal(block, content)

    def work(self, n, value):
        """Fill a new array, and look at it later."""
        array = self.empty((n,), np.dtype(float), self.here)
        block, content = array.block, np.full(n, float(value)).view(np.uint8)
        self.queues[self.here].append(lambda: np.copyto(block, content))
        self.queues[self.here].append(lambda: self.compare(block, content))


def uploads_to(streams, max_bytes=staging.MAX_PINNED_BYTES):
    with pytest.MonkeyPatch.context() as patch:
        lane = staging._Lane(streams, max_bytes)
        patch.setattr(staging, "_lane_to", lambda device: lane)
        return Uploads("cpu")


def values(n, seed):
    return np.random.default_rng(seed).normal(size=n)


SIZES = st.sampled_from([1, 3, 200])
ACTIONS = st.one_of(
    st.tuples(st.just("send"), SIZES),
    st.tuples(st.just("receive"), st.integers(0, 9)),
    st.tuples(st.just("let go"), st.integers(0, 9)),
    st.tuples(st.just("work"), SIZES),
    st.tuples(st.sampled_from(["copy", "compute", "other"]), st.integers(1, 6)),
    st.tuples(st.just("change stream"), st.sampled_from(["compute", "compute", "other"])),
)


def play(streams, actions, max_bytes=2**18):
    """Send, use and drop arrays, while the streams advance as it happens; give the number of wrong values seen."""
    uploads, sent, kept = uploads_to(streams, max_bytes), [], []
    for i, (action, how) in enumerate(actions):
        if action == "send":
            x = values(how, i)
            sent.append((uploads.send(x), x.copy()))
            x[...] = np.nan  # the caller may change it at once
            assert sum(streams.pinned_bytes) <= max_bytes
        elif action == "receive" and sent:
            parcel, expected = sent[how % len(sent)]
            kept.append(parcel.receive())  # used on another stream, an array must outlive the work there
            streams.check(kept[-1], expected)
        elif action == "let go" and sent:
            del sent[how % len(sent)]
            if streams.here == "compute" and not streams.queues["other"]:
                kept.clear()
        elif action == "work":
            streams.work(how, i)
        elif action in ("copy", "compute", "other"):
            streams.advance(action, how)
        elif action == "change stream":
            streams.here = how
    sent.clear()
    streams.finish()
    return streams.failures


@settings(max_examples=50, deadline=None)
@given(st.lists(ACTIONS, max_size=60))
def test_what_was_sent_arrives_whatever_runs_first(actions):
    assert play(FakeStreams(), actions) == 0


SEND, RECEIVE, DROP, WORK = ("send", 200), ("receive", 0), ("let go", 0), ("work", 200)
NEEDED = {
    "a buffer is written while a copy reads it": ("buffers wait", [SEND, SEND, RECEIVE]),
    "memory is in use when it is handed out": ("copy waits", [WORK, SEND, ("copy", 9), RECEIVE]),
    "an array is used before it is there": ("compute waits", [SEND, RECEIVE, ("compute", 9)]),
    "a copy ends in memory that is something else now": (
        "compute waits",
        [SEND, DROP, WORK, ("compute", 2), ("copy", 9)],
    ),
}


@pytest.mark.parametrize("fault", NEEDED)
def test_each_order_is_needed_and_kept(fault):
    broken, actions = NEEDED[fault]
    assert play(FakeStreams(broken), actions) > 0
    assert play(FakeStreams(), actions) == 0


def test_pinned_memory_stays_within_its_limit():
    streams = FakeStreams()
    uploads = uploads_to(streams, max_bytes=2**17)
    kept = []
    for i in range(20):
        kept.append(uploads.send(values(5000, i)).receive())
        streams.check(kept[-1], values(5000, i))
        assert sum(streams.pinned_bytes) <= 2**17
    streams.finish()
    assert streams.failures == 0


@pytest.mark.parametrize("sizes", [[20_000], [100_000], [3, 20_000, 500, 70_000, 8191, 8192, 8193] * 5])
def test_arrays_larger_than_a_buffer_or_than_all_of_them_arrive_in_parts(sizes):
    streams = FakeStreams()
    uploads, kept = uploads_to(streams, max_bytes=2**17), []
    for i, size in enumerate(sizes):
        kept.append(uploads.send(values(size, i)).receive())
        streams.check(kept[-1], values(size, i))
        assert sum(streams.pinned_bytes) <= 2**17
    streams.finish()
    assert streams.failures == 0
    assert sum(streams.pinned_bytes) <= 2**17
    assert len(set(streams.pinned_bytes)) == 1, "whatever was sent, nothing goes back to a pool"


def test_threads_that_send_at_once_stay_within_the_limit():
    streams = FakeStreams()
    lock = threading.RLock()
    for name in ("pinned", "empty", "copy", "record", "wait", "synchronize"):
        setattr(streams, name, _one_at_a_time(getattr(streams, name), lock))
    uploads = uploads_to(streams, max_bytes=2**14)
    with ThreadPoolExecutor(24) as pool:
        sent = list(pool.map(lambda i: uploads.send(values(900, i)), range(96)))
    for i, parcel in enumerate(sent):
        streams.check(parcel.receive(), values(900, i))
    streams.finish()
    assert streams.failures == 0
    assert sum(streams.pinned_bytes) <= 2**14


def _one_at_a_time(method, lock):
    def locked(*args):
        with lock:
            return method(*args)

    return locked


def test_a_buffer_whose_copy_has_ended_is_used_again():
    streams = FakeStreams()
    uploads = uploads_to(streams)
    for i in range(10):
        uploads.send(values(100, i)).receive()
        streams.finish()
    assert len(streams.pinned_bytes) == 1


def test_sending_does_not_wait_for_the_device():
    streams = FakeStreams()
    streams.synchronize = lambda event: pytest.fail("the host waited")
    uploads = uploads_to(streams)
    for i in range(8):
        uploads.send(values(1000, i)).receive()


def test_a_stream_that_other_threads_cannot_name_is_left_alone():
    streams = FakeStreams()
    streams.is_shared = lambda stream: False
    received = uploads_to(streams).send(np.arange(3.0)).receive()
    assert_array_equal(received, [0, 1, 2])
    assert not any(streams.queues.values())


def found(name):
    try:
        return find_device(name)
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.fixture(
    params=["cpu", "torch", "strict", *(pytest.param(x, marks=pytest.mark.gpu) for x in ("cuda", "torch:cuda"))]
)
def uploads(request):
    with use_device(found(request.param)) as device:
        yield Uploads(device)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool"])
@pytest.mark.parametrize("shape", [(0,), (1,), (3, 4), (2, 0), (1000, 3)])
def test_an_array_is_received_as_it_was_sent(uploads, shape, dtype):
    x = np.random.default_rng(1).uniform(-2, 2, shape).astype(dtype)
    expected = x.copy()
    sent = uploads.send(x)
    x[...] = 0
    received = sent.receive()
    assert received.shape == shape
    assert to_host(received).dtype == dtype
    assert_array_equal(to_host(received), expected)
    assert sent.receive() is received


def test_byte_order_and_layout_do_not_matter(uploads):
    x = np.arange(12.0).reshape(3, 4)
    for other in (x.astype(">f8"), np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1, ::-1]):
        assert_array_equal(to_host(uploads.send(other).receive()), other)


def test_an_array_that_was_sent_counts_once(uploads):
    with count_transfers() as transfers:
        sent = uploads.send(np.arange(10.0))
        sent.receive(), sent.receive()
    crossed = 0 if uploads.device.is_host else 1
    assert (transfers.to_device.number, transfers.to_device.bytes) == (crossed, 80 * crossed)
    assert transfers.to_host.number == 0


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["cuda", "torch:cuda"])
def test_arrays_arrive_beside_work_that_keeps_the_gpu_busy(name):
    device = found(name)
    uploads, xp = Uploads(device), device.xp
    n = 100 if "cupy_without_gpu.compiler" in sys.modules else 2000  # on the host, large products take minutes
    busy = to_device(np.random.default_rng(0).normal(size=(n, n)) / 50, device)
    totals, expected, waiting = [], [], deque()
    for i in range(60):
        x = values(100_000, i)
        expected.append(x.sum())
        waiting.append(uploads.send(x))
        busy = busy @ busy / 50  # its memory is handed out again and again
        if i % 7 == 3:
            waiting.pop()  # never received
            expected.pop()
        elif len(waiting) > 2:
            totals.append(xp.sum(waiting.popleft().receive()))
    totals += [xp.sum(sent.receive()) for sent in waiting]
    gc.collect()
    np.testing.assert_allclose([float(to_host(total)) for total in totals], expected, rtol=1e-9)
