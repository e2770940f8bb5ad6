"""The report of what ran where."""

import json
import time

import pytest

from lightpool.gammapy.acceleration.report import Recorder


@pytest.fixture
def recorder():
    recorder = Recorder()
    for reason in ["a subclass with methods of its own", None, "a subclass with methods of its own", "<b>\x1b[31m"]:
        with recorder.call("MapDatasetMaker.run") as call:
            call.differs("solid angles")
            if reason:
                call.fall_back(reason)
    return recorder


def test_calls_are_counted_and_equal_reasons_are_counted_together(recorder):
    (row,) = recorder.report().rows
    assert (row.what, row.calls, row.fallbacks) == ("MapDatasetMaker.run", 4, 3)
    assert row.reasons == {"a subclass with methods of its own": 2, "<b>\x1b[31m": 1}


def test_a_difference_counts_only_in_results_of_lightpool(recorder):
    assert recorder.report().rows[0].differences == {"solid angles": 1}


def test_the_time_before_falling_back_is_of_lightpool_and_the_rest_of_gammapy():
    recorder = Recorder()
    with recorder.call("a") as call:
        time.sleep(0.02)
        call.fall_back("too hard")
        time.sleep(0.05)
    (row,) = recorder.report().rows
    assert 0.02 <= row.lightpool_seconds < 0.05 <= row.gammapy_seconds < 0.5


def test_the_time_of_a_call_inside_another_counts_once():
    recorder = Recorder()
    with recorder.call("outer"):
        with recorder.call("inner"):
            time.sleep(0.05)
        time.sleep(0.01)
    outer, inner = recorder.report().rows
    assert (outer.what, inner.what) == ("outer", "inner")
    assert 0.01 <= outer.lightpool_seconds < 0.05 <= inner.lightpool_seconds


def test_a_call_that_fails_is_counted_too():
    recorder = Recorder()
    with pytest.raises(ValueError, match="wrong"), recorder.call("a"):
        raise ValueError("wrong")
    assert recorder.report().rows[0].calls == 1


def test_the_text_names_methods_and_reasons_and_has_no_control_characters(recorder):
    text = str(recorder.report())
    assert "MapDatasetMaker.run" in text
    assert "in Gammapy (2 of 4): a subclass with methods of its own" in text
    assert "differs from Gammapy (1 of 4): solid angles" in text
    assert "\x1b" not in text


def test_the_table_of_a_notebook_escapes_what_comes_from_elsewhere(recorder):
    html = recorder.report()._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "\x1b" not in html


def test_the_rows_are_plain_data(recorder):
    (row,) = json.loads(json.dumps(recorder.report().to_dicts()))
    assert row["calls"] == 4


def test_a_report_of_nothing_says_so():
    recorder = Recorder()
    assert "No method" in str(recorder.report())
    assert "No method" in recorder.report()._repr_html_()


def test_a_report_does_not_change_with_later_calls(recorder):
    report = recorder.report()
    with recorder.call("MapDatasetMaker.run") as call:
        call.fall_back("late")
    assert report.rows[0].calls == 4
    assert "late" not in report.rows[0].reasons
    recorder.clear()
    assert recorder.report().rows == ()


def test_of_many_warnings_the_report_lists_the_first():
    recorder = Recorder()
    for i in range(8):
        with recorder.call("MapDatasetMaker.run") as call:
            call.differs("solid angles")
            call.messages.append(f"observation {i}: no background")
    (row,) = recorder.report().rows
    assert len(row.messages) == 8
    notes = row.notes()
    assert notes[0] == "differs from Gammapy (8 of 8): solid angles"
    assert notes[1:] == [
        *(f"warns (1 of 8): observation {i}: no background" for i in range(5)),
        "and 3 other warnings",
    ]
