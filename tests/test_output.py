"""What commands say: whole lines, no control characters, and progress on a terminal alone."""

import io
import logging
import warnings
from contextlib import redirect_stderr

import pytest
from astropy.io import fits
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lightpool.cli import main
from lightpool.cli.console import Progress, ended_by_errors
from lightpool.cli.output import say, show_traceback
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.makers import DatasetsMaker, MapDatasetMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import simulate_store
from lightpool.utils import pbar
from lightpool.utils.text import printable

LONG = "/data/" + "a-rather-long-name-of-a-folder/" * 12 + "run.fits.gz"


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(pbar, "_PATIENCE", -1.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    return stream


@given(st.text())
def test_a_printable_text_has_no_control_characters_and_is_left_alone_otherwise(text):
    found = printable(text)
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in found)
    assert not any(127 <= ord(letter) < 160 for letter in found)
    found.encode("utf-8")
    assert printable(found) == found
    if text.isprintable():
        assert found == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Crab\x1b[31m", r"Crab\x1b[31m"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb", r"a\rb"),
        ("a\x07b\x08", r"a\x07b\x08"),
        ("a\u202eb", r"a\u202eb"),
        ("run\udcff.fits", r"run\udcff.fits"),
        ("α Tau, 5°\n\tGröße", "α Tau, 5°\n\tGröße"),  # noqa: RUF001
    ],
)
def test_control_characters_are_shown_as_escapes(text, shown):
    assert printable(text) == shown


def test_a_log_that_is_no_terminal_has_one_whole_line_for_each_record(capsys, tmp_path):
    with ended_by_errors(tmp_path / "log"):
        logging.getLogger("lightpool.x").warning("%s is not there", LONG)
        logging.getLogger("lightpool.x").warning("OBJECT Crab\x1b]0;title\x07\n12:00:00 ERROR forged")
        warnings.warn(f"{LONG} is odd \x1b[2J", stacklevel=1)
        Progress(2)._say()
    shown = capsys.readouterr().err
    for text in (shown, (tmp_path / "log").read_text()):
        assert any(
            line.endswith(f"WARNING {LONG} is not there") or f": {LONG} is not there" in line
            for line in text.splitlines()
        )
        assert f"{LONG} is odd" in text
        assert "\x1b" not in text
        assert r"Crab\x1b]0;title\x07" in text
        assert "\n12:00:00 ERROR forged" not in text
    assert "0 of 2 observations" in shown


def test_a_line_above_a_bar_is_whole_and_shows_its_control_characters(terminal):
    with redirect_stderr(terminal), ended_by_errors(), Progress(2):
        logging.getLogger("lightpool.x").error("%s \x1b]0;title\x07", LONG)
    assert f"ERROR {LONG} " + r"\x1b]0;title\x07" in terminal.getvalue()
    assert "observations" in terminal.getvalue()


def run(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_no_command_sends_an_escape_of_a_header_or_of_an_argument(tmp_path):
    store = simulate_store(tmp_path / "store", 1, ontime=10.0)
    with fits.open(store / "obs-index.fits.gz", mode="update") as hdus:
        hdus[1].data["OBJECT"] = "X\x1b[31mY"
        hdus[1].columns["TELESCOP"].array[:] = "\x1b[5mHESS"
    bad = "no\x1b[31msuch"
    commands = [("check", store), ("info", bad), ("plan", bad), ("reduce", bad), ("report", bad), ("check", bad)]
    commands += [("stack", bad, "-o", tmp_path / "sum.fits"), ("simulate", store), (bad,), ("check", store, f"--{bad}")]
    commands += [("check", store, "--runs", bad), ("demo", "--device", bad), ("reduce", "x.yaml", "--on-error", bad)]
    for command in commands:
        done = run(*command)
        assert "\x1b" not in done.output, command


def test_an_error_that_nobody_expected_is_printed_without_its_escapes(capsys):
    try:
        raise RuntimeError("bad \x1b[31m header")
    except RuntimeError as error:
        show_traceback(type(error), error, error.__traceback__)
    shown = capsys.readouterr().err
    assert r"RuntimeError: bad \x1b[31m header" in shown
    assert "Traceback" in shown
    say("a\x1bb")
    assert capsys.readouterr().out == "a\\x1bb\n"


def test_progress_is_shown_on_a_terminal_if_it_is_asked_for(terminal):
    with redirect_stderr(terminal):
        assert list(pbar.progress_bar([1, 2, 3], "things")) == [1, 2, 3]
    assert terminal.getvalue() == "", "not asked for"
    with redirect_stderr(terminal), pbar.shown():
        items = [item for item in pbar.progress_bar([1, 2, 3], "things") for _ in pbar.progress_bar(range(2), "parts")]
        with pbar.busy("reading"):
            pbar.print_line(LONG)
    assert items == [1, 1, 2, 2, 3, 3]
    assert "things" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    assert "parts" not in terminal.getvalue(), "one bar at a time"
    assert LONG in terminal.getvalue()
    assert not pbar.SHOW_PROGRESS_BAR


def test_nothing_of_the_progress_reaches_a_pipe(capsys):
    with pbar.shown(), pbar.busy("reading"):
        assert list(pbar.progress_bar([1, 2, 3], "things")) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


def test_a_loop_that_ends_early_takes_its_bar_away(terminal):
    with redirect_stderr(terminal), pbar.shown():
        bar = pbar.progress_bar([1, 2, 3], "things")
        next(bar)
        bar.close()
        assert list(pbar.progress_bar(["a"], "letters")) == ["a"]
    assert not pbar._consoles
    assert "letters" in terminal.getvalue()


def test_a_reduction_shows_its_observations_only_if_asked(terminal, tmp_path):
    store = simulate_store(tmp_path / "store", 2, ontime=10.0)
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=2, binsz=0.5, axes=[axis])
    maker = DatasetsMaker([MapDatasetMaker(selection=["counts"])])
    observations = DataStore.from_dir(store).get_observations(required_irf="all-optional")
    with redirect_stderr(terminal):
        maker.run(MapDataset.create(geom), observations)
    assert terminal.getvalue() == ""
    with redirect_stderr(terminal), pbar.shown():
        maker.run(MapDataset.create(geom), observations)
    assert "observations" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()
