"""Progress of loops: where it is shown, how it ends, and what a function of the user is told."""

import io
import os
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest

from lightpool.utils import notebook_bar, pbar


class Terminal(io.StringIO):
    """A standard stream that is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    yield Terminal()
    assert not pbar._consoles
    assert not pbar._in_use.locked()


@pytest.fixture
def calls():
    """Numbers that a function of the user is called with; calls() is that function."""
    return []


def record(calls):
    return lambda n_done, n_total: calls.append((n_done, n_total))


def drained(items, *args, **kwargs):
    with pbar.tracked(items, *args, **kwargs) as iterator:
        return list(iterator)


def fail_at_second(error):
    with pbar.tracked([1, 2, 3], "things", progress=True) as items:
        for item in items:
            if item == 2:
                raise error


@pytest.mark.parametrize(
    ("switch", "progress", "is_shown"),
    [(False, None, False), (True, None, True), (False, True, True), (True, False, False), (False, False, False)],
)
def test_an_argument_counts_before_the_switch(terminal, monkeypatch, switch, progress, is_shown):
    with redirect_stderr(terminal):
        monkeypatch.setattr(pbar, "SHOW_PROGRESS_BAR", switch)
        monkeypatch.setattr(pbar, "_PATIENCE", -1.0)
        assert drained([1, 2, 3], "things", progress=progress) == [1, 2, 3]
        assert ("things" in terminal.getvalue()) is is_shown
        assert ("3/3" in terminal.getvalue()) is is_shown


def test_what_is_switched_on_for_all_loops_is_not_shown_for_short_ones(terminal, monkeypatch):
    with redirect_stderr(terminal):
        monkeypatch.setattr(pbar, "SHOW_PROGRESS_BAR", True)
        assert drained([1, 2, 3], "things") == [1, 2, 3]
        assert terminal.getvalue() == ""


def test_a_bar_appears_during_a_first_item_that_takes_long(terminal, monkeypatch):
    with redirect_stderr(terminal):
        monkeypatch.setattr(pbar, "_PATIENCE", 0.01)
        appeared = threading.Event()
        monkeypatch.setattr(pbar._TerminalBar, "start", lambda self: appeared.set())
        with pbar.shown(), pbar.tracked([1], "things") as items:
            for _ in items:
                assert appeared.wait(10)


@pytest.mark.parametrize("wrong", ["yes", 2, 1, 0.0, [], 1.5, object(), np.ones(2)])
def test_a_wrong_argument_is_refused_before_the_work(wrong):
    with pytest.raises(TypeError, match="progress must be True, False, None, or a function"):
        drained([1], "things", progress=wrong)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([1, 2], [(0, 2), (1, 2), (2, 2)]),
        ([], [(0, 0)]),
        (iter([1, 2]), [(0, None), (1, None), (2, None)]),
        ({"a": 1}.items(), [(0, 1), (1, 1)]),
    ],
    ids=["list", "none", "generator", "items"],
)
def test_a_function_is_told_how_many_items_are_done(calls, terminal, items, expected):
    with redirect_stderr(terminal):
        drained(items, "things", progress=record(calls))
        assert calls == expected
        assert terminal.getvalue() == ""


def test_an_item_is_done_when_the_next_one_is_asked_for(calls):
    with pbar.tracked("ab", "letters", progress=record(calls)) as letters:
        next(letters)
        assert calls == [(0, 2)]
        next(letters)
        assert calls == [(0, 2), (1, 2)]


def test_what_a_function_raises_ends_the_loop():
    def stop(n_done, _):
        if n_done == 2:
            raise KeyboardInterrupt

    done = []
    with pytest.raises(KeyboardInterrupt), pbar.tracked(range(9), "things", progress=stop) as items:
        done.extend(items)
    assert done == [0, 1]


def test_threads_that_count_at_the_same_time_lose_nothing(calls):
    with pbar.counted("things", 500, record(calls)) as advance, ThreadPoolExecutor(8) as pool:
        for _ in range(500):
            pool.submit(advance)
    assert calls == [(n, 500) for n in range(501)]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_bar_is_gone_before_an_error_of_the_loop_is_seen(terminal, error):
    with redirect_stderr(terminal):
        with pytest.raises(error) as found:
            fail_at_second(error)
        assert not pbar._consoles, "although the error still refers to the loop"
        assert "1/3" in terminal.getvalue()
        assert found.value.__context__ is None, "nothing else went wrong"
        assert terminal.getvalue().rstrip("\n").endswith("\x1b[?25h"), "the cursor is shown again"


def test_an_error_of_the_items_is_that_of_the_loop(terminal):
    with redirect_stderr(terminal):

        def items():
            yield 1
            raise OSError("gone")

        with pytest.raises(OSError, match="gone"):
            drained(items(), "things", progress=True)


def test_a_loop_inside_another_has_no_bar_of_its_own_but_may_have_a_function(terminal, calls):
    with redirect_stderr(terminal):
        with pbar.tracked([1, 2], "things", progress=True) as items:
            for _ in items:
                assert drained("ab", "parts", progress=True) == ["a", "b"]
                drained("ab", "letters", progress=record(calls))
        assert "2/2" in terminal.getvalue()
        assert "parts" not in terminal.getvalue()
        assert len(calls) == 6


def test_a_number_that_is_not_known_is_no_obstacle(terminal):
    with redirect_stderr(terminal):
        assert drained((n for n in range(3)), "things", progress=True) == [0, 1, 2]
        assert "3/?" in terminal.getvalue()


def test_nothing_to_do_shows_nothing(terminal):
    with redirect_stderr(terminal):
        assert drained([], "things", progress=True) == []
        assert terminal.getvalue() == ""


@pytest.mark.parametrize("stream", [io.StringIO(), None], ids=["pipe", "no standard error"])
def test_without_a_terminal_nothing_is_shown(monkeypatch, stream):
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich a pipe is a terminal then
    monkeypatch.setattr(sys, "stderr", stream)
    assert drained([1, 2], "things", progress=True) == [1, 2]
    assert stream is None or stream.getvalue() == ""


def test_a_closed_standard_error_is_no_obstacle(monkeypatch):
    stream = Terminal()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    assert drained([1, 2], "things", progress=True) == [1, 2]


def test_prints_go_above_the_bar_but_stay_in_a_file(terminal):
    with redirect_stderr(terminal):
        with redirect_stdout(io.StringIO()) as file, pbar.tracked("a", "things", progress=True) as items:
            for letter in items:
                print(letter)  # noqa: T201
        assert file.getvalue() == "a\n"
        assert "a\n" not in terminal.getvalue()
        with redirect_stdout(terminal), pbar.tracked("b", "things", progress=True) as items:
            for letter in items:
                print(letter)  # noqa: T201
        assert "b\n" in terminal.getvalue()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_script_on_a_real_terminal_shows_a_bar_and_its_output_goes_to_its_file(tmp_path):
    script = (
        "import lightpool, logging\n"
        "from lightpool.utils.pbar import tracked\n"
        "with tracked([1, 2], 'things', progress=True) as items:\n"
        "    for item in items:\n"
        "        print('printed', item)\n"
        "        logging.getLogger('lightpool.x').warning('warned %d', item)\n"
    )
    ours, its = os.openpty()
    with open(tmp_path / "out", "w") as out:
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
        subprocess.run([sys.executable, "-c", script], stdout=out, stderr=its, env=environment, check=True)
    os.close(its)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert (tmp_path / "out").read_text() == "printed 1\nprinted 2\n"
    assert "2/2" in shown
    assert "WARNING: warned 2 [lightpool.x]\r\n" in shown


class GoneTerminal(Terminal):
    """A terminal that goes away after so many writes, as when a connection is lost."""

    def __init__(self, n_write):
        super().__init__()
        self.n_write = n_write

    def write(self, text):
        self.n_write -= 1
        if self.n_write < 0:
            raise OSError(5, "Input/output error")
        return super().write(text)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # in the thread of rich that draws
@pytest.mark.parametrize("n_write", [0, 1, 2, 3])
@pytest.mark.parametrize("patience", [1.0, -1.0])
def test_work_goes_on_where_its_terminal_goes_away(terminal, monkeypatch, n_write, patience):
    monkeypatch.setattr(pbar, "_PATIENCE", patience)
    before = sys.stdout
    with redirect_stderr(GoneTerminal(n_write)), pbar.shown():
        assert drained([1, 2, 3], "things", progress=True) == [1, 2, 3]
        assert drained([1, 2, 3], "things") == [1, 2, 3]
        with pbar.busy("reading"):
            pass
        pbar.print_line("still here")
    assert sys.stdout is before


@pytest.mark.parametrize("stream", [GoneTerminal(0), None], ids=["gone", "none"])
def test_a_line_without_a_standard_error_is_no_obstacle(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    pbar.print_line("nobody sees this")


@pytest.mark.parametrize("when", ["start", "stop"])
def test_an_interrupt_while_a_bar_begins_or_ends_leaves_the_terminal_as_it_was(terminal, monkeypatch, when):
    from rich.progress import Progress

    plain = getattr(Progress, when)

    def interrupted(self):
        if when == "start":
            plain(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, when, interrupted)
    with redirect_stderr(terminal), pytest.raises(KeyboardInterrupt):
        drained([1, 2], "things", progress=True)
    assert terminal.getvalue().endswith("\x1b[?25h"), "the cursor is shown again"


@pytest.mark.parametrize("width", [18, 20, 30, 45, 60, 200])
def test_the_numbers_fit_into_a_narrow_terminal(terminal, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    with redirect_stderr(terminal):
        drained(range(30), "observations", progress=True)
    assert "observations" in terminal.getvalue()
    assert "30/30" in terminal.getvalue()


class Notebook:
    """What a notebook displays: a list of the states of each display."""

    def __init__(self):
        self.kernel = self
        self.displays = []

    def get_ipython(self):
        return self

    def display(self, shown, *, display_id):
        assert display_id is True
        states = [(repr(shown), shown._repr_html_())]
        self.displays.append(states)
        return types.SimpleNamespace(update=lambda shown: states.append((repr(shown), shown._repr_html_())))


@pytest.fixture
def notebook(monkeypatch):
    book = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", book)
    monkeypatch.setitem(sys.modules, "IPython.display", book)
    monkeypatch.setattr(notebook_bar, "_INTERVAL", -1.0)
    return book


def test_a_notebook_has_one_display_that_keeps_its_last_state(notebook, capsys):
    assert drained([1, 2, 3], "things", progress=True) == [1, 2, 3]
    ((first, *states),) = notebook.displays
    assert first == ("0 of 3 things, 0:00", '<div><progress value="0" max="3"></progress> 0 of 3 things, 0:00</div>')
    assert states[0][0] == "1 of 3 things, 0:00, about 0:00 left"
    assert states[-1][0] == "3 of 3 things, 0:00"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("fails", ["display", "update"])
def test_a_notebook_that_cannot_show_a_bar_loses_nothing(notebook, monkeypatch, fails):
    def fail(*args, **kwargs):
        raise RuntimeError("no connection")

    shown = types.SimpleNamespace(update=fail)
    monkeypatch.setattr(notebook, "display", fail if fails == "display" else lambda *args, **kwargs: shown)
    assert drained([1, 2, 3], "things", progress=True) == [1, 2, 3]


def test_a_notebook_shows_how_far_a_failed_loop_came(notebook):
    with pytest.raises(ValueError, match="bad"):
        fail_at_second(ValueError("bad"))
    assert notebook.displays[0][-1][0] == "1 of 3 things, 0:00"


def test_a_notebook_shows_loops_of_unknown_length_without_a_bar_at_the_end(notebook):
    drained((n for n in range(2)), "<things>", progress=True)
    assert notebook.displays[0][0][1] == "<div><progress></progress> 0 &lt;things&gt;, 0:00</div>"
    assert notebook.displays[0][-1][1] == "<div>2 &lt;things&gt;, 0:00</div>"


def test_a_notebook_is_not_flooded(notebook, monkeypatch):
    monkeypatch.setattr(notebook_bar, "_INTERVAL", 3600.0)
    drained(range(1000), "things", progress=True)
    assert [text.partition(",")[0] for text, _ in notebook.displays[0]][-1] == "1000 of 1000 things"
    assert len(notebook.displays[0]) <= 3


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599.7, "1:00:00"), (36125, "10:02:05")])
def test_times_are_those_of_a_clock(seconds, text):
    assert notebook_bar._clock(seconds) == text


def test_an_ipython_without_a_kernel_is_no_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: object()))
    assert not notebook_bar.is_notebook()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert not notebook_bar.is_notebook()
